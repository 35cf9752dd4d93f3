//! The pictures of the documentation: `./dev shots` makes them, of the demo's chain.

use super::driver::Browser;
use super::runtime;
use std::io;
use std::path::{Path, PathBuf};
use tillway_tests::demo::{Demo, DemoOptions};

/// Weeks that are played: enough for a history of prices.
const WEEKS: u32 = 6;

/// A picture of the upper part of a page; of a telephone the whole screen and some more.
const HEIGHTS: [(u32, u32); 2] = [(1400, 940), (390, 1180)];

#[test]
#[ignore = "it makes the pictures of the documentation: ./dev shots"]
fn pictures_of_the_documentation() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/pictures");
    fs_err::create_dir_all(&folder).unwrap();
    let options = DemoOptions { weeks: WEEKS, once: true, until_now: true };
    let mut demo = Demo::start(options, &mut io::stderr()).unwrap();
    demo.play(&mut io::stderr()).unwrap();
    let api = demo.bench().server.api().unwrap();
    let found = api.read("/api/v1/receipts?limit=1&sort=sale").unwrap();
    let receipt = api.read(&format!("/api/v1/receipts/{}", found["receipts"][0]["id"].as_str().unwrap())).unwrap();
    // A good that was sold, so it has a price.
    let good = receipt["lines"][0]["item"].as_str().unwrap().to_owned();
    let pages = [
        ("overview", "/".to_owned()),
        ("tills", "/tills".to_owned()),
        ("till", "/tills/till-367-36701".to_owned()),
        ("good", format!("/goods/{good}")),
        ("sales", "/sales/totals".to_owned()),
    ];
    runtime().block_on(async {
        for (width, height) in HEIGHTS {
            let browser = Browser::open(demo.bench(), width).await;
            for (name, path) in pages.iter().filter(|(name, _)| width > 500 || *name == "overview") {
                for language in ["en", "ru"] {
                    browser.goto(&format!("{path}?lang={language}")).await;
                    let file = folder.join(format!("{name}-{width}-{language}.png"));
                    picture(&browser, &file, width, height).await;
                }
            }
            assert_eq!(browser.complaints().await, Vec::<String>::new());
            browser.close().await;
        }
    });
}

async fn picture(browser: &Browser, file: &PathBuf, width: u32, height: u32) {
    let bytes = browser.picture(width, height).await;
    assert!(bytes.len() < 250_000, "{} has {} bytes: too many for a repository", file.display(), bytes.len());
    fs_err::write(file, bytes).unwrap();
}

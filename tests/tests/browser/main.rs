//! The pages in a real Chromium, on a desk (1400 pixels) and on a telephone (390), in both
//! languages: what fits, what stays, what can be done.
//!
//! `./dev test` installs the browser. With `TILLWAY_SHOTS=<folder>` each page's picture is put
//! there.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod driver;
mod flows;
mod shots;
#[path = "../it/support.rs"]
#[allow(dead_code)] // what other scenarios need
mod support;

use driver::Browser;
use fantoccini::Locator;
use fantoccini::key::Key;
use reqwest::Method;
use serde_json::{Value, json};
use std::time::Duration;
use support::{catalogue, item, load, until};
use tillway_tests::bench::TestBench;
use tillway_tests::fleet::{Apply, Fleet, FleetOptions};
use tokio::runtime::Runtime;

/// Tills of the chain that the pages show.
const TILLS: usize = 48;

/// All pages that have an address of their own.
const PAGES: [(&str, &str); 20] = [
    ("overview", "/"),
    ("tills", "/tills"),
    ("till", "/tills/first"),
    ("network", "/network"),
    ("shop", "/network/shop"),
    ("import", "/network/import"),
    ("loads", "/loads"),
    ("load", "/loads/2"),
    ("goods", "/goods?q=item"),
    ("good", "/goods/1"),
    ("sales", "/sales"),
    ("receipts", "/sales/receipts"),
    ("receipt", "/sales/receipts/first"),
    ("totals", "/sales/totals"),
    ("findings", "/findings"),
    ("server", "/server"),
    ("attach", "/attach"),
    ("people", "/people"),
    ("audit", "/audit"),
    ("account", "/account"),
];

/// A chain with prices, sales, a load with rejects, and three tills that have fallen silent.
fn chain() -> (TestBench, Fleet) {
    let bench =
        TestBench::start_with(&[("exchange.reconcile_period_s", "2"), ("exchange.silent_after_s", "20")]).unwrap();
    let options = FleetOptions {
        shops: 4,
        tills: TILLS,
        apply: Apply::Own,
        contact_period: Duration::from_secs(4),
        ..FleetOptions::default()
    };
    let mut fleet = Fleet::attach(&bench, &options).unwrap();
    load(&bench.server, "All", &catalogue(1..201, "10"));
    load(&bench.server, "All", &[item(1, "\"dear\""), item(2, "12")]);
    fleet.wait_for_queues(&bench, Duration::from_mins(1)).unwrap();
    fleet.wake(0..TILLS);
    fleet.sell(0..8, 12);
    until("the tills to be in step", || {
        let tills = tills(&bench);
        let current = tills.iter().filter(|till| till["condition"] == "current").count();
        (current == TILLS, current.to_string())
    });
    until("the shifts to be closed", || (fleet.selling() == 0, fleet.selling().to_string()));
    fleet.silence(0..3);
    until("three tills to be silent", || {
        let tills = tills(&bench);
        let silent = tills.iter().filter(|till| till["condition"] == "silent").count();
        (silent == 3, silent.to_string())
    });
    (bench, fleet)
}

fn tills(bench: &TestBench) -> Vec<Value> {
    // Asked from within a runtime, too.
    let read = || bench.server.api().unwrap().read("/api/v1/tills").unwrap();
    tokio::task::block_in_place(read).as_array().unwrap().clone()
}

fn runtime() -> Runtime {
    tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap()
}

/// What is wider than the page, by its place in it.
const TOO_WIDE: &str = "(() => { const wide = document.documentElement.clientWidth; \
    if (document.documentElement.scrollWidth <= wide) return []; \
    return [...document.querySelectorAll('body *')].filter((e) => e.getBoundingClientRect().right > wide + 1 \
        && !e.closest('.scroll, .chips, .side ul, pre')).slice(0, 5).map((e) => e.outerHTML.slice(0, 120)); })()";

/// Whatever is to be touched and is lower than 44 pixels; links within text may be.
const TOO_SMALL: &str = "[...document.querySelectorAll('button, .button, select, .chip, .side nav a, \
    input:not([type=hidden]):not([type=checkbox]):not([type=radio])')].filter((e) => e.offsetParent !== null \
    && !e.classList.contains('small') && e.getBoundingClientRect().height < 43.5).map((e) => e.outerHTML.slice(0, 120))";

#[test]
fn every_page_fits_a_desk_and_a_telephone_in_both_languages_without_a_word_on_the_console() {
    let (bench, _fleet) = chain();
    let nodes = bench.server.nodes().unwrap();
    let shop = nodes.iter().find(|node| node["level"] == "shop").unwrap();
    let shop = format!("/network/{}", shop["id"].as_str().unwrap());
    let receipts = bench.server.api().unwrap().read("/api/v1/receipts?limit=1").unwrap();
    let receipt = format!("/sales/receipts/{}", receipts["receipts"][0]["id"].as_str().unwrap());
    let runtime = runtime();
    for width in [1400, 390] {
        runtime.block_on(async {
            let browser = Browser::open(&bench, width).await;
            for (name, path) in PAGES {
                let first = tills(&bench)[0]["id"].as_str().unwrap().to_owned();
                let path = path.replace("/tills/first", &format!("/tills/{first}")).replace("/network/shop", &shop);
                let path = path.replace("/sales/receipts/first", &receipt);
                for language in ["en", "ru"] {
                    let joint = if path.contains('?') { '&' } else { '?' };
                    browser.goto(&format!("{path}{joint}lang={language}")).await;
                    let where_ = format!("{name} {width} {language}");
                    assert_eq!(browser.eval("document.documentElement.lang").await, json!(language), "{where_}");
                    let overflow = "document.documentElement.scrollWidth - document.documentElement.clientWidth";
                    let wide = browser.eval(TOO_WIDE).await;
                    assert_eq!(browser.eval(overflow).await, json!(0), "{where_} is too wide: {wide}");
                    assert!(!browser.text("h1").await.is_empty(), "{where_}");
                    if width == 390 {
                        assert_eq!(browser.eval(TOO_SMALL).await, json!([]), "{where_}: too small to be touched");
                    }
                    browser.shoot(&format!("{name}-{width}-{language}")).await;
                }
                browser.scheme("dark").await;
                browser.shoot(&format!("{name}-{width}-dark")).await;
                browser.scheme("light").await;
            }
            assert_eq!(browser.complaints().await, Vec::<String>::new());
            browser.close().await;
        });
    }
}

#[test]
fn forty_tills_are_parked_in_a_few_clicks_and_the_silent_ones_are_found_and_opened() {
    let (bench, _fleet) = chain();
    runtime().block_on(async {
        let browser = Browser::open(&bench, 1400).await;
        // From the first page to exactly the tills that are silent, and to one of them.
        browser.goto("/?lang=en").await;
        browser.until("the problem to be told", "document.body.innerText.includes('Silent')").await;
        browser.click("[data-key=problem-silent] .button").await;
        browser.until("the silent tills", "document.querySelectorAll('tbody tr[data-key]').length === 3").await;
        assert!(browser.text(".lead").await.contains("Check the line of the shop"));
        browser.click("tbody td.title a").await;
        browser.until("its page", "document.querySelector('h1 .mark.silent') !== null").await;
        assert!(browser.text(".timeline").await.contains("Silent since"));

        // All tills of the chain but the silent ones: filter, all that match, park, yes.
        browser.goto("/tills?state=current&lang=en").await;
        let found = TILLS - 3;
        browser.click("input[name=scope][value=all]").await;
        browser.click(".bulk button[value=park]").await;
        browser
            .until("the question", &format!("document.querySelector('h1').innerText === 'Park {found} tills?'"))
            .await;
        assert_eq!(tills(&bench).iter().filter(|till| till["parked"] == true).count(), 0);
        browser.click("button.main[value=park]").await;
        browser
            .until("the answer", &format!("document.querySelector('h1').innerText === '{found} tills are parked now.'"))
            .await;
        assert_eq!(tills(&bench).iter().filter(|till| till["parked"] == true).count(), found);

        // One by its box, with the keyboard alone.
        browser.goto("/tills?state=parked&sort=till&lang=en").await;
        let box_ = browser.client.find(Locator::Css("tbody .tick")).await.unwrap();
        box_.send_keys(" ").await.unwrap();
        assert_eq!(browser.text("[data-count=till].told").await, "1");
        let unpark = browser.client.find(Locator::Css(".bulk button[value=unpark]")).await.unwrap();
        unpark.send_keys(&String::from(char::from(Key::Enter))).await.unwrap();
        browser.until("the question", "document.querySelector('h1').innerText.includes('1 till')").await;
        browser.click("button.main[value=unpark]").await;
        browser.until("the answer", "document.querySelector('h1').innerText.includes('back in service')").await;
        assert_eq!(tills(&bench).iter().filter(|till| till["parked"] == true).count(), found - 1);
        assert_eq!(browser.complaints().await, Vec::<String>::new());
        browser.close().await;
    });
}

#[test]
fn what_is_typed_ticked_opened_and_scrolled_stays_over_ten_renewals() {
    let (bench, _fleet) = chain();
    let last = tills(&bench).pop().unwrap()["id"].as_str().unwrap().to_owned();
    let park = |parked: bool| {
        let (path, body) = (format!("/api/v1/nodes/{last}"), json!({"parked": parked}));
        let change = || bench.server.api().unwrap().json(&Method::PATCH, &path, Some(&body));
        tokio::task::block_in_place(change).unwrap()
    };
    runtime().block_on(async {
        let browser = Browser::open(&bench, 390).await;
        browser.goto("/tills?sort=till&lang=en").await;
        let renewals = "(() => { window.renewals = 0; document.addEventListener('renewed', () => window.renewals++); return 0; })()";
        browser.eval(renewals).await;
        browser.click(".filters summary").await;
        browser.click("tbody tr:nth-child(9) .tick").await;
        let field = browser.client.find(Locator::Css("input[name=unsent]")).await.unwrap();
        field.send_keys("42").await.unwrap();
        browser.eval("scrollTo(0, 300)").await;
        let ticked = browser.eval("document.querySelector('tbody .tick:checked').value").await;
        let mut is_parked = false;
        for _ in 0..60 {
            if browser.eval("window.renewals >= 10").await == json!(true) {
                break;
            }
            // Something changes each time.
            is_parked = !is_parked;
            park(is_parked);
            tokio::time::sleep(Duration::from_millis(1_500)).await;
        }
        assert_eq!(browser.eval("window.renewals >= 10").await, json!(true), "{}", browser.eval("window.renewals").await);
        let state = browser
            .eval(
                "[document.activeElement.name, document.activeElement.value, scrollY, \
                 document.querySelector('.filters details').open, document.querySelector('tbody .tick:checked').value, \
                 document.querySelectorAll('tbody .tick:checked').length, document.getElementById('lost').hidden]",
            )
            .await;
        assert_eq!(state, json!(["unsent", "42", 300, true, ticked, 1, true]));
        park(true);
        let mark = "document.querySelector('tr .mark.parked') !== null";
        browser.until("the change to be shown", mark).await;
        assert_eq!(browser.complaints().await, Vec::<String>::new());
        browser.close().await;
    });
}

#[test]
fn a_price_list_is_sent_its_effect_looked_at_carried_out_and_found_by_who_did_it() {
    let (bench, _fleet) = chain();
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("prices.aif");
    let prices = [item(3, "77"), item(4, "77"), item(900, "5")];
    fs_err::write(&file, prices.join("\n---\n")).unwrap();
    let newest = || {
        let read = || bench.server.api().unwrap().read("/api/v1/loads?limit=1").unwrap();
        tokio::task::block_in_place(read)[0].clone()
    };
    runtime().block_on(async {
        let browser = Browser::open(&bench, 390).await;
        browser.goto("/loads?lang=en").await;
        browser.click("main details summary").await;
        let field = browser.client.find(Locator::Css("input[type=file]")).await.unwrap();
        field.send_keys(file.to_str().unwrap()).await.unwrap();
        browser.click("form[action='/loads/upload'] button").await;
        browser.until("the load to be held", "document.querySelector('h1 .mark.held') !== null").await;
        let told = browser.text("main").await;
        for part in
            ["prices.aif", "Nothing has changed yet", "to see first what it would do", "new, for example: item", "77"]
        {
            assert!(told.contains(part), "{part} is not in {told}");
        }
        browser.shoot("load-asked-390-en").await;
        let held = newest();
        assert_eq!((held["state"].as_str(), held["revision"].is_null()), (Some("held"), true), "{held}");
        browser.click("form[action='/held'] button.main").await;
        browser.until("it to be carried out", "document.querySelector('h1 .mark.ready') !== null").await;
        until("the load to be ready", || {
            let load = newest();
            (load["state"] == "ready" && load["id"] != held["id"], load.to_string())
        });
        // Who sent it, and who said yes.
        browser.goto("/audit?verb=load-upload&lang=en").await;
        let told = browser.text("tbody").await;
        assert!(told.contains("File sent to be loaded") && told.contains("anna-390"), "{told}");
        browser.goto("/audit?verb=load-approve&lang=en").await;
        assert!(browser.text("tbody").await.contains("anna-390"));
        assert_eq!(browser.complaints().await, Vec::<String>::new());
        browser.close().await;
    });
}

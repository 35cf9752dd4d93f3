//! Packages over HTTP as `curl` and Python meet them: who gets which, and how a download ends
//! whose till may not have it any more.

use crate::http::Curl;
use crate::rogue::{Inside, OUT_WITHIN_S};
use crate::support::{item, load, until};
use crate::tools::python;
use fs_err as fs;
use serde_json::Value;
use std::time::Instant;
use tillway_cash_server::packages::links::Links;
use tillway_cash_server::settings::proof_key;
use tillway_proto::{Command, DictionaryQueue, Order, PackageLink, PeerId};
use tillway_tests::bench::{TestBench, Till, TillOptions};

/// So many bytes are taken over minutes.
const LARGE_BYTES: usize = 64 << 20;

/// What was announced to a till whose agent does not run.
fn announced(bench: &TestBench, till: &Till) -> PackageLink {
    let queue = DictionaryQueue::of(&till.id.parse::<PeerId>().unwrap());
    let mut link = None;
    until("a link in the queue of the till", || {
        let taken = bench.vhost().take(queue.as_str(), 1).unwrap_or_default();
        let order = taken.first().map(|message| Command::parse(message.as_bytes()).unwrap().order);
        link = order.and_then(|order| if let Order::LoadPackage(link) = order { Some(link) } else { None });
        (link.is_some(), format!("{taken:?}"))
    });
    link.unwrap()
}

/// The same for an agent that shows its token.
fn beside_token(bench: &TestBench, till: &Till, link: &PackageLink) -> String {
    let key = proof_key::load_or_make(&bench.server.data()).unwrap();
    Links::new(&key).beside_token(&link.package, &till.id.parse().unwrap())
}

#[test]
fn curl_gets_a_package_with_the_link_and_token_of_its_till_alone() {
    let bench = TestBench::start_with(&[("exchange.reconcile_period_s", "1")]).unwrap();
    let shops = ["7", "8"].map(|code| (code, bench.add_shop(code).unwrap()));
    let [own, other] = shops.map(|(code, shop)| {
        load(&bench.server, &format!("shop-{code}"), &[item(1, "10"), item(code.parse().unwrap(), "20")]);
        bench.prepare_till(&shop, code, &format!("7{code}"), TillOptions::default()).unwrap()
    });
    let (link, of_other) = (announced(&bench, &own), announced(&bench, &other));
    assert_ne!(link.package, of_other.package);
    // Nobody knows of this agent yet that it shows a token.
    assert!(link.until.is_some_and(|until| until > jiff::Timestamp::now()), "{link:?}");
    let bearer = |till: &Till| format!("Authorization: Bearer {}", till.secret().unwrap().token());
    let (token, token_of_other) = (bearer(&own), bearer(&other));
    let nobody = Curl::nobody(bench.server.ports.rest);

    let head = nobody.text(&[&link.link, "--head"]).to_lowercase();
    for line in ["cache-control: private", "accept-ranges: bytes", &format!("etag: \"{}\"", link.package)] {
        assert!(head.contains(line), "{line}: {head}");
    }
    let file = bench.folder().join("package");
    let into = file.display().to_string();
    let whole = fs::read(bench.server.data().join("packages").join(link.package.file_name())).unwrap();
    let beside = beside_token(&bench, &own, &link);
    for arguments in [vec![link.link.as_str()], vec![&beside, "-H", &token], vec![&link.link, "-H", &token]] {
        assert_eq!(nobody.status(&[&arguments[..], &["-o", &into]].concat()), 200, "{arguments:?}");
        assert_eq!(fs::read(&file).unwrap(), whole);
        assert_eq!(nobody.status(&[&arguments[..], &["-o", &into, "-r", "5-"]].concat()), 206, "{arguments:?}");
        assert_eq!(fs::read(&file).unwrap(), whole[5..]);
        let tag = format!("If-None-Match: \"{}\"", link.package);
        assert_eq!(nobody.status(&[&arguments[..], &["-H", &tag]].concat()), 304, "{arguments:?}");
    }

    let bare = link.link.split('?').next().unwrap();
    let as_other = beside.replace(&own.id, &other.id);
    let of_package = beside.replace(link.package.as_str(), of_other.package.as_str());
    let longer = link.link.replace("until=", "until=1");
    let guessed = format!("{}x", bearer(&own));
    let admin = Curl::admin(&bench, bench.server.ports.rest);
    for (what, path, header, expected) in [
        ("the name alone", bare, "X-None: 0", 401),
        ("its link without a token", &beside, "X-None: 0", 401),
        ("a token that is nobody's", &beside, &guessed, 401),
        ("the name and a token", bare, &token, 410),
        ("another's link", &beside, &token_of_other, 403),
        ("another's link with its own id", &as_other, &token_of_other, 403),
        ("another's package", &of_package, &token, 403),
        ("another's link that opens by itself", &of_other.link, &token, 403),
        ("a link made longer", &longer, "X-None: 0", 403),
    ] {
        assert_eq!(nobody.status(&[path, "-H", header]), expected, "{what}");
    }
    assert_eq!(admin.status(&[bare]), 401, "an administrator is no till");
    let told = nobody.status(&[&beside, "-H", "Accept-Language: ru", "-o", &into]);
    assert_eq!((told, fs::read_to_string(&file).unwrap().contains("токен")), (401, true));
    for till in [&own, &other] {
        until("the tries to be told", || {
            let found = admin.text(&[&format!("/api/v1/findings?till={}", till.id)]);
            (found.contains("trespass") && found.contains("nothing for a till"), found)
        });
    }
}

#[test]
fn a_download_ends_within_seconds_of_what_makes_its_token_void() {
    let bench = TestBench::start_with(&[("exchange.reconcile_period_s", "1")]).unwrap();
    let shop = bench.add_shop("7").unwrap();
    load(&bench.server, "All", &[item(1, "10")]);
    let rest = Curl::admin(&bench, bench.server.ports.rest);
    for deed in ["new secret", "parked", "removed"] {
        let code = deed.split(' ').next().unwrap();
        let till = bench.prepare_till(&shop, "7", code, TillOptions::default()).unwrap();
        let link = announced(&bench, &till);
        // What is fetched is large, whatever it should be.
        let file = bench.server.data().join("packages").join(link.package.file_name());
        fs::write(file, vec![b'x'; LARGE_BYTES]).unwrap();
        let port = bench.server.ports.rest.to_string();
        let fetch = |path: &str, token: &str| Inside::new(python("slow_download.py", [&port, path, token]));
        let token = till.secret().unwrap().token();
        let downloads = [fetch(&beside_token(&bench, &till, &link), &token), fetch(&link.link, "")];
        let began = Instant::now();
        let node = format!("/api/v1/nodes/{}", till.id);
        match deed {
            "new secret" => {
                rest.json(&[&format!("/api/v1/tills/{}/token", till.id), "-X", "POST"]);
            }
            "parked" => {
                let body = ["-H", "Content-Type: application/json", "-d", "{\"parked\":true}"];
                rest.text(&[&[node.as_str(), "-X", "PATCH"][..], &body].concat());
            }
            _ => {
                rest.text(&[&node, "-X", "DELETE"]);
            }
        }
        for download in downloads {
            let told: Value = serde_json::from_str(&download.rest()).unwrap();
            let took = began.elapsed().as_secs_f64();
            assert!(took < OUT_WITHIN_S, "{deed}: out after {took} s: {told}");
            assert!(told["bytes"].as_u64().unwrap() < LARGE_BYTES as u64, "{deed}: {told}");
        }
    }
}

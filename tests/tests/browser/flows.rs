//! What people come to the pages for, from the first page on and by clicks alone.

use super::driver::Browser;
use super::support::{item, load, until};
use super::{TILLS, chain, runtime, tills};
use fantoccini::Locator;
use serde_json::{Value, json};

async fn clicks(browser: &Browser, ways: &[&str]) {
    for css in ways {
        browser.click(css).await;
    }
}

#[test]
fn the_till_that_fails_is_found_and_asked_and_the_page_says_when_it_is_mended() {
    let (bench, fleet) = chain();
    runtime().block_on(async {
        let browser = Browser::open(&bench, 390).await;
        browser.goto("/?lang=en").await;
        browser.until("the problem to be told", "document.body.innerText.includes('Silent')").await;
        browser.click("[data-key=problem-silent] .button").await;
        browser.until("the silent tills", "document.querySelectorAll('tbody tr[data-key]').length === 3").await;
        browser.click("tbody td.title a").await;
        browser.until("its page", "document.querySelector('h1 .mark.silent') !== null").await;
        browser.click("form[action='/till/act'] button[value=recount]").await;
        browser.until("the order to be told", "document.querySelector('.timeline').innerText.includes('ount')").await;
        // Somebody plugs the cable in: the page that is open says so by itself.
        fleet.wake(0..3);
        browser.until("the till to be in step", "document.querySelector('h1 .mark.current') !== null").await;
        browser.goto("/?lang=en").await;
        browser.until("the problem to be gone", "document.querySelector('[data-key=problem-silent]') === null").await;
        assert_eq!(browser.complaints().await, Vec::<String>::new());
        browser.close().await;
    });
}

#[test]
fn a_new_till_gets_its_code_in_a_few_clicks() {
    let (bench, _fleet) = chain();
    runtime().block_on(async {
        let browser = Browser::open(&bench, 390).await;
        browser.goto("/?lang=en").await;
        browser.click(".acts a[href='/attach']").await;
        browser.write("input[name=code]", "77").await;
        browser.click("main form[action='/attach'] button").await;
        browser.until("the code", "document.querySelector('.code') !== null").await;
        let code = browser.text(".code").await;
        let read = || bench.server.api().unwrap().read("/api/v1/attach-codes").unwrap();
        let codes = tokio::task::block_in_place(read);
        assert_eq!(codes.as_array().unwrap().len(), 1, "{codes}");
        assert!(code.len() > 12 && !codes.to_string().contains(&code), "the server keeps what proves it: {codes}");
        let overflow = "document.documentElement.scrollWidth - document.documentElement.clientWidth";
        assert_eq!(browser.eval(overflow).await, json!(0));
        assert_eq!(browser.complaints().await, Vec::<String>::new());
        browser.close().await;
    });
    assert_eq!(tills(&bench).len(), TILLS + 1);
}

#[test]
fn a_load_that_takes_too_much_is_held_and_approved_and_who_changed_a_price_is_found() {
    let (bench, _fleet) = chain();
    // It would take away all goods but one.
    let body = format!(r#"[{{"command":"clearInventory"}},{}]"#, item(7, "77.70"));
    bench.server.load_over_rest("All", body).unwrap();
    until("the load to be held", || {
        let loads = bench.server.api().unwrap().read("/api/v1/loads?limit=1").unwrap();
        (loads[0]["state"] == "held", loads.to_string())
    });
    runtime().block_on(async {
        let browser = Browser::open(&bench, 1400).await;
        browser.goto("/?lang=en").await;
        browser
            .until("the held load to be told", "document.querySelector('[data-key=problem-load-held]') !== null")
            .await;
        browser.click("[data-key=problem-load-held] .button").await;
        browser.until("the held load", "document.querySelector('form[action=\"/held\"] button') !== null").await;
        browser.click("form[action='/held'] button[value=approve]").await;
        browser.goto("/audit?verb=load-approve&lang=en").await;
        browser.until("who said yes", "document.querySelector('tbody').innerText.includes('anna-1400')").await;
        let is_loaded = || {
            let read = || bench.server.api().unwrap().read("/api/v1/loads?limit=1").unwrap();
            let loads = tokio::task::block_in_place(read);
            (loads[0]["state"] == "ready", loads.to_string())
        };
        until("the load to be ready", is_loaded);
        // Which load made the price what it is.
        browser.goto("/goods?lang=en").await;
        browser.write("main input[name=q]", "7\n").await;
        browser.until("the good", "document.querySelector('main td.title a[href=\"/goods/7\"]') !== null").await;
        browser.click("main td.title a[href='/goods/7']").await;
        browser.until("its history", "document.querySelector('#history') !== null").await;
        let newest = browser.text("section[aria-labelledby=history] tbody tr").await;
        assert!(newest.contains("77.70"), "{newest}");
        browser.click("section[aria-labelledby=history] tbody tr a[href^='/loads/']").await;
        browser.until("the load that did it", "location.pathname.startsWith('/loads/')").await;
        assert!(browser.text("main").await.contains("All") || browser.text("h1").await.contains("oad"));
        assert_eq!(browser.complaints().await, Vec::<String>::new());
        browser.close().await;
    });
}

#[test]
fn a_receipt_is_found_by_its_till_and_sum_and_shown_as_it_was_printed() {
    let (bench, _fleet) = chain();
    let found = bench.server.api().unwrap().read("/api/v1/receipts?limit=1").unwrap();
    let sum = found["receipts"][0]["sum"].as_i64().unwrap();
    let (sum, number) = (format!("{}.{:02}", sum / 100, sum % 100), found["receipts"][0]["number"].clone());
    runtime().block_on(async {
        let browser = Browser::open(&bench, 390).await;
        browser.goto("/sales?lang=en").await;
        clicks(&browser, &["a[href^='/sales/receipts']"]).await;
        browser.until("the search", "document.querySelector('input[name=least]') !== null").await;
        let open = "document.querySelectorAll('main details').forEach((one) => { one.open = true; }) || 0";
        browser.eval(open).await;
        for field in ["input[name=least]", "input[name=most]"] {
            browser.write(field, &sum).await;
        }
        let field = browser.client.find(Locator::Css("input[name=most]")).await.unwrap();
        field.send_keys("\n").await.unwrap();
        browser.until("what was found", "new URLSearchParams(location.search).get('most') > ''").await;
        browser.click("tbody td.title a").await;
        browser.until("the receipt", "document.querySelector('.slip') !== null").await;
        let slip = browser.text(".slip").await;
        assert!(slip.contains(&sum) || slip.replace('\u{2009}', "").contains(&sum), "{slip}, number {number}");
        assert_eq!(browser.complaints().await, Vec::<String>::new());
        browser.close().await;
    });
}

#[test]
fn who_may_only_look_at_a_shop_is_refused_all_else_and_told_so() {
    let (bench, _fleet) = chain();
    let shops: Vec<Value> = bench.server.nodes().unwrap().into_iter().filter(|node| node["level"] == "shop").collect();
    let of = |shop: &Value| format!("shop-{}", shop["code"].as_str().unwrap());
    load(&bench.server, &of(&shops[1]), &[item(5, "55")]);
    runtime().block_on(async {
        let own = of(&shops[0]);
        let browser = Browser::open_as(&bench, 1400, "eva", &["--role", "viewer", "--place", &own]).await;
        browser.goto("/tills?lang=en").await;
        let rows = browser.eval("document.querySelectorAll('tbody tr[data-key]').length").await.as_u64().unwrap();
        assert_eq!(rows, TILLS as u64 / 4, "the tills of one shop");
        for hidden in ["/people", "/audit"] {
            assert_eq!(
                browser.eval(&format!("document.querySelector('.side a[href=\"{hidden}\"]')")).await,
                Value::Null
            );
            browser.goto(&format!("{hidden}?lang=en")).await;
            assert!(browser.text("main").await.contains("may not"), "{hidden}: {}", browser.text("main").await);
        }
        browser.goto(&format!("/network/{}?lang=en", of(&shops[1]))).await;
        let told = browser.text("main").await;
        assert!(told.contains("there is no node") && !told.contains("till-"), "{told}");
        // What a form asks for is refused as well.
        browser.goto("/tills?lang=en").await;
        clicks(&browser, &["tbody .tick", ".bulk button[value=park]"]).await;
        browser.until("the question", "document.querySelector('h1').innerText.startsWith('Park 1 till')").await;
        browser.click("button.main[value=park]").await;
        browser.until("the refusal", "document.querySelector('main').innerText.includes('may not do this')").await;
        browser.close().await;
    });
    assert_eq!(tills(&bench).iter().filter(|till| till["parked"] == true).count(), 0);
}

//! The pages of goods over data of every sort.

use super::super::good::{ChangeRow, ComingRow, GoodPage, NowRow, Places, SaidRow, StaleRow, TillRow, TillsOfChange};
use super::super::goods::{Asked, GoodsRow, GoodsView};
use super::super::till::{PriceHereView, PriceView, PricesView};
use super::{now, of_frame, till, till_page};
use serde_json::Value;
use tillway_exchangers::goods::PricedBy;
use tillway_proto::{Kopecks, Revision};

const BY: [PricedBy; 3] = [PricedBy::Item, PricedBy::Barcode, PricedBy::Document];

fn barcodes() -> Vec<String> {
    vec!["4600682000013".to_owned(), "<b>46".to_owned()]
}

fn goods_page(q: &str, rows: Vec<GoodsRow>) -> Value {
    of_frame(
        "goods",
        GoodsView {
            asked: Asked { q: q.to_owned(), after: String::new() },
            rows,
            first: Some("/goods".to_owned()),
            next: Some("/goods?after=code:1".to_owned()),
            csv: "/goods.csv".to_owned(),
            is_behind: true,
        },
    )
}

fn row(price: Option<Kopecks>, price_to: Option<Kopecks>) -> GoodsRow {
    GoodsRow {
        address: "/goods/100".to_owned(),
        code: "100".to_owned(),
        name: price.map(|_| "<b>Milk".to_owned()),
        barcodes: barcodes(),
        barcodes_more: 3,
        price,
        price_to,
        place: "<b>chain".to_owned(),
    }
}

fn good_page(is_sold: bool) -> Value {
    let places = || Places { named: vec![("<b>shop 4".to_owned(), "/network/shop-4".to_owned())], more: 2 };
    let now_row = |(layer, by, price)| NowRow { price, barcodes: barcodes(), layer, by, shops: places(), tills: 3 };
    let given = BY.map(|by| (Some("<b>shop 4".to_owned()), Some(by.word()), Some(Kopecks(1_234_567))));
    let coming = |price| ComingRow {
        from: "2026-01-05 00:00:00".to_owned(),
        price,
        barcodes: barcodes(),
        shops: places(),
        tills: 3,
    };
    let said = |by: PricedBy| SaidRow {
        layer: "<b>shop 4".to_owned(),
        address: "/network/shop-4".to_owned(),
        by: by.word(),
        of: "<b>100".to_owned(),
        name: Some("<b>Milk".to_owned()),
        price: Some(Kopecks(8990)),
        document: Some("<b>8817".to_owned()),
        document_type: None,
        from: (by == PricedBy::Document).then(|| "2026-01-01 00:00:00".to_owned()),
        until: None,
        at: (by != PricedBy::Item).then(now),
        load: (by != PricedBy::Item).then_some(7),
        tills: u64::from(by == PricedBy::Document),
    };
    let change = |old, new, source: Option<&str>| ChangeRow {
        revision: Revision(18),
        at: now(),
        from: new,
        old,
        new: Some(Kopecks(8990)),
        barcodes: barcodes(),
        layer: "<b>chain".to_owned(),
        load: source.map(|_| 7),
        source: source.filter(|source| !source.is_empty()).map(str::to_owned),
        have: 38,
        tills: 40,
        address: "/goods/100?revision=18#change".to_owned(),
    };
    let changes = vec![
        change(Some(Kopecks(7990)), None, Some("<b>pos.aif")),
        change(None, Some("2026-01-05 00:00:00".to_owned()), None),
        change(None, None, Some("")),
    ];
    let on_till =
        |has, since| TillRow { place: "<b>4/1".to_owned(), address: Some("/tills/till-4-1".to_owned()), has, since };
    let on_tills = vec![on_till(false, None), on_till(true, None), on_till(true, Some(now()))];
    let stale = StaleRow {
        place: "<b>4/1".to_owned(),
        address: Some("/tills/till-4-1".to_owned()),
        barcode: Some("46".to_owned()),
        has: Some(Kopecks(7990)),
        should_have: None,
        revision: Revision(17),
    };
    let nothing = (None, None, None);
    of_frame(
        "goods",
        GoodPage {
            code: "<b>100".to_owned(),
            name: is_sold.then(|| "<b>Milk".to_owned()),
            barcodes: barcodes(),
            tills: u64::from(is_sold) * 3,
            shops: 2,
            prices: if is_sold { given.into_iter().chain([nothing]).map(now_row).collect() } else { Vec::new() },
            coming: if is_sold { vec![coming(None), coming(Some(Kopecks(8490)))] } else { Vec::new() },
            said: if is_sold { BY.map(said).into() } else { Vec::new() },
            said_more: 1,
            prices_more: u64::from(is_sold),
            coming_more: u64::from(is_sold),
            older: is_sold.then(|| "/goods/100?before=18#history".to_owned()),
            newest: is_sold.then(|| "/goods/100#history".to_owned()),
            changes: if is_sold { changes } else { Vec::new() },
            is_cut: true,
            change: Some(TillsOfChange {
                revision: Revision(18),
                tills: if is_sold { on_tills } else { Vec::new() },
                more: 1,
            }),
            stale: vec![stale],
            stale_count: 2,
            stale_more: 1,
            unknown: 1,
            csv: "/goods/100/history.csv".to_owned(),
        },
    )
}

/// A till's page with the answer what a barcode costs on it.
fn till_with_price(is_known: bool, is_found: bool) -> Value {
    let here = |by: PricedBy| PriceHereView {
        price: Some(Kopecks(8990)),
        layer: Some("<b>chain".to_owned()),
        by: Some(by.word()),
        until: (by == PricedBy::Document).then(|| "2026-01-05 23:59:59".to_owned()),
    };
    let good = |(has, will_have): (Option<PricedBy>, Option<PricedBy>)| PriceView {
        address: "/goods/100".to_owned(),
        code: "100".to_owned(),
        name: has.map(|_| "<b>Milk".to_owned()),
        is_stale: has != will_have,
        has: has.map(here),
        will_have: will_have.map(here),
    };
    let found = [(Some(PricedBy::Document), Some(PricedBy::Item)), (None, Some(PricedBy::Barcode)), (None, None)];
    let goods = if is_found { found.map(good).into() } else { Vec::new() };
    let mut shown = till_page(till());
    let prices = PricesView { barcode: "<b>46".to_owned(), is_known, goods };
    shown["price"] = serde_json::to_value(prices).unwrap();
    shown
}

pub(super) fn pages() -> Vec<(&'static str, Value)> {
    let rows =
        vec![row(Some(Kopecks(1_234_567)), Some(Kopecks(1_300_000))), row(Some(Kopecks(100)), None), row(None, None)];
    vec![
        ("goods.html", goods_page("<b>milk", rows)),
        ("goods.html", goods_page("", Vec::new())),
        ("goods.html", goods_page("x", Vec::new())),
        ("good.html", good_page(true)),
        ("good.html", good_page(false)),
        ("till.html", till_with_price(true, true)),
        ("till.html", till_with_price(false, true)),
        ("till.html", till_with_price(true, false)),
    ]
}

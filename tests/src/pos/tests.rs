//! The POS on a till's real databases: the catalogue goes through AIF, a package and the loader,
//! as on a till.

use super::*;
use crate::aif_maker::{write_catalogue, write_prices};
use crate::journey::{Journey, ShelfPrices, barcode_of, cashier_of};
use fs_err as fs;
use std::collections::BTreeMap;
use tempfile::TempDir;
use tillway_exchangers::formats::aif::RecordReader;
use tillway_exchangers::kinds::Kind;
use tillway_exchangers::package::{Facts, KindFacts, Mode, PackageBuilder, PackageReader, Record};
use tillway_exchangers::records::{Command, ObjectRow};
use tillway_exchangers::till::dictionary::{Applied, Loader};
use tillway_exchangers::till::documents::Documents;
use tillway_proto::{Digest, NodeCode, Revision, Thousandths, TillId};

/// A till's folder, with everything on the shelf that these AIF texts add.
fn till_with(aif: &[Vec<u8>]) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    let mut kinds: BTreeMap<(u16, String), ObjectRow> = BTreeMap::new();
    for record in aif.iter().flat_map(|aif| RecordReader::new(aif.as_slice())) {
        let Command::Upsert(expansion) = record.unwrap().command.unwrap() else { continue };
        for row in std::iter::once(expansion.main).chain(expansion.owned) {
            kinds.insert((row.kind.id(), row.key.as_str().to_owned()), row);
        }
    }
    let mut builder = PackageBuilder::new(folder.path()).unwrap();
    let mut facts: BTreeMap<Kind, KindFacts> = BTreeMap::new();
    for row in kinds.values() {
        builder.add(row.kind, &Record::Upsert { key: row.key.as_str(), row: &row.body }).unwrap();
        let empty = KindFacts { kind: row.kind, mode: Mode::Snapshot, rows: 0, digest: Digest::EMPTY };
        let fact = facts.entry(row.kind).or_insert(empty);
        fact.rows += 1;
        fact.digest.add(row.hash);
    }
    let facts =
        Facts { from: Revision::ZERO, to: Revision(1), layers: Vec::new(), kinds: facts.into_values().collect() };
    let built = builder.finish(facts).unwrap();
    let mut loader = Loader::open(&folder.path().join("dictionaries.db")).unwrap();
    let applied = loader.apply(&mut PackageReader::open(&built.path, &built.name).unwrap()).unwrap();
    assert!(matches!(applied, Applied::Done(_)));
    fs::remove_file(&built.path).unwrap();
    folder
}

fn pos(folder: &TempDir) -> Pos {
    let at = |name: &str| folder.path().join(name);
    Pos::open(&at("dictionaries.db"), &at("documents.db"), "36701", "367").unwrap()
}

fn documents(folder: &TempDir) -> Vec<v1::Document> {
    let till = TillId::new(&"36701".parse::<NodeCode>().unwrap());
    let mut documents = Documents::open(&folder.path().join("documents.db"), till).unwrap();
    let page = documents.finished_after(0, &std::collections::BTreeSet::new(), 10_000).unwrap();
    assert!(page.broken.is_empty(), "{:?}", page.broken);
    page.documents
}

fn milk() -> Vec<u8> {
    let item = r#"{"command":"addInventItem","invent":{"inventcode":"1","name":"Milk","barcode":"460","price":89.9}}"#;
    format!("{item}\n---\n").into_bytes()
}

fn time() -> DateTime {
    "2026-01-02T10:00:00".parse().unwrap()
}

#[test]
fn a_real_week_is_rung_at_the_prices_of_the_shelf_and_reads_back_whole() {
    let journey = Journey::load().unwrap();
    let mut shelf = ShelfPrices::default();
    let week = 9;
    let mut aif = vec![Vec::new()];
    write_catalogue(&journey, &mut aif[0]).unwrap();
    for past in 1..=week {
        let mut prices = Vec::new();
        write_prices(&shelf.advance(&journey, 367, past), past, &mut prices).unwrap();
        aif.push(prices);
    }
    let folder = till_with(&aif);
    let mut pos = pos(&folder);
    let receipts: Vec<_> = journey.receipts_of(week, "36701").collect();
    pos.open_shift(u64::from(week), cashier_of("36701", week), receipts[0].time).unwrap();
    for receipt in &receipts {
        let rung = pos.ring(&Basket::from(*receipt)).unwrap();
        assert_eq!(rung.sum, receipt.sum());
        for (line, rung) in receipt.lines.iter().zip(&rung.lines) {
            assert_eq!((&rung.barcode, rung.price), (&barcode_of(line.product), shelf.price(line.product)));
        }
    }
    pos.close_shift(receipts[receipts.len() - 1].time).unwrap();

    let written = documents(&folder);
    assert_eq!(written.len(), receipts.len());
    for (document, receipt) in written.iter().zip(&receipts) {
        assert_eq!(document.sum, receipt.sum().0);
        assert_eq!(document.sum_before - document.discount, document.sum);
        let paid: i64 = document.payments.iter().map(|p| if p.opcode == 72 { -p.sum } else { p.sum }).sum();
        assert_eq!(paid, document.sum);
        assert_eq!(document.lines.len(), receipt.lines.len());
    }
}

#[test]
fn a_shift_with_everything_in_it_adds_up() {
    let folder = till_with(&[milk()]);
    let mut pos = pos(&folder);
    pos.open_shift(1, 1, time()).unwrap();
    pos.cash_in(Kopecks(10_000), time()).unwrap();
    let two = || vec![Entry::new("460", Thousandths(2_000))];
    let mut sale = Basket::sale(time(), two(), vec![Tender::Card(Kopecks(10_000)), Tender::Cash(Kopecks(10_000))]);
    sale.voided = vec![Entry::new("460", Thousandths(1_000))];
    sale.entries[0].discounts = vec![Discount { sort: DiscountSort::Card, amount: Kopecks(980) }];
    let rung = pos.ring(&sale).unwrap();
    let mut refund = Basket::sale(time(), two(), vec![Tender::Cash(Kopecks(17_980))]);
    refund.purpose = Purpose::Refund { of: Some(rung.uuid), reason: "sour".to_owned() };
    pos.ring(&refund).unwrap();
    pos.cash_out(Kopecks(1_000), time()).unwrap();
    pos.close_shift(time()).unwrap();

    let written = documents(&folder);
    let types: Vec<_> = written.iter().map(|document| document.doctype).collect();
    assert_eq!(types, [3, 1, 2, 4]);
    assert_eq!((written[1].sum_before, written[1].discount, written[1].sum), (17_980, 980, 17_000));
    assert_eq!((written[1].lines.len(), written[1].voided_lines.len()), (1, 1));
    assert_eq!(written[2].source_identifier, rung.uuid.to_string());
    assert_eq!(written[2].lines[0].opcode, 58);
    let numbers: Vec<_> = written.iter().map(|document| document.key.as_ref().unwrap().number).collect();
    assert_eq!(numbers, [1, 2, 3, 4]);
}

#[test]
fn what_is_not_on_the_shelf_cannot_be_sold() {
    let folder = till_with(&[milk()]);
    let mut pos = pos(&folder);
    let sale = |barcode: &str| Basket::sale(time(), vec![Entry::new(barcode, Thousandths(1_000))], vec![]);
    assert!(matches!(pos.ring(&sale("460")), Err(PosError::Unpaid { .. })));
    pos.open_shift(1, 1, time()).unwrap();
    assert!(matches!(pos.ring(&sale("461")), Err(PosError::Unknown { .. })));
    assert!(documents(&folder).is_empty());
}

#[test]
fn numbers_go_on_where_the_till_stopped() {
    let folder = till_with(&[milk()]);
    let sale = || Basket::sale(time(), vec![Entry::new("460", Thousandths(1_000))], vec![Tender::Card(Kopecks(8_990))]);
    let mut before = pos(&folder);
    before.open_shift(1, 1, time()).unwrap();
    assert_eq!(before.ring(&sale()).unwrap().number, 1);
    before.close_shift(time()).unwrap();
    drop(before);
    let mut after = pos(&folder);
    after.open_shift(2, 1, time()).unwrap();
    assert_eq!(after.ring(&sale()).unwrap().number, 2);
}

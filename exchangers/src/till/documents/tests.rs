use super::writer::{CASH, NewShift, PosWriter};
use super::*;
use fs_err as fs;
use jiff::civil::{date, datetime};
use rusqlite::params;
use std::collections::BTreeSet;
use tempfile::TempDir;
use tillway_proto::receipt::{Opened, ShiftKey, ShiftNumber};
use tillway_proto::sales::v1;
use tillway_proto::{ReceiptKey, TillId};
use uuid::Uuid;

struct Till {
    folder: TempDir,
    pos: PosWriter,
    shift: i64,
}

impl Till {
    fn new() -> Self {
        let folder = TempDir::new().unwrap();
        let mut pos = PosWriter::open(&folder.path().join("documents.db")).unwrap();
        let shift = pos.open_shift(&new_shift(7)).unwrap();
        Self { folder, pos, shift }
    }

    fn path(&self) -> PathBuf {
        self.folder.path().join("documents.db")
    }

    fn documents(&self) -> Documents {
        Documents::open(&self.path(), "_cash_1_00ab34ef".parse::<TillId>().unwrap()).unwrap()
    }

    fn sell(&mut self, number: u64, day: i8, finished: bool) -> i64 {
        self.pos.add_document(self.shift, &receipt(number, day), finished).unwrap()
    }

    fn tool(&self) -> Connection {
        Connection::open(self.path()).unwrap()
    }
}

fn new_shift(number: u64) -> NewShift {
    NewShift {
        number: ShiftNumber(number),
        cash_code: "1".into(),
        shop_code: "42".into(),
        cashier: "c1".into(),
        cashier_name: "Анна".into(),
        time_beg: datetime(2017, 1, 2, 8, 0, 0, 0),
    }
}

fn shift_7() -> ShiftKey {
    ShiftKey { number: ShiftNumber(7), opened: Opened::At(datetime(2017, 1, 2, 8, 0, 0, 0)) }
}

fn receipt(number: u64, day: i8) -> v1::Document {
    let time = format!("2017-01-{day:02}T12:30:00");
    let line = v1::Line {
        position: 1,
        item_code: "100".into(),
        barcode: "4600000000017".into(),
        opcode: 50,
        quantity: 1500,
        price: 5990,
        sum_before: 8985,
        discount: 985,
        sum: 8000,
        time: time.clone(),
        mark: "0104600000000017215".into(),
        additional_barcode: "2200".into(),
        main_barcode: "4600000000017".into(),
        ..v1::Line::default()
    };
    let (taxes, bonuses) =
        (vec![v1::Tax { code: 1, sum: 1333 }], vec![v1::Bonus { amount: 80, card_number: "77".into() }]);
    let discount = v1::Discount {
        number: 1,
        mode: 2,
        r#type: 3,
        size_thousandths: 10_960,
        sum: 985,
        base_sum: 8985,
        card_number: "77".into(),
    };
    let payment = |opcode, type_code, sum| v1::Payment {
        opcode,
        type_code,
        sum,
        time: time.clone(),
        card_number: if type_code == CASH { String::new() } else { "4111".into() },
        slip: if type_code == CASH { String::new() } else { "APPROVED\nRRN 17".into() },
    };
    v1::Document {
        key: Some(v1::ReceiptKey { number, ..v1::ReceiptKey::default() }),
        doctype: 1,
        cash_code: "1".into(),
        cashier: "c1".into(),
        department: 3,
        time_beg: time.clone(),
        time_end: time.clone(),
        sum_before: 8985,
        discount: 985,
        sum: 8000,
        vat: 1333,
        fiscal_number: "0001".into(),
        lines: vec![
            v1::Line { discounts: vec![discount], taxes, bonuses, ..line.clone() },
            v1::Line { position: 2, sum_before: 0, discount: 0, sum: 0, ..line.clone() },
        ],
        voided_lines: vec![v1::Line { position: 3, confirmed_by: "boss".into(), ..line }],
        payments: vec![payment(70, 1, 5000), payment(70, 4, 4000), payment(72, 1, 1000)],
        failed_payments: vec![payment(70, 4, 4000)],
        cards: vec!["77".into()],
        certificates: vec![v1::Voucher { number: "C-1".into(), sum: 500 }],
        coupons: vec![v1::Voucher { number: "K-1".into(), sum: 100 }],
        fiscal_copy: Some(1),
        cash_type: Some(2),
        ..v1::Document::default()
    }
}

fn ids(page: &Page) -> Vec<i64> {
    page.documents.iter().map(|document| document.document_id).collect()
}

#[test]
fn a_document_comes_out_as_it_went_in() {
    let mut till = Till::new();
    let id = till.sell(11, 2, true);
    let page = till.documents().finished_after(0, &BTreeSet::new(), 10).unwrap();
    assert_eq!(page.last_id, Some(id));
    let found = &page.documents[0];
    let key = found.key.clone().unwrap();
    assert_eq!((key.till_id.as_str(), key.shift, key.number, key.uuid.len()), ("_cash_1_00ab34ef", 7, 11, 16));
    assert_eq!(key.shift_opened.as_deref(), Some("2017-01-02T08:00:00"));
    let expected = v1::Document { key: Some(key), document_id: id, ..receipt(11, 2) };
    assert_eq!(*found, expected);
}

#[test]
fn the_uuid_is_the_identifier_or_follows_from_what_never_changes() {
    let mut till = Till::new();
    let given = Uuid::new_v4();
    let with = |identifier: &str| v1::Document { identifier: identifier.into(), ..receipt(1, 2) };
    till.pos.add_document(till.shift, &with(&given.to_string()), true).unwrap();
    till.pos.add_document(till.shift, &with("A-17"), true).unwrap();
    till.pos.add_document(till.shift, &with(""), true).unwrap();
    let uuids = |till: &Till| -> Vec<Vec<u8>> {
        let page = till.documents().finished_after(0, &BTreeSet::new(), 10).unwrap();
        page.documents.into_iter().map(|document| document.key.unwrap().uuid).collect()
    };
    let first = uuids(&till);
    assert_eq!(first[0], given.as_bytes());
    assert_eq!(first.iter().collect::<BTreeSet<_>>().len(), 3);
    till.tool().execute("UPDATE document SET update_time = 'x', frdoccopy = 1, sumb = 1, time_end = NULL", []).unwrap();
    assert_eq!(uuids(&till), first);
}

#[test]
fn a_document_that_finishes_late_is_not_skipped() {
    let mut till = Till::new();
    let first = till.sell(1, 2, true);
    let late = till.sell(2, 2, false);
    let third = till.sell(3, 2, true);
    till.tool().execute("UPDATE document SET closed = 2 WHERE documentid = ?1", [third]).unwrap();
    let mut documents = till.documents();
    let page = documents.finished_after(0, &BTreeSet::new(), 10).unwrap();
    assert_eq!(ids(&page), [first, third]);
    let sent = BTreeSet::from([first, third]);
    let progress = documents.settle(&Progress { sent, ..Progress::default() }).unwrap();
    assert_eq!(progress, Progress { through: third, open: [late].into(), sent: BTreeSet::new() });
    assert_eq!(documents.unsent(&progress).unwrap(), 0);

    till.pos.finish_document(late, datetime(2017, 1, 2, 13, 0, 0, 0)).unwrap();
    assert_eq!(documents.unsent(&progress).unwrap(), 1);
    let fourth = till.sell(4, 2, true);
    let page = documents.finished_besides(&progress, 10).unwrap();
    assert_eq!(ids(&page), [late, fourth]);
    let progress = documents.settle(&Progress { sent: [late].into(), ..progress }).unwrap();
    assert_eq!(progress, Progress { through: third, ..Progress::default() });
}

#[test]
fn progress_behind_an_abandoned_document_stays_small() {
    let mut till = Till::new();
    let abandoned = till.sell(1, 2, false);
    let mut progress = Progress::default();
    for number in 2..50 {
        let id = till.sell(number, 2, true);
        progress.sent.insert(id);
        progress = till.documents().settle(&progress).unwrap();
        assert_eq!(progress, Progress { through: id, open: [abandoned].into(), sent: BTreeSet::new() });
    }
    let prune = format!("PRAGMA foreign_keys = OFF; DELETE FROM document WHERE documentid = {abandoned}");
    till.tool().execute_batch(&prune).unwrap();
    assert_eq!(till.documents().settle(&progress).unwrap().open, BTreeSet::new(), "pruned");
}

#[test]
fn a_shift_is_counted_whatever_stands_in_its_documents() {
    let mut till = Till::new();
    let ids: Vec<_> = (1..=4).map(|number| till.sell(number, 2, true)).collect();
    let tool = till.tool();
    tool.execute("UPDATE document SET checknum = -5 WHERE documentid = ?1", [ids[0]]).unwrap();
    tool.execute("UPDATE document SET sumb = ?1 WHERE documentid IN (2, 3)", [i64::MAX]).unwrap();
    till.pos.close_shift(till.shift, datetime(2017, 1, 3, 20, 0, 0, 0)).unwrap_err();
    tool.execute("UPDATE workshift SET time_end = '2017-01-03 20:00:00', checknum1 = -5", []).unwrap();
    let page = till.documents().closed_besides(&Progress::default(), 10).unwrap();
    assert_eq!(page.broken, []);
    let shift = &page.records[0].shift;
    assert_eq!((shift.first_number, shift.last_number, shift.counted_sales), (2, 4, 4));
    assert_eq!((shift.counted_sale_sum, shift.time_end.as_str()), (i64::MAX, "2017-01-03T20:00:00"));
}

#[test]
fn a_shift_that_does_not_read_delays_only_itself() {
    let mut till = Till::new();
    let end = datetime(2017, 1, 3, 20, 0, 0, 0);
    let mut shifts = vec![till.shift];
    shifts.extend([8, 9].map(|number| till.pos.open_shift(&new_shift(number)).unwrap()));
    for shift in &shifts {
        till.pos.close_shift(*shift, end).unwrap();
    }
    till.tool().execute("UPDATE workshift SET shiftnum = -8 WHERE workshiftid = ?1", [shifts[0]]).unwrap();
    till.tool().execute("UPDATE workshift SET time_end = 'evening' WHERE workshiftid = ?1", [shifts[1]]).unwrap();
    let page = till.documents().closed_besides(&Progress::default(), 10).unwrap();
    assert_eq!(page.records.iter().map(|record| record.workshift_id).collect::<Vec<_>>(), [shifts[2]]);
    let reasons: Vec<_> = page.broken.iter().map(|broken| (broken.workshift_id, broken.reason.as_str())).collect();
    assert_eq!(reasons, [(shifts[0], "shiftnum is -8"), (shifts[1], "`evening` is no time")]);
}

#[test]
fn closings_above_a_shift_that_was_never_closed_are_found() {
    let mut till = Till::new();
    let never_closed = till.shift;
    let closed = till.pos.open_shift(&new_shift(8)).unwrap();
    till.pos.close_shift(closed, datetime(2017, 1, 3, 20, 0, 0, 0)).unwrap();
    let mut documents = till.documents();
    let progress = documents.settle_shifts(&Progress { sent: [closed].into(), ..Progress::default() }).unwrap();
    assert_eq!(progress, Progress { through: closed, open: [never_closed].into(), sent: BTreeSet::new() });
    let next = till.pos.open_shift(&new_shift(9)).unwrap();
    till.pos.close_shift(next, datetime(2017, 1, 4, 20, 0, 0, 0)).unwrap();
    till.pos.close_shift(never_closed, datetime(2017, 1, 5, 20, 0, 0, 0)).unwrap();
    let page = documents.closed_besides(&progress, 10).unwrap();
    let ids: Vec<_> = page.records.iter().map(|record| record.workshift_id).collect();
    assert_eq!(ids, [never_closed, next]);
}

#[test]
fn what_ended_without_a_time_or_with_a_blank_in_it_is_found_by_its_day() {
    let mut till = Till::new();
    let ids_of: Vec<_> = (1..=3).map(|number| till.sell(number, 2, true)).collect();
    till.tool().execute("UPDATE document SET time_end = NULL WHERE documentid = ?1", [ids_of[0]]).unwrap();
    till.tool().execute("UPDATE document SET time_end = '2017-01-02 12:30:00' WHERE documentid = 2", []).unwrap();
    let mut documents = till.documents();
    let page = documents.finished_since(datetime(2017, 1, 2, 10, 0, 0, 0), 0, 10).unwrap();
    assert_eq!(ids(&page), ids_of);
    assert_eq!(ids(&documents.finished_on_days(date(2017, 1, 2), date(2017, 1, 2), 0, 10).unwrap()), ids_of);
}

#[test]
fn a_row_and_the_keys_of_a_shift_are_told_without_lines() {
    let mut till = Till::new();
    let good = till.sell(1, 2, true);
    let broken = till.sell(2, 2, true);
    let unfinished = till.sell(3, 2, false);
    till.tool().execute("UPDATE document SET checknum = -5 WHERE documentid = ?1", [broken]).unwrap();
    let mut documents = till.documents();
    let document = documents.finished_after(0, &BTreeSet::new(), 1).unwrap().documents.remove(0);
    let uuid = Uuid::from_slice(&document.key.unwrap().uuid).unwrap();
    assert_eq!(documents.row(good).unwrap(), DocumentRow::Finished { uuid });
    assert!(matches!(documents.row(broken).unwrap(), DocumentRow::Broken { .. }));
    assert_eq!(documents.row(unfinished).unwrap(), DocumentRow::Unfinished);
    assert_eq!(documents.row(-1).unwrap(), DocumentRow::Gone { later: true });
    assert_eq!(documents.row(100).unwrap(), DocumentRow::Gone { later: false });
    let keys = documents.keys_of_shift(till.shift).unwrap();
    assert_eq!(keys, [DocumentKey { document_id: good, shift: shift_7(), number: 1, uuid }]);
}

#[test]
fn pages_and_periods_hold_what_ended_in_them() {
    let mut till = Till::new();
    let all: Vec<i64> = (1..=9).map(|day| till.sell(u64::try_from(day).unwrap(), day, true)).collect();
    let mut documents = till.documents();
    let page = documents.finished_after(0, &BTreeSet::new(), 4).unwrap();
    assert_eq!(ids(&page), all[..4]);
    assert_eq!(ids(&documents.finished_after(all[3], &BTreeSet::new(), 100).unwrap()), all[4..]);
    let since = datetime(2017, 1, 8, 12, 30, 0, 0);
    assert_eq!(ids(&documents.finished_since(since, 0, 100).unwrap()), all[7..]);
    assert_eq!(ids(&documents.finished_since(since, all[7], 100).unwrap()), all[8..]);
    let days = documents.finished_on_days(date(2017, 1, 3), date(2017, 1, 4), 0, 100).unwrap();
    assert_eq!(ids(&days), all[2..4]);
    assert_eq!(documents.finished_after(all[8], &BTreeSet::new(), 4).unwrap(), Page::default());
}

#[test]
fn a_broken_document_delays_only_itself() {
    let mut till = Till::new();
    let good = till.sell(1, 2, true);
    let broken = till.sell(2, 2, true);
    let after = till.sell(3, 2, true);
    till.tool().execute("UPDATE document SET checknum = -5 WHERE documentid = ?1", [broken]).unwrap();
    let page = till.documents().finished_after(0, &BTreeSet::new(), 10).unwrap();
    assert_eq!(ids(&page), [good, after]);
    assert_eq!(page.broken.len(), 1);
    assert_eq!(page.broken[0].document_id, broken);
    assert!(page.broken[0].reason.contains("checknum is -5"), "{:?}", page.broken);
}

#[test]
fn a_closed_shift_records_what_its_documents_add_up_to() {
    let mut till = Till::new();
    till.sell(11, 2, true);
    till.sell(12, 3, true);
    let refund = v1::Document { doctype: 2, ..receipt(13, 3) };
    till.pos.add_document(till.shift, &refund, true).unwrap();
    let cash_in = v1::Document {
        doctype: 3,
        lines: Vec::new(),
        voided_lines: Vec::new(),
        payments: Vec::new(),
        sum: 10_000,
        ..receipt(16, 3)
    };
    till.pos.add_document(till.shift, &cash_in, true).unwrap();
    till.sell(17, 3, false);
    let mut documents = till.documents();
    let open = documents.shifts_of(&[1].into()).unwrap().records.remove(0);
    assert!(!open.is_closed());
    assert_eq!((open.shift.first_number, open.shift.last_number), (11, 17));
    assert_eq!(documents.last_closed().unwrap(), 0);

    till.pos.close_shift(till.shift, datetime(2017, 1, 3, 20, 0, 0, 0)).unwrap();
    let closed = documents.shifts_of(&[1].into()).unwrap().records.remove(0);
    let expected = v1::Shift {
        till_id: "_cash_1_00ab34ef".into(),
        number: 7,
        cash_code: "1".into(),
        shop_code: "42".into(),
        cashier: "c1".into(),
        time_beg: "2017-01-02T08:00:00".into(),
        time_end: "2017-01-03T20:00:00".into(),
        first_number: 11,
        last_number: 17,
        recorded_sales: 2,
        recorded_refunds: 1,
        recorded_sale_sum: 16_000,
        recorded_refund_sum: 8000,
        drawer_sum: 2 * 4000 - 4000 + 10_000,
        counted_sales: 2,
        counted_refunds: 1,
        counted_sale_sum: 16_000,
        counted_refund_sum: 8000,
        counted_documents: 4,
        unfinished_documents: 1,
        recorded_sale_cash: 8000,
        recorded_sale_noncash: 8000,
        users: vec![v1::User { code: "c1".into(), name: "Анна".into() }],
        ..v1::Shift::default()
    };
    assert!(closed.is_closed());
    assert_eq!(closed.shift, expected);
    assert_eq!(documents.last_closed().unwrap(), till.shift);
    assert_eq!(documents.number_holes(till.shift).unwrap(), vec![14..=15]);
    assert!(documents.shifts_before(till.shift, 10).unwrap().is_empty());
    let heads = documents.shifts_before(i64::MAX, 10).unwrap();
    let ended = Some(datetime(2017, 1, 3, 20, 0, 0, 0));
    assert_eq!((heads.len(), heads[0].key, heads[0].closed, heads[0].ended), (1, Some(shift_7()), true, ended));
}

#[test]
fn reading_goes_on_while_the_pos_writes() {
    let mut till = Till::new();
    till.sell(1, 2, true);
    let tool = till.tool();
    tool.execute_batch("BEGIN IMMEDIATE; UPDATE document SET sumb = 1").unwrap();
    let page = till.documents().finished_after(0, &BTreeSet::new(), 10).unwrap();
    assert_eq!(page.documents[0].sum, 8000);
}

#[test]
fn reading_never_writes() {
    let mut till = Till::new();
    till.sell(1, 2, true);
    assert!(till.documents().connection.execute("DELETE FROM document", []).is_err());
}

#[test]
fn a_missing_a_foreign_and_a_damaged_database_are_named() {
    let till = Till::new();
    let open = |path: &Path| Documents::open(path, "_cash_1_00ab34ef".parse().unwrap()).unwrap_err();
    let elsewhere = till.folder.path().join("nowhere.db");
    assert!(matches!(open(&elsewhere), DocumentsError::Missing { .. }));
    fs::write(&elsewhere, b"").unwrap();
    assert!(matches!(open(&elsewhere), DocumentsError::Missing { .. }), "the POS is just making it");
    till.tool().execute_batch("ALTER TABLE moneyitem DROP COLUMN valcode").unwrap();
    let error = open(&till.path()).to_string();
    assert!(error.contains("documents.db: table moneyitem has no valcode"), "{error}");
    fs::write(&elsewhere, vec![7; 8192]).unwrap();
    let error = open(&elsewhere);
    assert!(matches!(&error, DocumentsError::Query { .. } | DocumentsError::Open { .. }), "{error:?}");
    assert!(error.to_string().contains("nowhere.db"), "{error}");
}

#[test]
fn the_watch_tells_of_commits_of_a_file_that_appears_and_of_one_that_replaces_it() {
    let mut till = Till::new();
    let mut watch = DocumentsWatch::new(&till.path());
    assert!(watch.changed().unwrap());
    assert!(!watch.changed().unwrap());
    till.sell(1, 2, true);
    assert!(watch.changed().unwrap());
    assert!(!watch.changed().unwrap());

    let other = till.folder.path().join("other.db");
    let mut watch = DocumentsWatch::new(&other);
    assert!(!watch.changed().unwrap());
    drop(PosWriter::open(&other).unwrap());
    assert!(watch.changed().unwrap());
    let restored = till.folder.path().join("restored.db");
    drop(PosWriter::open(&restored).unwrap());
    fs::rename(&restored, &other).unwrap();
    assert!(watch.changed().unwrap());
    assert!(!watch.changed().unwrap());
}

#[test]
fn a_document_with_too_many_parts_is_set_apart() {
    let mut till = Till::new();
    let id = till.sell(1, 2, true);
    let tool = till.tool();
    let insert = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i <= 10000) \
                  INSERT INTO carditem (documentid, number) SELECT ?1, i FROM n";
    tool.execute(insert, params![id]).unwrap();
    let page = till.documents().finished_after(0, &BTreeSet::new(), 10).unwrap();
    assert!(page.broken[0].reason.contains("carditem"), "{:?}", page.broken);
}

#[test]
fn a_pos_of_v0_1_that_writes_nothing_of_version_2_is_unloaded() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("documents.db");
    let pos = Connection::open(&path).unwrap();
    pos.execute_batch(SCHEMA).unwrap();
    pos.execute_batch(
        "INSERT INTO workshift (shiftnum, time_beg) VALUES (1, '2026-11-29T08:00:00');
         INSERT INTO document (workshiftid, checknum, doctype, time_beg, time_end, sumb, closed)
             VALUES (1, 1, 1, '2026-11-29T09:00:00', '2026-11-29T09:00:00', 1000, 1);
         INSERT INTO goodsitem (documentid, posnum, sumb, opcode) VALUES (1, 1, 1000, 50);
         INSERT INTO moneyitem (documentid, opcode, valcode, sumb, docnum) VALUES (1, 70, 4, 1000, '4111');",
    )
    .unwrap();
    let mut documents = Documents::open(&path, "_cash_1_00ab34ef".parse().unwrap()).unwrap();
    let page = documents.finished_after(0, &BTreeSet::new(), 10).unwrap();
    assert_eq!(page.broken, []);
    let document = &page.documents[0];
    assert_eq!((document.lines.len(), document.payments[0].card_number.as_str()), (1, "4111"));
    assert_eq!(documents.shifts_of(&[1].into()).unwrap().records.len(), 1);
}

#[test]
fn a_register_that_does_not_read_is_left_out_and_holds_nothing_up() {
    let mut till = Till::new();
    till.sell(1, 2, true);
    let tool = till.tool();
    // A table of the POS's own making, with a name in windows-1251.
    tool.execute_batch(
        "DROP TABLE kkm;
         CREATE TABLE kkm (workshiftid, serialnum, sumcashend, sumprotectedbeg, sumprotectedend, sumback);",
    )
    .unwrap();
    let add = "INSERT INTO kkm VALUES (?1, CAST(x'C0C1' AS TEXT), 0, 0, 0, 0), (?1, '77', 5, 0, 0, 0)";
    tool.execute(add, [till.shift]).unwrap();
    let shifts = till.documents().shifts_of(&[till.shift].into()).unwrap();
    let told: Vec<_> = shifts.records[0].shift.registers.iter().map(|register| &register.serial_number).collect();
    assert_eq!(told, ["77"]);
}

#[test]
fn whatever_a_pos_wrote_where_it_need_not_write_costs_no_receipt() {
    let mut till = Till::new();
    let id = till.sell(1, 2, true);
    let tool = till.tool();
    // Tables of the POS's own making, without types.
    tool.execute_batch(
        "DROP TABLE failedmoneyitem; DROP TABLE taxitem; DROP TABLE bonusitem; DROP TABLE certificateitem; DROP TABLE couponitem;
         CREATE TABLE failedmoneyitem (failedmoneyitemid INTEGER PRIMARY KEY, documentid, mtime, opcode, valcode, sumb, cardnum, slip);
         CREATE TABLE taxitem (taxitemid INTEGER PRIMARY KEY, goodsitemid, taxcode, taxsum);
         CREATE TABLE bonusitem (bonusitemid INTEGER PRIMARY KEY, goodsitemid, amount, cardnumber);
         CREATE TABLE certificateitem (certificateitemid INTEGER PRIMARY KEY, documentid, number, sumb);
         CREATE TABLE couponitem (couponitemid INTEGER PRIMARY KEY, documentid, number, sumb);",
    )
    .unwrap();
    let fill = [
        "INSERT INTO failedmoneyitem(documentid, mtime, opcode, valcode, sumb, slip) VALUES
             (?1, 'noon', 70, 4, 4000, x'c0'), (?1, NULL, 'pay', 4, 4000, NULL), (?1, NULL, 70, 4, 10000000000001, NULL)",
        "INSERT INTO taxitem(goodsitemid, taxcode, taxsum)
             SELECT goodsitemid, column1, column2 FROM goodsitem, (VALUES (1, 'much'), (1, 5), (NULL, NULL)) WHERE documentid = ?1",
        "INSERT INTO bonusitem(goodsitemid, amount) SELECT goodsitemid, x'00' FROM goodsitem WHERE documentid = ?1",
        "INSERT INTO certificateitem(documentid, number, sumb) VALUES (?1, 'C-1', 1.5), (?1, 'C-2', 500)",
        "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i <= 10000)
             INSERT INTO couponitem (documentid, number, sumb) SELECT ?1, 'K', i FROM n",
        "UPDATE moneyitem SET slip = replace(hex(zeroblob(40000)), '00', 'чек') WHERE documentid = ?1",
        "UPDATE goodsitem SET excisemark = replace(hex(zeroblob(2000)), '0', 'm') WHERE documentid = ?1",
    ];
    for sql in fill {
        tool.execute(sql, [id]).unwrap();
    }
    let page = till.documents().finished_after(0, &BTreeSet::new(), 10).unwrap();
    assert_eq!(page.broken, []);
    let document = &page.documents[0];
    let failed: Vec<_> =
        document.failed_payments.iter().map(|paid| (paid.sum, paid.time.as_str(), paid.slip.as_str())).collect();
    assert_eq!(failed, [(4000, "", "")]);
    assert_eq!(document.lines[0].taxes, [v1::Tax { code: 1, sum: 5 }]);
    assert_eq!(document.lines[0].bonuses, []);
    assert_eq!(document.certificates, [v1::Voucher { number: "C-2".into(), sum: 500 }]);
    assert_eq!((document.coupons.len(), document.lines[0].mark.len()), (10_000, 1_024));
    let slip = &document.payments[0].slip;
    assert!(slip.len() <= 64 * 1_024 && slip.len() > 64 * 1_024 - 2 && slip.ends_with('е'), "{}", slip.len());
}

#[test]
fn registers_of_a_shift_are_told_with_its_record() {
    let mut till = Till::new();
    let register = v1::Register {
        serial_number: "0001".into(),
        cash_at_end: 5_000,
        protected_at_begin: 1,
        protected_at_end: 2,
        returned: 3,
    };
    till.pos.add_register(till.shift, &register).unwrap();
    till.sell(1, 2, true);
    assert_eq!(till.documents().shifts_of(&[1].into()).unwrap().records[0].shift.registers, [register]);
}

#[test]
fn a_number_that_is_given_again_is_another_shift_with_documents_of_its_own() {
    let mut till = Till::new();
    let first = till.sell(1, 2, true);
    let again = NewShift { time_beg: datetime(2017, 1, 2, 13, 0, 0, 0), ..new_shift(7) };
    till.shift = till.pos.open_shift(&again).unwrap();
    let second = till.sell(1, 2, true);
    let mut documents = till.documents();
    let shift_of = |document: &v1::Document| ReceiptKey::try_from(document.key.as_ref().unwrap()).unwrap().shift;
    let page = documents.finished_after(0, &BTreeSet::new(), 10).unwrap();
    let after = ShiftKey { opened: Opened::At(again.time_beg), ..shift_7() };
    assert_eq!(page.documents.iter().map(shift_of).collect::<Vec<_>>(), [shift_7(), after]);
    let records = |documents: &mut Documents, id| documents.shifts_of(&[id].into()).unwrap().records;
    assert_eq!(records(&mut documents, first)[0].shift.time_beg, "2017-01-02T08:00:00");
    assert_eq!(records(&mut documents, second)[0].shift.time_beg, "2017-01-02T13:00:00");
    assert_eq!(records(&mut documents, second)[0].shift.counted_documents, 1);
    let keys: Vec<_> = documents.shifts_before(i64::MAX, 5).unwrap().into_iter().map(|head| head.key).collect();
    assert_eq!(keys, [Some(after), Some(shift_7())], "newest first");
}

#[test]
fn a_shift_whose_opening_time_does_not_read_holds_none_of_its_documents_up() {
    let mut till = Till::new();
    till.sell(1, 2, true);
    till.tool().execute("UPDATE workshift SET time_beg = 'morning'", []).unwrap();
    let mut documents = till.documents();
    let page = documents.finished_after(0, &BTreeSet::new(), 10).unwrap();
    assert_eq!(page.documents[0].key.as_ref().unwrap().shift_opened.as_deref(), Some(""));
    assert_eq!(documents.shifts_of(&[1].into()).unwrap().broken.len(), 1);
}

//! Warnings beside rejects, and how long a person is told of both.

use super::*;
use crate::store::intake::LoadState;
use crate::words::Reason;
use tillway_exchangers::records::WarningKind;
use tillway_service::audit::AuditLine;

fn item(code: &str, rest: &str) -> String {
    format!(r#"{{"command":"addInventItem","invent":{{"inventcode":"{code}","name":"Item {code}"{rest}}}}}"#)
}

/// Loads these records and waits for the end.
async fn load(kit: &Kit, records: &[String]) -> LoadRecord {
    kit.deliver("All", "pos1", &file_of(records));
    kit.gone("All", "pos1").await;
    kit.newest()
}

/// Keys of what nobody has seen, oldest first.
fn open(kit: &Kit) -> Vec<String> {
    let open = kit.journal.open_notices(99).unwrap();
    open.into_iter().rev().map(|open| open.notice.key.unwrap_or_default()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_warning_is_told_with_line_verb_key_field_and_value_and_the_record_is_taken() {
    let kit = Kit::new();
    let running = kit.start();
    let long = "x".repeat(250);
    let cut = format!(r#"{{"command":"addUnit","unit":{{"unitCode":5,"name":"{long}"}}}}"#);
    let record =
        load(&kit, &[unit(1, "piece"), cut, item("7", r#","barcodes":["46",{"barcode":"47","price":"dear"}]"#)]).await;
    assert_eq!((record.state, record.counts.rejected, record.counts.warnings), (LoadState::ReadyWithErrors, 0, 2));
    assert_eq!(record.status().as_str(), "STATUS_READY_WITH_ERROR");
    let warned = kit.journal.warnings(record.id, 9).unwrap();
    assert_eq!(kit.journal.rejects(record.id, 9).unwrap(), []);
    let told: Vec<_> = warned
        .iter()
        .map(|one| {
            (
                one.line,
                one.verb.as_deref(),
                one.key.as_deref(),
                one.field.as_deref(),
                one.is_warning.then_some(one.reason.kind()).unwrap(),
            )
        })
        .collect();
    assert_eq!(
        told,
        [
            (3, Some("addUnit"), Some("5"), Some("name"), "text-cut"),
            (5, Some("addInventItem"), Some("7"), Some("barcodes[1].price"), "entry-rejected"),
        ]
    );
    assert_eq!(warned[1].value.as_deref(), Some("dear"));
    let text = kit.error_text("All").unwrap();
    for part in [
        "all records are loaded",
        "line 3, byte ",
        "addUnit 5, field `name`",
        "cut to 200",
        "barcodes[1].price",
        "`dear`",
    ] {
        assert!(text.contains(part), "{part} in {text}");
    }
    assert_eq!((kit.objects(&kit.chain, "unit").len(), kit.objects(&kit.chain, "barcode").len()), (2, 1));
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_notice_of_a_rejected_item_stays_until_that_item_came_again() {
    let kit = Kit::new();
    let running = kit.start();
    load(&kit, &[item("X1", r#","isInventItem":true,"price":"12,50""#)]).await;
    let reject = kit.journal.open_notices(9).unwrap().remove(0).notice;
    assert_eq!(
        (reject.field.as_deref(), reject.value.as_deref(), reject.is_warning),
        (Some("price"), Some("12,50"), false)
    );
    // A clean load of something else mends nothing.
    assert_eq!(load(&kit, &[item("Y1", r#","price":5"#)]).await.state, LoadState::Ready);
    assert_eq!(open(&kit), ["X1"]);
    load(&kit, &[item("X1", r#","price":12.50"#)]).await;
    assert_eq!(open(&kit), [""; 0]);
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_record_of_before_mends_a_reject_though_its_text_is_known() {
    let kit = Kit::new();
    let running = kit.start();
    let sound: Vec<String> = (1..=40).map(|code| item(&code.to_string(), r#","price":5"#)).collect();
    load(&kit, &sound).await;
    let mut broken = sound.clone();
    broken[19] = item("20", r#","price":"5,50""#);
    load(&kit, &broken).await;
    assert_eq!(open(&kit), ["20"]);
    let again = load(&kit, &sound).await;
    assert_eq!((again.state, again.revision), (LoadState::Ready, None));
    assert_eq!(open(&kit), [""; 0]);
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn of_two_records_of_one_object_in_one_load_the_last_says_whether_it_is_mended() {
    let kit = Kit::new();
    let running = kit.start();
    let (sound, broken) = (item("1", r#","price":5"#), item("1", r#","price":"x""#));
    let record = load(&kit, &[broken.clone(), sound.clone()]).await;
    assert_eq!((record.counts.rejected, open(&kit)), (1, Vec::new()));
    // Another one stays when it is deleted: a load that takes all away is held.
    load(&kit, &[item("2", r#","price":5"#), sound, broken]).await;
    assert_eq!(open(&kit), ["1"]);
    // What is deleted needs no look any more.
    load(&kit, &[r#"{"command":"deleteInventItem","inventcode":"1"}"#.to_owned()]).await;
    assert_eq!(open(&kit), [""; 0]);
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_warning_comes_with_each_load_and_on_the_list_only_until_somebody_saw_it() {
    let kit = Kit::new();
    let running = kit.start();
    let records = [item("1", r#","price":-5"#), item("2", r#","price":5"#)];
    for turn in 0..3 {
        let record = load(&kit, &records).await;
        assert_eq!((record.counts.warnings, record.revision.is_some()), (1, turn == 0));
        assert_eq!(open(&kit), if turn < 2 { vec!["1"] } else { Vec::new() });
        if turn == 1 {
            assert_eq!(kit.journal.see_notices(&[], Some(i64::MAX), Timestamp::now(), &AuditLine::any()).unwrap(), 1);
        }
    }
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deletion_that_did_not_take_effect_is_told() {
    let kit = Kit::new();
    let running = kit.start();
    load(&kit, &[item("z5", r#","isInventItem":true,"price":5,"barcode":"zb5""#)]).await;
    let delete = r#"{"command":"deleteInventItem","inventcode":"z5"}"#.to_owned();
    let record = load(&kit, &[delete, item("z5", r#","price":"5,50","barcode":"zb5""#)]).await;
    assert_eq!((record.counts.deleted, record.counts.rejected, record.counts.warnings), (0, 1, 1));
    assert_eq!(kit.objects(&kit.chain, "item").len() + kit.objects(&kit.chain, "barcode").len(), 2);
    let warning = kit.journal.warnings(record.id, 9).unwrap().remove(0);
    assert_eq!((warning.line, warning.reason.kind()), (1, "not-deleted"));
    assert_eq!((warning.verb.as_deref(), warning.key.as_deref()), (Some("deleteInventItem"), Some("z5")));
    assert!(crate::words::in_english(&record.reason.unwrap()).contains("1 deletion did not take effect"));
    assert_eq!(kit.journal.count_notices().unwrap(), (1, 1));
    // The reject and the warning are about this object: the one that brings it mends both.
    load(&kit, &[item("z5", r#","price":5.5,"barcode":"zb5""#)]).await;
    assert_eq!(kit.journal.count_notices().unwrap(), (0, 0));
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn times_with_a_zone_become_local_times_of_the_setting() {
    let mut kit = Kit::new();
    kit.settings.zone = jiff::tz::TimeZone::get("Asia/Yekaterinburg").unwrap();
    let running = kit.start();
    let price = |barcode: &str, at: &str| {
        format!(
            r#"{{"command":"addPrice","price":{{"barcode":"{barcode}","doctype":1,"documentid":"1","price":1,"effectivedate":"{at}"}}}}"#
        )
    };
    let records = [price("x6", "2026-11-29T10:00:00Z"), price("x7", "2026-11-29T10:00:00+03:00"), unit(1, "piece")];
    assert_eq!(load(&kit, &records).await.state, LoadState::Ready);
    let bodies: Vec<String> =
        kit.objects(&kit.chain, "price").iter().map(|row| String::from_utf8_lossy(&row.body).into_owned()).collect();
    assert!(bodies[0].contains("2026-11-29T15:00:00") && bodies[1].contains("2026-11-29T12:00:00"), "{bodies:?}");
    running.stop().await;
    // Another zone is another time, though the text is the same.
    kit.settings.zone = jiff::tz::TimeZone::UTC;
    let running = kit.start();
    assert_eq!(load(&kit, &records).await.counts.changed, 2);
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_load_with_a_broken_entry_takes_nothing_away_that_stood_there() {
    let kit = Kit::new();
    let running = kit.start();
    let sound = item(
        "1",
        r#","price":5,"barcodes":[{"barcode":"46","price":7,"additionalprices":[{"pricecode":1,"price":6}]},"47","48"]"#,
    );
    let clear = r#"{"command":"clearInventory"}"#.to_owned();
    load(&kit, &[clear.clone(), sound]).await;
    let broken = item("1", r#","price":5,"barcodes":[{"barcode":"46","price":"7,5"},"47"]"#);
    let record = load(&kit, &[clear, broken]).await;
    assert_eq!((record.counts.deleted, record.counts.warnings), (1, 1), "48 alone is not named");
    let keys: Vec<String> = kit.objects(&kit.chain, "barcode").into_iter().map(|row| row.key).collect();
    assert_eq!(keys, ["46\u{1f}1", "47\u{1f}1"]);
    assert_eq!(kit.objects(&kit.chain, "additionalprice").len(), 1);
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_barcode_of_two_items_and_a_group_inside_itself_are_told_by_the_load_that_makes_them_so() {
    let kit = Kit::new();
    let running = kit.start();
    let group = |code: &str, parent: &str| {
        format!(r#"{{"command":"addInventGroup","inventgroup":{{"groupcode":"{code}","parentgroupcode":"{parent}"}}}}"#)
    };
    let first = [item("1", r#","barcodes":["46","47"]"#), group("a", "b"), group("b", "root")];
    assert_eq!(load(&kit, &first).await.state, LoadState::Ready);
    let record = load(&kit, &[item("2", r#","barcodes":["46"]"#), group("b", "a")]).await;
    assert_eq!((record.state, record.counts.warnings), (LoadState::ReadyWithErrors, 4));
    let told: Vec<_> = kit
        .journal
        .warnings(record.id, 9)
        .unwrap()
        .into_iter()
        .map(|one| (one.key.unwrap(), one.value.unwrap(), one.reason))
        .collect();
    let shared = |other: &str| Reason::of(&WarningKind::SharedBarcode { other: other.to_owned() });
    let expected = [
        ("46/1", "46", shared("2")),
        ("46/2", "46", shared("1")),
        ("a", "b", Reason::of(&WarningKind::GroupInItself)),
        ("b", "a", Reason::of(&WarningKind::GroupInItself)),
    ];
    assert_eq!(told, expected.map(|(key, value, what)| (key.to_owned(), value.to_owned(), what)));
    // A load of something else does not tell it again.
    assert_eq!(load(&kit, &[unit(1, "piece")]).await.counts.warnings, 0);
    assert_eq!(kit.journal.count_notices().unwrap(), (0, 4));
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_barcode_of_several_items_is_told_by_a_load_that_changes_thousands_too() {
    let kit = Kit::new();
    let running = kit.start();
    let of = |code: &str, barcode: &str| item(code, &format!(r#","barcodes":["{barcode}"]"#));
    let mut records: Vec<String> = (10..5_100).map(|n| of(&n.to_string(), &format!("7{n}"))).collect();
    // The first and the last keys of the kind, and three of one barcode in between.
    let shared = ["1", "2"].map(|code| of(code, "0")).into_iter().chain(["3", "4", "5"].map(|code| of(code, "75")));
    records.extend(shared.chain(["6", "7"].map(|code| of(code, "9"))));
    let record = load(&kit, &records).await;
    assert_eq!((record.state, record.counts.warnings), (LoadState::ReadyWithErrors, 7));
    let told = kit.journal.warnings(record.id, 9).unwrap().into_iter();
    let told: Vec<(String, String)> =
        told.map(|one| (one.key.unwrap(), crate::words::in_english(&one.reason))).collect();
    let other = |other: &str| WarningKind::SharedBarcode { other: other.to_owned() }.to_string();
    let expected = [
        ("0/1", other("2")),
        ("0/2", other("1")),
        ("75/3", other("4")),
        ("75/4", other("3")),
        ("75/5", other("3")),
        ("9/6", other("7")),
        ("9/7", other("6")),
    ];
    assert_eq!(told, expected.map(|(key, what)| (key.to_owned(), what)));
    running.stop().await;
}

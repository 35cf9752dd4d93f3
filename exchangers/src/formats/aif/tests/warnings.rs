//! What is odd in a record and does not cost all of it.

use super::*;
use crate::kinds::{self, FieldType};
use jiff::tz::{TimeZone, offset};

fn spared(expansion: &Expansion) -> Vec<String> {
    let told = |(kind, keys): &(Kind, Option<KeyMatch>)| match keys {
        Some(KeyMatch::Exact(key)) => format!("{kind} {key}"),
        other => format!("{kind} {other:?}"),
    };
    expansion.spared.iter().map(told).collect()
}

fn keys(expansion: &Expansion) -> Vec<String> {
    expansion.owned.iter().map(|row| format!("{} {}", row.kind, row.key)).collect()
}

#[test]
fn a_broken_entry_is_rejected_by_itself_and_spares_what_stood_there() {
    for (record, told, owned, stays) in [
        (
            r#"{"command":"addInventItem","invent":{"barcodes":[{"barcode":"1","price":"x"},"2"],"inventcode":"i","name":"n"}}"#,
            "barcodes[0].price",
            &["barcode 2/i"][..],
            &["barcode 1/i", "additionalprice None"][..],
        ),
        (
            r#"{"command":"addInventItem","invent":{"inventcode":"i","name":"n","barcodes":["1",[3]]}}"#,
            "barcodes[1]",
            &["barcode 1/i"],
            &["barcode None", "additionalprice None"],
        ),
        (
            r#"{"command":"addInventItem","invent":{"inventcode":"i","name":"n","additionalprices":[{"pricecode":1,"price":1},{"pricecode":2,"price":"1,5"}]}}"#,
            "additionalprices[1].price",
            &["additionalprice i/1"],
            &["additionalprice i/2"],
        ),
        (
            r#"{"command":"addInventItem","invent":{"inventcode":"i","name":"n","barcodes":[{"barcode":"1","additionalprices":[{"pricecode":1},{"pricecode":"x"}]}]}}"#,
            "barcodes[0].additionalprices[1].pricecode",
            &["barcode 1/i", "additionalprice 1/1"],
            &["additionalprice None"],
        ),
        (
            r#"{"command":"addMCashUser","mcashuser":{"code":"u","roleusers":[{"rolecode":1,"rule":"x"},{"rolecode":2,"rule":1}]}}"#,
            "roleusers[0].rule",
            &["roleuser u/2"],
            &["roleuser u/1"],
        ),
        (
            r#"{"command":"addHotKey","hotkey":{"hotkeycode":5,"inventcodes":["1","123456789012345678901","3"]}}"#,
            "inventcodes[1].inventcode",
            &["hotkeyinvent 5/1", "hotkeyinvent 5/3"],
            &["hotkeyinvent None"],
        ),
        (
            r#"{"command":"addExciseMarksWhite","excisemarkswhite":{"excisemarkid":"m","barcodes":[{},"2"]}}"#,
            "barcodes[0].barcode",
            &["excisemarkwhite m/2"],
            &["excisemarkwhite None"],
        ),
    ] {
        let expansion = expansion(record);
        let [warning] = &expansion.warnings[..] else { panic!("{record}: {:?}", expansion.warnings) };
        assert!(matches!(warning.what, WarningKind::EntryRejected { .. }), "{warning}");
        assert_eq!(
            (warning.field.as_str(), keys(&expansion), spared(&expansion)),
            (told, owned_of(owned), owned_of(stays))
        );
        assert!(!expansion.lasting, "it is to be told of each time");
    }
}

fn owned_of(texts: &[&str]) -> Vec<String> {
    texts.iter().map(|text| (*text).to_owned()).collect()
}

#[test]
fn a_main_barcode_that_cannot_be_read_leaves_the_old_one() {
    let record = format!(
        r#"{{"command":"addInventItem","invent":{{"inventcode":"i","name":"n","barcode":"{}"}}}}"#,
        "9".repeat(101)
    );
    let expansion = expansion(&record);
    assert_eq!(word(&expansion.warnings[0].what), "value-left-out");
    assert_eq!(spared(&expansion), ["barcode None", "additionalprice None"]);
}

#[test]
fn entries_of_lists_that_are_kept_as_they_come_are_looked_at_too() {
    let tax = r#"{"command":"addTaxGroup","taxgroup":{"idtaxgroup":1,"taxes":[{"name":"20%","rate":20.0},{"rate":"x"},7,{"rate":"10"}]}}"#;
    let expansion = expansion(tax);
    assert_eq!(
        shown(&expansion.main),
        r#"taxgroup {"idTaxGroup":1,"taxes":[{"name":"20%","rate":20.0},{"rate":"10"}]}"#
    );
    let fields: Vec<&str> = expansion.warnings.iter().map(|warning| warning.field.as_str()).collect();
    assert_eq!(fields, ["taxes[1].rate", "taxes[2]"]);
    let item = r#"{"command":"addInventItem","invent":{"inventcode":"i","name":"n","sellrestrictperiods":[{"datestart":"soon"},{"datestart":"2026-01-01","timestart":"22:00"}]}}"#;
    assert_eq!(
        warnings(item),
        [
            "field `sellrestrictperiods[0].datestart`, value `soon`: this entry was not taken, and what stood there before stays: \
          field `datestart`: `soon` is not a time YYYY-MM-DDTHH:MM:SS"
        ]
    );
}

#[test]
fn texts_are_cut_and_cleaned_and_pictures_left_out() {
    let record = |name: &str| format!(r#"{{"command":"addInventItem","invent":{{"inventcode":"i","name":"{name}"}}}}"#);
    let long = expansion(&record(&"ж".repeat(250)));
    assert_eq!(long.warnings[0].what, WarningKind::TextCut { chars: 250, max: 200 });
    assert!(shown(&long.main).contains(&format!("\"{}\"", "ж".repeat(200))));
    let controls = expansion(&record("a\\u0007b\\u0000\u{7f}c\u{85}\\td\\n"));
    assert_eq!(controls.warnings[0].what, WarningKind::ControlsTakenOut { count: 4 });
    assert!(shown(&controls.main).contains("\"abc\\td\\n\""));
    assert_eq!(expansion(&record("Молоко № 1 ©")).warnings, []);
    let large = "A".repeat(crate::kinds::MAX_LONG_TEXT_BYTES + 1);
    let picture = format!(r#"{{"command":"addPicklist","picklist":{{"code":"p","name":"n","image":"{large}"}}}}"#);
    let picture = expansion(&picture);
    assert_eq!(word(&picture.warnings[0].what), "picture-left-out");
    assert_eq!(shown(&picture.main), r#"picklist {"code":"p","name":"n"}"#);
}

#[test]
fn a_key_and_a_password_are_never_cut() {
    let long = "7".repeat(300);
    for record in [
        format!(r#"{{"command":"addInventItem","invent":{{"inventcode":"{long}"}}}}"#),
        format!(r#"{{"command":"addMCashUser","mcashuser":{{"code":"1","password":"{long}"}}}}"#),
    ] {
        assert!(reject(&record).ends_with("are allowed"), "{}", reject(&record));
    }
}

#[test]
fn a_reject_names_field_and_value() {
    let told = rejects(read(r#"{"command":"addInventItem","invent":{"inventcode":"X1","price":"12,50"}}"#)).remove(0);
    let about = *told.about.unwrap();
    assert_eq!((about.field.as_str(), about.value.as_str(), told.key.as_deref()), ("price", "12,50", Some("X1")));
}

#[test]
fn an_item_without_a_name_is_told_of() {
    for (invent, named) in
        [(r#""inventcode":1"#, false), (r#""inventcode":1,"name":" ""#, false), (r#""inventcode":1,"name":5"#, true)]
    {
        let warnings = warnings(&format!(r#"{{"command":"addInventItem","invent":{{{invent}}}}}"#));
        assert_eq!(warnings.is_empty(), named, "{invent}: {warnings:?}");
    }
}

/// R21: an odd value in every field of every kind.
#[test]
fn an_odd_value_costs_the_record_only_where_it_is_a_key_or_must_be_read() {
    let odd = ["{\"a\":[1]}", "[[]]", "true", "\"\\u0001 ,;\"", "1e30", "-7.123456789", "\"2026-13-45\""];
    for kind in kinds::all().filter(|kind| kind.spec().add.is_some()) {
        let spec = kind.spec();
        for field in spec.fields {
            for value in odd {
                let is_key = spec.key.contains(&field.name);
                let mut members: Vec<String> =
                    spec.key.iter().filter(|name| **name != field.name).map(|name| format!("\"{name}\":1")).collect();
                members.push(format!("\"{}\":{value}", field.name));
                let record =
                    format!(r#"{{"command":"{}","{}":{{{}}}}}"#, spec.add.unwrap(), spec.payload, members.join(","));
                match read(&record).remove(0).command {
                    Ok(Command::Upsert(_)) => {}
                    Ok(other) => panic!("{other:?}"),
                    Err(reject) => assert!(is_key || field.is_strict(), "{record}: {reject}"),
                }
            }
        }
    }
}

#[test]
fn the_most_entries_of_a_record_are_taken_and_one_more_is_too_many() {
    let record = |count: usize| {
        let barcodes: Vec<String> = (0..count).map(|n| n.to_string()).collect();
        format!(
            r#"{{"command":"addInventItem","invent":{{"inventcode":"i","name":"n","barcodes":[{}]}}}}"#,
            barcodes.join(",")
        )
    };
    assert_eq!(expansion(&record(MAX_ENTRIES)).owned.len(), MAX_ENTRIES);
    let told = rejects(read(record(MAX_ENTRIES + 1))).remove(0);
    assert_eq!(told.cause, Cause::TooManyEntries);
    assert!(matches!(*told.reason, RejectReason::TooManyEntries { max: MAX_ENTRIES }), "{}", told.reason);
    assert_eq!(told.key.as_deref(), Some("i"));
}

#[test]
fn a_time_with_a_zone_becomes_local_time() {
    let zone = TimeZone::fixed(offset(5));
    let read_in = |value: &str| {
        let record = format!(
            r#"{{"command":"addPrice","price":{{"barcode":"x6","doctype":1,"documentid":"1","price":1,"effectivedate":"{value}"}}}}"#
        );
        let input = record + "\n---\n";
        let of_file = RecordReader::new(input.as_bytes()).in_zone(zone.clone()).next().unwrap().unwrap();
        match of_file.command.unwrap() {
            Command::Upsert(expansion) => {
                let row = shown(&expansion.main);
                let at = row.rsplit_once("\"effectivedate\":\"").unwrap().1.trim_end_matches("\"}").to_owned();
                (at, expansion.lasting)
            }
            other => panic!("{other:?}"),
        }
    };
    for (value, local, lasting) in [
        ("2026-11-29T10:00:00Z", "2026-11-29T15:00:00", false),
        ("2026-11-29T10:00:00z", "2026-11-29T15:00:00", false),
        ("2026-11-29T10:00:00+03:00", "2026-11-29T12:00:00", false),
        ("2026-11-29 22:00:00.987+0300", "2026-11-30T00:00:00", false),
        ("2026-11-29T10:00:00.5-05:30", "2026-11-29T20:30:00", false),
        ("2026-11-29T10:00:00", "2026-11-29T10:00:00", true),
        ("2026-11-29", "2026-11-29T00:00:00", true),
        ("2026-11-29Z", "2026-11-29T00:00:00", true),
        ("2026-11-29+03:00", "2026-11-29T00:00:00", true),
    ] {
        assert_eq!(read_in(value), (local.to_owned(), lasting), "{value}");
    }
    let period = r#"{"command":"addInventItem","invent":{"inventcode":"i","name":"n","sellrestrictperiods":[{"dateend":"2026-11-29T10:00:00Z","x":"1Z"}]}}"#;
    let record = RecordReader::new(period.as_bytes()).in_zone(zone.clone()).next().unwrap().unwrap();
    let Ok(Command::Upsert(expansion)) = record.command else { panic!("{record:?}") };
    assert!(
        shown(&expansion.main).contains(r#"[{"dateend":"2026-11-29T15:00:00","x":"1Z"}]"#),
        "{}",
        shown(&expansion.main)
    );
}

#[test]
fn an_item_on_scales_says_when_it_was_made_or_for_how_many_days_it_keeps() {
    let scale = |value: &str| {
        let record = format!(
            r#"{{"command":"addTmcScale","tmcscale":{{"tmcscalecode":"12345","tmccode":"100","produceddate":{value},"sellbydate":5,"sellbytime":0}}}}"#
        );
        let expansion = expansion(&record);
        (shown(&expansion.main), expansion.warnings.len())
    };
    for (value, kept) in [
        ("3", "\"3\""),
        ("\"3\"", "\"3\""),
        ("3.0", "\"3\""),
        ("0", "\"0\""),
        ("\"2026-11-29\"", "\"2026-11-29T00:00:00\""),
        ("\"2026-11-29T10:00:00\"", "\"2026-11-29T10:00:00\""),
    ] {
        let (row, warnings) = scale(value);
        assert!(row.contains(&format!("\"produceddate\":{kept},")) && warnings == 0, "{value}: {row}");
    }
    for value in ["-1", "1764374400", "\"soon\""] {
        assert_eq!(scale(value).1, 1, "{value}");
    }
    assert_eq!(kind("tmcscale").fields()[7].field_type, FieldType::DaysOrDateTime);
}

#[test]
fn warnings_and_rejects_are_flat_json_with_their_kind() {
    let fault = ValueFault::WrongValue { value: "x".to_owned(), expected: Expected::WholeNumber };
    let reason = RejectReason::Value { field: "price", fault };
    let flat = r#"{"field":"price","kind":"wrong-value","value":"x","expected":"whole-number"}"#;
    assert_eq!(serde_json::to_string(&reason).unwrap(), flat);
    let inside = format!(r#"{{"kind":"entry-rejected","reason":{flat}}}"#);
    assert_eq!(serde_json::to_string(&WarningKind::EntryRejected { reason }).unwrap(), inside);
    assert_eq!(serde_json::to_string(&RejectReason::NoCommand).unwrap(), r#"{"kind":"no-command"}"#);
}

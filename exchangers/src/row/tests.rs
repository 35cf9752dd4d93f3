//! Golden bytes of the encoding, round trips, and bytes that are no row.

use super::*;
use crate::kinds;
use crate::kinds::Storage;
use proptest::prelude::*;

fn kind(name: &str) -> Kind {
    Kind::by_name(name).unwrap()
}

fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    bytes.iter().fold(String::new(), |mut text, byte| {
        write!(text, "{byte:02x}").unwrap();
        text
    })
}

fn unit(extra: Option<&str>, code: i64, name: &str, fractional: Option<i64>) -> Row {
    let fractional = fractional.map_or(Value::Null, Value::Integer);
    Row {
        extra: extra.map(str::to_owned),
        values: vec![Value::Integer(code), Value::Text(name.to_owned()), Value::Null, fractional],
    }
}

#[test]
fn the_bytes_of_version_1_stay() {
    let whole = unit(Some(r#"{"a":1}"#), 796, "шт", Some(1));
    assert_eq!(hex(&whole.encode()), "011e7b2261223a317d09380612d188d182040502");
    assert_eq!(hash(kind("unit"), &whole.encode()).0, GOLDEN_HASH);
    let short = unit(None, -1, "", None);
    assert_eq!(hex(&short.encode()), "0104050102");
    let zero = unit(None, 0, "x", Some(0));
    assert_eq!(hex(&zero.encode()), "01040106780401");
}

const GOLDEN_HASH: u128 = 198_892_519_159_482_971_526_957_823_641_112_443_240;

#[test]
fn equal_rows_of_different_kinds_have_different_hashes() {
    let bytes = Row { extra: None, values: vec![Value::Text("1".to_owned())] }.encode();
    assert_ne!(hash(kind("item"), &bytes), hash(kind("barcode"), &bytes));
}

#[test]
fn only_the_one_encoding_of_a_row_is_read() {
    let unit = kind("unit");
    let cases: [(&[u8], RowError); 11] = [
        (b"", RowError::Version { found: None }),
        (b"\x02", RowError::Version { found: Some(2) }),
        (b"\x01\x04", RowError::NotCanonical { at: 1 }), // nulls at the end
        (b"\x01\x00\x01", RowError::NotCanonical { at: 1 }), // a run of none
        (b"\x01\x04\x04\x01", RowError::NotCanonical { at: 2 }), // two runs
        (b"\x01\x84\x00\x01", RowError::NotCanonical { at: 1 }), // needless byte of a head
        (b"\x01\x04\x09\x02\x00", RowError::NotCanonical { at: 2 }), // needless byte of an integer
        (b"\x01\x04\x05", RowError::Cut),
        (b"\x01\x06\xff", RowError::NotText { at: 1 }),
        (b"\x01\x01", RowError::WrongType { kind: unit, field: "extra" }),
        (b"\x01\x04\x06x", RowError::WrongType { kind: unit, field: "unitCode" }),
    ];
    for (bytes, error) in cases {
        assert_eq!(RowRef::decode(unit, bytes), Err(error), "{}", hex(bytes));
    }
    let newer = b"\x01\x14\x01";
    assert_eq!(RowRef::decode(unit, newer), Err(RowError::TooManyValues { kind: unit }));
    assert_eq!(
        RowError::TooManyValues { kind: unit }.to_string(),
        "row of kind `unit` has more values than this program knows: it comes from a newer version; upgrade the agents of \
         the tills first, then the server"
    );
}

#[test]
fn a_key_is_its_fields_in_the_order_of_the_table() {
    let price = kind("price");
    let values = vec![Value::Text("46".to_owned()), Value::Integer(2), Value::Text(String::new())];
    let bytes = Row { extra: None, values }.encode();
    let key = key(price, &RowRef::decode(price, &bytes).unwrap());
    assert_eq!(key.as_str(), "46\u{1f}2\u{1f}");
    assert_eq!(key.to_string(), "46/2/");
    assert_eq!(key.parts().collect::<Vec<_>>(), ["46", "2", ""]);
    assert_eq!(key, ObjectKey::from_parts(["46", "2", ""]));
    let parts = |parts: &[Option<&str>]| KeyMatch::of_parts(parts.iter().map(|part| part.map(str::to_owned)).collect());
    assert!(parts(&[Some("46"), None, None]).matches(key.as_str()));
    assert!(!parts(&[Some("4"), None, None]).matches(key.as_str()));
    assert!(!parts(&[None, Some("46"), None]).matches(key.as_str()));
    assert!(!parts(&[Some("46"), None]).matches(key.as_str()), "another number of parts is another key");
    assert_eq!(parts(&[Some("46"), None]).prefix(), "46\u{1f}");
    assert_eq!(parts(&[None, Some("46")]).prefix(), "");
    assert!(KeyMatch::Exact(key.clone()).matches(key.as_str()));
}

#[test]
fn a_nested_value_that_is_no_json_shows_as_a_text() {
    let role = kind("role");
    let mut values = vec![Value::Null; role.fields().len()];
    values[role.field("rolecode").unwrap()] = Value::Text("1".to_owned());
    values[role.field("rights").unwrap()] = Value::Text("Milk".to_owned());
    let row = Row { extra: None, values };
    assert_eq!(to_json(role, &row.to_ref(role)), r#"{"rolecode":"1","rights":"Milk"}"#);
}

#[test]
fn a_row_shows_as_the_json_of_its_format() {
    let item = kind("item");
    let mut values = vec![Value::Null; item.fields().len()];
    for (name, value) in [
        ("inventcode", Value::Text("7".to_owned())),
        ("name", Value::Text("\"Чай\"\n\u{1}".to_owned())),
        ("isInventItem", Value::Integer(1)),
        ("price", Value::Integer(-5)),
        ("remain", Value::Integer(12_345)),
        ("age", Value::Integer(18)),
        ("options", Value::Text(r#"{"a":[1]}"#.to_owned())),
    ] {
        values[item.field(name).unwrap()] = value;
    }
    let row = Row { extra: Some(r#"{"new":true}"#.to_owned()), values };
    let json = concat!(
        r#"{"inventcode":"7","name":"\"Чай\"\n\u0001","isInventItem":true,"price":-0.05,"remain":1.2345,"age":18,"#,
        r#""options":{"a":[1]},"new":true}"#
    );
    assert_eq!(to_json(item, &row.to_ref(item)), json);
    assert_eq!(to_payload(item, &row.to_ref(item)).unwrap().get(), json);
    assert_eq!(to_json(item, &Row::default().to_ref(item)), "{}");
    let only_extra = Row { extra: Some(r#"{"a":1}"#.to_owned()), values: vec![] };
    assert_eq!(to_json(item, &only_extra.to_ref(item)), r#"{"a":1}"#);
}

/// Any row of any kind.
fn rows() -> impl Strategy<Value = (Kind, Row)> {
    let kinds: Vec<Kind> = kinds::all().collect();
    (proptest::sample::select(kinds), proptest::option::of("\\PC{0,9}")).prop_flat_map(|(kind, extra)| {
        let columns: Vec<_> = kind
            .fields()
            .iter()
            .map(|field| match field.field_type.storage() {
                Storage::Integer => prop_oneof![Just(Value::Null), any::<i64>().prop_map(Value::Integer)].boxed(),
                Storage::Text => prop_oneof![Just(Value::Null), ".{0,9}".prop_map(Value::Text)].boxed(),
            })
            .collect();
        columns.prop_map(move |values| (kind, Row { extra: extra.clone(), values }))
    })
}

proptest! {
    #[test]
    fn encoded_rows_read_back((kind, row) in rows()) {
        let bytes = row.encode();
        let read = RowRef::decode(kind, &bytes).unwrap();
        prop_assert_eq!(&read, &row.to_ref(kind));
        let again = read.to_row();
        prop_assert_eq!(again.encode(), bytes);
    }

    #[test]
    fn bytes_that_decode_are_the_encoding_of_what_they_decode_to(
        mut bytes in proptest::collection::vec(any::<u8>(), 0..40),
        versioned in any::<bool>(),
    ) {
        if versioned && !bytes.is_empty() {
            bytes[0] = ROW_VERSION;
        }
        for kind in kinds::all() {
            if let Ok(read) = RowRef::decode(kind, &bytes) {
                prop_assert_eq!(read.to_row().encode(), bytes.clone());
            }
        }
        if let Ok(values) = Values::new(&bytes) {
            prop_assert!(values.take(1000).count() <= 1000);
        }
    }
}

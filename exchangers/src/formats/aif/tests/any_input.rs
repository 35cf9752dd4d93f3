//! What holds for any input: no panic, nothing lost, and what the writer writes the reader reads.

use super::*;
use crate::kinds::{self, FieldType};
use proptest::prelude::*;
use serde_json::{Map, Value as Any};

/// A value that a field takes.
fn value_of(field_type: FieldType) -> BoxedStrategy<Any> {
    match field_type {
        FieldType::Text { max } => {
            "\\PC{0,12}".prop_map(move |t| t.chars().take(max).collect::<String>().into()).boxed()
        }
        FieldType::Code { .. } => {
            prop_oneof!["[0-9a-z]{1,5}".prop_map(Any::from), (0..99_999_u32).prop_map(Any::from)].boxed()
        }
        FieldType::Integer => any::<i32>().prop_map(Any::from).boxed(),
        FieldType::Bool => prop_oneof![any::<bool>().prop_map(Any::from), Just("1".into()), Just(0.into())].boxed(),
        FieldType::Money | FieldType::Quantity | FieldType::Decimal { .. } => {
            prop_oneof![(0..99_u32).prop_map(Any::from), "[0-9]{1,2}\\.[0-9]{1,2}".prop_map(Any::from)].boxed()
        }
        FieldType::Date => Just("2024-02-29".into()).boxed(),
        FieldType::DaysOrDateTime => prop_oneof![Just("2024-02-29".into()), (0..99_u32).prop_map(Any::from)].boxed(),
        FieldType::DateTime | FieldType::DateTimeEnd => {
            prop_oneof![Just("2024-02-29".into()), Just("2024-02-29T23:01:02".into())].boxed()
        }
        FieldType::Json => proptest::collection::btree_map("[a-zA]{1,3}", any::<Option<bool>>(), 0..3)
            .prop_map(|map| {
                // Names compare without regard to case, and one name twice is a reject.
                let mut names = std::collections::HashSet::new();
                let once = map.into_iter().filter(|(name, _)| names.insert(name.to_lowercase()));
                once.map(|(name, value)| (name, value.into())).collect::<Map<_, _>>().into()
            })
            .boxed(),
        FieldType::LongText => "[A-Za-z0-9+/]{0,40}".prop_map(Any::from).boxed(),
    }
}

/// A payload that the kind takes: its key, some of its fields, something unknown.
fn payload_of(kind: Kind) -> BoxedStrategy<Any> {
    let fields: Vec<_> = kind
        .fields()
        .iter()
        .map(|field| {
            let value = value_of(field.field_type);
            let value = if kind.spec().key.contains(&field.name) {
                value.prop_map(Some).boxed()
            } else {
                proptest::option::weighted(0.3, value).boxed()
            };
            (Just(field.name), value)
        })
        .collect();
    (fields, proptest::option::of("\\PC{0,5}"))
        .prop_map(|(fields, unknown)| {
            let mut object: Map<String, Any> =
                fields.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?))).collect();
            object.extend(unknown.map(|text| ("unknown field".to_owned(), text.into())));
            Any::Object(object)
        })
        .boxed()
}

fn payloads() -> impl Strategy<Value = (Kind, Any)> {
    let added: Vec<Kind> = kinds::all().filter(|kind| kind.spec().add.is_some()).collect();
    proptest::sample::select(added).prop_flat_map(|kind| (Just(kind), payload_of(kind)))
}

/// How one record is laid out.
fn laid_out(payload: &(Kind, Any), pretty: bool, broken: u8) -> String {
    let (kind, payload) = payload;
    let mut envelope = Map::new();
    envelope.insert("command".to_owned(), kind.spec().add.unwrap().into());
    envelope.insert(kind.spec().payload.to_owned(), payload.clone());
    let envelope = Any::Object(envelope);
    let text = if pretty { serde_json::to_string_pretty(&envelope) } else { serde_json::to_string(&envelope) };
    match broken {
        0 => text.unwrap().replacen("\"command\"", "\"comm\"", 1),
        1 => text.unwrap().replacen(':', ";", 1),
        _ => text.unwrap(),
    }
}

/// A reader that hands out a few bytes at a time.
fn in_pieces(input: &[u8], size: usize) -> impl std::io::BufRead {
    std::io::BufReader::with_capacity(size, input)
}

proptest! {
    #[test]
    fn nothing_is_lost_whatever_the_layout(
        records in proptest::collection::vec((payloads(), any::<bool>(), 0_u8..8, 1_usize..3), 0..6),
        (bom, crlf, wrapped, open_end, size) in (any::<bool>(), any::<bool>(), any::<bool>(), any::<bool>(), 1_usize..64),
    ) {
        let mut file = String::new();
        let mut elements = Vec::new();
        let mut broken = 0;
        for (payload, pretty, fault, separators) in &records {
            let text = laid_out(payload, *pretty, *fault);
            broken += usize::from(*fault < 2);
            file.push_str(&text);
            file.push_str(&"\n---".repeat(*separators));
            file.push('\n');
            elements.push(text);
        }
        if open_end {
            let kept = file.trim_end_matches(['\n', '-']).len();
            file.truncate(kept);
        }
        if wrapped {
            file = format!("### data begin ###\n{file}\n### data end ###");
        }
        if crlf {
            file = file.replace('\n', "\r\n");
        }
        if bom {
            file.insert(0, '\u{feff}');
        }
        let read: Vec<Record> = RecordReader::new(in_pieces(file.as_bytes(), size)).map(Result::unwrap).collect();
        prop_assert_eq!(read.len(), records.len());
        prop_assert_eq!(read.iter().filter(|record| record.command.is_err()).count(), broken);
        for record in &read {
            prop_assert_eq!(file.as_bytes()[usize::try_from(record.byte).unwrap()], b'{');
        }
        let body = format!("[{}]", elements.join(",\n"));
        let array: Vec<Record> = ArrayReader::new(in_pieces(body.as_bytes(), size)).map(Result::unwrap).collect();
        let commands = |records: &[Record]| records.iter().map(|r| r.command.clone().ok()).collect::<Vec<_>>();
        prop_assert_eq!(commands(&array), commands(&read));
    }

    #[test]
    fn what_the_writer_writes_of_rows_reads_back_as_the_same_rows(payloads in proptest::collection::vec(payloads(), 1..5)) {
        let mut first = AifWriter::new(Vec::new());
        for (kind, payload) in &payloads {
            first.command(kind.spec().add.unwrap(), payload).unwrap();
        }
        let first = read(first.finish().unwrap());
        prop_assert!(rejects(first.clone()).is_empty(), "{:?}", rejects(first));
        let rows = |records: Vec<Record>| commands(records).into_iter().map(|command| match command {
            Command::Upsert(expansion) => expansion.main,
            other => panic!("{other:?}"),
        }).collect::<Vec<_>>();
        let first = rows(first);
        let mut second = AifWriter::array(Vec::new());
        for row in &first {
            second.row(row.kind, &RowRef::decode(row.kind, &row.body).unwrap()).unwrap();
        }
        prop_assert_eq!(rows(read_array(second.finish().unwrap())), first);
    }

    #[test]
    fn no_bytes_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        read(&bytes);
        read_array(&bytes);
    }

    #[test]
    fn no_almost_valid_text_panics(
        text in r#"(\{|\}|\[|\]|,|:|"|\\|\n|---\n|### a begin ###\n|-|1|0\.5|"command"|"addUnit"|"unit"|"unitCode"|"barcodes"| ){0,40}"#,
        size in 1_usize..20,
    ) {
        let whole = read(&text);
        let pieces: Vec<Record> = RecordReader::new(in_pieces(text.as_bytes(), size)).map(Result::unwrap).collect();
        prop_assert_eq!(whole, pieces);
        let whole = read_array(&text);
        let pieces: Vec<Record> = ArrayReader::new(in_pieces(text.as_bytes(), size)).map(Result::unwrap).collect();
        prop_assert_eq!(whole, pieces);
    }
}

#[test]
fn the_writer_writes_each_sort_of_command() {
    let mut writer = AifWriter::new(Vec::new());
    writer.clear_verb("clearinventory").unwrap();
    writer.clear(kind("barcode")).unwrap();
    writer.command("addunit", &serde_json::json!({"unitCode": 1})).unwrap();
    writer.delete(kind("price"), &ObjectKey::from_parts(["46", "1", "D"])).unwrap();
    writer.delete(kind("barcode"), &ObjectKey::from_parts(["46"])).unwrap();
    writer.raw(r#"{"command":"clearUnit"}"#).unwrap();
    let golden = concat!(
        "{\"command\":\"clearInventory\"}\n---\n",
        "{\"command\":\"clearBarcode\"}\n---\n",
        "{\"command\":\"addUnit\",\"unit\":{\"unitCode\":1}}\n---\n",
        "{\"command\":\"deletePrice\",\"price\":{\"barcode\":\"46\",\"doctype\":\"1\",\"documentid\":\"D\"}}\n---\n",
        "{\"barcode\":\"46\",\"command\":\"deleteBarcode\"}\n---\n",
        "{\"command\":\"clearUnit\"}\n---\n",
    );
    let written = writer.finish().unwrap();
    assert_eq!(String::from_utf8(written).unwrap(), golden);
    assert!(rejects(read(golden)).is_empty());
    let mut writer = AifWriter::array(Vec::new());
    writer.clear(kind("unit")).unwrap();
    writer.clear(kind("hotkey")).unwrap();
    assert_eq!(
        String::from_utf8(writer.finish().unwrap()).unwrap(),
        "[\n{\"command\":\"clearUnit\"},\n{\"command\":\"clearHotKey\"}\n]\n"
    );
    assert_eq!(AifWriter::array(Vec::new()).finish().unwrap(), b"[]\n");
}

#[test]
fn the_writer_refuses_what_the_table_does_not_have() {
    let mut writer = AifWriter::new(Vec::new());
    let told = |result: Result<(), WriteError>| result.unwrap_err().to_string();
    assert_eq!(told(writer.command("clearUnit", &1)), "`clearUnit` is not a verb that adds");
    assert_eq!(told(writer.clear_verb("addUnit")), "`addUnit` is not a verb that clears");
    assert_eq!(
        told(writer.delete(kind("roleuser"), &ObjectKey::from_parts(["1"]))),
        "kind `roleuser` cannot be written so: it has no deleting verb"
    );
    assert_eq!(
        told(writer.delete(kind("unit"), &ObjectKey::from_parts(["1", "2"]))),
        "kind `unit` cannot be written so: its key has fewer parts"
    );
    assert!(writer.finish().unwrap().is_empty());
}

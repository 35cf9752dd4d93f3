//! Broken input: each with its message, and the next record is read.

use super::*;

const GOOD: &str = r#"{"command":"addUnit","unit":{"unitCode":1}}"#;

#[test]
fn every_broken_record_is_told_and_the_next_one_read() {
    for (record, message) in [
        (
            r#"{"command":"addUnit","unit":{"unitCode":796,"name" "x"}}"#,
            "line 1, byte 0, addUnit 796: not JSON at line 1, byte 51: expected `:`",
        ),
        (
            r#"{"command":"addUnit","unit":{"unitCode":796"#,
            "line 1, byte 0, addUnit 796: not JSON at line 1, byte 43: expected `,` or `}`",
        ),
        (
            "{\"command\":\"addUnit\",\n\"unit\":{\"unitCode\":5,}}",
            "line 1, byte 0, addUnit 5: not JSON at line 2, byte 43: expected the name of a field in double quotes",
        ),
        ("hello", "line 1, byte 0: not JSON at line 1, byte 0: expected a value"),
        ("[1,2]", "line 1, byte 0: the record is not a JSON object"),
        ("{}", "line 1, byte 0: `command` is missing"),
        (r#"{"command":7}"#, "line 1, byte 0: `command` is not a text"),
        (r#"{"unit":{"unitCode":1}}"#, "line 1, byte 0: `command` is missing"),
        (r#"{"command":"addFoo","foo":{}}"#, "line 1, byte 0, addFoo: unknown verb `addFoo`"),
        (r#"{"command":"addUnit"}"#, "line 1, byte 0, addUnit: payload `unit` is missing"),
        (r#"{"command":"addUnit","unit":[]}"#, "line 1, byte 0, addUnit: payload `unit` is not a JSON object"),
        (r#"{"command":"addUnit","unit":{"name":"x"}}"#, "line 1, byte 0, addUnit: key field `unitCode` is missing"),
        (
            r#"{"command":"addInventItem","invent":{"inventcode":" "}}"#,
            "line 1, byte 0, addInventItem: key field `inventcode` is missing",
        ),
        (r#"{"command":"deleteInventItem"}"#, "line 1, byte 0, deleteInventItem: key field `inventcode` is missing"),
        (
            r#"{"command":"addInventItem","invent":{"price":"x","inventcode":100012}}"#,
            "line 1, byte 0, addInventItem 100012: field `price`: `x` is not a number",
        ),
        (
            r#"{"command":"addPrice","price":{"barcode":"46","doctype":1,"documentid":"D","price":"x"}}"#,
            "line 1, byte 0, addPrice 46/1/D: field `price`: `x` is not a number",
        ),
        (
            r#"{"command":"clearUnit"} {"command":"clearUnit"}"#,
            "line 1, byte 0, clearUnit: not JSON at line 1, byte 24: text follows the end of the record",
        ),
        (
            r#"{"command":"addUnit","unit":{"unitCode":1,"name":"\ud800"}}"#,
            "line 1, byte 0, addUnit 1: not JSON at line 1, byte 49: half of a surrogate pair in a string: it is no character",
        ),
        (
            "{\"command\":\"addUnit\",\"unit\":{\"unitCode\":1,\"name\":\"a\tb\"}}",
            "line 1, byte 0, addUnit 1: not JSON at line 1, byte 51: a control character in a string must be written as an escape",
        ),
    ] {
        let records = read(format!("{record}\n---\n{GOOD}\n---\n"));
        assert_eq!(records.len(), 2, "{record}");
        assert!(records[1].command.is_ok(), "{record}");
        let told = records[0].command.as_ref().unwrap_err();
        assert_eq!(told.to_string(), message, "{record}");
        assert!(!told.refuses_load(), "{record}");
    }
}

#[test]
fn bytes_that_are_not_utf_8_are_told_with_their_place() {
    let mut input = b"\n{\"command\":\"addUnit\",\n\"unit\":{\"unitCode\":1,\"name\":\"".to_vec();
    input.extend_from_slice("шт".as_bytes());
    input.extend_from_slice(b"\xf8\xf2\"}}\n---\n");
    input.extend_from_slice(GOOD.as_bytes());
    let records = read(&input);
    assert_eq!(records.len(), 2);
    let told = records[0].command.as_ref().unwrap_err();
    assert_eq!(told.to_string(), "line 2, byte 1, addUnit 1: not UTF-8 at line 3, byte 56");
    assert_eq!(told.cause, Cause::Encoding);
}

#[test]
fn a_record_that_is_too_large_is_set_aside_and_the_next_one_read() {
    let large = "x".repeat(MAX_RECORD_BYTES);
    let record = format!("{{\"command\":\"addUnit\",\"unit\":{{\"unitCode\":1,\"name\":\"{large}---\"}}}}");
    let lines = format!("{{\"command\":\"addUnit\",\n{}\"unit\":{{}}}}", "\"a\":1,\n".repeat(MAX_RECORD_BYTES / 6));
    for (at, large) in [record, lines].into_iter().enumerate() {
        let records = read(format!("{large}\n---\n{GOOD}\n---\n"));
        let told = records[0].command.as_ref().unwrap_err();
        assert_eq!(told.to_string(), "line 1, byte 0: the record is larger than 8388608 bytes");
        assert_eq!(told.cause, Cause::TooLarge);
        assert_eq!((records.len(), records[1].byte), (2, large.len() as u64 + 5), "{at}");
        assert!(records[1].command.is_ok());
        let records = read_array(format!("[{large},{GOOD}]"));
        assert_eq!(records[0].command.as_ref().unwrap_err().cause, Cause::TooLarge);
        assert!(records.len() == 2 && records[1].command.is_ok());
    }
}

#[test]
fn a_reader_keeps_no_more_than_one_record() {
    let large = format!("{{\"a\":\"{}\"}}", "x".repeat(4 * MAX_RECORD_BYTES));
    let mut reader = RecordReader::new(large.as_bytes());
    assert!(reader.next().unwrap().unwrap().command.is_err());
    assert!(reader.capacity() < 3 * MAX_RECORD_BYTES, "{}", reader.capacity());
}

#[test]
fn an_input_cut_anywhere_inside_a_record_is_recognised() {
    let records = "{\"command\":\"clearUnit\"}\n---\n{\"command\":\"addUnit\",\"unit\":{\"unitCode\":1,\"name\":\"ш\\u0442\",\"fractional\":true,\"x\":[1.5]}}";
    let whole = 28;
    for cut in whole + 1..records.len() {
        let read = read(&records.as_bytes()[..cut]);
        let last = read.last().unwrap().command.as_ref().unwrap_err();
        assert!(last.truncated() && last.refuses_load(), "cut at {cut}: {last}");
        assert_eq!(*last.reason, RejectReason::EndsInRecord, "cut at {cut}");
        assert_eq!((read.len(), last.line, last.byte), (2, 3, 28));
    }
    assert!(rejects(read(records)).is_empty());
    let array = format!("[{}]", records.replace("\n---\n", ","));
    for cut in 0..array.len() {
        let told = rejects(read_array(&array.as_bytes()[..cut]));
        assert!(told.len() == 1 && told[0].refuses_load(), "cut at {cut}: {told:?}");
    }
    assert!(rejects(read_array(&array)).is_empty());
}

#[test]
fn an_input_cut_within_or_before_its_closing_lines_is_recognised() {
    for (input, message) in [
        (format!("{GOOD}\n--"), "line 2, byte 44: the input ends in the middle of a separating line"),
        (format!("{GOOD}\n---\n-"), "line 3, byte 48: the input ends in the middle of a separating line"),
        (
            format!("### data begin ###\n{GOOD}\n---\n"),
            "line 4, byte 67: the input ends before the closing line `### … end ###`",
        ),
        (
            format!("### data begin ###\n{GOOD}\n"),
            "line 3, byte 63: the input ends before the closing line `### … end ###`",
        ),
        (
            format!("### data begin ###\n{GOOD}\n---\n### data e"),
            "line 4, byte 67: the input ends in the middle of a separating line",
        ),
    ] {
        let records = read(&input);
        assert_eq!(records.len(), 2, "{input}");
        assert!(records[0].command.is_ok(), "{input}");
        let told = records[1].command.as_ref().unwrap_err();
        assert_eq!(told.to_string(), message, "{input}");
        assert!(told.truncated());
    }
    assert_eq!(reject("### data begin ###\n{\"comm"), "line 2, byte 19: the input ends in the middle of a record");
}

#[test]
fn a_body_that_is_no_array_is_refused() {
    for body in ["", "  \n", GOOD, "hello", "\u{feff}"] {
        let told = rejects(read_array(body));
        assert_eq!(told.len(), 1, "{body}");
        assert_eq!(*told[0].reason, RejectReason::NotAnArray);
        assert!(told[0].refuses_load());
    }
}

#[test]
fn a_broken_element_of_an_array_delays_only_itself() {
    let body = format!("[{GOOD}, 7, {{\"command\":\"addFoo\"}}, {{\"a\":1]}}, {GOOD} {GOOD}, {{\"a\" 1}},{GOOD}]x");
    let records = read_array(&body);
    let told: Vec<_> = records.iter().map(|record| record.command.as_ref().err().map(ToString::to_string)).collect();
    assert_eq!(
        told,
        [
            None,
            Some("line 1, byte 46: the record is not a JSON object".to_owned()),
            Some("line 1, byte 49, addFoo: unknown verb `addFoo`".to_owned()),
            Some("line 1, byte 71: not JSON at line 1, byte 77: expected `,` or `}`".to_owned()),
            Some(
                "line 1, byte 81, addUnit 1: not JSON at line 1, byte 125: text follows the end of the record"
                    .to_owned()
            ),
            Some("line 1, byte 170: not JSON at line 1, byte 175: expected `:`".to_owned()),
            None,
            Some("line 1, byte 222: text follows the end of the array".to_owned()),
        ]
    );
}

#[test]
fn an_input_that_fails_ends_with_its_error() {
    struct Failing;
    impl std::io::Read for Failing {
        fn read(&mut self, _: &mut [u8]) -> std::io::Result<usize> {
            Err(std::io::Error::other("disk on fire"))
        }
    }
    let chained = || std::io::BufReader::new(std::io::Read::chain(&b"[{\"command\":"[..], Failing));
    let mut reader = RecordReader::new(chained());
    assert_eq!(reader.next().unwrap().unwrap_err().to_string(), "disk on fire");
    assert!(reader.next().is_none());
    let mut reader = ArrayReader::new(chained());
    assert_eq!(reader.next().unwrap().unwrap_err().to_string(), "disk on fire");
    assert!(reader.next().is_none());
}

#[test]
fn a_broken_record_says_which_objects_it_may_have_been_meant_to_add() {
    let objects = |name: &str, parts: &[Option<&str>]| {
        let parts = parts.iter().map(|part| part.map(str::to_owned)).collect();
        Spares::Objects(kind(name), Box::new(KeyMatch::of_parts(parts)))
    };
    let long = "x".repeat(201);
    let windows = "\u{e000}";
    for (record, expected) in [
        // The price is none; the name is not UTF-8; a quote is missing behind the key.
        (
            format!(r#"{{"command":"addInventItem","invent":{{"inventcode":7,"price":"{long}"}}}}"#),
            objects("item", &[Some("7")]),
        ),
        (
            format!(r#"{{"invent":{{"name":"{windows}","inventCode":"7"}},"command":"addinventitem"}}"#),
            objects("item", &[Some("7")]),
        ),
        (
            r#"{"command":"addBarcode","barcode":{"barcode":"46","code":"7","name":"Tea "black""}}"#.to_owned(),
            objects("barcode", &[Some("46"), Some("7")]),
        ),
        // What stands behind the fault may have been the rest of the key; in a sound record what
        // is not there is not.
        (
            r#"{"command":"addPrice","price":{"barcode":"46","price":"1"0,"doctype":1}}"#.to_owned(),
            objects("price", &[Some("46"), None, None]),
        ),
        (
            r#"{"command":"addPrice","price":{"barcode":"46","price":"dear"}}"#.to_owned(),
            objects("price", &[Some("46"), Some("0"), Some("")]),
        ),
        (
            r#"{"command":"addPrice","price":{"barcode":"46","doctype":"sale"}}"#.to_owned(),
            objects("price", &[Some("46"), None, Some("")]),
        ),
        // The key is missing, beside the payload, not text.
        (r#"{"command":"addInventItem","invent":{"name":"x"}}"#.to_owned(), Spares::Kind(kind("item"))),
        (r#"{"command":"addInventItem","inventcode":"7"}"#.to_owned(), Spares::Kind(kind("item"))),
        (
            format!(r#"{{"command":"addInventItem","invent":{{"inventcode":"7{windows}"}}}}"#),
            Spares::Kind(kind("item")),
        ),
        // Two in one, since a separator is missing.
        (
            r#"{"command":"addUnit","unit":{"unitCode":1}}{"command":"addUnit","unit":{"unitCode":2}}"#.to_owned(),
            Spares::Anything,
        ),
        (r#"{"comand":"addUnit","unit":{"unitCode":1}}"#.to_owned(), Spares::Anything),
        (format!(r#"{{"command":"addUn{windows}it"}}"#), Spares::Anything),
        (r#"{"command":"addPony","pony":{"code":1}}"#.to_owned(), Spares::Nothing),
        (r#"{"command":"deleteInventItem"}"#.to_owned(), Spares::Nothing),
    ] {
        // In the place of the private character: bytes of Windows-1251.
        let mut bytes = Vec::new();
        for (at, part) in record.split(windows).enumerate() {
            bytes.extend_from_slice(if at > 0 { b"\xd7\xe0\xe9" } else { b"" });
            bytes.extend_from_slice(part.as_bytes());
        }
        bytes.extend_from_slice(b"\n---\n");
        let records = read(&bytes);
        assert_eq!(records[0].command.as_ref().unwrap_err().spares, expected, "{record}");
    }
}

#[test]
fn an_input_in_another_form_is_refused_whole_with_what_to_do() {
    let text: Vec<u8> = "{\"command\":\"clearUnit\"}\n---\n".encode_utf16().flat_map(u16::to_le_bytes).collect();
    for (input, part) in [
        ([b"\xff\xfe".to_vec(), text.clone()].concat(), "UTF-8"),
        (text, "UTF-8"),
        (b"\x1f\x8b\x08\0---\n".to_vec(), "unpacked"),
        (b"PK\x03\x04\n---\n".to_vec(), "unpacked"),
        (vec![0; 5000], "power failure"),
    ] {
        let of_file: Vec<_> = RecordReader::new(&input[..]).map(Result::unwrap).collect();
        let of_body: Vec<_> = ArrayReader::new(&input[..]).map(Result::unwrap).collect();
        for records in [of_file, of_body] {
            let [Record { command: Err(reject), .. }] = &records[..] else { panic!("{records:?}") };
            assert!(reject.refuses_load() && reject.reason.to_string().contains(part), "{reject}");
        }
    }
}

#[test]
fn a_record_with_words_of_megabytes_is_told_in_short() {
    let long = "я".repeat(500_000);
    for record in [
        format!(r#"{{"command":"{long}"}}"#),
        format!(r#"{{"command":"addUnit","unit":{{"unitcode":"{long}","{long}":1,"name":[]}}}}"#),
        format!(r#"{{"{long}":1}}"#),
        format!(r#"{{"command":"addUnit","unit":{{"unitcode":1,"name":"{long}","bigname":}}}}"#),
    ] {
        let told = reject(&record);
        assert!(told.len() < 4096, "{} bytes: {}", told.len(), told.chars().take(200).collect::<String>());
    }
}

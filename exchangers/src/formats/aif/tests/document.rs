//! The examples of docs/formats/aif.md are what it says they are.

use super::*;
use std::collections::BTreeSet;

fn document() -> String {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/formats/aif.md");
    fs_err::read_to_string(path).unwrap()
}

#[test]
fn every_example_of_the_document_is_read_as_it_says() {
    let document = document();
    let mut words = BTreeSet::new();
    for example in document.split("```aif ").skip(1) {
        let (word, rest) = example.split_once('\n').unwrap();
        let (text, _) = rest.split_once("```").unwrap();
        words.insert(word.to_owned());
        let records = read(text);
        assert!(!records.is_empty(), "{text}");
        for record in records {
            let told = match &record.command {
                Err(_) => vec!["rejected".to_owned()],
                Ok(Command::Upsert(expansion)) => {
                    expansion.warnings.iter().map(|warning| super::word(&warning.what)).collect()
                }
                Ok(_) => Vec::new(),
            };
            let expected = if word == "taken" { Vec::new() } else { vec![word.to_owned()] };
            assert_eq!(told, expected, "line {} of {text}: {:?}", record.line, record.command);
        }
    }
    let expected = [
        "controls-taken-out",
        "entry-rejected",
        "negative-price",
        "no-name",
        "rejected",
        "taken",
        "text-cut",
        "value-left-out",
    ];
    assert_eq!(words, expected.map(str::to_owned).into());
}

#[test]
fn the_limits_of_the_document_are_those_of_the_reader() {
    let document = document();
    assert_eq!((MAX_RECORD_BYTES, MAX_ENTRIES, crate::row::MAX_DEPTH), (8 << 20, 50_000, 64));
    for limit in ["at most 8 MiB", "at most 50,000 entries", "at most 64 deep"] {
        assert!(document.contains(limit), "{limit}");
    }
}

//! Text of the back office, and what server and till say to each other over the broker.

use super::{MAX_TOLD_BYTES, assert_told};
use std::io;
use tillway_exchangers::formats::aif::{ArrayReader, RecordReader};
use tillway_exchangers::records::{Command as Ordered, Record};
use tillway_exchangers::row;
use tillway_proto::command::CommandError;
use tillway_proto::{Command, report};

/// A file of AIF.
pub fn aif(bytes: &[u8]) {
    records(bytes, RecordReader::new(bytes));
}

/// AIF as the JSON array of a REST body.
pub fn aif_json(bytes: &[u8]) {
    records(bytes, ArrayReader::new(bytes));
}

/// Whatever a reader makes of the input: as many records as it has bytes at most, and a place for
/// each that is refused.
fn records(bytes: &[u8], reader: impl Iterator<Item = io::Result<Record>>) {
    let length = bytes.len() as u64;
    let mut count = 0;
    for record in reader {
        count += 1;
        assert!(count <= length + 1, "more records than bytes");
        let Ok(record) = record else {
            panic!("memory does not fail");
        };
        assert!(record.byte <= length, "a record at byte {} of {length}", record.byte);
        assert!(record.line >= 1 && record.line <= length + 1, "a record on line {}", record.line);
        match record.command {
            Ok(Ordered::Upsert(expansion)) => {
                for object in std::iter::once(&expansion.main).chain(&expansion.owned) {
                    assert_eq!(row::hash(object.kind, &object.body), object.hash);
                    let read = row::RowRef::decode(object.kind, &object.body);
                    let Ok(read) = read else { panic!("an object that does not read: {read:?}") };
                    assert_eq!(row::key(object.kind, &read), object.key);
                    assert_eq!(read.to_row().encode(), object.body);
                }
            }
            Ok(_) => {}
            Err(reject) => {
                let told = reject.to_string();
                assert!(told.contains("line") && told.contains("byte"), "no place in: {told}");
                assert!(told.len() <= MAX_TOLD_BYTES, "a reject of {} bytes", told.len());
                assert!(reject.byte <= length && reject.line <= length + 1);
            }
        }
    }
}

/// What a till takes from its queues.
pub fn amqp_command(bytes: &[u8]) {
    match Command::parse(bytes) {
        Ok(command) => {
            let Ok(written) = command.to_bytes() else { panic!("a command that was read is not written: {command:?}") };
            let again = Command::parse(&written);
            assert!(again.as_ref().is_ok_and(|again| *again == command), "{command:?} comes back as {again:?}");
        }
        Err(error) => {
            let _: Option<uuid::Uuid> = CommandError::id(&error);
            assert_told(&error);
        }
    }
}

/// What a server takes from its queue.
pub fn amqp_report(bytes: &[u8]) {
    match report::Reported::parse(bytes) {
        Ok(reported) => {
            let Ok(written) = reported.to_bytes() else { panic!("a report that was read is not written") };
            let again = report::Reported::parse(&written);
            assert!(again.as_ref().is_ok_and(|again| *again == reported), "{reported:?} comes back as {again:?}");
        }
        Err(error) => assert_told(&error),
    }
}

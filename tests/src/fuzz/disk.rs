//! Files that a power cut, a bad disk or another program may have left in any state.

use super::{assert_told, folder};
use fs_err as fs;
use std::io;
use std::sync::Arc;

use tillway_cash_server::sales::spool::{Arrival, Item, Position, Spool, SpoolLimits};
use tillway_exchangers::kinds;
use tillway_exchangers::package::{
    MAX_CHUNK_RECORDS, MAX_RECORD_BYTES, MessageSource, PackageError, PackageReader, PackageSource, Record, messages,
    verify_file,
};
use tillway_exchangers::row::RowRef;
use tillway_file_queue::disk::RealDisk;
use tillway_file_queue::format::{self, BatchHeader, MessageHeader};
use tillway_file_queue::{Limits, Queue, QueueName};
use tillway_proto::PackageName;

/// A package whose name is right: its bytes are what its hash says, and still nothing in it need
/// be true.
#[expect(clippy::expect_used, reason = "only in tests, and without a folder there is none")]
pub fn package(bytes: &[u8]) {
    let folder = folder();
    let name = PackageName::from_hash(hash(bytes));
    let path = folder.path().join(name.file_name());
    fs::write(&path, bytes).expect("the package");
    match verify_file(&path, &name) {
        Ok(header) => {
            let mut reader = PackageReader::open(&path, &name).expect("it was verified");
            let records = read_all(&mut reader).expect("it was verified");
            assert_eq!(records, header.objects());
            reader.rewind().expect("it was verified");
            // What the till's queue carries is the same again.
            let Ok(bodies) = messages(reader, 7) else { return };
            let mut source = MessageSource::open(bodies.map(|body| body.map_err(io::Error::other))).expect("messages");
            assert_eq!(read_all(&mut source).expect("the messages of a whole package"), records);
        }
        Err(error) => assert_told(&error),
    }
    if let Ok(mut reader) = PackageReader::open(&path, &name) {
        let _ = read_all(&mut reader);
    }
}

/// Messages of one package, cut out of the input as `length:u16 bytes`.
pub fn package_messages(bytes: &[u8]) {
    let mut bodies = Vec::new();
    let mut rest = bytes;
    while let [low, high, following @ ..] = rest {
        let length = usize::from(u16::from_le_bytes([*low, *high])).min(following.len());
        bodies.push(Ok(following[..length].to_vec()));
        rest = &following[length..];
    }
    match MessageSource::open(bodies.into_iter()) {
        Ok(mut source) => {
            let _ = read_all(&mut source);
        }
        Err(error) => assert_told(&error),
    }
}

/// All records, each within its limits; rows of kinds that are known here may still be none.
fn read_all(source: &mut impl PackageSource) -> Result<u64, PackageError> {
    let mut count = 0;
    while let Some(chunk) = source.next_chunk().inspect_err(|error| assert_told(error))? {
        assert!(chunk.len() <= MAX_CHUNK_RECORDS);
        let kind = kinds::Kind::by_name(chunk.kind());
        for record in chunk.records() {
            let Ok(record) = record else { break };
            count += 1;
            assert!(record.key().len() <= MAX_RECORD_BYTES as usize);
            if let (Some(kind), Record::Upsert { row, .. }) = (kind, record)
                && let Err(error) = RowRef::decode(kind, row)
            {
                assert_told(&error);
            }
        }
    }
    Ok(count)
}

fn hash(bytes: &[u8]) -> [u8; 32] {
    blake3::hash(bytes).into()
}

/// A file of the queue: as a message, as a manifest, and as both in a batch that waits.
#[expect(clippy::expect_used, reason = "only in tests, and without a folder there is none")]
pub fn queue_file(bytes: &[u8]) {
    let length = bytes.len() as u64;
    if let Ok(opened) = format::open_from::<MessageHeader, _>(bytes, length)
        && let Ok((header, body)) = opened.body()
    {
        assert!(body.len() < bytes.len());
        let sealed = format::seal(&header, &body);
        assert!(sealed.is_ok(), "a header that was read is not written");
    }
    if let Ok(opened) = format::open_from::<BatchHeader, _>(bytes, length) {
        let _ = opened.check();
    }
    let folder = folder();
    let name: QueueName = "dictionary".parse().expect("a name");
    let queue = Queue::open(folder.path(), &name, Limits::default()).expect("a queue");
    for (sequence, (manifest, message)) in [(true, false), (false, true), (true, true)].into_iter().enumerate() {
        let batch = queue.ready_folder().join(format!("{:016}-1-{length}-0", sequence + 1));
        fs::create_dir_all(&batch).expect("a batch");
        fs::write(batch.join("batch"), if manifest { bytes } else { b"" }).expect("a manifest");
        fs::write(batch.join("00000000.msg"), if message { bytes } else { b"" }).expect("a message");
    }
    // All that does not hold goes aside, and then there is nothing.
    for _ in 0..4 {
        match queue.next() {
            Ok(Some(claim)) => {
                for message in claim.messages() {
                    let Ok(message) = message else { break };
                    assert!(message.body.len() <= bytes.len());
                }
                claim.set_aside("read").expect("set aside");
            }
            Ok(None) => break,
            Err(error) => panic!("the queue does not go on: {error}"),
        }
    }
    assert_eq!(queue.depth().expect("a depth").batches, 0);
    assert!(queue.entries().expect("entries").len() <= 3);
}

/// A segment that lies in the spool when the server starts: it opens, all is read once, in bounds,
/// and the position grows.
#[expect(clippy::expect_used, reason = "only in tests, and without a folder there is none")]
pub fn spool_segment(bytes: &[u8]) {
    let folder = folder();
    let first = Position { segment: 1, offset: 0 };
    fs::write(folder.path().join(format!("{:020}.spool", 1)), bytes).expect("a segment");
    // Behind another one, so that it is not the newest, whose tail is cut.
    if bytes.first().is_some_and(|byte| byte & 1 == 0) {
        fs::write(folder.path().join(format!("{:020}.spool", 2)), b"").expect("a segment");
    }
    let opened = Spool::open(folder.path(), first, SpoolLimits::default(), Arc::new(RealDisk));
    let spool = match opened {
        Ok(spool) => spool,
        Err(error) => return assert_told(&error),
    };
    let mut from = first;
    let mut payloads = 0;
    for _ in 0..=bytes.len() {
        let chunk = match spool.read(from, 16, 64 * 1024) {
            Ok(chunk) => chunk,
            Err(error) => return assert_told(&error),
        };
        if chunk.items.is_empty() {
            break;
        }
        assert!(chunk.next > from, "no step from {from}");
        for item in &chunk.items {
            if let Item::Record { payload, .. } = item {
                payloads += payload.len();
                if let Ok(arrival) = Arrival::parse(payload) {
                    let again = Arrival::parse(&arrival.to_bytes());
                    assert!(again.as_ref().is_ok_and(|again| *again == arrival));
                }
            }
        }
        from = chunk.next;
    }
    assert!(payloads <= bytes.len());
}

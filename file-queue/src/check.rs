//! Reads a whole batch and says whether it is sound, in constant memory.

use std::path::{Path, PathBuf};

use crate::error::Damage;
use crate::format::{self, BatchHeader, MessageHeader, Opened, ReadError};
use crate::name::BatchName;

/// The manifest of a batch. A dot-less name, so that it is not taken for a message.
pub(crate) const MANIFEST_FILE: &str = "batch";

/// The file of message `index` of a batch.
pub(crate) fn message_file(index: u32) -> String {
    format!("{index:08}.msg")
}

/// A file of a batch that could not be read.
#[derive(Debug)]
pub(crate) struct Fault {
    /// Its name in the folder of the batch.
    pub(crate) file: String,
    pub(crate) path: PathBuf,
    pub(crate) error: ReadError,
}

impl Fault {
    fn of(folder: &Path, file: String) -> impl FnOnce(ReadError) -> Self {
        let path = folder.join(&file);
        move |error| Self { file, path, error }
    }
}

/// Checks every file of a batch: whole, sound, belonging here, and as many as name and manifest
/// say.
pub(crate) fn check_batch(folder: &Path, name: BatchName) -> Result<BatchHeader, Fault> {
    let batch = read_manifest(folder)?;
    let counts = |messages, bytes| {
        let damage = Damage::Counts { expected_messages: batch.messages, expected_bytes: batch.bytes, messages, bytes };
        Fault::of(folder, MANIFEST_FILE.to_owned())(damage.into())
    };
    if (name.messages, name.bytes) != (batch.messages, batch.bytes) {
        return Err(counts(name.messages, name.bytes));
    }
    let mut bytes = 0_u64;
    for index in 0..batch.messages {
        let opened = open_message(folder, &batch, index)?;
        bytes = bytes.saturating_add(opened.file_bytes);
        opened.check().map_err(Fault::of(folder, message_file(index)))?;
    }
    if bytes != batch.bytes {
        return Err(counts(batch.messages, bytes));
    }
    Ok(batch)
}

/// Reads and checks the manifest of a batch.
pub(crate) fn read_manifest(folder: &Path) -> Result<BatchHeader, Fault> {
    format::open::<BatchHeader>(&folder.join(MANIFEST_FILE))
        .and_then(Opened::check)
        .map_err(Fault::of(folder, MANIFEST_FILE.to_owned()))
}

/// Opens one message of a batch, its body not yet read.
pub(crate) fn open_message(
    folder: &Path,
    batch: &BatchHeader,
    index: u32,
) -> Result<Opened<MessageHeader, fs_err::File>, Fault> {
    let file = message_file(index);
    let opened = format::open::<MessageHeader>(&folder.join(&file)).and_then(|opened| {
        let at_home = opened.header.batch == batch.id && opened.header.index == index;
        if at_home { Ok(opened) } else { Err(Damage::Misplaced.into()) }
    });
    opened.map_err(Fault::of(folder, file))
}

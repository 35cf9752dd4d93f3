//! What of a file's content is not durable, and how it is taken back.

use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::Path;

use fs_err as fs;

use super::Choice;
use super::ledger::{Before, kept_path};

/// Disks write blocks of at least this size whole.
const BLOCK_BYTES: usize = 512;

#[derive(Debug)]
struct Change {
    before: Before,
    /// Bytes written at an offset; a cut writes none.
    offset: u64,
    bytes: u64,
}

/// Changes of one file since it was last durable, in order.
#[derive(Debug, Default)]
pub(super) struct Content {
    changes: Vec<Change>,
    /// Ranges that a failed sync has dropped: on disk they are never written, though they read
    /// well until a power cut.
    dropped: Vec<(u64, u64)>,
}

impl Content {
    pub(super) fn write(&mut self, offset: u64, bytes: u64, before: Before) {
        self.undrop(offset, offset.saturating_add(bytes));
        self.changes.push(Change { before, offset, bytes });
    }

    pub(super) fn cut(&mut self, length: u64, before: Before) {
        self.undrop(length, u64::MAX);
        self.changes.push(Change { before, offset: length, bytes: 0 });
    }

    pub(super) fn sync(&mut self) {
        self.changes.clear();
    }

    pub(super) fn sync_failed(&mut self) {
        // What it was may be on disk, and what it wrote may not.
        self.dropped.extend(self.changes.drain(..).map(|change| (change.offset, change.offset + change.bytes)));
    }

    pub(super) fn at_risk(&self) -> bool {
        !self.changes.is_empty() || !self.dropped.is_empty()
    }

    /// Written anew or cut off: what was dropped there is dropped no more.
    fn undrop(&mut self, from: u64, to: u64) {
        let parts = |(start, end): (u64, u64)| [(start, end.min(from)), (start.max(to), end)];
        self.dropped = self.dropped.drain(..).flat_map(parts).filter(|(start, end)| start < end).collect();
    }

    /// Takes back what the choice takes back; whether that was anything.
    pub(super) fn rewind(&self, ledger: &Path, path: &Path, choice: &mut Choice) -> io::Result<bool> {
        let mut file = fs::OpenOptions::new().read(true).write(true).open(path)?;
        let length = file.metadata()?.len();
        let whole = read(&mut file, 0, length)?;
        match choice.below(5) {
            // All of it was written in time.
            0 => {}
            // Nothing was.
            1 => self.take_back_to(ledger, &mut file, 0)?,
            // The length was, the bytes were not.
            2 => {
                self.take_back_to(ledger, &mut file, 0)?;
                if file.metadata()?.len() < length {
                    file.set_len(length)?;
                }
            }
            // Some changes were, and some blocks of the next.
            _ => self.tear(ledger, &mut file, choice)?,
        }
        for (from, to) in &self.dropped {
            let end = file.metadata()?.len().min(*to);
            if *from < end && choice.coin() {
                let zeroes = vec![0; usize::try_from(end - from).unwrap_or(usize::MAX)];
                write(&mut file, *from, &zeroes)?;
            }
        }
        let left = file.metadata()?.len();
        Ok(left != length || read(&mut file, 0, left)? != whole)
    }

    fn tear(&self, ledger: &Path, file: &mut fs::File, choice: &mut Choice) -> io::Result<()> {
        let survive = usize::try_from(choice.below(self.changes.len() as u64)).unwrap_or(0);
        let Some(torn) = self.changes.get(survive) else { return Ok(()) };
        // Later changes are taken back first; then the bytes of the torn one are what it wrote.
        self.take_back_to(ledger, file, survive + 1)?;
        let written = read(file, torn.offset, torn.bytes)?;
        self.take_back_to(ledger, file, survive)?;
        // From the first block only up to a place, as a disk that works in order, or any of them.
        let in_order = choice.coin();
        let blocks = written.len().div_ceil(BLOCK_BYTES) as u64;
        let last = choice.below(blocks + 1);
        for (number, block) in (0..).zip(written.chunks(BLOCK_BYTES)) {
            if if in_order { number < last } else { choice.coin() } {
                write(file, torn.offset + number * BLOCK_BYTES as u64, block)?;
            }
        }
        if in_order && last == blocks && choice.coin() && !written.is_empty() {
            // Not even blocks: cut within the last.
            let end = torn.offset + choice.below(written.len() as u64 + 1);
            if end >= torn.before.length {
                file.set_len(end)?;
            }
        }
        Ok(())
    }

    /// Takes all changes back but the first few.
    fn take_back_to(&self, ledger: &Path, file: &mut fs::File, first: usize) -> io::Result<()> {
        for change in self.changes.iter().skip(first).rev() {
            file.set_len(change.before.length)?;
            if let Some(kept) = change.before.kept {
                write(file, change.offset, &fs::read(kept_path(ledger, kept))?)?;
            }
        }
        Ok(())
    }
}

fn read(file: &mut fs::File, offset: u64, bytes: u64) -> io::Result<Vec<u8>> {
    file.seek(SeekFrom::Start(offset))?;
    let mut read = Vec::new();
    file.take(bytes).read_to_end(&mut read)?;
    Ok(read)
}

fn write(file: &mut fs::File, offset: u64, bytes: &[u8]) -> io::Result<()> {
    file.seek(SeekFrom::Start(offset))?;
    file.write_all(bytes)
}

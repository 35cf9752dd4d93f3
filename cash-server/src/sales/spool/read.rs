//! Reading on from a position, over segments.

use super::aside::SpoolReason;
use super::format::Position;
use super::segment::{Found, SegmentReader, read_range};
use super::{Shared, SpoolError, aside, io_error};
use crate::words::Reason;

/// What a read brought.
#[derive(Debug, Default)]
pub struct Chunk {
    /// In order.
    pub items: Vec<Item>,
    /// Read on here.
    pub next: Position,
}

/// One thing in the spool.
#[derive(Debug)]
pub enum Item {
    /// A record that holds.
    Record {
        /// Where it starts.
        at: Position,
        /// The position behind it.
        end: Position,
        /// Protobuf `Arrival`.
        payload: Vec<u8>,
    },
    /// Bytes that were damaged; a copy is in `aside/`.
    Damaged {
        /// Where they start.
        at: Position,
        /// The position behind them.
        end: Position,
    },
    /// Segments that were here once and are not any more, though the database has not loaded them.
    Missing {
        /// The database is loaded up to here.
        at: Position,
        /// Reading goes on here.
        end: Position,
    },
}

pub(super) fn read(shared: &Shared, from: Position, max_records: usize, max_bytes: usize) -> Result<Chunk, SpoolError> {
    let mut chunk = Chunk { items: Vec::new(), next: from };
    let mut bytes = 0;
    // A snapshot: what is synced later is read by the next call.
    let (segments, passed): (Vec<(u64, u64)>, Position) = {
        let state = shared.state();
        let segments = state.segments.range(from.segment..).map(|(sequence, length)| (*sequence, *length));
        (segments.collect(), state.passed)
    };
    for (sequence, length) in segments {
        if sequence > chunk.next.segment {
            let start = Position { segment: sequence, offset: 0 };
            if sequence > chunk.next.segment + 1 || (chunk.next < passed && passed < start) {
                chunk.items.push(Item::Missing { at: chunk.next, end: start });
            }
            chunk.next = start;
        }
        if chunk.next.offset >= length {
            continue;
        }
        let mut reader = SegmentReader::open(&shared.folder, chunk.next, length)?;
        while chunk.items.len() < max_records && bytes < max_bytes {
            let Some(found) = reader.next()? else { break };
            match found {
                Found::Record { at, end, payload } => {
                    bytes += payload.len();
                    chunk.next = end;
                    chunk.items.push(Item::Record { at, end, payload });
                }
                Found::Damaged { at, end, .. } => {
                    let path = shared.segment_path(sequence);
                    let damaged =
                        read_range(&path, at.offset, end.offset).map_err(|source| io_error("read", &path, source))?;
                    let reason = Reason::of(&SpoolReason::WrongChecksum);
                    aside::keep(shared.disk.as_ref(), &shared.folder, at, &damaged, &reason)?;
                    chunk.next = end;
                    chunk.items.push(Item::Damaged { at, end });
                }
            }
        }
        if chunk.items.len() >= max_records || bytes >= max_bytes {
            return Ok(chunk);
        }
    }
    if chunk.next < passed {
        chunk.items.push(Item::Missing { at: chunk.next, end: passed });
        chunk.next = passed;
    }
    Ok(chunk)
}

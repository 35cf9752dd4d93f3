//! A package cut into queue messages, and read from them again.

use super::builder::entry_of;
use super::container::{self, Magic, ZSTD_LEVEL};
use super::header::{self, ChunkEntry, Header};
use super::{Chunk, MAX_MESSAGE_BYTES, PackageError, PackageReader, PackageSource, Record};
use serde::{Deserialize, Serialize};
use std::io;
use std::ops::Range;
use tillway_proto::PackageName;
use zstd::bulk::{Compressor, Decompressor};

#[derive(Debug, Serialize, Deserialize)]
struct MessageHeader {
    package: PackageName,
    index: u32,
    total: u32,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    header: Option<Header>,
    chunks: Vec<ChunkEntry>,
}

/// Cuts a package into messages of at most `max_objects` objects (`queuechunksize`; 0 counts as
/// 1). There is always at least one, which carries the header.
pub fn messages(reader: PackageReader, max_objects: u32) -> Result<Messages, PackageError> {
    let max_objects = max_objects.max(1);
    let plan = plan(&reader.header().chunks, max_objects);
    Ok(Messages { reader, max_objects, plan, next: 0, pieces: Vec::new() })
}

/// What one message holds.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Planned {
    /// These chunks, whole.
    Whole(Range<usize>),
    /// One piece of this chunk, which has more records than a message may have.
    Piece { chunk: usize, first: bool },
}

/// Which chunks go into which message: known beforehand, so that each message can say how many
/// there are.
fn plan(chunks: &[ChunkEntry], max_objects: u32) -> Vec<Planned> {
    let mut plan = Vec::new();
    let mut open = 0..0;
    let (mut objects, mut bytes) = (0_u32, 0_u64);
    for (number, chunk) in chunks.iter().enumerate() {
        let pieces = chunk.records.div_ceil(max_objects);
        let fits = objects + chunk.records <= max_objects && bytes + u64::from(chunk.bytes) <= MAX_MESSAGE_BYTES;
        if (pieces > 1 || !fits) && !open.is_empty() {
            plan.push(Planned::Whole(open.clone()));
            open = number..number;
            (objects, bytes) = (0, 0);
        }
        if pieces > 1 {
            plan.extend((0..pieces).map(|piece| Planned::Piece { chunk: number, first: piece == 0 }));
            open = number + 1..number + 1;
        } else {
            open.end = number + 1;
            objects += chunk.records;
            bytes += u64::from(chunk.bytes);
        }
    }
    if !open.is_empty() || plan.is_empty() {
        plan.push(Planned::Whole(open));
    }
    plan
}

/// The messages of a package, in order; each is ready to be put into the queue.
#[derive(Debug)]
pub struct Messages {
    reader: PackageReader,
    max_objects: u32,
    plan: Vec<Planned>,
    next: usize,
    /// Pieces of the chunk that is being cut, last one first.
    pieces: Vec<(ChunkEntry, Vec<u8>)>,
}

impl Messages {
    /// How many messages there are in all.
    pub fn total(&self) -> usize {
        self.plan.len()
    }

    /// The header of the package.
    pub fn header(&self) -> &Header {
        self.reader.header()
    }

    fn message(&mut self, planned: &Planned) -> Result<Vec<u8>, PackageError> {
        let mut body = Vec::new();
        let mut chunks = Vec::new();
        match planned {
            Planned::Whole(range) => {
                for number in range.clone() {
                    let mut entry = self.reader.header().chunks[number].clone();
                    entry.offset = body.len() as u64;
                    let Some((_, packed)) = self.reader.next_packed()? else { break };
                    body.extend_from_slice(packed);
                    chunks.push(entry);
                }
            }
            Planned::Piece { chunk, first } => {
                if *first {
                    self.pieces = cut(&mut self.reader, *chunk, self.max_objects)?;
                }
                if let Some((entry, packed)) = self.pieces.pop() {
                    body = packed;
                    chunks.push(entry);
                }
            }
        }
        let origin = || format!("a message of package {}", self.reader.name().short());
        let count =
            |number: usize| u32::try_from(number).map_err(|_| PackageError::broken(&origin(), "too many messages"));
        let header = (self.next == 0).then(|| Header { chunks: Vec::new(), ..self.reader.header().clone() });
        let package = self.reader.name().clone();
        let head = MessageHeader { package, index: count(self.next)?, total: count(self.plan.len())?, header, chunks };
        let mut message =
            container::encode(Magic::Message, &head).map_err(|source| PackageError::Io { origin: origin(), source })?;
        message.append(&mut body);
        Ok(message)
    }
}

impl Iterator for Messages {
    type Item = Result<Vec<u8>, PackageError>;

    fn next(&mut self) -> Option<Self::Item> {
        let planned = self.plan.get(self.next)?.clone();
        let message = self.message(&planned);
        self.next = if message.is_ok() { self.next + 1 } else { self.plan.len() };
        Some(message)
    }
}

/// Cuts one chunk into several of at most `max_objects` records; the last one comes first.
fn cut(
    reader: &mut PackageReader,
    number: usize,
    max_objects: u32,
) -> Result<Vec<(ChunkEntry, Vec<u8>)>, PackageError> {
    let origin = format!("chunk {number} of package {}", reader.name().short());
    let io_error = |source| PackageError::Io { origin: origin.clone(), source };
    let mut compressor = Compressor::new(ZSTD_LEVEL).map_err(io_error)?;
    let Some(chunk) = reader.next_chunk()? else { return Ok(Vec::new()) };
    let records: Vec<Record<'_>> =
        chunk.records().collect::<Result<_, _>>().map_err(|what| PackageError::broken(&origin, what))?;
    let mut pieces = Vec::new();
    let mut raw = Vec::new();
    for records in records.chunks(max_objects as usize) {
        raw.clear();
        for record in records {
            record.encode(&mut raw);
        }
        let packed = compressor.compress(&raw).map_err(io_error)?;
        let count = u32::try_from(records.len()).map_err(|error| io_error(io::Error::other(error)))?;
        pieces.push((entry_of(chunk.kind(), 0, &packed, &raw, count).map_err(io_error)?, packed));
    }
    pieces.reverse();
    Ok(pieces)
}

/// A package read from its queue messages, in order, one held at a time.
pub struct MessageSource<I> {
    bodies: I,
    name: PackageName,
    header: Header,
    total: u32,
    index: u32,
    chunks: Vec<ChunkEntry>,
    body: Vec<u8>,
    chunks_at: usize,
    next: usize,
    decompressor: Decompressor<'static>,
    raw: Vec<u8>,
}

impl<I> std::fmt::Debug for MessageSource<I> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("MessageSource").field("name", &self.name).field("index", &self.index).finish_non_exhaustive()
    }
}

impl<I: Iterator<Item = io::Result<Vec<u8>>>> MessageSource<I> {
    /// Reads the first message, which carries the header.
    pub fn open(mut bodies: I) -> Result<Self, PackageError> {
        let origin = "the first message of a package";
        let body = match bodies.next() {
            Some(body) => body.map_err(|source| PackageError::Io { origin: origin.to_owned(), source })?,
            None => return Err(PackageError::broken(origin, "there is none")),
        };
        let (head, chunks_at) = read_head(&body, origin)?;
        let Some(header) = head.header.filter(|_| head.index == 0) else {
            return Err(PackageError::broken(origin, "it is another one and carries no header"));
        };
        header.check(origin)?;
        Ok(Self {
            bodies,
            name: head.package,
            header,
            total: head.total,
            index: 0,
            chunks: head.chunks,
            body,
            chunks_at,
            next: 0,
            decompressor: container::decompressor(origin)?,
            raw: Vec::new(),
        })
    }

    fn origin(&self) -> String {
        format!("message {} of {} of package {}", self.index + 1, self.total, self.name.short())
    }

    /// Takes the next message; false after the last.
    fn advance(&mut self) -> Result<bool, PackageError> {
        if self.index + 1 >= self.total {
            return Ok(false);
        }
        self.index += 1;
        let origin = self.origin();
        self.body = match self.bodies.next() {
            Some(body) => body.map_err(|source| PackageError::Io { origin: origin.clone(), source })?,
            None => return Err(PackageError::broken(&origin, "it is missing")),
        };
        let (head, chunks_at) = read_head(&self.body, &origin)?;
        if (&head.package, head.index, head.total) != (&self.name, self.index, self.total) {
            let other = format!("{} of {} of package {}", head.index + 1, head.total, head.package.short());
            return Err(PackageError::broken(&origin, format!("message {other} stands in its place")));
        }
        self.chunks = head.chunks;
        self.chunks_at = chunks_at;
        self.next = 0;
        Ok(true)
    }
}

fn read_head(body: &[u8], origin: &str) -> Result<(MessageHeader, usize), PackageError> {
    let (head, chunks_at): (MessageHeader, u64) = container::decode(Magic::Message, &mut &body[..], origin)?;
    let end = chunks_at + header::check_chunks(&head.chunks, origin)?;
    if end != body.len() as u64 {
        return Err(PackageError::broken(origin, format!("it has {} bytes in place of {end}", body.len())));
    }
    let chunks_at = usize::try_from(chunks_at).map_err(|_| PackageError::broken(origin, "its header is too large"))?;
    Ok((head, chunks_at))
}

impl<I: Iterator<Item = io::Result<Vec<u8>>>> PackageSource for MessageSource<I> {
    fn name(&self) -> &PackageName {
        &self.name
    }

    fn header(&self) -> &Header {
        &self.header
    }

    fn next_chunk(&mut self) -> Result<Option<Chunk<'_>>, PackageError> {
        while self.next == self.chunks.len() {
            if !self.advance()? {
                return Ok(None);
            }
        }
        let origin = self.origin();
        let entry = &self.chunks[self.next];
        // The table was checked against the length of the body; the offset is within it.
        let packed = usize::try_from(entry.offset)
            .ok()
            .and_then(|offset| self.body.get(self.chunks_at + offset..)?.get(..entry.bytes as usize))
            .ok_or_else(|| PackageError::broken(&origin, "it is cut short"))?;
        container::open_chunk(&mut self.decompressor, entry, self.next, packed, &mut self.raw, &origin)?;
        self.next += 1;
        Ok(Some(Chunk { entry, raw: &self.raw }))
    }
}

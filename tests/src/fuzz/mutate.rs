//! Inputs that get further than random bytes: valid ones, a little wrong.

/// Numbers that limits and arithmetic trip over.
const NUMBERS: [&[u8]; 10] = [
    b"0",
    b"-1",
    b"18446744073709551616",
    b"9223372036854775807",
    b"1e999",
    b"0.0000000000000000000000001",
    b"4294967296",
    &[0xff; 8],
    &[0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f],
    &[0; 8],
];

/// Most levels that are nested: more than any reader takes.
const DEPTH: usize = 100_000;

/// Longest result; seeds are small, and what grows must end somewhere.
const MAX_BYTES: usize = 1 << 20;

/// One change of an input.
#[derive(Debug, Clone)]
pub enum Change {
    /// A bit is another one.
    Flip(u32, u8),
    /// A byte is another one.
    Set(u32, u8),
    /// The rest is missing.
    Cut(u32),
    /// A piece is missing.
    Remove(u32, u16),
    /// A piece stands there several times.
    Repeat(u32, u16, u8),
    /// A piece of the same input stands elsewhere too.
    Splice(u32, u32, u16),
    /// A number that trips.
    Number(u32, u8),
    /// Digits become others: the number there is huge.
    Digits(u32),
    /// Something opens a hundred thousand times.
    Nest(u32, u8),
    /// Bytes that came from nowhere.
    Insert(u32, Vec<u8>),
}

impl Change {
    /// Carries the change out. Places are taken modulo the length.
    pub fn apply(&self, bytes: &mut Vec<u8>) {
        let length = bytes.len();
        let at = |place: &u32| if length == 0 { 0 } else { *place as usize % length };
        let piece = |place: &u32, count: &u16| {
            let from = at(place);
            from..(from + usize::from(*count)).min(length)
        };
        match self {
            Self::Flip(place, bit) => {
                if let Some(byte) = bytes.get_mut(at(place)) {
                    *byte ^= 1 << (bit % 8);
                }
            }
            Self::Set(place, value) => {
                if let Some(byte) = bytes.get_mut(at(place)) {
                    *byte = *value;
                }
            }
            Self::Cut(place) => bytes.truncate(at(place)),
            Self::Remove(place, count) => drop(bytes.drain(piece(place, count))),
            Self::Repeat(place, count, times) => {
                let range = piece(place, count);
                let repeated = bytes[range.clone()].repeat(usize::from(*times));
                bytes.splice(range.end..range.end, repeated);
            }
            Self::Splice(from, to, count) => {
                let copied = bytes[piece(from, count)].to_vec();
                let to = at(to);
                bytes.splice(to..to, copied);
            }
            Self::Number(place, which) => {
                let number = NUMBERS[usize::from(*which) % NUMBERS.len()];
                let at = at(place);
                bytes.splice(at..at, number.iter().copied());
            }
            Self::Digits(place) => {
                let start = bytes.iter().skip(at(place)).position(u8::is_ascii_digit).map(|found| found + at(place));
                if let Some(start) = start {
                    bytes.splice(start..start, b"99999999999999999999".iter().copied());
                }
            }
            Self::Nest(place, which) => {
                let open: &[u8] = [b"[".as_slice(), b"{\"a\":", b"(", b"\x0a\x80\x01"][usize::from(*which) % 4];
                let at = at(place);
                bytes.splice(at..at, open.repeat(DEPTH / open.len()));
            }
            Self::Insert(place, inserted) => {
                let at = at(place);
                bytes.splice(at..at, inserted.iter().copied());
            }
        }
        bytes.truncate(MAX_BYTES);
    }
}

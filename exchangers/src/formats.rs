//! Formats of back offices: each has a folder of its own here and is a
//! [`Format`](crate::records::Format).
//!
//! **Architecture invariant:** nothing outside a format's folder knows how that format looks. Who
//! takes inputs in chooses a format, and knows records from there on.

pub mod aif;

use crate::records::ForeignInput;

/// What an input is that begins with these bytes and is no UTF-8 text at all.
pub fn foreign_input(start: &[u8]) -> Option<ForeignInput> {
    const STARTS: [(&[u8], ForeignInput); 8] = [
        (b"\xff\xfe", ForeignInput::Utf16),
        (b"\xfe\xff", ForeignInput::Utf16),
        (b"{\0", ForeignInput::Utf16),
        (b"[\0", ForeignInput::Utf16),
        (b"\0", ForeignInput::Zeros),
        (b"\x1f\x8b", ForeignInput::Gzip),
        (b"\x28\xb5\x2f\xfd", ForeignInput::Zstd),
        (b"PK\x03\x04", ForeignInput::Zip),
    ];
    STARTS.iter().find(|(bytes, _)| start.starts_with(bytes)).map(|(_, what)| *what)
}

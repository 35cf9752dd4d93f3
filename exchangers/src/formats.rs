//! Formats of back offices: each has a folder of its own here and is a
//! [`Format`](crate::records::Format).
//!
//! **Architecture invariant:** nothing outside a format's folder knows how that format looks. Who
//! takes inputs in chooses a format, and knows records from there on.

pub mod aif;

/// What an input is that begins with these bytes and is no UTF-8 text at all, and what to do about
/// it.
pub fn foreign_input(start: &[u8]) -> Option<&'static str> {
    const STARTS: [(&[u8], &str); 8] = [
        (b"\xff\xfe", "the input is UTF-16; write it as UTF-8"),
        (b"\xfe\xff", "the input is UTF-16; write it as UTF-8"),
        (b"{\0", "the input is UTF-16; write it as UTF-8"),
        (b"[\0", "the input is UTF-16; write it as UTF-8"),
        (b"\0", "the input is no text: it begins with a zero byte, as a file that was cut by a power failure"),
        (b"\x1f\x8b", "the input is packed with gzip; hand it over unpacked"),
        (b"\x28\xb5\x2f\xfd", "the input is packed with zstd; hand it over unpacked"),
        (b"PK\x03\x04", "the input is a zip archive; hand it over unpacked"),
    ];
    STARTS.iter().find(|(bytes, _)| start.starts_with(bytes)).map(|(_, what)| *what)
}

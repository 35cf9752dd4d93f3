//! The UUID of a receipt: made on the till, once.

use tillway_proto::TillId;
use uuid::Uuid;

/// The namespace of UUIDs that are derived because the POS gave none.
const DERIVED: Uuid = Uuid::from_u128(0x7a5d_1d0c_93c0_4f0e_9a52_6f1f_74c3_0b61);

/// What stays the same of a document from the moment it is finished.
#[derive(Debug)]
pub(super) struct Stable<'a> {
    pub(super) till: &'a TillId,
    pub(super) shift: u64,
    pub(super) number: u64,
    pub(super) document_id: i64,
    pub(super) doctype: i32,
    pub(super) time_beg: &'a str,
}

/// The document's own identifier where it is a UUID; else one that follows from what never changes
/// of it, so that it is the same at every reading and another one where a till, restored from an
/// old image, gives a number anew.
pub(super) fn receipt_uuid(identifier: &str, stable: &Stable<'_>) -> Uuid {
    Uuid::try_parse(identifier.trim()).ok().filter(|uuid| !uuid.is_nil()).unwrap_or_else(|| {
        let Stable { till, shift, number, document_id, doctype, time_beg } = stable;
        let name = format!(
            "{till}\u{1f}{shift}\u{1f}{number}\u{1f}{document_id}\u{1f}{doctype}\u{1f}{time_beg}\u{1f}{identifier}"
        );
        Uuid::new_v5(&DERIVED, name.as_bytes())
    })
}

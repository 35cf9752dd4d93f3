//! The dictionary as people ask for it: the history of one object.

use super::Acting;
use super::error::AppError;
use super::rights::{Act, Place};
use jiff::Timestamp;
use serde_json::value::RawValue;
use tillway_exchangers::kinds::Kind;
use tillway_exchangers::row::{self, ObjectKey, RowRef};
use tillway_proto::Revision;

/// One state of an object.
#[derive(Debug)]
pub struct ObjectVersion {
    /// The revision that made it.
    pub since: Revision,
    /// When that was; none where that revision is forgotten.
    pub at: Option<Timestamp>,
    /// The revision that ended it; none for the present state.
    pub until: Option<Revision>,
    /// The object, as AIF writes it.
    pub object: Box<RawValue>,
}

impl Acting {
    /// The states of one object in one node's layer, oldest first. `key`: the values of its key
    /// fields, in their order.
    pub fn history(&self, node: &str, kind: &str, key: &[&str]) -> Result<Vec<ObjectVersion>, AppError> {
        let kind = Kind::by_name(kind).ok_or_else(|| AppError::UnknownKind { kind: kind.to_owned() })?;
        let key = ObjectKey::from_parts(key.iter().copied());
        let node = self.nodes().find(node)?;
        self.allow(Act::Read, Place::Node(&node))?;
        let dictionary = &self.parts.dictionary;
        let versions = dictionary.history(&node, kind, key.as_str())?;
        versions
            .iter()
            .map(|version| {
                Ok(ObjectVersion {
                    since: version.since,
                    at: dictionary.revision_info(version.since)?.map(|info| info.at),
                    until: version.until,
                    object: row::to_payload(kind, &RowRef::decode(kind, &version.body)?)?,
                })
            })
            .collect()
    }
}

//! What the server says to a till over the broker: JSON objects with a type, an id and a schema
//! version.
//!
//! ```json
//! {"schema":1,"id":"0193…","type":"load-package","settings":{"grpchostcs":"10.1.1.5"},"delivery":"0193…",
//!  "package":"<64 hex>","link":"/packages/<64 hex>.twp","bytes":1834,"from":17,"to":18,"objects":1}
//! ```
//!
//! A command of an unknown type or a newer schema is answered with
//! [`crate::report::Report::Refused`], not dropped: [`Command::parse`] gives the id even of what
//! it does not understand. Unknown fields are ignored.

use crate::moving::Coming;
use crate::report::{AsideName, in_short};
use crate::revision::{DeliveryId, PackageName, Revision};
use jiff::Timestamp;
use jiff::civil::{Date, DateTime};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use uuid::Uuid;

/// Version of commands that this code writes and the newest it reads.
pub const COMMAND_SCHEMA: u32 = 1;

/// One command to one till.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Command {
    /// Version of this format, [`COMMAND_SCHEMA`].
    pub schema: u32,
    /// Names the command in its answer.
    pub id: Uuid,
    /// Keys of `cash.ini` that the server owns, with the values they must have now; empty values
    /// are left out.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub settings: BTreeMap<String, String>,
    /// The generation of `settings`: those of an older one than was taken last are left alone, so
    /// that a command that is said again puts nothing back. 0, and absent: of an older server.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub settings_generation: u64,
    /// The authorities that the server's certificates are signed by, PEM: what the till trusts
    /// from now on, in place of those before. Taken only from a message with a right code. Empty,
    /// and absent: they are as they were.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub authorities: String,
    /// Where the server will be: a till asks there now and then, and goes when it has proved
    /// itself. Taken only from a message with a right code. Absent: it stays.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub coming: Option<Coming>,
    /// What to do.
    #[serde(flatten)]
    pub order: Order,
}

#[allow(clippy::trivially_copy_pass_by_ref)] // as serde calls it
fn is_zero(number: &u64) -> bool {
    *number == 0
}

/// What a command orders.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "kebab-case")]
pub enum Order {
    /// Download this package and load it.
    LoadPackage(PackageLink),
    /// Unload sales.
    UnloadSales {
        /// Which ones.
        selection: UnloadSelection,
    },
    /// Report the present state; with `verify`, recount the whole dictionary first.
    ReportState {
        /// Recount every row and compare with counts and digests.
        #[serde(default)]
        verify: bool,
    },
    /// Try again, or drop, what was set aside on the till. Units that are not there (any more) are
    /// passed over. Answered by a contact, whose state names what is still set aside.
    SettleAside {
        /// What to do.
        action: AsideAction,
        /// With which units. None: all of them, where they are tried again; what is to be dropped
        /// must be named, since more may have been set aside than the person saw who ordered it.
        #[serde(default)]
        units: Vec<AsideName>,
    },
}

impl Order {
    /// The word for what it orders, as in the message.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::LoadPackage(_) => "load-package",
            Self::UnloadSales { .. } => "unload-sales",
            Self::ReportState { .. } => "report-state",
            Self::SettleAside { .. } => "settle-aside",
        }
    }
}

/// What to do with a unit that was set aside.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum AsideAction {
    /// Try it once more from the beginning.
    Retry,
    /// Forget it: a person decided that it is of no use.
    Drop,
}

/// A link to a package.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PackageLink {
    /// The delivery it belongs to; reports name it.
    pub delivery: DeliveryId,
    /// The hash that the downloaded file must have.
    pub package: PackageName,
    /// Path on the package host (`dicturlhostcs`, `dicturlportcs`), with what it shows there.
    pub link: String,
    /// When the link ends, by the server's clock, where it is good without the till's token: who
    /// shows none asks for another one then. Absent: it does not end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<Timestamp>,
    /// Size of the file; a download is never longer.
    pub bytes: u64,
    /// The package applies where `from ≤ cursor < to`.
    pub from: Revision,
    /// The cursor afterwards.
    pub to: Revision,
    /// Objects inside.
    pub objects: u64,
    /// The package stands alone and also applies where the cursor is exactly this one, although
    /// that is beyond `to`: the server does not believe that it gave it out. Named, so that a link
    /// that comes late puts nobody back.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub replaces: Option<Revision>,
}

/// Which sales to unload.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "what", rename_all = "kebab-case")]
pub enum UnloadSelection {
    /// Everything that the server does not have yet.
    Missing {
        /// The server has no sale of this till. If the till has never unloaded either, documents
        /// that ended before this local time, and a day before the agent was installed, are
        /// history from before it was attached, and stay.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        new_till_from: Option<DateTime>,
    },
    /// Documents that ended at or after this local time, whether sent before or not.
    Since {
        /// Local time of the till.
        time: DateTime,
    },
    /// Documents that ended on these local days, both included, whether sent before or not.
    Days {
        /// First day.
        from: Date,
        /// Last day.
        to: Date,
    },
}

impl UnloadSelection {
    /// Everything that the server does not have yet.
    pub const MISSING: Self = Self::Missing { new_till_from: None };
}

/// Why a message is not a command that this agent can carry out.
#[derive(Debug, thiserror::Error)]
pub enum CommandError {
    /// No JSON, or without the envelope. There is nothing to answer to.
    #[error("not a command: {told}")]
    Malformed {
        /// What the parser says, in short.
        told: String,
    },
    /// Written by a newer server.
    #[error("command {id} has schema {schema}, this agent knows up to {COMMAND_SCHEMA}: upgrade the agent")]
    NewerSchema {
        /// Id of the command.
        id: Uuid,
        /// Its version.
        schema: u32,
    },
    /// Of a type that this agent does not know.
    #[error("command {id} is of the unknown type `{kind}`")]
    UnknownType {
        /// Id of the command.
        id: Uuid,
        /// Its type.
        kind: String,
    },
    /// Of a known type, but with wrong fields.
    #[error("command {id} of type `{kind}` is broken: {told}")]
    Broken {
        /// Id of the command.
        id: Uuid,
        /// Its type.
        kind: String,
        /// What the parser says, in short.
        told: String,
    },
}

impl CommandError {
    /// The id to answer to, where the message had one.
    pub fn id(&self) -> Option<Uuid> {
        match self {
            Self::Malformed { .. } => None,
            Self::NewerSchema { id, .. } | Self::UnknownType { id, .. } | Self::Broken { id, .. } => Some(*id),
        }
    }
}

#[derive(Deserialize)]
struct Envelope {
    schema: u32,
    id: Uuid,
    #[serde(rename = "type")]
    kind: String,
}

const KNOWN_TYPES: [&str; 4] = ["load-package", "unload-sales", "report-state", "settle-aside"];

impl Command {
    /// A new command with a fresh id.
    pub fn new(order: Order) -> Self {
        Self {
            schema: COMMAND_SCHEMA,
            id: Uuid::now_v7(),
            settings: BTreeMap::new(),
            settings_generation: 0,
            authorities: String::new(),
            coming: None,
            order,
        }
    }

    /// Reads a message; see [`CommandError`] for what can be wrong with it.
    pub fn parse(message: &[u8]) -> Result<Self, CommandError> {
        let envelope: Envelope = serde_json::from_slice(message)
            .map_err(|error| CommandError::Malformed { told: in_short(&error.to_string()) })?;
        if envelope.schema > COMMAND_SCHEMA {
            return Err(CommandError::NewerSchema { id: envelope.id, schema: envelope.schema });
        }
        if !KNOWN_TYPES.contains(&envelope.kind.as_str()) {
            return Err(CommandError::UnknownType { id: envelope.id, kind: in_short(&envelope.kind) });
        }
        serde_json::from_slice(message).map_err(|error| CommandError::Broken {
            id: envelope.id,
            kind: envelope.kind,
            told: in_short(&error.to_string()),
        })
    }

    /// The message.
    pub fn to_bytes(&self) -> Result<Vec<u8>, serde_json::Error> {
        serde_json::to_vec(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn link() -> Order {
        Order::LoadPackage(PackageLink {
            delivery: DeliveryId(Uuid::nil()),
            package: PackageName::from_hash([1; 32]),
            link: "/packages/x.twp".to_owned(),
            bytes: 10,
            from: Revision(17),
            to: Revision(18),
            objects: 1,
            until: None,
            replaces: None,
        })
    }

    #[test]
    fn every_known_type_reads_back() {
        let orders = [
            link(),
            Order::UnloadSales { selection: UnloadSelection::MISSING },
            Order::UnloadSales {
                selection: UnloadSelection::Days {
                    from: "2017-01-01".parse().unwrap(),
                    to: "2017-01-07".parse().unwrap(),
                },
            },
            Order::ReportState { verify: true },
        ];
        for order in orders {
            let command = Command::new(order);
            let read = Command::parse(&command.to_bytes().unwrap()).unwrap();
            assert_eq!(read, command);
            assert!(KNOWN_TYPES.contains(&command.order.kind()));
        }
    }

    #[test]
    fn the_written_form_of_version_1_stays() {
        let golden = r#"{"schema":1,"id":"00000000-0000-0000-0000-000000000007","type":"unload-sales","selection":{"what":"since","time":"2017-01-01T00:00:00"}}"#;
        let mut command = Command::parse(golden.as_bytes()).unwrap();
        assert_eq!(
            command.order,
            Order::UnloadSales { selection: UnloadSelection::Since { time: "2017-01-01T00:00:00".parse().unwrap() } }
        );
        command.settings.clear();
        assert_eq!(String::from_utf8(command.to_bytes().unwrap()).unwrap(), golden);
    }

    #[test]
    fn what_is_not_understood_can_be_answered() {
        let unknown = r#"{"schema":1,"id":"00000000-0000-0000-0000-000000000007","type":"dance"}"#;
        let error = Command::parse(unknown.as_bytes()).unwrap_err();
        assert!(matches!(&error, CommandError::UnknownType { kind, .. } if kind == "dance"));
        assert_eq!(error.id(), Some(Uuid::from_u128(7)));
        let newer = r#"{"schema":2,"id":"00000000-0000-0000-0000-000000000007","type":"load-package"}"#;
        assert!(matches!(Command::parse(newer.as_bytes()).unwrap_err(), CommandError::NewerSchema { schema: 2, .. }));
        let broken = r#"{"schema":1,"id":"00000000-0000-0000-0000-000000000007","type":"load-package"}"#;
        assert!(matches!(Command::parse(broken.as_bytes()).unwrap_err(), CommandError::Broken { .. }));
        assert!(Command::parse(b"{").unwrap_err().id().is_none());
    }
}

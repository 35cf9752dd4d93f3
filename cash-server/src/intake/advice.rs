//! What a producer can do about a delivery that was not taken, or not whole.

use crate::words::Reason;
use serde::Serialize;

/// What to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub(super) enum Advice {
    /// The disk of the server has no room.
    FreeSpace,
    /// The file grows after its flag.
    CloseBeforeFlag,
    /// The database fails.
    LookAtServer,
    /// The file is larger than the disk.
    HandOverInParts,
    /// The server cannot live with the file.
    AskSupport,
    /// The same, and another file may pass.
    AskSupportOrCorrect,
    /// The file changed while it was read.
    RenameThenFlag,
    /// The file cannot be read.
    GiveRights,
    /// The load is held.
    LookWhetherWhole,
    /// The load was refused.
    CorrectAndFlag,
    /// Some records were rejected or warned of.
    CorrectRecords,
    /// The folder belongs to no node.
    RightFolder,
    /// The flag is something else.
    PlainFlag,
    /// There is no data file.
    DataBeforeFlag,
    /// The file was written on after it was loaded.
    WriteUnderOtherName,
}

impl From<Advice> for Reason {
    fn from(advice: Advice) -> Self {
        Self::of(&advice)
    }
}

//! What a finding says, as kind and parameters.

use super::FindingKind;
use crate::sales::check::{CheckReason, ShiftAdvice};
use crate::words::Reason;
use serde::Serialize;

/// What is wrong, and what is known of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum FindingReason {
    /// Till, shift record and server do not agree, or a number is missing.
    ShiftDiffers {
        /// The shift.
        shift: String,
        /// On what they do not agree.
        reasons: Vec<CheckReason>,
        /// What helps.
        advice: ShiftAdvice,
    },
    /// A receipt came again with other content.
    ReceiptConflict {
        /// Its number.
        number: u64,
        /// Its shift.
        shift: String,
    },
    /// A document number came again with another identity.
    NumbersAgain {
        /// The number.
        number: u64,
        /// Its shift.
        shift: String,
    },
    /// A document was set aside.
    DocumentRefused {
        /// Its number.
        number: u64,
        /// Its shift.
        shift: String,
        /// Why; in rows of before a sentence.
        detail: Reason,
    },
    /// Something was set aside of which nobody knows what it is.
    RecordRefused {
        /// Why; in rows of before a sentence.
        detail: Reason,
    },
    /// The record of a shift was set aside.
    ShiftRefused {
        /// The shift.
        shift: String,
        /// Why; in rows of before a sentence.
        detail: Reason,
    },
    /// The closed record of a shift came again with other figures.
    ShiftChanged {
        /// The shift.
        shift: String,
        /// When it was closed, by the till's clock.
        closed: String,
        /// Sales before.
        sales_before: i64,
        /// Their sum.
        sale_sum_before: String,
        /// Sales now.
        sales: i64,
        /// Their sum.
        sale_sum: String,
        /// Refunds before.
        refunds_before: i64,
        /// Their sum.
        refund_sum_before: String,
        /// Refunds now.
        refunds: i64,
        /// Their sum.
        refund_sum: String,
    },
    /// An agent with another state sends for this till.
    InstanceChanged {
        /// The new state.
        instance: String,
        /// The one before.
        before: String,
    },
    /// Two machines send for one till at the same time.
    TwoMachines {
        /// The one that was first.
        instance: String,
        /// The one that was refused.
        refused: String,
    },
    /// Somebody names this till with a token that is not its own.
    FailedLogins {
        /// The till.
        till: String,
        /// How often since the server started.
        times: u64,
        /// The last address.
        from: String,
    },
    /// Its token was shown where administrators alone may come.
    TillAtAdministration {
        /// How often since the server started.
        times: u64,
        /// The last address.
        from: String,
    },
    /// Its token was shown in the name of another till.
    TillInOthersName {
        /// In whose, the last time.
        other: String,
        /// How often since the server started.
        times: u64,
        /// The last address.
        from: String,
    },
    /// Its token was shown where there is nothing for a till.
    TillOutOfPlace {
        /// How often since the server started.
        times: u64,
        /// The last address.
        from: String,
    },
    /// It reported far more than a till has to say.
    TillFloods {
        /// The most within a minute.
        most: u32,
        /// How often since the server started.
        times: u64,
    },
    /// Its stream of sales broke the protocol.
    TillBrokeProtocol {
        /// What it did, the last time.
        detail: String,
        /// How often since the server started.
        times: u64,
        /// The last address.
        from: String,
    },
    /// A batch of the spool could not be loaded.
    BatchAside {
        /// Why; in rows of before a sentence.
        detail: Reason,
    },
    /// The end of the spool was no whole record.
    SpoolCut {
        /// Bytes that were cut off.
        bytes: u64,
    },
    /// A part of the spool is damaged.
    SpoolDamaged {
        /// Its bytes.
        bytes: u64,
    },
    /// The database is older than the spool, or parts of the spool are gone that were not loaded.
    SpoolMissing {
        /// Where the database is.
        loaded: String,
        /// Where the spool begins.
        begins: String,
    },
}

impl FindingReason {
    /// What sort of finding it is.
    pub fn kind(&self) -> FindingKind {
        match self {
            Self::ShiftDiffers { .. } => FindingKind::ShiftDiffers,
            Self::ReceiptConflict { .. } => FindingKind::ReceiptConflict,
            Self::NumbersAgain { .. } => FindingKind::NumbersAgain,
            Self::DocumentRefused { .. } | Self::RecordRefused { .. } => FindingKind::DocumentRefused,
            Self::ShiftRefused { .. } => FindingKind::ShiftRefused,
            Self::ShiftChanged { .. } => FindingKind::ShiftChanged,
            Self::InstanceChanged { .. } => FindingKind::InstanceChanged,
            Self::TwoMachines { .. } => FindingKind::TwoMachines,
            Self::FailedLogins { .. } => FindingKind::FailedLogins,
            Self::TillAtAdministration { .. }
            | Self::TillInOthersName { .. }
            | Self::TillOutOfPlace { .. }
            | Self::TillFloods { .. }
            | Self::TillBrokeProtocol { .. } => FindingKind::Trespass,
            Self::BatchAside { .. } | Self::SpoolCut { .. } | Self::SpoolDamaged { .. } => FindingKind::SpoolDamaged,
            Self::SpoolMissing { .. } => FindingKind::SpoolMissing,
        }
    }
}

impl From<&FindingReason> for Reason {
    fn from(reason: &FindingReason) -> Self {
        Self::of(reason)
    }
}

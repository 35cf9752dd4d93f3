//! What the audit log of this server tells: the word for each change that somebody can ask for;
//! those of people are [`tillway_service::people::Verb`].

/// What was done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verb {
    /// A node was made.
    NodeCreate,
    /// A node got another name.
    NodeRename,
    /// A node moved.
    NodeMove,
    /// A node was removed.
    NodeRemove,
    /// Settings of the tills at a node and below it were set.
    NodeSettings,
    /// A till was parked.
    TillPark,
    /// A till was taken back into service.
    TillUnpark,
    /// A till got a new token.
    TillToken,
    /// A till was stolen or lost, and shut out.
    TillStolen,
    /// A till was attached with a code.
    TillAttach,
    /// A code to attach a till was made.
    CodeMake,
    /// An open code was ended.
    CodeEnd,
    /// A till was asked for sales.
    TillUnload,
    /// A till was asked for its state, or to recount its dictionary.
    TillVerify,
    /// A till was sent everything anew.
    TillSendAnew,
    /// Somebody has seen what was found about a till.
    TillAcknowledge,
    /// Revisions go on after the one that a till names.
    TillGoPast,
    /// What was set aside was tried again.
    AsideRetry,
    /// What was set aside was dropped.
    AsideDrop,
    /// A file was sent to be loaded.
    LoadUpload,
    /// A held load was approved.
    LoadApprove,
    /// A held load was refused.
    LoadRefuse,
    /// Notices were seen.
    NoticesSee,
    /// A finding was closed.
    FindingClose,
    /// A report was sent to see whether it arrives.
    ReportTrial,
}

impl Verb {
    /// All of them.
    pub const ALL: [Self; 25] = [
        Self::NodeCreate,
        Self::NodeRename,
        Self::NodeMove,
        Self::NodeRemove,
        Self::NodeSettings,
        Self::TillPark,
        Self::TillUnpark,
        Self::TillToken,
        Self::TillStolen,
        Self::TillAttach,
        Self::CodeMake,
        Self::CodeEnd,
        Self::TillUnload,
        Self::TillVerify,
        Self::TillSendAnew,
        Self::TillAcknowledge,
        Self::TillGoPast,
        Self::AsideRetry,
        Self::AsideDrop,
        Self::LoadUpload,
        Self::LoadApprove,
        Self::LoadRefuse,
        Self::NoticesSee,
        Self::FindingClose,
        Self::ReportTrial,
    ];

    /// The word in the audit log.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::NodeCreate => "node.create",
            Self::NodeRename => "node.rename",
            Self::NodeMove => "node.move",
            Self::NodeRemove => "node.remove",
            Self::NodeSettings => "node.settings",
            Self::TillPark => "till.park",
            Self::TillUnpark => "till.unpark",
            Self::TillToken => "till.token",
            Self::TillStolen => "till.stolen",
            Self::TillAttach => "till.attach",
            Self::CodeMake => "attach-code.make",
            Self::CodeEnd => "attach-code.end",
            Self::TillUnload => "till.unload",
            Self::TillVerify => "till.verify",
            Self::TillSendAnew => "till.send-anew",
            Self::TillAcknowledge => "till.acknowledge",
            Self::TillGoPast => "till.go-past",
            Self::AsideRetry => "aside.retry",
            Self::AsideDrop => "aside.drop",
            Self::LoadUpload => "load.upload",
            Self::LoadApprove => "load.approve",
            Self::LoadRefuse => "load.refuse",
            Self::NoticesSee => "notices.see",
            Self::FindingClose => "finding.close",
            Self::ReportTrial => "report.trial",
        }
    }
}

impl From<Verb> for &'static str {
    fn from(verb: Verb) -> Self {
        verb.as_str()
    }
}

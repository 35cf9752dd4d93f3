//! The codes of messages from and to the server: made for reports, looked at in what comes.
//!
//! Once `cash.ini` holds a secret, a message without its right code is not worked on: whoever may
//! write to the broker cannot order this till about, nor send its secrets elsewhere. Without a
//! secret the till takes and sends messages as it did before there were codes.

use crate::settings::LiveSettings;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tillway_proto::{CodeFault, Direction, MessageHead, PeerId, PeerSecret};
use tokio::time::Instant;

/// Between two lines of the log about messages that are not taken.
const TOLD_EVERY: Duration = Duration::from_mins(1);

/// Makes codes and looks at them. Cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct Codes {
    peer: PeerId,
    settings: LiveSettings,
    refused: Arc<Mutex<Refused>>,
}

#[derive(Debug, Default)]
struct Refused {
    /// Since the agent started.
    counts: BTreeMap<CodeFault, u64>,
    told_at: Option<Instant>,
    untold: u64,
}

impl Codes {
    pub(crate) fn new(peer: PeerId, settings: LiveSettings) -> Self {
        Self { peer, settings, refused: Arc::default() }
    }

    /// What goes with a report.
    pub(crate) fn head(&self, kind: &str, id: &str, body: &[u8]) -> MessageHead {
        match &self.settings.current().secret {
            Some(secret) => secret.code_key().head(Direction::ToServer, &self.peer, kind, id, body),
            None => {
                MessageHead { kind: kind.to_owned(), id: id.to_owned(), peer: Some(self.peer.to_string()), code: None }
            }
        }
    }

    /// Whether a message may be worked on; where not, it is counted.
    pub(crate) fn check(&self, head: &MessageHead, body: &[u8]) -> Result<(), CodeFault> {
        let Some(key) = self.settings.current().secret.as_ref().map(PeerSecret::code_key) else { return Ok(()) };
        key.check(Direction::ToPeer, &self.peer, head, body).inspect_err(|fault| self.count(*fault))
    }

    /// Messages that were not worked on since the agent started, by reason, as reports tell them.
    pub(crate) fn refused(&self) -> BTreeMap<String, u64> {
        let refused = self.refused.lock().unwrap_or_else(PoisonError::into_inner);
        refused.counts.iter().map(|(fault, count)| (fault.as_str().to_owned(), *count)).collect()
    }

    fn count(&self, fault: CodeFault) {
        let mut refused = self.refused.lock().unwrap_or_else(PoisonError::into_inner);
        *refused.counts.entry(fault).or_default() += 1;
        refused.untold += 1;
        if refused.told_at.is_none_or(|told_at| told_at.elapsed() >= TOLD_EVERY) {
            let messages = std::mem::take(&mut refused.untold);
            tracing::warn!(
                reason = %fault,
                messages,
                "messages of the server are not taken: somebody else writes in its name, or it has another secret for this till"
            );
            refused.told_at = Some(Instant::now());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::Layout;

    fn codes(secret: Option<&PeerSecret>) -> (tempfile::TempDir, Codes) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("cash.ini");
        let secret = secret.map(|secret| format!("cash.secret={}\n", secret.to_text())).unwrap_or_default();
        let text = format!("[Properties]\ncash.code=_cash_1_00ab34ef\ndept.broker.ip=10.0.0.1\n{secret}");
        fs_err::write(&path, text).unwrap();
        let settings = LiveSettings::read(&path, Layout::under(folder.path())).unwrap();
        (folder, Codes::new("_cash_1_00ab34ef".parse().unwrap(), settings))
    }

    #[test]
    fn a_till_with_a_secret_takes_what_has_its_code_alone_and_counts_the_rest() {
        let secret = PeerSecret::generate();
        let (_folder, codes) = codes(Some(&secret));
        let other: PeerId = "_cash_2_00ab34ef".parse().unwrap();
        let of = |peer: &PeerId| secret.code_key().head(Direction::ToPeer, peer, "load-package", "7", b"{}");
        assert_eq!(codes.check(&of(&codes.peer), b"{}"), Ok(()));
        assert_eq!(codes.check(&of(&codes.peer), b"{ }"), Err(CodeFault::WrongCode));
        assert_eq!(codes.check(&of(&other), b"{}"), Err(CodeFault::WrongPeer));
        assert_eq!(codes.check(&MessageHead::default(), b"{}"), Err(CodeFault::NoCode));
        assert_eq!(codes.check(&codes.head("contact", "8", b"{}"), b"{}"), Err(CodeFault::WrongCode), "sent back");
        let told: Vec<_> = codes.refused().into_iter().collect();
        let expected = [("no-code", 1), ("wrong-code", 2), ("wrong-peer", 1)];
        assert_eq!(told, expected.map(|(reason, count)| (reason.to_owned(), count)));
    }

    #[test]
    fn a_till_without_a_secret_goes_on_as_before() {
        let (_folder, codes) = codes(None);
        assert_eq!(codes.check(&MessageHead::default(), b"{}"), Ok(()));
        assert_eq!(codes.head("contact", "8", b"{}").code, None);
        assert!(codes.refused().is_empty());
    }
}

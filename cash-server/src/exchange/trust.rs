//! Which of this server's authorities tills trust, and what they are handed.
//!
//! A till that has a secret takes authorities from a message with a right code, so it needs nobody
//! at the till: neither to speak TLS for the first time, nor when a new authority follows the old
//! one. What a till trusts is told by each of its reports; here it is a hint, kept in memory. Of a
//! till that was not heard of since the server started nothing is known, and it is handed all.
//!
//! So it is with what a till shows: whether it gives its token where it fetches packages.

use super::claims::bounded_trusted;
use std::collections::{HashMap, HashSet};
use std::fmt;
use std::sync::{Mutex, PoisonError};
use tillway_proto::PeerId;
use tillway_proto::report::TillState;
use tillway_service::tls::Tls;

/// What tills trust, as they say, and what they should.
#[derive(Default)]
pub struct Trust {
    /// None: nothing is handed out.
    tls: Option<Tls>,
    /// The fingerprints that each names; none: an agent that knows no authorities.
    named: Mutex<HashMap<PeerId, Option<Vec<String>>>>,
    /// Peers that show their token where they fetch packages.
    showing: Mutex<HashSet<PeerId>>,
}

impl fmt::Debug for Trust {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Trust").field("tls", &self.tls).finish_non_exhaustive()
    }
}

impl Trust {
    /// Hands out the authorities of this server.
    pub fn in_authorities_of(tls: Tls) -> Self {
        Self { tls: Some(tls), ..Self::default() }
    }

    /// Takes what a peer of this network says.
    pub(super) fn heard(&self, peer: &PeerId, state: &TillState) {
        {
            let mut showing = self.showing.lock().unwrap_or_else(PoisonError::into_inner);
            if !state.shows_token {
                showing.remove(peer);
            } else if !showing.contains(peer) {
                showing.insert(peer.clone());
            }
        }
        if self.tls.is_none() {
            return;
        }
        let mut named = self.named.lock().unwrap_or_else(PoisonError::into_inner);
        if named.get(peer) != Some(&state.trusted) {
            named.insert(peer.clone(), state.trusted.as_deref().map(bounded_trusted));
        }
    }

    /// Whether it said so.
    pub(super) fn shows_token(&self, peer: &PeerId) -> bool {
        self.showing.lock().unwrap_or_else(PoisonError::into_inner).contains(peer)
    }

    /// What a peer that has a secret is handed with a command: empty where it trusts these
    /// already, or would not know what to do with them.
    pub(super) fn for_peer(&self, peer: &PeerId) -> String {
        let Some(tls) = &self.tls else { return String::new() };
        let named = self.named.lock().unwrap_or_else(PoisonError::into_inner);
        match named.get(peer) {
            Some(None) => String::new(),
            Some(Some(trusted)) => {
                let present = tls.state().authorities;
                let is_same = trusted.len() == present.len()
                    && present.iter().all(|authority| trusted.contains(&authority.fingerprint.to_string()));
                if is_same { String::new() } else { tls.authorities_pem() }
            }
            None => tls.authorities_pem(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;
    use tillway_service::tls::{Lives, Names, TlsSettings};

    #[test]
    fn a_till_is_handed_authorities_until_it_says_that_it_trusts_them() {
        let folder = tempfile::tempdir().unwrap();
        let settings = TlsSettings {
            folder: folder.path().join("tls"),
            issuer: "shop".to_owned(),
            names: Names::of(["localhost"]),
            others: Vec::new(),
            own: None,
            lives: Lives::default(),
        };
        let tls = Tls::open(settings, Arc::new(jiff::Timestamp::now)).unwrap();
        let trust = Trust::in_authorities_of(tls.clone());
        let peer: PeerId = "_cash_1_00ab34ef".parse().unwrap();
        assert_eq!(trust.for_peer(&peer), tls.authorities_pem(), "nothing is known of it");
        let says = |trusted: Option<Vec<String>>| trust.heard(&peer, &TillState { trusted, ..TillState::default() });
        says(None);
        assert_eq!(trust.for_peer(&peer), "", "an older agent");
        says(Some(Vec::new()));
        assert_eq!(trust.for_peer(&peer), tls.authorities_pem());
        let own = tls.state().authorities[0].fingerprint.to_string();
        says(Some(vec![own.clone()]));
        assert_eq!(trust.for_peer(&peer), "");
        says(Some(vec![own, "of another server".to_owned()]));
        assert_eq!(trust.for_peer(&peer), tls.authorities_pem(), "what it should trust no more goes");
    }
}

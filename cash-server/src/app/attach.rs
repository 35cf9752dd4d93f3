//! A till is attached: it shows that it knows a code, and gets all that it needs.
//!
//! Who asks has no login and no token. The server proves first that it knows the code, on the
//! very connection, then the till does; only then the till is told anything, even why its code is
//! not taken. See [`tillway_proto::attach`].

use super::App;
use super::error::AppError;
use super::rights::of_till;
use crate::attaching::Failure;
use crate::hints::Hint;
use crate::network::{CodeRefusal, KeptCode, NetworkError};
use crate::words::as_said;
use fs_err as fs;
use jiff::Timestamp;
use serde::Serialize;
use std::io;
use std::net::IpAddr;
use std::time::{Duration, Instant};
use tillway_proto::attach::{Attached, Claim, Hello, Side, Welcome};
use tillway_proto::version::PROTOCOL;
use tillway_proto::{CodeName, NodeId, PeerId, ProofKey, TillId, Version};
use tillway_service::actor::{Caller, Face};

/// The connection that somebody speaks on.
#[derive(Debug, Clone, Copy)]
pub struct Channel {
    /// What names it to both of its ends.
    pub binding: [u8; 32],
    /// The other end's address.
    pub address: Option<IpAddr>,
}

/// Why a till is not attached. What somebody is told who has proved nothing says nothing of any
/// code.
#[derive(Debug, thiserror::Error, Serialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum AttachError {
    /// The request did not come over TLS 1.3.
    #[error("tills are attached over TLS 1.3 alone")]
    #[serde(rename = "attach-needs-tls")]
    NeedsTls,
    /// Agent and server do not work together.
    #[error("the agent is of version {own}, this server of {server}: only neighbouring minor versions work together")]
    #[serde(rename = "attach-versions")]
    Versions {
        /// The agent's.
        own: String,
        /// This server's.
        server: String,
    },
    /// Too many tries from this address.
    #[error("many tries came from this address: wait for {seconds} s")]
    #[serde(rename = "attach-slow-down")]
    SlowDown {
        /// How long.
        seconds: u64,
    },
    /// The proof is not that of the code, or there is no such code.
    #[error("this proof is not taken")]
    #[serde(rename = "attach-wrong-proof")]
    WrongProof,
    /// The code is of another till than the one that comes with it.
    #[error("the code is for {till}, and {own} comes with it")]
    #[serde(rename = "attach-other-till")]
    OtherTill {
        /// Whom the code is for.
        till: TillId,
        /// Who comes with it.
        own: TillId,
    },
    /// The till of the code was removed.
    #[error("the till that the code was made for was removed")]
    #[serde(rename = "attach-till-gone")]
    TillGone,
    /// The password that tills have at the broker cannot be read.
    #[error("the file of broker.till_password_file cannot be read")]
    #[serde(rename = "attach-till-password")]
    Password {
        /// Why not.
        #[source]
        #[serde(rename = "detail", serialize_with = "as_said")]
        source: io::Error,
    },
    /// The code may not be used now.
    #[error(transparent)]
    #[serde(untagged)]
    Code(CodeRefusal),
    /// What else may fail.
    #[error(transparent)]
    #[serde(untagged)]
    App(#[from] AppError),
}

impl From<NetworkError> for AttachError {
    fn from(error: NetworkError) -> Self {
        Self::App(error.into())
    }
}

impl App {
    /// The server proves that it knows the code. Blocks.
    pub fn welcome(&self, hello: &Hello, channel: &Channel) -> Result<Welcome, AttachError> {
        let own = Version::own();
        if hello.protocol != PROTOCOL || !hello.version.fits(own) {
            tracing::warn!(version = %hello.version, protocol = hello.protocol, "an agent of this version is not attached");
            return Err(AttachError::Versions { own: hello.version.to_string(), server: own.to_string() });
        }
        self.take_try(channel)?;
        let (key, known) = self.key_of(hello.code)?;
        if known.is_none() {
            self.parts.attaching.failed(Failure::UnknownCode, hello.code, channel.address, Timestamp::now());
        }
        Ok(Welcome { protocol: PROTOCOL, version: own, proof: key.prove(Side::Server, hello.code, &channel.binding) })
    }

    /// The till proves that it knows the code, and is attached. Blocks.
    pub fn attach(&self, claim: &Claim, channel: &Channel) -> Result<Attached, AttachError> {
        self.take_try(channel)?;
        let (key, known) = self.key_of(claim.code)?;
        let proved = claim.proof == key.prove(Side::Peer, claim.code, &channel.binding);
        let Some(code) = known.filter(|_| proved) else {
            self.parts.attaching.failed(Failure::WrongProof, claim.code, channel.address, Timestamp::now());
            return Err(AttachError::WrongProof);
        };
        // This try, and that of the hello.
        self.parts.attaching.give_back(channel.address, 2, Instant::now());
        let now = Timestamp::now();
        code.judge(&claim.attempt, now).map_err(|refusal| {
            // Somebody has read it, or types it twice: many of them need a look.
            self.parts.attaching.failed(Failure::NotGood, claim.code, channel.address, now);
            AttachError::Code(refusal)
        })?;
        let network = self.parts.network.current()?;
        let node = network.by_no(code.node).filter(|node| node.removed_at.is_none()).map(|node| node.id.clone());
        let Some(NodeId::Till(till)) = node else { return Err(AttachError::TillGone) };
        if let Some(own) = claim.till.as_ref().filter(|own| **own != till) {
            return Err(AttachError::OtherTill { till, own: own.clone() });
        }
        // All that may fail comes before the code is used.
        let broker_password = self.till_password()?;
        let revision = self.parts.exchange.till(&till).map_err(AppError::Exchange)?.target;
        let caller = Caller { actor: of_till(&till), face: Face::Rest, address: channel.address, grant: None };
        let acting = self.parts.network.acting_for(&caller);
        let secret = acting.attach(&till, claim.code, &claim.attempt, channel.address, now)?;
        let peer = PeerId::from(till.clone());
        // Where this fails the till asks again with the same attempt, and gets another secret.
        self.parts.keys.put(&peer, &secret).map_err(|source| AppError::PeerKey { source })?;
        // What is on its way has a code that the till does not take any more; and who has which
        // secret stands beside the backups.
        self.parts.hints.give(Hint::Exchange);
        self.parts.hints.give(Hint::Network);
        Ok(Attached {
            peer,
            authorities: self.parts.certificates.authorities_pem(),
            broker_password,
            settings: self.parts.addresses.properties(&network, &till, None),
            secret,
            revision,
        })
    }

    /// The key of proofs for a name, and the code where there is one.
    fn key_of(&self, name: CodeName) -> Result<(ProofKey, Option<KeptCode>), NetworkError> {
        let known = self.parts.network.code(name)?;
        let decoy = self.parts.attaching.decoy(name);
        Ok((known.as_ref().map_or(decoy, |code| code.key), known))
    }

    fn take_try(&self, channel: &Channel) -> Result<(), AttachError> {
        let up = |wait: Duration| wait.as_secs() + u64::from(wait.subsec_nanos() > 0);
        let taken = self.parts.attaching.take(channel.address, Instant::now());
        taken.map_err(|wait| AttachError::SlowDown { seconds: up(wait) })
    }

    fn till_password(&self) -> Result<Option<String>, AttachError> {
        let Some(path) = &self.parts.till_password_file else { return Ok(None) };
        let text = fs::read_to_string(path).map_err(|source| AttachError::Password { source })?;
        Ok(text.lines().next().map(str::to_owned).filter(|password| !password.is_empty()))
    }
}

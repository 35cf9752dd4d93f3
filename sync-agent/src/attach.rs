//! `attach`: this till becomes a peer of a server, by a code.
//!
//! Till and server prove to each other that they know the code, on one connection of TLS 1.3
//! ([`tillway_proto::attach`] is the specification); the till trusts no certificate for that, and
//! takes nothing before the server has proved. Then it writes what it was given
//! ([`files`]): authorities to trust, the broker's password, and last `cash.ini` with the secret.
//!
//! Promises: before the server has proved nothing on this till changes, and the code stays good
//! until the server has taken it. An answer that was lost is asked for again with the same
//! attempt, which is kept on disk until all files are written, so that a till that loses its power
//! in between is attached by the same command once more.

mod connection;
mod error;
mod files;
#[cfg(test)]
mod tests;

pub(crate) use connection::ServerAddress;
pub(crate) use error::AttachError;
pub(crate) use files::Place;

use connection::{Answer, Connection};
use files::Attempts;
use jiff::Timestamp;
use std::time::Duration;
use tillway_proto::attach::{ATTACH_PATH, Attached, Claim, HELLO_PATH, Hello, Side, Welcome};
use tillway_proto::version::PROTOCOL;
use tillway_proto::{AttachCode, ProofKey, Version};

/// A clock that is further off than this is to be set first: certificates and prices go by it.
const MAX_CLOCK_OFFSET_S: i64 = 300;

/// How often the last step is tried where its answer does not come, within the minutes in which
/// the server takes a repeat.
const CLAIM_TRIES: u32 = 6;

/// Between two of these.
const CLAIM_WAIT: Duration = Duration::from_secs(5);

/// How long a server may have this till wait altogether, since others behind its address try.
const MAX_SLOWED: Duration = Duration::from_mins(10);

/// What came of it.
#[derive(Debug)]
pub(crate) struct Outcome {
    /// Where everything lies.
    pub(crate) place: Place,
    /// Whether the server gave the password of the broker, or the till has a login of its own.
    pub(crate) has_password: bool,
    /// The revision that waits for this till.
    pub(crate) revision: u64,
    /// Where the former `cash.ini` is kept.
    pub(crate) former: Option<std::path::PathBuf>,
    /// The till.
    pub(crate) till: String,
}

/// Attaches this till. `slowed` is told where the server has it wait.
pub(crate) async fn attach(
    place: Place,
    server: &ServerAddress,
    code: &AttachCode,
    slowed: impl Fn(Duration),
) -> Result<Outcome, AttachError> {
    crate::install_crypto();
    let own = place.own_till();
    let attempts = Attempts::open(&place, code.name)?;
    let mut waited = Duration::ZERO;
    let mut lost = 0;
    let attached = loop {
        let tried = exchange(server, code, &attempts, own.as_ref()).await;
        match tried {
            Ok(attached) => break attached,
            Err(AttachError::SlowDown { wait }) if waited + wait <= MAX_SLOWED => {
                slowed(wait);
                tokio::time::sleep(wait).await;
                waited += wait;
            }
            // The server may have taken the code: the same attempt gets the same answer.
            Err(AttachError::AnswerLost { .. }) if lost < CLAIM_TRIES => {
                lost += 1;
                tokio::time::sleep(CLAIM_WAIT).await;
            }
            // A network that comes back.
            Err(AttachError::Unreachable { .. }) if lost > 0 && lost < CLAIM_TRIES => {
                lost += 1;
                tokio::time::sleep(CLAIM_WAIT).await;
            }
            Err(error) => return Err(error),
        }
    };
    let till = attached.peer.to_string();
    let has_password = attached.broker_password.is_some() || attached.settings.broker_user.is_none();
    let revision = attached.revision.0;
    let former = files::write(&place, &attached, server)?;
    attempts.done();
    Ok(Outcome { place, has_password, revision, former, till })
}

/// The whole conversation, on one connection.
async fn exchange(
    server: &ServerAddress,
    code: &AttachCode,
    attempts: &Attempts,
    own: Option<&tillway_proto::TillId>,
) -> Result<Attached, AttachError> {
    let mut connection = Connection::open(server).await?;
    let key = ProofKey::of(&code.secret);
    let hello = Hello { protocol: PROTOCOL, version: Version::own(), code: code.name };
    let welcome = connection.ask::<_, Welcome>(HELLO_PATH, &hello).await;
    let Answer { said, date } = welcome.map_err(|error| error.before_proof(server))?;
    if said.proof != key.prove(Side::Server, code.name, connection.binding()) {
        return Err(AttachError::WrongServer { server: server.to_string() });
    }
    // From here on it is the right server that speaks.
    if said.protocol != PROTOCOL || !said.version.fits(Version::own()) {
        return Err(AttachError::Versions { own: Version::own().to_string(), server: said.version.to_string() });
    }
    if let Some(theirs) = date {
        clock(Timestamp::now(), theirs)?;
    }
    let claim = Claim {
        code: code.name,
        proof: key.prove(Side::Peer, code.name, connection.binding()),
        attempt: attempts.attempt(),
        till: own.cloned(),
    };
    let claimed = connection.ask::<_, Attached>(ATTACH_PATH, &claim).await;
    claimed.map(|answer| answer.said).map_err(|error| error.of_claim(server))
}

fn clock(ours: Timestamp, theirs: Timestamp) -> Result<(), AttachError> {
    let offset_s = ours.as_second() - theirs.as_second();
    if offset_s.abs() <= MAX_CLOCK_OFFSET_S {
        return Ok(());
    }
    Err(AttachError::Clock { ours: format!("{ours:.0}"), theirs: format!("{theirs:.0}") })
}

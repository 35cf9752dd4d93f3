//! Follows a server that moves: asks at the address that was offered, takes what proves itself,
//! and goes back where the new place falls silent.
//!
//! What has to be proved before anything of this till's goes there, in this order:
//!
//! 1. TLS with an authority that the till trusts, for the name that was offered, unless it is this
//!    machine; and an answer with a right code over a random number of ours: whoever gives it has
//!    the key of this till's messages. The answer says where everything is. No secret is shown.
//! 2. The sales-loader at its address, over TLS by the same authorities. No secret is shown.
//! 3. The broker at its address, where that is another one: over TLS as well, and then the till's
//!    login, with the password that is derived from its secret.
//!
//! Then the old addresses are noted, `cash.ini` is rewritten, and the offer is done with; a till
//! that dies between goes on by what it finds. The new addresses are on trial. If server or broker
//! do not answer for as long as `addressundoperiod` says, and the old ones prove themselves in the
//! same way, the till goes back, and tries the new ones again later.

use crate::broker::{self, Link};
use crate::error::{Aborted, blocking, chain};
use crate::moves::{Addresses, Moves, Offer, Trial, Verdict};
use crate::retry::{self, Backoff};
use crate::settings::reader::in_url;
use crate::settings::{Settings, SettingsError, is_this_machine};
use crate::state::StateError;
use crate::tell::Teller;
use crate::unload;
use std::time::Duration;
use tillway_proto::message_code::CODE_HEADER;
use tillway_proto::moving::{ADDRESSES_KIND, addresses_path};
use tillway_proto::{CodeFault, Direction, MessageHead, PeerId};
use tokio::sync::watch;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

/// One answer.
const ANSWER_TIME: Duration = Duration::from_secs(5);

/// A login at the broker.
const LOGIN_TIME: Duration = Duration::from_secs(20);

/// Longest answer that is read: nine keys.
const MAX_ANSWER_BYTES: usize = 16 * 1024;

/// Waits between tries of an offer: whoever moves a server has it up within minutes, and 10,000
/// tills that ask once a minute are 170 small questions a second.
const FIRST_WAIT: Duration = Duration::from_secs(5);
const MAX_WAIT: Duration = Duration::from_mins(1);

/// How often it is looked.
const LOOK_PERIOD: Duration = Duration::from_secs(2);

/// New addresses are asked so many times while they may be silent.
const LOOKS: u32 = 5;

/// Why an address is not taken.
#[derive(Debug, thiserror::Error)]
pub(crate) enum MoveError {
    #[error("{host} is another machine, and is not spoken to over TLS")]
    NoTls { host: String },
    #[error("the till has no secret")]
    NoSecret,
    #[error("no answer from {address}")]
    NoAnswer {
        address: String,
        #[source]
        source: reqwest::Error,
    },
    #[error("{address} answers HTTP {status}")]
    Status { address: String, status: u16 },
    #[error("{address} does not prove that it is the server of this till")]
    NotProved {
        address: String,
        #[source]
        source: CodeFault,
    },
    #[error("{address} answers something else than addresses")]
    Unreadable { address: String },
    #[error("the server at {address} names no other address")]
    NamesNothing { address: String },
    #[error("the sales-loader does not answer at its new address")]
    Sales(#[source] unload::StreamError),
    #[error("the broker does not let this till in at its new address: {0}")]
    Broker(String),
    #[error(transparent)]
    Settings(SettingsError),
    #[error(transparent)]
    State(StateError),
    #[error(transparent)]
    Aborted(Aborted),
}

/// Follows the server.
#[derive(Debug, Clone)]
pub(crate) struct Mover {
    pub(crate) id: PeerId,
    pub(crate) moves: Moves,
    pub(crate) teller: Teller,
    pub(crate) link: watch::Sender<Link>,
    pub(crate) shutdown: CancellationToken,
}

impl Mover {
    /// Looks until the agent stops.
    pub(crate) async fn run(self) {
        let mut backoff = Backoff::new(FIRST_WAIT, MAX_WAIT);
        let (mut due, mut trial) = (Instant::now(), Trial::begun(Instant::now()));
        let mut looked_at = None;
        loop {
            let offer = self.moves.offer();
            if let Some(offer) = offer.filter(|_| Instant::now() >= due) {
                match self.follow(&offer).await {
                    Ok(()) => {
                        trial = Trial::begun(Instant::now());
                        self.teller.contact_soon();
                    }
                    Err(error) => {
                        due = Instant::now() + backoff.next_wait();
                        tracing::info!(
                            host = offer.host,
                            port = offer.port,
                            why = chain(&error),
                            "the server's new address is not taken; it is tried again"
                        );
                    }
                }
                self.moves.tried();
            }
            let may_be_silent = self.moves.settings.current().may_be_silent;
            let is_due = looked_at.is_none_or(|at: Instant| at.elapsed() >= may_be_silent / LOOKS);
            if let Some(former) = self.moves.former().filter(|_| is_due) {
                looked_at = Some(Instant::now());
                match trial.look(self.answers().await, may_be_silent, Instant::now()) {
                    Verdict::Goes => {}
                    Verdict::Stood => self.settle(),
                    Verdict::Silent => match self.go_back(&former).await {
                        Ok(()) => due = Instant::now() + retry::about(may_be_silent),
                        Err(error) => {
                            tracing::info!(
                                why = chain(&error),
                                "the new addresses are silent, and so are the old ones"
                            );
                        }
                    },
                }
            }
            tokio::select! {
                () = self.shutdown.cancelled() => return,
                () = self.moves.poked() => {
                    due = Instant::now();
                    backoff.reset();
                }
                () = tokio::time::sleep(retry::about(LOOK_PERIOD)) => {}
            }
        }
    }

    /// Takes the addresses that whoever answers at the offered one proves to be the server's.
    async fn follow(&self, offer: &Offer) -> Result<(), MoveError> {
        let now = self.moves.settings.current();
        let mut told = self.ask(&now, &offer.host, offer.port).await?;
        if !offer.with_broker {
            told.retain(|key, _| !key.starts_with("dept.broker."));
        }
        let changed = self.prove(&now, &told).await?;
        let is_there = offer.host == now.sales.rest_host && offer.port == now.sales.rest_port;
        if !changed && !is_there {
            return Err(MoveError::NamesNothing { address: in_url(&offer.host) });
        }
        let moves = self.moves.clone();
        let taken = blocking(move || {
            if changed {
                moves.left(Some(&moves.settings.addresses())).map_err(MoveError::State)?;
                fail::fail_point!("mover::left");
                let keys = moves.settings.move_to(&told).map_err(MoveError::Settings)?;
                tracing::warn!(?keys, "the server moved: its new addresses have proved themselves and are taken");
            }
            moves.offered(None).map_err(MoveError::State)
        });
        taken.await.map_err(MoveError::Aborted)?
    }

    /// Goes back to addresses that prove themselves, and keeps the others as an offer.
    async fn go_back(&self, former: &Addresses) -> Result<(), MoveError> {
        let now = self.moves.settings.current();
        let (_, then) = self.moves.settings.with(former).map_err(MoveError::Settings)?;
        if !self.prove(&now, former).await? {
            // It died before it had left them.
            return self.moves.left(None).map_err(MoveError::State);
        }
        let with_broker = (&then.broker.host, then.broker.port) != (&now.broker.host, now.broker.port);
        let offer = Offer { host: now.sales.rest_host.clone(), port: now.sales.rest_port, with_broker };
        let (moves, former) = (self.moves.clone(), former.clone());
        let back = blocking(move || {
            moves.offered(Some(&offer)).map_err(MoveError::State)?;
            let keys = moves.settings.move_to(&former).map_err(MoveError::Settings)?;
            tracing::warn!(?keys, "the server's new addresses are silent: back to those of before");
            moves.left(None).map_err(MoveError::State)
        });
        back.await.map_err(MoveError::Aborted)?
    }

    /// Whether the addresses that are in force answer.
    async fn answers(&self) -> bool {
        let now = self.moves.settings.current();
        let is_linked = matches!(*self.link.borrow(), Link::Consuming { .. });
        is_linked && self.ask(&now, &now.sales.rest_host, now.sales.rest_port).await.is_ok()
    }

    fn settle(&self) {
        match self.moves.left(None) {
            Ok(()) => tracing::info!("the server's new addresses have stood their trial"),
            Err(error) => self.teller.failed("former addresses could not be forgotten", &error),
        }
    }

    /// Whether these addresses differ from those in force; they have all proved themselves then.
    async fn prove(&self, now: &Settings, told: &Addresses) -> Result<bool, MoveError> {
        let (changed, then) = self.moves.settings.with(told).map_err(MoveError::Settings)?;
        if changed.is_empty() {
            return Ok(false);
        }
        let moves_broker = then.broker != now.broker;
        let is_private = |host: &str| now.trust.asks_tls_of(host) || is_this_machine(host);
        let plain = [
            (&then.sales.rest_host, !is_private(&then.sales.rest_host)),
            (&then.sales.host, then.sales.root_certificate.is_none() && !is_private(&then.sales.host)),
            (&then.broker.host, moves_broker && !then.broker.tls && !is_this_machine(&then.broker.host)),
        ];
        if let Some((host, _)) = plain.into_iter().find(|(_, is_plain)| *is_plain) {
            return Err(MoveError::NoTls { host: host.clone() });
        }
        self.ask(now, &then.sales.rest_host, then.sales.rest_port).await?;
        unload::reaches(&then.sales, &now.trust).await.map_err(MoveError::Sales)?;
        if moves_broker {
            let login = broker::lets_in(&self.id, &then.broker, &now.trust);
            let outcome = tokio::time::timeout(LOGIN_TIME, login).await;
            outcome.map_err(|_| MoveError::Broker("no answer".to_owned()))?.map_err(MoveError::Broker)?;
        }
        Ok(true)
    }

    /// What the server says of its addresses, at this one.
    async fn ask(&self, now: &Settings, host: &str, port: u16) -> Result<Addresses, MoveError> {
        ask(now, &self.id, host, port).await
    }
}

/// Asks whoever is at an address where the server is. No secret goes there; what comes back counts
/// with the code that the server alone can make.
async fn ask(now: &Settings, id: &PeerId, host: &str, port: u16) -> Result<Addresses, MoveError> {
    let secret = now.secret.as_ref().ok_or(MoveError::NoSecret)?;
    if !now.trust.asks_tls_of(host) && !is_this_machine(host) {
        return Err(MoveError::NoTls { host: host.to_owned() });
    }
    let address = format!("{}:{port}", in_url(host));
    let nonce = Uuid::new_v4().simple().to_string();
    let url = format!("{}://{address}{}?nonce={nonce}", now.trust.scheme(host), addresses_path(id));
    let no_answer = |source| MoveError::NoAnswer { address: address.clone(), source };
    let client = now.trust.client().map_err(no_answer)?.timeout(ANSWER_TIME).no_proxy();
    let mut answer = client.build().map_err(no_answer)?.get(url).send().await.map_err(no_answer)?;
    if !answer.status().is_success() {
        return Err(MoveError::Status { address, status: answer.status().as_u16() });
    }
    let code = answer.headers().get(CODE_HEADER).and_then(|code| code.to_str().ok()).map(str::to_owned);
    let mut body = Vec::new();
    while let Some(piece) = answer.chunk().await.map_err(no_answer)? {
        body.extend_from_slice(&piece);
        if body.len() > MAX_ANSWER_BYTES {
            return Err(MoveError::Unreadable { address });
        }
    }
    let head = MessageHead { kind: ADDRESSES_KIND.to_owned(), id: nonce, peer: Some(id.to_string()), code };
    let proved = secret.code_key().check(Direction::Answer, id, &head, &body);
    proved.map_err(|source| MoveError::NotProved { address: address.clone(), source })?;
    serde_json::from_slice(&body).map_err(|_| MoveError::Unreadable { address })
}

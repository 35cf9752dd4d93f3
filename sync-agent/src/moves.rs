//! Where the server is, and where it says that it will be.
//!
//! What the server pushes names an address; it is an *offer*, whatever it came in. It is kept
//! here, durable, until an address that proves itself is taken in its place, or the server says no
//! more of it. The addresses that were left are kept as well until the new ones have stood their
//! trial, so that the till finds back. Who proves what, and when, is the affair of
//! [`crate::mover`].
//!
//! A till without a secret takes what is pushed at once, as it did before there were codes:
//! nothing could prove anything to it.

use crate::settings::{LiveSettings, SettingsError};
use crate::state::{State, StateError};
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tillway_proto::Command;
use tillway_proto::moving::Coming;
use tokio::sync::{Notify, watch};
use tokio::time::Instant;

/// Keys of `cash.ini` that say where server and broker are, with their values.
pub(crate) type Addresses = BTreeMap<String, String>;

/// The addresses stay in their trial for so many times as long as the new ones may be silent.
const TRIAL_TIMES: u32 = 6;

const OFFER: &str = "offered address";
const FORMER: &str = "former addresses";

/// An address at which somebody may be asked where the server is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Offer {
    /// Host of REST.
    pub(crate) host: String,
    /// Port of REST.
    pub(crate) port: u16,
    /// Whether the broker moves along: its present address is the one that the server told, and
    /// not one of the site.
    pub(crate) with_broker: bool,
}

/// Why an offer is not heard.
#[derive(Debug, thiserror::Error)]
pub(crate) enum OfferError {
    #[error(transparent)]
    Settings(SettingsError),
    #[error(transparent)]
    State(StateError),
}

/// What is offered, and what was left. Cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct Moves {
    pub(crate) settings: LiveSettings,
    state: State,
    /// As it is noted in the state.
    noted: Arc<Mutex<Noted>>,
    poked: Arc<Notify>,
    /// How many tries came to their end.
    tried: watch::Sender<u64>,
}

#[derive(Debug, Default)]
struct Noted {
    offer: Option<Offer>,
    former: Option<Addresses>,
}

impl Moves {
    /// What does not read is none: an offer is said again.
    pub(crate) fn new(settings: LiveSettings, state: State) -> Self {
        fn read<T: DeserializeOwned>(state: &State, name: &str) -> Option<T> {
            serde_json::from_str(&state.note(name).unwrap_or_default()?).ok()
        }
        let noted = Noted { offer: read(&state, OFFER), former: read(&state, FORMER) };
        let noted = Arc::new(Mutex::new(noted));
        Self { settings, state, noted, poked: Arc::default(), tried: watch::Sender::new(0) }
    }

    /// Hears what a command says of addresses, from a message with a right code that is not older
    /// than the last one. Where there is a new offer that is worth a wait, since the server is
    /// there already: what tells the end of the next try. Blocks on the disk.
    pub(crate) fn hear(&self, told: &Addresses, command: &Command) -> Result<Option<Tries>, OfferError> {
        let differs = !self.settings.with(told).map_err(OfferError::Settings)?.0.is_empty();
        let now = self.settings.current();
        let offer = if differs {
            let host = told.get("httphostcs").unwrap_or(&now.sales.rest_host).clone();
            let port = told.get("cashserverrestport").and_then(|port| port.parse().ok());
            Some(Offer { host, port: port.unwrap_or(now.sales.rest_port), with_broker: false })
        } else {
            let is_there = |coming: &&Coming| coming.host == now.sales.rest_host && coming.port == now.sales.rest_port;
            command.coming.as_ref().filter(|coming| !is_there(coming)).map(|coming| {
                let with_broker =
                    coming.broker_host.as_ref() == Some(&now.broker.host) && coming.broker_port == now.broker.port;
                Offer { host: coming.host.clone(), port: coming.port, with_broker }
            })
        };
        if offer == self.offer() {
            return Ok(None);
        }
        tracing::info!(?offer, "the server says where it is, or will be");
        let (is_new, tries) = (offer.is_some(), Tries(self.tried.subscribe()));
        self.offered(offer.as_ref()).map_err(OfferError::State)?;
        if is_new {
            self.poked.notify_one();
        }
        Ok(Some(tries).filter(|_| is_new && differs))
    }

    /// A new offer came.
    pub(crate) async fn poked(&self) {
        self.poked.notified().await;
    }

    /// A try came to its end.
    pub(crate) fn tried(&self) {
        self.tried.send_modify(|tried| *tried += 1);
    }

    /// What is offered and not taken.
    pub(crate) fn offer(&self) -> Option<Offer> {
        self.noted().offer.clone()
    }

    /// Notes what is offered now. Blocks on the disk, as what follows does.
    pub(crate) fn offered(&self, offer: Option<&Offer>) -> Result<(), StateError> {
        self.write(OFFER, offer)?;
        self.noted().offer = offer.cloned();
        Ok(())
    }

    /// The addresses that were left and may still be gone back to.
    pub(crate) fn former(&self) -> Option<Addresses> {
        self.noted().former.clone()
    }

    /// Notes the addresses that are left.
    pub(crate) fn left(&self, former: Option<&Addresses>) -> Result<(), StateError> {
        self.write(FORMER, former)?;
        self.noted().former = former.cloned();
        Ok(())
    }

    fn noted(&self) -> MutexGuard<'_, Noted> {
        // Each statement leaves it whole.
        self.noted.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn write<T: Serialize>(&self, name: &str, value: Option<&T>) -> Result<(), StateError> {
        // Texts and numbers are JSON in any case.
        let text = value.and_then(|value| serde_json::to_string(value).ok()).unwrap_or_default();
        self.state.keep_note(name, &text)
    }
}

/// Tells the end of a try.
#[derive(Debug)]
pub(crate) struct Tries(watch::Receiver<u64>);

impl Tries {
    /// Waits for it, for so long at most.
    pub(crate) async fn ended(mut self, at_most: Duration) {
        // Whether or not: what goes on goes on with the addresses that are there then.
        let _ = tokio::time::timeout(at_most, self.0.changed()).await;
    }
}

/// How new addresses do.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Trial {
    begun: Instant,
    silent_since: Option<Instant>,
}

/// What follows from a look at them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// Nothing yet.
    Goes,
    /// They have stood it: those of before are forgotten.
    Stood,
    /// They have been silent for too long: back to those of before, where these prove themselves.
    Silent,
}

impl Trial {
    pub(crate) fn begun(now: Instant) -> Self {
        Self { begun: now, silent_since: None }
    }

    /// Whether server and broker answered now.
    pub(crate) fn look(&mut self, answers: bool, may_be_silent: Duration, now: Instant) -> Verdict {
        if answers {
            self.silent_since = None;
            let stood = now.duration_since(self.begun) >= may_be_silent * TRIAL_TIMES;
            return if stood { Verdict::Stood } else { Verdict::Goes };
        }
        let since = *self.silent_since.get_or_insert(now);
        if now.duration_since(since) >= may_be_silent { Verdict::Silent } else { Verdict::Goes }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn new_addresses_stand_their_trial_or_are_silent_for_too_long() {
        let (start, most) = (Instant::now(), Duration::from_secs(10));
        let at = |seconds| start + Duration::from_secs(seconds);
        let mut trial = Trial::begun(start);
        assert_eq!(trial.look(true, most, at(0)), Verdict::Goes);
        assert_eq!(trial.look(false, most, at(5)), Verdict::Goes);
        assert_eq!(trial.look(true, most, at(14)), Verdict::Goes, "a break that was over in time");
        assert_eq!(trial.look(false, most, at(15)), Verdict::Goes);
        assert_eq!(trial.look(false, most, at(25)), Verdict::Silent);
        assert_eq!(trial.look(false, most, at(70)), Verdict::Silent, "until something answers");
        assert_eq!(trial.look(true, most, at(71)), Verdict::Stood);
    }
}

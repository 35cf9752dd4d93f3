//! One simulated till: consumes its queues, takes links to their end, reports, dies and comes
//! back.

use super::dictionary::{Dictionary, Outcome};
use super::faults::{Chance, Faults};
use super::link::{LinkError, Session};
use super::reports::{contact, delivery, empty_state, tell};
use super::sales::{self, Sales};
use super::{SalesCell, Shared, Watched};
use jiff::{SignedDuration, Timestamp};
use std::collections::HashMap;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tillway_proto::report::TillState;
use tillway_proto::{
    Command, DeliveryId, DeliveryState, Digest, ExchangeStatus, MessageHead, Order, PackageLink, PeerSecret,
    RejectCause, Report, Revision, ShopId, TillId,
};
use tillway_sync_agent::Backoff;
use tillway_sync_agent::decide::{Have, LinkStep, on_link};
use tokio::sync::watch;
use uuid::Uuid;

/// The first wait after a session broke, and the longest, as in the agent.
const FIRST_WAIT: Duration = Duration::from_millis(500);
const MAX_WAIT: Duration = Duration::from_secs(30);

/// A till that lost its state finds the one it had at most so many packages ago.
const IMAGES_KEPT: usize = 3;

/// A wrong clock is wrong by up to so many days, either way.
const WRONG_CLOCK_DAYS: u64 = 400;

/// Deliveries that a till remembers the end of.
const MAX_SEEN: usize = 100;

/// Who a till is.
#[derive(Debug, Clone)]
pub(super) struct Identity {
    pub(super) till: TillId,
    pub(super) shop: ShopId,
    pub(super) secret: PeerSecret,
}

/// Whether a till is on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Wish {
    Awake,
    Silent,
}

/// What a till has, and what happened to it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Told {
    /// The revision applied.
    pub cursor: Revision,
    /// Rows.
    pub rows: u64,
    /// The digest of all.
    pub digest: Digest,
    /// Links that came.
    pub links: u64,
    /// Packages applied.
    pub applied: u64,
    /// Times it died while it worked.
    pub deaths: u64,
    /// Times it fell back to an older state.
    pub states_lost: u64,
    /// Links rejected because of its luck.
    pub rejected: u64,
    /// Packages that could not be had or did not load: never, where the server is right.
    pub failed: u64,
    /// Packages whose counts or digests were not what it came to: never, where the server is
    /// right.
    pub diverged: u64,
    /// Packages that began behind what it had.
    pub gaps: u64,
    /// Reports published twice.
    pub reports_doubled: u64,
    /// Reports published late.
    pub reports_held: u64,
    /// Times it consumed anew.
    pub sessions: u64,
}

/// What survives its death, and its luck.
#[derive(Debug)]
struct Memory {
    dictionary: Arc<Dictionary>,
    /// As it was before the last packages, newest last.
    images: Vec<Arc<Dictionary>>,
    seen: HashMap<DeliveryId, DeliveryState>,
    held: Option<(MessageHead, Vec<u8>)>,
    luck: Chance,
    told: Told,
}

/// A simulated till.
#[derive(Debug)]
pub(super) struct SimulatedTill {
    pub(super) number: usize,
    pub(super) identity: Identity,
    pub(super) instance: Uuid,
    pub(super) wish: Watched<Wish>,
    /// Shifts under way.
    pub(super) selling: Watched<usize>,
    pub(super) sales: SalesCell,
    clock_error: SignedDuration,
    memory: Mutex<Memory>,
}

/// Why a till stopped working on something.
#[derive(Debug, thiserror::Error)]
enum Break {
    #[error("the link to the broker broke")]
    Link(#[source] LinkError),
    #[error("it died")]
    Died,
}

impl SimulatedTill {
    pub(super) fn new(number: usize, identity: Identity, mut luck: Chance, faults: &Faults) -> Self {
        let wrong = luck.happens(faults.wrong_clock);
        let days = i64::try_from(luck.below(2 * WRONG_CLOCK_DAYS)).unwrap_or_default();
        let offset = days - i64::try_from(WRONG_CLOCK_DAYS).unwrap_or_default();
        let clock_error = if wrong { SignedDuration::from_hours(24 * offset) } else { SignedDuration::ZERO };
        let instance = luck.uuid();
        let sales = Sales::new(luck.split());
        let memory = Memory {
            dictionary: Arc::default(),
            images: Vec::new(),
            seen: HashMap::new(),
            held: None,
            luck,
            told: Told::default(),
        };
        Self {
            number,
            identity,
            instance,
            wish: watch::Sender::new(Wish::Silent),
            selling: watch::Sender::new(0),
            sales: SalesCell::new(sales),
            clock_error,
            memory: Mutex::new(memory),
        }
    }

    fn memory(&self) -> MutexGuard<'_, Memory> {
        self.memory.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The time by the till's clock.
    pub(super) fn clock(&self, now: Timestamp) -> Timestamp {
        now.saturating_add(self.clock_error).unwrap_or(now)
    }

    pub(super) fn told(&self) -> Told {
        let memory = self.memory();
        let dictionary = &memory.dictionary;
        Told { cursor: dictionary.cursor, rows: dictionary.rows(), digest: dictionary.digest(), ..memory.told }
    }

    pub(super) fn count(&self, count: impl FnOnce(&mut Told)) {
        count(&mut self.memory().told);
    }

    pub(super) fn with_luck<T>(&self, draw: impl FnOnce(&mut Chance) -> T) -> T {
        draw(&mut self.memory().luck)
    }

    pub(super) fn hold(&self, report: (MessageHead, Vec<u8>)) {
        self.memory().held = Some(report);
    }

    pub(super) fn take_held(&self) -> Option<(MessageHead, Vec<u8>)> {
        self.memory().held.take()
    }

    /// What the till has, as the agent reports it.
    pub(super) fn state(&self) -> TillState {
        let memory = self.memory();
        let dictionary = &memory.dictionary;
        TillState {
            cursor: dictionary.cursor,
            proof: dictionary.proof,
            applied_at: dictionary.applied_at,
            rows: dictionary.rows(),
            digest: Some(dictionary.digest()),
            ..empty_state()
        }
    }

    fn dictionary(&self) -> Arc<Dictionary> {
        Arc::clone(&self.memory().dictionary)
    }

    fn have(&self, link: &PackageLink) -> Have {
        let memory = self.memory();
        let seen = memory.seen.get(&link.delivery).copied();
        Have { cursor: memory.dictionary.cursor, queued_to: None, seen }
    }

    fn note(&self, link: &PackageLink, state: DeliveryState) {
        let mut memory = self.memory();
        if memory.seen.len() >= MAX_SEEN {
            memory.seen.clear();
        }
        memory.seen.insert(link.delivery, state);
    }

    fn keep(&self, mut after: Dictionary) {
        after.applied_at = Some(self.clock(Timestamp::now()));
        let mut memory = self.memory();
        let before = std::mem::replace(&mut memory.dictionary, Arc::new(after));
        memory.images.push(before);
        if memory.images.len() > IMAGES_KEPT {
            memory.images.remove(0);
        }
        memory.told.applied += 1;
    }

    /// Its disk comes back as it was: an older dictionary, and nothing is known of deliveries
    /// since.
    fn lose_state(&self) {
        let mut memory = self.memory();
        if memory.images.is_empty() {
            return;
        }
        let end = memory.images.len() as u64;
        let at = usize::try_from(memory.luck.below(end)).unwrap_or_default();
        memory.dictionary = Arc::clone(&memory.images[at]);
        memory.images.truncate(at);
        memory.seen.clear();
        memory.held = None;
        memory.told.states_lost += 1;
    }

    fn may_die(&self, shared: &Shared) -> Result<(), Break> {
        let faults = shared.faults();
        if self.with_luck(|luck| luck.happens(faults.dies)) {
            self.count(|told| told.deaths += 1);
            return Err(Break::Died);
        }
        Ok(())
    }
}

/// Runs a till until the fleet goes.
pub(super) async fn run(till: Arc<SimulatedTill>, shared: Arc<Shared>) {
    let mut wish = till.wish.subscribe();
    let mut backoff = Backoff::new(FIRST_WAIT, MAX_WAIT);
    loop {
        let awake = tokio::select! {
            () = shared.shutdown.cancelled() => return,
            awake = wish.wait_for(|wish| *wish == Wish::Awake) => awake.is_ok(),
        };
        if !awake {
            return;
        }
        match shared.links.subscribe(till.number, &till.identity.till).await {
            Ok(mut session) => {
                backoff.reset();
                till.count(|told| told.sessions += 1);
                shared.awake.fetch_add(1, Ordering::Relaxed);
                let ended = tokio::select! {
                    () = shared.shutdown.cancelled() => return,
                    _ = wish.wait_for(|wish| *wish == Wish::Silent) => None,
                    ended = serve(&till, &shared, &mut session) => ended.err(),
                };
                session.close().await;
                shared.awake.fetch_sub(1, Ordering::Relaxed);
                match ended {
                    None => continue,
                    Some(Break::Died) => {
                        let faults = shared.faults();
                        if till.with_luck(|luck| luck.happens(faults.loses_state)) {
                            till.lose_state();
                        }
                    }
                    Some(Break::Link(error)) => shared.broke("a session", &error),
                }
            }
            Err(error) => shared.broke("no session", &error),
        }
        tokio::select! {
            () = shared.shutdown.cancelled() => return,
            () = tokio::time::sleep(backoff.next_wait()) => {}
        }
    }
}

async fn serve(till: &Arc<SimulatedTill>, shared: &Arc<Shared>, session: &mut Session) -> Result<(), Break> {
    contact(till, shared, session).await.map_err(Break::Link)?;
    loop {
        tokio::select! {
            message = session.next() => {
                let message = message.map_err(Break::Link)?;
                work(till, shared, session, &message.data).await?;
                till.may_die(shared)?;
                session.acknowledge(&message).await.map_err(Break::Link)?;
            }
            () = tokio::time::sleep(shared.contact_period) => {}
        }
        contact(till, shared, session).await.map_err(Break::Link)?;
    }
}

async fn work(till: &Arc<SimulatedTill>, shared: &Arc<Shared>, session: &Session, message: &[u8]) -> Result<(), Break> {
    let command = match Command::parse(message) {
        Ok(command) => command,
        Err(error) => {
            let Some(command) = error.id() else { return Ok(()) };
            let report = Report::Refused { command, reason: error.to_string() };
            return tell(till, shared, session, report).await.map_err(Break::Link);
        }
    };
    match command.order {
        Order::LoadPackage(link) => take(till, shared, session, &link).await,
        Order::UnloadSales { .. } => {
            let told = |status, receipts| Report::Unload { command: Some(command.id), status, receipts, reason: None };
            tell(till, shared, session, told(ExchangeStatus::During, 0)).await.map_err(Break::Link)?;
            let ended = match sales::unload(till, shared).await {
                Ok(receipts) => told(ExchangeStatus::Ready, receipts),
                Err(_) => told(ExchangeStatus::Error, 0),
            };
            tell(till, shared, session, ended).await.map_err(Break::Link)
        }
        Order::ReportState { .. } => Ok(()),
        Order::SettleAside { .. } => {
            let report = Report::Refused { command: command.id, reason: "nothing is set aside here".to_owned() };
            tell(till, shared, session, report).await.map_err(Break::Link)
        }
    }
}

/// Takes a link to its end, as the agent does.
async fn take(
    till: &Arc<SimulatedTill>,
    shared: &Arc<Shared>,
    session: &Session,
    link: &PackageLink,
) -> Result<(), Break> {
    till.count(|told| told.links += 1);
    let say = async |state, why| delivery(till, shared, session, link, state, why).await.map_err(Break::Link);
    match on_link(link, till.have(link)) {
        LinkStep::Fetch => {}
        LinkStep::Repeat(DeliveryState::Rejected) => {
            let why = (RejectCause::Transport, "this link was rejected before".to_owned());
            return say(DeliveryState::Rejected, Some(why)).await;
        }
        LinkStep::Repeat(state) => return say(state, None).await,
        LinkStep::Older => {
            till.note(link, DeliveryState::Superseded);
            return say(DeliveryState::Superseded, None).await;
        }
        LinkStep::Gap { have } => {
            till.count(|told| told.gaps += 1);
            till.note(link, DeliveryState::Rejected);
            let why = format!("gap: the package starts at revision {}, the till is at {have}", link.from);
            return say(DeliveryState::Rejected, Some((RejectCause::Gap, why))).await;
        }
    }
    till.may_die(shared)?;
    let faults = shared.faults();
    if till.with_luck(|luck| luck.happens(faults.rejects)) {
        till.count(|told| told.rejected += 1);
        till.note(link, DeliveryState::Rejected);
        let why = (RejectCause::Transport, "the disk is full".to_owned());
        return say(DeliveryState::Rejected, Some(why)).await;
    }
    let _room = shared.at_a_time.acquire().await;
    let file = match shared.packages.fetch(till.number, &till.identity.secret.token(), link).await {
        Ok(file) => file,
        Err(error) => {
            till.count(|told| told.failed += 1);
            till.note(link, DeliveryState::Rejected);
            return say(DeliveryState::Rejected, Some((error.cause(), error.to_string()))).await;
        }
    };
    till.note(link, DeliveryState::Downloaded);
    say(DeliveryState::Downloaded, None).await?;
    till.may_die(shared)?;
    let outcome = shared.packages.apply(&till.dictionary(), link, file.clone()).await;
    shared.packages.done(&file);
    let (state, why, kinds) = match outcome {
        Ok(Outcome::Done(after)) => {
            till.keep(*after);
            till.may_die(shared)?;
            (DeliveryState::Applied, None, None)
        }
        // The loader skips a package only where the till is at its end or past it.
        Ok(Outcome::Skipped) if till.dictionary().cursor == link.to => (DeliveryState::Applied, None, None),
        Ok(Outcome::Skipped) => (DeliveryState::Superseded, None, None),
        Ok(Outcome::Gap) => {
            till.count(|told| told.gaps += 1);
            (DeliveryState::Rejected, Some((RejectCause::Gap, "gap".to_owned())), None)
        }
        Ok(Outcome::Diverged(kinds)) => {
            till.count(|told| told.diverged += 1);
            let why = format!("rows differ: {}", kinds.join(", "));
            (DeliveryState::Rejected, Some((RejectCause::Content, why)), Some(kinds))
        }
        Ok(Outcome::Broken(reason)) => {
            till.count(|told| told.failed += 1);
            (DeliveryState::Rejected, Some((RejectCause::Content, reason)), None)
        }
        Err(error) => {
            till.count(|told| told.failed += 1);
            (DeliveryState::Rejected, Some((error.cause(), error.to_string())), None)
        }
    };
    till.note(link, state);
    say(state, why).await?;
    if let Some(kinds) = kinds {
        let report = Report::NeedSnapshot { kinds, reason: "rows differ".to_owned(), till_state: till.state() };
        tell(till, shared, session, report).await.map_err(Break::Link)?;
    }
    Ok(())
}

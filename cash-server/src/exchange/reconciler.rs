//! Makes true what [`super::decide`] decides: for all tills, on a period and when poked.
//!
//! It has no input. Each pass reads what every till should have and what is known of it, and acts
//! on the difference, so a pass can be cut off anywhere and the next one goes on. A delivery is
//! written before its link is published and counts as announced only after the broker's confirm;
//! between the two a restart publishes it again.

use super::along::{put_along, tell_settings};
use super::blocking;
use super::broker::{BrokerError, Lane};
use super::hear::is_silent;
use super::model::{CommandState, Delivery, Needs, PeerRecord, SentCommand};
use super::pace::AT_ONCE;
use super::plan::{Plan, TillAim, Wanted, plan};
use super::reason::ExchangeReason;
use super::service::{ExchangeError, ExchangeParts, ExchangeService};
use crate::error_chain;
use crate::hints::Hint;
use crate::network::Network;
use crate::packages::links::{self, Links};
use crate::packages::{PackageError, PackageFacts, PackageService, Repair};
use crate::store::exchange::{Ended, EndedCommand, ExchangeStore, NewDelivery, Records};
use crate::store::packages::PackageKey;
use crate::words::Reason;
use futures_util::{Stream, StreamExt as _, TryStreamExt as _, stream};
use jiff::{SignedDuration, Timestamp};
use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tillway_proto::{Command, DeliveryId, DeliveryState, MessageHead, Order, PackageLink, PackageName, PeerId, TillId};
use tillway_service::background::{Next, Run, Task, Work};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

/// Shortest time between two passes that reports call for: pokes of a thousand tills become one
/// pass. A load is not kept waiting by it.
const PASS_SPACING: Duration = Duration::from_millis(100);

/// After a pass at least so many times as long as it took passes before the next that reports call
/// for. A pass looks at all tills and their reports come for longer the more they are, so without
/// this the cost of one till would grow with their number.
const PASS_SHARE: u32 = 9;

/// Longest time between two passes that reports call for.
const PASS_SPACING_AT_MOST: Duration = Duration::from_secs(5);

/// Deliveries written in one transaction: the first links go out when the first of them are
/// written.
const DELIVERIES_BATCH: usize = 200;

/// Confirms of links or commands noted in one transaction.
const CONFIRMS_BATCH: usize = 500;

/// Commands ended in one transaction.
const ENDED_BATCH: usize = 500;

/// Batches written, and batches of confirms noted, at the same time: while one waits for the disk
/// the next comes together.
const BATCHES_AT_A_TIME: usize = 2;

/// Messages under way without a confirm. The broker writes what comes together to its disk
/// together, so the more are under way the fewer syncs each waits for; a break leaves at most so
/// many to publish again.
const CONFIRMS_IN_FLIGHT: usize = 1_000;

/// Most control commands published in one pass; the rest goes with the next.
const MAX_COMMANDS_PASS: usize = 5_000;

/// Tills whose queues are removed in one pass without anything else being known of them: each
/// takes milliseconds, and live tills wait meanwhile.
const MAX_REMOVALS_PASS: usize = 100;

/// What one pass did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Passed {
    /// Deliveries ended by decision.
    pub ended: usize,
    /// Links confirmed by the broker.
    pub announced: usize,
    /// Commands confirmed by the broker.
    pub commands: usize,
}

/// The reconciler.
pub struct Reconciler {
    service: ExchangeService,
    packages: PackageService,
}

impl Reconciler {
    /// Over the service's parts.
    pub fn new(service: ExchangeService, packages: PackageService) -> Self {
        Self { service, packages }
    }

    /// Its passes as a task of the server.
    pub fn into_task(self) -> Task {
        let hints = &self.parts().hints;
        let (poke, changed) = (hints.listen(&[Hint::Exchange, Hint::Network]), hints.listen(&[Hint::Revision]));
        let period = self.parts().settings.reconcile_period;
        Task::new("reconciler", period, self).poked_by(poke).poked_at_once_by(changed).spaced(spacing_after)
    }

    /// One pass over all tills.
    pub async fn pass(&self) -> Result<Passed, ExchangeError> {
        let (service, packages) = (self.service.clone(), self.packages.clone());
        let Decided { mut plan, commands, network, peers, removed, silent } =
            blocking(move || decide_all(&service, &packages)).await?;
        for till in std::mem::take(&mut plan.poison) {
            tracing::error!(%till, "deciding for a till brought out a defect of this server; it is left out");
            self.service.set_trouble(&till.into(), ExchangeReason::NoDecision);
        }
        let mut passed = Passed { ended: plan.ends.len(), ..Passed::default() };
        let broker = &self.parts().broker;
        if !broker.is_up() {
            return Ok(passed);
        }
        broker.look_again(&silent);
        let refused = match broker.declare(peers).await {
            Ok(refused) => refused,
            Err(error) => {
                tracing::warn!(error = %error_chain(&error), "failed to declare the queues of tills");
                return Ok(passed);
            }
        };
        plan.publish.retain(|delivery| !refused.contains_key(&delivery.peer));
        plan.announce.retain(|wanted| !refused.contains_key(&wanted.till.clone().into()));
        self.service.set_refused(refused.clone());
        // What fails in one step does not stop the next; the first error is told.
        let gone = self.forget(plan.gone).await;
        self.remove_queues(removed).await;
        let published = self.publish_all(stream::iter(plan.publish.into_iter().map(Ok)), &network).await;
        let announced = self.announce_all(plan.announce, &network).await;
        let commands = self.send_commands(commands, &refused).await;
        gone?;
        passed.announced = published? + announced?;
        passed.commands = commands?;
        Ok(passed)
    }

    /// Looks for packages, and builds side by side those that are not there; as they come, writes
    /// their deliveries in batches and publishes their links, while the next batch is written.
    async fn announce_all(&self, wanted: Vec<Wanted>, network: &Network) -> Result<usize, ExchangeError> {
        let sound = Sound::default();
        let packages = self.packages.clone();
        let groups = blocking(move || Ok(groups(&packages, wanted))).await?;
        let written = stream::iter(groups)
            .map(|group| self.find_or_build_once(group, sound.clone()))
            .buffer_unordered(self.parts().settings.parallel_builds)
            .map(stream::iter)
            .flatten()
            .ready_chunks(DELIVERIES_BATCH)
            .map(|deliveries| self.write(deliveries))
            .buffered(BATCHES_AT_A_TIME)
            .map_ok(|deliveries| stream::iter(deliveries.into_iter().map(Ok)))
            .try_flatten();
        self.publish_all(written, network).await
    }

    /// Those whose tills were heard of in the meantime in a way that changes what is to be done
    /// are left to the next pass, which what was heard has called for.
    async fn write(&self, deliveries: Vec<NewDelivery>) -> Result<Vec<Delivery>, ExchangeError> {
        let store = Arc::clone(&self.parts().store);
        let deliveries =
            blocking(move || store.announce(deliveries, Timestamp::now()).map_err(ExchangeError::Store)).await?;
        fail::fail_point!("reconciler::delivery_written");
        Ok(deliveries)
    }

    /// One look for all tills of a group; where a load came in between, each of them looks for
    /// itself.
    async fn find_or_build_once(&self, group: Group, sound: Sound) -> Vec<NewDelivery> {
        let Group { key, mut wanted } = group;
        let Some(first) = wanted.pop() else { return Vec::new() };
        let mut deliveries = Vec::with_capacity(wanted.len() + 1);
        deliveries.extend(self.find_or_build(first, sound.clone()).await);
        if wanted.is_empty() {
            return deliveries;
        }
        let packages = self.packages.clone();
        let shared = match key {
            Some(key) => blocking(move || packages.built(&key).map_err(ExchangeError::Packages)).await.ok().flatten(),
            None => None,
        };
        for wanted in wanted {
            match &shared {
                Some(facts) => {
                    self.service.clear_trouble(&wanted.till.clone().into());
                    deliveries.push(delivery_of(wanted, facts.clone()));
                }
                None => deliveries.extend(self.find_or_build(wanted, sound.clone()).await),
            }
        }
        deliveries
    }

    async fn find_or_build(&self, wanted: Wanted, sound: Sound) -> Option<NewDelivery> {
        let packages = self.packages.clone();
        let asked = wanted.clone();
        let found = blocking(move || sound_package(&packages, &asked, &sound).map_err(ExchangeError::Packages));
        match found.await {
            Ok(Some(facts)) => {
                self.service.clear_trouble(&wanted.till.clone().into());
                Some(delivery_of(wanted, facts))
            }
            Ok(None) => {
                tracing::debug!(till = %wanted.till, from = %wanted.from, "there is nothing to send");
                self.service.clear_trouble(&wanted.till.clone().into());
                None
            }
            Err(error) => {
                tracing::error!(till = %wanted.till, error = %error_chain(&error), "failed to make a package; it is tried again");
                self.service.set_trouble(&wanted.till.clone().into(), Reason::of(&error));
                None
            }
        }
    }

    /// Publishes links of written deliveries, many at a time, and notes confirms as they come;
    /// says how many there were.
    async fn publish_all(
        &self,
        deliveries: impl Stream<Item = Result<Delivery, ExchangeError>>,
        network: &Network,
    ) -> Result<usize, ExchangeError> {
        deliveries
            .map_ok(|delivery| async { Ok(self.publish(delivery, network).await) })
            .try_buffer_unordered(CONFIRMS_IN_FLIGHT)
            .try_filter_map(|confirmed| std::future::ready(Ok(confirmed)))
            .ready_chunks(CONFIRMS_BATCH)
            .map(|confirmed| self.note_confirmed(confirmed))
            .buffered(BATCHES_AT_A_TIME)
            .try_fold(0, |noted, more| std::future::ready(Ok(noted + more)))
            .await
    }

    /// Publishes the link of a written delivery; its number where the broker has confirmed it.
    async fn publish(&self, delivery: Delivery, network: &Network) -> Option<DeliveryId> {
        let parts = self.parts();
        let written = link_message(parts, self.packages.links(), network, &delivery).inspect_err(|error| {
            tracing::error!(till = %delivery.peer, error = %error_chain(error), "failed to write a link");
        });
        let (head, body) = written.ok()?;
        let published = parts.broker.publish(&delivery.peer, Lane::Dictionary, &head, &body).await;
        self.note_publishing(&delivery.peer, &published);
        published.ok().map(|()| delivery.id)
    }

    /// The broker has confirmed these links; an error among them is that of what came before.
    async fn note_confirmed(&self, confirmed: Vec<Result<DeliveryId, ExchangeError>>) -> Result<usize, ExchangeError> {
        let mut failed = None;
        let confirmed: Vec<DeliveryId> =
            confirmed.into_iter().filter_map(|one| one.map_err(|error| failed = Some(error)).ok()).collect();
        let count = confirmed.len();
        if count > 0 {
            fail::fail_point!("reconciler::delivery_confirmed");
            let store = Arc::clone(&self.parts().store);
            blocking(move || store.confirm(&confirmed, Timestamp::now()).map_err(ExchangeError::Store)).await?;
            fail::fail_point!("reconciler::delivery_noted");
        }
        failed.map_or(Ok(count), Err)
    }

    fn note_publishing(&self, peer: &PeerId, published: &Result<(), BrokerError>) {
        match published {
            Ok(()) => self.service.clear_trouble(peer),
            // The supervisor tells of a lost link once, for all.
            Err(BrokerError::Down) => {}
            Err(error) => {
                tracing::warn!(till = %peer, error = %error_chain(error), "failed to announce; it is tried again");
                self.service.set_trouble(peer, Reason::of(error));
            }
        }
    }

    /// Publishes commands that wait, and notes confirms as they come.
    async fn send_commands(
        &self,
        waiting: Vec<SentCommand>,
        refused: &HashMap<PeerId, Reason>,
    ) -> Result<usize, ExchangeError> {
        let waiting = waiting.into_iter().filter(|command| !refused.contains_key(&command.peer));
        stream::iter(waiting.take(MAX_COMMANDS_PASS))
            .map(|command| self.send(command))
            .buffer_unordered(CONFIRMS_IN_FLIGHT)
            .filter_map(std::future::ready)
            .ready_chunks(CONFIRMS_BATCH)
            .map(|sent| self.note_sent(sent))
            .buffered(BATCHES_AT_A_TIME)
            .try_fold(0, |noted, more| std::future::ready(Ok(noted + more)))
            .await
    }

    /// Publishes a command; it comes back where the broker has confirmed it.
    async fn send(&self, command: SentCommand) -> Option<SentCommand> {
        let kind = command.order().as_ref().map_or("", Order::kind);
        let head = self.parts().codes.head(&command.peer, kind, &command.id.to_string(), &command.body);
        let published = self.parts().broker.publish(&command.peer, Lane::Control, &head, &command.body).await;
        if let Err(error) = &published {
            tracing::warn!(till = %command.peer, error = %error_chain(error), "failed to send: {}", command.what);
        }
        published.ok().map(|()| command)
    }

    async fn note_sent(&self, sent: Vec<SentCommand>) -> Result<usize, ExchangeError> {
        fail::fail_point!("reconciler::order_confirmed");
        for command in &sent {
            tracing::info!(till = %command.peer, command = %command.id, "sent: {}", command.what);
        }
        let store = Arc::clone(&self.parts().store);
        let count = sent.len();
        let ids: Vec<Uuid> = sent.into_iter().map(|command| command.id).collect();
        blocking(move || store.set_sent(&ids, Timestamp::now()).map_err(ExchangeError::Store)).await?;
        fail::fail_point!("reconciler::order_noted");
        Ok(count)
    }

    /// Removes queues and memory of peers that are no more.
    async fn forget(&self, gone: Vec<PeerId>) -> Result<(), ExchangeError> {
        let mut removed = Vec::with_capacity(gone.len());
        for peer in gone {
            match self.parts().broker.remove(&peer).await {
                Ok(()) => removed.push(peer),
                Err(error) => {
                    tracing::warn!(till = %peer, error = %error_chain(&error), "failed to remove the queues of a till that is no more");
                }
            }
        }
        if removed.is_empty() {
            return Ok(());
        }
        fail::fail_point!("reconciler::queues_removed");
        self.parts().clocks.forget(&removed);
        self.parts().codes.forget(&removed);
        let store = Arc::clone(&self.parts().store);
        blocking(move || store.forget(&removed).map_err(ExchangeError::Store)).await
    }

    /// Removes queues of removed tills of which nothing is remembered, once a session with the
    /// broker: they may have been declared by a server that was restored from a backup since, or
    /// be left from a removal that was cut off.
    async fn remove_queues(&self, removed: Vec<PeerId>) {
        let broker = &self.parts().broker;
        for peer in broker.not_removed(removed).into_iter().take(MAX_REMOVALS_PASS) {
            if let Err(error) = broker.remove(&peer).await {
                tracing::warn!(till = %peer, error = %error_chain(&error), "failed to remove the queues of a till that is no more");
            }
        }
    }

    fn parts(&self) -> &ExchangeParts {
        &self.service.parts
    }
}

impl Work for Reconciler {
    fn run<'a>(&'a mut self, _: &'a CancellationToken) -> Run<'a> {
        Box::pin(async move {
            let passed = self.pass().await?;
            if passed != Passed::default() {
                let Passed { ended, announced, commands } = passed;
                tracing::info!(announced, ended, commands, "reconciled");
            }
            Ok(Next::AtPeriod)
        })
    }
}

/// Tills for which one package does.
struct Group {
    /// Of which one; none where it is not known, or where its file has to be looked at first.
    key: Option<PackageKey>,
    wanted: Vec<Wanted>,
}

/// Tills by the package that they need now.
fn groups(packages: &PackageService, wanted: Vec<Wanted>) -> Vec<Group> {
    let asked = wanted.iter().map(|wanted| (&wanted.till, wanted.from, repair_of(&wanted.repair)));
    let keys = packages.keys_for(asked).unwrap_or_else(|error| {
        tracing::warn!(error = %error_chain(&error), "failed to look which packages tills can share; each is looked at by itself");
        Vec::new()
    });
    let mut groups: Vec<Group> = Vec::new();
    let mut places: HashMap<PackageKey, usize> = HashMap::new();
    for (wanted, key) in wanted.into_iter().zip(keys.into_iter().chain(std::iter::repeat(None))) {
        let key = key.filter(|_| wanted.bad_contents == 0);
        let place = key.as_ref().and_then(|key| places.get(key).copied());
        if let Some(place) = place {
            groups[place].wanted.push(wanted);
            continue;
        }
        places.extend(key.clone().map(|key| (key, groups.len())));
        groups.push(Group { key, wanted: vec![wanted] });
    }
    groups
}

/// How long reports wait after a pass that took so long.
fn spacing_after(pass: Duration) -> Duration {
    pass.saturating_mul(PASS_SHARE).clamp(PASS_SPACING, PASS_SPACING_AT_MOST)
}

/// Packages whose files were found sound in this pass: many tills may have rejected the same one.
pub(super) type Sound = Arc<Mutex<HashSet<PackageName>>>;

/// What a pass begins with.
pub(super) struct Decided {
    pub(super) plan: Plan,
    /// Commands that wait to be published, oldest first. What is ordered from now on goes with the
    /// next pass.
    pub(super) commands: Vec<SentCommand>,
    /// As it was then.
    network: Arc<Network>,
    /// All tills of the network.
    peers: Vec<PeerId>,
    /// Those that were removed.
    removed: Vec<PeerId>,
    /// Those that are not in contact and that nobody parked.
    silent: Vec<PeerId>,
}

/// Reads everything, decides, and writes what ends.
pub(super) fn decide_all(service: &ExchangeService, packages: &PackageService) -> Result<Decided, ExchangeError> {
    let parts = &service.parts;
    let command_deadline = SignedDuration::try_from(parts.settings.command_deadline).unwrap_or(SignedDuration::MAX);
    let mut commands = waiting_commands(parts.store.as_ref(), command_deadline)?;
    // Records first: a target read later is never older than the cursor that a till reached with
    // it.
    let mut records = parts.store.records().map_err(ExchangeError::Store)?;
    let unreadable = of_old_secrets(service, &records, Timestamp::now());
    if !unreadable.is_empty() {
        parts.store.end(&unreadable, Timestamp::now()).map_err(ExchangeError::Store)?;
        records = parts.store.records().map_err(ExchangeError::Store)?;
    }
    let targets = parts.dictionary.targets().map_err(ExchangeError::Dictionary)?;
    match packages.target_states() {
        Ok(states) => service.set_states(states),
        // They only find what differs at its target, and each goes with its revision. A disk too
        // full to note them must not hold up what tills wait for.
        Err(error) => {
            tracing::error!(error = %error_chain(&error), "failed to look at what tills should have; differences are found later");
        }
    }
    let target = |till: &TillId| targets.of.get(till).copied().unwrap_or_default();
    let tills = targets.network.tills();
    let aims: Vec<TillAim> = tills
        .map(|(till, node)| TillAim { till: till.clone(), aim: service.aim(till, target(till), node.parked) })
        .collect();
    let now = Timestamp::now();
    let silent = silent_tills(&aims, &records, parts.settings.silent_after, now);
    let mut plan = plan(&aims, &records, &parts.settings, now);
    let moment = std::time::Instant::now();
    service.pace.forget_past(moment);
    plan.announce.retain(|wanted| !wanted.is_called_for || keeps_pace(service, &wanted.till, moment));
    if !plan.ends.is_empty() {
        parts.store.end(&plan.ends, now).map_err(ExchangeError::Store)?;
        fail::fail_point!("reconciler::delivery_ended");
        for ended in plan.ends.iter().filter(|ended| ended.state == DeliveryState::Expired) {
            tracing::debug!(delivery = %ended.id, "expired");
        }
    }
    tell_settings(service, &aims, &records, &targets.network, &silent);
    // To one that was removed meanwhile nothing is sent: that would make its queues anew.
    commands.retain(|command| targets.network.node(&command.peer.clone().into()).is_some());
    let removed = targets.network.removed_tills().cloned().map(PeerId::from).collect();
    let peers = aims.into_iter().map(|aim| aim.till.into()).collect();
    Ok(Decided { plan, commands, network: targets.network, peers, removed, silent })
}

/// Links that went out before their peer got its present secret: it does not take their codes, so
/// they are superseded, and the next ones have the right code.
fn of_old_secrets(service: &ExchangeService, records: &Records, now: Timestamp) -> Vec<Ended> {
    let of_old_secret = |(peer, record): (&PeerId, &Arc<PeerRecord>)| {
        let open = record.open().filter(|open| open.state == DeliveryState::Announced)?;
        let since = service.parts.codes.secret_since(peer, now)?;
        let (seen, state) = (open.state, DeliveryState::Superseded);
        (open.created_at < since).then_some(Ended { id: open.id, seen, state, reason: ExchangeReason::NewSecret })
    };
    records.iter().filter_map(of_old_secret).collect()
}

/// A till that calls for one package after another waits, and is shown with that.
fn keeps_pace(service: &ExchangeService, till: &TillId, now: std::time::Instant) -> bool {
    let keeps_pace = service.pace.allows(till, now);
    if !keeps_pace {
        service.set_trouble(&till.clone().into(), ExchangeReason::CallsTooOften { packages: AT_ONCE });
    }
    keeps_pace
}

/// Tills that are not in contact, or never were, parked ones left out.
fn silent_tills(aims: &[TillAim], records: &Records, silent_after: Duration, now: Timestamp) -> Vec<PeerId> {
    let is_out = |peer: &PeerId| {
        let contact = records.get(peer).and_then(|record| record.contact.as_ref());
        contact.is_none_or(|contact| is_silent(contact, silent_after, now))
    };
    let looked_at = aims.iter().filter(|aim| !aim.aim.parked).map(|aim| aim.till.clone().into());
    looked_at.filter(is_out).collect()
}

/// Ends commands past their deadline, whether there is a broker or not; gives those that wait.
fn waiting_commands(store: &dyn ExchangeStore, deadline: SignedDuration) -> Result<Vec<SentCommand>, ExchangeError> {
    let now = Timestamp::now();
    // As far in the future, it was written before the clock went back.
    let earliest = now.saturating_sub(deadline).unwrap_or(Timestamp::MIN);
    let latest = now.saturating_add(deadline).unwrap_or(Timestamp::MAX);
    let (mut waiting, mut ended) = (Vec::new(), Vec::new());
    for command in store.due_commands(earliest, latest).map_err(ExchangeError::Store)? {
        if command.state == CommandState::Waiting && command.drops_what_nobody_named() {
            ended.push((command, CommandState::Failed, ExchangeReason::NamesNothing));
        } else if !(earliest..=latest).contains(&command.state_at) {
            ended.push((command, CommandState::Expired, ExchangeReason::NoAnswerInTime));
        } else if command.state == CommandState::Waiting {
            waiting.push(command);
        }
    }
    for ended in ended.chunks(ENDED_BATCH) {
        let rows = ended.iter().map(|(command, state, reason)| {
            let seen = (command.state, command.state_at);
            EndedCommand { id: command.id, seen, state: *state, reason: reason.clone() }
        });
        store.end_commands(&rows.collect::<Vec<_>>(), now).map_err(ExchangeError::Store)?;
        fail::fail_point!("reconciler::order_expired");
        for (command, _, reason) in ended {
            let reason = crate::words::in_english(&Reason::of(reason));
            tracing::warn!(till = %command.peer, command = %command.id, "{}: {reason}", command.what);
        }
    }
    Ok(waiting)
}

/// The package for a till. Where the till rejected what was inside, the file itself is looked at
/// before it is used again: a damaged one is forgotten and built anew.
pub(super) fn sound_package(
    packages: &PackageService,
    wanted: &Wanted,
    sound: &Sound,
) -> Result<Option<PackageFacts>, PackageError> {
    let find = || packages.package_for(&wanted.till, wanted.from, &repair_of(&wanted.repair));
    let Some(found) = find()? else { return Ok(None) };
    if wanted.bad_contents == 0 || sound.lock().unwrap_or_else(PoisonError::into_inner).contains(&found.name) {
        return Ok(Some(found));
    }
    if !packages.recheck(&found.name)? {
        return find();
    }
    sound.lock().unwrap_or_else(PoisonError::into_inner).insert(found.name.clone());
    Ok(Some(found))
}

fn repair_of(needs: &Needs) -> Repair {
    match needs {
        Needs::Nothing => Repair::None,
        Needs::Kinds(kinds) => Repair::Kinds(kinds.clone()),
        Needs::All => Repair::All,
    }
}

pub(super) fn delivery_of(wanted: Wanted, facts: PackageFacts) -> NewDelivery {
    let now = Timestamp::now();
    let delivery = Delivery {
        id: DeliveryId::generate(),
        peer: wanted.till.into(),
        package: facts.name,
        bytes: facts.bytes,
        objects: facts.objects,
        from: facts.from,
        to: facts.to,
        // A full package sends every kind whole, asked for or not.
        repair: if facts.full { Needs::All } else { wanted.repair },
        tries: wanted.tries,
        state: DeliveryState::Announced,
        state_at: now,
        created_at: now,
        confirmed: false,
        reason: None,
        bad_contents: wanted.bad_contents,
        cause: None,
        unanswered_since: wanted.unanswered_since.unwrap_or(now),
        replaces: wanted.claimed.filter(|claimed| facts.full && *claimed > facts.to),
    };
    NewDelivery { delivery, seen: wanted.seen }
}

fn link_message(
    parts: &ExchangeParts,
    links: &Links,
    network: &Network,
    delivery: &Delivery,
) -> Result<(MessageHead, Vec<u8>), ExchangeError> {
    let (link, until) = link_for(parts, links, network, delivery, Timestamp::now());
    let mut command = Command::new(Order::LoadPackage(PackageLink {
        delivery: delivery.id,
        package: delivery.package.clone(),
        link,
        until,
        bytes: delivery.bytes,
        from: delivery.from,
        to: delivery.to,
        objects: delivery.objects,
        replaces: delivery.replaces,
    }));
    put_along(&mut command, parts, network, &delivery.peer);
    let body = command.to_bytes().map_err(|source| ExchangeError::Message { source })?;
    let head = parts.codes.head(&delivery.peer, command.order.kind(), &command.id.to_string(), &body);
    Ok((head, body))
}

/// The link, and when it ends. A till that shows its token gets one that is worth nothing without
/// it; any other, one that opens the package by itself for a while.
fn link_for(
    parts: &ExchangeParts,
    links: &Links,
    network: &Network,
    delivery: &Delivery,
    now: Timestamp,
) -> (String, Option<Timestamp>) {
    let package = &delivery.package;
    let Some(till) = delivery.peer.till() else { return (format!("/packages/{}", package.file_name()), None) };
    let token = network.till(till).and_then(|node| node.token);
    match token.filter(|_| !parts.codes.shows_token(&delivery.peer)) {
        Some(token) => {
            let until = now.saturating_add(links::LIFE).unwrap_or(Timestamp::MAX);
            (links.alone(package, till, until, &token), Some(until))
        }
        None => (links.beside_token(package, till), None),
    }
}

//! One stream of one till, from `Hello` to the last `Ack`.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use futures_util::stream::FuturesOrdered;
use futures_util::{FutureExt, StreamExt};
use jiff::Timestamp;
use prost::Message as _;
use tillway_proto::receipt::ShiftKey;
use tillway_proto::sales::v1::{self, ServerFrame, server_frame};
use tillway_proto::sales::{
    ArrivedFrame, MAX_HELLO_BYTES, MAX_HELLO_SHIFTS, MAX_UNACKNOWLEDGED_BATCHES, MAX_UNKNOWN_FRAMES, SALES_SCHEMA,
    named_shifts,
};
use tillway_proto::{PeerId, ShopId, TillId};
use tokio::sync::mpsc;
use tokio::time::{Instant, MissedTickBehavior, timeout, timeout_at};
use tokio_util::sync::CancellationToken;
use tonic::{Status, Streaming};

use super::batch::{self, Sender, Sorted};
use super::notes::Notes;
use super::registry::{Place, Registry};
use super::{Deps, superseded};
use crate::network::AuthError;
use crate::sales::database::{Database, DatabaseDown};
use crate::sales::receipt::MAX_NUMBER;
use crate::sales::spool::{AppendError, Held};
use crate::store::sales::{FindingReason, NewFinding, StreamNote};

/// Longest name of an instance or version of an agent.
const MAX_NAME_BYTES: usize = 128;

/// Receipts in one part of a `Holding`: 1 MiB of UUIDs, and their numbers.
const HOLDING_PART: usize = 64 * 1024;

/// Shifts that the database is asked about in one go: a till unloads a few, and what is read of
/// many does not fill the memory.
const SHIFTS_AT_ONCE: usize = 16;

/// Most refused documents told in one `Ack`, so that it fits a frame.
const MAX_REFUSED_PER_ACK: usize = 2_000;

/// How often it is looked whether the token of an open stream still lets in: who was removed or
/// has a new secret is out within some seconds.
const LOOK_PERIOD: Duration = Duration::from_secs(3);

type Ended = Box<Status>;

/// Answer to one batch that was handed to the spool.
struct Durable {
    sequence: u64,
    refused: Vec<v1::Refused>,
    outcome: Result<(), Ended>,
}

/// Who has opened a stream.
pub(super) struct Login {
    /// The till whose token it showed.
    pub(super) till: TillId,
    /// Where that stands.
    pub(super) shop: ShopId,
    pub(super) token: String,
    /// The address.
    pub(super) from: String,
}

pub(super) struct Session {
    deps: Deps,
    database: Database,
    registry: Registry,
    notes: Notes,
    login: Login,
    answers: mpsc::Sender<Result<ServerFrame, Status>>,
    shutdown: CancellationToken,
}

impl Session {
    pub(super) fn new(
        deps: Deps,
        database: Database,
        registry: Registry,
        notes: Notes,
        login: Login,
        answers: mpsc::Sender<Result<ServerFrame, Status>>,
        shutdown: CancellationToken,
    ) -> Self {
        Self { deps, database, registry, notes, login, answers, shutdown }
    }

    /// Runs the stream to its end; an error is the status it ends with.
    pub(super) async fn run(&self, mut frames: Streaming<ArrivedFrame>) -> Result<(), Ended> {
        let hello = self.hello(&mut frames).await?;
        let (till, shifts) = check_hello(&hello)?;
        let shop = self.shop_of(&till)?;
        let sender = Sender { till, shop, instance: hello.instance.clone() };
        let place = self.enter(&sender).await?;
        self.note(&sender, &hello);
        self.state_what_is_here(&sender.till, &shifts).await?;
        let ended = self.take_batches(&sender, &place, frames).await;
        tracing::debug!(till = %sender.till, ok = ended.is_ok(), "sales stream ended");
        ended
    }

    async fn hello(&self, frames: &mut Streaming<ArrivedFrame>) -> Result<v1::Hello, Ended> {
        let first = timeout(self.deps.deadlines.hello, frames.message())
            .await
            .map_err(|_| Box::new(Status::deadline_exceeded("no `Hello` came")))??;
        match first {
            Some(ArrivedFrame { hello: Some(hello), batch: None }) => read_hello(&hello),
            _ => Err(Box::new(Status::invalid_argument("the first frame must be `Hello`"))),
        }
    }

    /// The shop of the till that says `Hello`, which must be the one that has logged in.
    fn shop_of(&self, till: &TillId) -> Result<ShopId, Ended> {
        if *till == self.login.till {
            return Ok(self.login.shop.clone());
        }
        self.deps.intruders.in_others_name(&self.login.till, till.as_str(), &self.login.from);
        Err(Box::new(refused(&AuthError::WrongToken)))
    }

    /// Whether its token is still the till's. Where that cannot be told now, it was at the start
    /// of the stream.
    async fn still_lets_in(&self, till: &TillId) -> Result<(), Ended> {
        let (auth, till, token) = (Arc::clone(&self.deps.auth), till.clone(), self.login.token.clone());
        match tokio::task::spawn_blocking(move || auth.authenticate(&till, &token)).await {
            Ok(Err(error @ (AuthError::WrongToken | AuthError::UnknownTill))) => Err(Box::new(refused(&error))),
            _ => Ok(()),
        }
    }

    async fn enter(&self, sender: &Sender) -> Result<Place, Ended> {
        let taken = match self.registry.enter(&sender.till, &sender.instance) {
            Ok(place) => return Ok(place),
            Err(taken) => taken,
        };
        let finding = NewFinding {
            reason: FindingReason::TwoMachines { instance: taken.instance.clone(), refused: sender.instance.clone() },
            till: Some(sender.till.clone()),
            shift: None,
            subject: "two machines".to_owned(),
            at: Timestamp::now(),
        };
        // The refusal stands whether or not it can be noted.
        let _ = self.database.write(move |store| store.add_finding(&finding)).await;
        Err(Box::new(Status::failed_precondition(
            "another machine is sending sales for this till now: one of the two has a copy of its settings",
        )))
    }

    /// Notes the stream where the database answers; receipts are taken in any case.
    fn note(&self, sender: &Sender, hello: &v1::Hello) {
        self.notes.add(StreamNote {
            till: sender.till.clone(),
            shop: sender.shop.clone(),
            instance: sender.instance.clone(),
            agent_version: hello.agent_version.clone(),
            at: Timestamp::now(),
        });
    }

    /// A `Holding` for each shift, the spool asked before the database: what is loaded in between
    /// is seen in both. Without the database it is what the spool has, marked as partial.
    async fn state_what_is_here(&self, till: &TillId, shifts: &[ShiftKey]) -> Result<(), Ended> {
        let pending = self.deps.spool.last_receipt_time(till);
        let none = [ShiftKey::default()];
        let asked = if shifts.is_empty() { &none[..] } else { shifts };
        let mut groups = asked.chunks(SHIFTS_AT_ONCE).peekable();
        let mut last_receipt_time = None;
        let mut partial = false;
        while let Some(group) = groups.next() {
            let (held, loaded_time) = self.held(till, group, last_receipt_time.is_none(), &mut partial).await;
            if partial && shifts.is_empty() {
                // The stream only asks what is here, and that cannot be told.
                return Err(Box::new(Status::unavailable(
                    "the server's sales database does not answer; try again later",
                )));
            }
            let time = last_receipt_time.get_or_insert_with(|| pending.clone().max(loaded_time).unwrap_or_default());
            let last_group = groups.peek().is_none();
            for (index, (shift, held)) in group.iter().zip(held).enumerate() {
                let last_shift = last_group && index + 1 == group.len();
                let parts = held.receipts.len().div_ceil(HOLDING_PART).max(1);
                for part in 0..parts {
                    let receipts = held.receipts.iter().skip(part * HOLDING_PART).take(HOLDING_PART);
                    let holding = v1::Holding {
                        shift: shift.number.0,
                        opened: shift.opened.to_wire(),
                        receipts: receipts.clone().flat_map(|receipt| *receipt.uuid.as_bytes()).collect(),
                        numbers: receipts.map(|receipt| receipt.number.0).collect(),
                        closed: held.closed,
                        last_receipt_time: time.clone(),
                        last: last_shift && part + 1 == parts,
                        partial,
                    };
                    self.answer(server_frame::Frame::Holding(holding)).await?;
                }
            }
        }
        Ok(())
    }

    /// What is here of some shifts, and where `with_time` is set the end of the till's newest
    /// receipt in the database; sets `partial` where the database does not answer, and leaves it
    /// alone where it is set: each further question would wait as long.
    async fn held(
        &self,
        till: &TillId,
        shifts: &[ShiftKey],
        with_time: bool,
        partial: &mut bool,
    ) -> (Vec<Held>, Option<String>) {
        let mut held: Vec<Held> = shifts.iter().map(|shift| self.deps.spool.held(till, *shift)).collect();
        let mut time = None;
        if !*partial {
            let (till, asked) = (till.clone(), shifts.to_vec());
            let read = self.database.read(move |store| {
                let time = if with_time { store.last_receipt_time(&till)? } else { None };
                let loaded = asked.iter().map(|shift| store.held(&till, *shift));
                Ok((loaded.collect::<Result<Vec<Held>, _>>()?, time))
            });
            match read.await {
                Ok((loaded, loaded_time)) => {
                    for (held, loaded) in held.iter_mut().zip(loaded) {
                        held.receipts.extend(loaded.receipts);
                        held.closed |= loaded.closed;
                    }
                    time = loaded_time.map(|time| time.to_string());
                }
                Err(DatabaseDown) => *partial = true,
            }
        }
        for held in &mut held {
            let mut seen = HashSet::with_capacity(held.receipts.len());
            held.receipts.retain(|receipt| seen.insert(*receipt));
        }
        (held, time)
    }

    async fn take_batches(
        &self,
        sender: &Sender,
        place: &Place,
        mut frames: Streaming<ArrivedFrame>,
    ) -> Result<(), Ended> {
        let most = usize::try_from(MAX_UNACKNOWLEDGED_BATCHES).unwrap_or(usize::MAX);
        let idle = self.deps.deadlines.idle;
        let mut quiet_until = Instant::now() + idle;
        let mut look = tokio::time::interval_at(Instant::now() + LOOK_PERIOD, LOOK_PERIOD);
        look.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut under_way = FuturesOrdered::new();
        let (mut expected, mut unknown) = (1, 0);
        // Why nothing more is read; what is under way is still answered.
        let mut farewell: Option<Result<(), Ended>> = None;
        loop {
            if under_way.is_empty()
                && let Some(farewell) = farewell
            {
                return farewell;
            }
            tokio::select! {
                () = place.superseded.cancelled() => {
                    return Err(Box::new(superseded()));
                }
                () = self.shutdown.cancelled(), if farewell.is_none() => {
                    farewell = Some(Err(Box::new(Status::unavailable("the server is stopping"))));
                }
                Some(durable) = under_way.next(), if !under_way.is_empty() => {
                    let mut ready = vec![durable];
                    while let Some(Some(next)) = under_way.next().now_or_never() {
                        ready.push(next);
                    }
                    self.acknowledge(ready).await?;
                    // While it waited for us it could say nothing.
                    place.heard();
                    quiet_until = Instant::now() + idle;
                }
                _ = look.tick(), if farewell.is_none() => {
                    farewell = self.still_lets_in(&sender.till).await.err().map(Err);
                }
                frame = timeout_at(quiet_until, frames.message()), if farewell.is_none() && under_way.len() < most => {
                    quiet_until = Instant::now() + idle;
                    let Ok(frame) = frame else {
                        if under_way.is_empty() {
                            return Err(Box::new(Status::deadline_exceeded("nothing came for too long")));
                        }
                        continue;
                    };
                    place.heard();
                    match frame {
                        Ok(None) => farewell = Some(Ok(())),
                        Ok(Some(ArrivedFrame { hello: None, batch: Some(arrived) })) => {
                            match batch::sort(sender, &arrived, expected, Timestamp::now()) {
                                Ok(Sorted { record, refused, in_name_of }) => {
                                    if let Some(other) = in_name_of {
                                        let Login { till, from, .. } = &self.login;
                                        self.deps.intruders.in_others_name(till, &other, from);
                                    }
                                    let answered = self.deps.spool.append_record(record).await;
                                    under_way.push_back(durable(expected, refused, answered));
                                    expected += 1;
                                }
                                Err(status) => farewell = Some(Err(status)),
                            }
                        }
                        // Of a kind that only a newer agent knows.
                        Ok(Some(ArrivedFrame { hello: None, batch: None })) if unknown < MAX_UNKNOWN_FRAMES => {
                            unknown += 1;
                        }
                        Ok(Some(_)) => {
                            farewell = Some(Err(Box::new(Status::invalid_argument("expected a `Batch`"))));
                        }
                        Err(status) => farewell = Some(Err(Box::new(status))),
                    }
                }
            }
        }
    }

    /// Acknowledges batches in order; the first that is not durable ends the stream.
    async fn acknowledge(&self, ready: Vec<Durable>) -> Result<(), Ended> {
        let mut ack = v1::Ack::default();
        let mut failed = None;
        for durable in ready {
            if let Err(status) = durable.outcome {
                failed = Some(status);
                break;
            }
            if ack.refused.len() + durable.refused.len() > MAX_REFUSED_PER_ACK {
                self.answer(server_frame::Frame::Ack(std::mem::take(&mut ack))).await?;
            }
            ack.through = durable.sequence;
            ack.refused.extend(durable.refused);
        }
        if ack.through > 0 {
            self.answer(server_frame::Frame::Ack(ack)).await?;
        }
        failed.map_or(Ok(()), Err)
    }

    async fn answer(&self, frame: server_frame::Frame) -> Result<(), Ended> {
        let frame = ServerFrame { frame: Some(frame) };
        self.answers
            .send_timeout(Ok(frame), self.deps.deadlines.answer)
            .await
            .map_err(|_| Box::new(Status::deadline_exceeded("the till takes no answers")))
    }
}

async fn durable(
    sequence: u64,
    refused: Vec<v1::Refused>,
    answered: tokio::sync::oneshot::Receiver<Result<crate::sales::spool::Position, AppendError>>,
) -> Durable {
    let outcome = match answered.await {
        Ok(Ok(_)) => Ok(()),
        Ok(Err(error @ AppendError::TooLarge { .. })) => Err(Box::new(Status::invalid_argument(error.to_string()))),
        Ok(Err(error)) => Err(Box::new(Status::resource_exhausted(error.to_string()))),
        Err(_) => Err(Box::new(stopped_working())),
    };
    Durable { sequence, refused, outcome }
}

/// What a till is told that may not send.
pub(super) fn refused(error: &AuthError) -> Status {
    let text = error.to_string();
    match error {
        AuthError::UnknownTill => Status::not_found(text),
        AuthError::WrongToken => Status::unauthenticated(text),
        AuthError::Unavailable { .. } => Status::unavailable(text),
    }
}

fn read_hello(bytes: &[u8]) -> Result<v1::Hello, Ended> {
    if bytes.len() > MAX_HELLO_BYTES {
        let text = format!("a `Hello` of {} bytes, at most {MAX_HELLO_BYTES} are taken", bytes.len());
        return Err(Box::new(Status::invalid_argument(text)));
    }
    v1::Hello::decode(bytes).map_err(|error| Box::new(Status::invalid_argument(format!("no `Hello`: {error}"))))
}

fn check_hello(hello: &v1::Hello) -> Result<(TillId, Vec<ShiftKey>), Ended> {
    if hello.schema != SALES_SCHEMA {
        return Err(Box::new(Status::failed_precondition(format!(
            "the till speaks version {} of the sales protocol, this server version {SALES_SCHEMA}: upgrade the older one",
            hello.schema
        ))));
    }
    let wrong = |text: String| Box::new(Status::invalid_argument(text));
    if hello.instance.is_empty() || hello.instance.len() > MAX_NAME_BYTES || hello.agent_version.len() > MAX_NAME_BYTES
    {
        return Err(wrong(format!("instance and agent version must have up to {MAX_NAME_BYTES} bytes")));
    }
    if hello.shifts.len() > MAX_HELLO_SHIFTS {
        let text = format!("{} shifts in one stream, at most {MAX_HELLO_SHIFTS} are taken", hello.shifts.len());
        return Err(wrong(text));
    }
    if hello.shifts.iter().any(|shift| *shift > MAX_NUMBER) {
        return Err(wrong(format!("a shift number above {MAX_NUMBER}")));
    }
    let shifts = named_shifts(hello).ok_or_else(|| {
        wrong("opening times of shifts that are not in step with their numbers, or are no date-times".to_owned())
    })?;
    match hello.peer_id.parse().map_err(|error: tillway_proto::IdError| wrong(error.to_string()))? {
        PeerId::Till(till) => Ok((till, shifts)),
        PeerId::Shop(shop) => Err(wrong(format!("{shop} is a shop: this server takes the sales of tills alone"))),
    }
}

fn stopped_working() -> Status {
    Status::unavailable("the server is stopping or failed; try again later")
}

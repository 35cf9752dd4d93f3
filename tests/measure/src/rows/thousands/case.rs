//! One fleet on one server: made, brought up to date, and told of changes.

use crate::amqp::{self, Address};
use crate::data::{self, Assortment, Good};
use crate::figure::{Outcome, Usage, of_u64};
use crate::{Context, MeasureError, progress, shop, usage};
use fs_err as fs;
use jiff::Timestamp;
use rusqlite::{Connection, OpenFlags};
use std::fmt;
use std::thread;
use std::time::{Duration, Instant};
use tillway_proto::DictionaryQueue;
use tillway_tests::bench::{Api, TestBench};
use tillway_tests::fleet::{Apply, Fleet, FleetOptions};
use tillway_tests::wait::{Seen, wait_for};

/// The server's process in [`Outcome::usage`].
pub(super) const SERVER: &str = "server";

/// Goods of the chain, and how many of them get another price: what a till has matters little
/// here, what it is told does.
const GOODS: usize = 2_000;
const CHANGED: usize = 20;

/// Messages of the bare publisher under way without a confirm: with more it gets no faster.
const UNDER_WAY: usize = 1_000;

/// About the length of a link.
const MESSAGE_BYTES: usize = 430;

/// Ten thousand tills, of which each makes two quorum queues.
const SETTLE_TIME: Duration = Duration::from_mins(15);

/// A change on its way to all tills.
const CHANGE_TIME: Duration = Duration::from_mins(5);

/// Between two looks at the server's own record: when things happened stands in it, and who looks
/// takes from the processors that are measured.
const LOOK_EVERY: Duration = Duration::from_millis(10);

/// Where a look takes long, so many times as long passes before the next.
const LOOK_SHARE: u32 = 20;

/// In [`Outcome::figures`]: seconds from the first delivery written to the last link confirmed.
pub(super) const LINKS_ALONE: &str = "links alone";

/// How many tills where.
pub(super) struct Case {
    pub(super) tills: usize,
    pub(super) shops: usize,
    pub(super) rounds: usize,
}

impl fmt::Display for Case {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shops = if self.shops == 1 { "one shop".to_owned() } else { format!("{} shops", self.shops) };
        write!(f, "{} tills in {shops}", self.tills)
    }
}

/// What came out.
pub(super) struct Measured {
    pub(super) raw: Vec<Outcome>,
    pub(super) announced: Vec<Outcome>,
    pub(super) acknowledged: Vec<Outcome>,
    /// Packages built a change.
    pub(super) packages: f64,
    /// Memory of the server in the end.
    pub(super) resident: u64,
    /// Memory of the broker in the end.
    pub(super) broker: u64,
    /// Seconds until they were made, until their queues were, and until they had everything.
    pub(super) attached_s: f64,
    pub(super) queues_s: f64,
    pub(super) settled_s: f64,
}

struct Running {
    bench: TestBench,
    fleet: Fleet,
    office: Api,
    exchange: Connection,
    goods: Vec<Good>,
    changes: i64,
}

impl Case {
    pub(super) fn measure(&self, context: &Context) -> Result<Measured, MeasureError> {
        let goods: Vec<Good> = context.data.goods(Assortment::StoreAfter)?.iter().take(GOODS).cloned().collect();
        let bench = shop::server_alone()?;
        shop::load(&bench.server, "All", &goods)?;
        progress(&format!("{self}: making them"));
        let started = Instant::now();
        let options = FleetOptions {
            shops: self.shops,
            tills: self.tills,
            apply: Apply::Headers,
            share_downloads: true,
            contact_period: Duration::from_mins(5),
            ..FleetOptions::default()
        };
        let fleet = Fleet::attach(&bench, &options).map_err(MeasureError::Fleet)?;
        let attached_s = started.elapsed().as_secs_f64();
        let mut running = Running::over(bench, fleet, goods)?;
        progress(&format!("{self}: waiting for their queues"));
        let started = Instant::now();
        running.fleet.wait_for_queues(&running.bench, SETTLE_TIME).map_err(MeasureError::TimedOut)?;
        let queues_s = started.elapsed().as_secs_f64();
        progress(&format!("{self}: bringing them up to date"));
        let started = Instant::now();
        running.wake()?;
        let settled_s = started.elapsed().as_secs_f64();
        running.wait_for_orders()?;
        let mut measured = Measured {
            raw: Vec::new(),
            announced: Vec::new(),
            acknowledged: Vec::new(),
            packages: 0.0,
            resident: 0,
            broker: 0,
            attached_s,
            queues_s,
            settled_s,
        };
        let raw = Raw::open(&running)?;
        let (before, began) = (running.packages()?, running.changes);
        for round in 0..self.rounds {
            progress(&format!("{self}: round {} of {}", round + 1, self.rounds));
            running.sleep()?;
            // The first fills the queues, so that each message of the second takes the place of
            // another, as ours do.
            raw.publish()?;
            measured.raw.push(raw.publish()?);
            measured.announced.push(running.change("confirmed = 1")?);
            running.wake()?;
            measured.acknowledged.push(running.change("state = 'applied'")?);
        }
        measured.packages = (running.packages()? - before) / data_count(running.changes - began);
        measured.resident = usage::resident(running.pid()?)?;
        measured.broker = running.broker_memory()?;
        Ok(measured)
    }
}

#[expect(clippy::cast_precision_loss, reason = "a handful of changes")]
fn data_count(count: i64) -> f64 {
    count as f64
}

impl Running {
    fn over(bench: TestBench, fleet: Fleet, goods: Vec<Good>) -> Result<Self, MeasureError> {
        let credentials = bench.server.data().join("credentials/backoffice");
        let credentials = fs::read_to_string(credentials).map_err(MeasureError::File)?;
        let office = Api::new(&format!("http://127.0.0.1:{}", bench.server.ports.aif), &credentials);
        let office = office.map_err(|error| MeasureError::wrong("the back office", error))?;
        let path = bench.server.data().join("exchange.db");
        let exchange = Connection::open_with_flags(&path, OpenFlags::SQLITE_OPEN_READ_ONLY);
        let exchange = exchange.map_err(MeasureError::sql(&path))?;
        Ok(Self { bench, fleet, office, exchange, goods, changes: 0 })
    }

    fn pid(&self) -> Result<u32, MeasureError> {
        self.bench.server.pid().ok_or_else(|| MeasureError::wrong("the server", "it does not run"))
    }

    /// What the whole node has, which serves nobody else.
    fn broker_memory(&self) -> Result<u64, MeasureError> {
        let broker = self.bench.node().map_err(MeasureError::Bench)?;
        broker.count("erlang:memory(total)").map_err(|error| MeasureError::wrong("the broker's memory", error))
    }

    /// Package files that the server has.
    fn packages(&self) -> Result<f64, MeasureError> {
        let folder = self.bench.server.data().join("packages");
        let files = fs::read_dir(folder).map_err(MeasureError::File)?.filter_map(Result::ok);
        let packages = files.filter(|file| file.path().extension().is_some_and(|extension| extension == "twp"));
        Ok(crate::figure::as_f64(packages.count()))
    }

    /// All tills are on and have everything, and the server knows.
    fn wake(&self) -> Result<(), MeasureError> {
        self.fleet.wake(0..self.fleet.len());
        wait_for("the fleet to have everything", SETTLE_TIME, || {
            let there = "SELECT count(*) FROM contact WHERE cursor = (SELECT max(to_revision) FROM delivery)";
            match (self.count(there), self.count("SELECT count(*) FROM delivery WHERE ended = 0")) {
                (Ok(there), Ok(open)) => {
                    let state = format!(
                        "{there} of {} are there, {open} on their way; {}",
                        self.fleet.len(),
                        self.fleet.trouble()
                    );
                    Seen::when(there == self.fleet.len() && open == 0, Ok(()), state)
                }
                (Err(error), _) | (_, Err(error)) => Seen::Ready(Err(error)),
            }
        })
        .map_err(MeasureError::TimedOut)?
    }

    /// Each new till was asked for its sales: work of its own, which no change of a price makes.
    fn wait_for_orders(&self) -> Result<(), MeasureError> {
        wait_for("the new tills to be asked for their sales", SETTLE_TIME, || {
            match self.count("SELECT count(*) FROM command WHERE state <> 'waiting'") {
                Ok(asked) => Seen::when(asked >= self.fleet.len(), Ok(()), format!("{asked} of {}", self.fleet.len())),
                Err(error) => Seen::Ready(Err(error)),
            }
        })
        .map_err(MeasureError::TimedOut)?
    }

    /// All tills are off, and nobody takes from their queues.
    fn sleep(&self) -> Result<(), MeasureError> {
        self.fleet.silence(0..self.fleet.len());
        wait_for("the fleet to be off", CHANGE_TIME, || {
            let on = self.fleet.awake();
            Seen::when(on == 0, (), format!("{on} are on"))
        })
        .map_err(MeasureError::TimedOut)
    }

    /// Changes prices of the chain, and waits until the delivery of each till is what `done` says.
    fn change(&mut self, done: &str) -> Result<Outcome, MeasureError> {
        let mut commands = Vec::with_capacity(CHANGED);
        self.changes += 1;
        for good in self.goods.iter().take(CHANGED) {
            let mut command = String::new();
            let good = Good { kopecks: 10_000_000 + self.changes, ..good.clone() };
            data::write_command(&good, &mut command).map_err(MeasureError::File)?;
            commands.push(command);
        }
        let last = self.newest()?;
        let before = self.usage()?;
        let asked = self.office.post_text(
            "/aifexchange/loaddicts",
            &[("shopcode", "All")],
            format!("[{}]", commands.join(",")),
        );
        let (started, answered) = (Instant::now(), Timestamp::now());
        asked.map_err(|error| MeasureError::wrong("a change of prices over REST", error))?;
        let count = format!("SELECT count(DISTINCT till) FROM delivery WHERE id > ? AND {done}");
        loop {
            let looked = Instant::now();
            let reached = self.number(&count, &last)?;
            if reached == self.fleet.len() as u64 {
                let after = self.usage()?;
                let processor_s = after.processor_s - before.processor_s;
                let used = Usage { peak_bytes: after.peak_bytes, processor_s };
                // The server's own times, in whole milliseconds; the links alone count from the
                // first delivery, whatever came before.
                let ended = self.number("SELECT max(state_at) FROM delivery WHERE id > ?", &last)?;
                let first = self.number("SELECT min(created_at) FROM delivery WHERE id > ?", &last)?;
                let since = |began: u64| of_u64(ended.saturating_sub(began)) / 1_000.0;
                let seconds = since(u64::try_from(answered.as_millisecond()).unwrap_or_default());
                return Ok(Outcome::of_seconds(seconds).by(SERVER, used).with(LINKS_ALONE, since(first)));
            }
            if started.elapsed() > CHANGE_TIME {
                let why = format!("{reached} of {} tills came to {done}; {}", self.fleet.len(), self.fleet.trouble());
                return Err(MeasureError::wrong("a change of prices", why));
            }
            thread::sleep(LOOK_EVERY.max(looked.elapsed() * LOOK_SHARE));
        }
    }

    fn usage(&self) -> Result<Usage, MeasureError> {
        usage::of_process(self.pid()?)
    }

    /// The newest delivery: later ones have larger ids.
    fn newest(&self) -> Result<Vec<u8>, MeasureError> {
        self.ask("SELECT max(id) FROM delivery", (), |row| row.get(0))
    }

    /// A number over the deliveries after one.
    fn number(&self, sql: &str, after: &[u8]) -> Result<u64, MeasureError> {
        self.ask(sql, [after], |row| row.get(0)).map(|number: i64| u64::try_from(number).unwrap_or(0))
    }

    /// From the server's own record of deliveries, read beside it: asking ten thousand times over
    /// REST would be work of its.
    fn count(&self, sql: &str) -> Result<usize, MeasureError> {
        self.ask(sql, (), |row| row.get(0)).map(|count: i64| usize::try_from(count).unwrap_or(0))
    }

    fn ask<T>(
        &self,
        sql: &str,
        values: impl rusqlite::Params,
        read: impl FnOnce(&rusqlite::Row<'_>) -> rusqlite::Result<T>,
    ) -> Result<T, MeasureError> {
        let found = self.exchange.prepare_cached(sql).and_then(|mut query| query.query_row(values, read));
        found.map_err(MeasureError::sql(&self.bench.server.data().join("exchange.db")))
    }
}

/// The bare publisher.
struct Raw {
    runtime: tokio::runtime::Runtime,
    _connection: lapin::Connection,
    channel: lapin::Channel,
    queues: Vec<String>,
}

impl Raw {
    fn open(running: &Running) -> Result<Self, MeasureError> {
        let runtime = amqp::runtime()?;
        let address = Address::of(&running.bench)?;
        let (connection, channel) = runtime.block_on(async {
            let connection = address.connect().await?;
            let channel = amqp::publisher(&connection).await?;
            Ok::<_, MeasureError>((connection, channel))
        })?;
        let queues =
            running.fleet.ids().iter().map(|till| DictionaryQueue::of(&till.clone().into()).to_string()).collect();
        Ok(Self { runtime, _connection: connection, channel, queues })
    }

    fn publish(&self) -> Result<Outcome, MeasureError> {
        let body = vec![b' '; MESSAGE_BYTES];
        let started = Instant::now();
        self.runtime.block_on(amqp::publish_all(&self.channel, &self.queues, &body, UNDER_WAY))?;
        Ok(Outcome::of_seconds(started.elapsed().as_secs_f64()))
    }
}

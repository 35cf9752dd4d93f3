//! The sweep: a daemon is ended at each crash point in turn, started again, and everything must be
//! as if nothing had been.
//!
//! One chain serves all points of one daemon, one after another. A point is armed, then what
//! passes it is done until the daemon ends there; a few points are passed only on occasions of
//! their own ([`Occasion`]). The checks are those of the storm: the model for dictionaries, what
//! was rung for sales.

mod occasions;

pub use occasions::Occasion;

use super::look;
use super::model::{Fate, Judgement};
use super::office::{self, Delivery};
use super::points::{OF_AGENT, OF_SERVER, Point};
use super::{Storm, StormError, StormOptions, sales_db};
use crate::bench::BenchError;
use crate::process::End;
use crate::wait::{Seen as Looked, TimedOut, wait_for};
use serde_json::json;
use std::io::{self, Read as _, Write as _};
use std::net::{Ipv4Addr, TcpListener};
use std::thread;
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// A point is passed well within this, also beside other tests on two cores.
const REACHED: Duration = Duration::from_secs(40);

/// After a point everything is right again within this: deadlines of the bench and back-offs on
/// top of each other.
const RIGHT_AGAIN: Duration = Duration::from_mins(3);

/// Between two rounds of what passes a point.
const ROUND_EVERY: Duration = Duration::from_millis(1_500);

/// Between two looks whether a daemon has ended.
const LOOK_EVERY: Duration = Duration::from_millis(40);

/// Names the points at which a daemon ends.
const CRASH: &str = tillway_proto::process::CRASH_VARIABLE;

/// Which daemon passes a point.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Who {
    /// The cash server.
    Server,
    /// The agent of a till.
    Agent,
}

/// What came of a point.
#[derive(Debug)]
pub enum Reached {
    /// The daemon ended there.
    Ended,
    /// It never did.
    Never,
    /// It ended otherwise.
    Otherwise(End),
}

/// The daemon that passes a point: the crate says so, and for what both have a part of, the
/// folder, or the module.
pub fn who(point: &Point) -> Who {
    // Of the crate for files that both use, the queue itself is on tills.
    if point.name.starts_with("queue::") {
        return Who::Agent;
    }
    let of_till = point.file.components().any(|part| part.as_os_str() == "till");
    match (OF_SERVER.contains(&point.place.as_str()), OF_AGENT.contains(&point.place.as_str())) {
        (true, false) => Who::Server,
        (true, true) if !of_till => Who::Server,
        _ => Who::Agent,
    }
}

/// A chain for a sweep.
#[derive(Debug)]
pub struct Sweep {
    storm: Storm,
    /// A till that is never switched on: what waits for it is superseded and expires.
    silent_till: String,
    /// A till made in the last round; it goes in this one, with what is on its way to it.
    passing_till: Option<String>,
    /// Whether the silent till is parked.
    silent_parked: bool,
    /// Batches of sales may lie aside, and must be put back.
    may_lie_aside: bool,
    /// The back office takes files of sales here.
    office: TempDir,
    rounds: u32,
}

impl Sweep {
    /// Sets it up: one till, no weather.
    pub fn start() -> Result<Self, StormError> {
        let office = tempfile::tempdir().map_err(StormError::File)?;
        let settings = vec![("sales.handover_dir".to_owned(), format!("'{}'", office.path().display()))];
        let options =
            StormOptions { tills: 1, quiet: true, hostile: false, settings, ..StormOptions::new(1, Duration::ZERO) };
        let mut storm = Storm::start(options)?;
        let silent_till = storm.bench.server.create_node("shop-2", "till", "90").map_err(StormError::Bench)?.id;
        storm.status_server = Some(status_server().map_err(StormError::File)?);
        Ok(Self {
            storm,
            silent_till,
            passing_till: None,
            silent_parked: false,
            may_lie_aside: false,
            office,
            rounds: 0,
        })
    }

    /// Where everything lies.
    pub fn folder(&self) -> &std::path::Path {
        self.storm.folder()
    }

    /// Ends the daemon at a point.
    pub fn pass(&mut self, point: &Point, occasion: Occasion) -> Result<Reached, StormError> {
        self.prepare(who(point), occasion)?;
        let mut environment = vec![(CRASH, point.name.as_str())];
        environment.extend(Self::environment_of(occasion));
        self.may_lie_aside |= occasion == Occasion::BrokenBatch;
        match who(point) {
            Who::Server => {
                self.storm.bench.server.kill();
                self.storm.bench.server.launch_with_env(environment).map_err(StormError::Bench)?;
            }
            Who::Agent => self.storm.tills[0].till.start_agent_with_env(environment).map_err(StormError::Bench)?,
        }
        let started = Instant::now();
        let mut last_round: Option<Instant> = None;
        let mut end = None;
        while started.elapsed() < REACHED && end.is_none() {
            if last_round.is_none_or(|last| last.elapsed() >= ROUND_EVERY) {
                self.round()?;
                self.act(occasion)?;
                last_round = Some(Instant::now());
            }
            self.go_on(occasion);
            thread::sleep(LOOK_EVERY);
            end = match who(point) {
                Who::Server => self.storm.bench.server.has_ended(),
                Who::Agent => self.storm.tills[0].till.has_ended(),
            };
        }
        self.start_again(who(point), end.is_some())?;
        Ok(match end {
            None => Reached::Never,
            Some(end) if end.crash_point.as_deref() == Some(point.name.as_str()) => Reached::Ended,
            Some(end) => Reached::Otherwise(end),
        })
    }

    fn start_again(&mut self, who: Who, ended: bool) -> Result<(), StormError> {
        self.storm.tills[0].observer.hold().blind = false;
        self.storm.tills[0].observer.hold().put_back = true;
        match (who, ended) {
            // What was armed and not passed stays armed: nothing may end there later.
            (Who::Server, _) => {
                self.storm.bench.server.kill();
                self.storm.start_server(false)?;
                self.storm.bench.server.wait_until_it_answers().map_err(StormError::Bench)
            }
            (Who::Agent, _) => {
                self.storm.tills[0].till.kill_agent();
                self.storm.start_agent(0, false)
            }
        }
    }

    /// Waits until everything is as it must be: the till's dictionary, every receipt once.
    pub fn right_again(&mut self) -> Result<(), TimedOut> {
        wait_for("everything to be right again", RIGHT_AGAIN, || match self.wrong() {
            Ok(None) => Looked::Ready(()),
            Ok(Some(wrong)) => Looked::NotYet(wrong),
            Err(error) => Looked::NotYet(format!("{error:?}")),
        })
    }

    /// Waits until nothing at all is under way, as at the end of a storm; gives what was found.
    pub fn end(mut self) -> Result<Vec<super::Finding>, StormError> {
        // Tills that nobody runs: the silent one, and those of rounds of which the server told
        // nobody before it ended.
        let server = &self.storm.bench.server;
        let api = server.api().map_err(StormError::Bench)?;
        for node in server.nodes().map_err(StormError::Bench)? {
            if let (Some(id), true) = (node["id"].as_str(), node["level"] == "till")
                && id != self.storm.tills[0].till.id
            {
                let removed = api.json(&reqwest::Method::DELETE, &format!("/api/v1/nodes/{id}"), None);
                removed.map_err(|error| StormError::Bench(BenchError::Api(error)))?;
            }
        }
        self.storm.judge_calm(&mut |_| ())?;
        Ok(self.storm.end().findings)
    }

    /// Waits until nothing is told any more.
    fn until(what: &str, mut lacks: impl FnMut() -> Option<String>) -> Result<(), StormError> {
        let waited = wait_for(what, RIGHT_AGAIN, || lacks().map_or(Looked::Ready(()), Looked::NotYet));
        waited.map_err(|error| StormError::Bench(BenchError::TimedOut(error)))
    }

    fn wrong(&mut self) -> Result<Option<String>, StormError> {
        if !self.storm.learn() {
            return Ok(Some("the server does not answer".to_owned()));
        }
        if self.may_lie_aside {
            let aside = self.settle_batches().map_err(StormError::Bench)?;
            if !aside.is_empty() {
                return Ok(Some(format!("{aside:?} lay aside")));
            }
            self.may_lie_aside = false;
        }
        if let Some(finding) = self.storm.findings().first() {
            return Ok(Some(format!("{finding:?}")));
        }
        if let Some(left) = self.storm.model.leftovers().first() {
            return Ok(Some(left.clone()));
        }
        let (till, head) = (&self.storm.tills[0], self.storm.model.head());
        let path = till.till.dictionaries();
        let failed = |source| StormError::Sql { path: path.clone(), source };
        let mut connection = look::open(&path).map_err(failed)?;
        let looked = look::look(&mut connection, &office::sentinels(), |_| true).map_err(failed)?;
        let Some((cursor, state)) = looked.and_then(|look| Some((look.cursor, look.state?))) else {
            return Ok(Some("the till has no dictionary".to_owned()));
        };
        if cursor != head {
            return Ok(Some(format!("the till is at revision {cursor} of {head}")));
        }
        if let Judgement::Wrong(text) = self.storm.model.judge(0, cursor, &state) {
            return Ok(Some(text));
        }
        let receipts = sales_db::receipts(&self.storm.bench.server.data())?;
        for (uuid, rung) in &till.rung {
            let sums = receipts.get(&(till.till.id.clone(), *uuid)).map_or(&[][..], Vec::as_slice);
            if sums != [rung.sum] {
                return Ok(Some(format!("receipt {uuid} of {}: in the database {sums:?}", rung.sum)));
            }
        }
        Ok(None)
    }

    /// Everything that may pass a point, once. The server may be gone in the middle of it.
    fn round(&mut self) -> Result<(), StormError> {
        self.rounds += 1;
        let storm = &mut self.storm;
        storm.hand_over_the_last()?;
        let by_rest = Delivery {
            layer: 2,
            records: office::last_prices(1_000 + self.rounds),
            fate: Fate::CarriedOut,
            by_rest: true,
        };
        storm.hand_over(&by_rest)?;
        if self.rounds % 3 == 1 {
            // Refused, once by each way.
            for by_rest in [false, true] {
                let records = office::last_prices(2_000 + self.rounds);
                storm.hand_over(&Delivery { layer: 0, records, fate: Fate::Refused, by_rest })?;
            }
        }
        for _ in 0..2 {
            storm.ring(0)?;
        }
        storm.close_shift(0)?;
        storm.order(0, "verify");
        storm.order(0, "unload");
        if let Ok(api) = storm.bench.server.api() {
            // Of the silent till: orders that expire.
            let _ = api.post(&format!("/api/v1/tills/{}/unload", self.silent_till), &json!({}));
            if let Some(id) = self.passing_till.take() {
                let _ = api.json(&reqwest::Method::DELETE, &format!("/api/v1/nodes/{id}"), None);
            }
            let code = format!("8{}", self.rounds);
            self.passing_till = storm.bench.server.create_node("shop-2", "till", &code).ok().map(|node| node.id);
        }
        Ok(())
    }
}

/// A back office's status server: it takes whatever it is told. Ends with the process.
fn status_server() -> io::Result<String> {
    const ANSWER: &[u8] = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 9\r\nconnection: close\r\n\r\n\"state-1\"";
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    let address = listener.local_addr()?.to_string();
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let mut stream = stream;
            // One read holds such a small request; whoever sends a larger one is answered early.
            let _ = stream.set_read_timeout(Some(REACHED));
            let _ = stream.read(&mut [0; 8 << 10]).and_then(|_| stream.write_all(ANSWER));
        }
    });
    Ok(address)
}

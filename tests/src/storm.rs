//! The storm: a whole chain on one machine, everything that may happen to it at random, and a
//! model that knows the truth.
//!
//! One seed makes all choices: loads, receipts, orders, and faults ([`schedule`], [`deeds`],
//! [`breaking`]). Beside each till a reader looks at its dictionary all the time ([`observer`]);
//! what it saw is compared with what the back office delivered ([`model`]). When the time is over
//! all faults end; everything must come to rest by itself, and then nothing may be lost, nothing
//! be there twice, and nothing be under way for ever ([`verdict`]).
//!
//! The same seed makes the same choices, though not the same interleaving: processes run as they
//! run. What it finds it names with the invariant that is broken.

pub mod breaking;
pub mod counted;
pub mod counts;
pub mod deeds;
pub mod disks;
pub mod hostile;
pub mod look;
pub mod model;
pub mod observer;
pub mod office;
pub mod points;
pub mod processes;
pub mod sales_db;
pub mod schedule;
pub mod sweep;
pub mod till;
pub mod verdict;

use crate::bench::{BenchError, BenchOptions, TestBench, TillOptions};
use crate::broker::{Broker, BrokerError};
use crate::faults::seed::Seed;
use crate::faults::weather::Weather;
use crate::pos::PosError;
use counts::Counts;
use hostile::Hostile;
use model::{Judgement, LoadSeen, Model};
use observer::{Seen, channel};
use office::Office;
use std::collections::BTreeSet;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::mpsc::Receiver;
use std::time::{Duration, Instant};
use till::StormTill;

/// Findings that are kept; where one is, others follow from it.
const FINDINGS_AT_MOST: usize = 40;

/// The names of a storm's loads begin so, and go on with [`LOAD_DIGITS`] digits.
const LOAD: &str = "pos-storm-";

/// See [`LOAD`].
const LOAD_DIGITS: usize = 6;

/// Loads asked for at a time; many more than come between two looks.
const LOADS_LISTED: u32 = 1_000;

/// What the storm cannot go on without. A broken invariant is none of these, but a [`Finding`].
#[derive(Debug, thiserror::Error)]
pub enum StormError {
    /// The bench.
    #[error("the bench failed")]
    Bench(#[source] BenchError),
    /// The broker.
    #[error("the broker failed")]
    Broker(#[source] BrokerError),
    /// The POS.
    #[error("the POS failed")]
    Pos(#[source] PosError),
    /// A file.
    #[error("failed with a file of the storm")]
    File(#[source] io::Error),
    /// A database that the storm reads.
    #[error("failed to read {}", path.display())]
    Sql {
        /// The database.
        path: PathBuf,
        /// What SQLite says.
        #[source]
        source: rusqlite::Error,
    },
    /// A protection that cannot be switched off.
    #[error("there is no protection `{name}`; there are: {known}")]
    Protection {
        /// What was asked for.
        name: String,
        /// What there is.
        known: String,
    },
}

/// An invariant that did not hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// Which: `I1` to `I8`.
    pub invariant: &'static str,
    /// What was seen.
    pub text: String,
    /// How long after the begin.
    pub after: Duration,
}

/// What a storm is to be.
#[derive(Debug, Clone)]
#[allow(clippy::struct_excessive_bools)] // switches of a test, each named where it is set
pub struct StormOptions {
    /// Makes all choices.
    pub seed: u64,
    /// How long it blows.
    pub duration: Duration,
    /// How many tills.
    pub tills: usize,
    /// A protection that is switched off in all daemons: the storm must notice.
    pub without: Option<String>,
    /// End at the first finding.
    pub until_found: bool,
    /// A broker of its own, which is killed now and then.
    pub own_broker: bool,
    /// Links are well all the time, and no ledger of power cuts is kept: somebody else makes the
    /// faults.
    pub quiet: bool,
    /// A hostile till is among the honest ones.
    pub hostile: bool,
    /// More settings of the server, as [`BenchOptions`] takes them.
    pub settings: Vec<(String, String)>,
}

impl StormOptions {
    /// Three tills, all protections on.
    pub fn new(seed: u64, duration: Duration) -> Self {
        Self {
            seed,
            duration,
            tills: 3,
            without: None,
            until_found: false,
            own_broker: false,
            quiet: false,
            hostile: true,
            settings: Vec::new(),
        }
    }
}

/// What came of a storm.
#[derive(Debug)]
pub struct Outcome {
    /// What did not hold.
    pub findings: Vec<Finding>,
    /// The figures.
    pub counts: Counts,
    /// Where everything lies.
    pub folder: PathBuf,
}

/// A storm.
#[derive(Debug)]
pub struct Storm {
    options: StormOptions,
    seed: Seed,
    started: Instant,
    // Dropped in this order: weather, the hostile till and readers before what they are over.
    weather: Vec<Weather>,
    hostile: Option<Hostile>,
    tills: Vec<StormTill>,
    bench: TestBench,
    /// Folders of the layers in the inbox, the chain first.
    layers: Vec<String>,
    model: Model,
    office: Office,
    seen: Receiver<Seen>,
    /// States that were seen at revisions nobody knows yet.
    to_judge: Vec<(usize, u64, model::State)>,
    counts: Counts,
    findings: Vec<Finding>,
    points_of_server: Vec<String>,
    points_of_agent: Vec<String>,
    next_load: u32,
    parked: BTreeSet<usize>,
    server_state: Power,
    agent_states: Vec<Power>,
    /// Disks without room: the file that says so, and until when.
    tight: Vec<(PathBuf, Instant)>,
    /// Who is told of loads over REST, as `<host>:<port>`.
    status_server: Option<String>,
}

/// How a daemon is meant to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Power {
    /// It runs, perhaps with a crash point armed.
    On {
        /// Whether one is.
        armed: bool,
    },
    /// It is off until then.
    OffUntil(Instant),
    /// It is held until then.
    FrozenUntil(Instant),
}

impl Storm {
    /// Sets the chain up: everything runs and has the first catalogue.
    pub fn start(options: StormOptions) -> Result<Self, StormError> {
        check_protection(options.without.as_deref())?;
        let points = points::crash_points().map_err(StormError::File)?;
        let names = |crates: &[&str]| points::of(&points, crates).into_iter().map(|point| point.name.clone()).collect();
        let more = if options.quiet { &SETTINGS_OF_SWEEP[..] } else { &[] };
        let settings = SERVER_SETTINGS.iter().chain(more);
        let settings = settings.map(|(key, value)| ((*key).to_owned(), (*value).to_owned()));
        let settings = settings.chain(options.settings.clone()).collect();
        let broker = if options.own_broker { Some(Broker::start().map_err(StormError::Broker)?) } else { None };
        let bench = BenchOptions { settings, links: true, broker, ..BenchOptions::default() };
        let bench = TestBench::start_as(bench).map_err(StormError::Bench)?;
        let (tell, seen) = channel();
        let (layers, paths, tills) = network(&bench, options.tills)?;
        let tills: Vec<StormTill> =
            tills.into_iter().enumerate().map(|(number, till)| StormTill::new(number, till, tell.clone())).collect();
        let mut storm = Self {
            seed: Seed::new(options.seed),
            started: Instant::now(),
            weather: Vec::new(),
            hostile: None,
            agent_states: vec![Power::OffUntil(Instant::now()); tills.len()],
            model: Model::new(layers.len(), paths),
            office: Office::new(layers.len()),
            layers,
            tills,
            bench,
            seen,
            to_judge: Vec::new(),
            counts: Counts::default(),
            findings: Vec::new(),
            points_of_server: names(&points::OF_SERVER),
            points_of_agent: names(&points::OF_AGENT),
            next_load: 0,
            parked: BTreeSet::new(),
            server_state: Power::On { armed: false },
            tight: Vec::new(),
            status_server: None,
            options,
        };
        storm.begin()?;
        Ok(storm)
    }

    /// Blows until the time is over, then waits for calm and judges. `tell` is given a line now
    /// and then.
    pub fn run(&mut self, mut tell: impl FnMut(&str)) -> Result<(), StormError> {
        self.blow(&mut tell)?;
        if self.options.until_found && !self.findings.is_empty() {
            return Ok(());
        }
        self.judge_calm(&mut tell)
    }

    /// What came of it. What is left is kept on disk if anything was found.
    pub fn end(self) -> Outcome {
        let Self { findings, counts, bench, tills, weather, .. } = self;
        let folder = bench.folder().to_owned();
        drop(weather);
        if findings.is_empty() {
            drop((tills, bench));
        } else {
            // The folder goes with the bench; the daemons end with this process.
            std::mem::forget((tills, bench));
        }
        Outcome { findings, counts, folder }
    }

    /// The figures so far.
    pub fn counts(&self) -> &Counts {
        &self.counts
    }

    /// What was found so far.
    pub fn findings(&self) -> &[Finding] {
        &self.findings
    }

    /// Where everything lies.
    pub fn folder(&self) -> &Path {
        self.bench.folder()
    }

    /// Notes that an invariant does not hold.
    fn found(&mut self, invariant: &'static str, text: String) {
        let known = self.findings.iter().any(|finding| finding.text == text);
        if !known && self.findings.len() < FINDINGS_AT_MOST {
            self.findings.push(Finding { invariant, text, after: self.started.elapsed() });
        }
    }

    /// Asks the server what became of loads, and judges what was seen meanwhile. False where the
    /// server does not answer.
    fn learn(&mut self) -> bool {
        let answer = self
            .bench
            .server
            .api()
            .and_then(|api| api.read(&format!("/api/v1/loads?limit={LOADS_LISTED}")).map_err(BenchError::Api));
        let answered = answer.is_ok();
        if let Ok(loads) = answer {
            let seen: Vec<LoadSeen> = loads.as_array().into_iter().flatten().filter_map(load_seen).collect();
            for wrong in self.model.learn(&seen) {
                self.found("I3", wrong);
            }
            self.counts.loads = self.model.loads();
            self.counts.revisions = self.model.head();
        }
        self.judge();
        answered
    }

    /// Takes what readers saw, and compares it with the model.
    fn judge(&mut self) {
        while let Ok(seen) = self.seen.try_recv() {
            match seen {
                Seen::State { till, revision, state } => self.to_judge.push((till, revision, state)),
                Seen::Wrong { invariant, text } => self.found(invariant, text),
            }
        }
        for (till, revision, state) in std::mem::take(&mut self.to_judge) {
            match self.model.judge(till, revision, &state) {
                Judgement::Right => self.counts.compared += 1,
                Judgement::Unknown => self.to_judge.push((till, revision, state)),
                Judgement::Wrong(text) => {
                    self.found("I3", format!("till {till} at revision {revision}: {text}"));
                }
            }
        }
    }
}

/// Deadlines short enough for a storm to see what comes after them; periods to match.
const SERVER_SETTINGS: [(&str, &str); 10] = [
    ("exchange.reconcile_period_s", "1"),
    ("exchange.announced_deadline_s", "10"),
    ("exchange.downloaded_deadline_s", "15"),
    ("exchange.queued_deadline_s", "20"),
    ("exchange.silent_deadline_s", "30"),
    ("exchange.silent_after_s", "15"),
    ("exchange.command_deadline_s", "60"),
    ("broker.heartbeat_s", "4"),
    ("intake.scan_period_s", "2"),
    ("log.level", "\"info,lapin=off\""),
];

/// A sweep waits for an order to expire.
const SETTINGS_OF_SWEEP: [(&str, &str); 1] = [("exchange.command_deadline_s", "5")];

type Layout = (Vec<String>, Vec<Vec<usize>>, Vec<crate::bench::Till>);

/// A chain with a price zone, a shop inside of it and one outside; tills in turn here and there,
/// the first with a layer of its own.
fn network(bench: &TestBench, tills: usize) -> Result<Layout, StormError> {
    let server = &bench.server;
    let chain = server.chain_id().map_err(StormError::Bench)?;
    let create = |parent: &str, level: &str, code: &str| {
        server.create_node(parent, level, code).map(|node| node.id).map_err(StormError::Bench)
    };
    let zone = create(&chain, "group", "north")?;
    let shops = [(create(&zone, "shop", "1")?, "1"), (create(&chain, "shop", "2")?, "2")];
    let layers = ["All", "group-north", "shop-1", "shop-2", "till-1-11"].map(str::to_owned).to_vec();
    let mut paths = Vec::new();
    let mut made = Vec::new();
    for number in 0..tills {
        let inside = number % 3 != 2;
        let (shop, code) = &shops[usize::from(!inside)];
        let path: &[usize] = match (number, inside) {
            (0, _) => &[0, 1, 2, 4],
            (_, true) => &[0, 1, 2],
            (_, false) => &[0, 3],
        };
        paths.push(path.to_vec());
        let options = TillOptions {
            through_queue: number % 3 != 1,
            ask_through_server: number % 2 == 0,
            unload_period_s: [2, 5, 0][number % 3],
            contact_period_s: 5,
            heartbeat_s: 4,
            ..TillOptions::default()
        };
        let till = bench.prepare_till(shop, code, &format!("{code}{}", number + 1), options);
        made.push(till.map_err(StormError::Bench)?);
    }
    for layer in &layers {
        server.wait_for_folder(layer).map_err(StormError::Bench)?;
    }
    Ok((layers, paths, made))
}

fn check_protection(without: Option<&str>) -> Result<(), StormError> {
    let Some(name) = without else { return Ok(()) };
    let known = points::protections().map_err(StormError::File)?;
    if known.iter().any(|known| known == name) {
        return Ok(());
    }
    Err(StormError::Protection { name: name.to_owned(), known: known.join(", ") })
}

fn load_name(number: u32) -> String {
    format!("{LOAD}{number:0LOAD_DIGITS$}")
}

/// A load of the storm, from the server's list.
fn load_seen(load: &serde_json::Value) -> Option<LoadSeen> {
    let source = load["source"].as_str()?;
    let at = source.find(LOAD)?;
    Some(LoadSeen {
        name: source.get(at..at + LOAD.len() + LOAD_DIGITS)?.to_owned(),
        state: load["state"].as_str().unwrap_or_default().to_owned(),
        revision: load["revision"].as_u64(),
        rejected: load["rejected"].as_u64().unwrap_or(0),
        ended: !load["ended_at"].is_null(),
    })
}

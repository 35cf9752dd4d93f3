//! What breaks in a storm: processes, power, files, disks.

use super::processes::{freeze, resident_kib, thaw};
use super::{Power, Storm, StormError};
use crate::bench::TillPart;
use crate::faults::seed::Seed;
use crate::process::End;
use fs_err as fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// How long a daemon stays off, in milliseconds: at once, or long enough for others to notice.
const OFF_MS: std::ops::RangeInclusive<u64> = 0..=4_000;

/// How long a daemon is held: longer than heartbeats now and then.
const FROZEN_MS: std::ops::RangeInclusive<u64> = 200..=10_000;

/// A crash point is armed at this many starts in a hundred.
const ARMED_PERCENT: u64 = 70;

/// At which pass of its point a daemon ends: soon, or when it has worked for a while.
const PASSES: (std::ops::RangeInclusive<u64>, std::ops::RangeInclusive<u64>) = (1..=2, 1..=40);

/// Names the crash points at which a daemon ends.
const CRASH: &str = tillway_proto::process::CRASH_VARIABLE;

/// What the crate `fail` reads.
const FAILPOINTS: &str = "FAILPOINTS";

/// Names the folder where a daemon notes what of its files is not durable.
const LEDGER: &str = "TILLWAY_POWER_LEDGER";

/// Where a protection guards a moment, the moment is made longer, so that a storm meets it in minutes and not in days.
const SLOWED: [(&str, &str); 4] = [
    ("spool_sync", ";loader::reading=sleep(700)"),
    ("cursor_transaction", ";dictionary_load::data_without_cursor=sleep(700)"),
    ("unload_ack", ";unload::noted_too_early=sleep(700)"),
    ("spool_position", ";sales::position_moved=sleep(300)"),
];

impl Storm {
    /// Looks after daemons: starts what was off for long enough, lets go what was held, notes what ended by itself.
    pub(super) fn tend(&mut self) -> Result<(), StormError> {
        if let Some(end) = self.bench.server.has_ended() {
            self.server_state = Power::OffUntil(self.after(OFF_MS));
            self.note_end("the cash server", &end);
        }
        for number in 0..self.tills.len() {
            if let Some(end) = self.tills[number].till.has_ended() {
                self.agent_states[number] = Power::OffUntil(self.after(OFF_MS));
                self.note_end(&format!("the agent of till {number}"), &end);
            }
        }
        let now = Instant::now();
        match self.server_state {
            Power::OffUntil(until) if until <= now => self.start_server(true)?,
            Power::FrozenUntil(until) if until <= now => {
                self.bench.server.pid().into_iter().for_each(thaw);
                self.server_state = Power::On { armed: true };
            }
            _ => {}
        }
        for number in 0..self.tills.len() {
            match self.agent_states[number] {
                Power::OffUntil(until) if until <= now => self.start_agent(number, true)?,
                Power::FrozenUntil(until) if until <= now => {
                    self.tills[number].till.pid().into_iter().for_each(thaw);
                    self.agent_states[number] = Power::On { armed: true };
                }
                _ => {}
            }
        }
        Ok(())
    }

    /// An end that nobody made.
    fn note_end(&mut self, who: &str, end: &End) {
        if end.crash_point.is_some() {
            self.counts.crashes += 1;
        } else {
            self.found("I7", format!("{who} ended by itself: {}\n{}", end.status, end.log));
        }
    }

    /// Starts the server, perhaps with a crash point armed.
    pub(super) fn start_server(&mut self, may_arm: bool) -> Result<(), StormError> {
        let points = self.points_of_server.clone();
        let ledger = self.ledger_of_server();
        let (environment, armed) = self.environment(&points, &ledger, may_arm);
        self.bench.server.launch_with_env(environment).map_err(StormError::Bench)?;
        self.server_state = Power::On { armed };
        Ok(())
    }

    /// Starts an agent, perhaps with a crash point armed.
    pub(super) fn start_agent(&mut self, number: usize, may_arm: bool) -> Result<(), StormError> {
        let points = self.points_of_agent.clone();
        let ledger = self.ledger_of_till(number);
        let (environment, armed) = self.environment(&points, &ledger, may_arm);
        self.tills[number].till.start_agent_with_env(environment).map_err(StormError::Bench)?;
        self.agent_states[number] = Power::On { armed };
        Ok(())
    }

    fn environment(&mut self, points: &[String], ledger: &Path, may_arm: bool) -> (Vec<(&'static str, String)>, bool) {
        let mut environment = Vec::new();
        if !self.options.quiet {
            environment.push((LEDGER, ledger.display().to_string()));
        }
        if let Some(without) = &self.options.without {
            let slowed = SLOWED.iter().find(|(name, _)| name == without).map_or("", |(_, points)| points);
            environment.push((FAILPOINTS, format!("without::{without}=return{slowed}")));
        }
        let arm = may_arm && self.seed.happens(ARMED_PERCENT);
        if arm && let Some(point) = self.seed.choose(points) {
            let passes = if self.seed.happens(50) { PASSES.0 } else { PASSES.1 };
            environment.push((CRASH, format!("{point}={}", self.seed.within(passes))));
        }
        (environment, arm)
    }

    pub(super) fn kill_server(&mut self) {
        self.note_memory();
        self.bench.server.kill();
        self.counts.kills += 1;
        self.server_state = Power::OffUntil(self.after(OFF_MS));
    }

    pub(super) fn kill_agent(&mut self, till: usize) {
        self.note_memory();
        self.tills[till].till.kill_agent();
        self.counts.kills += 1;
        self.agent_states[till] = Power::OffUntil(self.after(OFF_MS));
    }

    /// Stops an agent, or now and then the server, as an operator does. One that is held could not.
    pub(super) fn stop_cleanly(&mut self, till: usize) {
        let server = self.seed.below(3) == 0;
        let until = self.after(OFF_MS);
        let stopped = match (server, self.server_state, self.agent_states[till]) {
            (true, Power::On { .. }, _) => {
                self.server_state = Power::OffUntil(until);
                self.bench.server.switch_off()
            }
            (false, _, Power::On { .. }) => {
                self.agent_states[till] = Power::OffUntil(until);
                self.tills[till].till.stop_agent()
            }
            _ => return,
        };
        if let Err(error) = stopped {
            // An end at a crash point on the way out is an end.
            let text = format!("{error:?}");
            if !text.contains("crash point") {
                self.found("I8", format!("a daemon did not stop: {text}"));
            }
        }
    }

    /// Holds a daemon for a while.
    pub(super) fn freeze(&mut self, till: usize) {
        let server = self.seed.below(3) == 0;
        let until = self.after(FROZEN_MS);
        let (state, pid) = if server {
            (&mut self.server_state, self.bench.server.pid())
        } else {
            (&mut self.agent_states[till], self.tills[till].till.pid())
        };
        if let (Power::On { .. }, Some(pid)) = (*state, pid) {
            freeze(pid);
            *state = Power::FrozenUntil(until);
            self.counts.freezes += 1;
        }
    }

    /// Takes the power from the server or a till: it ends, and what was not synced is taken back.
    pub(super) fn cut_power(&mut self, till: usize) -> Result<(), StormError> {
        let server = self.seed.below(2) == 0;
        let seed = self.seed.next();
        let ledger = if server {
            self.kill_server();
            self.ledger_of_server()
        } else {
            self.kill_agent(till);
            self.ledger_of_till(till)
        };
        take_back(&ledger, seed).map_err(StormError::File)?;
        self.counts.cuts += 1;
        Ok(())
    }

    /// Where it is noted what of the server's files is not durable.
    fn ledger_of_server(&self) -> PathBuf {
        self.bench.folder().join("ledger-server")
    }

    fn ledger_of_till(&self, till: usize) -> PathBuf {
        self.bench.folder().join(format!("ledger-till-{till}"))
    }

    /// The till's files are others now: what was noted of them is void.
    fn forget_ledger(&self, till: usize) -> Result<(), StormError> {
        crate::faults::files::remove(&self.ledger_of_till(till)).map_err(StormError::File)
    }

    /// Cuts a file of a till's queue or a download short, or turns a bit in it around; the agent may be at work on it.
    pub(super) fn break_file(&mut self, till: usize) -> Result<(), StormError> {
        let folder = self.tills[till].till.folder();
        let mut files = files_below(&folder.join("queues"));
        files.extend(files_below(&folder.join("data/downloads")));
        let Some(file) = self.seed.choose(&files).cloned() else { return Ok(()) };
        match damage(&file, &mut self.seed) {
            Ok(()) => self.counts.broken_files += 1,
            // The agent was faster and it is gone.
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(StormError::File(error)),
        }
        Ok(())
    }

    /// Removes all queues of a till while its agent is off.
    pub(super) fn remove_queue(&mut self, till: usize) -> Result<(), StormError> {
        self.kill_agent(till);
        let queues = self.tills[till].till.folder().join("queues");
        crate::faults::files::remove(&queues).map_err(StormError::File)?;
        self.forget_ledger(till)?;
        self.counts.broken_files += 1;
        Ok(())
    }

    pub(super) fn take_image(&mut self, till: usize) -> Result<(), StormError> {
        self.kill_agent(till);
        self.tills[till].take_image()
    }

    pub(super) fn put_image_back(&mut self, till: usize) -> Result<(), StormError> {
        let parts: &[TillPart] = match self.seed.below(4) {
            0 => &[TillPart::Dictionary],
            1 => &[TillPart::State, TillPart::Queues],
            2 => &[TillPart::Documents],
            _ => &TillPart::ALL,
        };
        self.kill_agent(till);
        if self.tills[till].put_image_back(parts)? {
            self.forget_ledger(till)?;
            self.counts.images += 1;
        }
        Ok(())
    }

    /// Kills the broker, where it is the storm's own, and starts it again.
    pub(super) fn kill_broker(&mut self) -> Result<(), StormError> {
        if !self.options.own_broker {
            return Ok(());
        }
        let broker = self.bench.broker().map_err(StormError::Bench)?;
        broker.kill().map_err(StormError::Broker)?;
        broker.start_again().map_err(StormError::Broker)?;
        self.counts.broker_kills += 1;
        Ok(())
    }

    /// All faults end: links are well, what is held goes on, what is off starts, what was armed starts anew without.
    pub(super) fn end_faults(&mut self) -> Result<(), StormError> {
        self.weather.clear();
        for number in 0..self.tills.len() {
            match self.agent_states[number] {
                Power::On { armed: false } => {}
                Power::FrozenUntil(_) | Power::On { armed: true } | Power::OffUntil(_) => {
                    self.tills[number].till.kill_agent();
                    self.start_agent(number, false)?;
                }
            }
        }
        if self.server_state != (Power::On { armed: false }) {
            self.bench.server.kill();
            self.start_server(false)?;
        }
        self.bench.server.wait_until_it_answers().map_err(StormError::Bench)
    }

    /// Notes the memory of all daemons.
    pub(super) fn note_memory(&mut self) {
        let of = |pid: Option<u32>| pid.map_or(0, resident_kib);
        let agents = self.tills.iter().map(|till| of(till.till.pid())).max().unwrap_or(0);
        let (server, agent) = self.counts.memory_kib;
        self.counts.memory_kib = (server.max(of(self.bench.server.pid())), agent.max(agents));
    }

    fn after(&mut self, milliseconds: std::ops::RangeInclusive<u64>) -> Instant {
        Instant::now() + Duration::from_millis(self.seed.within(milliseconds))
    }
}

/// Regular files in a folder and all below it, in the order of their names.
pub fn files_below(folder: &Path) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(folder) else { return Vec::new() };
    let mut files = Vec::new();
    for path in entries.filter_map(|entry| entry.ok().map(|entry| entry.path())) {
        if path.is_dir() {
            files.extend(files_below(&path));
        } else if path.is_file() {
            files.push(path);
        }
    }
    files.sort();
    files
}

#[cfg(feature = "crash-points")]
fn take_back(ledger: &Path, seed: u64) -> io::Result<()> {
    tillway_file_queue::disk::power::cut(ledger, seed).map(drop)
}

/// Daemons keep no ledger where they were built without crash points: a power cut is a kill then.
#[cfg(not(feature = "crash-points"))]
fn take_back(_ledger: &Path, _seed: u64) -> io::Result<()> {
    Ok(())
}

fn damage(file: &Path, seed: &mut Seed) -> io::Result<()> {
    let length = fs::metadata(file)?.len();
    let at = seed.below(length);
    if seed.happens(50) {
        return fs::OpenOptions::new().write(true).open(file)?.set_len(at);
    }
    let mut bytes = fs::read(file)?;
    if let Some(byte) = usize::try_from(at).ok().and_then(|at| bytes.get_mut(at)) {
        *byte ^= 1 << seed.below(8);
    }
    // In place: a bit turns around on the disk, no other file comes.
    let mut open = fs::OpenOptions::new().write(true).open(file)?;
    io::Write::write_all(&mut open, &bytes)
}

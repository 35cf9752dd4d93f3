//! What breaks in a storm: processes, power, files, disks.

use super::processes::{freeze, resident_kib, thaw};
use super::{Power, Storm, StormError};
use crate::process::End;
use crate::wait::{Seen as Looked, wait_for};
use fs_err as fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};
use tillway_file_queue::space::FREE_BYTES_VARIABLE;

/// How long a daemon stays off, in milliseconds: at once, or long enough for others to notice.
const OFF_MS: std::ops::RangeInclusive<u64> = 0..=4_000;

/// How long a daemon is held: longer than heartbeats now and then.
const FROZEN_MS: std::ops::RangeInclusive<u64> = 200..=10_000;

/// After all faults the server answers within this, also beside other tests.
const ANSWERS: Duration = Duration::from_mins(2);

/// Tries to start the broker again after it was killed.
const BROKER_STARTS: u32 = 3;

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

/// Where a protection guards a moment, the moment is made longer, so that a storm meets it in
/// minutes and not in days.
const SLOWED: [(&str, &str); 5] = [
    // Between two arrivals of a batch there must be no answer and no note of the first.
    ("unique_key", ";spool::written=sleep(2500)"),
    ("spool_sync", ";loader::reading=sleep(4000)"),
    ("cursor_transaction", ";dictionary_load::data_without_cursor=sleep(700)"),
    ("unload_ack", ";unload::noted_too_early=sleep(700)"),
    ("spool_position", ";sales::position_moved=sleep(300)"),
];

impl Storm {
    /// Looks after daemons: starts what was off for long enough, lets go what was held, notes what
    /// ended by itself.
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
        self.tend_rooms()?;
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

    /// A daemon that has ended goes on without a crash point: at one it ended on purpose, else it
    /// is told. One that hangs is left alone: it must go on by itself.
    pub(super) fn revive(&mut self) -> Result<(), StormError> {
        if let Some(end) = self.bench.server.has_ended() {
            self.note_end("the cash server", &end);
            self.start_server(false)?;
        }
        for number in 0..self.tills.len() {
            if let Some(end) = self.tills[number].till.has_ended() {
                self.note_end(&format!("the agent of till {number}"), &end);
                self.start_agent(number, false)?;
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
        if !self.options.quiet {
            self.check_counted()?;
        }
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
            environment.push((FREE_BYTES_VARIABLE, self.rooms()));
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

    /// Stops an agent, or now and then the server, as an operator does. One that is held could
    /// not.
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

    pub(super) fn ledger_of_till(&self, till: usize) -> PathBuf {
        self.bench.folder().join(format!("ledger-till-{till}"))
    }

    /// Kills the broker, where it is the storm's own, and starts it again.
    pub(super) fn kill_broker(&mut self) -> Result<(), StormError> {
        if !self.options.own_broker {
            return Ok(());
        }
        let broker = self.bench.broker().map_err(StormError::Bench)?;
        broker.kill().map_err(StormError::Broker)?;
        // On a busy machine a node may fail to come up; it is this machine's trouble and not the
        // chain's.
        let started = (1..BROKER_STARTS).find_map(|_| broker.start_again().ok());
        started.map_or_else(|| broker.start_again(), Ok).map_err(StormError::Broker)?;
        self.counts.broker_kills += 1;
        Ok(())
    }

    /// All faults end: links are well, what is held goes on, what is off starts. What runs is not
    /// touched: whatever a fault left behind in it must heal by itself. A crash point may still be
    /// armed there.
    pub(super) fn end_faults(&mut self) -> Result<(), StormError> {
        self.weather.clear();
        self.give_room_back()?;
        for number in 0..self.tills.len() {
            match self.agent_states[number] {
                Power::On { .. } => {}
                Power::FrozenUntil(_) => self.tills[number].till.pid().into_iter().for_each(thaw),
                Power::OffUntil(_) => self.start_agent(number, false)?,
            }
            self.agent_states[number] = Power::On { armed: false };
        }
        match self.server_state {
            Power::On { .. } => {}
            Power::FrozenUntil(_) => self.bench.server.pid().into_iter().for_each(thaw),
            Power::OffUntil(_) => self.start_server(false)?,
        }
        self.server_state = Power::On { armed: false };
        // Where it never does, the calm does not come, and that is told.
        let _ = wait_for("the cash server to answer", ANSWERS, || match self.revive() {
            Ok(()) => Looked::when(self.learn(), (), "it does not"),
            Err(error) => Looked::NotYet(format!("{error:?}")),
        });
        Ok(())
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

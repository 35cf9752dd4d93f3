//! What happens next in a storm: one draw a step, from the storm's seed.

use super::hostile::Hostile;
use super::{Power, Storm, StormError};
use crate::faults::weather::{Climate, Weather};
use crate::wait::{Seen as Looked, wait_for};
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

/// Between two steps, in milliseconds: some ten steps a second, so that faults meet each other's
/// consequences.
const PACE_MS: std::ops::RangeInclusive<u64> = 10..=150;

/// How often the server is asked what became of loads.
const LEARN_EVERY: Duration = Duration::from_secs(2);

/// How often a line is told.
const TELL_EVERY: Duration = Duration::from_secs(10);

/// The first catalogue is on all tills within this, also beside other tests.
const FIRST_CATALOGUE: Duration = Duration::from_mins(3);

/// How long links are well and how long they are not.
const CLIMATE: (std::ops::RangeInclusive<u64>, std::ops::RangeInclusive<u64>) = (2_000..=20_000, 100..=4_000);

/// What a step does. Each with its weight: receipts most of all, then loads, and a fault about
/// every second.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// A receipt on a till.
    Ring,
    /// A shift closed; the next receipt opens another.
    CloseShift,
    /// A load handed over.
    Load,
    /// The server asks a till for sales.
    AskUnload,
    /// The server has a till recount its dictionary.
    AskVerify,
    /// A till parked, or taken back.
    Park,
    /// The server killed.
    KillServer,
    /// An agent killed.
    KillAgent,
    /// A daemon stopped cleanly.
    StopCleanly,
    /// A daemon held for a while.
    Freeze,
    /// Power cut under the server or a till.
    CutPower,
    /// A file of a queue or a download broken.
    BreakFile,
    /// A till's queue removed.
    RemoveQueue,
    /// A till's disk copied.
    TakeImage,
    /// A part of it put back.
    PutImageBack,
    /// No room on the server's disk or a till's for a while.
    TakeRoom,
    /// What waits for a till in the broker is lost.
    LoseQueues,
    /// The broker killed.
    KillBroker,
}

const STEPS: [(Step, u64); 18] = [
    (Step::Ring, 600),
    (Step::CloseShift, 25),
    (Step::Load, 70),
    (Step::AskUnload, 15),
    (Step::AskVerify, 8),
    (Step::Park, 6),
    (Step::KillServer, 5),
    (Step::KillAgent, 12),
    (Step::StopCleanly, 5),
    (Step::Freeze, 10),
    (Step::CutPower, 14),
    (Step::BreakFile, 8),
    (Step::RemoveQueue, 3),
    (Step::TakeImage, 3),
    (Step::PutImageBack, 3),
    (Step::TakeRoom, 5),
    (Step::LoseQueues, 2),
    (Step::KillBroker, 1),
];

impl Storm {
    /// Everything on, the first catalogue on all tills, the weather over all links.
    pub(super) fn begin(&mut self) -> Result<(), StormError> {
        let first = self.office.first(&mut self.seed);
        self.hand_over(&first)?;
        for number in 0..self.tills.len() {
            self.start_agent(number, false)?;
        }
        // The protections are switched off in the server as well.
        if self.options.without.is_some() {
            self.bench.server.kill();
            self.start_server(false)?;
            self.bench.server.wait_until_it_answers().map_err(StormError::Bench)?;
        }
        wait_for("the first catalogue on all tills", FIRST_CATALOGUE, || {
            self.learn();
            let cursors: Vec<u64> = self.tills.iter().map(|till| till.observer.hold().looks.cursor).collect();
            Looked::when(cursors.iter().all(|cursor| *cursor > 0), (), format!("{cursors:?}"))
        })
        .map_err(|error| StormError::Bench(crate::bench::BenchError::TimedOut(error)))?;
        self.gather_weather()?;
        if self.options.hostile {
            let others: Vec<&str> = self.tills.iter().map(|till| till.till.id.as_str()).collect();
            self.hostile = Some(Hostile::start(&self.bench, &others, self.seed.split())?);
        }
        self.started = Instant::now();
        Ok(())
    }

    fn gather_weather(&mut self) -> Result<(), StormError> {
        if self.options.quiet {
            return Ok(());
        }
        let mut links: Vec<_> = self.bench.links().map_err(StormError::Bench)?.all().map(Arc::clone).into();
        for till in &self.tills {
            links.push(Arc::clone(till.till.to_broker().map_err(StormError::Bench)?));
        }
        for link in links {
            let climate = Climate { calm_ms: CLIMATE.0, trouble_ms: CLIMATE.1 };
            self.weather.push(Weather::over(link, self.seed.split(), climate));
        }
        Ok(())
    }

    /// Steps until the time is over.
    pub(super) fn blow(&mut self, tell: &mut impl FnMut(&str)) -> Result<(), StormError> {
        let (mut learned, mut told) = (Instant::now(), Instant::now());
        loop {
            let left = self.options.duration.saturating_sub(self.started.elapsed());
            if left.is_zero() || (self.options.until_found && !self.findings.is_empty()) {
                return Ok(());
            }
            self.tend()?;
            let step = self.draw();
            self.take(step)?;
            if learned.elapsed() >= LEARN_EVERY {
                learned = Instant::now();
                if matches!(self.server_state, Power::On { .. }) {
                    self.learn();
                }
            }
            if told.elapsed() >= TELL_EVERY {
                told = Instant::now();
                self.note_figures();
                self.check_sales();
                tell(&self.counts.line(left, self.findings.len()));
            }
            self.judge();
            thread::sleep(Duration::from_millis(self.seed.within(PACE_MS)));
        }
    }

    fn draw(&mut self) -> Step {
        let total: u64 = STEPS.iter().map(|(_, weight)| weight).sum();
        let mut drawn = self.seed.below(total);
        for (step, weight) in STEPS {
            match drawn.checked_sub(weight) {
                None => return step,
                Some(rest) => drawn = rest,
            }
        }
        Step::Ring
    }

    fn take(&mut self, step: Step) -> Result<(), StormError> {
        let till = usize::try_from(self.seed.below(self.tills.len() as u64)).unwrap_or(0);
        match step {
            Step::Ring => self.ring(till),
            Step::CloseShift => self.close_shift(till),
            Step::Load => {
                let delivery = self.office.next(&mut self.seed);
                self.hand_over(&delivery)
            }
            Step::AskUnload => {
                self.order(till, "unload");
                Ok(())
            }
            Step::AskVerify => {
                self.order(till, "verify");
                Ok(())
            }
            Step::Park => {
                self.park(till);
                Ok(())
            }
            Step::KillServer => {
                self.kill_server();
                Ok(())
            }
            Step::KillAgent => {
                self.kill_agent(till);
                Ok(())
            }
            Step::StopCleanly => {
                self.stop_cleanly(till);
                Ok(())
            }
            Step::Freeze => {
                self.freeze(till);
                Ok(())
            }
            Step::CutPower => self.cut_power(till),
            Step::BreakFile => self.break_file(till),
            Step::RemoveQueue => self.remove_queue(till),
            Step::TakeImage => self.take_image(till),
            Step::PutImageBack => self.put_image_back(till),
            Step::TakeRoom => self.take_room(till),
            Step::LoseQueues => {
                self.lose_queues(till);
                Ok(())
            }
            Step::KillBroker => self.kill_broker(),
        }
    }
}

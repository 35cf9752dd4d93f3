//! A reader beside each till that looks at its dictionary all the time, as a POS does.

use super::look::{self, Look};
use super::model::State;
use super::office;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

/// How often a till is looked at: several times a second, and still a small part of a core.
const LOOK_EVERY: Duration = Duration::from_millis(120);

/// Rows are counted at every new revision, and every so many looks between.
const COUNT_EVERY: u32 = 5;

/// What observers have seen and nobody has fetched; the scheduler fetches many times a second.
const SEEN_AT_MOST: usize = 4096;

/// What an observer tells.
#[derive(Debug)]
pub enum Seen {
    /// All rows of a till at a revision.
    State {
        /// The till, by its number.
        till: usize,
        /// The revision.
        revision: u64,
        /// Its rows.
        state: State,
    },
    /// Something that must never be.
    Wrong {
        /// Which invariant it breaks.
        invariant: &'static str,
        /// What was seen.
        text: String,
    },
}

/// Figures of an observer.
#[derive(Debug, Clone, Copy, Default)]
pub struct Looks {
    /// How often it looked.
    pub looks: u64,
    /// How often it counted all rows.
    pub counts: u64,
    /// The longest a look without counting took.
    pub longest: Duration,
    /// The revision seen last.
    pub cursor: u64,
}

/// What the storm and an observer share: while the storm holds it, nobody looks.
#[derive(Debug, Default)]
pub struct Gate {
    /// An older image of the till was put back: its cursor may be anything once.
    pub put_back: bool,
    /// The till's dictionary is broken on purpose: it is not looked at.
    pub blind: bool,
    /// Figures.
    pub looks: Looks,
}

/// An observer of one till. Ends when it is dropped.
#[derive(Debug)]
pub struct Observer {
    gate: Arc<Mutex<Gate>>,
    end: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

/// Where observers tell, and where it is heard.
pub fn channel() -> (SyncSender<Seen>, Receiver<Seen>) {
    sync_channel(SEEN_AT_MOST)
}

impl Observer {
    /// Starts to look.
    pub fn start(till: usize, dictionaries: &Path, tell: SyncSender<Seen>) -> Self {
        let gate = Arc::new(Mutex::new(Gate::default()));
        let end = Arc::new(AtomicBool::new(false));
        let mut looking = Looking {
            till,
            dictionaries: dictionaries.to_owned(),
            sentinels: office::sentinels(),
            tell,
            last: None,
            since_count: 0,
        };
        let thread = thread::spawn({
            let (gate, end) = (Arc::clone(&gate), Arc::clone(&end));
            move || {
                while !end.load(Ordering::Relaxed) {
                    looking.look(&mut gate.lock().unwrap_or_else(PoisonError::into_inner));
                    thread::sleep(LOOK_EVERY);
                }
            }
        });
        Self { gate, end, thread: Some(thread) }
    }

    /// Nobody looks while this is held.
    pub fn hold(&self) -> MutexGuard<'_, Gate> {
        self.gate.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Observer {
    fn drop(&mut self) {
        self.end.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

struct Looking {
    till: usize,
    dictionaries: PathBuf,
    sentinels: Vec<String>,
    tell: SyncSender<Seen>,
    last: Option<u64>,
    since_count: u32,
}

impl Looking {
    fn look(&mut self, gate: &mut Gate) {
        if gate.blind || !self.dictionaries.exists() {
            return;
        }
        if gate.put_back {
            gate.put_back = false;
            self.last = None;
        }
        self.since_count += 1;
        let due = self.since_count >= COUNT_EVERY;
        let last = self.last;
        let started = Instant::now();
        let looked = look::open(&self.dictionaries).and_then(|mut connection| {
            look::look(&mut connection, &self.sentinels, |cursor| due || last != Some(cursor))
        });
        match looked {
            Ok(None) => {}
            Ok(Some(look)) => {
                gate.looks.looks += 1;
                gate.looks.cursor = look.cursor;
                if look.state.is_none() {
                    gate.looks.longest = gate.looks.longest.max(started.elapsed());
                } else {
                    gate.looks.counts += 1;
                    self.since_count = 0;
                }
                self.check(look);
            }
            Err(error) => self.wrong("I4", format!("till {}: a reader failed: {error}", self.till)),
        }
    }

    fn check(&mut self, look: Look) {
        if let Some(last) = self.last
            && look.cursor < last
        {
            self.wrong("I3", format!("till {}: its cursor went back from {last} to {}", self.till, look.cursor));
        }
        self.last = Some(look.cursor);
        let (there, wanted) = (look.sentinels.len(), self.sentinels.len());
        let mixed = look.sentinels.windows(2).any(|pair| pair[0] != pair[1]);
        if mixed || (there != 0 && there != wanted) {
            let prices = look.sentinels;
            self.wrong("I4", format!("till {}: a mix at revision {}: {prices:?}", self.till, look.cursor));
        }
        if let Some(state) = look.state {
            let _ = self.tell.try_send(Seen::State { till: self.till, revision: look.cursor, state });
        }
    }

    fn wrong(&self, invariant: &'static str, text: String) {
        let _ = self.tell.try_send(Seen::Wrong { invariant, text });
    }
}

//! What a person sees of a queue and does to it: list, verify, drop, requeue.

use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use serde::Serialize;
use uuid::Uuid;

use crate::aside::{Note, REASON_FILE, bytes_under};
use crate::batch::refuse_full;
use crate::check::{Fault, MANIFEST_FILE, check_batch, open_message, read_manifest};
use crate::error::{Damage, QueueError};
use crate::folders::{Folders, Found};
use crate::format::{BatchHeader, MessageHeader, ReadError};
use crate::lock::{FolderLock, QueueLock};
use crate::name::{BatchName, Sequence};
use crate::queue::Queue;

/// Where a batch stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum State {
    /// Waits for a consumer.
    Ready,
    /// A consumer works on it.
    Claimed,
    /// Set aside, out of the way.
    Aside,
}

/// One batch (or stray) of a queue, as [`Queue::entries`] lists it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Entry {
    /// What [`Queue::drop_batch`] and [`Queue::requeue`] take: the sequence, for a stray its name.
    pub id: String,
    /// Where it stands.
    pub state: State,
    /// Messages by its name; none for a stray.
    pub messages: u32,
    /// Bytes of its message files by its name; of all files for a stray.
    pub bytes: u64,
    /// How often it was handed out.
    pub tries: u32,
    /// From its manifest, where that is sound.
    pub batch: Option<Uuid>,
    /// From its manifest, where that is sound: when it was begun.
    pub created: Option<Timestamp>,
    /// From its manifest, where that is sound: content type of its first message.
    pub content_type: Option<String>,
    /// Why it lies aside.
    pub reason: Option<String>,
    /// Since when it lies aside.
    pub aside_since: Option<Timestamp>,
}

/// A batch that is damaged, as [`Queue::verify`] finds it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Broken {
    /// The sequence; for a stray its name.
    pub id: String,
    /// Where it stands.
    pub state: State,
    /// The first file that is not as it should be.
    pub path: PathBuf,
    /// What is wrong with it.
    pub reason: String,
}

/// What [`Queue::verify`] found.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Verified {
    /// How many batches were read, ready and aside.
    pub batches: u64,
    /// Those that are damaged, and strays.
    pub broken: Vec<Broken>,
}

/// What [`Queue::drop_all`] did.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Dropped {
    /// Batches and strays that are gone.
    pub dropped: u64,
    /// Batches left, since a consumer works on them.
    pub claimed: u64,
}

impl Queue {
    /// Everything in the queue, ready ones in order, then what lies aside. Reads manifests, no
    /// messages.
    pub fn entries(&self) -> Result<Vec<Entry>, QueueError> {
        let mut entries = Vec::new();
        for aside in [false, true] {
            let (names, strays) = self.snapshot(aside)?;
            for name in names {
                // One lock a batch, so that a long listing holds up nobody.
                let lock = self.folders.lock()?;
                if let Some(now) = self.now(aside, name, &lock)? {
                    entries.push(self.entry(aside, now, &lock));
                }
            }
            entries.extend(strays.iter().map(|stray| self.stray_entry(aside, stray)));
        }
        Ok(entries)
    }

    /// Reads every byte of every batch, ready and aside, in constant memory. Changes nothing,
    /// holds up nobody; a batch that is consumed meanwhile is passed over. [`Queue::next`] sets
    /// aside what is broken.
    pub fn verify(&self) -> Result<Verified, QueueError> {
        let mut verified = Verified::default();
        for aside in [false, true] {
            let (names, strays) = self.snapshot(aside)?;
            for name in names {
                match self.verify_batch(aside, name)? {
                    Some(Err(broken)) => verified.broken.push(broken),
                    Some(Ok(())) => {}
                    None => continue,
                }
                verified.batches += 1;
            }
            verified.broken.extend(strays.iter().map(|stray| Broken {
                id: stray.display().to_string(),
                state: state(aside),
                path: self.side(aside).join(stray),
                reason: "not a batch".to_owned(),
            }));
        }
        Ok(verified)
    }

    /// Headers of a batch and its messages, without bodies; `each` gets the messages' one by one,
    /// with the bytes of their files.
    pub fn show(&self, id: &str, mut each: impl FnMut(MessageHeader, u64)) -> Result<BatchHeader, QueueError> {
        let (name, aside) = {
            let lock = self.folders.lock()?;
            self.find(id, &lock)?
        };
        let folder = self.side(aside).join(name);
        let readable = |fault: Fault| match fault.error {
            ReadError::Damage(damage) => QueueError::Damaged { path: fault.path, damage },
            ReadError::Io(source) => self.folders.failed("read a batch of file queue")(source),
        };
        let header = read_manifest(&folder).map_err(readable)?;
        for index in 0..header.messages {
            let opened = open_message(&folder, &header, index).map_err(readable)?;
            each(opened.header, opened.file_bytes);
        }
        Ok(header)
    }

    /// Removes one batch, ready or aside. Refused with [`QueueError::Claimed`] while a consumer
    /// works on it.
    pub fn drop_batch(&self, id: &str) -> Result<(), QueueError> {
        let lock = self.folders.lock()?;
        let (name, aside) = self.find(id, &lock)?;
        let path = self.side(aside).join(name);
        if !aside && self.claimed(&path, &lock)? {
            return Err(QueueError::Claimed { queue: self.name().to_string(), id: id.to_owned() });
        }
        self.discard(&path, lock)
    }

    /// Removes everything that lies aside; says how much that was.
    pub fn drop_aside(&self) -> Result<u64, QueueError> {
        let (names, strays) = self.snapshot(true)?;
        let mut dropped = 0;
        for id in names.iter().map(|name| name.sequence.to_string()).chain(stray_ids(&strays)) {
            let lock = self.folders.lock()?;
            let Some(name) = self.find_on(true, &id)? else { continue };
            self.discard(&self.side(true).join(name), lock)?;
            dropped += 1;
        }
        Ok(dropped)
    }

    /// Removes everything, except what a consumer works on.
    pub fn drop_all(&self) -> Result<Dropped, QueueError> {
        let mut all = Dropped { dropped: self.drop_aside()?, claimed: 0 };
        let (names, strays) = self.snapshot(false)?;
        for id in names.iter().map(|name| name.sequence.to_string()).chain(stray_ids(&strays)) {
            match self.drop_batch(&id) {
                Ok(()) => all.dropped += 1,
                Err(QueueError::Claimed { .. }) => all.claimed += 1,
                Err(QueueError::NoSuchBatch { .. }) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(all)
    }

    /// Puts a batch that lies aside back in its old place, its tries forgotten. Refused with
    /// [`QueueError::Full`] where the queue has no room.
    pub fn requeue(&self, id: &str) -> Result<(), QueueError> {
        let folders = &*self.folders;
        let failed = folders.failed("requeue a batch of file queue");
        let lock = folders.lock()?;
        let Some(found) = self.find_on(true, id)? else {
            return Err(QueueError::NoSuchBatch { queue: self.name().to_string(), id: id.to_owned() });
        };
        let Some(name) = BatchName::parse(&found) else {
            return Err(QueueError::NotABatch { queue: self.name().to_string(), id: id.to_owned() });
        };
        let (waiting, highest) = Folders::count(&folders.ready()).map_err(&failed)?;
        refuse_full(folders, waiting, name.bytes)?;
        let mut back = BatchName { tries: 0, ..name };
        if Folders::locate(&folders.ready(), name.sequence).map_err(&failed)?.is_some() {
            back.sequence = folders.next_sequence(highest, &lock)?;
        }
        let to = folders.ready_batch(back);
        folders.disk.rename(&self.side(true).join(found), &to).map_err(&failed)?;
        folders.disk.sync_dir(&folders.ready()).map_err(&failed)?;
        folders.disk.sync_dir(&folders.aside()).map_err(&failed)?;
        if let Err(error) = folders.disk.remove_file(&to.join(REASON_FILE)) {
            tracing::debug!(queue = %folders.queue, %error, "requeued batch keeps its old reason; nobody reads it");
        }
        Ok(())
    }

    /// Puts everything that lies aside back, except strays; says how many batches that were.
    pub fn requeue_aside(&self) -> Result<u64, QueueError> {
        let (names, _) = self.snapshot(true)?;
        let mut requeued = 0;
        for name in names {
            match self.requeue(&name.sequence.to_string()) {
                Ok(()) => requeued += 1,
                Err(QueueError::NoSuchBatch { .. }) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(requeued)
    }

    fn side(&self, aside: bool) -> PathBuf {
        if aside { self.folders.aside() } else { self.folders.ready() }
    }

    /// Names at one moment, in order. Bounded by the limits of the queue.
    fn snapshot(&self, aside: bool) -> Result<(Vec<BatchName>, Vec<OsString>), QueueError> {
        let failed = self.folders.failed("list file queue");
        let (mut names, mut strays) = (Vec::new(), Vec::new());
        let _lock = self.folders.lock()?;
        for found in Folders::list(&self.side(aside)).map_err(&failed)? {
            match found.map_err(&failed)? {
                Found::Batch(name) => names.push(name),
                Found::Stray(name) => strays.push(name),
            }
        }
        names.sort_unstable();
        strays.sort_unstable();
        Ok((names, strays))
    }

    /// The name that a batch of a snapshot has now; `None` where it is gone.
    fn now(&self, aside: bool, name: BatchName, _proof: &QueueLock) -> Result<Option<BatchName>, QueueError> {
        if self.side(aside).join(name.to_string()).exists() {
            return Ok(Some(name));
        }
        Folders::locate(&self.side(aside), name.sequence).map_err(self.folders.failed("list file queue"))
    }

    fn claimed(&self, path: &Path, lock: &QueueLock) -> Result<bool, QueueError> {
        match FolderLock::attempt(path, lock) {
            Ok(held) => Ok(held.is_none()),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(false),
            Err(error) => Err(self.folders.failed("look at a batch of file queue")(error)),
        }
    }

    /// Folder name of an id, and whether it lies aside. Ready ones first.
    fn find(&self, id: &str, _proof: &QueueLock) -> Result<(String, bool), QueueError> {
        for aside in [false, true] {
            if let Some(name) = self.find_on(aside, id)? {
                return Ok((name, aside));
            }
        }
        Err(QueueError::NoSuchBatch { queue: self.name().to_string(), id: id.to_owned() })
    }

    fn find_on(&self, aside: bool, id: &str) -> Result<Option<String>, QueueError> {
        let failed = self.folders.failed("list file queue");
        let wanted = id.parse().ok().map(Sequence);
        for found in Folders::list(&self.side(aside)).map_err(&failed)? {
            match found.map_err(&failed)? {
                Found::Batch(name) if Some(name.sequence) == wanted => return Ok(Some(name.to_string())),
                Found::Stray(name) if name == OsStr::new(id) => return Ok(Some(id.to_owned())),
                _ => {}
            }
        }
        Ok(None)
    }

    fn discard(&self, path: &Path, lock: QueueLock) -> Result<(), QueueError> {
        let gone = self.folders.discard(path, &lock).map_err(self.folders.failed("drop a batch of file queue"))?;
        drop(lock);
        self.folders.purge(&gone);
        Ok(())
    }

    fn entry(&self, aside: bool, name: BatchName, lock: &QueueLock) -> Entry {
        let path = self.side(aside).join(name.to_string());
        let header = read_manifest(&path).ok();
        let note = if aside { Note::read(&path) } else { None };
        // A folder that cannot be looked at is not being worked on either.
        let claimed = !aside && self.claimed(&path, lock).unwrap_or(false);
        Entry {
            id: name.sequence.to_string(),
            state: if claimed { State::Claimed } else { state(aside) },
            messages: name.messages,
            bytes: name.bytes,
            tries: name.tries,
            batch: header.as_ref().map(|header| header.id),
            created: header.as_ref().map(|header| header.created),
            content_type: header.map(|header| header.content_type),
            aside_since: note.as_ref().map(|note| note.at),
            reason: note.map(|note| note.reason),
        }
    }

    fn stray_entry(&self, aside: bool, name: &OsStr) -> Entry {
        let path = self.side(aside).join(name);
        let note = if aside { Note::read(&path) } else { None };
        Entry {
            id: name.display().to_string(),
            state: state(aside),
            messages: 0,
            bytes: bytes_under(&path).unwrap_or(0),
            tries: 0,
            batch: None,
            created: None,
            content_type: None,
            aside_since: note.as_ref().map(|note| note.at),
            reason: note.map(|note| note.reason),
        }
    }

    /// `None` where the batch was consumed meanwhile.
    fn verify_batch(&self, aside: bool, mut name: BatchName) -> Result<Option<Result<(), Broken>>, QueueError> {
        // A claim renames the folder under the reader; it can do so once a try, and there is a
        // limit on tries.
        for _ in 0..=self.folders.limits.max_tries {
            let Err(fault) = check_batch(&self.side(aside).join(name.to_string()), name) else {
                return Ok(Some(Ok(())));
            };
            let lock = self.folders.lock()?;
            let found = self.now(aside, name, &lock)?;
            drop(lock);
            match found {
                None => return Ok(None),
                Some(now) if now == name => return Ok(Some(Err(broken(aside, name, fault)))),
                Some(now) => name = now,
            }
        }
        Ok(None)
    }
}

fn state(aside: bool) -> State {
    if aside { State::Aside } else { State::Ready }
}

fn stray_ids(strays: &[OsString]) -> impl Iterator<Item = String> + '_ {
    strays.iter().filter_map(|name| name.to_str().map(str::to_owned))
}

fn broken(aside: bool, name: BatchName, fault: Fault) -> Broken {
    let reason = match fault.error {
        ReadError::Damage(Damage::Missing) if fault.file == MANIFEST_FILE => "the manifest is missing".to_owned(),
        ReadError::Damage(damage) => damage.to_string(),
        ReadError::Io(error) => error.to_string(),
    };
    Broken { id: name.sequence.to_string(), state: state(aside), path: fault.path, reason }
}

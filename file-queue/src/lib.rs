//! The durable queue on disk: what a till has downloaded waits here for its loader, through power
//! cuts and restarts.
//!
//! Several processes may put and take at the same time. A put is a **batch** of one or more
//! messages, which consumers see all of or nothing of. A consumer claims one batch at a time, in
//! order, and acknowledges it when its own work is durable. This module's doc is the specification
//! of the folder on disk, layout version 1; the files in it are specified in [`mod@format`].
//!
//! # What always holds
//!
//! - Q1 A batch whose commit returned `Ok` is there, whole, until it is acknowledged, dropped, or
//!   removed from `aside/` by its limits. A batch whose commit did not return is there whole or
//!   not at all.
//! - Q2 A batch is with at most one consumer at a time. It may come more than once (a consumer
//!   died before its acknowledgement), so consumers must bear doubles. An acknowledged batch does
//!   not come again.
//! - Q3 Order is the order of commits. A released batch keeps its place.
//! - Q4 A damaged batch delays only itself: it goes to `aside/` with its reason, as does one that
//!   was handed out too often. Nothing stays claimed by a process that is dead.
//! - Q5 Opening, counting, putting and claiming take memory that does not depend on what waits.
//! - Q6 Everything has a limit ([`limits`]). What is refused leaves nothing behind. A disk that is
//!   nearly full refuses what is new while there is still room to finish what is here ([`space`]).
//!
//! # Layout
//!
//! ```text
//! <root>/<queue>/
//!   format                  "tillway file-queue 1 <check>": layout version; a higher one is refused
//!   queue.lock              flock: whoever changes, creates or lists names below holds it, for a few syncs
//!   sequence                "<n> <check>": no sequence above it has been given; replaced atomically
//!   staging/<batch id>/     batches being written; the producer holds a flock on the folder
//!   ready/<name>/           batches to be consumed; the consumer of one holds a flock on the folder
//!     batch                 manifest: id, time, attributes, how many messages of how many bytes
//!     00000000.msg …        the messages, numbered from 0 without a hole
//!   aside/<name>/           batches set aside, as they were, and the file `reason`
//!   aside/stray-<uuid>/     something that lay in ready/ and is no batch, and the file `reason`
//!   gone/<uuid>/            batches on their way out: acknowledged or dropped, the files not yet removed
//! ```
//!
//! `<name>` is `<sequence>-<messages>-<bytes>-<tries>`, for example
//! `0000000000000042-3-1048576-0`: sequence in 16 digits, so that order by name is order of
//! commits; number of messages; bytes of the message files; how often it was handed out. So
//! counting a queue is one listing, and counting a try needs no free space on disk. Files in a
//! batch folder that are not named above have no meaning.
//!
//! All locks are `flock`s on open files: they end with their process and follow a folder through
//! renames. Folder locks are only *tried*, and only under `queue.lock`; bodies are read and
//! written outside it. The root must be on a local file system of a Unix.
//!
//! # The story of a put
//!
//! 1. Under `queue.lock`: room is checked, `staging/<id>/` is created and locked.
//! 2. Each message is written as its own file; a few small ones are synced together. The first
//!    failure spoils the batch.
//! 3. The manifest is written, what is not synced yet is, then the folder is.
//! 4. Under `queue.lock`: room is checked again, the next sequence is given, the folder is renamed
//!    to `ready/<name>`. **This rename is the commit.** `ready/` and `staging/` are synced; the
//!    folder lock is let go. Where `sequence` does not cover the sequence yet, it is noted there
//!    (synced) before, with some more: as long as the file says what this process wrote, nobody
//!    else has given one since, and it goes on from its own last one.
//!
//! *Crash in 1 to 4, before the rename is durable:* nobody holds the lock of `staging/<id>/` any
//! more, and the next process that opens the queue removes it. Noted sequences that were not used
//! are a hole, and holes mean nothing. *Crash after:* the batch is there. If a sync after the
//! rename fails, the batch is renamed back and the put fails.
//!
//! # The story of a take
//!
//! 1. Under `queue.lock`: the first name in `ready/` whose folder lock can be had; its number of
//!    tries is raised by a rename, and `ready/` is synced, before anything is handed out. Names at
//!    their last try go aside.
//! 2. Outside the lock every file is read and checked. A damaged batch goes aside, and step 1
//!    follows.
//!
//! *Crash at any point:* the folder lock is gone, so the batch is free, in its place, with its try
//! counted.
//!
//! A producer may take its own batch where nothing else waits: the commit's rename counts the try,
//! and the folder lock stays.
//!
//! # The story of an acknowledgement
//!
//! Under `queue.lock` the folder is renamed to `gone/<uuid>`, **which is the removal**, and
//! `ready/` is synced; then the files are deleted. *Crash before the sync:* the batch may come
//! again. *After:* it does not, and whoever opens the queue next deletes the files. A drop by hand
//! is the same, and refused while a consumer holds the folder lock.
//!
//! # The story of a set-aside
//!
//! Under `queue.lock`: `reason` is written (as well as it goes: a full disk must not keep a broken
//! batch in the way), the folder is renamed to `aside/<name>`, both folders are synced, and the
//! oldest in `aside/` are removed until it is within its limits. *Crash in between:* the batch is
//! still ready and is found damaged again; or it is aside, without a reason at worst. Requeueing
//! is the rename back, tries at 0, then `reason` is removed.

pub mod cli;
pub mod disk;
pub mod durable;
pub mod format;
pub mod limits;
pub mod plain_text;
pub mod space;

mod aside;
mod batch;
mod check;
mod claim;
mod error;
pub mod file_lock;
mod folders;
mod inspect;
mod lock;
mod name;
mod queue;

pub use batch::{BatchWriter, Committed, NewMessage};
pub use claim::{Claim, Message, Messages};
pub use error::{Damage, QueueError};
pub use folders::Depth;
pub use format::Attributes;
pub use inspect::{Broken, Dropped, Entry, State, Verified};
pub use limits::{Limit, Limits};
pub use name::{QueueName, Sequence};
pub use queue::{Queue, SetAside};

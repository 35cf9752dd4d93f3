//! The command line of `file-queue`. What a person reads stands in `cli/text.rs`.

use std::io::{self, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Parser, Subcommand};
use jiff::Timestamp;
use serde::Serialize;

use crate::error::QueueError;
use crate::format::{BatchHeader, MessageHeader};
use crate::inspect::{Dropped, Entry, Verified};
use crate::limits::Limits;
use crate::name::QueueName;
use crate::queue::Queue;

mod text;

/// Exit codes, besides 0.
const EXIT_BROKEN: u8 = 1;
const EXIT_USAGE: u8 = 2;
const EXIT_IO: u8 = 3;

/// Looks into the file queues of a till or server, and puts them right.
///
/// Exit codes: 0 all well, 1 `verify` found something broken, 2 wrong use (no such queue or batch,
/// queue full, batch in use), 3 the disk refused.
#[derive(Debug, Parser)]
#[command(name = "file-queue", version)]
pub struct Arguments {
    /// Root folder of the queues (filequeueroot)
    #[arg(long, value_name = "DIR", default_value = "/linuxcash/cash/data/queues", global = true)]
    root: PathBuf,
    /// Print JSON for programs, not text for people
    #[arg(long, global = true)]
    json: bool,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// List the queues and the batches in them
    Ls {
        /// Only this queue
        queue: Option<QueueName>,
    },
    /// Read everything and check every checksum; changes nothing
    Verify {
        /// Only this queue
        queue: Option<QueueName>,
    },
    /// Show the headers of one batch and its messages
    Show {
        /// The queue
        queue: QueueName,
        /// The batch, as `ls` names it
        id: String,
    },
    /// Remove batches for ever
    Drop {
        /// The queue
        queue: QueueName,
        #[command(flatten)]
        what: DropWhat,
    },
    /// Put batches that were set aside back in their place
    Requeue {
        /// The queue
        queue: QueueName,
        #[command(flatten)]
        what: RequeueWhat,
    },
}

#[derive(Debug, Args)]
#[group(required = true, multiple = false)]
struct DropWhat {
    /// The batch, as `ls` names it
    id: Option<String>,
    /// All that lies aside
    #[arg(long)]
    aside: bool,
    /// Everything that no consumer works on
    #[arg(long)]
    all: bool,
}

#[derive(Debug, Args)]
#[group(required = true, multiple = false)]
struct RequeueWhat {
    /// The batch, as `ls` names it
    id: Option<String>,
    /// All that lies aside
    #[arg(long)]
    aside: bool,
}

#[derive(Debug, Serialize)]
struct Listed {
    queue: QueueName,
    entries: Vec<Entry>,
}

#[derive(Debug, Serialize)]
struct VerifiedQueue {
    queue: QueueName,
    #[serde(flatten)]
    verified: Verified,
}

#[derive(Debug, Serialize)]
struct Shown {
    batch: BatchHeader,
    messages: Vec<ShownMessage>,
}

#[derive(Debug, Serialize)]
struct ShownMessage {
    #[serde(flatten)]
    header: MessageHeader,
    file_bytes: u64,
}

/// Why a command ended without doing what it was asked.
#[derive(Debug, thiserror::Error)]
enum Failure {
    #[error(transparent)]
    Queue(QueueError),
    #[error("failed to print")]
    Print(#[source] io::Error),
}

impl Failure {
    fn exit_code(&self) -> u8 {
        match self {
            Self::Queue(
                QueueError::NoSuchQueue { .. }
                | QueueError::NoSuchBatch { .. }
                | QueueError::QueueName { .. }
                | QueueError::NotABatch { .. }
                | QueueError::Claimed { .. }
                | QueueError::Full { .. },
            ) => EXIT_USAGE,
            Self::Queue(QueueError::Damaged { .. }) => EXIT_BROKEN,
            Self::Queue(_) | Self::Print(_) => EXIT_IO,
        }
    }
}

/// Does what was asked; `out` gets the answer, `err` what went wrong.
pub fn run(arguments: &Arguments, out: &mut dyn Write, err: &mut dyn Write) -> ExitCode {
    match execute(arguments, out) {
        Ok(code) => ExitCode::from(code),
        // `file-queue ls | head` is not an error.
        Err(Failure::Print(error)) if error.kind() == io::ErrorKind::BrokenPipe => ExitCode::SUCCESS,
        Err(failure) => {
            // Where even this cannot be written, the exit code says it.
            let _ = writeln!(err, "{}", text::failure(&failure));
            ExitCode::from(failure.exit_code())
        }
    }
}

fn execute(arguments: &Arguments, out: &mut dyn Write) -> Result<u8, Failure> {
    let Arguments { root, json, command } = arguments;
    let open = |queue: &QueueName| Queue::open_existing(root, queue, Limits::default()).map_err(Failure::Queue);
    let names = |queue: &Option<QueueName>| match queue {
        Some(queue) => Ok(vec![queue.clone()]),
        None => Queue::names(root).map_err(Failure::Queue),
    };
    let mut code = 0;
    let answer = match command {
        Command::Ls { queue } => {
            let mut listed = Vec::new();
            for queue in names(queue)? {
                let entries = open(&queue)?.entries().map_err(Failure::Queue)?;
                listed.push(Listed { queue, entries });
            }
            Printed::of(*json, &listed, || text::listed(root, &listed, Timestamp::now()))
        }
        Command::Verify { queue } => {
            let mut all = Vec::new();
            for queue in names(queue)? {
                let verified = open(&queue)?.verify().map_err(Failure::Queue)?;
                if !verified.broken.is_empty() {
                    code = EXIT_BROKEN;
                }
                all.push(VerifiedQueue { queue, verified });
            }
            Printed::of(*json, &all, || text::verified(root, &all))
        }
        Command::Show { queue, id } => {
            let mut messages = Vec::new();
            let batch = open(queue)?.show(id, |header, file_bytes| messages.push(ShownMessage { header, file_bytes }));
            let shown = Shown { batch: batch.map_err(Failure::Queue)?, messages };
            Printed::of(*json, &shown, || text::shown(&shown))
        }
        Command::Drop { queue, what } => {
            let queue = open(queue)?;
            let dropped = match &what.id {
                Some(id) => queue.drop_batch(id).map(|()| Dropped { dropped: 1, claimed: 0 }),
                None if what.aside => queue.drop_aside().map(|dropped| Dropped { dropped, claimed: 0 }),
                None => queue.drop_all(),
            };
            let dropped = dropped.map_err(Failure::Queue)?;
            Printed::of(*json, &dropped, || text::dropped(queue.name(), dropped))
        }
        Command::Requeue { queue, what } => {
            let queue = open(queue)?;
            let requeued = match &what.id {
                Some(id) => queue.requeue(id).map(|()| 1),
                None => queue.requeue_aside(),
            };
            let requeued = requeued.map_err(Failure::Queue)?;
            Printed::of(*json, &serde_json::json!({ "requeued": requeued }), || text::requeued(queue.name(), requeued))
        }
    };
    answer.print(out).map_err(Failure::Print)?;
    Ok(code)
}

/// What is printed: JSON of a value, or its text.
struct Printed(Result<String, serde_json::Error>);

impl Printed {
    fn of<T: Serialize>(json: bool, value: &T, text: impl FnOnce() -> String) -> Self {
        Self(if json { serde_json::to_string_pretty(value).map(|json| json + "\n") } else { Ok(text()) })
    }

    fn print(self, out: &mut dyn Write) -> io::Result<()> {
        out.write_all(self.0?.as_bytes())?;
        out.flush()
    }
}

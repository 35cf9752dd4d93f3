//! The agent: idle, and before a file queue of ten gigabytes.

use super::at_rest;
use super::bare::{Bare, RESIDENT};
use crate::amqp::{self, Address};
use crate::data::Assortment;
use crate::figure::of_u64;
use crate::overlay::Overlay;
use crate::report::Row;
use crate::{Context, MeasureError, part, progress, shop, usage};
use fs_err as fs;
use rusqlite::Connection;
use std::path::Path;
use std::time::{Duration, Instant};
use tillway_exchangers::package::{self, BuiltPackage, PackageReader};
use tillway_file_queue::{Limits, NewMessage, Queue};
use tillway_proto::{DeliveryId, PackageLink, Revision};
use tillway_tests::bench::{TestBench, Till};
use tillway_tests::wait::{Seen, wait_for};

/// What waits in the queue. The agent itself would not put more than 4 GiB there; it must bear
/// what it finds.
const BACKLOG_BYTES: usize = 10_000_000_000;
const QUICK_BACKLOG_BYTES: usize = 20_000_000;

/// Objects of one message, as the agent cuts them.
const CHUNK: u32 = 25_000;

/// How often the bare program runs.
const BARE_RUNS: usize = 3;

const START_TIME: Duration = Duration::from_mins(3);

/// Its first contact and recount are done by then.
const SETTLE: Duration = Duration::from_secs(4);

/// In bytes, and the seconds of starts.
pub(super) struct Agent {
    pub(super) bare: Vec<f64>,
    pub(super) idle: Vec<f64>,
    pub(super) peak: f64,
    pub(super) after_load: f64,
    pub(super) before_full_queue: Vec<f64>,
    pub(super) peak_before_full_queue: f64,
    pub(super) start_s: f64,
    pub(super) start_before_full_queue_s: f64,
}

pub(super) fn measure(context: &Context, row: &mut Row) -> Result<Agent, MeasureError> {
    let goods = context.data.goods(Assortment::StoreAfter)?;
    let (bench, mut till) = shop::with_till(&goods)?;
    let after_load = of_u64(usage::resident(pid(&till)?)?);
    let bare = bare(context, &bench)?;
    till.stop_agent().map_err(MeasureError::Bench)?;
    progress("an agent that is idle");
    let start_s = start(&mut till)?;
    let idle = at_rest(pid(&till)?)?;
    let peak = of_u64(usage::of_process(pid(&till)?)?.peak_bytes);
    till.stop_agent().map_err(MeasureError::Bench)?;
    progress("filling the till's file queue");
    let package = Overlay::of(&goods)?.snapshot(&context.folder("backlog")?, 1)?;
    let bytes = context.size(BACKLOG_BYTES, QUICK_BACKLOG_BYTES);
    let (batches, bytes) = fill(&till.folder().join("queues"), &package, bytes)?;
    // As long as somebody holds the database, packages wait in the queue.
    let path = till.dictionaries();
    let held = Connection::open(&path).map_err(MeasureError::sql(&path))?;
    held.execute_batch("BEGIN IMMEDIATE").map_err(MeasureError::sql(&path))?;
    progress("an agent before a full queue");
    let start_before_full_queue_s = start(&mut till)?;
    let before_full_queue = at_rest(pid(&till)?)?;
    let peak_before_full_queue = of_u64(usage::of_process(pid(&till)?)?.peak_bytes);
    till.kill_agent();
    drop(held);
    row.notes.push(format!(
        "The agents idle with a store's dictionary of {} goods, which they recount at their start. The full queue: {batches} \
         batches of a store's snapshot each, {:.2} GB; their files are second names of those of one batch that the queue's \
         own writer made, and they wait because another process holds the database.",
        goods.len(),
        of_u64(bytes) / 1e9,
    ));
    Ok(Agent {
        bare,
        idle,
        peak,
        after_load,
        before_full_queue,
        peak_before_full_queue,
        start_s,
        start_before_full_queue_s,
    })
}

fn pid(till: &Till) -> Result<u32, MeasureError> {
    till.pid().ok_or_else(|| MeasureError::wrong("the agent", "it does not run"))
}

/// Starts the agent, and waits until it consumes and has settled; seconds until it consumed.
fn start(till: &mut Till) -> Result<f64, MeasureError> {
    let log = till.folder().join("sync.log");
    let before = fs::metadata(&log).map_or(0, |log| log.len());
    let started = Instant::now();
    till.start_agent().map_err(MeasureError::Bench)?;
    wait_for("the agent to consume", START_TIME, || {
        let text = fs::read(&log).unwrap_or_default();
        let new = String::from_utf8_lossy(text.get(usize::try_from(before).unwrap_or(0)..).unwrap_or_default());
        Seen::when(new.contains("connected to the broker, consuming"), (), "not in its log")
    })
    .map_err(MeasureError::TimedOut)?;
    let took = started.elapsed().as_secs_f64();
    std::thread::sleep(SETTLE);
    till.check_agent().map_err(MeasureError::Bench)?;
    Ok(took)
}

fn bare(context: &Context, bench: &TestBench) -> Result<Vec<f64>, MeasureError> {
    let address = Address::of(bench)?;
    let queue = "tillway.dictionary.of-nobody".to_owned();
    amqp::runtime()?.block_on(async {
        let connection = address.connect().await?;
        let channel = amqp::publisher(&connection).await?;
        amqp::declare(&channel, std::slice::from_ref(&queue)).await?;
        connection.close(200, "done".into()).await.map_err(amqp::failed)
    })?;
    let bare = Bare { address, queue, database: context.folder("bare")?.join("bare.db") };
    let runs = context.size(BARE_RUNS, 1);
    (0..runs).map(|_| part::run("bare-client", &bare).map(|outcome| outcome.figure(RESIDENT))).collect()
}

/// Puts one batch with the package into the queue, and gives it as many second names as come to so
/// many bytes. How many batches and bytes wait then.
fn fill(root: &Path, package: &BuiltPackage, bytes: usize) -> Result<(u64, u64), MeasureError> {
    let failed = |error: &dyn std::fmt::Display| MeasureError::wrong("filling the file queue", error);
    let limits = Limits { max_bytes: u64::MAX, ..Limits::default() };
    let name = "dictionary".parse().map_err(|error| failed(&error))?;
    let queue = Queue::open(root, &name, limits).map_err(|error| failed(&error))?;
    let reader = PackageReader::open(&package.path, &package.name).map_err(|error| failed(&error))?;
    let link = PackageLink {
        delivery: DeliveryId::generate(),
        package: package.name.clone(),
        link: format!("/packages/{}", package.name.file_name()),
        bytes: package.bytes,
        from: Revision(0),
        to: Revision(1),
        objects: package.header.objects(),
        until: None,
        replaces: None,
    };
    let mut batch = queue.begin_batch().map_err(|error| failed(&error))?;
    batch.set_attribute("link", serde_json::to_string(&link).map_err(|error| failed(&error))?);
    for body in package::messages(reader, CHUNK).map_err(|error| failed(&error))? {
        let body = body.map_err(|error| failed(&error))?;
        batch.put(NewMessage::new("application/vnd.tillway.package-part"), &body).map_err(|error| failed(&error))?;
    }
    let committed = batch.commit().map_err(|error| failed(&error))?;
    let count = (bytes as u64).div_ceil(committed.bytes);
    let ready = queue.ready_folder();
    let first = fs::read_dir(&ready).map_err(MeasureError::File)?.next();
    let first = first.ok_or_else(|| failed(&"no batch is there"))?.map_err(MeasureError::File)?;
    let (name, files) = (first.file_name().to_string_lossy().into_owned(), first.path());
    let (sequence, rest) = name.split_once('-').ok_or_else(|| failed(&format!("the name {name}")))?;
    let number: u64 = sequence.parse().map_err(|error| failed(&error))?;
    for more in 1..count {
        let folder = ready.join(format!("{:0width$}-{rest}", number + more, width = sequence.len()));
        fs::create_dir(&folder).map_err(MeasureError::File)?;
        for file in fs::read_dir(&files).map_err(MeasureError::File)? {
            let file = file.map_err(MeasureError::File)?;
            fs::hard_link(file.path(), folder.join(file.file_name())).map_err(MeasureError::File)?;
        }
    }
    let depth = queue.depth().map_err(|error| failed(&error))?;
    if depth.batches != count {
        return Err(failed(&format!("{} batches wait, {count} were meant to", depth.batches)));
    }
    Ok((depth.batches, depth.bytes))
}

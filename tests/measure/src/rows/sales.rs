//! B6: sales on their way up: into the spool, and from there into the database.

mod bare;
mod database;
mod raw;
mod receipts;
mod tills;

pub(super) use receipts::Templates;

use crate::figure::{Outcome, Usage, as_f64};
use crate::part::{self, OURS, Part};
use crate::report::{Line, Plot, Row, Side, Target, Unit, speed_beside};
use crate::usage;
use crate::{Context, MeasureError, Plan, progress};
use fs_err as fs;
use receipts::Till;
use rusqlite::{Connection, OpenFlags};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};
use tillway_cash_server::network::NetworkService;
use tillway_cash_server::run::ensure_chain;
use tillway_cash_server::sales::spool::{Arrival, Position, Spool, SpoolLimits};
use tillway_cash_server::store::Stores;
use tillway_file_queue::disk;
use tillway_proto::{NodeId, NodeLevel};
use tillway_tests::binaries::{CASH_SERVER, binary};
use tillway_tests::ports::free_port;
use tillway_tests::process::Daemon;
use tillway_tests::wait::{Seen, wait_for};

/// The row.
pub(super) const PLAN: Plan =
    Plan { id: "B6", name: "sales", title: "sales of tills into the spool and into the database", run };

/// What runs in processes of its own.
pub(super) const PARTS: &[Part] = &[
    ("tills-unload", tills::unload),
    ("bare-stream", bare::serve),
    ("load-spool", database::load_spool),
    ("insert-receipts", database::insert_receipts),
];

/// Rounds of what is compared.
const ROUNDS: usize = 3;

/// Receipts of a run, shared by its tills.
const RECEIPTS: usize = 120_000;

/// Of a quick run: each of a thousand tills has some.
const QUICK_RECEIPTS: usize = 3_000;

/// How many tills unload.
const TILLS: [usize; 3] = [1, 100, 1_000];

/// Tills in one shop.
const PER_SHOP: usize = 10;

/// Streams at a time: the service takes 256, and one that has just ended may still count there.
const AT_A_TIME: usize = 200;

/// A server is up, and what it has in its spool is in its database, within this.
const SOON: Duration = Duration::from_mins(2);

/// Longest that a check of the database may be behind.
const LOOK_EVERY: Duration = Duration::from_millis(10);

/// Everything that runs share.
struct Stage {
    folder: PathBuf,
    /// A folder with a network that knows all tills.
    network: PathBuf,
    receipts: usize,
}

/// One size.
struct Size<'a> {
    stage: &'a Stage,
    tills: usize,
    /// The first so many of the network's tills.
    tills_file: PathBuf,
    /// A spool with all their receipts.
    spool: PathBuf,
    of_each: usize,
}

fn run(context: &Context, row: &mut Row) -> Result<(), MeasureError> {
    let folder = context.folder("sales")?;
    progress("making a network of 1000 tills");
    let most = TILLS.into_iter().max().unwrap_or(0);
    let (network, tills) = make_network(&folder, most)?;
    let stage = Stage { folder, network, receipts: context.size(RECEIPTS, QUICK_RECEIPTS) };
    let templates = Templates::ring()?;
    let mut plotted: [Vec<(f64, f64)>; 4] = Default::default();
    for count in TILLS {
        progress(&format!("filling a spool with the receipts of {count} tills"));
        let size = Size::prepare(&stage, &templates, &tills[..count])?;
        let mut outcomes = context.alternate(
            context.rounds(ROUNDS),
            &mut [
                ("ours", Box::new(|| size.unload_to_ours())),
                ("bare stream", Box::new(|| size.unload_to_bare())),
                ("spool to database", Box::new(|| size.database("load-spool"))),
                ("raw rusqlite", Box::new(|| size.database("insert-receipts"))),
            ],
        )?;
        fs::remove_dir_all(&size.spool).map_err(MeasureError::File)?;
        let mut next = || outcomes.pop().unwrap_or_default();
        let (inserted, loaded, bare, ours) = (next(), next(), next(), next());
        let receipts = as_f64(size.of_each * count);
        let of = if count == 1 { "1 till".to_owned() } else { format!("{count} tills") };
        let mut line = |name: &str, side, outcomes: &[Outcome]| {
            row.lines.push(Line::seconds(&format!("{of}: {name}"), side, outcomes).moving(receipts, "receipts"));
        };
        line("till → acknowledged, durable in the spool", Side::Ours, &ours);
        line("bare tonic stream, a write and a sync a frame", Side::Beside, &bare);
        line("spool → sales.db, the loader alone", Side::Ours, &loaded);
        line("raw rusqlite inserts", Side::Beside, &inserted);
        let whole: Vec<Outcome> =
            ours.iter().map(|outcome| Outcome::of_seconds(outcome.figure("in_database"))).collect();
        line("till → sales.db, all of it in one process", Side::Ours, &whole);
        let mut count_line = |name: &str, side, figure: &str, outcomes: &[Outcome]| {
            row.lines.push(Line::figure(&format!("{of}: {name}"), side, Unit::Count, figure, outcomes));
        };
        count_line("batches", Side::Ours, "frames", &ours);
        count_line("syncs of the spool", Side::Ours, "syncs", &ours);
        count_line("syncs of the bare stream", Side::Beside, "frames", &bare);
        count_line("transactions of the loader alone", Side::Ours, "transactions", &loaded);
        let mut wait_line = |side, outcomes: &[Outcome]| {
            let name = format!("{of}: a batch waits for its acknowledgement, p99");
            row.lines.push(Line::figure(&name, side, Unit::Seconds, "acknowledged_p99", outcomes));
        };
        wait_line(Side::Ours, &ours);
        wait_line(Side::Beside, &bare);
        let target = |what: &str, found| Target::at_least(&format!("{of}: {what}"), found, 0.6);
        row.targets.push(target("spool over the bare stream", speed_beside(&ours, &bare)));
        row.targets.push(target("database over raw inserts", speed_beside(&loaded, &inserted)));
        for (points, outcomes) in plotted.iter_mut().zip([&ours, &bare, &loaded, &inserted]) {
            let seconds: Vec<f64> = outcomes.iter().map(|outcome| outcome.seconds).collect();
            points.push((as_f64(count), receipts / crate::figure::median(&seconds)));
        }
    }
    let names = ["into the spool", "bare stream", "spool → sales.db", "raw inserts"];
    row.plots.push(Plot {
        title: "receipts a second".to_owned(),
        x: "tills".to_owned(),
        y: "receipts/s".to_owned(),
        logarithmic: true,
        series: names.into_iter().map(str::to_owned).zip(plotted).collect(),
    });
    row.notes.push(format!(
        "The receipts are the 2,268 of the data set in tests/data, rung by the kit's POS, over and over with keys of their own; \
         {} in a run, whatever the number of tills. A till unloads as the agent does: streams of at most {} receipts, batches \
         of 128 KiB, 16 under way, the records of its shifts at the end; {AT_A_TIME} tills at a time. Its frames are made before \
         the clock starts.",
        stage.receipts,
        receipts::PER_STREAM,
    ));
    row.notes.push(
        "Ours checks each till's token, tells what it has of each shift, decodes and checks each receipt, and loads its spool \
         into the database meanwhile. The bare stream writes frames as they come into a file a stream. All run on the same \
         processors as the tills."
            .to_owned(),
    );
    row.notes.push(
        "Raw inserts: receipts, lines, discounts, payments and cards lie decoded in memory and go in by prepared statements in \
         the loader's groups, without a foreign key looked up; the loader reads, checks, decodes and hashes them, finds what is \
         there already, and checks each shift."
            .to_owned(),
    );
    Ok(())
}

fn make_network(folder: &Path, tills: usize) -> Result<(PathBuf, Vec<Till>), MeasureError> {
    let failed = |error: &dyn std::error::Error| MeasureError::wrong("making a network", error);
    let path = folder.join("network");
    fs::create_dir_all(&path).map_err(MeasureError::File)?;
    let network = NetworkService::new(Stores::open_network(&path).map_err(|error| failed(&error))?);
    ensure_chain(&network).map_err(|error| failed(&error))?;
    let tree = network.current().map_err(|error| failed(&error))?;
    let chain = tree.chain().map(|chain| chain.id.clone());
    let chain = chain.ok_or_else(|| MeasureError::wrong("making a network", "it has no chain"))?;
    let mut made = Vec::with_capacity(tills);
    let mut shop = None;
    for number in 0..tills {
        if number % PER_SHOP == 0 {
            shop = Some(create(&network, &chain, NodeLevel::Shop, number / PER_SHOP + 1)?.0);
        }
        let Some(NodeId::Shop(shop)) = &shop else { return Err(MeasureError::wrong("making a network", "no shop")) };
        let (till, token) = create(&network, &NodeId::Shop(shop.clone()), NodeLevel::Till, number + 1)?;
        let NodeId::Till(id) = till else { return Err(MeasureError::wrong("making a network", "no till")) };
        made.push(Till { id, shop: shop.clone(), token });
    }
    Ok((path, made))
}

fn create(
    network: &NetworkService,
    parent: &NodeId,
    level: NodeLevel,
    code: usize,
) -> Result<(NodeId, String), MeasureError> {
    let code = code.to_string();
    let parsed = code.parse().map_err(|error: tillway_proto::IdError| MeasureError::wrong("a code", error))?;
    let made = network.create(parent, level, &parsed, &code);
    let made = made.map_err(|error| MeasureError::wrong("making a node of the network", error))?;
    Ok((made.id, made.secret.map(|secret| secret.token()).unwrap_or_default()))
}

impl<'a> Size<'a> {
    fn prepare(stage: &'a Stage, templates: &Templates, tills: &[Till]) -> Result<Self, MeasureError> {
        let of_each = stage.receipts / tills.len();
        let tills_file = stage.folder.join(format!("tills-{}.json", tills.len()));
        let text = serde_json::to_vec(tills).map_err(|error| MeasureError::wrong("the tills", error))?;
        fs::write(&tills_file, text).map_err(MeasureError::File)?;
        let spool = stage.folder.join(format!("spool-{}", tills.len()));
        fill_spool(&spool, templates, tills, of_each)?;
        Ok(Self { stage, tills: tills.len(), tills_file, spool, of_each })
    }

    /// Tills unload to this port.
    fn unload(&self, port: u16) -> Result<Outcome, MeasureError> {
        let unloading = tills::Unloading {
            port,
            tills: self.tills_file.clone(),
            receipts: self.of_each,
            at_a_time: AT_A_TIME.min(self.tills),
        };
        let mut outcome = part::run("tills-unload", &unloading)?;
        if let Some(own) = outcome.usage.remove(OURS) {
            outcome.usage.insert("tills".to_owned(), own);
        }
        Ok(outcome)
    }

    /// A sales-loader as it is shipped, on an empty spool and an empty database.
    fn unload_to_ours(&self) -> Result<Outcome, MeasureError> {
        let failed = |error: &dyn std::error::Error| MeasureError::wrong("the sales-loader", error);
        let folder = empty(&self.stage.folder.join("ours"))?;
        let data = empty(&folder.join("data"))?;
        for file in fs::read_dir(&self.stage.network).map_err(MeasureError::File)? {
            let file = file.map_err(MeasureError::File)?;
            fs::copy(file.path(), data.join(file.file_name())).map_err(MeasureError::File)?;
        }
        let port = free_port().map_err(|error| failed(&error))?;
        let settings = folder.join("cash-server.toml");
        let text = format!("server.data_dir = \"data\"\nsales.listen = \"127.0.0.1:{port}\"\n");
        fs::write(&settings, text).map_err(MeasureError::File)?;
        let mut command = Command::new(binary(CASH_SERVER).map_err(|error| failed(&error))?);
        command.arg("--settings").arg(&settings).arg("sales-loader");
        let log = folder.join("sales-loader.log");
        let mut daemon = Daemon::start("sales-loader", &mut command, &log).map_err(|error| failed(&error))?;
        wait_for("the sales-loader to listen", SOON, || match daemon.check() {
            Err(ended) => Seen::Ready(Err(ended)),
            Ok(()) => match TcpStream::connect(("127.0.0.1", port)) {
                Ok(_) => Seen::Ready(Ok(())),
                Err(error) => Seen::NotYet(error.to_string()),
            },
        })
        .map_err(MeasureError::TimedOut)?
        .map_err(|error| failed(&error))?;
        let idle = usage::of_process(daemon.pid())?;
        let mut outcome = self.unload(port)?;
        let database = data.join("sales.db");
        wait_for_receipts(&database, self.of_each * self.tills)?;
        let in_database = jiff::Timestamp::now().as_duration().as_secs_f64() - outcome.figure("began");
        let used = usage::of_process(daemon.pid())?;
        let status = daemon.stop().map_err(|error| failed(&error))?;
        if !status.success() {
            return Err(MeasureError::wrong("stopping the sales-loader", status));
        }
        check_database(&database, self.of_each * self.tills)?;
        let syncs = syncs(&log)?;
        let used = Usage { processor_s: used.processor_s - idle.processor_s, ..used };
        outcome = outcome.by("sales-loader", used);
        Ok(outcome.with("in_database", in_database).with("syncs", syncs))
    }

    fn unload_to_bare(&self) -> Result<Outcome, MeasureError> {
        let failed = |error: &dyn std::error::Error| MeasureError::wrong("the bare stream", error);
        let folder = empty(&self.stage.folder.join("bare"))?;
        let port_file = folder.join("port");
        let bare = bare::Bare { folder: folder.clone(), port_file: port_file.clone() };
        let daemon = part::start("bare-stream", &bare, &folder.join("bare.log"))?;
        let port = wait_for("the bare stream to listen", SOON, || match fs::read_to_string(&port_file) {
            Ok(port) => Seen::Ready(port.parse::<u16>()),
            Err(error) => Seen::NotYet(error.to_string()),
        })
        .map_err(MeasureError::TimedOut)?
        .map_err(|error| failed(&error))?;
        let idle = usage::of_process(daemon.pid())?;
        let outcome = self.unload(port)?;
        let used = usage::of_process(daemon.pid())?;
        daemon.kill();
        Ok(outcome.by("bare stream", Usage { processor_s: used.processor_s - idle.processor_s, ..used }))
    }

    fn database(&self, part: &'static str) -> Result<Outcome, MeasureError> {
        let folder = empty(&self.stage.folder.join("database"))?;
        let spool = empty(&folder.join("spool"))?;
        for entry in fs::read_dir(&self.spool).map_err(MeasureError::File)? {
            let entry = entry.map_err(MeasureError::File)?;
            fs::copy(entry.path(), spool.join(entry.file_name())).map_err(MeasureError::File)?;
        }
        let database = folder.join("sales.db");
        let outcome = part::run(part, &database::Load { spool, database: database.clone() })?;
        check_database(&database, self.of_each * self.tills)?;
        Ok(outcome)
    }
}

/// The batches of all tills in a spool, as if they had come at the same time.
fn fill_spool(folder: &Path, templates: &Templates, tills: &[Till], of_each: usize) -> Result<(), MeasureError> {
    let failed = |error: &dyn std::error::Error| MeasureError::wrong("filling a spool", error);
    let spool = Spool::open(&empty(folder)?, Position::default(), SpoolLimits::default(), disk::of_this_machine())
        .map_err(|error| failed(&error))?;
    let mut streams = Vec::with_capacity(tills.len());
    for till in tills {
        let rounds = templates.rounds(&till.id, &till.shop, of_each);
        streams.push((till, rounds.into_iter().flat_map(|round| round.batches)));
    }
    let runtime = tokio::runtime::Builder::new_current_thread().build().map_err(MeasureError::File)?;
    runtime.block_on(async {
        let mut appended = Vec::new();
        while !streams.is_empty() {
            let mut left = Vec::with_capacity(streams.len());
            for (till, mut batches) in streams {
                let Some(batch) = batches.next() else { continue };
                let arrival = Arrival {
                    till_id: till.id.to_string(),
                    shop_id: till.shop.to_string(),
                    instance: till.id.to_string(),
                    received_at_ms: jiff::Timestamp::now().as_millisecond(),
                    batch: Some(batch),
                    refused: Vec::new(),
                };
                appended.push(spool.append(&arrival).await);
                left.push((till, batches));
            }
            streams = left;
            for answer in appended.drain(..) {
                let answer = answer.await.map_err(|error| failed(&error))?;
                answer.map_err(|error| failed(&error))?;
            }
        }
        Ok(())
    })
}

fn empty(folder: &Path) -> Result<PathBuf, MeasureError> {
    if folder.exists() {
        fs::remove_dir_all(folder).map_err(MeasureError::File)?;
    }
    fs::create_dir_all(folder).map_err(MeasureError::File)?;
    Ok(folder.to_owned())
}

fn look(database: &Path) -> Result<Connection, MeasureError> {
    Connection::open_with_flags(database, OpenFlags::SQLITE_OPEN_READ_ONLY).map_err(MeasureError::sql(database))
}

/// Until the database has so many. Ids grow by one and nothing is deleted, so the largest is their
/// number.
fn wait_for_receipts(database: &Path, wanted: usize) -> Result<(), MeasureError> {
    let connection = look(database)?;
    let started = Instant::now();
    loop {
        let found: i64 = connection
            .query_row("SELECT coalesce(max(id), 0) FROM receipt", [], |row| row.get(0))
            .map_err(MeasureError::sql(database))?;
        if usize::try_from(found).unwrap_or(0) >= wanted {
            return Ok(());
        }
        if started.elapsed() > SOON {
            return Err(MeasureError::wrong("the database of sales", format!("it has {found} of {wanted} receipts")));
        }
        std::thread::sleep(LOOK_EVERY);
    }
}

/// Every receipt is there, once, with its lines.
fn check_database(database: &Path, wanted: usize) -> Result<(), MeasureError> {
    let connection = look(database)?;
    let sql = "SELECT count(*), count(DISTINCT uuid), total(lines) = (SELECT count(*) FROM line) FROM receipt";
    let read = |row: &rusqlite::Row<'_>| Ok((row.get::<_, i64>(0)?, row.get::<_, i64>(1)?, row.get::<_, bool>(2)?));
    let (receipts, distinct, lines) = connection.query_row(sql, [], read).map_err(MeasureError::sql(database))?;
    let wanted = i64::try_from(wanted).unwrap_or(i64::MAX);
    if (receipts, distinct, lines) == (wanted, wanted, true) {
        return Ok(());
    }
    let found = format!("{receipts} receipts, {distinct} uuids, lines {}", if lines { "agree" } else { "are missing" });
    Err(MeasureError::wrong("the database of sales", format!("{found}, where {wanted} were acknowledged")))
}

/// The syncs of the spool, as the sales-loader tells when it stops.
fn syncs(log: &Path) -> Result<f64, MeasureError> {
    let text = fs::read_to_string(log).map_err(MeasureError::File)?;
    let told = text.lines().rev().find_map(|line| {
        let (_, rest) = line.split_once("syncs=")?;
        rest.split(|sign: char| !sign.is_ascii_digit()).next()?.parse::<f64>().ok()
    });
    told.ok_or_else(|| MeasureError::wrong("the log of the sales-loader", "it does not tell its syncs"))
}

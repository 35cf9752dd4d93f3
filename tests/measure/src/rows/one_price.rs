//! B3: one price, from the back office's request to the till's shelf.
//!
//! Real processes: a server and a till with a store's dictionary. A POS of the benchmark looks the
//! price up as a POS does, as soon as the database says that somebody wrote to it. Between two
//! changes the parts that no way round could leave out are measured, each alone, on the same
//! machine and at the same time.

mod parts;

use crate::data::{self, Assortment, Good};
use crate::figure::{median, percentile};
use crate::report::{Line, Plot, Row, Side, Target, Unit};
use crate::{Context, MeasureError, Plan, progress, shop};
use fs_err as fs;
use parts::Parts;
use rusqlite::{Connection, OpenFlags};
use std::thread;
use std::time::{Duration, Instant};
use tillway_exchangers::till::dictionary::Shelf;
use tillway_proto::Kopecks;
use tillway_tests::bench::{Api, TestBench, Till};

/// The row.
pub(super) const PLAN: Plan =
    Plan { id: "B3", name: "one-price", title: "one price, from accepted by REST to readable on the till", run };

/// Changes, one after the other.
const CHANGES: usize = 300;
const QUICK_CHANGES: usize = 8;

/// The first changes bring in what a running system has in its memory; they do not count.
const WARM_UP: usize = 3;

/// How often the POS looks: each look costs some microseconds, and it adds half of this to what is
/// measured.
const LOOK_EVERY: Duration = Duration::from_micros(200);

/// A price that is not there by then never comes.
const DEADLINE: Duration = Duration::from_mins(1);

/// Between two changes, so that reports of the one before are heard; longer by up to as much
/// again, so that changes fall at any moment of whatever has a period.
const PAUSE: Duration = Duration::from_millis(100);

fn run(context: &Context, row: &mut Row) -> Result<(), MeasureError> {
    let goods = context.data.goods(Assortment::StoreAfter)?;
    let (bench, till) = shop::with_till(&goods)?;
    let mut pos = Pos::open(&till)?;
    let office = office(&bench)?;
    let mut parts = Parts::open(&bench)?;
    let changes = context.size(CHANGES, QUICK_CHANGES);
    let (mut accepted, mut sent) = (Vec::with_capacity(changes), Vec::with_capacity(changes));
    for number in 0..WARM_UP + changes {
        progress(&format!("price {} of {}", number + 1, WARM_UP + changes));
        let good = changed(&goods, number);
        let seen = change(&office, &mut pos, &good)?;
        thread::sleep(pause(&good));
        let alone = parts.measure(&till)?;
        if number >= WARM_UP {
            sent.push(seen.from_request);
            accepted.push(seen.from_answer);
            parts.keep(alone);
        }
    }
    tell(row, &accepted, &sent, &parts);
    row.notes.push(format!(
        "A store's dictionary of {} goods; {changes} changes, one every {} to {} ms; both daemons log at `info`. The POS looks \
         every {} µs. Broker, server, agent, POS and back office share the machine.",
        goods.len(),
        PAUSE.as_millis(),
        2 * PAUSE.as_millis(),
        LOOK_EVERY.as_micros()
    ));
    row.notes.push(parts::WHY.to_owned());
    Ok(())
}

fn tell(row: &mut Row, accepted: &[f64], sent: &[f64], parts: &Parts) {
    let line = |name: &str, runs: &[f64]| Line::of(name, Side::Ours, Unit::Seconds, runs.to_vec());
    row.lines.push(line("accepted → readable, p50", accepted));
    row.lines.push(line("accepted → readable, p99", &[percentile(accepted, 0.99)]));
    row.lines.push(line("request's start → readable, p50", sent));
    row.lines.push(line("request's start → readable, p99", &[percentile(sent, 0.99)]));
    row.lines.extend(parts.lines());
    let sum = parts.sum();
    row.lines.push(Line::of("the sum of what cannot be left out", Side::Beside, Unit::Seconds, vec![sum]));
    row.targets.push(Target::at_most("p50 over the sum of its unavoidable parts", median(accepted) / sum, 2.0));
    let share = |values: &[f64], rank: u32| (f64::from(rank), percentile(values, f64::from(rank) / 100.0));
    let points = (1..=100).map(|rank| share(accepted, rank)).collect();
    row.plots.push(Plot {
        title: "seconds until a price is readable, by share of the changes".to_owned(),
        x: "of a hundred changes".to_owned(),
        y: "seconds".to_owned(),
        logarithmic: false,
        series: vec![
            ("accepted → readable".to_owned(), points),
            ("sum of the parts".to_owned(), vec![(1.0, sum), (100.0, sum)]),
        ],
    });
}

/// The good whose price is changed, with a price that it never had.
fn changed(goods: &[Good], number: usize) -> Good {
    // Far apart, so that changes fall on different pages of the databases.
    let good = &goods[number * 7_919 % goods.len()];
    Good { kopecks: 10_000_000 + i64::try_from(number).unwrap_or(0), ..good.clone() }
}

fn pause(good: &Good) -> Duration {
    PAUSE + PAUSE.mul_f64(f64::from(u32::try_from(good.kopecks * 37 % 100).unwrap_or(0)) / 100.0)
}

fn office(bench: &TestBench) -> Result<Api, MeasureError> {
    let file = bench.server.data().join("credentials/backoffice");
    let credentials = fs::read_to_string(file).map_err(MeasureError::File)?;
    let base = format!("http://127.0.0.1:{}", bench.server.ports.aif);
    Api::new(&base, &credentials).map_err(|error| MeasureError::wrong("the back office", error))
}

struct Seen {
    from_request: f64,
    from_answer: f64,
}

fn change(office: &Api, pos: &mut Pos, good: &Good) -> Result<Seen, MeasureError> {
    let mut command = String::new();
    data::write_command(good, &mut command).map_err(MeasureError::File)?;
    let body = format!("[{command}]");
    thread::scope(|scope| {
        let watching = scope.spawn(|| pos.wait_for(good));
        let started = Instant::now();
        let answer = office.post_text("/aifexchange/loaddicts", &[("shopcode", shop::SHOP)], body);
        let answered = Instant::now();
        let answer = answer.map_err(|error| MeasureError::wrong("a price over REST", error));
        let readable = watching.join().map_err(|_| MeasureError::wrong("the POS", "it panicked"))?;
        if answer?["success"] != true {
            return Err(MeasureError::wrong("a price over REST", "it was not accepted"));
        }
        let readable = readable?;
        Ok(Seen {
            from_request: readable.duration_since(started).as_secs_f64(),
            // It may be on the shelf before the back office has read the answer.
            from_answer: readable.saturating_duration_since(answered).as_secs_f64(),
        })
    })
}

/// Looks a price up as soon as somebody wrote.
struct Pos {
    shelf: Shelf,
    connection: Connection,
    path: std::path::PathBuf,
}

impl Pos {
    fn open(till: &Till) -> Result<Self, MeasureError> {
        let path = till.dictionaries();
        let shelf = Shelf::open(&path).map_err(|error| MeasureError::wrong("the shelf", error))?;
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let connection = Connection::open_with_flags(&path, flags).map_err(MeasureError::sql(&path))?;
        Ok(Self { shelf, connection, path })
    }

    /// When the price was readable.
    fn wait_for(&mut self, good: &Good) -> Result<Instant, MeasureError> {
        let started = Instant::now();
        let mut version = self.version()?;
        while started.elapsed() < DEADLINE {
            let now = self.version()?;
            if now != version {
                version = now;
                let time = jiff::Zoned::now().datetime();
                let found = self.shelf.by_barcode(&good.barcode, time);
                let found = found.map_err(|error| MeasureError::wrong("the shelf", error))?;
                if found.iter().any(|found| found.price == Some(Kopecks(good.kopecks))) {
                    return Ok(Instant::now());
                }
            }
            thread::sleep(LOOK_EVERY);
        }
        Err(MeasureError::wrong("a price", format!("{} is not on the shelf after {DEADLINE:?}", good.barcode)))
    }

    fn version(&self) -> Result<i64, MeasureError> {
        let version = self.connection.pragma_query_value(None, "data_version", |row| row.get(0));
        version.map_err(MeasureError::sql(&self.path))
    }
}

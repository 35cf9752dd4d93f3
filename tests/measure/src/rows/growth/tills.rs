//! Tills × 1, 10, 100: a price change of the chain, from its flag until every till has
//! acknowledged it.

use super::super::chain_server::{ChainServer, ROWS_OF_A_GOOD, SERVER, Taken, whole_file};
use super::grown;
use crate::data::{Assortment, Good};
use crate::figure::{Outcome, Usage, as_f64, median};
use crate::report::{Line, Row, Side};
use crate::{Context, MeasureError, progress, usage};
use jiff::Timestamp;
use rusqlite::{Connection, OpenFlags};
use std::path::PathBuf;
use std::time::Duration;
use tillway_tests::fleet::{Apply, Fleet, FleetOptions};
use tillway_tests::wait::{Seen, wait_for};

/// Tills of the smallest fleet, and how many times as many the others have.
const TILLS: usize = 10;
const STEPS: [usize; 3] = [1, 10, 100];
const QUICK_STEPS: [usize; 3] = [1, 2, 4];

/// Tills of a shop.
pub(super) const TILLS_OF_A_SHOP: usize = 10;

/// Goods of the chain; all of their prices change.
const GOODS: usize = 1_000;

/// Price changes of each fleet.
const ROUNDS: usize = 3;

/// For a thousand tills on a machine that runs everything.
const CONVERGED: Duration = Duration::from_mins(4);

/// Tills say nothing but what they are measured by.
const QUIET: Duration = Duration::from_hours(1);

pub(super) fn run(context: &Context, row: &mut Row) -> Result<(), MeasureError> {
    let folder = context.folder("growth-tills")?;
    let goods = context.data.goods(Assortment::StoreAfter)?;
    let goods = &goods[..GOODS.min(goods.len())];
    let steps = if context.options.quick { QUICK_STEPS } else { STEPS };
    let mut all: [(&str, Vec<(f64, f64)>); 2] =
        [("a price change, seconds", Vec::new()), ("a price change, the server's processor time", Vec::new())];
    let mut ended = Ok(());
    for step in steps {
        let tills = context.size(TILLS, 2) * step;
        progress(&format!("tills: a fleet of {tills}"));
        let prices = Prices::of(folder.join("prices.aif"), goods);
        let outcomes = match changes(context, tills, prices) {
            Ok(outcomes) => outcomes,
            // What the smaller fleets came to is told all the same.
            Err(error) => {
                ended = Err(error);
                break;
            }
        };
        let size = as_f64(tills);
        let name = format!("a price change, {tills} tills: flag → all acknowledged");
        row.lines.push(Line::seconds(&name, Side::Ours, &outcomes).moving(size, "tills"));
        let of = |figure: fn(&Outcome) -> f64| median(&outcomes.iter().map(figure).collect::<Vec<f64>>());
        all[0].1.push((size, of(|outcome| outcome.seconds)));
        all[1].1.push((size, of(|outcome| outcome.usage.get(SERVER).map_or(f64::NAN, |usage| usage.processor_s))));
    }
    let all = all.map(|(name, points)| (name.to_owned(), points)).into();
    grown(row, "a price change over tills", ("tills", "seconds"), "till", all);
    row.notes.push(format!(
        "Tills: simulated ones, {TILLS_OF_A_SHOP} in a shop, in the process of the benchmark; each downloads its package; {} \
         prices of the chain change.",
        goods.len()
    ));
    ended
}

/// Some price changes of one fleet.
fn changes(context: &Context, tills: usize, mut prices: Prices<'_>) -> Result<Vec<Outcome>, MeasureError> {
    let mut server = ChainServer::start()?;
    prices.take(&mut server)?;
    let fleet = attach(&server, tills)?;
    converged(&server, &fleet)?;
    (0..context.rounds(ROUNDS)).map(|_| change(&mut server, &fleet, &mut prices)).collect()
}

/// Switches a fleet on, and waits until every till has what the server has for it.
pub(in super::super) fn converged(server: &ChainServer, fleet: &Fleet) -> Result<(), MeasureError> {
    fleet.wait_for_queues(&server.bench, CONVERGED).map_err(MeasureError::TimedOut)?;
    fleet.wake(0..fleet.len());
    has_everything(server, fleet)
}

/// A fleet on a server, its tills off.
pub(in super::super) fn attach(server: &ChainServer, tills: usize) -> Result<Fleet, MeasureError> {
    let options = FleetOptions {
        shops: tills.div_ceil(TILLS_OF_A_SHOP),
        tills,
        apply: Apply::Shared,
        contact_period: QUIET,
        ..FleetOptions::default()
    };
    Fleet::attach(&server.bench, &options).map_err(MeasureError::Fleet)
}

/// The chain's prices, which change as a whole.
pub(in super::super) struct Prices<'a> {
    file: PathBuf,
    goods: &'a [Good],
    change: i64,
}

impl<'a> Prices<'a> {
    /// Those of these goods, which go through a file.
    pub(in super::super) fn of(file: PathBuf, goods: &'a [Good]) -> Self {
        Self { file, goods, change: 0 }
    }

    /// Makes all of them dearer.
    pub(in super::super) fn take(&mut self, server: &mut ChainServer) -> Result<Taken, MeasureError> {
        self.change += 1;
        let dearer = |good: &Good| Good { kopecks: good.kopecks + self.change, ..good.clone() };
        let goods: Vec<Good> = self.goods.iter().map(dearer).collect();
        whole_file(&self.file, &goods)?;
        server.take(&self.file, goods.len() * ROWS_OF_A_GOOD)
    }
}

/// A change of all prices, from its flag until every till has acknowledged it.
pub(in super::super) fn change(
    server: &mut ChainServer,
    fleet: &Fleet,
    prices: &mut Prices<'_>,
) -> Result<Outcome, MeasureError> {
    let pid = server.pid()?;
    let before = usage::of_process(pid)?;
    let taken = prices.take(server)?;
    has_everything(server, fleet)?;
    let seconds = Timestamp::now().duration_since(taken.flagged).as_secs_f64();
    let after = usage::of_process(pid)?;
    let used = Usage { peak_bytes: after.peak_bytes, processor_s: after.processor_s - before.processor_s };
    Ok(Outcome::of_seconds(seconds).by(SERVER, used))
}

/// Waits until every till has what the server has for it, and the server knows it.
fn has_everything(server: &ChainServer, fleet: &Fleet) -> Result<(), MeasureError> {
    let api = server.bench.server.api().map_err(MeasureError::Bench)?;
    let target =
        api.read("/api/v1/loads?limit=1").map_err(|error| MeasureError::wrong("asking for the newest load", error))?;
    let target = target[0]["revision"].as_u64().unwrap_or(u64::MAX);
    wait_for("all tills to have the newest prices", CONVERGED, || {
        let there = fleet.told().iter().filter(|told| told.cursor.0 >= target).count();
        Seen::when(there == fleet.len(), (), format!("{there} of {}; {}", fleet.len(), fleet.trouble()))
    })
    .map_err(MeasureError::TimedOut)?;
    // From its own record, read beside it: asking for a thousand tills over REST would be work of
    // its own.
    let path = server.bench.server.data().join("exchange.db");
    let exchange = Connection::open_with_flags(&path, OpenFlags::SQLITE_OPEN_READ_ONLY);
    let exchange = exchange.map_err(MeasureError::sql(&path))?;
    let count = |sql: &str| exchange.query_row(sql, (), |row| row.get::<_, i64>(0)).map(i64::unsigned_abs);
    let there = format!("SELECT count(*) FROM contact WHERE cursor >= {target}");
    wait_for("the server to know that all tills have the newest prices", CONVERGED, || {
        match (count(&there), count("SELECT count(*) FROM delivery WHERE ended = 0")) {
            (Ok(done), Ok(open)) => {
                Seen::when(done == fleet.len() as u64 && open == 0, Ok(()), format!("{done}, {open} on their way"))
            }
            (Err(error), _) | (_, Err(error)) => Seen::Ready(Err(MeasureError::sql(&path)(error))),
        }
    })
    .map_err(MeasureError::TimedOut)?
}

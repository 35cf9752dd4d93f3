//! Receipts × 1, 10, 100: from tills through the spool into the database.

use super::super::chain_server::{ChainServer, SERVER};
use super::grown;
use super::tills::attach;
use crate::figure::{Outcome, Usage, as_f64};
use crate::report::{Line, Row, Side};
use crate::{Context, MeasureError, progress, usage};
use rusqlite::{Connection, OpenFlags};
use std::path::Path;
use std::time::{Duration, Instant};
use tillway_tests::wait::{Seen, wait_for};

/// Tills that sell.
const TILLS: usize = 100;

/// Receipts of a till's shift at the smallest size, and how many times as many it has at the
/// others.
const RECEIPTS: usize = 10;
const STEPS: [usize; 3] = [1, 10, 100];

/// For a hundred thousand receipts.
const LOADED: Duration = Duration::from_mins(4);

pub(super) fn run(context: &Context, row: &mut Row) -> Result<(), MeasureError> {
    let tills = context.size(TILLS, 2);
    progress(&format!("receipts: {tills} tills"));
    let server = ChainServer::start()?;
    let mut fleet = attach(&server, tills)?;
    let pid = server.pid()?;
    let database = server.bench.server.data().join("sales.db");
    let mut all: [(&str, Vec<(f64, f64)>); 2] =
        [("sales, seconds", Vec::new()), ("sales, the server's processor time", Vec::new())];
    let mut sold = 0;
    for step in STEPS {
        let receipts = context.size(RECEIPTS, 2) * step;
        sold += tills * receipts;
        progress(&format!("receipts: {receipts} of each till"));
        let before = usage::of_process(pid)?;
        let started = Instant::now();
        fleet.sell(0..fleet.len(), receipts);
        wait_for("all receipts to be in the database", LOADED, || {
            let selling = fleet.selling();
            if selling > 0 {
                return Seen::NotYet(format!("{selling} tills sell; {}", fleet.trouble()));
            }
            match counted(&database) {
                Ok(found) => Seen::when(found == sold as u64, (), format!("{found} of {sold}")),
                Err(error) => Seen::NotYet(error.to_string()),
            }
        })
        .map_err(MeasureError::TimedOut)?;
        let seconds = started.elapsed().as_secs_f64();
        let after = usage::of_process(pid)?;
        let used = Usage { peak_bytes: after.peak_bytes, processor_s: after.processor_s - before.processor_s };
        let size = as_f64(tills * receipts);
        let outcome = Outcome::of_seconds(seconds).by(SERVER, used);
        let name = format!("sales, {} receipts: rung up → in the database", tills * receipts);
        row.lines.push(Line::seconds(&name, Side::Ours, &[outcome]).moving(size, "receipts"));
        all[0].1.push((size, seconds));
        all[1].1.push((size, used.processor_s));
    }
    let wrong = fleet.compare_sales(&database).map_err(MeasureError::Fleet)?;
    if let Some(first) = wrong.first() {
        return Err(MeasureError::wrong("what was sold", format!("{} things, the first: {first}", wrong.len())));
    }
    let all = all.map(|(name, points)| (name.to_owned(), points)).into();
    grown(row, "sales over receipts", ("receipts", "seconds"), "receipt", all);
    row.notes.push(format!(
        "Receipts: {tills} simulated tills sell a shift each time and bring it up as they go, one line and one payment a \
         receipt; what each size adds comes on top of what is there."
    ));
    Ok(())
}

fn counted(database: &Path) -> rusqlite::Result<u64> {
    let database = Connection::open_with_flags(database, OpenFlags::SQLITE_OPEN_READ_ONLY)?;
    database.query_row("SELECT count(*) FROM receipt", (), |row| row.get::<_, i64>(0)).map(i64::unsigned_abs)
}

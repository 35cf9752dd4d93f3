//! B8, second part: the server's memory after a day of loads.
//!
//! Sixty whole files of 100,000 goods, one after another, each with other prices, while a hundred
//! tills take each change. What is looked at is what the server still holds when all is done:
//! memory that was freed and is not given back counts.

use super::{MOST_OF_SERVER, at_rest, server};
use crate::data::{Assortment, Good, with_changed_prices};
use crate::figure::{median, of_u64};
use crate::report::{Line, Row, Side, Target, Unit};
use crate::{Context, MeasureError, Plan, progress, shop, usage};
use std::time::Instant;
use tillway_tests::fleet::{Apply, Fleet, FleetOptions};

/// The row.
pub(super) const PLAN: Plan =
    Plan { id: "B8", name: "memory-day", title: "resident memory of the server after a day of loads", run };

const GOODS: usize = 100_000;
const QUICK_GOODS: usize = 1_000;

const LOADS: usize = 60;
const QUICK_LOADS: usize = 3;

const TILLS: usize = 100;
const QUICK_TILLS: usize = 4;
const TILLS_OF_A_SHOP: usize = 10;

/// Of a thousand prices so many differ between two files that follow one another.
const CHANGED_OF_THOUSAND: u64 = 200;

fn run(context: &Context, row: &mut Row) -> Result<(), MeasureError> {
    let (loads, tills) = (context.size(LOADS, QUICK_LOADS), context.size(TILLS, QUICK_TILLS));
    let goods = context.data.goods(Assortment::ChainAfter)?;
    let goods: Vec<Good> = goods.iter().take(context.size(GOODS, QUICK_GOODS)).cloned().collect();
    let others = with_changed_prices(&goods, CHANGED_OF_THOUSAND);
    let bench = shop::server_alone()?;
    let pid = bench.server.pid().ok_or_else(|| MeasureError::wrong("the server", "it does not run"))?;
    let options = FleetOptions {
        shops: tills.div_ceil(TILLS_OF_A_SHOP),
        tills,
        apply: Apply::Headers,
        share_downloads: true,
        ..FleetOptions::default()
    };
    let fleet = Fleet::attach(&bench, &options).map_err(MeasureError::Fleet)?;
    fleet.wait_for_queues(&bench, server::SETTLE_TIME).map_err(MeasureError::TimedOut)?;
    fleet.wake(0..fleet.len());
    let begun = Instant::now();
    let (mut last, mut grown) = (0, Vec::with_capacity(loads));
    for load in 0..loads {
        progress(&format!("load {} of {loads}", load + 1));
        shop::load(&bench.server, "All", if load % 2 == 0 { &goods } else { &others })?;
        last = server::up_to_date(&bench.server, &fleet, last)?;
        grown.push(of_u64(usage::resident(pid)?));
    }
    let took = begun.elapsed().as_secs_f64();
    let resident = at_rest(pid)?;
    let peak = of_u64(usage::of_process(pid)?.peak_bytes);
    row.targets.push(Target::at_most("after a day of loads over 200 MB", median(&resident) / MOST_OF_SERVER, 1.0));
    let bytes = |name: &str, runs: Vec<f64>| Line::of(name, Side::Ours, Unit::Bytes, runs);
    row.lines.push(bytes("server, after a day of loads", resident));
    row.lines.push(bytes("server, after each load", grown));
    row.lines.push(bytes("server, peak of the day", vec![peak]));
    row.lines.push(Line::of("all loads, until every till has them", Side::Ours, Unit::Seconds, vec![took]));
    row.notes.push(format!(
        "{loads} loads of {} goods, a whole file each, in which {CHANGED_OF_THOUSAND} of a thousand prices differ from the one \
         before; {tills} tills took each of them.",
        goods.len()
    ));
    Ok(())
}

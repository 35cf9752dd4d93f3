//! The server with many objects and tills.

use super::at_rest;
use crate::data::{Assortment, Good, with_changed_prices};
use crate::figure::of_u64;
use crate::report::Row;
use crate::{Context, MeasureError, progress, shop, usage};
use std::time::Duration;
use tillway_tests::fleet::{Apply, Fleet, FleetOptions};
use tillway_tests::wait::{Seen, wait_for};

/// Objects of the chain: an item and its barcode are two.
const OBJECTS: usize = 1_000_000;
const QUICK_OBJECTS: usize = 4_000;
const OBJECTS_OF_A_GOOD: usize = 2;

const TILLS: usize = 2_000;
const QUICK_TILLS: usize = 20;
const TILLS_OF_A_SHOP: usize = 10;

/// Of a thousand prices so many change once all tills are there.
const CHANGED_OF_THOUSAND: u64 = 10;

pub(super) const SETTLE_TIME: Duration = Duration::from_mins(10);

/// In bytes.
pub(super) struct Server {
    pub(super) resident: Vec<f64>,
    pub(super) peak_of_load: f64,
    pub(super) peak: f64,
}

pub(super) fn measure(context: &Context, row: &mut Row) -> Result<Server, MeasureError> {
    let (objects, tills) = (context.size(OBJECTS, QUICK_OBJECTS), context.size(TILLS, QUICK_TILLS));
    let goods = context.data.goods(Assortment::ChainAfter)?;
    let goods: Vec<Good> = goods.iter().take(objects / OBJECTS_OF_A_GOOD).cloned().collect();
    let bench = shop::server_alone()?;
    let pid = bench.server.pid().ok_or_else(|| MeasureError::wrong("the server", "it does not run"))?;
    progress("loading the objects");
    shop::load(&bench.server, "All", &goods)?;
    let peak_of_load = of_u64(usage::of_process(pid)?.peak_bytes);
    progress("making the tills");
    let options = FleetOptions {
        shops: tills.div_ceil(TILLS_OF_A_SHOP),
        tills,
        apply: Apply::Headers,
        share_downloads: true,
        ..FleetOptions::default()
    };
    let fleet = Fleet::attach(&bench, &options).map_err(MeasureError::Fleet)?;
    fleet.wait_for_queues(&bench, SETTLE_TIME).map_err(MeasureError::TimedOut)?;
    fleet.wake(0..fleet.len());
    progress("bringing the tills up to date");
    let started = up_to_date(&bench.server, &fleet, 0)?;
    progress("changing prices");
    shop::load(&bench.server, "All", &with_changed_prices(&goods, CHANGED_OF_THOUSAND))?;
    up_to_date(&bench.server, &fleet, started)?;
    let resident = at_rest(pid)?;
    let peak = of_u64(usage::of_process(pid)?.peak_bytes);
    row.notes.push(format!(
        "The server: {} objects, which are {} goods of the chain and a barcode each; {tills} tills, {TILLS_OF_A_SHOP} in a shop, \
         that report every {} s. It loaded the objects, brought all tills up to date, loaded the whole file again with \
         {CHANGED_OF_THOUSAND} of a thousand prices changed and brought them that.",
        goods.len() * OBJECTS_OF_A_GOOD,
        goods.len(),
        options.contact_period.as_secs(),
    ));
    Ok(Server { resident, peak_of_load, peak })
}

/// Waits until all tills have more than revision `beyond`, the newest, and the server knows; which
/// that is.
pub(super) fn up_to_date(
    server: &tillway_tests::bench::Server,
    fleet: &Fleet,
    beyond: u64,
) -> Result<u64, MeasureError> {
    wait_for("the fleet to have everything", SETTLE_TIME, || {
        let lowest = fleet.told().iter().map(|told| told.cursor.0).min().unwrap_or(0);
        if lowest <= beyond {
            return Seen::NotYet(format!("the last is at {lowest}; {}", fleet.trouble()));
        }
        match shop::read(server, "/api/v1/tills") {
            Ok(seen) => {
                let tills = seen.as_array().map(Vec::as_slice).unwrap_or_default();
                let done = tills.iter().filter(|till| till["next"] == "up-to-date").count();
                Seen::when(done == fleet.len(), Ok(lowest), format!("the server knows it of {done}"))
            }
            Err(error) => Seen::Ready(Err(error)),
        }
    })
    .map_err(MeasureError::TimedOut)?
}

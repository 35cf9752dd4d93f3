//! Whether tills wait longer for prices while pages are asked for.

use super::super::chain_server::ChainServer;
use super::super::growth::{Prices, attach, change, converged};
use super::ask::{Browser, PAGES};
use crate::data::Assortment;
use crate::figure::Outcome;
use crate::report::{Line, Row, Side, Target, ratio};
use crate::{Context, MeasureError, progress};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

/// Simulated tills.
const TILLS: usize = 500;

/// Price changes with pages being asked for, and as many without, in turns.
const ROUNDS: usize = 9;

/// Goods of the chain; all of their prices change.
const GOODS: usize = 1_000;

/// A person looks at a page before they go on to the next one; this one is quick.
const PAUSE: Duration = Duration::from_millis(100);

/// What measuring errs: the seconds with pages over those without.
const NOISE: f64 = 1.10;

pub(super) fn run(context: &Context, row: &mut Row) -> Result<(), MeasureError> {
    let tills = context.scaled(TILLS, 10);
    progress(&format!("the exchange beside pages: {tills} tills"));
    let folder = context.folder("pages-exchange")?;
    let goods = context.data.goods(Assortment::StoreAfter)?;
    let goods = &goods[..GOODS.min(goods.len())];
    let mut server = ChainServer::start()?;
    let mut prices = Prices::of(folder.join("prices.aif"), goods);
    prices.take(&mut server)?;
    let fleet = attach(&server, tills)?;
    converged(&server, &fleet)?;
    let browser = Browser::log_in(&server.bench.server)?;
    let mut outcomes: [Vec<Outcome>; 2] = [Vec::new(), Vec::new()];
    let asked = AtomicU64::new(0);
    for round in 0..context.rounds(ROUNDS) * 2 {
        let with_pages = round % 2 == usize::from(round / 2 % 2 == 0);
        progress(&format!(
            "the exchange {} pages, round {}",
            if with_pages { "beside" } else { "without" },
            round / 2 + 1
        ));
        let outcome = if with_pages {
            beside(&browser, &asked, || change(&mut server, &fleet, &mut prices))?
        } else {
            change(&mut server, &fleet, &mut prices)?
        };
        outcomes[usize::from(with_pages)].push(outcome);
    }
    let [alone, beside] = outcomes;
    let name = |what: &str| format!("a price change, {tills} tills: flag → all acknowledged, {what}");
    row.lines.push(Line::seconds(&name("while pages are asked for"), Side::Ours, &beside));
    row.lines.push(Line::seconds(&name("without"), Side::Beside, &alone));
    let found = ratio(&beside, &alone, |outcome| outcome.seconds);
    row.targets.push(Target::at_most("a price change to all tills: with pages over without", found, NOISE));
    row.notes.push(format!(
        "The exchange beside pages: a chain of its own with {tills} simulated tills and a broker, in turns; one reader asks \
         for a page ten times a second, {} in all.",
        asked.load(Ordering::Relaxed)
    ));
    Ok(())
}

/// Does it while somebody asks for pages.
fn beside<T>(
    browser: &Browser,
    asked: &AtomicU64,
    work: impl FnOnce() -> Result<T, MeasureError>,
) -> Result<T, MeasureError> {
    let done = AtomicBool::new(false);
    thread::scope(|scope| {
        let reader = scope.spawn(|| {
            // The pages that need no name of anything.
            for page in PAGES.iter().filter(|page| !page.path.contains(char::is_uppercase)).cycle() {
                if done.load(Ordering::Relaxed) {
                    return Ok(());
                }
                browser.ask(page.path, "en")?;
                asked.fetch_add(1, Ordering::Relaxed);
                thread::sleep(PAUSE);
            }
            Ok::<(), MeasureError>(())
        });
        let worked = work();
        done.store(true, Ordering::Relaxed);
        let read = reader.join().map_err(|_| MeasureError::wrong("asking for pages", "the reader broke down"))?;
        read.and(worked)
    })
}

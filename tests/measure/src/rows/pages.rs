//! B10: each page of a server of thousands of tills: how long it takes and how large it is; and
//! whether the exchange is slower for it.
//!
//! The server is a real one over databases of their full size ([`seed`]); its pages are asked one
//! after the other by a client of HTTP that has logged in ([`ask`]). Its broker is not there: a
//! queue for each of ten thousand tills is what B5 measures. Whether tills wait while pages are
//! asked for is measured on a smaller chain with a broker and simulated tills ([`beside`]).

mod ask;
mod beside;
mod seed;

use crate::figure::{as_f64, percentile};
use crate::report::{Line, Row, Side, Target, Unit};
use crate::{Context, MeasureError, Plan, progress};
use ask::{Browser, PAGES};
use seed::{Sizes, seeded};

/// The row.
pub(super) const PLAN: Plan = Plan { id: "B10", name: "pages", title: "pages of a server of ten thousand tills", run };

/// How often each page is asked for, in each language.
const ROUNDS: usize = 20;

/// What 95 of a hundred answers may take, in seconds.
const MOST_S: f64 = 0.150;

/// Bytes of an answer, at most.
const MOST_BYTES: f64 = 300_000.0;

fn run(context: &Context, row: &mut Row) -> Result<(), MeasureError> {
    let sizes = Sizes::of(context);
    let (server, places) = seeded(context, &sizes)?;
    row.notes.push(format!(
        "{sizes}; in {:.0} s. Each page is asked for {} times in English and as often in Russian, one after the other over the \
         loopback, after a log-in: from the request to the last byte. Bytes are those of the answer without compression. The \
         server has no broker here.",
        places.took_s,
        context.rounds(ROUNDS)
    ));
    let browser = Browser::log_in(&server.bench.server)?;
    let (mut slowest, mut largest) = (0.0_f64, 0.0_f64);
    // The page that needs nothing of all this, before, between and after the others.
    let mut bare = Vec::new();
    for page in PAGES {
        bare.push(browser.ask("/login", "en")?.seconds);
        let path = places.filled(page.path);
        let (mut seconds, mut bytes) = (Vec::new(), 0);
        progress(&format!("{} {path}", page.name));
        for round in 0..=context.rounds(ROUNDS) {
            for language in ["en", "ru"] {
                let got = browser.ask(&path, language)?;
                bytes = bytes.max(got.bytes);
                // The first one may read from the disk what the others find in memory; it is told
                // apart.
                if round > 0 {
                    seconds.push(got.seconds);
                }
            }
        }
        let name = format!("{}: {}", page.name, page.path);
        row.lines.push(Line::of(&name, Side::Ours, Unit::Seconds, seconds.clone()));
        row.lines.push(Line::of(
            &format!("  {}, 95 of 100", page.name),
            Side::Ours,
            Unit::Seconds,
            vec![percentile(&seconds, 0.95)],
        ));
        row.lines.push(Line::of(&format!("  {}, bytes", page.name), Side::Ours, Unit::Bytes, vec![as_f64(bytes)]));
        slowest = slowest.max(percentile(&seconds, 0.95));
        largest = largest.max(as_f64(bytes));
    }
    row.lines.push(Line::of("the login page of the same server", Side::Beside, Unit::Seconds, bare));
    row.targets.push(Target::at_most("the slowest page: 95 of 100 answers, over 150 ms", slowest / MOST_S, 1.0));
    row.targets.push(Target::at_most("the largest page: bytes over 300 kB", largest / MOST_BYTES, 1.0));
    drop(server);
    beside::run(context, row)
}

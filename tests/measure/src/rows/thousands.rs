//! B5: thousands of tills: a change of the chain's prices, announced to all and acknowledged by
//! all.
//!
//! The tills are simulated ([`tillway_tests::fleet`]): each has its queues, its channel and the
//! decisions of the real agent, and believes what a package says of itself. A case is a server, a
//! broker and a fleet of its own.

mod case;

use crate::figure::{Outcome, median, of_u64};
use crate::report::{Line, Plot, Row, Side, Target, Unit};
use crate::{Context, MeasureError, Plan};
use case::{Case, Measured};

/// The row.
pub(super) const PLAN: Plan =
    Plan { id: "B5", name: "thousands", title: "thousands of tills: a change of the chain's prices", run };

/// Fleets: tills, the shops that they are spread over, rounds.
const CASES: [(usize, usize, usize); 6] =
    [(100, 1, 5), (100, 100, 5), (1_000, 1, 5), (1_000, 1_000, 5), (10_000, 1, 2), (10_000, 1_000, 2)];
const QUICK_CASES: [(usize, usize, usize); 2] = [(20, 1, 1), (40, 10, 1)];

fn run(context: &Context, row: &mut Row) -> Result<(), MeasureError> {
    let cases: &[(usize, usize, usize)] = if context.options.quick { &QUICK_CASES } else { &CASES };
    let mut all: Vec<(Case, Measured)> = Vec::new();
    let mut ended = Ok(());
    for (tills, shops, rounds) in cases {
        let case = Case { tills: *tills, shops: *shops, rounds: context.options.rounds.unwrap_or(*rounds) };
        let measured = match case.measure(context) {
            Ok(measured) => measured,
            // What the smaller fleets came to is told all the same.
            Err(error) => {
                ended = Err(error);
                break;
            }
        };
        tell(row, &case, &measured);
        all.push((case, measured));
    }
    targets(row, &all);
    plots(row, &all);
    row.notes.push(
        "Announced: from the answer of REST until the broker has confirmed a link to each till, the load and the package \
         included; the tills are off meanwhile, as are those of the bare publisher, which sends as many messages of the same \
         size with confirms to the same queues. Acknowledged: the tills are on; until the server takes the report of the last \
         that it applied the package. Both by the times in the server's own record, in whole milliseconds. Before the first round each till was asked for \
         its sales, as new ones are. Fleet, broker and server share the machine, so seconds of the second are theirs together; \
         the server's own share is its processor time."
            .to_owned(),
    );
    ended
}

fn tell(row: &mut Row, case: &Case, measured: &Measured) {
    let tills = of_u64(case.tills as u64);
    let name = |what: &str| format!("{case}: {what}");
    let Measured { raw, announced, acknowledged, .. } = measured;
    row.lines.push(Line::seconds(&name("announced"), Side::Ours, announced).moving(tills, "links"));
    let links = announced.iter().map(|outcome| outcome.figure(case::LINKS_ALONE)).collect();
    let links = Line::of(
        &name("  of this, from the first delivery written to the last link confirmed"),
        Side::Ours,
        Unit::Seconds,
        links,
    );
    row.lines.push(links.moving(tills, "links"));
    row.lines.push(Line::seconds(&name("raw publishing"), Side::Beside, raw).moving(tills, "messages"));
    row.lines.push(Line::seconds(&name("acknowledged"), Side::Ours, acknowledged).moving(tills, "tills"));
    let count = |what: &str, value: f64| Line::of(&name(what), Side::Ours, Unit::Count, vec![value]);
    row.lines.push(count("packages built a change", measured.packages));
    let bytes = |what: &str, value: u64| Line::of(&name(what), Side::Ours, Unit::Bytes, vec![of_u64(value)]);
    row.lines.push(bytes("server, resident afterwards", measured.resident));
    row.lines.push(bytes("broker, resident afterwards", measured.broker));
    row.notes.push(format!(
        "{case}: made over REST in {:.1} s, all queues there {:.1} s later, and all tills up to date {:.1} s after that.",
        measured.attached_s, measured.queues_s, measured.settled_s
    ));
}

/// Processor time of the server for one till that is told and acknowledges, in seconds.
fn cost(case: &Case, measured: &Measured) -> f64 {
    let costs = measured.acknowledged.iter().filter_map(|outcome| outcome.usage.get(case::SERVER));
    let costs: Vec<f64> = costs.map(|usage| usage.processor_s / of_u64(case.tills as u64)).collect();
    median(&costs)
}

fn targets(row: &mut Row, all: &[(Case, Measured)]) {
    for (case, measured) in all {
        // The seconds of the bare publisher over ours: at how much of its rate the server
        // announces.
        let against = |ours: &dyn Fn(&Outcome) -> f64| {
            let pairs = measured.raw.iter().zip(&measured.announced);
            median(&pairs.map(|(raw, announced)| raw.seconds / ours(announced)).collect::<Vec<_>>())
        };
        let links = against(&|outcome| outcome.figure(case::LINKS_ALONE));
        row.targets.push(Target::at_least(
            &format!("{case}: announcing, the links alone, over raw publishing"),
            links,
            0.7,
        ));
        let whole = against(&|outcome| outcome.seconds);
        let what = format!("{case}: announcing with the load and the package before it over raw publishing");
        row.targets.push(Target::at_least(&what, whole, 0.7));
        row.targets.push(Target::at_most(&format!("{case}: packages built a change"), measured.packages, 1.0));
    }
    for (place, (many, of_many)) in all.iter().enumerate() {
        let fewer = all[..place].iter().rev().find(|(case, _)| (case.shops == 1) == (many.shops == 1));
        let Some((few, of_few)) = fewer else { continue };
        let what = format!("processor time for a till: {many} over {few}");
        row.targets.push(Target::at_most(&what, cost(many, of_many) / cost(few, of_few), 1.3));
    }
}

fn plots(row: &mut Row, all: &[(Case, Measured)]) {
    let points = |of: &dyn Fn(&(Case, Measured)) -> f64, in_one: bool| {
        let chosen = all.iter().filter(|(case, _)| (case.shops == 1) == in_one);
        chosen.map(|found| (of_u64(found.0.tills as u64), of(found))).collect::<Vec<_>>()
    };
    let seconds = |outcomes: &[Outcome]| median(&outcomes.iter().map(|outcome| outcome.seconds).collect::<Vec<_>>());
    let mut series = Vec::new();
    for (where_, in_one) in [("one shop", true), ("spread", false)] {
        series.push((format!("announced, {where_}"), points(&|found| seconds(&found.1.announced), in_one)));
        series.push((format!("acknowledged, {where_}"), points(&|found| seconds(&found.1.acknowledged), in_one)));
        series.push((format!("raw, {where_}"), points(&|found| seconds(&found.1.raw), in_one)));
    }
    row.plots.push(Plot {
        title: "seconds from a change to all tills".to_owned(),
        x: "tills".to_owned(),
        y: "seconds".to_owned(),
        logarithmic: true,
        series,
    });
}

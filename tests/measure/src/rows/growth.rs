//! B9: how costs grow with objects, tills and receipts.

mod objects;
mod receipts;
mod tills;

pub(super) use tills::{Prices, attach, change, converged};

use crate::part::Part;
use crate::report::{Plot, Row, Target};
use crate::{Context, MeasureError, Plan};

/// The row.
pub(super) const PLAN: Plan = Plan { id: "B9", name: "growth", title: "growth with objects, tills and receipts", run };

/// What runs in processes of its own.
pub(super) const PARTS: &[Part] = objects::PARTS;

/// What the cost of one may be at the largest size, over that at the smallest: no more than
/// measuring errs.
const MOST_GROWTH: f64 = 1.3;

fn run(context: &Context, row: &mut Row) -> Result<(), MeasureError> {
    // A part that fails keeps none of the others from its figures.
    let ended = [objects::run(context, row), tills::run(context, row), receipts::run(context, row)];
    row.notes.push(
        "A target here is the cost of one at the largest size over its cost at the smallest: 1 is a straight line, less is \
         better than that, since what is paid once is shared by more."
            .to_owned(),
    );
    ended.into_iter().collect()
}

/// Costs over sizes: name, and (size, cost) from the smallest to the largest.
type Series = (String, Vec<(f64, f64)>);

/// A target for each series, and a picture of all of them.
fn grown(row: &mut Row, title: &str, (x, y): (&str, &str), one: &str, all: Vec<Series>) {
    for (name, points) in &all {
        let each = |point: Option<&(f64, f64)>| point.map_or(f64::NAN, |(size, cost)| cost / size);
        let what = format!("{name}: cost of one {one} at the largest size over that at the smallest");
        row.targets.push(Target::at_most(&what, each(points.last()) / each(points.first()), MOST_GROWTH));
    }
    row.plots.push(Plot { title: title.to_owned(), x: x.to_owned(), y: y.to_owned(), logarithmic: true, series: all });
}

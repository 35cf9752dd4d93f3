//! Charts, drawn by the server: bars, with labels below them as text, so that these keep their
//! size however wide the chart is.

use serde::Serialize;

/// The height of a chart in its own units.
const HEIGHT: u64 = 100;

/// The same for a bar with what is left free beside it.
const STEP: u64 = 10;
const WIDTH: u64 = 8;

/// Labels below a chart that have room on a telephone.
const LABELS: usize = 6;

/// What a bar stands for.
#[derive(Debug, Clone, Default)]
pub(super) struct Value {
    /// What is called so, below the bar.
    pub(super) label: String,
    /// The value as people read it.
    pub(super) told: String,
    /// How high the bar is.
    pub(super) amount: u64,
    /// How much of it is filled, where two values are shown in one bar; else all.
    pub(super) filled: Option<u64>,
}

/// A chart.
#[derive(Debug, Serialize)]
pub(super) struct Chart {
    /// Its width in its own units.
    pub(super) width: u64,
    pub(super) bars: Vec<Bar>,
    /// What the highest bar stands for, as people read it; none where no bar has a height.
    pub(super) highest: Option<String>,
}

/// A bar, in the units of the chart.
#[derive(Debug, Serialize)]
pub(super) struct Bar {
    pub(super) label: String,
    pub(super) told: String,
    pub(super) x: u64,
    pub(super) y: u64,
    pub(super) width: u64,
    pub(super) height: u64,
    /// The filled part, where it is one.
    pub(super) filled: Option<Filled>,
    /// Whether there is room for its label.
    pub(super) labelled: bool,
}

/// A part of a bar.
#[derive(Debug, Serialize)]
pub(super) struct Filled {
    pub(super) y: u64,
    pub(super) height: u64,
}

/// A bar for each value.
pub(super) fn chart(values: Vec<Value>) -> Chart {
    let count = values.len();
    let highest = values.iter().max_by_key(|value| value.amount).filter(|value| value.amount > 0);
    let most = highest.map_or(1, |value| value.amount);
    let told = highest.map(|value| value.told.clone());
    let every = count.div_ceil(LABELS).max(1);
    let height = |value: u64| {
        let height = u128::from(value) * u128::from(HEIGHT) / u128::from(most);
        // What is there is seen.
        u64::try_from(height).unwrap_or(HEIGHT).max(u64::from(value > 0))
    };
    let bar = |(at, value): (usize, Value)| {
        let whole = height(value.amount);
        Bar {
            label: value.label,
            told: value.told,
            x: at as u64 * STEP + (STEP - WIDTH) / 2,
            y: HEIGHT - whole,
            width: WIDTH,
            height: whole,
            filled: value.filled.map(height).map(|height| Filled { y: HEIGHT - height, height }),
            labelled: at % every == 0,
        }
    };
    Chart {
        width: (count.max(1) as u64) * STEP,
        bars: values.into_iter().enumerate().map(bar).collect(),
        highest: told,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(value: u64) -> Value {
        Value { told: value.to_string(), amount: value, ..Value::default() }
    }

    #[test]
    fn bars_are_as_high_as_their_values_and_what_is_there_is_seen() {
        let drawn = chart(vec![of(20_000), of(10_000), of(1), of(0)]);
        let sizes: Vec<_> = drawn.bars.iter().map(|bar| (bar.y, bar.height)).collect();
        assert_eq!(sizes, [(0, 100), (50, 50), (99, 1), (100, 0)]);
        assert_eq!((drawn.highest.as_deref(), drawn.width), (Some("20000"), 40));
        assert_eq!(chart(vec![of(u64::MAX), of(u64::MAX)]).bars[1].height, 100);
        let none = chart(vec![of(0)]);
        assert_eq!((none.highest, none.bars[0].height), (None, 0));
        assert!(chart(Vec::new()).bars.is_empty());
        let filled = chart(vec![Value { filled: Some(50), ..of(100) }]);
        assert_eq!(filled.bars[0].filled.as_ref().map(|part| (part.y, part.height)), Some((50, 50)));
    }

    #[test]
    fn as_many_bars_are_labelled_as_have_room() {
        for count in [1, 5, 7, 24, 62] {
            let drawn = chart(vec![of(1); count]);
            let labelled = drawn.bars.iter().filter(|bar| bar.labelled).count();
            assert!((1..=LABELS).contains(&labelled), "{count}: {labelled}");
            assert!(drawn.bars.iter().all(|bar| bar.x + bar.width <= drawn.width));
        }
    }
}

//! A plot as SVG.

use super::super::report::Plot;
use super::super::terminal::number;
use super::escaped;
use std::fmt::Write as _;

/// Size of the picture, and what is left free of it for the words at its sides.
const WIDTH: f64 = 640.0;
const HEIGHT: f64 = 300.0;
const LEFT: f64 = 70.0;
const RIGHT: f64 = 150.0;
const TOP: f64 = 12.0;
const BOTTOM: f64 = 42.0;

/// Lines of one picture that can be told apart.
const COLOURS: [&str; 6] = ["#0b8f66", "#8a93a6", "#c77700", "#7a5cc2", "#b3261e", "#1f77b4"];

/// Marks on an axis that is not by powers of ten.
const MARKS: u32 = 5;

/// The picture with its title.
pub(super) fn svg(plot: &Plot) -> String {
    let points = || plot.series.iter().flat_map(|(_, points)| points);
    let x = Axis::of(plot.logarithmic, points().map(|(x, _)| *x), LEFT, WIDTH - RIGHT);
    let y = Axis::of(plot.logarithmic, points().map(|(_, y)| *y), HEIGHT - BOTTOM, TOP);
    let mut out = String::new();
    // Writing to a String cannot fail, here and below.
    let _ = write!(
        out,
        "<figure><figcaption>{}</figcaption><svg viewBox=\"0 0 {WIDTH} {HEIGHT}\" width=\"{WIDTH}\" height=\"{HEIGHT}\" role=\"img\">",
        escaped(&plot.title)
    );
    for mark in x.marks() {
        let at = x.place(mark);
        let (top, bottom, below) = (TOP, HEIGHT - BOTTOM, HEIGHT - BOTTOM + 16.0);
        let _ = write!(
            out,
            "<line class=\"axis\" x1=\"{at:.1}\" x2=\"{at:.1}\" y1=\"{top}\" y2=\"{bottom}\"/>\
             <text x=\"{at:.1}\" y=\"{below}\" text-anchor=\"middle\">{}</text>",
            number(mark)
        );
    }
    for mark in y.marks() {
        let at = y.place(mark);
        let (right, words, line) = (WIDTH - RIGHT, LEFT - 6.0, at + 4.0);
        let _ = write!(
            out,
            "<line class=\"axis\" x1=\"{LEFT}\" x2=\"{right}\" y1=\"{at:.1}\" y2=\"{at:.1}\"/>\
             <text x=\"{words}\" y=\"{line:.1}\" text-anchor=\"end\">{}</text>",
            number(mark)
        );
    }
    let (middle, below) = ((LEFT + WIDTH - RIGHT) / 2.0, HEIGHT - 6.0);
    let _ = write!(
        out,
        "<text x=\"{middle}\" y=\"{below}\" text-anchor=\"middle\">{}</text>\
         <text x=\"12\" y=\"{half}\" text-anchor=\"middle\" transform=\"rotate(-90 12 {half})\">{}</text>",
        escaped(&plot.x),
        escaped(&plot.y),
        half = (TOP + HEIGHT - BOTTOM) / 2.0,
    );
    for ((name, points), (colour, line)) in plot.series.iter().zip(COLOURS.iter().cycle().zip(1_u32..)) {
        let places: Vec<String> =
            points.iter().map(|(px, py)| format!("{:.1},{:.1}", x.place(*px), y.place(*py))).collect();
        let _ = write!(
            out,
            "<polyline points=\"{}\" fill=\"none\" stroke=\"{colour}\" stroke-width=\"2\"/>",
            places.join(" ")
        );
        for (px, py) in points {
            let _ = write!(
                out,
                "<circle cx=\"{:.1}\" cy=\"{:.1}\" r=\"3\" fill=\"{colour}\"/>",
                x.place(*px),
                y.place(*py)
            );
        }
        let (at, words) = (TOP + 16.0 * f64::from(line), WIDTH - RIGHT + 12.0);
        let _ = write!(
            out,
            "<rect x=\"{words}\" y=\"{:.1}\" width=\"10\" height=\"10\" fill=\"{colour}\"/><text x=\"{}\" y=\"{at:.1}\">{}</text>",
            at - 9.0,
            words + 15.0,
            escaped(name)
        );
    }
    out.push_str("</svg></figure>");
    out
}

/// From values to places in the picture.
struct Axis {
    logarithmic: bool,
    from: f64,
    to: f64,
    first: f64,
    last: f64,
}

impl Axis {
    fn of(logarithmic: bool, values: impl Iterator<Item = f64> + Clone, first: f64, last: f64) -> Self {
        let finite = values.filter(|value| value.is_finite() && (!logarithmic || *value > 0.0));
        let low = finite.clone().fold(f64::INFINITY, f64::min);
        let high = finite.fold(f64::NEG_INFINITY, f64::max);
        if high < low {
            return Self { logarithmic: false, from: 0.0, to: 1.0, first, last };
        }
        let (from, to) = if logarithmic { (low.log10().floor(), high.log10().ceil()) } else { (0.0, high) };
        Self { logarithmic, from, to: if to > from { to } else { from + 1.0 }, first, last }
    }

    fn place(&self, value: f64) -> f64 {
        let value = if self.logarithmic { value.max(f64::MIN_POSITIVE).log10() } else { value };
        let share = ((value - self.from) / (self.to - self.from)).clamp(0.0, 1.0);
        self.first + share * (self.last - self.first)
    }

    fn marks(&self) -> Vec<f64> {
        if !self.logarithmic {
            let step = (self.to - self.from) / f64::from(MARKS);
            return (0..=MARKS).map(|mark| self.from + f64::from(mark) * step).collect();
        }
        let mut marks = Vec::new();
        let mut power = self.from;
        while power <= self.to {
            marks.push(10_f64.powf(power));
            power += 1.0;
        }
        marks
    }
}

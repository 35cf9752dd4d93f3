//! The table on the terminal.

use super::figure::Usage;
use super::report::{Line, Report, Row, Side, Target, Unit};
use std::fmt::Write as _;

/// Everything, as text.
pub fn table(report: &Report) -> String {
    let mut out = String::new();
    let machine = &report.machine;
    let _ = writeln!(
        out,
        "{} × {}, {} memory, {}, {}; {} build; {}",
        machine.processors,
        machine.processor,
        bytes(super::figure::of_u64(machine.memory_bytes)),
        machine.kernel,
        machine.file_system,
        machine.build,
        report.data,
    );
    for (name, version) in &machine.versions {
        let _ = writeln!(out, "  {name}: {version}");
    }
    if report.quick {
        out.push_str("A quick run: small sizes, few rounds. It shows that everything works, not how fast it is.\n");
    }
    for row in &report.rows {
        write_row(row, &mut out);
    }
    let targets: Vec<&Target> = report.rows.iter().flat_map(|row| &row.targets).collect();
    let met = targets.iter().filter(|target| target.is_met()).count();
    let _ = writeln!(out, "\n{met} of {} targets reached", targets.len());
    out
}

fn write_row(row: &Row, out: &mut String) {
    let _ = writeln!(out, "\n{}  {}  ({:.0} s)", row.id, row.title, row.took_s);
    let width = row.lines.iter().map(|line| line.name.chars().count()).max().unwrap_or(0);
    for line in &row.lines {
        let side = if line.side == Side::Ours { "*" } else { " " };
        let _ = writeln!(out, "  {side} {:width$}  {}", line.name, line_text(line));
    }
    for target in &row.targets {
        let _ = writeln!(out, "    {} {}", if target.is_met() { "ok    " } else { "MISSED" }, target_told(target));
    }
    for skipped in &row.skipped {
        let _ = writeln!(out, "    skipped: {skipped}");
    }
    for note in &row.notes {
        let _ = writeln!(out, "    {note}");
    }
    if let Some(why) = &row.failed {
        let _ = writeln!(out, "    FAILED: {why}");
    }
}

/// A target, found and wanted.
pub fn target_told(target: &Target) -> String {
    let sign = if target.at_least { "≥" } else { "≤" };
    format!("{}: {} (wanted {sign} {})", target.what, number(target.found), number(target.wanted))
}

/// Median, spread, rate, memory and processor time of a line.
pub fn line_text(line: &Line) -> String {
    let (low, high) = line.range();
    let mut text = format!("{:>9}", value(line.unit, line.median()));
    if line.runs.len() > 1 {
        let _ = write!(text, "  ({} … {})", value(line.unit, low), value(line.unit, high));
    }
    if let Some((amount, of)) = &line.amount {
        let _ = write!(text, "  {} {of}/s", number(amount / line.median()));
    }
    for (process, Usage { peak_bytes, processor_s }) in &line.usage {
        let peak = bytes(super::figure::of_u64(*peak_bytes));
        let _ = write!(text, "  [{process}: {peak}, {} of processor]", seconds(*processor_s));
    }
    text
}

/// A figure with its unit.
pub fn value(unit: Unit, figure: f64) -> String {
    match unit {
        Unit::Seconds => seconds(figure),
        Unit::Bytes => bytes(figure),
        Unit::PerSecond => format!("{}/s", number(figure)),
        Unit::Count => number(figure),
    }
}

/// Seconds in the unit in which they are read best.
fn seconds(figure: f64) -> String {
    match figure {
        figure if figure >= 1.0 => format!("{} s", number(figure)),
        figure if figure >= 1e-3 => format!("{} ms", number(figure * 1e3)),
        figure => format!("{} µs", number(figure * 1e6)),
    }
}

fn bytes(figure: f64) -> String {
    match figure {
        figure if figure >= 1e9 => format!("{} GB", number(figure / 1e9)),
        figure if figure >= 1e6 => format!("{} MB", number(figure / 1e6)),
        figure if figure >= 1e3 => format!("{} kB", number(figure / 1e3)),
        figure => format!("{} B", number(figure)),
    }
}

/// Three digits that matter; whole numbers whole, thousands apart.
pub fn number(figure: f64) -> String {
    if !figure.is_finite() {
        return "–".to_owned();
    }
    match figure.abs() {
        large if large >= 100.0 => grouped(&format!("{figure:.0}")),
        large if large >= 10.0 => format!("{figure:.1}"),
        large if large >= 1.0 => format!("{figure:.2}"),
        0.0 => "0".to_owned(),
        large if large >= 0.01 => format!("{figure:.3}"),
        _ => format!("{figure:.1e}"),
    }
}

fn grouped(digits: &str) -> String {
    let mut out = String::new();
    for (at, digit) in digits.chars().enumerate() {
        let left = digits.len() - at;
        if at > 0 && left.is_multiple_of(3) && !out.ends_with('-') {
            out.push(' ');
        }
        out.push(digit);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_read_well() {
        let told: Vec<String> =
            [0.0, 0.001_2, 0.123_4, 1.234_5, 12.34, 123.4, 1_234_567.0, f64::NAN].map(number).into();
        assert_eq!(told, ["0", "1.2e-3", "0.123", "1.23", "12.3", "123", "1 234 567", "–"]);
        assert_eq!(value(Unit::Seconds, 0.001_5), "1.50 ms");
        assert_eq!(value(Unit::Bytes, 2_500_000.0), "2.50 MB");
    }
}

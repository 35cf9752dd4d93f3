//! The report as one page: `index.html`, with its plots as SVG inside of it.

mod plot;

use super::report::{Line, Report, Row, Side, Target, Unit};
use super::terminal::{line_text, number, target_told, value};
use std::fmt::Write as _;

/// The look: readable in the light and in the dark, on paper too.
const STYLE: &str = include_str!("page/style.css");

/// The whole page.
pub fn html(report: &Report) -> String {
    let mut body = String::new();
    write_head(report, &mut body);
    write_summary(report, &mut body);
    for row in &report.rows {
        write_row(row, &mut body);
    }
    format!(
        "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\
         <title>Tillway: benchmarks</title><style>{STYLE}</style></head><body>\n{body}</body></html>\n"
    )
}

fn write_head(report: &Report, out: &mut String) {
    let machine = &report.machine;
    let memory = value(Unit::Bytes, super::figure::of_u64(machine.memory_bytes));
    // Writing to a String cannot fail, here and below.
    let _ = write!(
        out,
        "<h1>Tillway: benchmarks</h1><p>{} · {} × {} · {memory} of memory · {} · {} · {} build · {}</p>",
        escaped(&report.at),
        machine.processors,
        escaped(&machine.processor),
        escaped(&machine.kernel),
        escaped(&machine.file_system),
        escaped(&machine.build),
        escaped(&report.data),
    );
    if report.quick {
        out.push_str(
            "<p class=\"warning\">A quick run: small sizes, few rounds. It shows that everything works, not how fast it is.</p>",
        );
    }
    let versions: Vec<String> =
        machine.versions.iter().map(|(name, version)| format!("{}: {}", escaped(name), escaped(version))).collect();
    let _ = write!(out, "<p class=\"small\">Beside: {}</p>", versions.join(" · "));
}

fn write_summary(report: &Report, out: &mut String) {
    out.push_str(
        "<table class=\"summary\"><thead><tr><th></th><th>Compared</th><th>Found</th><th>Wanted</th><th></th></tr></thead><tbody>",
    );
    for row in &report.rows {
        for target in &row.targets {
            write_target(&row.id, target, out);
        }
        if let Some(why) = &row.failed {
            let id = &row.id;
            let _ = write!(
                out,
                "<tr class=\"missed\"><td><a href=\"#{id}\">{id}</a></td><td colspan=\"4\">{}</td></tr>",
                escaped(why)
            );
        }
    }
    out.push_str("</tbody></table>");
}

fn write_target(id: &str, target: &Target, out: &mut String) {
    let (class, verdict) = if target.is_met() { ("met", "reached") } else { ("missed", "missed") };
    let sign = if target.at_least { "≥" } else { "≤" };
    let _ = write!(
        out,
        "<tr class=\"{class}\"><td><a href=\"#{id}\">{id}</a></td><td>{}</td><td>{}</td><td>{sign} {}</td><td>{verdict}</td></tr>",
        escaped(&target.what),
        number(target.found),
        number(target.wanted),
    );
}

fn write_row(row: &Row, out: &mut String) {
    let _ = write!(out, "<section id=\"{}\"><h2>{} {}</h2>", row.id, row.id, escaped(&row.title));
    for target in &row.targets {
        let class = if target.is_met() { "met" } else { "missed" };
        let _ = write!(out, "<p class=\"{class}\">{}</p>", escaped(&target_told(target)));
    }
    out.push_str("<table><tbody>");
    for line in &row.lines {
        let longest = longest_of(line.unit, &row.lines);
        let share = (line.median() / longest * 100.0).clamp(0.0, 100.0);
        let class = if line.side == Side::Ours { "ours" } else { "beside" };
        let share = if share.is_finite() { share } else { 0.0 };
        let _ = write!(
            out,
            "<tr class=\"{class}\"><td>{}</td><td class=\"bar\"><svg width=\"160\" height=\"12\" aria-hidden=\"true\">\
             <rect width=\"{:.1}\" height=\"12\" rx=\"2\"/></svg></td><td>{}</td></tr>",
            escaped(&line.name),
            share * 1.6,
            escaped(line_text(line).trim()),
        );
    }
    out.push_str("</tbody></table>");
    for plot in &row.plots {
        out.push_str(&plot::svg(plot));
    }
    for skipped in &row.skipped {
        let _ = write!(out, "<p class=\"small\">Skipped: {}</p>", escaped(skipped));
    }
    for note in &row.notes {
        let _ = write!(out, "<p class=\"small\">{}</p>", escaped(note));
    }
    if let Some(why) = &row.failed {
        let _ = write!(out, "<p class=\"missed\">Broke off: {}</p>", escaped(why));
    }
    out.push_str("</section>");
}

/// The largest of the figures of one unit, which gets the whole bar.
fn longest_of(unit: Unit, lines: &[Line]) -> f64 {
    lines.iter().filter(|line| line.unit == unit).map(Line::median).fold(f64::NAN, f64::max)
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

#[cfg(test)]
mod tests {
    use super::super::machine::Machine;
    use super::super::report::{Plot, VERSION};
    use super::*;

    #[test]
    fn the_page_tells_what_was_missed_and_takes_nothing_for_markup() {
        let row = Row {
            id: "B1".to_owned(),
            title: "a < b".to_owned(),
            lines: vec![Line::of("ours", Side::Ours, Unit::Seconds, vec![1.0, 2.0, 4.0])],
            targets: vec![Target::at_least("x", 0.5, 1.0), Target::at_most("y", 0.5, 1.0)],
            plots: vec![Plot {
                title: "growth".to_owned(),
                x: "objects".to_owned(),
                y: "seconds".to_owned(),
                logarithmic: true,
                series: vec![("ours".to_owned(), vec![(1.0, 1.0), (10.0, 9.0)])],
            }],
            ..Row::default()
        };
        let machine = Machine::describe(std::path::Path::new("/"));
        let at = "2026-01-01".to_owned();
        let report = Report { version: VERSION, at, quick: false, machine, data: String::new(), rows: vec![row] };
        let html = html(&report);
        assert!(html.contains("a &lt; b") && !html.contains("a < b"));
        assert!(html.contains(">missed<") && html.contains(">reached<") && html.contains("<polyline"));
    }
}

//! `bench`: how fast, beside what others would use. `./dev bench` builds it as a release and runs
//! it.

use clap::{Parser, Subcommand};
use fs_err as fs;
use std::error::Error;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use tillway_measure::report::Report;
use tillway_measure::rows::ROWS;
use tillway_measure::{Context, Options, Plan, page, part, terminal};

/// Measure Tillway beside what others would use, on the same data in the same run.
#[derive(Parser)]
struct Arguments {
    #[command(subcommand)]
    command: Option<Command>,
    /// Which rows: their numbers or names; none: all of them.
    rows: Vec<String>,
    /// List the rows and end.
    #[arg(long)]
    list: bool,
    /// Small sizes and few rounds: whether everything works, not how fast it is.
    #[arg(long)]
    quick: bool,
    /// How often what is compared runs; without it each row has its number.
    #[arg(long, value_parser = clap::value_parser!(u16).range(1..=100))]
    rounds: Option<u16>,
    /// Sizes of the row of pages, as a part of the full ones.
    #[arg(long, default_value_t = 1.0, value_parser = a_part)]
    scale: f64,
    /// Folder with the barcode reference `uhtt`; where it is not there, data of the same size is
    /// made up.
    #[arg(long, default_value = "../shared/data")]
    data: PathBuf,
    /// Where `index.html` and `bench.json` go; scratch files lie below it while it runs.
    #[arg(long, default_value = "target/bench")]
    out: PathBuf,
}

#[derive(Subcommand)]
enum Command {
    /// One run in this process; the benchmark starts it.
    #[command(hide = true)]
    Part { name: String, arguments: String },
    /// Draw the page of a `bench.json` again.
    Draw { json: PathBuf },
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    match run(&arguments) {
        Ok(code) => code,
        Err(error) => {
            let _ = writeln!(io::stderr(), "bench: failed: {}", chain(&*error));
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: &Arguments) -> Result<ExitCode, Box<dyn Error>> {
    let mut out = io::stdout().lock();
    match &arguments.command {
        Some(Command::Part { name, arguments }) => {
            let outcome = part::carry_out(name, arguments)?;
            serde_json::to_writer(&mut out, &outcome)?;
            return Ok(ExitCode::SUCCESS);
        }
        Some(Command::Draw { json }) => {
            let report: Report = serde_json::from_slice(&fs::read(json)?)?;
            out.write_all(page::html(&report).as_bytes())?;
            return Ok(ExitCode::SUCCESS);
        }
        None => {}
    }
    if arguments.list {
        for plan in ROWS {
            writeln!(out, "{} {:12} {}", plan.id, plan.name, plan.title)?;
        }
        return Ok(ExitCode::SUCCESS);
    }
    let plans = chosen(&arguments.rows)?;
    fs::create_dir_all(&arguments.out)?;
    let options = Options {
        quick: arguments.quick,
        rounds: arguments.rounds.map(usize::from),
        scale: arguments.scale,
        data: arguments.data.clone(),
        folder: arguments.out.join("scratch"),
    };
    let scratch = options.folder.clone();
    let report = tillway_measure::run(&Context::new(options)?, &plans);
    fs::remove_dir_all(scratch)?;
    write_files(&arguments.out, &report)?;
    out.write_all(terminal::table(&report).as_bytes())?;
    writeln!(out, "the report: {}", arguments.out.join("index.html").display())?;
    let broken = report.rows.iter().any(|row| row.failed.is_some());
    // A target that was missed is a finding, not a failure of the run.
    Ok(if broken { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

fn a_part(text: &str) -> Result<f64, String> {
    let part: f64 = text.parse().map_err(|_| format!("`{text}` is no number"))?;
    if part > 0.0 && part <= 1.0 { Ok(part) } else { Err(format!("{part} is not between 0 and 1")) }
}

fn write_files(folder: &Path, report: &Report) -> io::Result<()> {
    fs::write(folder.join("bench.json"), serde_json::to_vec_pretty(report)?)?;
    fs::write(folder.join("index.html"), page::html(report))
}

fn chosen(names: &[String]) -> Result<Vec<Plan>, String> {
    if names.is_empty() {
        return Ok(ROWS.to_vec());
    }
    let find = |name: &String| {
        let found = ROWS.iter().find(|plan| plan.id.eq_ignore_ascii_case(name) || plan.name == name.as_str());
        found.copied().ok_or_else(|| format!("there is no row {name}; --list shows them"))
    };
    names.iter().map(find).collect()
}

fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        text = format!("{text}: {error}");
        source = error.source();
    }
    text
}

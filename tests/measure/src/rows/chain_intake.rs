//! B4: intake of the whole file of a chain of which some things changed.

use super::chain_server::{ChainServer, RESIDENT_BEFORE, ROWS_OF_A_GOOD, SERVER, Taken, UNTIL_DONE, whole_file};
use crate::data::{Assortment, Good};
use crate::figure::{Outcome, as_f64, median, of_u64};
use crate::part::{self, Part};
use crate::report::{Line, Plot, Row, Side, Target, Unit, speed_beside};
use crate::{Context, MeasureError, Plan, progress};
use fs_err as fs;
use serde::Deserialize;
use std::borrow::Cow;
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};

/// The row.
pub(super) const PLAN: Plan =
    Plan { id: "B4", name: "chain-intake", title: "intake of the whole file of a chain, about 7 % of it changed", run };

/// What runs in processes of its own.
pub(super) const PARTS: &[Part] = &[("parse-with-serde-json", parse_with_serde_json)];

/// Rounds of what is compared.
const ROUNDS: usize = 3;

/// Parts of the chain whose intake is compared by its memory, beside the whole.
const SHARES: [usize; 3] = [8, 4, 2];

/// The same read-ahead as the server's.
const READ_BUFFER_BYTES: usize = 256 * 1024;

/// The two files of a part of the chain.
struct Files {
    before: PathBuf,
    after: PathBuf,
    goods: (usize, usize),
    bytes_after: u64,
}

fn run(context: &Context, row: &mut Row) -> Result<(), MeasureError> {
    let folder = context.folder("chain-intake")?;
    let before = context.data.goods(Assortment::ChainBefore)?;
    let after = context.data.goods(Assortment::ChainAfter)?;
    let mut peaks = Vec::new();
    for share in SHARES {
        let files = files(&folder, (&before, &after), share)?;
        progress(&format!("one of {share} of the chain"));
        let mut server = loaded(&files)?;
        server.restart()?;
        peaks.push((of_u64(files.bytes_after), server.take(&files.after, files.goods.1 * ROWS_OF_A_GOOD)?));
    }
    let files = files(&folder, (&before, &after), 1)?;
    let mut server = loaded(&files)?;
    server.restart()?;
    let mut first = None;
    let mut differences = Vec::new();
    let mut taken = |server: &mut ChainServer| {
        // Every round begins with the earlier state, however that is come by.
        if first.is_some() {
            server.take(&files.before, files.goods.0 * ROWS_OF_A_GOOD)?;
        }
        let taken = server.take(&files.after, files.goods.1 * ROWS_OF_A_GOOD)?;
        differences.push(of_u64(taken.differences));
        let outcome = taken.outcome.clone();
        first.get_or_insert(taken);
        Ok(outcome)
    };
    let mut outcomes = context.alternate(
        context.rounds(ROUNDS),
        &mut [
            ("intake", Box::new(|| taken(&mut server))),
            ("parsing alone", Box::new(|| part::run("parse-with-serde-json", &files.after))),
        ],
    )?;
    let (parsing, intake) = (outcomes.pop().unwrap_or_default(), outcomes.pop().unwrap_or_default());
    let records = as_f64(files.goods.1);
    let ours = "intake: flag → committed with a sync, file kept, end noted";
    let theirs = "parsing alone: serde_json into typed structs, text borrowed";
    row.lines.push(Line::seconds(ours, Side::Ours, &intake).moving(records, "records"));
    row.lines.push(Line::seconds(theirs, Side::Beside, &parsing).moving(records, "records"));
    let until: Vec<f64> = intake.iter().map(|outcome| outcome.figure(UNTIL_DONE)).collect();
    let name = "intake, until the database's log is in its file and the kept file is packed as well";
    row.lines.push(Line::of(name, Side::Ours, Unit::Seconds, until));
    let bytes = of_u64(files.bytes_after);
    let rate = |outcomes: &[Outcome]| outcomes.iter().map(|outcome| bytes / outcome.seconds).collect();
    row.lines.push(Line::of("intake, bytes of the file a second", Side::Ours, Unit::Bytes, rate(&intake)));
    row.lines.push(Line::of("parsing alone, bytes of the file a second", Side::Beside, Unit::Bytes, rate(&parsing)));
    let rows = median(&differences);
    row.lines.push(Line::of("rows added, changed and deleted", Side::Ours, Unit::Count, vec![rows]));
    row.targets.push(Target::at_least(
        "intake's speed over that of parsing alone",
        speed_beside(&intake, &parsing),
        0.5,
    ));
    peaks.extend(first.map(|taken| (bytes, taken)));
    memory(row, &peaks);
    row.notes.push(
        "Each record becomes two rows, an item and its barcode. The earlier state was loaded before and is not timed; each \
         later round goes back to it first. The server's peak is counted anew for each file, in a server that was started \
         anew and had loaded nothing since. The log of a large load is moved into the database after its end is told; a round \
         begins when that is done, and the processor time has it."
            .to_owned(),
    );
    Ok(())
}

fn files(folder: &Path, (before, after): (&[Good], &[Good]), share: usize) -> Result<Files, MeasureError> {
    let (before, after) = (first(before, share), first(after, share));
    let files = Files {
        before: folder.join("before.aif"),
        after: folder.join("after.aif"),
        goods: (before.len(), after.len()),
        bytes_after: 0,
    };
    whole_file(&files.before, before)?;
    let bytes_after = whole_file(&files.after, after)?;
    Ok(Files { bytes_after, ..files })
}

fn first(goods: &[Good], share: usize) -> &[Good] {
    &goods[..goods.len() / share]
}

fn loaded(files: &Files) -> Result<ChainServer, MeasureError> {
    let mut server = ChainServer::start()?;
    server.take(&files.before, files.goods.0 * ROWS_OF_A_GOOD)?;
    Ok(server)
}

/// Memory over the size of the file.
fn memory(row: &mut Row, peaks: &[(f64, Taken)]) {
    let peak = |taken: &Taken| taken.outcome.usage.get(SERVER).map_or(f64::NAN, |usage| of_u64(usage.peak_bytes));
    let points: Vec<(f64, f64)> = peaks.iter().map(|(bytes, taken)| (*bytes, peak(taken))).collect();
    let before: Vec<(f64, f64)> =
        peaks.iter().map(|(bytes, taken)| (*bytes, taken.outcome.figure(RESIDENT_BEFORE))).collect();
    for ((bytes, peak), (_, before)) in points.iter().zip(&before) {
        let name = format!("peak memory, a file of {:.0} MB ({:.0} MB before it)", bytes / 1e6, before / 1e6);
        row.lines.push(Line::of(&name, Side::Ours, Unit::Bytes, vec![*peak]));
    }
    let (least, most) =
        (points.first().map_or(f64::NAN, |(_, peak)| *peak), points.last().map_or(f64::NAN, |(_, peak)| *peak));
    row.targets.push(Target::at_most("peak memory with the whole file over that with an eighth", most / least, 1.25));
    row.plots.push(Plot {
        title: "memory of the server while it takes a file in".to_owned(),
        x: "bytes of the file".to_owned(),
        y: "bytes".to_owned(),
        logarithmic: true,
        series: vec![("peak during the load".to_owned(), points), ("before it".to_owned(), before)],
    });
}

/// What a program does that only parses: the same records, split by the same lines, each into
/// structs with the fields that it has; text is borrowed from the line where it has no escapes.
/// Nothing is kept.
fn parse_with_serde_json(arguments: &str) -> Result<Outcome, MeasureError> {
    let path: PathBuf = part::arguments(arguments)?;
    let (parsed, outcome) = part::timed(|| {
        let file = fs::File::open(&path).map_err(MeasureError::File)?;
        let mut input = BufReader::with_capacity(READ_BUFFER_BYTES, file);
        let (mut record, mut parsed) = (Vec::new(), Parsed::default());
        loop {
            let from = record.len();
            let read = input.read_until(b'\n', &mut record).map_err(MeasureError::File)?;
            if read > 0 && record[from..].trim_ascii_end() != b"---" {
                continue;
            }
            record.truncate(from);
            if !record.is_empty() {
                let command = serde_json::from_slice::<AddInventItem<'_>>(&record);
                parsed.count(&command.map_err(|error| MeasureError::wrong("a record", error))?);
                record.clear();
            }
            if read == 0 {
                return Ok(parsed);
            }
        }
    })?;
    Ok(outcome
        .with("records", parsed.records)
        .with("sum of prices", parsed.prices)
        .with("bytes of text", as_f64(parsed.bytes)))
}

/// So that nothing that was parsed goes unused.
#[derive(Default)]
struct Parsed {
    records: f64,
    prices: f64,
    bytes: usize,
}

impl Parsed {
    fn count(&mut self, command: &AddInventItem<'_>) {
        let Some(item) = &command.invent else { return };
        self.records += 1.0;
        self.prices += item.price;
        let codes = [&item.inventcode, &item.barcode, &item.name, &item.inventgroup];
        self.bytes += codes.iter().map(|text| text.len()).sum::<usize>() + command.command.len();
        let options = &item.options;
        let numbers = [
            item.deptcode,
            item.taxgroupcode,
            item.measurecode,
            options.inventitemoptions.disablebackinsale,
            options.inventitemoptions.ageverify,
            options.quantityoptions.enablequantitymanual,
        ];
        self.bytes += numbers.iter().filter(|number| **number > 0).count();
    }
}

#[derive(Deserialize)]
struct AddInventItem<'a> {
    #[serde(borrow)]
    command: Cow<'a, str>,
    #[serde(borrow)]
    invent: Option<Invent<'a>>,
}

#[derive(Deserialize)]
struct Invent<'a> {
    #[serde(borrow)]
    inventcode: Cow<'a, str>,
    #[serde(borrow)]
    barcode: Cow<'a, str>,
    #[serde(borrow)]
    name: Cow<'a, str>,
    #[serde(borrow)]
    inventgroup: Cow<'a, str>,
    price: f64,
    deptcode: i64,
    taxgroupcode: i64,
    measurecode: i64,
    options: ItemOptions,
}

#[derive(Deserialize)]
struct ItemOptions {
    inventitemoptions: InventItemOptions,
    quantityoptions: QuantityOptions,
}

#[derive(Deserialize)]
struct InventItemOptions {
    disablebackinsale: i64,
    ageverify: i64,
}

#[derive(Deserialize)]
struct QuantityOptions {
    enablequantitymanual: i64,
}

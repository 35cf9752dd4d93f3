//! A second format, made here and nowhere else: items as lines of text, `;` between the cells. It
//! comes through the same folders, to the same rows, with the same rejects and warnings.

use super::*;
use crate::intake::Formats;
use crate::store::intake::LoadState;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use std::borrow::Cow;
use std::io::{BufRead as _, BufReader, Read};
use tillway_exchangers::formats::aif;
use tillway_exchangers::kinds::{self, Verb, VerbMeaning};
use tillway_exchangers::records::{
    Cause, Cell, Command, Context, Entry as ListEntry, Fields, Format, KeptList, Position, Problem, Raw, RawRecord,
    RawRecords, Reject, RejectReason, Spares,
};
use tillway_exchangers::row::KeyMatch;

/// `+;code;name;price;sold as a whole;changed;barcodes`, `-;code`, or `clear`.
#[derive(Debug)]
struct ItemLines;

impl Format for ItemLines {
    fn name(&self) -> &'static str {
        "item lines"
    }

    fn version(&self) -> u32 {
        1
    }

    fn ending(&self) -> &'static str {
        ".csv"
    }

    fn records<'i>(&'static self, input: Box<dyn Read + Send + 'i>, _: &TimeZone) -> Box<dyn RawRecords + Send + 'i> {
        let next = Position { line: 1, byte: 0 };
        Box::new(Lines { input: BufReader::new(input), line: String::new(), next, format: self })
    }

    fn read(&self, record: &[u8], start: Position, zone: &TimeZone) -> Result<Command, Reject> {
        let line = std::str::from_utf8(record).map_err(|_| {
            let reason = RejectReason::NotUtf8 { line: start.line, byte: start.byte };
            start.reject(Cause::Encoding, reason)
        })?;
        let mut cells = line.split(';');
        let told = |problem: Problem, code: Option<&str>| {
            let key = code.map(|code| KeyMatch::of_parts(vec![Some(code.to_owned())]));
            let item = Kind::by_name("item").unwrap();
            let spares = key.map_or(Spares::Anything, |key| Spares::Objects(item, Box::new(key)));
            Reject { key: code.map(str::to_owned), kind: Some(item), spares, ..start.reject_for(problem) }
        };
        match (cells.next(), cells.next()) {
            (Some("clear"), None) => match kinds::verb("clearInventory") {
                Some(Verb { name: verb, meaning: VerbMeaning::Clear(kinds) }) => Ok(Command::Clear { verb, kinds }),
                _ => panic!("the table has such a verb"),
            },
            (Some("-"), Some(code)) => match kinds::verb("deleteInventItem") {
                Some(Verb { name: verb, meaning: VerbMeaning::Delete(kind) }) => {
                    Ok(Command::Delete { verb, kind, keys: KeyMatch::of_parts(vec![Some(code.to_owned())]) })
                }
                _ => panic!("the table has such a verb"),
            },
            (Some("+"), Some(code)) => add(code, cells, zone).map_err(|problem| told(problem, Some(code))),
            _ => Err(told(Problem::whole(Cause::Syntax, RejectReason::NoCommand), None)),
        }
    }
}

fn add<'a>(code: &'a str, mut cells: impl Iterator<Item = &'a str>, zone: &TimeZone) -> Result<Command, Problem> {
    let Some(Verb { name: verb, meaning: VerbMeaning::Add(kind) }) = kinds::verb("addInventItem") else {
        panic!("the table has such a verb");
    };
    let (mut fields, mut context) = (Fields::new(kind), Context::new(zone));
    let mut next = || cells.next().unwrap_or_default();
    fields.set("inventcode".into(), Cell::Text(code.into()), &mut context)?;
    fields.set("name".into(), Cell::Text(next().into()), &mut context)?;
    // As people in Russia write it.
    fields.set("price".into(), Cell::Decimal(Cow::Owned(next().replace(',', "."))), &mut context)?;
    fields.set("isdivisible".into(), Cell::Flag(next() == "yes"), &mut context)?;
    let day = Date::strptime("%d.%m.%Y", next()).map_or(Cell::Null, Cell::Day);
    fields.set("shelf life".into(), day, &mut context)?;
    if let Some(mut barcodes) = fields.list("barcodes")? {
        for barcode in next().split(',').filter(|barcode| !barcode.is_empty()) {
            barcodes.push(Cell::Text(barcode.into()), &mut context)?;
        }
        fields.bring(barcodes);
    }
    fields.add(verb, &mut context)
}

struct Lines<'i> {
    input: BufReader<Box<dyn Read + Send + 'i>>,
    line: String,
    next: Position,
    format: &'static ItemLines,
}

impl RawRecords for Lines<'_> {
    fn next_raw(&mut self) -> io::Result<Option<Raw<'_>>> {
        self.line.clear();
        let read = self.input.read_line(&mut self.line)?;
        let start = self.next;
        self.next = Position { line: start.line + 1, byte: start.byte + read as u64 };
        Ok((read > 0).then(|| Raw::Text(RawRecord::new(self.line.trim().as_bytes(), start, self.format))))
    }
}

impl Kit {
    /// As [`Kit::deliver`], with another ending.
    fn deliver_lines(&self, base: &str, text: &str) {
        let folder = self.inbox("All");
        fs::create_dir_all(&folder).unwrap();
        fs::write(folder.join(format!("{base}.csv")), text).unwrap();
        fs::write(folder.join(format!("{base}.flz")), "").unwrap();
    }
}

fn aif_of(code: &str, name: &str, price: &str) -> String {
    format!(
        r#"{{"command":"addInventItem","invent":{{"inventcode":"{code}","name":"{name}","price":{price},
        "isdivisible":true,"shelf life":"2026-12-31","barcodes":["46{code}","47{code}"]}}}}"#
    )
}

fn line_of(code: &str, name: &str, price: &str) -> String {
    format!("+;{code};{name};{price};yes;31.12.2026;46{code},47{code}\n")
}

#[tokio::test]
async fn another_format_brings_the_same_rows_through_the_same_folders() {
    let mut kit = Kit::new();
    kit.settings.formats = Formats::default().with_file(&ItemLines);
    let running = kit.start();
    kit.deliver("All", "pos1", &file_of(&[aif_of("1", "Чай", "12.5"), aif_of("2", "Кофе", "100")]));
    kit.gone("All", "pos1").await;
    let (items, barcodes) = (kit.objects(&kit.chain, "item"), kit.objects(&kit.chain, "barcode"));
    assert_eq!((items.len(), barcodes.len()), (2, 4));

    let lines = format!("clear\n{}{}", line_of("1", "Чай", "12,50"), line_of("2", "Кофе", "100"));
    kit.deliver_lines("pos2", &lines);
    kit.gone("All", "pos2").await;
    let record = kit.newest();
    assert_eq!((record.state, record.counts.differences(), record.counts.unchanged), (LoadState::Ready, 0, 6));

    // One is changed, one deleted, one broken and one odd.
    let name = "x".repeat(300);
    kit.deliver_lines("pos3", &format!("{}-;2\n+;3;Сок;много;yes\n+;4;{name};1\n", line_of("1", "Чай", "13")));
    kit.gone("All", "pos3").await;
    let record = kit.newest();
    let counts = record.counts;
    assert_eq!((counts.changed, counts.added, counts.rejected, counts.warnings), (1, 1, 1, 1));
    let left: Vec<_> = kit.objects(&kit.chain, "item").into_iter().map(|item| item.key).collect();
    assert_eq!(left, ["1", "4"]);
    let told = kit.error_text("All").unwrap();
    assert!(told.contains("line 3") && told.contains("field `price`: `много` is not a number"), "{told}");
    running.stop().await;
}

#[tokio::test]
async fn a_line_is_known_by_its_text_as_a_record_of_aif_is_but_never_as_one() {
    let raw = |format| RawRecord::new(b"+;1;x", Position::default(), format).hash();
    assert_eq!(raw(&ItemLines), raw(&ItemLines));
    assert_ne!(raw(&ItemLines), raw(aif::FILE));
    assert_ne!(raw(&ItemLines).version(), raw(aif::FILE).version());
    assert_eq!(raw(aif::ARRAY), raw(aif::FILE));
}

#[test]
fn a_nested_list_that_is_kept_is_looked_at_whatever_its_format() {
    let has_entries = |kind: &Kind| kind.fields().iter().find(|field| !field.entries.is_empty());
    let field = kinds::all().find_map(|kind| has_entries(&kind)).unwrap();
    let declared = field.entries[0].name;
    let utc = TimeZone::UTC;
    let (mut list, mut context) = (KeptList::new(field), Context::new(&utc));
    let entry =
        |cell: Cell<'static>| ListEntry::Object(vec![("more".into(), Cell::Integer(7)), (declared.into(), cell)]);
    list.push(entry(Cell::Null), &mut context).unwrap();
    list.push(ListEntry::Other("7"), &mut context).unwrap();
    let mut sorted = [("more", "7"), (declared, "null")];
    sorted.sort_unstable();
    let members = sorted.map(|(name, value)| format!("\"{name}\":{value}")).join(",");
    assert_eq!(list.into_cell(), Cell::Nested(format!("[{{{members}}}]").into()));
}

//! The goods that benchmarks run on: a real barcode reference at two dates where it is present,
//! else made up at the same sizes from a fixed seed.
//!
//! The reference has no prices. One follows from the barcode by a fixed rule ([`price_of`]), and a
//! change of prices from it by another ([`changed_price_of`]).

use super::MeasureError;
use std::cell::OnceCell;
use std::fmt::Write as _;
use std::io::{self, BufRead as _, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::rc::Rc;
use xxhash_rust::xxh3::xxh3_64_with_seed;

/// Which goods.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Assortment {
    /// A shop's, in June 2019: 102,010.
    StoreBefore,
    /// The same shop's half a year later: 103,776.
    StoreAfter,
    /// A chain's, in June 2019: 765,733.
    ChainBefore,
    /// The same chain's half a year later: 778,758.
    ChainAfter,
}

/// One entry of the reference.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Good {
    /// The item's code.
    pub code: String,
    /// Its barcode, 13 digits.
    pub barcode: String,
    /// Its name as the reference has it.
    pub name: String,
    /// The group's code.
    pub group: String,
    /// The price, in kopecks.
    pub kopecks: i64,
}

/// The goods, read when they are first asked for.
#[derive(Debug)]
pub struct Data {
    reference: Option<PathBuf>,
    /// Every how many of them one is taken: 1 for all.
    every: usize,
    read: [OnceCell<Rc<Vec<Good>>>; 4],
}

/// In a quick run one of so many goods is taken.
const QUICK_EVERY: usize = 50;

/// Seed of what is made up.
const SEED: u64 = 20_190_601;

/// Of what is made up, one in so many is new, changed or gone after the half year: as in the
/// reference.
const MADE_UP: [(Assortment, usize); 4] = [
    (Assortment::StoreBefore, 102_010),
    (Assortment::StoreAfter, 103_776),
    (Assortment::ChainBefore, 765_733),
    (Assortment::ChainAfter, 778_758),
];

impl Assortment {
    fn place(self) -> usize {
        match self {
            Self::StoreBefore => 0,
            Self::StoreAfter => 1,
            Self::ChainBefore => 2,
            Self::ChainAfter => 3,
        }
    }

    fn file(self) -> &'static str {
        match self {
            Self::StoreBefore => "store-2019-06.tsv.xz",
            Self::StoreAfter => "store-2019-12.tsv.xz",
            Self::ChainBefore => "chain-2019-06.tsv.xz",
            Self::ChainAfter => "chain-2019-12.tsv.xz",
        }
    }
}

impl Data {
    /// The reference in `folder/uhtt`, where it is.
    pub fn open(folder: &Path, quick: bool) -> Self {
        let reference = folder.join("uhtt");
        let whole = MADE_UP.iter().all(|(assortment, _)| reference.join(assortment.file()).is_file());
        Self {
            reference: whole.then_some(reference),
            every: if quick { QUICK_EVERY } else { 1 },
            read: Default::default(),
        }
    }

    /// What it is, for the report.
    pub fn describe(&self) -> String {
        let what = match self.reference {
            Some(_) => "the barcode reference uhtt of June and December 2019",
            None => "made-up goods of the sizes of the barcode reference, which is not there",
        };
        if self.every == 1 { what.to_owned() } else { format!("one of {} of {what}", self.every) }
    }

    /// The goods, sorted by barcode.
    pub fn goods(&self, assortment: Assortment) -> Result<Rc<Vec<Good>>, MeasureError> {
        let place = &self.read[assortment.place()];
        if let Some(goods) = place.get() {
            return Ok(Rc::clone(goods));
        }
        let mut goods = match &self.reference {
            Some(folder) => read(&folder.join(assortment.file()), self.every)?,
            None => made_up(assortment, self.every),
        };
        goods.sort_by(|one, other| one.barcode.cmp(&other.barcode));
        Ok(Rc::clone(place.get_or_init(|| Rc::new(goods))))
    }
}

fn read(path: &Path, every: usize) -> Result<Vec<Good>, MeasureError> {
    let mut xz = Command::new("xz")
        .arg("-dc")
        .arg(path)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .map_err(MeasureError::File)?;
    let output = xz.stdout.take().ok_or_else(|| MeasureError::wrong("xz", "it has no output"))?;
    let mut goods = Vec::new();
    for line in BufReader::new(output).lines().skip(1) {
        let line = line.map_err(MeasureError::File)?;
        let mut fields = line.split('\t');
        let mut field = || fields.next().map(str::to_owned);
        let (Some(code), Some(barcode), Some(mut name), Some(group)) = (field(), field(), field(), field()) else {
            return Err(MeasureError::wrong(&path.display().to_string(), format!("a line without its fields: {line}")));
        };
        // Ours takes control characters out, which a handful of names have; the peers would keep
        // them.
        name.retain(|c| !c.is_control());
        // By the barcode, so that the same ones are taken at both dates.
        if every == 1 || number_of(&barcode, 0).is_multiple_of(every as u64) {
            goods.push(Good { kopecks: price_of(&barcode), code, barcode, name, group });
        }
    }
    let status = xz.wait().map_err(MeasureError::File)?;
    if status.success() { Ok(goods) } else { Err(MeasureError::wrong("xz", status)) }
}

/// Names of about the length and letters of real ones, the same from run to run.
fn made_up(assortment: Assortment, every: usize) -> Vec<Good> {
    const WORDS: [&str; 16] = [
        "Печенье",
        "сдобное",
        "Торт",
        "вафельный",
        "Молоко",
        "3,2%",
        "Сок",
        "яблочный",
        "Чай",
        "чёрный",
        "Кофе",
        "молотый",
        "Конфеты",
        "шоколадные",
        "Вода",
        "минеральная",
    ];
    let size = MADE_UP[assortment.place()].1 / every;
    let after = matches!(assortment, Assortment::StoreAfter | Assortment::ChainAfter);
    // As in the reference: some go, more come, seven of a hundred change.
    let gone = if after { size / 100 } else { 0 };
    let mut goods = Vec::with_capacity(size);
    for number in gone..gone + size {
        let barcode = format!("460{:010}", number * 7);
        let changed = after && number_of(&barcode, 1) % 100 < 7;
        let dice = number_of(&barcode, if changed { 2 } else { 0 });
        let mut name = String::new();
        for place in 0..5 {
            let word = WORDS[usize::try_from(dice >> (place * 4) & 15).unwrap_or(0)];
            let _ = write!(name, "{word} "); // writing to a String cannot fail
        }
        let _ = write!(name, "{}г", dice % 1_000);
        let group = (dice % 571).to_string();
        goods.push(Good { code: (500_000 + number).to_string(), kopecks: price_of(&barcode), barcode, name, group });
    }
    goods
}

fn number_of(barcode: &str, salt: u64) -> u64 {
    xxh3_64_with_seed(barcode.as_bytes(), SEED + salt)
}

/// The price of a barcode, in kopecks: 10 to 1,000 roubles, by its hash.
pub fn price_of(barcode: &str) -> i64 {
    1_000 + i64::try_from(number_of(barcode, 3) % 99_000).unwrap_or(0)
}

/// The new price where this is one of the `of_thousand` of a thousand barcodes whose price
/// changes.
pub fn changed_price_of(barcode: &str, of_thousand: u64) -> Option<i64> {
    let dice = number_of(barcode, 4);
    (dice % 1_000 < of_thousand).then(|| 1_000 + i64::try_from(dice / 1_000 % 99_000).unwrap_or(0))
}

/// Goods with so many of a thousand prices changed.
pub fn with_changed_prices(goods: &[Good], of_thousand: u64) -> Vec<Good> {
    let change = |good: &Good| {
        let kopecks = changed_price_of(&good.barcode, of_thousand).unwrap_or(good.kopecks);
        Good { kopecks, ..good.clone() }
    };
    goods.iter().map(change).collect()
}

/// Writes goods as a back office does: an `addInventItem` each, after a `clearInventory` where
/// they are all there are.
pub fn write_aif<'a>(goods: impl IntoIterator<Item = &'a Good>, clear: bool, out: &mut impl Write) -> io::Result<()> {
    let mut line = String::new();
    if clear {
        out.write_all(b"{\"command\":\"clearInventory\"}\n---\n")?;
    }
    for good in goods {
        line.clear();
        write_command(good, &mut line)?;
        line.push_str("\n---\n");
        out.write_all(line.as_bytes())?;
    }
    Ok(())
}

/// The `addInventItem` of a good.
pub fn write_command(good: &Good, out: &mut String) -> io::Result<()> {
    let Good { code, barcode, name, group, kopecks } = good;
    let name = serde_json::to_string(name)?;
    let (roubles, rest) = (kopecks / 100, kopecks % 100);
    let _ = write!(
        out,
        "{{\"command\":\"addInventItem\",\"invent\":{{\"inventcode\":\"{code}\",\"barcode\":\"{barcode}\",\"name\":{name},\
         \"inventgroup\":\"{group}\",\"price\":{roubles}.{rest:02},\"deptcode\":1,\"taxgroupcode\":2,\"measurecode\":796,\
         \"options\":{{\"inventitemoptions\":{{\"disablebackinsale\":0,\"ageverify\":0}},\
         \"quantityoptions\":{{\"enablequantitymanual\":1}}}}}}}}"
    ); // writing to a String cannot fail
    Ok(())
}

/// Writes goods as an AIF file.
pub fn aif_file<'a>(path: &Path, goods: impl IntoIterator<Item = &'a Good>, clear: bool) -> Result<(), MeasureError> {
    let file = fs_err::File::create(path).map_err(MeasureError::File)?;
    let mut out = io::BufWriter::new(file);
    write_aif(goods, clear, &mut out).and_then(|()| out.flush()).map_err(MeasureError::File)
}

#[cfg(test)]
mod tests {
    use super::*;
    use tillway_exchangers::formats::aif::RecordReader;
    use tillway_exchangers::records::Command;

    #[test]
    fn made_up_goods_are_the_same_each_time_and_the_reader_takes_them() {
        let data = Data::open(Path::new("nowhere"), true);
        let before = data.goods(Assortment::StoreBefore).unwrap();
        assert_eq!(*before, *Data::open(Path::new("nowhere"), true).goods(Assortment::StoreBefore).unwrap());
        let mut aif = Vec::new();
        write_aif(before.iter(), true, &mut aif).unwrap();
        let mut reader = RecordReader::new(&aif[..]);
        let mut upserts = 0;
        while let Some(record) = reader.next().transpose().unwrap() {
            upserts += usize::from(matches!(record.command, Ok(Command::Upsert(_))));
            assert!(record.command.is_ok(), "{record:?}");
        }
        assert_eq!(upserts, before.len());
    }

    #[test]
    fn about_as_many_prices_change_as_are_meant_to() {
        let goods = made_up(Assortment::StoreBefore, 1);
        let changed = with_changed_prices(&goods, 10);
        let count = goods.iter().zip(&changed).filter(|(before, after)| before != after).count();
        assert!((900..1_150).contains(&count), "{count}");
    }
}

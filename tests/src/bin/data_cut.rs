//! `data-cut <folder of the whole data set> <folder to write>`: cuts `tests/data/complete-journey`
//! out of The Complete Journey. The same input gives the same bytes. Only who renews the data
//! needs to run it.

use clap::Parser;
use csv::{ReaderBuilder, WriterBuilder};
use flate2::read::GzDecoder;
use flate2::{Compression, GzBuilder};
use fs_err as fs;
use std::error::Error;
use std::path::{Path, PathBuf};
use tillway_tests::journey::SHOPS;

/// Cuts the compact part out of The Complete Journey.
#[derive(Parser)]
struct Arguments {
    /// Folder with products.csv.gz and transactions.csv.gz, whole.
    whole: PathBuf,
    /// Folder for the compact ones.
    compact: PathBuf,
}

fn main() -> Result<(), Box<dyn Error>> {
    let arguments = Arguments::parse();
    let shops = SHOPS.map(|shop| shop.to_string());
    copy(&arguments.whole, &arguments.compact, "products.csv.gz", |_, _| true)?;
    copy(&arguments.whole, &arguments.compact, "transactions.csv.gz", |headers, record| {
        let shop = headers.iter().position(|name| name == "store_id").and_then(|column| record.get(column));
        shop.is_some_and(|shop| shops.iter().any(|wanted| wanted == shop))
    })
}

fn copy(
    from: &Path,
    to: &Path,
    name: &str,
    wanted: impl Fn(&csv::StringRecord, &csv::StringRecord) -> bool,
) -> Result<(), Box<dyn Error>> {
    let mut reader = ReaderBuilder::new().from_reader(GzDecoder::new(fs::File::open(from.join(name))?));
    let headers = reader.headers()?.clone();
    // No time and no name in the gzip header: the same input gives the same bytes.
    let gzip = GzBuilder::new().write(fs::File::create(to.join(name))?, Compression::best());
    let mut writer = WriterBuilder::new().from_writer(gzip);
    writer.write_record(&headers)?;
    for record in reader.records() {
        let record = record?;
        if wanted(&headers, &record) {
            writer.write_record(&record)?;
        }
    }
    writer.into_inner().map_err(csv::IntoInnerError::into_error)?.finish()?;
    Ok(())
}

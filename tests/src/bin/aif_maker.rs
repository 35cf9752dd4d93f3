//! `aif-maker`: makes AIF of the data set in `tests/data`, for a server's exchange folders or for
//! a look.

use clap::{Parser, Subcommand};
use std::error::Error;
use std::io::{self, Write as _};
use std::path::PathBuf;
use tillway_tests::aif_maker::{CATALOGUE_FILE_NAME, deliver, price_file_name, write_catalogue, write_prices};
use tillway_tests::journey::{Journey, ShelfPrices};

/// Makes AIF of The Complete Journey.
#[derive(Parser)]
struct Arguments {
    #[command(subcommand)]
    what: What,
}

#[derive(Subcommand)]
enum What {
    /// The whole catalogue, for the chain.
    Catalogue {
        /// Exchange folder of the chain.
        folder: PathBuf,
    },
    /// What changes on the shelves of a shop in a week, against the week before.
    Prices {
        /// Exchange folder of the shop.
        folder: PathBuf,
        /// 367 or 406.
        #[arg(long)]
        shop: u32,
        /// 1 to 53.
        #[arg(long)]
        week: u32,
    },
}

fn main() -> Result<(), Box<dyn Error>> {
    let arguments = Arguments::parse();
    let journey = Journey::load()?;
    let commands = match arguments.what {
        What::Catalogue { folder } => deliver(&folder, CATALOGUE_FILE_NAME, |out| write_catalogue(&journey, out))?,
        What::Prices { folder, shop, week } => {
            let mut shelf = ShelfPrices::default();
            for past in 1..week {
                shelf.advance(&journey, shop, past);
            }
            let changed = shelf.advance(&journey, shop, week);
            deliver(&folder, &price_file_name(shop, week), |out| write_prices(&changed, week, out))?
        }
    };
    writeln!(io::stdout().lock(), "{commands} commands")?;
    Ok(())
}

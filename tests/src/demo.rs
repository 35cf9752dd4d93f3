//! `./dev demo`: a chain with two shops and three tills plays real weeks.
//!
//! The catalogue and the first week's prices are loaded; then, week by week, the price file goes
//! into the exchange folders, the tills converge, their POS rings the real receipts of that week
//! at the prices that arrived, the shift closes and the sales come up. Nothing is taken on trust:
//! each price is compared with the data set when it is rung, each till's shift with what the
//! server has, and the totals with the data set, to the kopeck.

mod interrupt;
mod prices;
mod shifts;
mod told;

use crate::bench::{BenchError, TestBench, Till};
use crate::journey::{Journey, JourneyError, SHOPS, ShelfPrices, TILLS, Totals};
use crate::pos::Pos;
use crate::wait::TimedOut;
use fs_err as fs;
use interrupt::Interrupt;
use prices::Applied;
use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, Write};
use std::time::Instant;

/// What to play.
#[derive(Debug, Clone, Copy)]
pub struct DemoOptions {
    /// How many weeks.
    pub weeks: u32,
    /// Whether to end then.
    pub once: bool,
    /// Whether the last week that is played ended yesterday, in place of 2017.
    pub until_now: bool,
}

/// Why the demo ended early or did not come out.
#[derive(Debug, thiserror::Error)]
pub enum DemoError {
    /// The data set cannot be read.
    #[error("failed to read the data set")]
    Journey(#[source] JourneyError),
    /// The chain does not stand, or something on it failed.
    #[error("failed on the bench")]
    Bench(#[source] BenchError),
    /// Something did not come in time.
    #[error("gave up")]
    TimedOut(#[source] TimedOut),
    /// Nobody reads what is printed.
    #[error("failed to print")]
    Print(#[source] io::Error),
    /// The operator had enough.
    #[error("interrupted")]
    Interrupted,
    /// What arrived is not what was sent.
    #[error("did not agree:\n  {}", .0.join("\n  "))]
    Differs(Vec<String>),
}

/// One till with all that stands on it.
struct Place {
    till: Till,
    shop: u32,
    pos: Option<Pos>,
    rung: Totals,
    /// Ids of deliveries that were told of.
    deliveries: BTreeSet<String>,
}

/// A chain that is up.
pub struct Demo {
    options: DemoOptions,
    journey: Journey,
    places: Vec<Place>,
    shelves: BTreeMap<u32, ShelfPrices>,
    differences: Vec<String>,
    started: Instant,
    interrupt: Interrupt,
    // The last to go: the tills above stop first.
    bench: TestBench,
}

impl Demo {
    /// Starts the broker, the server and the tills.
    pub fn start(options: DemoOptions, out: &mut dyn Write) -> Result<Self, DemoError> {
        let started = Instant::now();
        let interrupt = Interrupt::listen();
        print(out, "Starting a broker, a cash server, and three tills in two shops.")?;
        let mut journey = Journey::load().map_err(DemoError::Journey)?;
        if options.until_now {
            journey.end_yesterday(options.weeks);
        }
        let bench = TestBench::start().map_err(DemoError::Bench)?;
        let mut places = Vec::new();
        for shop in SHOPS {
            let shop_code = shop.to_string();
            let shop_id = bench.add_shop(&shop_code).map_err(DemoError::Bench)?;
            for code in TILLS.into_iter().filter(|code| code.starts_with(&shop_code)) {
                let till = bench.add_till(&shop_id, &shop_code, code).map_err(DemoError::Bench)?;
                places.push(Place { till, shop, pos: None, rung: Totals::default(), deliveries: BTreeSet::new() });
            }
        }
        for shop in SHOPS {
            bench.server.wait_for_folder(&format!("shop-{shop}")).map_err(DemoError::Bench)?;
        }
        let shelves = SHOPS.into_iter().map(|shop| (shop, ShelfPrices::default())).collect();
        let demo = Self { options, journey, places, shelves, differences: Vec::new(), started, interrupt, bench };
        demo.tell_address(out)?;
        Ok(demo)
    }

    /// Plays the weeks, compares, and waits for Ctrl-C where it was not told to end.
    pub fn run(mut self, out: &mut dyn Write) -> Result<(), DemoError> {
        let (objects, bytes) = self.play(out)?;
        let verdict = self.verdict(objects, bytes);
        let last = match &verdict {
            Ok(line) => line.clone(),
            Err(error) => format!("demo: {error}"),
        };
        if self.options.once {
            return verdict.and_then(|line| print(out, &line));
        }
        print(out, &last)?;
        print(out, &format!("The page stays at {} until Ctrl-C.", self.bench.server.page()))?;
        self.interrupt.wait();
        verdict.map(drop)
    }

    /// The chain.
    pub fn bench(&self) -> &TestBench {
        &self.bench
    }

    /// Plays the weeks and compares; how many objects went to tills in how many bytes.
    pub fn play(&mut self, out: &mut dyn Write) -> Result<(u64, u64), DemoError> {
        let opening = self.load_catalogue()?;
        print(out, &told::opening(&opening, self.journey.products.len()))?;
        print(out, told::HEADING)?;
        let (mut objects, mut bytes) = (opening.objects, opening.bytes);
        for week in 1..=self.options.weeks {
            // The prices of the first week came with the catalogue.
            let applied = if week > 1 { self.load_prices(week)? } else { Applied::default() };
            (objects, bytes) = (objects + applied.objects, bytes + applied.bytes);
            let played = self.play_week(week)?;
            print(out, &told::week(week, &applied, &played))?;
        }
        self.compare_totals()?;
        Ok((objects, bytes))
    }

    fn tell_address(&self, out: &mut dyn Write) -> Result<(), DemoError> {
        let server = &self.bench.server;
        let credentials = fs::read_to_string(server.data().join("credentials/admin"))
            .map_err(|error| DemoError::Bench(BenchError::File(error)))?;
        let (user, password) = credentials.trim().split_once(':').unwrap_or_default();
        print(out, &format!("The page is at {} (user {user}, password {password}).", server.page()))
    }

    fn verdict(&self, objects: u64, bytes: u64) -> Result<String, DemoError> {
        if !self.differences.is_empty() {
            return Err(DemoError::Differs(self.differences.clone()));
        }
        let rung = self.places.iter().fold(Totals::default(), |sum, place| sum + place.rung);
        Ok(told::totals(self.options.weeks, rung, (objects, bytes), self.started.elapsed()))
    }

    fn differ(&mut self, what: String) {
        self.differences.push(what);
    }
}

fn print(out: &mut dyn Write, line: &str) -> Result<(), DemoError> {
    writeln!(out, "{line}").and_then(|()| out.flush()).map_err(DemoError::Print)
}

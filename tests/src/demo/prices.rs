//! Prices down: files into exchange folders, and how long until each till has them.

use super::{Demo, DemoError, Place};
use crate::aif_maker::{CATALOGUE_FILE_NAME, price_file_name, write_catalogue, write_prices};
use crate::bench::{BenchError, TestBench};
use crate::journey::SHOPS;
use crate::wait::{Seen, wait_for};
use serde_json::Value;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::{Duration, Instant};

/// The whole catalogue on three tills at once, on a slow machine and in an unoptimised build.
const APPLY_TIMEOUT: Duration = Duration::from_mins(3);

/// What came of one round of files.
#[derive(Debug, Default)]
pub(super) struct Applied {
    /// Objects in the packages, once for each shop.
    pub(super) objects: u64,
    /// Bytes of all packages that tills downloaded.
    pub(super) bytes: u64,
    /// Time from the flag to the till's database, by till.
    pub(super) times: Vec<(String, Duration)>,
}

impl Demo {
    /// The catalogue for the chain and the first week's prices for the shops.
    pub(super) fn load_catalogue(&mut self) -> Result<Applied, DemoError> {
        let since = Instant::now();
        let mut flags = vec![self.flag("All", CATALOGUE_FILE_NAME)];
        let journey = &self.journey;
        self.bench
            .server
            .deliver("All", CATALOGUE_FILE_NAME, |out| write_catalogue(journey, out))
            .map_err(DemoError::Bench)?;
        flags.extend(self.deliver_prices(1)?);
        self.wait_until_applied(since, &flags)
    }

    /// What changes on the shelves in a week.
    pub(super) fn load_prices(&mut self, week: u32) -> Result<Applied, DemoError> {
        let since = Instant::now();
        let flags = self.deliver_prices(week)?;
        self.wait_until_applied(since, &flags)
    }

    fn deliver_prices(&mut self, week: u32) -> Result<Vec<PathBuf>, DemoError> {
        let mut flags = Vec::new();
        for shop in SHOPS {
            let shelf = self.shelves.entry(shop).or_default();
            let changed = shelf.advance(&self.journey, shop, week);
            let (node, file) = (format!("shop-{shop}"), price_file_name(shop, week));
            self.bench
                .server
                .deliver(&node, &file, |out| write_prices(&changed, week, out))
                .map_err(DemoError::Bench)?;
            flags.push(self.flag(&node, &file));
        }
        Ok(flags)
    }

    fn flag(&self, node: &str, file: &str) -> PathBuf {
        self.bench.server.inbox(node).join(format!("{file}.flz"))
    }

    /// Until the files are taken and every till has applied what the server wants it to have.
    fn wait_until_applied(&mut self, since: Instant, flags: &[PathBuf]) -> Result<Applied, DemoError> {
        let mut times: BTreeMap<String, Duration> = BTreeMap::new();
        let (bench, places, interrupt) = (&self.bench, &mut self.places, &self.interrupt);
        wait_for("the tills to have the prices", APPLY_TIMEOUT, || {
            if interrupt.is_asked() {
                return Seen::Ready(Err(DemoError::Interrupted));
            }
            if let Err(error) = places.iter_mut().try_for_each(|place| place.till.check_agent()) {
                return Seen::Ready(Err(DemoError::Bench(error)));
            }
            if let Some(flag) = flags.iter().find(|flag| flag.exists()) {
                return Seen::NotYet(format!("{} is not loaded", flag.display()));
            }
            let tills = match tills(bench, places) {
                Ok(tills) => tills,
                Err(error) => return Seen::NotYet(format!("{error:?}")),
            };
            let mut waiting = Vec::new();
            for (place, till) in places.iter().zip(&tills) {
                let (cursor, target) = (cursor(place), till["target"].as_u64().unwrap_or(u64::MAX));
                if cursor >= target {
                    times.entry(place.till.code.clone()).or_insert_with(|| since.elapsed());
                }
                // The server has to know it too.
                if till["cursor"] != target {
                    waiting.push(format!("till {} is at {cursor} of {target}: {}", place.till.code, till["waits_for"]));
                }
            }
            Seen::when(waiting.is_empty(), Ok(()), waiting.join("; "))
        })
        .map_err(DemoError::TimedOut)??;
        self.applied(times)
    }

    /// What was delivered since it was asked for last.
    fn applied(&mut self, times: BTreeMap<String, Duration>) -> Result<Applied, DemoError> {
        let mut applied = Applied { times: times.into_iter().collect(), ..Applied::default() };
        let mut objects_of_shop: BTreeMap<u32, u64> = BTreeMap::new();
        let api = self.bench.server.api().map_err(DemoError::Bench)?;
        for place in &mut self.places {
            let listed = api.read(&format!("/api/v1/deliveries?till={}&limit=20", place.till.id));
            let listed = listed.map_err(|error| DemoError::Bench(BenchError::Api(error)))?;
            let mut objects = 0;
            for delivery in listed.as_array().into_iter().flatten().filter(|one| one["state"] == "applied") {
                if place.deliveries.insert(delivery["id"].as_str().unwrap_or_default().to_owned()) {
                    applied.bytes += delivery["bytes"].as_u64().unwrap_or_default();
                    objects += delivery["objects"].as_u64().unwrap_or_default();
                }
            }
            objects_of_shop.insert(place.shop, objects);
        }
        applied.objects = objects_of_shop.values().sum();
        Ok(applied)
    }
}

/// The server's view of each till, in the order of `places`.
fn tills(bench: &TestBench, places: &[Place]) -> Result<Vec<Value>, BenchError> {
    let api = bench.server.api()?;
    places.iter().map(|place| api.read(&format!("/api/v1/tills/{}", place.till.id)).map_err(BenchError::Api)).collect()
}

fn cursor(place: &Place) -> u64 {
    place.till.state().map_or(0, |state| state.cursor.0)
}

//! A shop of the benchmark: a server with goods, a till with its agent. Real processes, logging as
//! in a shop.

use super::data::{self, Good};
use super::{MeasureError, progress};
use serde_json::Value;
use std::time::Duration;
use tillway_tests::bench::{BenchOptions, Server, TestBench, Till, TillOptions};
use tillway_tests::broker::Broker;
use tillway_tests::wait::{Seen, wait_for};

/// A whole chain's goods in an unoptimised build.
const LOAD_TIME: Duration = Duration::from_mins(5);

/// Settings of the server's log as they are in a shop.
pub const LOG: (&str, &str) = ("log.level", "\"info\"");

/// The code of the shop.
pub const SHOP: &str = "1";

/// A server alone.
pub fn server() -> Result<TestBench, MeasureError> {
    TestBench::start_as(BenchOptions::with(&[LOG])).map_err(MeasureError::Bench)
}

/// A server alone, with a broker of its own: what a fleet leaves there burdens nobody else.
pub fn server_alone() -> Result<TestBench, MeasureError> {
    let broker = Broker::start_for_thousands().map_err(|error| MeasureError::wrong("the broker", error))?;
    TestBench::start_as(BenchOptions::with(&[LOG]).on(broker)).map_err(MeasureError::Bench)
}

/// A server with a shop, whose layer has these goods, and a till there that has them too.
pub fn with_till(goods: &[Good]) -> Result<(TestBench, Till), MeasureError> {
    let bench = server()?;
    let shop = bench.add_shop(SHOP).map_err(MeasureError::Bench)?;
    progress("loading the goods into the server");
    load(&bench.server, &format!("shop-{SHOP}"), goods)?;
    progress("attaching a till");
    let options = TillOptions { log_level: "INFO", ..TillOptions::default() };
    let mut till = bench.add_till_with(&shop, SHOP, "1", options).map_err(MeasureError::Bench)?;
    up_to_date(&bench.server, &mut till)?;
    Ok((bench, till))
}

/// Hands goods to a node's exchange folder, and waits until they are loaded.
pub fn load(server: &Server, node: &str, goods: &[Good]) -> Result<(), MeasureError> {
    let write = |mut out: &mut dyn std::io::Write| data::write_aif(goods, true, &mut out).map(|()| goods.len() as u64);
    server.deliver(node, "pos", write).map_err(MeasureError::Bench)?;
    let flag = server.inbox(node).join("pos.flz");
    wait_for("the goods to be loaded", LOAD_TIME, || Seen::when(!flag.exists(), (), "the flag is there"))
        .map_err(MeasureError::TimedOut)?;
    let loads = read(server, "/api/v1/loads?limit=1")?;
    let load = loads.get(0).cloned().unwrap_or_default();
    if load["rejected"] == 0 && load["revision"].is_u64() {
        return Ok(());
    }
    Err(MeasureError::wrong("the load of the goods", load))
}

/// Waits until a till has all that the server has for it, and the server knows.
pub fn up_to_date(server: &Server, till: &mut Till) -> Result<(), MeasureError> {
    let path = format!("/api/v1/tills/{}", till.id);
    wait_for("the till to have everything", LOAD_TIME, || {
        if let Err(error) = till.check_agent() {
            return Seen::Ready(Err(MeasureError::Bench(error)));
        }
        match read(server, &path) {
            Ok(seen) => {
                let there = seen["target"].as_u64().is_some_and(|target| target > 0) && seen["next"] == "up-to-date";
                Seen::when(there, Ok(()), seen)
            }
            Err(error) => Seen::Ready(Err(error)),
        }
    })
    .map_err(MeasureError::TimedOut)?
}

/// What the server's REST says.
pub fn read(server: &Server, path: &str) -> Result<Value, MeasureError> {
    let api = server.api().map_err(MeasureError::Bench)?;
    api.read(path).map_err(|error| MeasureError::wrong(path, error))
}

//! A server's databases at their full size: a network of thousands of tills, a chain's goods with
//! prices of shops, what tills reported and were sent in a week, and receipts of a month.
//!
//! Goods and prices come in through the server itself; receipts go through a spool and the
//! server's loader; what tills reported is written by the server's own store. Only the nodes of
//! the network are put into their table at once.

use super::super::chain_server::{ChainServer, ROWS_OF_A_GOOD, whole_file};
use super::super::sales::Templates;
use crate::data::{self, Assortment, Good};
use crate::figure::of_u64;
use crate::{Context, MeasureError, progress};
use jiff::civil::Date;
use jiff::{Timestamp, Zoned};
use rusqlite::{Connection, params};
use serde_json::Value;
use std::fmt;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tillway_cash_server::exchange::model::{Contact, Delivery, Needs};
use tillway_cash_server::sales::loader::Loader;
use tillway_cash_server::sales::spool::{Arrival, Spool, SpoolLimits};
use tillway_cash_server::store::ServerId;
use tillway_cash_server::store::exchange::{ExchangeChanges, ExchangeStore as _};
use tillway_cash_server::store::sales::SalesStore as _;
use tillway_cash_server::store::sqlite::exchange::SqliteExchange;
use tillway_cash_server::store::sqlite::sales::SqliteSales;
use tillway_file_queue::disk;
use tillway_proto::report::TillState;
use tillway_proto::{DeliveryId, DeliveryState, NodeCode, NodeId, NodeLevel, PackageName, Revision, ShopId, TillId};
use tillway_tests::bench::Api;
use tillway_tests::wait::{Seen, wait_for};
use uuid::{Builder, Uuid};

const TILLS: usize = 10_000;
const ITEMS: usize = 1_000_000;
const RECEIPTS: usize = 3_000_000;
const GROUPS: usize = 20;
const TILLS_OF_A_SHOP: usize = 4;
/// Days of receipts, one shift of each till a day.
const DAYS: usize = 30;
/// Shops that have prices of their own: of so many one. They get them this often.
const PRICED_SHOPS: usize = 10;
const NIGHTS: usize = 3;
/// Goods that such a shop has at its own price.
const PRICED_GOODS: usize = 20;
/// Deliveries to each till within a week.
const DELIVERIES: usize = 14;
/// Tills whose receipts lie in the spool at once.
const AT_ONCE: usize = 100;
/// For reading a million names, apart from all else.
const NAMES_TIME: Duration = Duration::from_mins(15);

/// How much there is.
pub(super) struct Sizes {
    tills: usize,
    items: usize,
    receipts: usize,
}

impl Sizes {
    pub(super) fn of(context: &Context) -> Self {
        let tills = context.scaled(TILLS, GROUPS * TILLS_OF_A_SHOP);
        Self { tills, items: context.scaled(ITEMS, 1_000), receipts: context.scaled(RECEIPTS, tills * DAYS) }
    }

    fn shops(&self) -> usize {
        self.tills.div_ceil(TILLS_OF_A_SHOP)
    }

    /// Receipts of a till on a day.
    fn of_a_day(&self) -> usize {
        (self.receipts / self.tills / DAYS).max(1)
    }
}

impl fmt::Display for Sizes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { tills, items, .. } = self;
        let receipts = tills * DAYS * self.of_a_day();
        write!(f, "{tills} tills in {} shops, {items} items, {receipts} receipts of {DAYS} days", self.shops())
    }
}

/// What stands for the names in the addresses of pages.
pub(super) struct Places {
    named: Vec<(&'static str, String)>,
    pub(super) took_s: f64,
}

impl Places {
    /// An address with names of what is there.
    pub(super) fn filled(&self, path: &str) -> String {
        self.named.iter().fold(path.to_owned(), |path, (name, value)| path.replace(name, value))
    }
}

/// A node that is there.
struct Till {
    id: TillId,
    shop: ShopId,
}

/// A server with all of it, running.
pub(super) fn seeded(context: &Context, sizes: &Sizes) -> Result<(ChainServer, Places), MeasureError> {
    let started = Instant::now();
    let folder = context.folder("pages")?;
    // Without a broker: nobody makes queues for all of them.
    let mut server = ChainServer::start_with(&[("broker.port", "1")])?;
    server.bench.server.switch_off().map_err(MeasureError::Bench)?;
    progress(&format!("{} nodes", sizes.tills + sizes.shops() + GROUPS));
    let tills = network(&server.bench.server.data().join("network.db"), sizes)?;
    server.bench.server.switch_on().map_err(MeasureError::Bench)?;
    let goods = goods(context, sizes.items)?;
    progress(&format!("a chain's file of {} goods", goods.len()));
    let file = folder.join("chain.aif");
    whole_file(&file, &goods)?;
    server.take(&file, goods.len() * ROWS_OF_A_GOOD)?;
    prices_of_shops(&server, sizes, &goods)?;
    names_are_read(&server, &goods)?;
    let head = newest_revision(&server)?;
    server.bench.server.switch_off().map_err(MeasureError::Bench)?;
    reported(&server.bench.server.data().join("exchange.db"), &tills, head)?;
    let data = server.bench.server.data();
    sold(&data, &tills, sizes, &goods)?;
    server.bench.server.switch_on().map_err(MeasureError::Bench)?;
    let named = named(&server, &goods)?;
    Ok((server, Places { named, took_s: started.elapsed().as_secs_f64() }))
}

/// Puts the nodes into their table.
fn network(path: &Path, sizes: &Sizes) -> Result<Vec<Till>, MeasureError> {
    let sql = MeasureError::sql(path);
    let mut connection = Connection::open(path).map_err(&sql)?;
    let mut tills = Vec::with_capacity(sizes.tills);
    let mut put = || -> rusqlite::Result<()> {
        let transaction = connection.transaction()?;
        let chain: i64 = transaction.query_row("SELECT no FROM node WHERE parent IS NULL", (), |row| row.get(0))?;
        let mut no: i64 = transaction.query_row("SELECT max(no) FROM node", (), |row| row.get(0))?;
        {
            let mut insert = transaction
                .prepare("INSERT INTO node(no, id, code, name, parent, created_at) VALUES (?1, ?2, ?3, ?4, ?5, ?6)")?;
            let now = Timestamp::now().as_millisecond();
            let mut make = |id: &NodeId, code: &str, name: String, parent: i64| {
                no += 1;
                insert.execute(params![no, id.as_str(), code, name, parent, now]).map(|_| no)
            };
            let groups = (1..=GROUPS)
                .map(|group| {
                    let code = format!("region{group}");
                    make(&id(NodeLevel::Group, &code), &code, format!("Регион {group}"), chain)
                })
                .collect::<rusqlite::Result<Vec<i64>>>()?;
            for shop in 1..=sizes.shops() {
                let code = shop.to_string();
                let shop_id = id(NodeLevel::Shop, &code);
                let parent = make(&shop_id, &code, format!("Магазин {shop}"), groups[shop % GROUPS])?;
                for till in 1..=TILLS_OF_A_SHOP.min(sizes.tills - tills.len()) {
                    let code = till.to_string();
                    let till_id = id(NodeLevel::Till, &code);
                    make(&till_id, &code, format!("Касса {till}"), parent)?;
                    if let (NodeId::Till(id), NodeId::Shop(shop)) = (till_id, &shop_id) {
                        tills.push(Till { id, shop: shop.clone() });
                    }
                }
            }
        }
        transaction.execute("UPDATE counter SET value = value + 1 WHERE name = 'network'", ())?;
        transaction.commit()
    };
    put().map_err(&sql)?;
    Ok(tills)
}

/// The id of a new node. A code of digits and letters always fits.
fn id(level: NodeLevel, code: &str) -> NodeId {
    let code: NodeCode = code.parse().unwrap_or_else(|_| unreachable!("a code of digits and letters"));
    NodeId::new(level, &code)
}

/// So many goods: those of the reference, once more under other codes where there are not enough.
fn goods(context: &Context, items: usize) -> Result<Vec<Good>, MeasureError> {
    let known = context.data.goods(Assortment::ChainAfter)?;
    let again = |(place, good): (usize, &Good)| {
        let pass = place / known.len();
        if pass == 0 {
            return good.clone();
        }
        Good {
            code: format!("{}-{pass}", good.code),
            barcode: format!("{}{pass}", good.barcode),
            name: format!("{} (вариант {pass})", good.name),
            ..good.clone()
        }
    };
    Ok(known.iter().cycle().take(items).enumerate().map(again).collect())
}

/// Some shops get prices of their own, night after night, with a record that is rejected.
fn prices_of_shops(server: &ChainServer, sizes: &Sizes, goods: &[Good]) -> Result<(), MeasureError> {
    let priced = (1..=sizes.shops()).step_by(PRICED_SHOPS);
    for night in 1..=NIGHTS {
        progress(&format!("prices of {} shops, night {night} of {NIGHTS}", priced.clone().count()));
        for shop in priced.clone() {
            let mut commands = Vec::with_capacity(PRICED_GOODS + 1);
            for (place, good) in goods.iter().take(PRICED_GOODS).enumerate() {
                let mut command = String::new();
                let kopecks = i64::try_from(1_000 * (night + 1) + shop + place).unwrap_or(1_000);
                data::write_command(&Good { kopecks, ..good.clone() }, &mut command).map_err(MeasureError::File)?;
                commands.push(command);
            }
            commands.push(format!(r#"{{"command":"addInventItem","invent":{{"name":"без кода {night}"}}}}"#));
            let body = format!("[{}]", commands.join(","));
            server.bench.server.load_over_rest(&shop.to_string(), body).map_err(MeasureError::Bench)?;
        }
    }
    let api = api(server)?;
    wait_for("the prices of shops to be loaded", NAMES_TIME, || match api.read("/api/v1/loads?limit=1000") {
        Ok(loads) => {
            let open = loads.as_array().into_iter().flatten().filter(|load| load["ended_at"].is_null()).count();
            Seen::when(open == 0, Ok(()), format!("{open} of the newest are under way"))
        }
        Err(error) => Seen::Ready(Err(MeasureError::wrong("the list of loads", error))),
    })
    .map_err(MeasureError::TimedOut)?
}

/// Names are read by and by.
fn names_are_read(server: &ChainServer, goods: &[Good]) -> Result<(), MeasureError> {
    progress("names of goods are being read");
    let api = api(server)?;
    let path = format!("/api/v1/goods?limit=1&q={}", escaped(&word_of(goods)));
    wait_for("all names of goods to be read", NAMES_TIME, || match api.read(&path) {
        Ok(found) => Seen::when(found["complete"] == true, Ok(()), found),
        Err(error) => Seen::Ready(Err(MeasureError::wrong("looking for goods", error))),
    })
    .map_err(MeasureError::TimedOut)?
}

fn newest_revision(server: &ChainServer) -> Result<Revision, MeasureError> {
    let loads = read(server, "/api/v1/loads?limit=1000")?;
    let newest = loads.as_array().into_iter().flatten().filter_map(|load| load["revision"].as_u64()).max();
    newest.map(Revision).ok_or_else(|| MeasureError::wrong("the loads", loads))
}

/// What tills said last, and what they were sent in a week. One in a hundred is behind, one in a
/// thousand was never heard of.
fn reported(path: &Path, tills: &[Till], head: Revision) -> Result<(), MeasureError> {
    let failed = |error: &dyn std::error::Error| MeasureError::wrong("what tills reported", error);
    progress(&format!("what {} tills reported", tills.len()));
    let store = SqliteExchange::open(path).map_err(|error| failed(&error))?;
    let now = Timestamp::now();
    for (part, some) in tills.chunks(AT_ONCE).enumerate() {
        let mut changes = ExchangeChanges::default();
        for (place, till) in some.iter().enumerate() {
            let number = part * AT_ONCE + place;
            if (number + 1).is_multiple_of(1_000) {
                continue;
            }
            let cursor = if (number + 1).is_multiple_of(100) { Revision(head.0.saturating_sub(1)) } else { head };
            changes.contacts.push((till.id.clone().into(), contact(number, cursor, now)));
            let sent = (0..DELIVERIES).map(|delivery| delivered(till, number, delivery, head, now));
            changes.deliveries.extend(sent);
        }
        store.change(&mut |_| Ok(changes.clone())).map_err(|error| failed(&error))?;
    }
    Ok(())
}

fn contact(number: usize, cursor: Revision, now: Timestamp) -> Contact {
    Contact {
        first_at: now,
        last_at: now,
        present_since: now,
        sent_at: now,
        instance: Uuid::from_u128(number as u128 + 1),
        previous_instance: None,
        state: TillState {
            agent_version: env!("CARGO_PKG_VERSION").to_owned(),
            cursor,
            rows: 1_500_000,
            unsent_documents: Some(number.is_multiple_of(7).into()),
            ..TillState::default()
        },
        needs: Needs::Nothing,
        needs_since: None,
        needs_reason: String::new(),
        two_machines_at: None,
        went_back_at: None,
        claimed: None,
        claimed_at: None,
    }
}

/// One of the deliveries of a week, half a day apart, each as quick as the till is.
fn delivered(till: &Till, number: usize, delivery: usize, head: Revision, now: Timestamp) -> Delivery {
    let half_days = i64::try_from(DELIVERIES - delivery).unwrap_or(1);
    let millis = i64::try_from(number).unwrap_or(0);
    let created_at =
        now - jiff::SignedDuration::from_hours(12 * half_days - 1) + jiff::SignedDuration::from_millis(millis);
    let took = jiff::SignedDuration::from_millis(300 + millis * 37 % 4_000);
    let at = u64::try_from(created_at.as_millisecond()).unwrap_or_default();
    let unique = (number as u128) << 16 | delivery as u128;
    let random: [u8; 10] = std::array::from_fn(|place| u8::try_from(unique >> (8 * place) & 0xff).unwrap_or(0));
    Delivery {
        id: DeliveryId(Builder::from_unix_timestamp_millis(at, &random).into_uuid()),
        peer: till.id.clone().into(),
        package: PackageName::from_hash([7; 32]),
        bytes: 4_096,
        objects: 40,
        from: Revision(head.0.saturating_sub(1)),
        to: head,
        repair: Needs::Nothing,
        tries: 0,
        bad_contents: 0,
        state: DeliveryState::Applied,
        state_at: created_at + took,
        created_at,
        confirmed: true,
        reason: None,
        cause: None,
        unanswered_since: created_at,
        replaces: None,
    }
}

/// Receipts of all tills, through a spool and the server's loader, some tills at a time.
fn sold(data: &Path, tills: &[Till], sizes: &Sizes, goods: &[Good]) -> Result<(), MeasureError> {
    let failed = |error: &dyn std::error::Error| MeasureError::wrong("loading receipts", error);
    let store = SqliteSales::open(&data.join("sales.db"), ServerId::ALONE).map_err(|error| failed(&error))?;
    let loaded = store.position().map_err(|error| failed(&error))?;
    let limits = SpoolLimits::default();
    let spool =
        Spool::open(&data.join("spool"), loaded, limits, disk::of_this_machine()).map_err(|error| failed(&error))?;
    let mut loader = Loader::new(spool.clone(), Arc::new(store));
    let templates = Templates::ring()?;
    let today = Zoned::now().date();
    let runtime = tokio::runtime::Builder::new_current_thread().build().map_err(MeasureError::File)?;
    for (part, some) in tills.chunks(AT_ONCE).enumerate() {
        progress(&format!("receipts of tills {} and on, of {}", part * AT_ONCE + 1, tills.len()));
        runtime.block_on(async {
            let mut appended = Vec::with_capacity(some.len());
            for (place, till) in some.iter().enumerate() {
                let days = templates.days(&till.id, days_of(today), sizes.of_a_day(), |line| {
                    &goods[(part * AT_ONCE + place + line * 31) % goods.len()]
                });
                for batch in days {
                    let arrival = Arrival {
                        till_id: till.id.to_string(),
                        shop_id: till.shop.to_string(),
                        instance: till.id.to_string(),
                        received_at_ms: Timestamp::now().as_millisecond(),
                        batch: Some(batch),
                        refused: Vec::new(),
                    };
                    appended.push(spool.append(&arrival).await);
                }
            }
            for answer in appended {
                let answer = answer.await.map_err(|error| failed(&error))?;
                answer.map_err(|error| failed(&error))?;
            }
            Ok::<_, MeasureError>(())
        })?;
        while loader.step().map_err(|error| failed(&error))? {}
    }
    Ok(())
}

/// The last days, the oldest first.
fn days_of(today: Date) -> impl Iterator<Item = Date> {
    let before = move |days: usize| today.saturating_sub(jiff::Span::new().days(i64::try_from(days).unwrap_or(0)));
    (0..DAYS).rev().map(before)
}

fn api(server: &ChainServer) -> Result<&Api, MeasureError> {
    server.bench.server.api().map_err(MeasureError::Bench)
}

fn read(server: &ChainServer, path: &str) -> Result<Value, MeasureError> {
    api(server)?.read(path).map_err(|error| MeasureError::wrong(path, error))
}

/// The first word of a good in the middle.
fn word_of(goods: &[Good]) -> String {
    let words = goods[goods.len() / 2].name.split(|letter: char| !letter.is_alphanumeric());
    words.filter(|word| word.chars().count() > 2).map(str::to_lowercase).next().unwrap_or_else(|| "молоко".to_owned())
}

fn escaped(text: &str) -> String {
    let one = |byte: u8| {
        if byte.is_ascii_alphanumeric() { char::from(byte).to_string() } else { format!("%{byte:02X}") }
    };
    text.bytes().map(one).collect::<Vec<_>>().concat()
}

/// Names of what is there, for the addresses of pages.
fn named(server: &ChainServer, goods: &[Good]) -> Result<Vec<(&'static str, String)>, MeasureError> {
    let receipts = read(server, "/api/v1/receipts?limit=1")?;
    let receipt = receipts["receipts"][0]["id"].as_str().ok_or_else(|| MeasureError::wrong("receipts", &receipts))?;
    let loads = read(server, "/api/v1/loads?limit=1")?;
    let load = of_u64(loads[0]["id"].as_u64().unwrap_or(1));
    let today = Zoned::now().date();
    // The shops whose prices are their own have the first goods at them.
    let good = &goods[0];
    Ok(vec![
        ("RECEIPT", receipt.to_owned()),
        ("BARCODE", escaped(&good.barcode)),
        ("GROUP", "group-region1".to_owned()),
        ("AFTER", escaped(&goods[goods.len() / 2].code)),
        ("TILL", "till-1-1".to_owned()),
        ("SHOP", "shop-1".to_owned()),
        ("CODE", escaped(&good.code)),
        ("WORD", escaped(&word_of(goods))),
        ("LOAD", format!("{load:.0}")),
        ("WEEK", today.saturating_sub(jiff::Span::new().days(6)).to_string()),
        ("DAY", today.to_string()),
    ])
}

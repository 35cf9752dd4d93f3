//! The steps that the acts of the story are made of: what the back office and the cashier do, and
//! what is waited for.

use super::Story;
use crate::Made;
use fs_err as fs;
use jiff::civil::DateTime;
use jiff::{ToSpan as _, Zoned};
use serde_json::Value;
use std::path::{Path, PathBuf};
use std::time::Duration;
use tillway_exchangers::till::documents::writer::PosWriter;
use tillway_proto::sales::v1;
use tillway_proto::{Kopecks, Thousandths};
use tillway_tests::bench::Server;
use tillway_tests::pos::{Basket, Entry, Tender};
use tillway_tests::wait::{Seen, wait_for};

/// Everything is small; a broker starts in it.
pub(super) const SOON: Duration = Duration::from_mins(2);

/// A till's folder of batches that wait to be loaded.
const READY: &str = "queues/dictionary/ready";

impl Story {
    pub(super) fn load(&mut self, node: &str, commands: &[String]) -> Made<()> {
        self.files += 1;
        let base = format!("pos-{}", self.files);
        let aif = format!("{}\n---\n", commands.join("\n---\n"));
        let server = &self.bench.server;
        server.deliver(node, &base, |out| out.write_all(aif.as_bytes()).map(|()| 1))?;
        let flag = server.inbox(node).join(format!("{base}.flz"));
        wait_for(format!("{base} to be loaded"), SOON, || {
            Seen::when(!flag.exists() && ended(server, &base), (), ask(server, "/api/v1/loads?limit=10"))
        })?;
        Ok(())
    }

    pub(super) fn converged(&mut self) -> Made<()> {
        let (server, till) = (&self.bench.server, &mut self.till);
        let path = format!("/api/v1/tills/{}", till.id);
        wait_for("the till to have everything", SOON, || {
            let seen = ask(server, &path);
            let there = seen["target"].as_u64() > Some(0) && seen["cursor"] == seen["target"];
            let agent = till.check_agent();
            Seen::when(there && agent.is_ok(), (), format!("{seen} {agent:?}"))
        })?;
        Ok(())
    }

    pub(super) fn ring_and_unload(&self, shift: u64, first_item: u32, count: u32) -> Made<()> {
        let mut writer = PosWriter::open(&self.till.documents())?;
        let number = 1_000 + u64::from(first_item) * 10;
        for receipt in 0..count {
            let document = v1::Document {
                key: Some(v1::ReceiptKey { number: number + u64::from(receipt), ..v1::ReceiptKey::default() }),
                doctype: 1,
                time_beg: now().to_string(),
                time_end: now().to_string(),
                sum_before: 100,
                sum: 100,
                identifier: uuid::Uuid::new_v4().to_string(),
                ..v1::Document::default()
            };
            writer.add_document(i64::try_from(shift)?, &document, true)?;
        }
        self.till.command(&["unload"])?;
        Ok(())
    }

    pub(super) fn wait_for_batch(&self) -> Made<PathBuf> {
        let ready = self.till.folder().join(READY);
        Ok(wait_for("a batch to be claimed", SOON, || {
            let found = fs::read_dir(&ready).ok().into_iter().flatten().flatten().map(|entry| entry.path());
            match found.into_iter().find(|path| !path.display().to_string().ends_with("-0")) {
                Some(path) => Seen::Ready(path),
                None => Seen::NotYet("none".to_owned()),
            }
        })?)
    }

    pub(super) fn wait_for_receipts(&self, shift: u64, count: usize) -> Made<()> {
        self.till.command(&["unload"])?;
        let path = format!("/api/v1/tills/{}/shifts/{shift}/receipts", self.till.id);
        wait_for(format!("{count} receipts of shift {shift}"), SOON, || {
            let found = ask(&self.bench.server, &path);
            Seen::when(found.as_array().map_or(0, Vec::len) >= count, (), found)
        })?;
        Ok(())
    }

    pub(super) fn checked(&self, shift: u64, verdict: &str) -> Made<()> {
        let path = format!("/api/v1/shifts?till={}", self.till.id);
        wait_for(format!("shift {shift} to be {verdict}"), SOON, || {
            let shifts = ask(&self.bench.server, &path);
            let found = shifts.as_array().into_iter().flatten().find(|found| found["number"] == shift);
            Seen::when(found.is_some_and(|found| found["outcome"]["verdict"] == verdict), (), &shifts)
        })?;
        Ok(())
    }
}

/// What the server says; null while it does not.
pub(super) fn ask(server: &Server, path: &str) -> Value {
    server.api().ok().and_then(|api| api.read(path).ok()).unwrap_or_default()
}

fn ended(server: &Server, base: &str) -> bool {
    let loads = ask(server, "/api/v1/loads?limit=1000");
    let of_file = |load: &&Value| {
        load["source"].as_str().is_some_and(|source| source.contains(&format!("{base}.")) || source.ends_with(base))
    };
    loads.as_array().into_iter().flatten().find(of_file).is_some_and(|load| !load["ended_at"].is_null())
}

pub(super) fn newest(folder: &Path, extension: &str) -> Made<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.extension().is_some_and(|own| own == extension) {
            let metadata = fs::metadata(&path)?;
            // An empty segment has its header only.
            if metadata.len() > 24 {
                found.push((metadata.modified()?, path));
            }
        }
    }
    found.into_iter().max().map(|(_, path)| path).ok_or_else(|| format!("nothing in {}", folder.display()).into())
}

pub(super) fn now() -> DateTime {
    let now = Zoned::now().datetime();
    now.checked_sub(i64::from(now.subsec_nanosecond()).nanoseconds()).unwrap_or(now)
}

pub(super) fn sale(number: u32) -> Basket {
    let entries = vec![Entry::new(format!("b{number}"), Thousandths(1_000))];
    Basket::sale(now(), entries, vec![Tender::Cash(Kopecks(100_000))])
}

pub(super) fn item(number: u32, price: &str) -> String {
    format!(
        r#"{{"command":"addInventItem","invent":{{"inventcode":"{number}","name":"Item {number}","barcode":"b{number}","price":{price}}}}}"#
    )
}

pub(super) fn price(number: u32, price: &str) -> String {
    format!(
        r#"{{"command":"addPrice","price":{{"barcode":"b{number}","price":{price},"doctype":1,"documentid":"SHELF"}}}}"#
    )
}

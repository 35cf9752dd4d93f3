//! What happens before the lights go out.

mod steps;

use super::Made;
use super::pack::{self, checkpoint, message};
use super::wire::{Recorder, StatusServer};
use fs_err as fs;
use rusqlite::{Connection, TransactionBehavior};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use steps::{SOON, ask, item, newest, now, price, sale};
use tillway_exchangers::till::documents::writer::PosWriter;
use tillway_proto::queue::{ControlQueue, DictionaryQueue, REPORTS_QUEUE};
use tillway_proto::sales::v1;
use tillway_proto::{Kopecks, TillId};
use tillway_tests::bench::{TestBench, Till, TillOptions};
use tillway_tests::wait::{Seen, wait_for};

/// Messages of one sort that are kept.
const MESSAGES_OF_A_SORT: usize = 3;

struct Story {
    bench: TestBench,
    till: Till,
    recorder: Recorder,
    status: StatusServer,
    into: PathBuf,
    commands: Vec<Vec<u8>>,
    reports: Vec<Vec<u8>>,
    files: u32,
    shift: u64,
}

pub(super) fn tell(into: &Path) -> Made<()> {
    if into.exists() {
        return Err(format!("{} is there already", into.display()).into());
    }
    let mut story = Story::begin(into)?;
    story.dictionaries()?;
    story.network()?;
    story.first_shift()?;
    story.damage_in_the_spool()?;
    story.damage_in_the_queue()?;
    story.messages()?;
    story.lights_out()?;
    story.keep()
}

impl Story {
    fn begin(into: &Path) -> Made<Self> {
        let (recorder, status) = (Recorder::start()?, StatusServer::start()?);
        let public_port = recorder.port.to_string();
        let settings = [
            ("sales.public_port", public_port.as_str()),
            ("sales.handover_dir", "\"handover\""),
            ("exchange.queued_deadline_s", "15"),
            ("exchange.reconcile_period_s", "5"),
            ("log.level", "\"info\""),
        ];
        let bench = TestBench::start_with(&settings)?;
        recorder.lead_to(bench.server.ports.sales);
        let chain = bench.server.chain_id()?;
        let north = bench.server.create_node(&chain, "group", "north")?.id;
        let five = bench.server.create_node(&north, "shop", "5")?.id;
        let till = bench.add_till_with(&five, "5", "51", TillOptions::default())?;
        bench.server.create_node(&five, "till", "52")?;
        Ok(Self {
            bench,
            till,
            recorder,
            status,
            into: into.to_owned(),
            commands: Vec::new(),
            reports: Vec::new(),
            files: 0,
            shift: 0,
        })
    }

    /// Layers of every level, history, deletes, rejects, a load that is refused.
    fn dictionaries(&mut self) -> Made<()> {
        let catalogue: Vec<String> = (1..=40).map(|number| item(number, "10.50")).collect();
        self.load("All", &catalogue)?;
        self.load("group-north", &(1..=9).map(|number| price(number, "20")).collect::<Vec<_>>())?;
        self.load("shop-5", &(1..=6).map(|number| price(number, "30")).collect::<Vec<_>>())?;
        self.load("till-5-51", &[price(1, "40")])?;
        for cost in ["11", "12.25", "13"] {
            self.load("All", &(1..=20).map(|number| item(number, cost)).collect::<Vec<_>>())?;
        }
        self.load("All", &[r#"{"command":"deleteInventItem","inventcode":"40"}"#.to_owned(), item(39, "\"dear\"")])?;
        self.load("All", &["{\"command\":\"addInventItem\",\"invent\":{".to_owned()])?;
        let server = format!("127.0.0.1:{}", self.status.port);
        let query = [("shopcode", "5"), ("dictionaryid", "d-1"), ("addressstatusserver", server.as_str())];
        self.bench.server.load_over_rest_with(&query, format!("[{}]", price(2, "31")))?;
        self.converged()?;
        wait_for("the status server to be told of the till", SOON, || {
            let told = self.status.told();
            Seen::when(told.iter().any(|call| call.contains("cashLoad")), (), format!("{told:?}"))
        })?;
        Ok(())
    }

    /// A shop that moved, a till that went.
    fn network(&mut self) -> Made<()> {
        let server = &self.bench.server;
        let chain = server.chain_id()?;
        let seven = server.create_node(&chain, "shop", "7")?.id;
        let gone = server.create_node(&seven, "till", "71")?.id;
        server.create_node(&seven, "till", "72")?;
        let north = server.nodes()?.into_iter().find(|node| node["code"] == "north").ok_or("no group")?;
        let api = server.api()?;
        api.json(&reqwest::Method::PATCH, &format!("/api/v1/nodes/{seven}"), Some(&json!({ "parent": north["id"] })))?;
        api.json(&reqwest::Method::DELETE, &format!("/api/v1/nodes/{gone}"), None)?;
        Ok(())
    }

    /// A closed shift that is checked and handed over, one that differs, and one with documents
    /// that nobody can take.
    fn first_shift(&mut self) -> Made<()> {
        let mut pos = self.till.pos()?;
        for differs in [false, true] {
            self.shift += 1;
            pos.open_shift(self.shift, 1, now())?;
            pos.cash_in(Kopecks(10_000), now())?;
            for number in [1, 2, 7, 30] {
                pos.ring(&sale(number))?;
            }
            pos.cash_out(Kopecks(5_000), now())?;
            if differs {
                // The POS writes a wrong sum in the moment of the close.
                let tamper = "CREATE TRIGGER tamper AFTER UPDATE OF time_end ON workshift BEGIN \
                     UPDATE workshift SET sumsale = sumsale + 1 WHERE workshiftid = new.workshiftid; END";
                Connection::open(self.till.documents())?.execute(tamper, [])?;
            }
            pos.close_shift(now())?;
            self.till.command(&["unload"])?;
        }
        self.checked(1, "ok")?;
        self.checked(2, "differs")?;
        Connection::open(self.till.documents())?.execute("DROP TRIGGER tamper", [])?;
        self.shift += 1;
        pos.open_shift(self.shift, 2, now())?;
        pos.ring(&sale(3))?;
        self.wait_for_receipts(self.shift, 1)?;
        // One that is being rung up, one whose time is none, one that the server cannot take;
        // later ones go up.
        let mut writer = PosWriter::open(&self.till.documents())?;
        let workshift = 3;
        let document = |number, reason: &str| v1::Document {
            key: Some(v1::ReceiptKey { number, ..v1::ReceiptKey::default() }),
            doctype: 1,
            time_beg: now().to_string(),
            time_end: now().to_string(),
            back_reason: reason.to_owned(),
            ..v1::Document::default()
        };
        writer.add_document(workshift, &document(900, ""), false)?;
        let broken = writer.add_document(workshift, &document(901, ""), false)?;
        let sql = "UPDATE document SET time_beg = 'yesterday', time_end = 'today', closed = 1 WHERE documentid = ?1";
        Connection::open(self.till.documents())?.execute(sql, [broken])?;
        writer.add_document(workshift, &document(902, &"long ".repeat(20_000)), true)?;
        drop(pos);
        let mut pos = self.till.pos()?;
        pos.open_shift(4, 2, now())?;
        self.shift = 4;
        pos.ring(&sale(4))?;
        self.wait_for_receipts(4, 1)?;
        let folder = self.server_folder().join("handover/sale51");
        fs::create_dir_all(&folder)?;
        let day = now().date().strftime("%d.%m.%Y").to_string();
        fs::write(folder.join("sale.req"), format!("###\n{day}-{day}\n"))?;
        wait_for("the back office to get its sales", SOON, || {
            Seen::when(!folder.join("sale.req").exists(), (), "the request is there")
        })?;
        Ok(())
    }

    /// A receipt that is only in the spool, and the spool loses a byte: set aside, and the till
    /// sends it again.
    fn damage_in_the_spool(&mut self) -> Made<()> {
        let mut sales = Connection::open(self.data().join("sales.db"))?;
        let held = sales.transaction_with_behavior(TransactionBehavior::Immediate)?;
        self.ring_and_unload(4, 5, 1)?;
        self.bench.server.kill();
        held.rollback()?;
        let segment = newest(&self.data().join("spool"), "spool")?;
        let mut bytes = fs::read(&segment)?;
        let last = bytes.len() - 1;
        bytes[last] ^= 1;
        fs::write(&segment, bytes)?;
        self.bench.server.switch_on()?;
        wait_for("the damage to be set aside", SOON, || {
            let aside = fs::read_dir(self.data().join("spool/aside")).map_or(0, Iterator::count);
            Seen::when(aside > 0, (), format!("{aside} files aside"))
        })?;
        self.till.command(&["unload", "--since", "2020-01-01T00:00:00"])?;
        self.wait_for_receipts(4, 2)?;
        Ok(())
    }

    /// A batch that lies damaged on the till goes aside, and the server brings the package again.
    fn damage_in_the_queue(&mut self) -> Made<()> {
        let mut dictionary = Connection::open(self.till.dictionaries())?;
        let held = dictionary.transaction_with_behavior(TransactionBehavior::Immediate)?;
        self.load("All", &[item(8, "14")])?;
        let batch = self.wait_for_batch()?;
        self.till.kill_agent();
        held.rollback()?;
        let message = newest(&batch, "msg")?;
        let mut bytes = fs::read(&message)?;
        let last = bytes.len() - 1;
        bytes[last] ^= 1;
        fs::write(&message, bytes)?;
        self.till.start_agent()?;
        self.converged()?;
        Ok(())
    }

    /// What the server says while the till is off, and the till while the server is.
    fn messages(&mut self) -> Made<()> {
        self.till.stop_agent()?;
        let id: TillId = self.till.id.parse()?;
        let (control, links) = (ControlQueue::of(&id.clone().into()), DictionaryQueue::of(&id.clone().into()));
        self.load("All", &[item(9, "15")])?;
        let api = self.bench.server.api()?;
        let path = format!("/api/v1/tills/{}", self.till.id);
        api.post(&format!("{path}/verify"), &json!({}))?;
        api.post(&format!("{path}/unload"), &json!({}))?;
        api.post(&format!("{path}/unload"), &json!({ "since": "2026-01-31T08:00:00" }))?;
        api.post(&format!("{path}/unload"), &json!({ "from": "2026-01-30", "to": "2026-01-31" }))?;
        let mut commands = Vec::new();
        for (queue, least) in [(control.as_str(), 4), (links.as_str(), 1)] {
            let mut waiting = Vec::new();
            wait_for(format!("{least} messages in {queue}"), SOON, || {
                waiting.extend(self.bench.vhost().take(queue, 100).unwrap_or_default());
                Seen::when(waiting.len() >= least, (), format!("{waiting:?}"))
            })?;
            commands.extend(waiting);
        }
        self.bench.server.switch_off()?;
        self.till.start_agent()?;
        for command in &commands {
            let queue = if command.contains("load-package") { links.as_str() } else { control.as_str() };
            self.bench.vhost().publish(queue, command)?;
        }
        self.bench
            .vhost()
            .publish(control.as_str(), r#"{"schema":1,"id":"018f3f00-0000-7000-8000-000000000001","type":"dance"}"#)?;
        let mut reports: Vec<String> = Vec::new();
        wait_for("the till's answers", SOON, || {
            reports.extend(self.bench.vhost().take(REPORTS_QUEUE, 100).unwrap_or_default());
            let has = |what: &str| reports.iter().any(|report| report.contains(what));
            Seen::when(
                has("refused") && has("unload") && has("contact") && reports.len() > 8,
                (),
                format!("{reports:?}"),
            )
        })?;
        self.commands = commands.into_iter().map(String::into_bytes).collect();
        self.reports = reports.into_iter().map(String::into_bytes).collect();
        self.bench.server.switch_on()?;
        self.converged()?;
        Ok(())
    }

    /// Everything is under way.
    fn lights_out(&mut self) -> Made<()> {
        // A package lies in the till's queue, claimed; a delivery is open.
        let mut on_till = Connection::open(self.till.dictionaries())?;
        let till_held = on_till.transaction_with_behavior(TransactionBehavior::Immediate)?;
        self.load("All", &[item(10, "16")])?;
        self.wait_for_batch()?;
        // Receipts are in the spool and in no database.
        let mut sales = Connection::open(self.data().join("sales.db"))?;
        let sales_held = sales.transaction_with_behavior(TransactionBehavior::Immediate)?;
        self.ring_and_unload(4, 6, 3)?;
        // The back office was promised two loads.
        let mut dictionary = Connection::open(self.data().join("dictionary.db"))?;
        let dictionary_held = dictionary.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let server = &self.bench.server;
        server.load_over_rest_with(&[("shopcode", "5"), ("dictionaryid", "d-2")], format!("[{}]", price(3, "33")))?;
        server.load_over_rest("5", format!("[{}]", price(4, "34")))?;
        let file = format!("{}\n---\n", item(11, "17"));
        server.deliver("All", "pos-last", |out| out.write_all(file.as_bytes()).map(|()| 1))?;
        wait_for("a load to be under way", SOON, || {
            let loads = ask(server, "/api/v1/loads?limit=10");
            Seen::when(loads.to_string().contains("\"running\""), (), loads)
        })?;
        self.till.kill_agent();
        self.bench.server.kill();
        till_held.rollback()?;
        sales_held.rollback()?;
        dictionary_held.rollback()?;
        // The till sells on alone.
        let mut pos = self.till.pos()?;
        pos.open_shift(5, 3, now())?;
        for number in [5, 6] {
            pos.ring(&sale(number))?;
        }
        // The line was cut in the middle of a download once more.
        let package = newest(&self.data().join("packages"), "twp")?;
        let bytes = fs::read(&package)?;
        let name = package.file_name().and_then(|name| name.to_str()).ok_or("a package without a name")?;
        let downloads = self.till.folder().join("data/downloads");
        fs::create_dir_all(&downloads)?;
        fs::write(downloads.join(format!("{name}.part")), &bytes[..bytes.len() / 2])?;
        Ok(())
    }

    fn keep(&self) -> Made<()> {
        let (server, till) = (self.server_folder(), self.till.folder());
        // One database keeps its log, as a power cut leaves it.
        checkpoint(&self.data(), "exchange.db")?;
        checkpoint(till, "")?;
        checkpoint(&till.join("data"), "")?;
        let vhost = self.bench.vhost();
        let ports = self.bench.server.ports;
        let broker = fs::read_to_string(self.bench.server.settings_file())?;
        let broker = broker.lines().find_map(|line| line.strip_prefix("broker.port = ")).ok_or("no port")?.to_owned();
        let names = [
            ("tills", vhost.tills.clone()),
            ("vhost", vhost.name.clone()),
            ("server", server.display().to_string()),
            ("till", till.display().to_string()),
            ("rest", ports.rest.to_string()),
            ("aif", ports.aif.to_string()),
            ("web", ports.web.to_string()),
            ("sales", ports.sales.to_string()),
            ("sales-public", self.recorder.port.to_string()),
            ("broker", broker),
        ];
        pack::folder(&server, &self.into.join("server"), &names)?;
        pack::folder(till, &self.into.join("till"), &names)?;
        let messages = self.into.join("messages");
        keep_messages(&messages, "command", "json", &self.commands)?;
        keep_messages(&messages, "report", "json", &self.reports)?;
        let (up, down) = self.recorder.messages();
        keep_messages(&messages, "till-frame", "bin", &up)?;
        keep_messages(&messages, "server-frame", "bin", &down)?;
        let told: Vec<Vec<u8>> = self.status.told().into_iter().map(String::into_bytes).collect();
        keep_messages(&messages, "status", "txt", &told)?;
        let made = json!({ "server": server, "till": till, "till_id": self.till.id });
        fs::write(self.into.join("made.json"), format!("{made:#}\n"))?;
        Ok(())
    }

    fn server_folder(&self) -> PathBuf {
        self.bench.folder().join("server")
    }

    fn data(&self) -> PathBuf {
        self.bench.server.data()
    }
}

/// The newest messages of each sort, by what they begin with: a type of JSON, a field of protobuf.
fn keep_messages(folder: &Path, name: &str, extension: &str, messages: &[Vec<u8>]) -> Made<()> {
    let mut kept: BTreeMap<String, Vec<&Vec<u8>>> = BTreeMap::new();
    for bytes in messages {
        let sort = match serde_json::from_slice::<Value>(bytes) {
            Ok(json) => json["type"].as_str().unwrap_or("other").to_owned(),
            Err(_) if extension == "bin" => bytes.first().copied().unwrap_or_default().to_string(),
            Err(_) => "told".to_owned(),
        };
        let of_sort = kept.entry(sort).or_default();
        if !of_sort.contains(&bytes) {
            of_sort.push(bytes);
        }
    }
    for (sort, mut of_sort) in kept {
        // The fullest say most.
        of_sort.sort_by_key(|bytes| std::cmp::Reverse(bytes.len()));
        for (number, bytes) in of_sort.into_iter().take(MESSAGES_OF_A_SORT).enumerate() {
            message(folder, &format!("{name}-{sort}-{number}.{extension}"), bytes)?;
        }
    }
    Ok(())
}

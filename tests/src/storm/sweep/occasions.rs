//! Occasions of the sweep: what is done before a daemon starts, and in each round, so that it
//! passes a point.

use super::{CRASH, Sweep, Who};
use crate::bench::BenchError;
use crate::faults::files;
use crate::storm::model::Fate;
use crate::storm::office::{self, Delivery};
use crate::storm::{StormError, breaking};
use fs_err as fs;
use rusqlite::Connection;
use serde_json::json;
use std::io::{self, Seek as _, SeekFrom, Write as _};
use std::path::{Path, PathBuf};
use tillway_proto::TillId;
use tillway_proto::queue::ControlQueue;

/// What the crate `fail` reads.
const FAILPOINTS: &str = "FAILPOINTS";

/// The database breaks off as often as sets one batch aside: once for all that came together, then
/// a batch's tries.
const BATCH_BREAKS: &str = "sales::written=4*panic";

/// The reader of loads breaks off at the record `poison`.
const LOAD_BREAKS: &str = "intake::poison=panic";

/// The agent ends when a batch is in its queue.
const BATCH_WAITS: &str = "enqueue::batch_committed";

/// Where that one stands.
const POISON: &str = r#"{"command":"addInventItem","invent":{"inventcode":"poison","name":"n"}}"#;

/// What no agent understands; nobody can be answered.
const RUBBISH: [&str; 3] = ["{", "null", r#"{"schema":1}"#];

/// A request of the back office for all days.
const REQUEST: &str = "###\n01.01.2020-31.12.2099\n";

/// Files of the server's sales database.
const SALES_DB: [&str; 3] = ["sales.db", "sales.db-wal", "sales.db-shm"];

/// The schema of the agent's state whose last step [`take_schema_back`] undoes.
const STATE_SCHEMA: i64 = 3;

/// What is done so that a daemon passes a point.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Occasion {
    /// Nothing: the round passes it.
    None,
    /// The agent has forgotten everything: a new installation on an old till.
    NewInstallation,
    /// The agent's state is no database any more.
    BrokenState,
    /// An agent of before the last change of its state's schema made it.
    OlderState,
    /// The till's dictionary is no database any more.
    BrokenDictionary,
    /// A page of the till's dictionary is damaged: most of it still reads.
    DamagedDictionary,
    /// The server's addresses changed: the agent is told new ones.
    OldAddresses,
    /// No package was used for years, and what was remembered of states is gone.
    OldPackages,
    /// What is remembered of states goes again and again: a package may need it in any moment.
    NoDigests,
    /// A till is parked while something is on its way to it, and taken back.
    Parking,
    /// A batch of sales cannot be loaded and is set aside.
    BrokenBatch,
    /// One lies aside, and somebody puts it back.
    BatchAside,
    /// The spool ends with something that is no record.
    TornSpool,
    /// A load makes the reader break off every time.
    PoisonedLoad,
    /// Closed shifts and a request wait for the back office's files.
    SalesForOffice,
    /// Everything in the spool is in the database.
    LoadedSpool,
    /// A batch in the till's queue is damaged.
    BrokenQueue,
    /// The server's sales were put back from a backup, and its spool is lost.
    LostSales,
    /// A message for the till that nobody understands.
    Rubbish,
    /// Somebody settles what lies aside on the till.
    SettledTill,
}

impl Sweep {
    /// What must lie on the disk before the daemon starts. The daemon that passes the point is off
    /// afterwards.
    pub(super) fn prepare(&mut self, who: Who, occasion: Occasion) -> Result<(), StormError> {
        match occasion {
            Occasion::BatchAside => self.set_a_batch_aside()?,
            Occasion::SalesForOffice => self.close_for_the_office()?,
            Occasion::LostSales => self.lose_sales()?,
            Occasion::LoadedSpool => {
                self.storm.ring(0)?;
                self.right_again().map_err(|error| StormError::Bench(BenchError::TimedOut(error)))?;
            }
            Occasion::BrokenQueue => self.fill_queue()?,
            _ => {}
        }
        match who {
            Who::Server => {
                self.storm.bench.server.kill();
                match occasion {
                    Occasion::OldPackages => self.age_packages(),
                    Occasion::TornSpool => self.tear_spool().map_err(StormError::File),
                    _ => Ok(()),
                }
            }
            Who::Agent => {
                self.storm.tills[0].till.kill_agent();
                self.prepare_till(occasion).map_err(StormError::File)
            }
        }
    }

    /// What a daemon is told by its environment, beside where to end.
    pub(super) fn environment_of(occasion: Occasion) -> Option<(&'static str, &'static str)> {
        match occasion {
            Occasion::BrokenBatch => Some((FAILPOINTS, BATCH_BREAKS)),
            Occasion::PoisonedLoad => Some((FAILPOINTS, LOAD_BREAKS)),
            _ => None,
        }
    }

    /// What people and programs do beside the round.
    pub(super) fn act(&mut self, occasion: Occasion) -> Result<(), StormError> {
        match occasion {
            Occasion::Parking => {
                self.silent_parked = !self.silent_parked;
                let path = format!("/api/v1/nodes/{}", self.silent_till);
                if let Ok(api) = self.storm.bench.server.api() {
                    let _ = api.json(&reqwest::Method::PATCH, &path, Some(&json!({ "parked": self.silent_parked })));
                }
            }
            Occasion::BatchAside => {
                // The server may end in the middle of it.
                let _ = self.settle_batches();
            }
            Occasion::PoisonedLoad => {
                for by_rest in [false, true] {
                    // The file ends in the middle besides: it is refused where the reader does not
                    // break off.
                    let records = vec![POISON.to_owned(), office::last_prices(self.rounds)[0].clone()];
                    self.storm.hand_over(&Delivery { layer: 0, records, fate: Fate::Refused, by_rest })?;
                }
            }
            Occasion::Rubbish => self.send_rubbish(),
            Occasion::SettledTill => {
                self.send_rubbish();
                let units = json!({ "units": [format!("till:{}", self.storm.tills[0].till.id)] });
                if let Ok(api) = self.storm.bench.server.api() {
                    let _ = api.post("/api/v1/aside/retry", &units);
                }
            }
            _ => {}
        }
        Ok(())
    }

    /// What goes on all the time, not once a round.
    pub(super) fn go_on(&self, occasion: Occasion) {
        if occasion == Occasion::NoDigests {
            // Where the server writes just now it is done at the next look.
            let packages = self.storm.bench.server.data().join("packages.db");
            let _ = Connection::open(packages).and_then(|db| db.execute_batch("DELETE FROM digest"));
        }
    }

    /// Puts batches of sales back that lie aside, and drops what cannot be; what still lies there.
    pub(super) fn settle_batches(&self) -> Result<Vec<String>, BenchError> {
        let api = self.storm.bench.server.api()?;
        let units = self.batches_aside()?;
        for (id, retryable) in &units {
            let what = if *retryable { "retry" } else { "drop" };
            api.post(&format!("/api/v1/aside/{what}"), &json!({ "units": [id] })).map_err(BenchError::Api)?;
        }
        Ok(units.into_iter().map(|(id, _)| id).collect())
    }

    /// Batches of sales that lie aside, each with whether it can be put back.
    fn batches_aside(&self) -> Result<Vec<(String, bool)>, BenchError> {
        let list = self.storm.bench.server.api()?.read("/api/v1/aside").map_err(BenchError::Api)?;
        let of_sales = list.as_array().into_iter().flatten().filter(|unit| unit["sort"] == "sales");
        let named = of_sales.filter_map(|unit| Some((unit["id"].as_str()?.to_owned(), unit["retryable"] == true)));
        Ok(named.collect())
    }

    fn send_rubbish(&self) {
        let Ok(till) = self.storm.tills[0].till.id.parse::<TillId>() else { return };
        for message in RUBBISH {
            // Such as a server with a defect would send: it has the right code.
            let head = self.storm.tills[0].till.head_of_server(message).unwrap_or_default();
            let queue = ControlQueue::of(&till.clone().into());
            let _ = self.storm.bench.vhost().publish_with(queue.as_str(), message, &head);
        }
    }

    /// A server whose database breaks off, until a batch lies aside.
    fn set_a_batch_aside(&mut self) -> Result<(), StormError> {
        let server = &mut self.storm.bench.server;
        server.kill();
        server.switch_on_with_env([(FAILPOINTS, BATCH_BREAKS)]).map_err(StormError::Bench)?;
        self.storm.ring(0)?;
        // The server says so, and no file of its folder: a reason lies there before its batch
        // does.
        Self::until("a batch of sales to lie aside", || match self.batches_aside() {
            Ok(units) if units.iter().any(|(_, retryable)| *retryable) => None,
            Ok(units) => Some(format!("aside: {units:?}")),
            Err(error) => Some(format!("{error:?}")),
        })?;
        self.may_lie_aside = true;
        Ok(())
    }

    /// A shift that is checked and not handed over yet, and a request.
    fn close_for_the_office(&mut self) -> Result<(), StormError> {
        self.storm.ring(0)?;
        self.storm.close_shift(0)?;
        self.right_again().map_err(|error| StormError::Bench(BenchError::TimedOut(error)))?;
        let till = &self.storm.tills[0];
        let closed = till.closed.iter().next_back().copied();
        let path = format!("/api/v1/shifts?till={}&limit=10", till.till.id);
        Self::until("the shift to be checked", || {
            let shifts = self.storm.bench.server.api().ok()?.read(&path).ok()?;
            let mut of_it = shifts.as_array().into_iter().flatten();
            let checked = of_it.any(|shift| shift["number"].as_u64() == closed && shift["outcome"]["verdict"] == "ok");
            if checked { None } else { Some(shifts.to_string()) }
        })?;
        let folder = self.office.path().join(format!("sale{}", till.till.code));
        fs::create_dir_all(&folder).and_then(|()| fs::write(folder.join("sale.req"), REQUEST)).map_err(StormError::File)
    }

    /// The server's sales are those of some moments ago, and nothing is in its spool: what came
    /// since is on the till alone.
    fn lose_sales(&mut self) -> Result<(), StormError> {
        let data = self.storm.bench.server.data();
        let backup = tempfile::tempdir().map_err(StormError::File)?;
        self.storm.bench.server.kill();
        copy_those_there(&data, backup.path()).map_err(StormError::File)?;
        self.storm.bench.server.switch_on().map_err(StormError::Bench)?;
        self.storm.ring(0)?;
        self.right_again().map_err(|error| StormError::Bench(BenchError::TimedOut(error)))?;
        self.storm.bench.server.kill();
        let lose = || -> io::Result<()> {
            for name in SALES_DB {
                files::remove(&data.join(name))?;
            }
            files::remove(&data.join("spool"))?;
            copy_those_there(backup.path(), &data)
        };
        lose().map_err(StormError::File)?;
        self.storm.bench.server.switch_on().map_err(StormError::Bench)
    }

    /// The agent ends with a batch in its queue.
    fn fill_queue(&mut self) -> Result<(), StormError> {
        let till = &mut self.storm.tills[0].till;
        till.start_agent_with_env([(CRASH, BATCH_WAITS)]).map_err(StormError::Bench)?;
        self.round()?;
        let till = &mut self.storm.tills[0].till;
        Self::until("the agent to end with a batch in its queue", || {
            if till.has_ended().is_some() { None } else { Some("it runs".to_owned()) }
        })
    }

    /// As after a power cut in the middle of writing.
    fn tear_spool(&mut self) -> io::Result<()> {
        self.may_lie_aside = true;
        let segments = breaking::files_below(&self.storm.bench.server.data().join("spool"));
        let newest = segments.iter().filter(|path| path.extension().is_some_and(|end| end == "spool")).max();
        let Some(newest) = newest else { return Ok(()) };
        fs::OpenOptions::new().append(true).open(newest)?.write_all(b"half a record")
    }

    /// As if no package had been used for years; digests are made anew from the rows.
    fn age_packages(&self) -> Result<(), StormError> {
        let path = self.storm.bench.server.data().join("packages.db");
        let age = Connection::open(&path)
            .and_then(|db| db.execute_batch("UPDATE package SET used_at = 1; DELETE FROM digest"));
        age.map_err(|source| StormError::Sql { path, source })
    }

    fn prepare_till(&mut self, occasion: Occasion) -> io::Result<()> {
        let till = &mut self.storm.tills[0];
        let folder = till.till.folder().to_owned();
        match occasion {
            Occasion::NewInstallation => files::remove(&folder.join("data")),
            Occasion::BrokenQueue => break_files(&folder.join("queues")),
            Occasion::BrokenState => break_database(folder.join("data/sync.db")),
            Occasion::OlderState => take_schema_back(&folder.join("data/sync.db")).map_err(io::Error::other),
            Occasion::BrokenDictionary => {
                till.observer.hold().blind = true;
                till.let_pos_go();
                break_database(till.till.dictionaries())
            }
            Occasion::DamagedDictionary => {
                till.observer.hold().blind = true;
                till.let_pos_go();
                damage_cursor(&till.till.dictionaries())
            }
            Occasion::OldAddresses => {
                let settings = fs::read_to_string(till.till.settings_file())?;
                let old: Vec<String> = settings
                    .lines()
                    .map(|line| {
                        let key = line.split('=').next().unwrap_or_default().trim().to_ascii_lowercase();
                        if key == "httphostcs" { "httpHostCS = 127.0.0.9".to_owned() } else { line.to_owned() }
                    })
                    .collect();
                fs::write(till.till.settings_file(), format!("{}\n", old.join("\n")))
            }
            _ => Ok(()),
        }
    }
}

/// Turns a bit around in the middle of each message.
fn break_files(queues: &Path) -> io::Result<()> {
    for path in breaking::files_below(queues).iter().filter(|path| path.extension().is_some_and(|end| end == "msg")) {
        let mut bytes = fs::read(path)?;
        let middle = bytes.len() / 2;
        bytes.iter_mut().skip(middle).take(1).for_each(|byte| *byte ^= 1);
        fs::write(path, bytes)?;
    }
    Ok(())
}

/// Undoes the last step of the state's schema.
fn take_schema_back(state: &Path) -> rusqlite::Result<()> {
    let schema: i64 = Connection::open(state)?.query_row("PRAGMA user_version", (), |row| row.get(0))?;
    if schema < STATE_SCHEMA {
        return Ok(());
    }
    Connection::open(state)?.execute_batch(
        "BEGIN;
         ALTER TABLE refused DROP COLUMN dropped;
         ALTER TABLE refused_shift DROP COLUMN dropped;
         PRAGMA user_version = 2;
         COMMIT;",
    )
}

/// No database, but a file.
fn break_database(path: PathBuf) -> io::Result<()> {
    for suffix in ["-wal", "-shm"] {
        let mut beside = path.clone().into_os_string();
        beside.push(suffix);
        files::remove(&PathBuf::from(beside))?;
    }
    fs::write(path, vec![b'x'; 64 << 10])
}

/// Overwrites the page of the till's cursor.
fn damage_cursor(path: &Path) -> io::Result<()> {
    let page = Connection::open(path).and_then(|tool| {
        tool.query_row("PRAGMA wal_checkpoint(TRUNCATE)", (), |_| Ok(()))?;
        let sql = "SELECT rootpage FROM sqlite_schema WHERE name = 'tillway_cursor'";
        let page: u32 = tool.query_row(sql, (), |row| row.get(0))?;
        Ok((page, tool.pragma_query_value(None, "page_size", |row| row.get::<_, u32>(0))?))
    });
    let (page, bytes) = page.map_err(io::Error::other)?;
    let damage = vec![7; bytes as usize];
    let mut file = fs::OpenOptions::new().write(true).open(path)?;
    file.seek(SeekFrom::Start(u64::from(page - 1) * u64::from(bytes)))?;
    file.write_all(&damage)
}

fn copy_those_there(from: &Path, to: &Path) -> io::Result<()> {
    for name in SALES_DB {
        if from.join(name).exists() {
            fs::copy(from.join(name), to.join(name))?;
        }
    }
    Ok(())
}

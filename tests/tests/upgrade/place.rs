//! A copy of a version's fixtures in a folder of its own, with the settings of today's run.

use flate2::read::GzDecoder;
use fs_err as fs;
use rusqlite::Connection;
use serde_json::Value;
use std::io::Read as _;
use std::net::{Ipv4Addr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;
use tempfile::TempDir;
use tillway_tests::bench::Api;
use tillway_tests::binaries::{CASH_SERVER, SYNC_AGENT, binary};
use tillway_tests::broker::{Broker, VirtualHost};
use tillway_tests::ports::free_port;
use tillway_tests::process::{Daemon, log_end};
use tillway_tests::wait::{Seen, wait_for};

/// A start brings schemas up to date; other tests share two cores.
pub(crate) const SOON: Duration = Duration::from_mins(3);

/// Where fixtures lie.
pub(crate) fn fixtures(version: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures").join(version)
}

/// Messages of a sort, with their names.
pub(crate) fn messages(version: &str, sort: &str) -> Vec<(String, Vec<u8>)> {
    let mut found = Vec::new();
    for entry in fs::read_dir(fixtures(version).join("messages")).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap().to_owned();
        if name.starts_with(sort) {
            found.push((name, fs::read(&path).unwrap()));
        }
    }
    assert!(!found.is_empty(), "{version} has no messages {sort}");
    found.sort();
    found
}

/// A chain as it was when the lights went out.
pub(crate) struct Place {
    folder: TempDir,
    /// The till's id.
    pub(crate) till_id: String,
    rest: u16,
    sales: u16,
}

impl Place {
    /// Unpacks a version's fixtures; `vhost` is today's part of a broker, where one is needed.
    pub(crate) fn of(version: &str, broker: Option<(&Broker, &VirtualHost)>) -> Self {
        let folder = tempfile::Builder::new().prefix("tillway-upgrade-").tempdir().unwrap();
        let made: Value = serde_json::from_slice(&fs::read(fixtures(version).join("made.json")).unwrap()).unwrap();
        let port = || free_port().unwrap().to_string();
        let (rest, sales_port) = (free_port().unwrap(), free_port().unwrap());
        let sales = sales_port.to_string();
        let text = |name: &str| folder.path().join(name).display().to_string();
        let name = |of: fn(&VirtualHost) -> &String| broker.map_or("none".to_owned(), |(_, vhost)| of(vhost).clone());
        let names = [
            ("tills", name(|vhost| &vhost.tills)),
            ("vhost", name(|vhost| &vhost.name)),
            ("server", text("server")),
            ("till", text("till")),
            ("rest", rest.to_string()),
            ("aif", port()),
            ("web", port()),
            ("sales", sales.clone()),
            ("sales-public", sales),
            ("broker", broker.map_or_else(port, |(broker, _)| broker.port.to_string())),
        ];
        for part in ["server", "till"] {
            unpack(&fixtures(version).join(part), &folder.path().join(part), &names);
        }
        fs::write(folder.path().join("server/broker.password"), name(|vhost| &vhost.password)).unwrap();
        fs::write(folder.path().join("till/broker.password"), name(|vhost| &vhost.tills_password)).unwrap();
        let place = Self { folder, till_id: made["till_id"].as_str().unwrap().to_owned(), rest, sales: sales_port };
        // The server was moved to this folder, and so were the files that wait to be loaded.
        let moved = "UPDATE load SET source = replace(source, ?1, ?2)";
        let folders = [made["server"].as_str().unwrap(), &place.server().display().to_string()];
        change(&place.data().join("intake.db"), |intake| {
            intake.execute(moved, folders).unwrap();
        });
        place
    }

    pub(crate) fn server(&self) -> PathBuf {
        self.folder.path().join("server")
    }

    pub(crate) fn data(&self) -> PathBuf {
        self.server().join("data")
    }

    pub(crate) fn till(&self) -> PathBuf {
        self.folder.path().join("till")
    }

    /// Starts the server and waits until it answers.
    pub(crate) fn start_server(&self) -> (Daemon, Api) {
        let mut daemon = self.spawn(CASH_SERVER, &self.server().join("cash-server.toml"));
        let credentials = fs::read_to_string(self.data().join("credentials/admin")).unwrap();
        let api = Api::new(&format!("http://127.0.0.1:{}", self.rest), &credentials).unwrap();
        wait_for("the server to answer", SOON, || {
            daemon.check().unwrap();
            match api.read("/api/v1/nodes") {
                Ok(_) => Seen::Ready(()),
                Err(error) => Seen::NotYet(format!("{error:?}")),
            }
        })
        .unwrap();
        (daemon, api)
    }

    pub(crate) fn start_agent(&self) -> Daemon {
        self.spawn(SYNC_AGENT, &self.till().join("cash.ini"))
    }

    /// Starts the sales-loader alone and waits until it listens.
    pub(crate) fn start_sales_loader(&self) -> Daemon {
        let settings = self.server().join("cash-server.toml");
        let mut loader = self.spawn_as(CASH_SERVER, &settings, "sales-loader");
        wait_for("the sales-loader to listen", SOON, || {
            loader.check().unwrap();
            match TcpStream::connect((Ipv4Addr::LOCALHOST, self.sales)) {
                Ok(_) => Seen::Ready(()),
                Err(error) => Seen::NotYet(error.to_string()),
            }
        })
        .unwrap();
        loader
    }

    /// Where the sales-loader listens.
    pub(crate) fn sales_port(&self) -> u16 {
        self.sales
    }

    fn spawn(&self, program: &str, settings: &Path) -> Daemon {
        self.spawn_as(program, settings, "run")
    }

    fn spawn_as(&self, program: &str, settings: &Path, what: &str) -> Daemon {
        let mut command = Command::new(binary(program).unwrap());
        command.arg("--settings").arg(settings).arg(what);
        Daemon::start(program, &mut command, &self.folder.path().join(format!("{program}.log"))).unwrap()
    }

    /// Runs a daemon that must refuse to; gives its last words.
    pub(crate) fn refused(&self, program: &str) -> String {
        let settings = match program {
            CASH_SERVER => self.server().join("cash-server.toml"),
            _ => self.till().join("cash.ini"),
        };
        let mut daemon = self.spawn(program, &settings);
        let ended = wait_for(format!("{program} to refuse"), SOON, || match daemon.check() {
            Err(ended) => Seen::Ready(ended),
            Ok(()) => Seen::NotYet(daemon.log_end()),
        })
        .unwrap();
        let tillway_tests::process::ProcessError::Ended { status, .. } = ended else { panic!("{ended:?}") };
        let log = fs::read_to_string(self.folder.path().join(format!("{program}.log"))).unwrap();
        assert!(!status.success(), "{program} ended well: {log}");
        // What a service manager keeps, and the daemon's own log.
        format!("{log}\n{}", log_end(&self.till().join("sync.log")))
    }
}

/// Changes a database, and leaves it without a log.
pub(crate) fn change(path: &Path, work: impl FnOnce(&Connection)) {
    let connection = Connection::open(path).unwrap();
    work(&connection);
    connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(())).unwrap();
}

fn unpack(from: &Path, into: &Path, names: &[(&str, String)]) {
    fs::create_dir_all(into).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap();
        if path.is_dir() {
            unpack(&path, &into.join(name), names);
            continue;
        }
        let mut bytes = fs::read(&path).unwrap();
        let name = match name.strip_suffix(".gz") {
            Some(name) => {
                let mut unpacked = Vec::new();
                GzDecoder::new(bytes.as_slice()).read_to_end(&mut unpacked).unwrap();
                bytes = unpacked;
                name
            }
            None => name,
        };
        if ["ini", "conf", "toml"].iter().any(|text| name.ends_with(&format!(".{text}"))) {
            let mut text = String::from_utf8(bytes).unwrap();
            for (name, value) in names {
                text = text.replace(&format!("{{{name}}}"), value);
            }
            bytes = text.into_bytes();
        }
        fs::write(into.join(name), bytes).unwrap();
    }
}

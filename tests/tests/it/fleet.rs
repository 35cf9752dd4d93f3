//! Tills by the hundred on one server.

use crate::support::{LARGE_LOAD, catalogue, load, price};
use fs_err as fs;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::net::TcpListener;
use std::ops::Range;
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};
use tillway_proto::queue::ControlQueue;
use tillway_sync_agent::settings::{Layout, LiveSettings};
use tillway_tests::bench::{Server, TestBench};
use tillway_tests::broker::Broker;
use tillway_tests::faults::proxy::Proxy;
use tillway_tests::fleet::{Apply, Faults, Fleet, FleetOptions, Told};
use tillway_tests::wait::{Seen, wait_for};

/// What a fleet's server compares every two seconds, and gives up after a few: a test does not
/// wait for minutes.
const SETTINGS: [(&str, &str); 4] = [
    ("exchange.reconcile_period_s", "2"),
    ("exchange.announced_deadline_s", "4"),
    ("exchange.downloaded_deadline_s", "4"),
    ("log.level", "\"info\""),
];

/// Goods of the chain.
const GOODS: Range<u32> = 1..201;

fn change(server: &Server, to: u32) -> Value {
    let prices: Vec<String> = (1..21).map(|number| price(number, &format!("{to}.50"))).collect();
    let report = load(server, "All", &prices);
    assert!(!report["revision"].is_null(), "{report}");
    report
}

/// Waits until these tills have what the server has for them, and the server knows it.
fn converged(server: &Server, fleet: &Fleet, which: impl Fn(usize) -> bool) -> u64 {
    let ids: BTreeMap<String, usize> =
        fleet.ids().iter().enumerate().map(|(number, id)| (id.to_string(), number)).collect();
    wait_for("the fleet to have everything", LARGE_LOAD, || {
        let told = fleet.told();
        let seen = match server.api().unwrap().read("/api/v1/tills") {
            Ok(seen) => seen,
            Err(error) => return Seen::NotYet(error.to_string()),
        };
        let mut behind = BTreeMap::new();
        let mut target = 0;
        let mut there = 0;
        for seen in seen.as_array().unwrap() {
            let Some(number) = ids.get(seen["id"].as_str().unwrap()).filter(|number| which(**number)) else { continue };
            target = seen["target"].as_u64().unwrap();
            let has_it = target > 0 && told[*number].cursor.0 == target && seen["next"] == "up-to-date";
            if has_it {
                there += 1;
            } else {
                *behind.entry(seen["waits_for"].as_str().unwrap_or_default().to_owned()).or_insert(0) += 1;
            }
        }
        let wanted = (0..fleet.len()).filter(|number| which(*number)).count();
        let mut worst: Vec<_> = behind.into_iter().collect();
        worst.truncate(5);
        Seen::when(there == wanted, target, format!("{there} of {wanted} at {target}; {worst:?}; {}", fleet.trouble()))
    })
    .unwrap()
}

fn everyone(_: usize) -> bool {
    true
}

/// Names of the files in the server's package folder.
fn packages(server: &Server) -> BTreeSet<String> {
    let files = fs::read_dir(server.data().join("packages")).unwrap().map(|entry| entry.unwrap().path());
    let packages = files.filter(|path| path.extension().is_some_and(|extension| extension == "twp"));
    packages.map(|path| path.file_name().unwrap().to_string_lossy().into_owned()).collect()
}

fn park(server: &Server, fleet: &Fleet, which: impl Fn(usize) -> bool, parked: bool) {
    for (_, id) in fleet.ids().iter().enumerate().filter(|(number, _)| which(*number)) {
        let path = format!("/api/v1/nodes/{id}");
        server.api().unwrap().json(&reqwest::Method::PATCH, &path, Some(&json!({ "parked": parked }))).unwrap();
    }
}

/// Nothing of the fleet is "in progress": every delivery has come to an end.
fn assert_everything_ended(server: &Server, fleet: &Fleet) {
    for id in fleet.ids() {
        let path = format!("/api/v1/deliveries?till={id}&limit=1000");
        let deliveries = server.api().unwrap().read(&path).unwrap();
        for delivery in deliveries.as_array().unwrap() {
            let state = delivery["state"].as_str().unwrap();
            assert!(["applied", "rejected", "expired", "superseded"].contains(&state), "{delivery}");
        }
    }
}

/// All tills hold the same rows, and what came to them was right.
fn assert_one_state(told: &[Told], rows: u64) {
    let states: BTreeSet<_> = told.iter().map(|told| (told.cursor, told.rows, told.digest.to_string())).collect();
    assert_eq!(states.len(), 1, "{states:?}");
    assert!(told.iter().all(|told| told.rows >= rows && told.diverged == 0 && told.failed == 0), "{told:?}");
}

#[test]
fn three_hundred_tills_converge_with_one_package_a_change_through_silence_parking_and_a_killed_server() {
    let mut bench = TestBench::start_with(&SETTINGS).unwrap();
    load(&bench.server, "All", &catalogue(GOODS, "10"));
    let fleet = Fleet::attach(&bench, &FleetOptions::default()).unwrap();
    fleet.wake(0..fleet.len());
    converged(&bench.server, &fleet, everyone);
    assert_one_state(&fleet.told(), 200);
    assert_eq!(packages(&bench.server).len(), 1, "all begin with one snapshot");

    // A price change: one package, whoever it is for.
    change(&bench.server, 11);
    converged(&bench.server, &fleet, everyone);
    assert_eq!(packages(&bench.server).len(), 2);
    assert_eq!(fleet.downloads(), 600, "each till downloads each package once");

    // A third is silent for two changes. The others do not wait; the third comes back and finds
    // one difference.
    let silent = |number: usize| number.is_multiple_of(3);
    fleet.silence((0..fleet.len()).filter(|number| silent(*number)));
    for to in [12, 13] {
        change(&bench.server, to);
        converged(&bench.server, &fleet, |number| !silent(number));
    }
    let before = fleet.told();
    fleet.wake(0..fleet.len());
    converged(&bench.server, &fleet, everyone);
    let after = fleet.told();
    for number in (0..fleet.len()).filter(|number| silent(*number)) {
        // One, or two on a machine so slow that its first link counted as unanswered when the
        // second change came.
        let applied = after[number].applied - before[number].applied;
        assert!((1..=2).contains(&applied), "till {number} gets what it missed at once, not in {applied} packages");
    }
    assert_eq!(packages(&bench.server).len(), 5, "one for each way to go");

    // A parked tenth gets nothing, and then only the newest.
    let parked = |number: usize| number % 10 == 7;
    park(&bench.server, &fleet, parked, true);
    let before = fleet.told();
    for to in [14, 15] {
        change(&bench.server, to);
        converged(&bench.server, &fleet, |number| !parked(number));
    }
    let meanwhile = fleet.told();
    park(&bench.server, &fleet, parked, false);
    converged(&bench.server, &fleet, everyone);
    let after = fleet.told();
    for number in (0..fleet.len()).filter(|number| parked(*number)) {
        assert_eq!(meanwhile[number].links, before[number].links, "till {number} was parked");
        assert_eq!(after[number].links - before[number].links, 1, "till {number} gets the newest only");
    }

    // The server dies while it announces.
    change(&bench.server, 16);
    wait_for("some to be announced to", LARGE_LOAD, || {
        let links: u64 = fleet.told().iter().map(|told| told.links).sum();
        let before: u64 = after.iter().map(|told| told.links).sum();
        Seen::when(links > before, (), links)
    })
    .unwrap();
    bench.server.kill();
    bench.server.switch_on().unwrap();
    converged(&bench.server, &fleet, everyone);
    assert_one_state(&fleet.told(), 200);
    assert_everything_ended(&bench.server, &fleet);
}

#[test]
fn tills_that_die_lose_their_disk_and_say_everything_twice_and_late_all_converge() {
    let bench = TestBench::start_with(&SETTINGS).unwrap();
    load(&bench.server, "All", &catalogue(GOODS, "10"));
    let faults = Faults {
        dies: 120,
        loses_state: 300,
        doubles_reports: 200,
        holds_reports: 200,
        rejects: 50,
        wrong_clock: 200,
        ..Faults::default()
    };
    let options = FleetOptions {
        shops: 6,
        tills: 60,
        seed: 20_261,
        apply: Apply::Own,
        faults,
        contact_period: Duration::from_secs(2),
        ..FleetOptions::default()
    };
    let fleet = Fleet::attach(&bench, &options).unwrap();
    fleet.wake(0..fleet.len());
    for to in 11..17 {
        let before: u64 = fleet.told().iter().map(|told| told.applied).sum();
        change(&bench.server, to);
        wait_for("half of them to move on", LARGE_LOAD, || {
            let applied: u64 = fleet.told().iter().map(|told| told.applied).sum();
            Seen::when(applied >= before + 30, (), applied - before)
        })
        .unwrap();
    }
    fleet.calm();
    // Whoever was held back after a rejection goes on with the next load.
    change(&bench.server, 17);
    converged(&bench.server, &fleet, everyone);
    let told = fleet.told();
    assert_one_state(&told, 200);
    assert_everything_ended(&bench.server, &fleet);
    let sum = |of: fn(&Told) -> u64| told.iter().map(of).sum::<u64>();
    let happened: [fn(&Told) -> u64; 5] = [
        |told| told.deaths,
        |told| told.states_lost,
        |told| told.rejected,
        |told| told.reports_doubled,
        |told| told.reports_held,
    ];
    for of in happened {
        assert!(sum(of) > 0, "it was meant to happen: {told:?}");
    }
}

#[test]
fn two_hundred_tills_sell_through_a_server_killed_three_times_and_each_receipt_is_there_once() {
    let mut bench = TestBench::start_with(&SETTINGS).unwrap();
    let faults =
        Faults { breaks_streams: 60, forgets_progress: 10, restores_image: 8, wrong_clock: 100, ..Faults::default() };
    let options = FleetOptions { tills: 200, seed: 7, faults, ..FleetOptions::default() };
    let mut fleet = Fleet::attach(&bench, &options).unwrap();
    fleet.sell(0..200, 60);
    for quarter in 1..4 {
        wait_for(format!("{quarter} quarters to be acknowledged"), LARGE_LOAD, || {
            let acknowledged = fleet.ledger().acknowledged();
            Seen::when(acknowledged >= quarter * 3_000, (), acknowledged)
        })
        .unwrap();
        bench.server.kill();
        bench.server.switch_on().unwrap();
    }
    wait_for("everything to be brought up", LARGE_LOAD, || {
        let selling = fleet.selling();
        Seen::when(selling == 0, (), format!("{selling} shifts are not done; {}", fleet.trouble()))
    })
    .unwrap();
    // What is in the spool is loaded soon.
    let sales_db = bench.server.data().join("sales.db");
    wait_for("sales.db to have each receipt once", LARGE_LOAD, || {
        let wrong = fleet.compare_sales(&sales_db).unwrap();
        Seen::when(wrong.is_empty(), (), format!("{} wrong, among them {:?}", wrong.len(), wrong.first()))
    })
    .unwrap();
    let ledger = fleet.ledger();
    assert!(ledger.receipts() >= 12_000, "{}", ledger.receipts());
    for happened in [ledger.broken_streams, ledger.failed_streams, ledger.restored, ledger.forgotten] {
        assert!(happened > 0, "it was meant to happen: {ledger:?}");
    }
}

/// Agents whose broker goes away.
const AGENTS: usize = 40;

/// Looks at what comes while waits have grown to seconds: each agent was hung up on three times
/// before.
const EARLY: usize = 3 * AGENTS;

/// What counts as the same moment.
const MOMENT: Duration = Duration::from_millis(500);

/// A session that lived this long counts as good, with room to spare.
const GOOD_SESSION: Duration = Duration::from_secs(12);

/// Real agents in this process, until it is dropped.
struct Agents {
    folder: tempfile::TempDir,
    runtime: Option<tokio::runtime::Runtime>,
    shutdown: tokio_util::sync::CancellationToken,
}

impl Agents {
    fn new() -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
        let shutdown = tokio_util::sync::CancellationToken::new();
        Self { folder: tempfile::tempdir().unwrap(), runtime: Some(runtime), shutdown }
    }

    /// Starts one that looks for its broker on this port; `more` are further lines of its
    /// settings.
    fn start(&self, id: &str, port: u16, more: &str, password: &str) {
        let root = self.folder.path().join(id);
        fs::create_dir_all(&root).unwrap();
        let file = root.join("cash.ini");
        let settings =
            format!("[Properties]\ncash.code = {id}\ndept.broker.ip = 127.0.0.1\ndept.broker.port = {port}\n{more}");
        fs::write(&file, settings).unwrap();
        fs::write(root.join("broker.password"), password).unwrap();
        let settings = LiveSettings::read(&file, Layout::under(&root)).unwrap();
        self.runtime.as_ref().unwrap().spawn(tillway_sync_agent::run(settings, self.shutdown.clone()));
    }
}

impl Drop for Agents {
    fn drop(&mut self) {
        self.shutdown.cancel();
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

/// How many came in each moment.
fn moments(arrivals: &[Instant]) -> BTreeMap<u128, usize> {
    let mut moments = BTreeMap::new();
    for arrival in arrivals {
        *moments.entry(arrival.duration_since(arrivals[0]).as_millis() / MOMENT.as_millis()).or_insert(0) += 1;
    }
    moments
}

#[test]
fn agents_that_lost_their_broker_in_one_moment_do_not_come_back_in_one() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let arrivals: Arc<Mutex<Vec<Instant>>> = Arc::default();
    let noted = Arc::clone(&arrivals);
    // Hangs up on each; the thread ends with the process.
    thread::spawn(move || {
        for connection in listener.incoming() {
            noted.lock().unwrap().push(Instant::now());
            drop(connection);
        }
    });
    let agents = Agents::new();
    for number in 0..AGENTS {
        agents.start(&format!("_cash_{number}_00ab34ef"), port, "", "secret");
    }
    let arrivals = wait_for("each agent to have come five times", LARGE_LOAD, || {
        let arrivals = arrivals.lock().unwrap();
        Seen::when(arrivals.len() >= 5 * AGENTS, arrivals.clone(), arrivals.len())
    })
    .unwrap();
    let moments = moments(&arrivals[EARLY..5 * AGENTS]);
    assert!(moments.len() >= 6, "they come in a few moments: {moments:?}");
    assert!(moments.values().all(|count| *count <= AGENTS / 2), "half of them come in one moment: {moments:?}");
}

#[test]
fn agents_whose_broker_stumbled_for_a_moment_come_back_spread_over_seconds() {
    let bench = TestBench::start_with(&SETTINGS).unwrap();
    let options = FleetOptions { tills: AGENTS, shops: 4, ..FleetOptions::default() };
    // Its tills stay off: the agents take their places.
    let fleet = Fleet::attach(&bench, &options).unwrap();
    let (ids, secrets) = (fleet.ids(), fleet.secrets());
    let vhost = bench.vhost();
    wait_for("the queues of the tills", LARGE_LOAD, || {
        let queues = vhost.queues().unwrap();
        let there =
            ids.iter().filter(|id| queues.contains(&ControlQueue::of(&(*id).clone().into()).to_string())).count();
        Seen::when(there == AGENTS, (), there)
    })
    .unwrap();
    let link = Proxy::to(Broker::shared().unwrap().port).unwrap();
    let more = format!("dept.broker.vhost = {}\ndept.broker.user = {}\n", vhost.name, vhost.tills);
    let agents = Agents::new();
    for (id, secret) in ids.iter().zip(&secrets) {
        let more = format!("{more}cash.secret = {}\n", secret.to_text());
        agents.start(id.as_str(), link.port, &more, &vhost.tills_password);
    }
    let seen = || bench.server.api().unwrap().read("/api/v1/tills").unwrap();
    wait_for("each agent to have said that it is there", LARGE_LOAD, || {
        let seen = seen();
        let there = seen.as_array().unwrap().iter().filter(|till| !till["last_contact"].is_null()).count();
        Seen::when(there == AGENTS, (), there)
    })
    .unwrap();
    let all_there = Instant::now();
    wait_for("their sessions to count as good", LARGE_LOAD, || {
        Seen::when(all_there.elapsed() >= GOOD_SESSION, (), all_there.elapsed().as_secs())
    })
    .unwrap();
    let before = link.counts();
    assert_eq!(before.open, AGENTS as u64);
    link.cut_once();
    let mut arrivals: Vec<Instant> = Vec::new();
    wait_for("all agents to be back", LARGE_LOAD, || {
        let came = link.counts().connections - before.connections;
        arrivals.resize(usize::try_from(came).unwrap(), Instant::now());
        Seen::when(arrivals.len() >= AGENTS, (), came)
    })
    .unwrap();
    let moments = moments(&arrivals);
    assert!(moments.len() >= 8, "they come in a few moments: {moments:?}");
    assert!(moments.values().all(|count| *count <= AGENTS / 4), "a quarter of them comes in one moment: {moments:?}");
    assert!(arrivals[AGENTS - 1].duration_since(arrivals[0]) <= Duration::from_secs(15), "and soon: {moments:?}");
}

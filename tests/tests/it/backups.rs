//! Backups in a folder and in a store that speaks S3: one contract for both, what becomes of a
//! store that fails, and a lost server that comes back from one.

use crate::sales::{checked, equip, sale};
use crate::support::{assert_digests_agree, has_receipts, item, load, now, price, recovered, shelf_price, until};
use fs_err as fs;
use serde_json::Value;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use tempfile::TempDir;
use tillway_cash_server::backup::targets::{self, Target};
use tillway_cash_server::backup::{BackupError, BackupParts, Backups, key};
use tillway_cash_server::network::NetworkService;
use tillway_cash_server::reserve::DiskReserve;
use tillway_cash_server::run::ensure_chain;
use tillway_cash_server::settings::{BackupPlace, BackupSettings, StoreSettings, store_endpoint};
use tillway_cash_server::store::Stores;
use tillway_cash_server::words::{Reason, in_english};
use tillway_proto::Kopecks;
use tillway_service::tls::{Lives, Names, Tls, TlsSettings};
use tillway_tests::bench::{TestBench, TillOptions};
use tillway_tests::binaries::{CASH_SERVER, binary};
use tillway_tests::s3_store::{BUCKET, REGION, S3Store};

const GO_ON: fn() -> bool = || true;

/// Bytes that no packing makes smaller.
fn noise(bytes: usize) -> Vec<u8> {
    let mut noise = vec![0; bytes];
    blake3::Hasher::new().update(b"noise").finalize_xof().fill(&mut noise);
    noise
}

fn store_settings(store: &S3Store, folder: &Path) -> StoreSettings {
    StoreSettings {
        endpoint: store_endpoint(&store.endpoint()),
        region: REGION.to_owned(),
        bucket: BUCKET.to_owned(),
        prefix: "chain/shop-7".to_owned(),
        key_file: store.key_file(folder).unwrap(),
        authority: None,
        bucket_in_host: false,
        allow_http: true,
    }
}

/// What every target promises.
fn holds_the_contract(target: &dyn Target) {
    let names = || {
        let mut names: Vec<String> = target.list().unwrap().into_iter().map(|found| found.name).collect();
        names.sort();
        names
    };
    let all = |mut from: Box<dyn std::io::Read + '_>| {
        let mut bytes = Vec::new();
        from.read_to_end(&mut bytes).unwrap();
        bytes
    };
    assert_eq!(names(), Vec::<String>::new(), "a place that is not there is empty");
    target.prepare().unwrap();

    // Small things.
    assert_eq!(target.read("list.json").unwrap(), None);
    target.write("list.json", b"one").unwrap();
    target.write("list.json", b"two").unwrap();
    assert_eq!(target.read("list.json").unwrap().as_deref(), Some(b"two".as_slice()));
    target.remove("list.json").unwrap();
    target.remove("list.json").unwrap();
    assert_eq!((target.read("list.json").unwrap(), names()), (None, Vec::new()));

    // A draft is listed once it is published, and is what was written.
    let content = noise(20 << 20);
    let mut draft = target.draft("first", content.len() as u64, &GO_ON).unwrap();
    for part in content.chunks(700_001) {
        draft.write_all(part).unwrap();
        assert_eq!(names(), Vec::<String>::new());
    }
    draft.finish().unwrap();
    assert_eq!(names(), Vec::<String>::new());
    assert!(all(target.open_draft("first", &GO_ON).unwrap()) == content);
    target.publish("first").unwrap();
    let listed = target.list().unwrap();
    assert_eq!((listed.len(), listed[0].name.as_str(), listed[0].bytes), (1, "first", content.len() as u64));
    assert!(all(target.open("first", &GO_ON).unwrap()) == content);

    // One that was not finished, and one that was finished and not published, leave nothing.
    let mut dropped = target.draft("second", 10, &GO_ON).unwrap();
    dropped.write_all(&noise(9 << 20)).unwrap();
    drop(dropped);
    let mut finished = target.draft("third", 10, &GO_ON).unwrap();
    finished.write_all(b"third").unwrap();
    finished.finish().unwrap();
    target.write("third.json", b"its note").unwrap();
    assert_eq!(names(), ["first", "third.json"]);
    target.prepare().unwrap();
    assert_eq!(names(), ["first"]);
    assert!(target.open("third", &GO_ON).is_err() && target.open_draft("second", &GO_ON).is_err());
    let mut discarded = target.draft("fourth", 10, &GO_ON).unwrap();
    discarded.write_all(b"fourth").unwrap();
    discarded.finish().unwrap();
    for _ in 0..2 {
        target.discard("fourth").unwrap();
    }
    assert!(target.open_draft("fourth", &GO_ON).is_err());

    // More than one page of a list, and what is gone.
    for number in 0..7 {
        target.write(&format!("note-{number}"), b"x").unwrap();
    }
    assert_eq!(names().len(), 8);
    target.remove("first").unwrap();
    assert_eq!(names().len(), 7);
    let told = target.open("first", &GO_ON).map(drop).unwrap_err().to_string();
    assert!(told.contains("first"), "{told}");
}

#[test]
fn a_folder_holds_the_contract_of_places_for_backups() {
    let folder = tempfile::tempdir().unwrap();
    let place = folder.path().join("not there yet");
    holds_the_contract(&*targets::open(&BackupPlace::Folder(place.clone())).unwrap());
    assert!(fs::read_dir(place).unwrap().all(|entry| !entry.unwrap().file_name().to_string_lossy().starts_with('.')));
}

#[test]
fn a_store_holds_the_contract_of_places_for_backups() {
    let (store, folder) = (S3Store::start().unwrap(), tempfile::tempdir().unwrap());
    let settings = store_settings(&store, folder.path());
    holds_the_contract(&*targets::open(&BackupPlace::Store(settings.clone())).unwrap());
    assert_eq!(store.open_uploads().unwrap(), 0, "what was dropped was given up");
    let objects = store.objects().unwrap();
    assert!(objects.iter().all(|key| key.starts_with("chain/shop-7/note-")), "{objects:?}");
    // Another server's prefix, and no prefix at all, are places of their own.
    for prefix in ["chain/shop-70", "chain", ""] {
        let other = StoreSettings { prefix: prefix.to_owned(), ..settings.clone() };
        assert_eq!(targets::open(&BackupPlace::Store(other)).unwrap().list().unwrap(), [], "{prefix}");
    }
}

#[test]
fn a_store_is_spoken_to_over_tls_by_whoever_trusts_its_authority_and_by_nobody_else() {
    let folder = tempfile::tempdir().unwrap();
    let of_authority = |name: &str| {
        let folder = folder.path().join(name);
        let names = Names::of(["127.0.0.1"]);
        let others = vec![("store", names.clone())];
        let issuer = name.to_owned();
        let settings =
            TlsSettings { folder: folder.clone(), issuer, names, others, own: None, lives: Lives::default() };
        Tls::open(settings, Arc::new(jiff::Timestamp::now)).unwrap();
        folder
    };
    let (ours, others) = (of_authority("ours"), of_authority("others"));
    let store = S3Store::start_with_tls(&ours.join("store.pem"), &ours.join("store.key")).unwrap();
    let trusting = |authority: Option<PathBuf>| {
        let settings = StoreSettings { authority, allow_http: false, ..store_settings(&store, folder.path()) };
        targets::open(&BackupPlace::Store(settings)).unwrap()
    };
    let trusted = trusting(Some(ours.join("authority.pem")));
    trusted.write("list.json", b"one").unwrap();
    assert_eq!(trusted.read("list.json").unwrap().as_deref(), Some(b"one".as_slice()));
    for authority in [Some(others.join("authority.pem")), None] {
        let failed = trusting(authority).write("list.json", b"two").unwrap_err();
        assert!(matches!(failed, BackupError::StoreFails { .. }), "{failed:?}");
        assert!(told(&failed).contains("certificate"), "{}", told(&failed));
    }
    assert_eq!(trusted.read("list.json").unwrap().as_deref(), Some(b"one".as_slice()));
}

/// A server's data folder, and a store for its backups.
struct House {
    folder: TempDir,
    store: S3Store,
    stores: Stores,
}

impl House {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let data = folder.path().join("data");
        fs::create_dir_all(data.join("spool")).unwrap();
        let stores = Stores::open(&data).unwrap();
        ensure_chain(&NetworkService::new(Arc::clone(&stores.network))).unwrap();
        Self { folder, store: S3Store::start().unwrap(), stores }
    }

    fn settings(&self) -> StoreSettings {
        store_settings(&self.store, self.folder.path())
    }

    fn backups_in(&self, place: StoreSettings) -> Backups {
        let data_dir = self.folder.path().join("data");
        let settings = BackupSettings {
            place: BackupPlace::Store(place),
            daily: true,
            hour: 3,
            encrypt: true,
            keep_days: 14,
            keep_bytes: 1 << 40,
            rehearse_days: 7,
        };
        let parts = BackupParts {
            stores: self.stores.clone(),
            settings_file: None,
            settings,
            server: "shop 7".to_owned(),
            key: key::load_or_make(&data_dir).unwrap(),
            reserve: DiskReserve::new(0),
            data_dir,
        };
        Backups::open(parts).unwrap()
    }

    fn backups(&self) -> Backups {
        self.backups_in(self.settings())
    }

    /// So much is in the spool that a backup goes up in several parts.
    fn fill_spool(&self) {
        fs::write(self.folder.path().join("data/spool/00000000000000000001.spool"), noise(30 << 20)).unwrap();
    }

    /// Objects that are neither a backup that is listed, nor its note, nor the list of tills.
    fn strays(&self, backups: &Backups) -> Vec<String> {
        let mut expected = vec!["chain/shop-7/peers.json".to_owned()];
        for kept in backups.list().unwrap() {
            expected.extend([format!("chain/shop-7/{}", kept.name), format!("chain/shop-7/{}.json", kept.name)]);
        }
        self.store.objects().unwrap().into_iter().filter(|key| !expected.contains(key)).collect()
    }
}

fn told(error: &BackupError) -> String {
    in_english(&Reason::of(error))
}

#[test]
fn a_store_that_goes_away_in_the_middle_costs_one_backup_and_nothing_half_is_listed() {
    let mut house = House::new();
    house.fill_spool();
    let backups = house.backups();
    backups.write_peers().unwrap();
    let first = backups.create(&GO_ON).unwrap();
    // A first one took parts as well; from here on the store is gone after some more.
    house.store.behave("away-after-parts 5").unwrap();
    let failed = backups.create(&GO_ON).unwrap_err();
    assert!(told(&failed).contains("s3://backups/chain/shop-7"), "{}", told(&failed));
    let ended = backups.backup_ended().unwrap().fault.expect("it is a finding");
    assert_eq!(in_english(&ended), told(&failed));
    assert_eq!(backups.shown().kept, std::slice::from_ref(&first), "what was seen before is still shown");

    house.store.behave("").unwrap();
    let second = backups.create(&GO_ON).unwrap();
    assert_eq!(backups.list().unwrap(), [second, first]);
    assert_eq!(house.strays(&backups), Vec::<String>::new());
    backups.rehearse(&GO_ON).unwrap();

    // Off altogether.
    house.store.switch_off();
    let failed = backups.create(&GO_ON).unwrap_err();
    assert!(matches!(failed, BackupError::StoreFails { .. }), "{failed:?}");
    assert!(backups.list().is_err() && backups.shown().fault.is_some() && backups.shown().kept.len() == 2);
    house.store.switch_on().unwrap();
    backups.create(&GO_ON).unwrap();
    assert!(backups.shown().fault.is_none() && backups.shown().kept.len() == 3);
}

#[test]
fn a_wrong_key_and_a_missing_bucket_are_told_as_what_they_are() {
    let house = House::new();
    let settings = house.settings();
    let wrong_secret = house.folder.path().join("wrong.key");
    let right = fs::read_to_string(&settings.key_file).unwrap();
    fs::write(&wrong_secret, format!("{}x\n", right.trim_end())).unwrap();
    let wrong_id = house.folder.path().join("other.key");
    fs::write(&wrong_id, format!("x{right}")).unwrap();
    for key_file in [wrong_secret, wrong_id] {
        let backups = house.backups_in(StoreSettings { key_file, ..settings.clone() });
        for failed in [backups.create(&GO_ON).map(drop), backups.list().map(drop), backups.write_peers().map(drop)] {
            let failed = failed.unwrap_err();
            assert!(matches!(failed, BackupError::StoreDenies { .. }), "{failed:?}");
            assert!(told(&failed).contains("backup.s3_key_file"), "{}", told(&failed));
        }
    }
    let backups = house.backups_in(StoreSettings { bucket: "none".to_owned(), ..settings.clone() });
    for failed in [backups.create(&GO_ON).map(drop), backups.list().map(drop), backups.write_peers().map(drop)] {
        assert!(matches!(failed.unwrap_err(), BackupError::NoBucket { .. }));
    }
    // A key that is not there keeps no server from starting, and is looked for again.
    let late = house.folder.path().join("late.key");
    let backups = house.backups_in(StoreSettings { key_file: late.clone(), ..settings });
    assert!(told(&backups.create(&GO_ON).unwrap_err()).contains("late.key"));
    fs::write(&late, right).unwrap();
    backups.create(&GO_ON).unwrap();
    assert_eq!(house.store.objects().unwrap().len(), 2);
}

#[test]
fn a_store_that_is_slow_or_busy_gets_its_backup_and_a_stop_waits_for_neither() {
    let house = House::new();
    let backups = house.backups();
    house.store.behave("slow 0.3").unwrap();
    backups.create(&GO_ON).unwrap();
    house.store.behave("busy 2").unwrap();
    backups.create(&GO_ON).unwrap();
    assert_eq!(backups.list().unwrap().len(), 2);
    house.fill_spool();
    house.store.behave("slow 20").unwrap();
    let begun = std::time::Instant::now();
    let target = targets::open(&BackupPlace::Store(house.settings())).unwrap();
    let stops = move || begun.elapsed() < std::time::Duration::from_secs(1);
    let opened = target.open("tillway", &stops).map(drop);
    assert!(opened.unwrap_err().to_string().contains("tillway"));
    assert!(begun.elapsed() < std::time::Duration::from_secs(15), "{:?}", begun.elapsed());
}

#[test]
fn a_backup_that_was_cut_or_changed_in_the_store_fails_its_rehearsal() {
    let house = House::new();
    let backups = house.backups();
    let kept = backups.create(&GO_ON).unwrap();
    backups.rehearse(&GO_ON).unwrap();
    let object = house.store.object(&format!("chain/shop-7/{}", kept.name));
    let whole = fs::read(&object).unwrap();
    let mut changed = whole.clone();
    changed[whole.len() / 2] ^= 1;
    for damaged in [&whole[..whole.len() / 2], &whole[..whole.len() - 1], &whole[..0], &changed[..]] {
        fs::write(&object, damaged).unwrap();
        let failed = backups.rehearse(&GO_ON).unwrap_err();
        assert!(told(&failed).contains(&kept.name), "{}", told(&failed));
        let fault = backups.shown().kept[0].note.rehearsed.clone().unwrap().fault;
        assert!(fault.is_some(), "what is wrong is on the list");
    }
    fs::write(&object, whole).unwrap();
    backups.rehearse(&GO_ON).unwrap();
    assert!(backups.shown().kept[0].note.rehearsed.clone().unwrap().fault.is_none());
}

/// Values as a settings file has them.
fn in_store(store: &S3Store, key_file: &Path) -> Vec<(String, String)> {
    let text = |value: &str| format!("\"{value}\"");
    [
        ("backup.to", text("s3")),
        ("backup.s3_endpoint", text(&store.endpoint())),
        ("backup.s3_region", text(REGION)),
        ("backup.s3_bucket", text(BUCKET)),
        ("backup.s3_prefix", text("shop-7")),
        ("backup.s3_key_file", text(&key_file.display().to_string())),
        ("backup.s3_allow_http", "true".to_owned()),
        ("exchange.reconcile_period_s", "1".to_owned()),
        ("exchange.silent_after_s", "3".to_owned()),
        ("intake.scan_period_s", "1".to_owned()),
    ]
    .map(|(key, value)| (key.to_owned(), value))
    .into()
}

/// A command on a new machine: no settings but where data lies.
fn on_new_machine(settings: &Path, arguments: &[&str]) -> Result<String, String> {
    let mut command = Command::new(binary(CASH_SERVER).unwrap());
    let done = command.arg("--settings").arg(settings).args(arguments).env("LC_ALL", "C.UTF-8").output().unwrap();
    let (said, errors) = (String::from_utf8_lossy(&done.stdout), String::from_utf8_lossy(&done.stderr));
    if done.status.success() { Ok(said.into_owned()) } else { Err(errors.into_owned()) }
}

#[test]
fn a_lost_server_comes_back_from_a_store_by_its_key_and_the_stores_address_alone() {
    let (store, elsewhere) = (S3Store::start().unwrap(), tempfile::tempdir().unwrap());
    let s3_key = store.key_file(elsewhere.path()).unwrap();
    let settings = in_store(&store, &s3_key);
    let settings: Vec<(&str, &str)> = settings.iter().map(|(key, value)| (key.as_str(), value.as_str())).collect();
    let mut bench = TestBench::start_with(&settings).unwrap();
    let options = TillOptions { contact_period_s: 1, unload_period_s: 1, ..TillOptions::default() };
    let (mut till, mut pos) = equip(&bench, options);
    let shop = bench.server.nodes().unwrap().into_iter().find(|node| node["level"] == "shop").unwrap();
    let shop = shop["id"].as_str().unwrap();
    let [stolen, renewed] = ["97", "98"].map(|code| bench.server.create_node(shop, "till", code).unwrap());
    pos.open_shift(1, 1, now()).unwrap();
    let ring = |pos: &mut tillway_tests::pos::Pos| pos.ring(&sale(now())).unwrap().uuid.to_string();
    let mut rung = vec![ring(&mut pos)];
    has_receipts(&bench.server, &till, 1, &rung);

    let made = bench.server.command(&["backup", "create"]).unwrap();
    assert!(made.starts_with("made s3://backups/shop-7/tillway-"), "{made}");
    let rehearsed = bench.server.command(&["backup", "rehearse"]).unwrap();
    assert!(rehearsed.contains("all of it is there"), "{rehearsed}");
    let listed: Vec<Value> =
        serde_json::from_str(&bench.server.command(&["--json", "backup", "list"]).unwrap()).unwrap();
    let name = listed[0]["name"].as_str().unwrap();
    assert!(listed.len() == 1 && listed[0]["rehearsed_rows"].as_u64() > Some(0), "{listed:?}");
    assert!(bench.server.command(&["backup", "verify", name]).unwrap().contains("is whole"));
    let key: PathBuf = elsewhere.path().join("backup.key");
    fs::write(&key, bench.server.command(&["backup", "key"]).unwrap()).unwrap();

    // Sold, loaded, attached, given a new secret and removed since.
    rung.push(ring(&mut pos));
    load(&bench.server, "shop-7", &[item(9, "3.00")]);
    recovered(&bench.server, &mut till);
    has_receipts(&bench.server, &till, 1, &rung);
    bench.server.command(&["node", "remove", &stolen.id]).unwrap();
    bench.server.command(&["till", "settings", &renewed.id, "--new-secret"]).unwrap();
    let since = bench.server.create_node(shop, "till", "99").unwrap();
    until("what changed to stand beside the backups", || {
        let list = fs::read_to_string(store.object("shop-7/peers.json")).unwrap();
        (!list.contains(&stolen.id) && list.contains(&since.id), list)
    });

    // The machine is lost; receipts are sold meanwhile.
    bench.server.kill();
    rung.push(ring(&mut pos));
    fs::remove_dir_all(bench.server.data()).unwrap();
    let new = elsewhere.path().join("new.toml");
    fs::write(&new, format!("[server]\ndata_dir = \"{}\"\n", bench.server.data().display())).unwrap();
    let endpoint = store.endpoint();
    let place = [
        "--to",
        "s3",
        "--s3-endpoint",
        &endpoint,
        "--s3-region",
        REGION,
        "--s3-bucket",
        BUCKET,
        "--s3-prefix",
        "shop-7",
        "--s3-key-file",
        s3_key.to_str().unwrap(),
        "--s3-allow-http",
    ];
    let ask = |more: &[&str]| on_new_machine(&new, &[&["backup"][..], more, &place[..]].concat());
    let table = ask(&["list"]).unwrap();
    assert!(table.contains(name), "{table}");
    let key = key.to_str().unwrap();
    assert!(ask(&["restore", name]).unwrap_err().contains("--key-file"));
    assert!(ask(&["verify", name, "--key-file", key]).unwrap().contains("is whole"));
    let told = ask(&["restore", name, "--key-file", key]).unwrap();
    for (what, till) in
        [("removed again", "till-7-97"), ("a new token since", "till-7-98"), ("made since", "till-7-99")]
    {
        let line = told.lines().find(|line| line.contains(what)).unwrap_or_else(|| panic!("{what}: {told}"));
        assert!(line.contains(till) && line.matches("till-7-").count() == 1, "{line}");
    }

    bench.server.switch_on().unwrap();
    recovered(&bench.server, &mut till);
    load(&bench.server, "shop-7", &[price(1, "4.00")]);
    recovered(&bench.server, &mut till);
    assert_eq!(shelf_price(&till, 1), Some(Kopecks(400)));
    assert_digests_agree(&bench, &till);
    let nodes = bench.server.nodes().unwrap();
    assert!(nodes.iter().all(|node| node["id"] != stolen.id.as_str()), "{nodes:?}");
    pos.close_shift(now()).unwrap();
    has_receipts(&bench.server, &till, 1, &rung);
    assert_eq!(checked(&bench.server, &mut till, 1)["outcome"]["verdict"], "ok");
    // It goes on with the same place: the key came back with the backup.
    let made = bench.server.command(&["backup", "create"]).unwrap();
    assert!(made.starts_with("made s3://"), "{made}");
}

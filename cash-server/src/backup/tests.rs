//! Backups are whole, of one moment, and come back; what is not whole is told.

use super::archive::{self, FORMAT, Manifest, Piece};
use super::restore::{Order, Restored, restore};
use super::*;
use crate::network::{Created, NetworkService};
use crate::peer_keys::PeerKeys;
use crate::run::ensure_chain;
use crate::settings::BackupPlace;
use age::secrecy::ExposeSecret as _;
use fs_err::{self as fs, File};
use std::io::Write as _;
use std::os::unix::fs::PermissionsExt as _;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use tempfile::TempDir;
use tillway_proto::{NodeId, NodeLevel, PeerId, PeerSecret, TillId};
use tillway_service::actor::Caller;

/// A server's data folder with a chain, a shop and tills, and its backups.
struct House {
    folder: TempDir,
    stores: Stores,
    tills: Vec<TillId>,
    backups: Backups,
}

fn parts(folder: &Path, stores: &Stores) -> BackupParts {
    let data_dir = folder.join("data");
    BackupParts {
        stores: stores.clone(),
        settings_file: Some(folder.join("cash-server.toml")),
        settings: BackupSettings {
            place: BackupPlace::Folder(folder.join("backups")),
            daily: true,
            hour: 3,
            encrypt: true,
            keep_days: 14,
            keep_bytes: 1 << 30,
            rehearse_days: 7,
        },
        server: "shop 7".to_owned(),
        key: key::load_or_make(&data_dir).unwrap(),
        reserve: DiskReserve::new(0),
        data_dir,
    }
}

impl House {
    fn new(tills: usize) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let data = folder.path().join("data");
        fs::create_dir_all(data.join("spool/aside")).unwrap();
        fs::write(data.join("spool/00000000000000000001.spool"), "segment").unwrap();
        fs::write(data.join("spool/aside/one"), "set aside").unwrap();
        fs::write(folder.path().join("cash-server.toml"), "[server]\nname = \"shop 7\"\n").unwrap();
        let stores = Stores::open(&data).unwrap();
        ensure_chain(&NetworkService::new(Arc::clone(&stores.network))).unwrap();
        let backups = Backups::open(parts(folder.path(), &stores)).unwrap();
        let mut this = Self { folder, stores, tills: Vec::new(), backups };
        let chain = this.network().current().unwrap().chain().unwrap().id.clone();
        let shop = this.add(&chain, NodeLevel::Shop, "7").id;
        for number in 1..=tills {
            let NodeId::Till(till) = this.add(&shop, NodeLevel::Till, &number.to_string()).id else { unreachable!() };
            this.tills.push(till);
        }
        this
    }

    fn network(&self) -> NetworkService {
        NetworkService::new(Arc::clone(&self.stores.network))
    }

    fn add(&self, parent: &NodeId, level: NodeLevel, code: &str) -> Created {
        self.network().create(parent, level, &code.parse().unwrap(), code).unwrap()
    }

    fn shop(&self) -> NodeId {
        self.network().current().unwrap().find("shop-7").unwrap().id.clone()
    }

    fn create(&self) -> Kept {
        self.backups.create(&|| true).unwrap()
    }

    fn file(&self, kept: &Kept) -> PathBuf {
        self.backups.place().join(&kept.name)
    }

    fn key_file(&self) -> PathBuf {
        key::path(&self.folder.path().join("data"))
    }

    /// Puts one back on another machine.
    fn put_back(&self, kept: &Kept, replace: bool) -> Result<(PathBuf, Restored), BackupError> {
        let data_dir = self.folder.path().join("new machine");
        let key_file = self.key_file();
        let order = Order {
            from: &*self.backups.target().unwrap(),
            name: &kept.name,
            key_file: Some(&key_file),
            data_dir: &data_dir,
            replace,
            without_peers: false,
            reading: &mut |_| {},
        };
        restore(order, &Caller::server()).map(|restored| (data_dir, restored))
    }
}

#[test]
fn a_backup_is_listed_rehearsed_and_comes_back_on_another_machine() {
    let house = House::new(2);
    let kept = house.create();
    assert_eq!(house.backups.list().unwrap(), std::slice::from_ref(&kept));
    assert_eq!(fs::metadata(house.file(&kept)).unwrap().permissions().mode() & 0o777, 0o600);
    assert_eq!(fs::metadata(house.backups.place()).unwrap().permissions().mode() & 0o777, 0o700);
    let rehearsal = house.backups.rehearse(&|| true).unwrap().note.rehearsed.unwrap();
    assert!(rehearsal.fault.is_none() && rehearsal.rows > 4, "{rehearsal:?}");
    assert_eq!(house.backups.list().unwrap()[0].note.rehearsed, Some(rehearsal));
    assert!(!house.folder.path().join("data").join(WORK).exists(), "copies do not lie about");

    house.backups.write_peers().unwrap();
    let (data, restored) = house.put_back(&kept, false).unwrap();
    assert_eq!(restored.peers, Some(Reconciled::default()), "nothing has changed since");
    assert_eq!(fs::read_to_string(data.join("spool/aside/one")).unwrap(), "set aside");
    assert_eq!(fs::read_to_string(data.join("spool/00000000000000000001.spool")).unwrap(), "segment");
    assert!(fs::read_to_string(restored.settings.unwrap()).unwrap().contains("shop 7"));
    for secret in ["backup-key", "admin"].map(|name| data.join("credentials").join(name)) {
        if secret.exists() {
            assert_eq!(fs::metadata(&secret).unwrap().permissions().mode() & 0o777, 0o600);
        }
    }
    let again = Stores::open(&data).unwrap();
    let network = again.network.network().unwrap();
    assert!(house.tills.iter().all(|till| network.till(till).is_some()));
}

#[test]
fn tills_that_changed_since_a_backup_do_not_come_back_with_it() {
    let house = House::new(3);
    let keys = PeerKeys::open(&house.folder.path().join("data")).unwrap();
    let peers: Vec<PeerId> = house.tills.iter().map(|till| till.clone().into()).collect();
    for peer in &peers {
        keys.put(peer, &PeerSecret::generate()).unwrap();
    }
    let kept = house.create();
    let network = house.network();
    network.remove(&NodeId::Till(house.tills[0].clone())).unwrap();
    let token = network.renew_secret(&house.tills[1]).unwrap().token();
    house.add(&house.shop(), NodeLevel::Till, "9");
    assert!(house.backups.write_peers().unwrap());
    assert!(!house.backups.write_peers().unwrap(), "it is so already");

    let (data, restored) = house.put_back(&kept, false).unwrap();
    let names = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
    let Reconciled { removed, without_token, unknown } = restored.peers.unwrap();
    assert_eq!(removed, names(&["till-7-1"]));
    assert_eq!(without_token, names(&["till-7-2"]));
    assert_eq!(unknown, names(&["till-7-9"]));
    let stores = Stores::open(&data).unwrap();
    let (before, after) = (house.network().current().unwrap(), stores.network.network().unwrap());
    assert!(after.till(&house.tills[0]).is_none());
    assert!(!after.verify_token(&house.tills[1], &token), "nor the one that is true now: nobody kept it");
    let untouched = |network: &crate::network::Network| network.till(&house.tills[2]).unwrap().token;
    assert_eq!(untouched(&after), untouched(&before));
    // Nor the codes of messages and the login at the broker that go with a secret of before.
    let (then, now) = (keys, PeerKeys::open(&data).unwrap());
    let key = |keys: &PeerKeys, peer| keys.of(peer).map(|key| (key.key.to_text(), key.broker_password));
    assert!(key(&now, &peers[0]).is_none());
    let (was, is) = (key(&then, &peers[1]).unwrap(), key(&now, &peers[1]).unwrap());
    assert!(was.0 != is.0 && is.1.is_some() && was.1 != is.1, "who was shut out stays out");
    assert_eq!(key(&now, &peers[2]), key(&then, &peers[2]));
}

#[test]
fn a_restore_without_the_list_of_tills_asks_and_goes_over_nothing_that_is_there() {
    let house = House::new(1);
    let kept = house.create();
    assert!(matches!(house.put_back(&kept, false), Err(BackupError::NoPeers { .. })));
    house.backups.write_peers().unwrap();
    let (data, _) = house.put_back(&kept, false).unwrap();
    let before = fs::read(data.join("network.db")).unwrap();
    assert!(matches!(house.put_back(&kept, false), Err(BackupError::Occupied { .. })));
    assert_eq!(fs::read(data.join("network.db")).unwrap(), before);
    let (_, again) = house.put_back(&kept, true).unwrap();
    assert_eq!(fs::read(again.aside.unwrap().join("network.db")).unwrap(), before, "moved, not deleted");
}

#[test]
fn a_backup_that_was_changed_cut_or_has_another_key_touches_nothing() {
    let house = House::new(1);
    let kept = house.create();
    house.backups.write_peers().unwrap();
    let (data, _) = house.put_back(&kept, false).unwrap();
    let there = |data: &Path| {
        let mut names: Vec<_> = fs::read_dir(data).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        names.sort();
        names
    };
    let before = there(&data);
    let file = house.file(&kept);
    let whole = fs::read(&file).unwrap();
    for at in [0, 20, 150, 300, whole.len() / 2, whole.len() - 1] {
        let mut bytes = whole.clone();
        bytes[at] ^= 1;
        fs::write(&file, &bytes).unwrap();
        let told = house.put_back(&kept, true).unwrap_err().to_string();
        assert!(told.contains(&kept.name), "byte {at}: {told}");
        fs::write(&file, &whole[..at]).unwrap();
        assert!(house.put_back(&kept, true).is_err(), "cut at {at}");
        assert!(house.backups.rehearse(&|| true).is_err());
        let fault = house.backups.list().unwrap()[0].note.rehearsed.clone().unwrap().fault;
        assert!(fault.is_some(), "what is wrong is on the list");
    }
    fs::write(&file, &whole).unwrap();
    fs::write(house.key_file(), age::x25519::Identity::generate().to_string().expose_secret()).unwrap();
    assert!(matches!(house.put_back(&kept, true), Err(BackupError::Key { .. })));
    assert_eq!(there(&data), before);
}

fn read(path: &Path, into: Option<&Path>) -> Result<Manifest, BackupError> {
    archive::read(File::open(path).unwrap(), path, None, into, &mut |_| true)
}

#[test]
fn an_archive_that_leads_out_of_its_folder_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let (source, path) = (folder.path().join("source"), folder.path().join("x.tar.zst"));
    fs::write(&source, "evil").unwrap();
    for name in ["../out", "/tmp/tillway-out", "a/../../out", ".."] {
        // The library that writes archives refuses such a name, so the header is written by hand.
        let mut packed = zstd::Encoder::new(fs::File::create(&path).unwrap(), 1).unwrap();
        let mut header = tar::Header::new_old();
        header.as_old_mut().name[..name.len()].copy_from_slice(name.as_bytes());
        header.set_size(4);
        header.set_mode(0o600);
        header.set_cksum();
        packed.write_all(header.as_bytes()).unwrap();
        let mut block = [0; 512];
        block[..4].copy_from_slice(b"evil");
        packed.write_all(&block).unwrap();
        packed.write_all(&[0; 1024]).unwrap();
        packed.finish().unwrap();
        let into = folder.path().join("into");
        fs::create_dir_all(&into).unwrap();
        let error = read(&path, Some(&into)).unwrap_err();
        assert!(matches!(error, BackupError::Unfit { .. }), "{name}: {error}");
        assert!(!folder.path().join("out").exists());
    }
}

#[test]
fn a_file_that_grows_while_it_is_packed_is_packed_as_long_as_it_was() {
    let folder = tempfile::tempdir().unwrap();
    let (source, path) = (folder.path().join("source"), folder.path().join("x.tar.zst"));
    fs::write(&source, "first").unwrap();
    let piece = |bytes| Piece { name: "spool/1".to_owned(), file: File::open(&source).unwrap(), bytes };
    let manifest = || Manifest {
        format: FORMAT,
        at: Timestamp::UNIX_EPOCH,
        version: String::new(),
        server: String::new(),
        files: BTreeMap::new(),
        rows: BTreeMap::new(),
    };
    let pieces = vec![piece(5)];
    fs::OpenOptions::new().append(true).open(&source).unwrap().write_all(b" second").unwrap();
    let write = |pieces| archive::write(File::create(&path).unwrap(), &path, None, pieces, manifest(), &mut |_| true);
    write(pieces).map(drop).unwrap();
    let into = folder.path().join("into");
    fs::create_dir_all(&into).unwrap();
    read(&path, Some(&into)).unwrap();
    assert_eq!(fs::read_to_string(into.join("spool/1")).unwrap(), "first");
    fs::remove_file(&path).unwrap();
    let error = write(vec![piece(100)]).map(drop).unwrap_err();
    assert!(matches!(error, BackupError::Write { .. }), "{error}");
}

#[test]
fn the_newest_stays_whatever_the_clock_says_and_others_go_by_age_and_room() {
    let house = House::new(1);
    let kept: Vec<Kept> = (0..3).map(|_| house.create()).collect();
    house.backups.keep(Timestamp::now()).unwrap();
    assert_eq!(house.backups.list().unwrap().len(), 3);
    house.backups.keep(Timestamp::now().checked_add((24 * 366).hours()).unwrap()).unwrap();
    let left = house.backups.list().unwrap();
    assert_eq!(left.iter().map(|kept| &kept.name).collect::<Vec<_>>(), [&kept[2].name]);
    assert!(!house.file(&kept[0]).exists());
    let mut small = parts(house.folder.path(), &house.stores);
    small.settings.keep_bytes = left[0].note.bytes + 1;
    let backups = Backups::open(small).unwrap();
    let newest = backups.create(&|| true).unwrap();
    assert_eq!(backups.list().unwrap(), [newest]);
}

#[test]
fn one_that_is_broken_off_leaves_nothing_that_counts_as_a_backup() {
    let house = House::new(1);
    let asked = AtomicU64::new(0);
    for most in 0..4 {
        asked.store(0, Ordering::SeqCst);
        let goes_on = || asked.fetch_add(1, Ordering::SeqCst) < most;
        assert!(house.backups.create(&goes_on).is_err(), "broken off after {most}");
        assert!(house.backups.list().unwrap().is_empty());
        assert!(house.backups.backup_ended().unwrap().fault.is_some());
        assert!(house.backups.shown().kept.is_empty());
    }
    house.create();
    let names: Vec<_> = fs::read_dir(house.backups.place()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(names.len(), 2, "it and its note: {names:?}");
}

#[test]
fn a_backup_is_of_one_moment_while_others_write() {
    let house = House::new(1);
    let stop = AtomicBool::new(false);
    thread::scope(|scope| {
        scope.spawn(|| {
            // A till is made, and only then is its shop renamed after it.
            let network = house.network();
            for number in 100.. {
                if stop.load(Ordering::SeqCst) {
                    break;
                }
                let made = house.add(&house.shop(), NodeLevel::Till, &number.to_string());
                network.rename(&house.shop(), &made.id.to_string()).unwrap();
            }
        });
        for _ in 0..3 {
            let kept = house.create();
            let rehearsed = house.backups.rehearse(&|| true).unwrap();
            assert_eq!(rehearsed.name, kept.name);
        }
        stop.store(true, Ordering::SeqCst);
    });
}

#[test]
fn one_is_due_once_a_day_after_its_hour() {
    let house = House::new(1);
    let at = |text: &str| text.parse::<jiff::Zoned>().unwrap();
    assert_eq!(house.backups.due_in(&at("2026-11-30T12:00:00+03:00[Europe/Moscow]")).unwrap(), None, "there is none");
    let kept = house.create();
    let with = |time: &str| {
        let mut kept = kept.clone();
        kept.note.at = time.parse().unwrap();
        write_note(&*house.backups.target().unwrap(), &kept).unwrap();
    };
    with("2026-11-30T00:30:00Z"); // 03:30 in Moscow
    let due = |now: &str| house.backups.due_in(&at(&format!("{now}+03:00[Europe/Moscow]"))).unwrap();
    assert_eq!(due("2026-11-30T12:00:00"), Some(std::time::Duration::from_hours(15)));
    assert_eq!(due("2026-12-01T02:59:00"), Some(std::time::Duration::from_mins(1)));
    assert_eq!(due("2026-12-01T03:00:00"), None);
    with("2026-11-29T23:30:00Z"); // 02:30, before the hour
    assert_eq!(due("2026-11-30T02:45:00"), Some(std::time::Duration::from_mins(15)));
    assert_eq!(due("2026-11-30T12:00:00"), None);
}

#[test]
fn a_place_of_another_server_is_neither_written_to_nor_cleaned() {
    let house = House::new(1);
    let kept = house.create();
    house.backups.write_peers().unwrap();
    let peers = fs::read(house.backups.place().join("peers.json")).unwrap();
    // As a server that was set up anew and pointed at the old one's place.
    let other = BackupParts { key: Identity::generate(), ..parts(house.folder.path(), &house.stores) };
    let other =
        Backups::open(BackupParts { settings: BackupSettings { keep_bytes: 1, ..other.settings.clone() }, ..other })
            .unwrap();
    assert!(matches!(other.create(&|| true), Err(BackupError::OtherServer { .. })));
    assert!(matches!(other.write_peers(), Err(BackupError::OtherServer { .. })));
    assert_eq!(fs::read(house.backups.place().join("peers.json")).unwrap(), peers);
    assert_eq!(house.backups.list().unwrap(), [kept]);
    // A list of before there were owners is anybody's.
    let mut list: serde_json::Value = serde_json::from_slice(&peers).unwrap();
    list.as_object_mut().unwrap().remove("owner").unwrap();
    fs::write(house.backups.place().join("peers.json"), list.to_string()).unwrap();
    assert!(other.write_peers().unwrap());
    assert!(matches!(house.backups.write_peers(), Err(BackupError::OtherServer { .. })));
}

#[test]
fn a_rehearsal_is_due_after_its_days_and_a_day_after_one_that_failed() {
    let house = House::new(1);
    let now = Timestamp::now();
    let due = |days: i64| house.backups.rehearsal_is_due(now + jiff::SignedDuration::from_hours(24 * days)).unwrap();
    assert!(!due(0), "there is none to try");
    let kept = house.create();
    assert!(due(0));
    house.backups.rehearse(&|| true).unwrap();
    assert!(!due(6) && !due(100), "it stood its trial");
    let newer = house.create();
    assert!(!due(6) && due(8), "the newest one, a week after the one before");
    let whole = fs::read(house.file(&newer)).unwrap();
    fs::write(house.file(&newer), &whole[..whole.len() / 2]).unwrap();
    assert!(house.backups.rehearse(&|| true).is_err());
    let shown = house.backups.shown().kept;
    assert!(shown[0].note.rehearsed.as_ref().unwrap().fault.is_some() && shown[1].name == kept.name);
    assert!(!due(0) && due(2), "tried again the next day");
}

#[test]
fn a_rehearsal_that_the_servers_stop_breaks_off_says_nothing_of_the_backup() {
    let house = House::new(1);
    house.create();
    assert!(house.backups.rehearse(&|| false).is_err());
    assert_eq!(house.backups.list().unwrap()[0].note.rehearsed, None);
    assert!(!house.folder.path().join("data").join(WORK).exists());
}

//! What people and their programs do to folders: wrong things under right names, many at once, old
//! leftovers.

use super::*;
use crate::intake::cleaning;
use crate::store::intake::{LoadSource, LoadState};

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_regular_file_is_told_and_touched_by_nobody() {
    let kit = Kit::new();
    let folder = kit.inbox("All");
    fs::create_dir_all(folder.join("pos1.aif")).unwrap();
    let secret = kit.folder.path().join("secret");
    fs::write(&secret, file_of(&[unit(1, "secret")])).unwrap();
    std::os::unix::fs::symlink(&secret, folder.join("pos2.aif")).unwrap();
    let _socket = std::os::unix::net::UnixListener::bind(folder.join("pos3.aif")).unwrap();
    for base in ["pos1", "pos2", "pos3"] {
        fs::write(folder.join(format!("{base}.flz")), "").unwrap();
    }
    fs::create_dir(folder.join("pos4.flz")).unwrap();
    fs::write(folder.join("pos4.aif"), file_of(&[unit(4, "kg")])).unwrap();
    let running = kit.start();
    wait_for("the flags' end", || {
        let names = names(&folder);
        let left = (1..=4).any(|n| names.contains(&format!("pos{n}.flz")));
        if left || !names.contains(&"pos4.flz.bad".to_owned()) { Err(names) } else { Ok(()) }
    })
    .await;
    for base in ["pos1", "pos2", "pos3"] {
        assert!(folder.join(format!("{base}.aif")).symlink_metadata().is_ok());
    }
    assert_eq!(kit.objects(&kit.chain, "unit"), []);
    assert!(fs::read_to_string(&secret).unwrap().contains("secret"));
    assert_eq!(kit.journal.unfinished().unwrap(), []);
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn many_flags_at_once_are_loaded_oldest_first() {
    const FLAGS: u64 = 300;
    let kit = Kit::new();
    // One for all: making them takes seconds where others work as well.
    let begin = SystemTime::now() - Duration::from_secs(10_000);
    for n in (0..FLAGS).map(|n| (n * 7) % FLAGS) {
        let base = format!("pos{n:04}");
        kit.deliver("All", &base, &file_of(&[unit(1, &base)]));
        date(&kit.inbox("All").join(format!("{base}.flz")), begin + Duration::from_secs(n));
    }
    let running = kit.start();
    kit.gone("All", "pos").await;
    let order: Vec<_> = kit.journal.recent(400).unwrap().into_iter().rev().map(|load| load.source).collect();
    let expected: Vec<_> =
        (0..FLAGS).map(|n| LoadSource::Folder(kit.inbox("All").join(format!("pos{n:04}.aif")))).collect();
    assert_eq!(order, expected);
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_flag_from_the_future_is_loaded_now_and_after_those_before_it() {
    let kit = Kit::new();
    for (base, ahead_h) in [("pos1", 48), ("pos2", 24)] {
        kit.deliver("All", base, &file_of(&[unit(1, base)]));
        let flag = fs::OpenOptions::new().write(true).open(kit.inbox("All").join(format!("{base}.flz"))).unwrap();
        flag.into_parts().0.set_modified(SystemTime::now() + Duration::from_hours(ahead_h)).unwrap();
    }
    let running = kit.start();
    kit.gone("All", "pos").await;
    assert_eq!(kit.newest().source, LoadSource::Folder(kit.inbox("All").join("pos1.aif")));
    assert_eq!(kit.dictionary.head().unwrap(), Revision(2));
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn of_two_names_that_differ_in_case_the_one_like_its_flag_is_loaded_and_the_other_stays() {
    let kit = Kit::new();
    kit.deliver("All", "pos1", &file_of(&[unit(1, "mine")]));
    fs::write(kit.inbox("All").join("POS1.AIF"), file_of(&[unit(2, "other")])).unwrap();
    let running = kit.start();
    kit.gone("All", "pos1").await;
    assert_eq!((names(&kit.inbox("All")), kit.objects(&kit.chain, "unit").len()), (vec!["POS1.AIF".to_owned()], 1));
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_in_another_encoding_or_packed_is_refused_with_what_to_do() {
    let kit = Kit::new();
    let running = kit.start();
    let utf16: Vec<u8> = file_of(&[unit(1, "x")]).encode_utf16().flat_map(u16::to_le_bytes).collect();
    for (bytes, part) in [
        ([b"\xff\xfe".to_vec(), utf16.clone()].concat(), "UTF-8"),
        (utf16, "UTF-8"),
        (b"\x1f\x8b\x08\0".to_vec(), "unpacked"),
        (vec![0; 5000], "power failure"),
    ] {
        kit.deliver("All", "pos1", &bytes);
        let load = kit.not_taken("All", "pos1").await;
        assert_eq!(load.state, LoadState::Error);
        let (reason, text) = (crate::words::in_english(&load.reason.unwrap()), kit.error_text("All").unwrap());
        assert!(reason.contains(part) && text.contains(part), "{part}: {reason}: {text}");
    }
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reject_with_a_name_of_megabytes_keeps_its_beginning() {
    let kit = Kit::new();
    let running = kit.start();
    let long = format!(r#"{{"command":"{}"}}"#, "x".repeat(1 << 20));
    kit.deliver("All", "pos1", &file_of(&[long.clone(), long]));
    kit.gone("All", "pos1").await;
    let rejects = kit.journal.rejects(kit.newest().id, 9).unwrap();
    assert_eq!(rejects.len(), 2);
    assert!(rejects.iter().all(|reject| reject.verb.as_ref().is_some_and(|verb| verb.len() <= 200)));
    assert!(rejects.iter().all(|reject| reject.reason.to_string().chars().count() <= 500));
    running.stop().await;
}

#[test]
fn thirty_days_leave_a_bounded_rest() {
    let mut kit = Kit::new();
    (kit.settings.backup_keep_days, kit.settings.backup_keep_files) = (7, 50);
    let intake = kit.intake();
    let folder = kit.inbox("All");
    fs::create_dir_all(&folder).unwrap();
    let start = SystemTime::now();
    let set = |path: &Path, time: SystemTime| {
        fs::write(path, [0; 100]).unwrap();
        fs::OpenOptions::new().write(true).open(path).unwrap().into_parts().0.set_modified(time).unwrap();
    };
    for day in 0..30 {
        let now = start + Duration::from_hours(24 * day);
        for n in 0..20_i64 {
            let load = LoadId(i64::try_from(day).unwrap() * 20 + n);
            let at = Timestamp::try_from(now).unwrap();
            for archive in [&kit.settings.backup, &kit.settings.bad] {
                set(&crate::intake::archive::place(archive, load, at, "All-pos1.aif", ""), now);
            }
            set(&folder.join(format!("pos{day}-{n}.flz.bad")), now);
        }
        assert!(!cleaning::clean(&intake, [folder.as_path()].into_iter(), now).unwrap(), "one step was enough");
        for archive in [&kit.settings.backup, &kit.settings.bad] {
            assert!(names(archive).len() <= 100, "{}", names(archive).len());
        }
        assert!(names(&folder).len() <= 100);
    }
    // The clock of these flags is that of the disk: a week later they are gone, but for the
    // newest, which stay whatever a clock says.
    cleaning::clean(&intake, [folder.as_path()].into_iter(), start + Duration::from_hours(24 * 8)).unwrap();
    assert_eq!(names(&folder).len(), 10);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_flag_that_is_touched_or_taken_away_while_it_waits_leaves_no_load_open() {
    let mut kit = Kit::new();
    kit.settings.scan_period = Duration::from_millis(50);
    kit.settings.disk_reserve = crate::reserve::DiskReserve::asking(1, |_| Ok(0));
    kit.deliver("All", "pos1", &file_of(&[unit(1, "piece")]));
    let running = kit.start();
    wait_for("a word", || kit.error_text("All").ok_or(())).await;
    fs::remove_file(kit.inbox("All").join("error.txt")).unwrap();
    age(&kit.inbox("All").join("pos1.aif"), 90);
    age(&kit.inbox("All").join("pos1.flz"), 60);
    wait_for("a word on the touched flag", || kit.error_text("All").ok_or(())).await;
    assert_eq!(kit.journal.recent(9).unwrap().len(), 1, "it is the same load");
    fs::remove_file(kit.inbox("All").join("pos1.flz")).unwrap();
    let load = kit.ended(LoadId(1)).await;
    assert_eq!(load.state, LoadState::Error);
    assert!(kit.inbox("All").join("pos1.aif").exists());
    running.stop().await;
}

/// `touch` makes the flag and then sets its time; a small file is loaded in between.
#[tokio::test(flavor = "multi_thread")]
async fn a_flag_whose_time_is_set_while_its_file_is_loaded_goes_with_it() {
    let mut kit = Kit::new();
    let flag = kit.inbox("All").join("pos1.flz");
    Meddled::with(&mut kit, move || age(&flag, 0));
    kit.deliver("All", "pos1", &file_of(&[unit(1, "piece")]));
    age(&kit.inbox("All").join("pos1.flz"), 1);
    let running = kit.start();
    kit.gone("All", "pos1").await;
    assert_eq!((names(&kit.inbox("All")), kit.journal.recent(9).unwrap().len()), (Vec::new(), 1));
    assert_eq!(kit.ended(LoadId(1)).await.state, LoadState::Ready);
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_load_that_waits_ends_when_its_data_file_is_taken_away() {
    let mut kit = Kit::new();
    kit.settings.scan_period = Duration::from_millis(50);
    kit.settings.disk_reserve = crate::reserve::DiskReserve::asking(1, |_| Ok(0));
    kit.deliver("All", "pos1", &file_of(&[unit(1, "piece")]));
    let running = kit.start();
    wait_for("a word", || kit.error_text("All").ok_or(())).await;
    fs::remove_file(kit.inbox("All").join("pos1.aif")).unwrap();
    assert_eq!(kit.ended(LoadId(1)).await.state, LoadState::Error);
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_exchange_is_told_of_a_till_that_another_process_made() {
    let kit = Kit::new();
    let running = kit.start();
    let told = || tokio::time::timeout(PATIENCE, kit.changed.notified());
    told().await.expect("the network as it was at the start");
    kit.network.create(&kit.shop, NodeLevel::Till, &"3".parse().unwrap(), "").unwrap();
    told().await.expect("the new till");
    running.stop().await;
}

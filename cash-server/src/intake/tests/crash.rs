//! What a crash between two steps leaves, and what the next start makes of it: each file counts
//! once, none is lost, no flag stays. The steps are those that [`crate::intake::deliver`] names.

use super::rest::{array_of, call, load_of, send};
use super::*;
use crate::intake::{archive, source};
use crate::store::intake::{Consent, LoadSource, LoadState, NewLoad};

/// Keeps the files of a delivery alive under other names, so that they can come back as the very
/// same.
fn hold(kit: &Kit, base: &str) {
    for ending in ["aif", "flz"] {
        let name = format!("{base}.{ending}");
        fs::hard_link(kit.inbox("All").join(&name), kit.folder.path().join(&name)).unwrap();
    }
}

fn bring_back(kit: &Kit, name: &str) {
    fs::hard_link(kit.folder.path().join(name), kit.inbox("All").join(name)).unwrap();
}

async fn loaded_once(kit: &Kit) {
    let running = kit.start();
    kit.gone("All", "pos1").await;
    running.stop().await;
    let loads = kit.journal.recent(9).unwrap();
    assert_eq!(loads.len(), 1, "{loads:?}");
    assert_eq!((loads[0].state, loads[0].revision), (LoadState::Ready, Some(Revision(1))));
    assert_eq!(kit.dictionary.head().unwrap(), Revision(1));
    assert_eq!(names(&kit.settings.backup).len(), 1);
    assert_eq!((kit.error_text("All"), names(&kit.inbox("All"))), (None, vec![]));
}

#[tokio::test(flavor = "multi_thread")]
async fn after_the_end_was_noted_the_files_are_removed_and_not_loaded_again() {
    for left in [&["pos1.aif", "pos1.flz"][..], &["pos1.flz"]] {
        let kit = Kit::new();
        kit.deliver("All", "pos1", &file_of(&[unit(1, "piece")]));
        hold(&kit, "pos1");
        loaded_once(&kit).await;
        for name in left {
            bring_back(&kit, name);
        }
        loaded_once(&kit).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_flag_with_a_time_to_come_is_known_again_after_a_crash() {
    let kit = Kit::new();
    kit.deliver("All", "pos1", &file_of(&[unit(1, "piece")]));
    let flag = fs::OpenOptions::new().write(true).open(kit.inbox("All").join("pos1.flz")).unwrap();
    flag.into_parts().0.set_modified(SystemTime::now() + Duration::from_hours(9)).unwrap();
    hold(&kit, "pos1");
    loaded_once(&kit).await;
    bring_back(&kit, "pos1.flz");
    loaded_once(&kit).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_on_its_way_out_gets_its_name_back() {
    let leaving = format!("{}{}-pos1.aif", source::LEAVING, "0".repeat(32));
    for was_loaded in [false, true] {
        let kit = Kit::new();
        kit.deliver("All", "pos1", &file_of(&[unit(1, "piece")]));
        hold(&kit, "pos1");
        if was_loaded {
            loaded_once(&kit).await;
            bring_back(&kit, "pos1.flz");
            bring_back(&kit, "pos1.aif");
        }
        fs::rename(kit.inbox("All").join("pos1.aif"), kit.inbox("All").join(&leaving)).unwrap();
        loaded_once(&kit).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_load_that_is_repeated_after_a_crash_is_kept_once() {
    let kit = Kit::new();
    kit.deliver("All", "pos1", &file_of(&[unit(1, "piece")]));
    let path = kit.inbox("All").join("pos1.aif");
    let source = LoadSource::Folder(path.clone());
    let new = NewLoad {
        node: kit.chain.clone(),
        source,
        bytes: 1,
        at: Timestamp::now(),
        watch: None,
        delivery: None,
        consent: Consent::No,
    };
    let id = kit.journal.accept(&new).unwrap();
    kit.journal.begin(id, Timestamp::now()).unwrap();
    let taken_in = kit.journal.load(id).unwrap().unwrap().queued_at;
    fs::create_dir_all(&kit.settings.backup).unwrap();
    archive::pack(&path, archive::place(&kit.settings.backup, id, taken_in, "All-pos1.aif", ".zst")).unwrap();
    loaded_once(&kit).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_load_whose_folder_cannot_be_read_at_the_start_waits_for_it() {
    let mut kit = Kit::new();
    let share = kit.folder.path().join("share");
    kit.settings.extra_folders.insert(share.clone(), kit.shop.clone());
    kit.settings.scan_period = Duration::from_millis(50);
    let source = LoadSource::Folder(share.join("pos1.aif"));
    let new = NewLoad {
        node: kit.shop.clone(),
        source,
        bytes: 1,
        at: Timestamp::now(),
        watch: None,
        delivery: None,
        consent: Consent::No,
    };
    let id = kit.journal.accept(&new).unwrap();
    kit.journal.begin(id, Timestamp::now()).unwrap();
    let running = kit.start();
    kit.deliver("All", "pos1", &file_of(&[unit(1, "piece")]));
    kit.gone("All", "pos1").await;
    assert_eq!(kit.journal.load(id).unwrap().unwrap().state, LoadState::Running);
    fs::create_dir(kit.folder.path().join("mounted")).unwrap();
    fs::write(kit.folder.path().join("mounted/pos1.aif"), file_of(&[unit(2, "kg")])).unwrap();
    fs::write(kit.folder.path().join("mounted/pos1.flz"), "").unwrap();
    fs::rename(kit.folder.path().join("mounted"), &share).unwrap();
    assert_eq!(kit.ended(id).await.counts.added, 1);
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_without_a_record_goes_unless_the_record_itself_is_lost() {
    let kit = Kit::new();
    let orphan = kit.settings.bodies.join("0.json");
    fs::create_dir_all(&kit.settings.bodies).unwrap();
    fs::write(&orphan, "[]").unwrap();
    let intake = kit.intake();
    assert_eq!((names(&kit.settings.bodies).len(), names(&kit.settings.bad).len()), (0, 1));
    let retried = kit.settings.bodies.join("1.aif");
    fs::write(&retried, "{}").unwrap();
    let intake = {
        drop(intake);
        kit.intake()
    };
    assert_eq!((names(&kit.settings.bodies).len(), names(&kit.settings.bad).len()), (0, 2));
    load_of(&send(&intake, call("", Some("7"), array_of(&[unit(1, "piece")]))).await.1);
    fs::write(&orphan, "[]").unwrap();
    kit.intake();
    assert_eq!((names(&kit.settings.bodies).len(), names(&kit.settings.bad).len()), (1, 2));
}

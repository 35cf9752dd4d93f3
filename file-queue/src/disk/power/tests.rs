//! What a power cut leaves.

use std::collections::BTreeSet;

use tempfile::TempDir;

use super::*;
use crate::durable;

const SEEDS: u64 = 200;

struct Kit {
    folder: TempDir,
    ledger: TempDir,
}

impl Kit {
    fn new() -> (Self, ForgetfulDisk) {
        let kit = Self { folder: tempfile::tempdir().unwrap(), ledger: tempfile::tempdir().unwrap() };
        let disk = ForgetfulDisk::new(kit.ledger.path()).unwrap();
        (kit, disk)
    }

    fn path(&self, name: &str) -> std::path::PathBuf {
        self.folder.path().join(name)
    }

    fn content(&self, name: &str) -> Option<String> {
        fs_err::read(self.path(name)).ok().map(|bytes| String::from_utf8(bytes).unwrap())
    }
}

/// What each seed leaves of what `write` did.
fn outcomes<T: Ord>(write: impl Fn(&Kit, &ForgetfulDisk), look: impl Fn(&Kit) -> T) -> BTreeSet<T> {
    let outcome = |seed| {
        let (kit, disk) = Kit::new();
        write(&kit, &disk);
        disk.cut_power(seed).unwrap();
        look(&kit)
    };
    (0..SEEDS).map(outcome).collect()
}

#[test]
fn a_file_that_was_written_atomically_is_old_or_new_and_new_once_it_was_synced() {
    let left = outcomes(
        |kit, disk| {
            durable::write_atomic_on(disk, &kit.path("a"), b"one").unwrap();
            durable::write_atomic_on(disk, &kit.path("a"), b"two").unwrap();
        },
        |kit| (kit.content("a"), fs_err::read_dir(kit.folder.path()).unwrap().count()),
    );
    assert_eq!(left, BTreeSet::from([(Some("two".to_owned()), 1)]));
}

#[test]
fn a_file_without_any_sync_can_be_anything() {
    let left = outcomes(
        |kit, disk| {
            let mut file = disk.create_file(&kit.path("a")).unwrap();
            disk.write(&mut file, b"one").unwrap();
            disk.write(&mut file, b"two").unwrap();
        },
        |kit| kit.content("a"),
    );
    for expected in [None, Some(""), Some("one"), Some("onetwo"), Some("\0\0\0\0\0\0")] {
        assert!(left.contains(&expected.map(str::to_owned)), "never {expected:?}: {left:?}");
    }
}

#[test]
fn synced_content_without_a_synced_name_can_go_and_the_other_way_round_too() {
    let left = outcomes(
        |kit, disk| {
            for name in ["content", "name"] {
                let mut file = disk.create_file(&kit.path(name)).unwrap();
                if name == "name" {
                    disk.sync_dir(kit.folder.path()).unwrap();
                }
                disk.write(&mut file, b"x").unwrap();
                if name == "content" {
                    disk.sync_file(&file).unwrap();
                }
            }
        },
        |kit| (kit.content("content"), kit.content("name")),
    );
    // The sync of the folder covers both names.
    assert_eq!(left.iter().map(|(content, _)| content.as_deref()).collect::<BTreeSet<_>>(), [Some("x")].into());
    assert_eq!(
        left.iter().map(|(_, name)| name.as_deref()).collect::<BTreeSet<_>>(),
        [Some(""), Some("\0"), Some("x")].into()
    );
}

#[test]
fn removals_and_renames_come_back_unless_the_folder_was_synced() {
    for synced in [false, true] {
        let left = outcomes(
            |kit, disk| {
                for name in ["removed", "moved", "replaced"] {
                    durable::write_atomic_on(disk, &kit.path(name), name.as_bytes()).unwrap();
                }
                disk.create_dir(&kit.path("folder")).unwrap();
                durable::write_atomic_on(disk, &kit.path("folder/inner"), b"inner").unwrap();
                disk.sync_dir(kit.folder.path()).unwrap();
                disk.remove_file(&kit.path("removed")).unwrap();
                disk.rename(&kit.path("moved"), &kit.path("replaced")).unwrap();
                disk.remove_dir_all(&kit.path("folder")).unwrap();
                if synced {
                    disk.sync_dir(kit.folder.path()).unwrap();
                }
            },
            |kit| ["removed", "moved", "replaced", "folder/inner"].map(|name| kit.content(name)),
        );
        let gone = [None, None, Some("moved".to_owned()), None];
        assert!(left.contains(&gone), "{left:?}");
        if synced {
            assert_eq!(left.len(), 1, "{left:?}");
        } else {
            let back = ["removed", "moved", "replaced", "inner"].map(|name| Some(name.to_owned()));
            assert!(left.contains(&back), "{left:?}");
            assert_eq!(left.len(), 8, "each by itself: {left:?}");
        }
    }
}

#[test]
fn a_folder_that_moved_takes_along_what_was_durable_in_it_and_leaves_out_what_was_not() {
    let left = outcomes(
        |kit, disk| {
            disk.create_dir(&kit.path("staging")).unwrap();
            disk.create_dir(&kit.path("staging/b")).unwrap();
            let file = disk.create_file(&kit.path("staging/b/durable")).unwrap();
            disk.sync_file(&file).unwrap();
            disk.sync_dir(&kit.path("staging/b")).unwrap();
            disk.create_file(&kit.path("staging/b/not")).unwrap();
            disk.rename(&kit.path("staging/b"), &kit.path("b")).unwrap();
            disk.sync_dir(kit.folder.path()).unwrap();
        },
        |kit| ["b/durable", "b/not", "staging/b"].map(|name| kit.path(name).exists()),
    );
    assert_eq!(left, BTreeSet::from([[true, true, false], [true, false, false]]));
}

#[test]
fn what_a_failed_sync_dropped_does_not_come_back_with_the_next_one() {
    let left = outcomes(
        |kit, disk| {
            let mut file = disk.create_file(&kit.path("a")).unwrap();
            disk.sync_dir(kit.folder.path()).unwrap();
            disk.write(&mut file, b"one").unwrap();
            disk.sync_file(&file).unwrap();
            disk.fail_syncs(0, 1);
            disk.write(&mut file, b"two").unwrap();
            assert!(disk.sync_file(&file).is_err());
            disk.sync_file(&file).unwrap();
        },
        |kit| kit.content("a").unwrap(),
    );
    assert_eq!(left, BTreeSet::from(["one\0\0\0".to_owned(), "onetwo".to_owned()]));
}

#[test]
fn bytes_that_were_overwritten_or_cut_off_come_back() {
    let left = outcomes(
        |kit, disk| {
            let mut file = disk.create_file(&kit.path("a")).unwrap();
            disk.write(&mut file, b"abcdef").unwrap();
            disk.sync_file(&file).unwrap();
            disk.sync_dir(kit.folder.path()).unwrap();
            disk.write_at(&mut file, 1, b"XY").unwrap();
            disk.cut(&file, 4).unwrap();
        },
        |kit| kit.content("a").unwrap(),
    );
    for expected in ["abcdef", "aXYdef", "aXYd"] {
        assert!(left.contains(expected), "never {expected}: {left:?}");
    }
}

#[test]
fn a_ledger_outlives_its_process_and_the_same_seed_chooses_the_same() {
    let left = |seed| {
        let (kit, disk) = Kit::new();
        for number in 0..20 {
            let mut file = disk.create_file(&kit.path(&format!("{number:02}"))).unwrap();
            disk.write(&mut file, format!("content of {number}").as_bytes()).unwrap();
        }
        drop(disk);
        let disk = LedgerDisk::open(kit.ledger.path()).unwrap();
        disk.create_file(&kit.path("late")).unwrap();
        drop(disk);
        let summary = cut(kit.ledger.path(), seed).unwrap();
        assert_eq!((summary.names_at_risk, summary.files_at_risk), (21, 20));
        assert_eq!(cut(kit.ledger.path(), seed).unwrap(), Summary::default(), "what is there is durable");
        (0..20).map(|number| kit.content(&format!("{number:02}"))).collect::<Vec<_>>()
    };
    for seed in 0..8 {
        assert_eq!(left(seed), left(seed), "seed {seed}");
    }
    assert!((0..8).map(left).collect::<BTreeSet<_>>().len() > 4);
}

#[test]
fn a_full_disk_takes_a_part_and_a_dead_one_nothing_until_the_power_is_back() {
    let (kit, disk) = Kit::new();
    let mut file = disk.create_file(&kit.path("a")).unwrap();
    disk.sync_dir(kit.folder.path()).unwrap();
    disk.set_room(4);
    assert_eq!(disk.write(&mut file, b"abcdef").unwrap_err().kind(), io::ErrorKind::StorageFull);
    assert_eq!(kit.content("a").unwrap(), "abcd");
    disk.set_room(u64::MAX);
    disk.die_after(1);
    disk.sync_file(&file).unwrap();
    assert!(disk.sync_dir(kit.folder.path()).is_err() && disk.create_file(&kit.path("b")).is_err() && disk.is_dead());
    disk.cut_power(1).unwrap();
    assert_eq!(kit.content("a").unwrap(), "abcd");
    disk.create_file(&kit.path("b")).unwrap();
    disk.set_free_bytes(7);
    assert_eq!(disk.free_bytes(kit.folder.path()).unwrap(), 7);
}

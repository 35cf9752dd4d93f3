//! What people do: start a second agent, copy a till, restore images and backups, edit databases,
//! disturb the exchange folders, switch tills off.

use crate::sales::{checked, equip, sale, wait_for_receipts};
use crate::support::{
    RECOVERY, assert_digests_agree, catalogue, deliveries, ended_deliveries, has_receipts, item, load, load_file,
    loaded, now, piece_at, price, receipts, recovered, seen_by_server, shelf_price, until,
};
use fs_err as fs;
use rusqlite::Connection;
use serde_json::Value;
use std::collections::BTreeSet;
use std::io::Write as _;
use tillway_proto::Kopecks;
use tillway_proto::queue::DictionaryQueue;
use tillway_tests::bench::{CopyOf, TestBench, Till, TillOptions, TillPart};
use tillway_tests::pos::Pos;

const QUICK: [(&str, &str); 6] = [
    ("exchange.reconcile_period_s", "1"),
    ("exchange.announced_deadline_s", "3"),
    ("exchange.queued_deadline_s", "10"),
    ("exchange.silent_deadline_s", "3"),
    ("exchange.silent_after_s", "3"),
    ("intake.scan_period_s", "1"),
];

fn options() -> TillOptions {
    TillOptions { contact_period_s: 1, unload_period_s: 1, ..TillOptions::default() }
}

fn quick() -> (TestBench, Till, Pos) {
    let bench = TestBench::start_with(&QUICK).unwrap();
    let (till, pos) = equip(&bench, options());
    (bench, till, pos)
}

fn ring(pos: &mut Pos) -> String {
    pos.ring(&sale(now())).unwrap().uuid.to_string()
}

#[test]
fn a_second_agent_on_a_till_refuses_and_names_the_first() {
    let (bench, mut till, _pos) = quick();
    let end = till.second_agent().unwrap().wait_for_end(RECOVERY).unwrap();
    assert!(!end.status.success());
    let first = format!("another sync-agent (process {})", till.pid().unwrap());
    let said = fs::read_to_string(till.folder().join("second-agent-output.log")).unwrap();
    let logged = fs::read_to_string(till.folder().join("sync.log")).unwrap();
    assert!(said.contains(&first) || logged.contains(&first), "{said}");
    load(&bench.server, "shop-7", &[price(1, "3.00")]);
    recovered(&bench.server, &mut till);
    assert_eq!(shelf_price(&till, 1), Some(Kopecks(300)));
}

#[test]
fn two_machines_with_one_tills_settings_are_noticed_and_the_receipts_of_both_are_kept_apart() {
    let (bench, mut till, mut pos) = quick();
    pos.open_shift(1, 1, now()).unwrap();
    let first = ring(&mut pos);
    wait_for_receipts(&bench.server, &mut till, 1, 1);
    let mut other = till.second_machine("copy", CopyOf::Settings).unwrap();
    other.start_agent().unwrap();
    // On one queue two consumers take turns: each machine gets what the other misses, sooner or
    // later.
    until("both to have the item", || {
        let at = |machine: &Till| machine.state().map_or(0, |state| state.cursor.0);
        (at(&other) > 0, format!("{} and {}", at(&till), at(&other)))
    });
    let mut pos_of_other = other.pos().unwrap();
    pos_of_other.open_shift(1, 1, now()).unwrap();
    // The same shift, the same number, another receipt.
    let second = ring(&mut pos_of_other);
    until("both receipts", || {
        let found: BTreeSet<String> = receipts(&bench.server, &till, 1).into_iter().collect();
        (found == [first.clone(), second.clone()].into(), format!("{found:?}"))
    });
    until("the server to notice", || {
        let seen = seen_by_server(&bench.server, &till);
        (!seen["two_machines_at"].is_null(), seen.to_string())
    });
}

#[test]
fn a_till_restored_from_last_weeks_image_in_any_part_comes_back_to_now() {
    let (bench, mut till, mut pos) = quick();
    a_day(&bench, &mut till, &mut pos, 1, 1_000);
    drop(pos);
    till.stop_agent().unwrap();
    let last_week = till.image().unwrap();
    till.start_agent().unwrap();

    let parts: [&[TillPart]; 4] =
        [&[TillPart::Dictionary], &[TillPart::State], &[TillPart::Queues], &[TillPart::Dictionary, TillPart::State]];
    for (round, parts) in parts.into_iter().enumerate() {
        let kopecks = 300 + i64::try_from(round).unwrap();
        load(&bench.server, "shop-7", &[price(1, &format!("3.0{round}"))]);
        recovered(&bench.server, &mut till);
        let (mut pos, shift) = (till.pos().unwrap(), round as u64 + 2);
        let receipt = a_day(&bench, &mut till, &mut pos, shift, kopecks);
        drop(pos);
        till.stop_agent().unwrap();
        till.restore(&last_week, parts).unwrap();
        till.start_agent().unwrap();
        until("the price to come back", || {
            let price = shelf_price(&till, 1);
            (price == Some(Kopecks(kopecks)), format!("{parts:?}: {price:?}"))
        });
        recovered(&bench.server, &mut till);
        has_receipts(&bench.server, &till, shift, &[receipt]);
    }
    assert_digests_agree(&bench, &till);
    let mut pos = till.pos().unwrap();
    a_day(&bench, &mut till, &mut pos, 10, 303);
}

/// A shift with one receipt, which comes up and is found right.
fn a_day(bench: &TestBench, till: &mut Till, pos: &mut Pos, shift: u64, kopecks: i64) -> String {
    pos.open_shift(shift, 1, now()).unwrap();
    let rung = pos.ring(&piece_at(kopecks)).unwrap().uuid.to_string();
    pos.close_shift(now()).unwrap();
    has_receipts(&bench.server, till, shift, std::slice::from_ref(&rung));
    assert_eq!(checked(&bench.server, till, shift)["outcome"]["verdict"], "ok");
    rung
}

#[test]
fn a_whole_till_restored_from_last_weeks_image_loses_no_receipt_on_the_server_and_sends_the_new_ones() {
    let (bench, mut till, mut pos) = quick();
    let first = a_day(&bench, &mut till, &mut pos, 1, 1_000);
    drop(pos);
    till.stop_agent().unwrap();
    let last_week = till.image().unwrap();
    till.start_agent().unwrap();
    // Sold since, and on no disk of the till any more.
    let mut pos = till.pos().unwrap();
    let since = a_day(&bench, &mut till, &mut pos, 2, 1_000);
    drop(pos);
    load(&bench.server, "shop-7", &[price(1, "3.00")]);
    recovered(&bench.server, &mut till);
    till.stop_agent().unwrap();
    till.restore(&last_week, &TillPart::ALL).unwrap();
    till.start_agent().unwrap();
    until("the price to come back", || {
        let price = shelf_price(&till, 1);
        (price == Some(Kopecks(300)), format!("{price:?}"))
    });
    // The POS gives the numbers of shift and receipt again: it is another receipt all the same.
    let mut pos = till.pos().unwrap();
    pos.open_shift(2, 1, now()).unwrap();
    let again = pos.ring(&piece_at(300)).unwrap().uuid.to_string();
    until("both receipts", || {
        let found: BTreeSet<String> = receipts(&bench.server, &till, 2).into_iter().collect();
        (found == [since.clone(), again.clone()].into(), format!("{found:?}"))
    });
    has_receipts(&bench.server, &till, 1, &[first]);
    until("the server to tell that it went back", || {
        let seen = seen_by_server(&bench.server, &till);
        (!seen["went_back_at"].is_null(), seen.to_string())
    });
}

#[test]
fn a_server_restored_from_yesterdays_backup_gets_the_tills_to_what_it_has_and_the_receipts_again() {
    let (mut bench, mut till, mut pos) = quick();
    pos.open_shift(1, 1, now()).unwrap();
    let mut rung = vec![ring(&mut pos)];
    has_receipts(&bench.server, &till, 1, &rung);
    bench.server.switch_off().unwrap();
    let yesterday = bench.server.image().unwrap();
    bench.server.switch_on().unwrap();
    rung.push(ring(&mut pos));
    load(&bench.server, "shop-7", &[price(1, "3.00")]);
    recovered(&bench.server, &mut till);
    has_receipts(&bench.server, &till, 1, &rung);

    bench.server.switch_off().unwrap();
    bench.server.restore(&yesterday).unwrap();
    bench.server.switch_on().unwrap();
    until("yesterday's price, which is what the server has", || {
        let price = shelf_price(&till, 1);
        (price == Some(Kopecks(1_000)), format!("{price:?}"))
    });
    // The same revision numbers again, with other contents.
    load(&bench.server, "shop-7", &[price(1, "4.00")]);
    recovered(&bench.server, &mut till);
    assert_eq!(shelf_price(&till, 1), Some(Kopecks(400)));
    assert_digests_agree(&bench, &till);
    pos.close_shift(now()).unwrap();
    has_receipts(&bench.server, &till, 1, &rung);
    assert_eq!(checked(&bench.server, &mut till, 1)["outcome"]["verdict"], "ok");
}

#[test]
fn a_server_whose_disk_is_lost_comes_back_from_its_backup_without_the_till_that_was_removed() {
    let (mut bench, mut till, mut pos) = quick();
    let shop = bench.server.nodes().unwrap().into_iter().find(|node| node["level"] == "shop").unwrap();
    let stolen = bench.server.create_node(shop["id"].as_str().unwrap(), "till", "99").unwrap();
    pos.open_shift(1, 1, now()).unwrap();
    let mut rung = vec![ring(&mut pos)];
    has_receipts(&bench.server, &till, 1, &rung);
    let made = bench.server.command(&["backup", "create"]).unwrap();
    assert!(made.starts_with("made ") && made.contains(".tar.zst.age"), "{made}");
    let rehearsed = bench.server.command(&["backup", "rehearse"]).unwrap();
    assert!(rehearsed.contains("all of it is there"), "{rehearsed}");
    let listed: Vec<Value> =
        serde_json::from_str(&bench.server.command(&["--json", "backup", "list"]).unwrap()).unwrap();
    let name = listed[0]["name"].as_str().unwrap();
    assert!(listed.len() == 1 && listed[0]["rehearsed_rows"].as_u64() > Some(0), "{listed:?}");
    let verified = bench.server.command(&["backup", "verify", name]).unwrap();
    assert!(verified.contains("is whole"), "{verified}");
    // What the operator keeps elsewhere.
    let elsewhere = bench.folder().join("elsewhere");
    fs::create_dir(&elsewhere).unwrap();
    let key = elsewhere.join("key");
    fs::write(&key, bench.server.command(&["backup", "key"]).unwrap()).unwrap();

    // Sold, loaded and removed since.
    rung.push(ring(&mut pos));
    load(&bench.server, "shop-7", &[price(1, "3.00")]);
    recovered(&bench.server, &mut till);
    has_receipts(&bench.server, &till, 1, &rung);
    bench.server.command(&["node", "remove", &stolen.id]).unwrap();
    let peers = bench.server.data().join("server-backups/peers.json");
    until("the removal to stand beside the backups", || {
        let text = fs::read_to_string(&peers).unwrap();
        (!text.contains(&stolen.id), text)
    });
    let refused = bench.server.command(&["backup", "restore", name]).unwrap_err().to_string();
    assert!(refused.contains("already running"), "{refused}");

    bench.server.kill();
    let folder = bench.server.data().join("server-backups");
    for file in fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path()) {
        fs::copy(&file, elsewhere.join(file.file_name().unwrap())).unwrap();
    }
    fs::remove_dir_all(bench.server.data()).unwrap();
    let file = elsewhere.join(name);
    let (file, key) = (file.to_str().unwrap(), key.to_str().unwrap());
    let told = bench.server.command(&["backup", "restore", file]).unwrap_err().to_string();
    assert!(told.contains("--key-file"), "{told}");
    let told = bench.server.command(&["backup", "restore", file, "--key-file", key]).unwrap();
    assert!(told.contains("removed again, as they were since: till-7-99"), "{told}");

    bench.server.switch_on().unwrap();
    recovered(&bench.server, &mut till);
    load(&bench.server, "shop-7", &[price(1, "4.00")]);
    recovered(&bench.server, &mut till);
    assert_eq!(shelf_price(&till, 1), Some(Kopecks(400)));
    assert_digests_agree(&bench, &till);
    let nodes = bench.server.nodes().unwrap();
    assert!(nodes.iter().all(|node| node["id"] != stolen.id.as_str()), "{nodes:?}");
    pos.close_shift(now()).unwrap();
    // What was sold since the backup comes again.
    has_receipts(&bench.server, &till, 1, &rung);
    assert_eq!(checked(&bench.server, &mut till, 1)["outcome"]["verdict"], "ok");
}

/// Changes a row and removes another one, as somebody with a database browser does.
fn edit_by_hand(till: &Till) {
    let connection = Connection::open(till.dictionaries()).unwrap();
    connection.busy_timeout(RECOVERY).unwrap();
    connection.execute("UPDATE tmc SET price = 1 WHERE code = '7'", []).unwrap();
    connection.execute("DELETE FROM tmc WHERE code = '8'", []).unwrap();
}

fn is_healed(bench: &TestBench, till: &mut Till) {
    until("the rows to be right again", || {
        let found = (shelf_price(till, 7), shelf_price(till, 8));
        (found == (Some(Kopecks(1_000)), Some(Kopecks(1_000))), format!("{found:?}"))
    });
    recovered(&bench.server, till);
    assert_digests_agree(bench, till);
}

#[test]
fn a_dictionary_edited_by_hand_is_healed_without_a_load_when_the_agent_recounts_or_starts() {
    let (bench, mut till, _pos) = quick();
    load(&bench.server, "All", &catalogue(0..100, "10"));
    recovered(&bench.server, &mut till);
    edit_by_hand(&till);
    // It finds something, and may say so by its status.
    let _ = till.command(&["verify"]);
    is_healed(&bench, &mut till);
    edit_by_hand(&till);
    till.stop_agent().unwrap();
    till.start_agent().unwrap();
    is_healed(&bench, &mut till);
}

#[test]
fn a_dictionary_edited_by_hand_is_healed_while_the_agent_runs() {
    let (bench, mut till, _pos) = quick();
    load(&bench.server, "All", &catalogue(0..100, "10"));
    recovered(&bench.server, &mut till);
    edit_by_hand(&till);
    is_healed(&bench, &mut till);
}

#[test]
fn a_message_dropped_from_a_tills_queue_is_announced_again() {
    let (bench, mut till, _pos) = quick();
    till.stop_agent().unwrap();
    load(&bench.server, "shop-7", &[price(1, "3.00")]);
    let queue = DictionaryQueue::of(&till.id.parse().unwrap()).to_string();
    until("the link to be dropped", || {
        let taken = bench.vhost().take(&queue, 10).unwrap();
        (!taken.is_empty(), "nothing there".to_owned())
    });
    till.start_agent().unwrap();
    recovered(&bench.server, &mut till);
    assert_eq!(shelf_price(&till, 1), Some(Kopecks(300)));
}

#[test]
fn a_silent_till_is_shown_and_its_deliveries_expire_until_it_is_back() {
    let (bench, mut till, _pos) = quick();
    till.kill_agent();
    load(&bench.server, "shop-7", &[price(1, "3.00")]);
    until("a delivery to expire and another one to take its place", || {
        let found = deliveries(&bench.server, &till);
        let states: Vec<_> = found.iter().filter_map(|one| one["state"].as_str()).take(2).collect();
        (states == ["announced", "expired"], format!("{states:?}"))
    });
    until("the till to be silent", || {
        let seen = seen_by_server(&bench.server, &till);
        (seen["silent"] == true && !seen["last_contact"].is_null(), seen.to_string())
    });
    till.start_agent().unwrap();
    recovered(&bench.server, &mut till);
    assert_eq!(seen_by_server(&bench.server, &till)["silent"], false);
    assert_eq!(shelf_price(&till, 1), Some(Kopecks(300)));
}

#[test]
fn a_parked_till_expires_nothing_and_gets_one_package_when_it_is_back() {
    let (bench, mut till, mut pos) = quick();
    bench.server.command(&["node", "park", &till.id]).unwrap();
    till.stop_agent().unwrap();
    until("the till to be parked", || {
        let seen = seen_by_server(&bench.server, &till);
        (seen["next"] == "parked", seen.to_string())
    });
    let before = deliveries(&bench.server, &till).len();
    for round in 1..=4 {
        load(&bench.server, "shop-7", &[price(1, &format!("{round}.00"))]);
    }
    assert_eq!(deliveries(&bench.server, &till).len(), before, "nothing piles up");
    bench.server.command(&["node", "unpark", &till.id]).unwrap();
    till.start_agent().unwrap();
    recovered(&bench.server, &mut till);
    assert_eq!(shelf_price(&till, 1), Some(Kopecks(400)));
    let applied = ended_deliveries(&bench.server, &till).into_iter().filter(|one| one["state"] == "applied").count();
    assert_eq!(applied, 2, "the first item and the newest price");
    pos.open_shift(1, 1, now()).unwrap();
    pos.close_shift(now()).unwrap();
    assert_eq!(checked(&bench.server, &mut till, 1)["outcome"]["verdict"], "ok");
}

#[test]
fn a_flag_without_a_file_and_a_file_that_changes_while_it_is_read_stop_nothing() {
    let (bench, mut till, _pos) = quick();
    let folder = bench.server.wait_for_folder("shop-7").unwrap();
    fs::write(folder.join("pos-none.flz"), "").unwrap();
    load(&bench.server, "shop-7", &[price(1, "3.00")]);
    recovered(&bench.server, &mut till);
    assert_eq!(shelf_price(&till, 1), Some(Kopecks(300)));

    // Appended to while it is read, with the flag there already; then delivered again as it should
    // be.
    let commands = catalogue(1..1_500, "5");
    let mut file = fs::File::create(folder.join("pos-grows.aif")).unwrap();
    fs::write(folder.join("pos-grows.flz"), "").unwrap();
    for command in &commands {
        // The server may have taken the file away by then.
        let _ = writeln!(file, "{command}\n---");
    }
    drop(file);
    let report = load_file(&bench.server, "shop-7", &format!("{}\n---\n", commands.join("\n---\n")));
    assert_eq!(report["rejected"], 0, "{report}");
    recovered(&bench.server, &mut till);
    assert_eq!(shelf_price(&till, 1_499), Some(Kopecks(500)));
    assert_digests_agree(&bench, &till);
}

#[test]
fn an_exchange_folder_that_is_no_folder_any_more_stops_only_itself_until_it_is_back() {
    let (bench, mut till, _pos) = quick();
    let folder = bench.server.wait_for_folder("shop-7").unwrap();
    // As root no folder is without rights; a file in its place refuses as well.
    fs::rename(&folder, folder.with_extension("away")).unwrap();
    fs::write(&folder, "not a folder").unwrap();
    load(&bench.server, "All", &[item(2, "6")]);
    recovered(&bench.server, &mut till);
    assert_eq!(shelf_price(&till, 2), Some(Kopecks(600)));
    fs::remove_file(&folder).unwrap();
    fs::rename(folder.with_extension("away"), &folder).unwrap();
    let text = format!("{}\n---\n", price(1, "3.00"));
    bench.server.deliver("shop-7", "pos-back", |out| out.write_all(text.as_bytes()).map(|()| 1)).unwrap();
    loaded(&bench.server, "shop-7", "pos-back");
    recovered(&bench.server, &mut till);
    assert_eq!(shelf_price(&till, 1), Some(Kopecks(300)));
}

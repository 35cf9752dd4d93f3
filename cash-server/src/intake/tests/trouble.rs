use super::*;
use crate::dictionary::entry::KindId;
use crate::dictionary::tests::kit::{entry, upsert};
use crate::intake::load::{self, Failure, Task};
use crate::intake::source;
use crate::network::NetworkError;
use crate::settings::HoldLimits;
use crate::store::intake::{Consent, LoadSource, LoadState, NewLoad};
use std::os::unix::fs::PermissionsExt as _;
use std::sync::atomic::{AtomicU32, Ordering};
use tillway_proto::TillId;
use tillway_service::audit::AuditLine;

const BROKEN: &str = r#"{"command":"addUnit","unit":{"unitCode":"seven","name":"x"}}"#;

#[tokio::test(flavor = "multi_thread")]
async fn rejected_records_are_named_beside_the_source_until_a_load_is_clean() {
    let kit = Kit::new();
    let running = kit.start();
    let text =
        file_of(&[unit(1, "piece"), BROKEN.to_owned(), r#"{"command":"addNonsense"}"#.to_owned(), unit(2, "kg")]);
    kit.deliver("shop-7", "pos1", &text);
    kit.gone("shop-7", "pos1").await;
    let load = kit.newest();
    assert_eq!((load.state, load.counts.added, load.counts.rejected), (LoadState::ReadyWithErrors, 2, 2));
    let rejects = kit.journal.rejects(load.id, 10).unwrap();
    assert_eq!(rejects.iter().map(|reject| reject.line).collect::<Vec<_>>(), [3, 5]);
    assert_eq!(rejects[1].verb.as_deref(), Some("addNonsense"));
    let told = kit.error_text("shop-7").unwrap();
    for part in [
        "pos1.aif",
        "rejected records: 2",
        "line 3, byte ",
        "addUnit",
        "what to do: ",
        &crate::words::in_english(&rejects[0].reason),
    ] {
        assert!(told.contains(part), "{part} is not in\n{told}");
    }
    let bad = names(&kit.settings.bad);
    assert_eq!(bad.len(), 1, "{bad:?}");
    let kept = fs::read_to_string(kit.settings.bad.join(&bad[0])).unwrap();
    assert!(kept.contains(&format!("{BROKEN}\n---\n# line 5, byte")), "{kept}");
    assert!(kept.ends_with("{\"command\":\"addNonsense\"}\n---\n"), "{kept}");

    kit.deliver("shop-7", "pos1", &file_of(&[unit(1, "piece")]));
    kit.gone("shop-7", "pos1").await;
    assert_eq!(kit.error_text("shop-7"), None);
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_file_in_another_encoding_takes_no_goods_away() {
    let kit = Kit::new();
    let running = kit.start();
    let named = |name: &[u8]| {
        let mut file = b"{\"command\":\"clearInventory\"}\n---\n".to_vec();
        for code in 1..20 {
            let invent = format!(
                r#"{{"command":"addInventItem","invent":{{"inventcode":"{code}","barcode":"46{code}","name":""#
            );
            file.extend([invent.as_bytes(), name, b"\"}}\n---\n"].concat());
        }
        file
    };
    kit.deliver("All", "pos1", &named("Чай".as_bytes()));
    kit.gone("All", "pos1").await;
    let before = kit.objects(&kit.chain, "item");
    kit.deliver("All", "pos1", &named(b"\xd7\xe0\xe9"));
    let load = kit.not_taken("All", "pos1").await;
    assert_eq!((load.state, load.revision), (LoadState::Error, None));
    let reason = crate::words::in_english(&load.reason.unwrap());
    let told = kit.error_text("All").unwrap();
    assert!(reason.contains("looks like windows-1251") && told.contains(&reason), "{reason}\n{told}");
    assert_eq!(kit.objects(&kit.chain, "item"), before);
    assert_eq!(kit.objects(&kit.chain, "barcode").len(), 19);
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_clearing_that_was_held_back_is_told() {
    let kit = Kit::new();
    let running = kit.start();
    kit.deliver("All", "pos1", &file_of(&[unit(1, "piece"), unit(2, "kg")]));
    kit.gone("All", "pos1").await;
    let nameless = r#"{"command":"addUnit","unit":{"name":"litre"}}"#.to_owned();
    kit.deliver("All", "pos1", &file_of(&[r#"{"command":"clearUnit"}"#.to_owned(), unit(1, "piece"), nameless]));
    kit.gone("All", "pos1").await;
    assert_eq!(kit.objects(&kit.chain, "unit").len(), 2);
    let told = kit.error_text("All").unwrap();
    let reason = crate::words::in_english(&kit.newest().reason.unwrap());
    assert!(told.contains(&reason) && reason.contains("nothing was deleted") && reason.ends_with(": unit"), "{told}");
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_is_refused_stays_under_its_name_and_error_txt_names_each_until_it_is_mended() {
    let kit = Kit::new();
    let running = kit.start();
    let whole = file_of(&[unit(1, "piece"), unit(2, "kg")]);
    let cut = &whole[..whole.len() - 20];
    kit.deliver("All", "pos1", cut);
    let load = kit.not_taken("All", "pos1").await;
    assert_eq!((load.state, load.revision, load.counts.rejected), (LoadState::Error, None, 1));
    let reason = crate::words::in_english(&load.reason.unwrap());
    assert!(reason.contains("the whole load is refused"));
    assert_eq!(kit.objects(&kit.chain, "unit"), []);
    let stays = |base: &str| fs::read_to_string(kit.inbox("All").join(format!("{base}.aif"))).unwrap();
    assert_eq!(
        (stays("pos1"), names(&kit.settings.bad), names(&kit.settings.backup)),
        (cut.to_owned(), vec![], vec![])
    );
    kit.deliver("All", "pos2", "{\"command\":");
    kit.not_taken("All", "pos2").await;
    // Neither another refused one nor a clean one hides what still lies there.
    kit.deliver("All", "pos3", &file_of(&[unit(3, "litre")]));
    kit.gone("All", "pos3").await;
    let told = kit.error_text("All").unwrap();
    let told_of = |base: &str| told.contains(&format!("{base}.aif"));
    assert!(told_of("pos1") && told_of("pos2") && !told_of("pos3") && told.contains(&reason), "{told}");
    assert_eq!(running.intake.refused(9).unwrap().len(), 2);
    kit.deliver("All", "pos1", &whole);
    kit.gone("All", "pos1").await;
    let told = kit.error_text("All").unwrap();
    assert!(!told.contains("pos1.aif") && told.contains("pos2.aif"), "{told}");
    fs::remove_file(kit.inbox("All").join("pos2.aif")).unwrap();
    kit.deliver("All", "pos4", &whole);
    kit.gone("All", "pos4").await;
    assert_eq!((kit.error_text("All"), running.intake.refused(9).unwrap()), (None, vec![]));
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refused_file_in_its_folder_is_tried_again_or_dropped_by_a_person_unless_it_is_another_by_now() {
    let kit = Kit::new();
    let running = kit.start();
    let cut = "{\"command\":";
    for base in ["pos1", "pos2", "pos3"] {
        kit.deliver("All", base, cut);
        kit.not_taken("All", base).await;
    }
    let refused = running.intake.refused(9).unwrap();
    let load_of = |base: &str| refused.iter().find(|one| one.file.ends_with(format!("{base}.aif"))).unwrap().load.id;
    running.intake.drop_refused(load_of("pos1"), &AuditLine::any()).unwrap();
    // A newer file under that name, which has no flag yet.
    fs::write(kit.inbox("All").join("pos2.aif"), "another").unwrap();
    assert!(running.intake.drop_refused(load_of("pos2"), &AuditLine::any()).is_err());
    let again = running.intake.retry_refused(load_of("pos3"), &AuditLine::any()).unwrap();
    kit.ended(again).await;
    assert_eq!(names(&kit.inbox("All")), ["pos2.aif"]);
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_flag_that_a_crash_left_beside_a_refused_file_goes_and_the_file_stays() {
    let kit = Kit::new();
    let running = kit.start();
    kit.deliver("All", "pos1", "{\"command\":");
    let load = kit.not_taken("All", "pos1").await;
    running.stop().await;
    let flag = kit.inbox("All").join("pos1.flz");
    fs::write(&flag, "").unwrap();
    let (data, flag) = (kit.inbox("All").join("pos1.aif"), source::identify(&flag).unwrap());
    kit.journal
        .deliver_as(load.id, &format!("{} {}", source::identify(&data).unwrap().text(), flag.text()), Consent::No)
        .unwrap();
    let running = kit.start();
    assert_eq!(kit.not_taken("All", "pos1").await.id, load.id, "no new load");
    assert_eq!(running.intake.refused(9).unwrap().len(), 1);
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn where_errors_stop_a_load_the_first_reject_refuses_it_whole() {
    let mut kit = Kit::new();
    kit.settings.stop_on_error = true;
    let running = kit.start();
    kit.deliver("All", "pos1", &file_of(&[unit(1, "piece"), BROKEN.to_owned(), BROKEN.to_owned()]));
    let load = kit.not_taken("All", "pos1").await;
    assert_eq!((load.state, load.counts.added, load.counts.rejected), (LoadState::Error, 0, 1));
    assert_eq!(kit.objects(&kit.chain, "unit"), []);
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_flag_without_a_file_is_set_aside_with_a_word() {
    let kit = Kit::new();
    fs::create_dir_all(kit.inbox("All")).unwrap();
    fs::write(kit.inbox("All").join("pos1.flz"), "").unwrap();
    let running = kit.start();
    wait_for("the flag's end", || match names(&kit.inbox("All")) {
        names if names == ["error.txt", "pos1.flz.bad"] => Ok(()),
        names => Err(names),
    })
    .await;
    let told = kit.error_text("All").unwrap();
    assert!(told.contains("pos1.aif") && told.contains("no data file"), "{told}");
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_read_is_told_and_stops_nothing_else() {
    let kit = Kit::new();
    let running = kit.start();
    // A folder in the place of the file cannot be read by anybody.
    fs::create_dir_all(kit.inbox("shop-7").join("pos1.aif")).unwrap();
    fs::write(kit.inbox("shop-7").join("pos1.flz"), "").unwrap();
    kit.deliver("shop-8", "pos1", &file_of(&[unit(1, "piece")]));
    kit.gone("shop-8", "pos1").await;
    kit.not_taken("shop-7", "pos1").await;
    let told = kit.error_text("shop-7").unwrap();
    assert!(told.contains("not a regular file") && told.contains("what to do: give the server's user"), "{told}");
    assert_eq!(kit.journal.unfinished().unwrap(), []);
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_without_rights_is_loaded_as_soon_as_it_has_them() {
    let kit = Kit::new();
    kit.deliver("All", "pos1", &file_of(&[unit(1, "piece")]));
    let path = kit.inbox("All").join("pos1.aif");
    fs::set_permissions(&path, std::fs::Permissions::from_mode(0o000)).unwrap();
    if fs::read(&path).is_ok() {
        eprintln!("skipped: this user may read everything");
        return;
    }
    let running = kit.start();
    let told = wait_for("a word to the producer", || kit.error_text("All").ok_or(())).await;
    assert!(told.contains("pos1.aif") && told.contains("ermission denied"), "{told}");
    fs::set_permissions(&path, std::fs::Permissions::from_mode(0o644)).unwrap();
    kit.gone("All", "pos1").await;
    assert_eq!(kit.objects(&kit.chain, "unit").len(), 1);
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_is_rewritten_while_it_is_read_is_read_again() {
    let mut kit = Kit::new();
    kit.deliver("All", "pos1", &file_of(&[unit(1, "old")]));
    let path = kit.inbox("All").join("pos1.aif");
    let mut times = 0;
    Meddled::with(&mut kit, move || {
        times += 1;
        if times == 1 {
            fs::write(&path, file_of(&[unit(1, "new"), unit(2, "new")])).unwrap();
        }
    });
    let running = kit.start();
    kit.gone("All", "pos1").await;
    let load = kit.newest();
    assert_eq!((load.id, load.state, load.counts.added), (LoadId(1), LoadState::Ready, 2));
    assert_eq!(kit.error_text("All"), None);
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_delivery_that_kills_the_load_is_given_up_and_the_next_one_is_loaded() {
    let mut kit = Kit::new();
    let starts = Arc::new(AtomicU32::new(0));
    let counted = Arc::clone(&starts);
    Meddled::with(&mut kit, move || assert!(counted.fetch_add(1, Ordering::Relaxed) >= 2, "a defect, for the test"));
    kit.deliver("shop-7", "pos1", &file_of(&[unit(1, "piece")]));
    let running = kit.start();
    assert_eq!(kit.not_taken("shop-7", "pos1").await.state, LoadState::Error);
    kit.deliver("shop-7", "pos2", &file_of(&[unit(1, "piece")]));
    kit.gone("shop-7", "pos2").await;
    assert_eq!(kit.newest().state, LoadState::Ready);
    running.stop().await;
}

fn task<'a>(kit: &'a Kit, load: LoadId, path: &'a Path, shutdown: &'a CancellationToken) -> Task<'a> {
    let layer = kit.layer(&kit.chain);
    Task {
        load,
        layer,
        path,
        format: tillway_exchangers::formats::aif::FILE,
        encoding: encoding_rs::UTF_8,
        stop_on_error: false,
        gives_way: false,
        zone: &kit.settings.zone,
        noticed: Vec::new(),
        hold: HoldLimits::default(),
        consent: Consent::No,
        progress: Arc::default(),
        shutdown,
    }
}

/// A load as a process leaves it that dies: taken in and begun.
fn begun(kit: &Kit, path: &Path) -> LoadId {
    let source = LoadSource::Folder(path.to_owned());
    let load = NewLoad {
        node: kit.chain.clone(),
        source,
        bytes: 1,
        at: Timestamp::now(),
        watch: None,
        delivery: None,
        consent: Consent::No,
    };
    let id = kit.journal.accept(&load).unwrap();
    kit.journal.begin(id, Timestamp::now()).unwrap();
    id
}

#[tokio::test(flavor = "multi_thread")]
async fn a_load_that_was_committed_before_the_crash_keeps_its_revision_when_it_is_repeated() {
    let kit = Kit::new();
    kit.deliver("All", "pos1", &file_of(&[unit(1, "piece"), BROKEN.to_owned()]));
    let path = kit.inbox("All").join("pos1.aif");
    let id = begun(&kit, &path);
    let go = CancellationToken::new();
    load::load(kit.dictionary.as_ref(), &task(&kit, id, &path, &go)).unwrap();
    let running = kit.start();
    kit.gone("All", "pos1").await;
    let load = kit.newest();
    assert_eq!((load.id, load.state, load.revision), (id, LoadState::ReadyWithErrors, Some(Revision(1))));
    assert_eq!((load.counts.added, load.counts.rejected), (1, 1));
    assert_eq!(kit.dictionary.head().unwrap(), Revision(1));
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_load_whose_file_went_away_in_a_crash_is_ended_as_it_came_out() {
    let kit = Kit::new();
    fs::create_dir_all(kit.inbox("All")).unwrap();
    let path = kit.inbox("All").join("pos1.aif");
    fs::write(&path, file_of(&[unit(1, "piece")])).unwrap();
    let (committed, lost) = (begun(&kit, &path), begun(&kit, &kit.inbox("All").join("pos2.aif")));
    let go = CancellationToken::new();
    load::load(kit.dictionary.as_ref(), &task(&kit, committed, &path, &go)).unwrap();
    fs::remove_file(&path).unwrap();
    let running = kit.start();
    assert_eq!(kit.ended(committed).await.revision, Some(Revision(1)));
    assert_eq!(kit.ended(lost).await.state, LoadState::Error);
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_flag_that_a_crash_left_behind_goes_without_a_word() {
    let kit = Kit::new();
    let running = kit.start();
    kit.deliver("All", "pos1", &file_of(&[unit(1, "piece")]));
    kit.gone("All", "pos1").await;
    fs::write(kit.inbox("All").join("x"), "").unwrap();
    age(&kit.inbox("All").join("x"), 60);
    fs::rename(kit.inbox("All").join("x"), kit.inbox("All").join("pos1.flz")).unwrap();
    kit.gone("All", "pos1").await;
    assert_eq!(kit.error_text("All"), None);
    running.stop().await;
}

#[test]
fn a_stop_rolls_the_load_back() {
    let kit = Kit::new();
    kit.deliver("All", "pos1", &file_of(&[unit(1, "piece")]));
    let path = kit.inbox("All").join("pos1.aif");
    let stopped = CancellationToken::new();
    stopped.cancel();
    let failure = load::load(kit.dictionary.as_ref(), &task(&kit, LoadId(1), &path, &stopped)).unwrap_err();
    assert!(matches!(failure, Failure::Stopped), "{failure}");
    assert_eq!(kit.objects(&kit.chain, "unit"), []);
}

#[test]
fn rejects_beyond_the_limit_are_counted_and_not_kept() {
    let kit = Kit::new();
    let records = vec![BROKEN.to_owned(); load::MAX_KEPT_REJECTS + 5];
    kit.deliver("All", "pos1", &file_of(&records));
    let path = kit.inbox("All").join("pos1.aif");
    let go = CancellationToken::new();
    let report = load::load(kit.dictionary.as_ref(), &task(&kit, LoadId(1), &path, &go)).unwrap();
    assert_eq!((report.rejected, report.rejects.len()), (records.len() as u64, load::MAX_KEPT_REJECTS));
}

fn some_till(kit: &Kit) -> TillId {
    kit.network.current().unwrap().tills().next().unwrap().0.clone()
}

/// A group for shop 7 to move under.
fn group(kit: &Kit) -> NodeId {
    kit.network.create(&kit.chain, NodeLevel::Group, &"north".parse().unwrap(), "").unwrap().id
}

fn is_under(kit: &Kit, group: &NodeId) -> bool {
    kit.network.current().unwrap().parent(&kit.shop).is_some_and(|parent| parent.id == *group)
}

#[test]
fn a_load_that_gave_way_does_not_go_before_the_move_that_waited() {
    let kit = Kit::new();
    let group = group(&kit);
    // A load that is held open, and somebody who moves a shop.
    let held = kit.dictionary.begin_load(kit.layer(&kit.chain), LoadId(1)).unwrap();
    let (network, shop, under) = (kit.network.clone(), kit.shop.clone(), group.clone());
    let moved = std::thread::spawn(move || network.move_node(&shop, &under));
    while !held.is_wanted() {
        std::thread::yield_now();
    }
    // The next load waits behind them, whoever is woken first.
    let (dictionary, layer) = (Arc::clone(&kit.dictionary), kit.layer(&kit.chain));
    let next = std::thread::spawn(move || dictionary.begin_load(layer, LoadId(2)).map(LoadTxn::rollback));
    held.rollback();
    moved.join().unwrap().unwrap();
    next.join().unwrap().unwrap();
    assert!(is_under(&kit, &group));
}

#[test]
fn whoever_moves_a_node_beside_a_load_that_cannot_give_way_is_told_so_within_a_second() {
    let kit = Kit::new();
    let group = group(&kit);
    let held = kit.dictionary.begin_load(kit.layer(&kit.chain), LoadId(1)).unwrap();
    let asked = Instant::now();
    let refused = kit.network.move_node(&kit.shop, &group).unwrap_err();
    assert!(matches!(refused, NetworkError::Busy), "{refused}");
    // The bound is loose: the machine may be busy.
    assert!(asked.elapsed() < Duration::from_secs(5), "{:?}", asked.elapsed());
    held.rollback();
    kit.network.move_node(&kit.shop, &group).unwrap();
}

#[test]
fn what_is_no_move_does_not_wait_for_a_load_and_stands_while_it_runs() {
    let kit = Kit::new();
    let till = some_till(&kit);
    let mut load = kit.dictionary.begin_load(kit.layer(&kit.shop), LoadId(1)).unwrap();
    let unit = KindId(Kind::by_name("unit").unwrap().id());
    load.upsert_all(&[upsert(entry(unit, "1", 1), None)]).unwrap();
    let other = DictionaryDb::open(&kit.folder.path().join("dictionary.db")).unwrap();
    // As this process does it, and as another one does.
    for (network, code) in [(kit.network.clone(), "9"), (NetworkService::new(Arc::new(other)), "10")] {
        let token = network.renew_secret(&till).unwrap();
        assert!(kit.network.current().unwrap().verify_token(&till, &token.token()));
        let made = network.create(&kit.shop, NodeLevel::Till, &code.parse().unwrap(), "").unwrap();
        network.rename(&made.id, "by the door").unwrap();
        assert_eq!(kit.network.current().unwrap().node(&made.id).unwrap().name, "by the door");
        network.remove(&made.id).unwrap();
        assert!(kit.network.current().unwrap().node(&made.id).is_none());
        network.park(&till, code == "9").unwrap();
    }
    assert_eq!(load.commit().unwrap().revision, Some(Revision(1)));
    assert!(!kit.network.current().unwrap().till(&till).unwrap().parked);
    assert_eq!(kit.objects(&kit.shop, "unit").len(), 1);
}

#[test]
fn a_load_under_way_gives_way_to_a_move_and_is_begun_again() {
    let kit = Kit::new();
    let group = group(&kit);
    let records: Vec<String> = (1..200_000).map(|code| unit(code, "piece")).collect();
    kit.deliver("All", "pos1", &file_of(&records));
    let path = kit.inbox("All").join("pos1.aif");
    let shutdown = CancellationToken::new();
    let task = Task { gives_way: true, ..task(&kit, LoadId(2), &path, &shutdown) };
    let (network, shop, progress) = (kit.network.clone(), kit.shop.clone(), Arc::clone(&task.progress));
    let under = group.clone();
    let moved = std::thread::spawn(move || {
        while progress.records.load(Ordering::Relaxed) == 0 {
            std::thread::yield_now();
        }
        network.move_node(&shop, &under)
    });
    let failure = load::load(kit.dictionary.as_ref(), &task).unwrap_err();
    assert!(matches!(failure, Failure::GaveWay), "{failure}");
    moved.join().unwrap().unwrap();
    assert!(is_under(&kit, &group));
    assert_eq!(kit.objects(&kit.chain, "unit"), [], "nothing of it is there until it ran to its end");
}

use super::*;
use crate::store::intake::{LoadSource, LoadState};

#[tokio::test(flavor = "multi_thread")]
async fn a_delivery_is_loaded_at_once_and_both_files_disappear() {
    let mut kit = Kit::new();
    // Only the file system's report can be the reason that it is loaded in this test.
    kit.settings.scan_period = Duration::from_hours(1);
    let running = kit.start();
    wait_for("the folders", || if kit.inbox("shop-7").is_dir() { Ok(()) } else { Err(()) }).await;
    kit.deliver("All", "pos1", &file_of(&[unit(1, "piece"), unit(2, "kg")]));
    tokio::time::timeout(PATIENCE, kit.changed.notified()).await.unwrap();
    kit.gone("All", "pos1").await;
    let load = kit.newest();
    assert_eq!((load.state, load.revision, &load.node), (LoadState::Ready, Some(Revision(1)), &kit.chain));
    assert_eq!((load.counts.added, load.counts.rejected), (2, 0));
    assert_eq!(load.source, LoadSource::Folder(kit.inbox("All").join("pos1.aif")));
    assert!(load.queued_at <= load.started_at.unwrap() && load.started_at <= load.ended_at);
    assert_eq!(kit.objects(&kit.chain, "unit").len(), 2);
    assert_eq!(names(&kit.inbox("All")), Vec::<String>::new());
    let kept = names(&kit.settings.backup);
    assert!(kept.len() == 1 && kept[0].ends_with("-load-1-All-pos1.aif.zst"), "{kept:?}");
    assert_eq!(running.intake.progress(), None);
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn each_node_has_its_folder_and_the_same_file_again_takes_no_revision() {
    let kit = Kit::new();
    let running = kit.start();
    let text = file_of(&[r#"{"command":"clearUnit"}"#.to_owned(), unit(1, "piece")]);
    kit.deliver("shop-7", "POS1", &text);
    kit.gone("shop-7", "POS1").await;
    let first = kit.newest();
    kit.deliver("shop-7", "POS1", &text);
    kit.gone("shop-7", "POS1").await;
    let second = kit.newest();
    assert_eq!((first.revision, second.revision), (Some(Revision(1)), None));
    assert_eq!((second.state, second.counts.unchanged), (LoadState::Ready, 1));
    assert_eq!((kit.objects(&kit.shop, "unit").len(), kit.objects(&kit.chain, "unit").len()), (1, 0));
    assert_eq!(names(&kit.settings.inbox), ["All", "shop-7", "shop-8", "till-7-1", "till-7-2"]);
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn flags_of_one_moment_are_loaded_as_their_names_count_across_all_folders() {
    let kit = Kit::new();
    for (folder, base) in [("All", "pos10"), ("shop-7", "pos9"), ("All", "pos2"), ("shop-8", "pos1")] {
        kit.deliver(folder, base, &file_of(&[unit(1, base)]));
        age(&kit.inbox(folder).join(format!("{base}.aif")), 10);
        age(&kit.inbox(folder).join(format!("{base}.flz")), 10);
    }
    let running = kit.start();
    for folder in ["All", "shop-7", "shop-8"] {
        kit.gone(folder, "pos").await;
    }
    let loads = kit.journal.recent(9).unwrap();
    let order: Vec<String> = loads.iter().rev().map(|load| load.source.to_string()).collect();
    let expected = [("shop-8", "pos1"), ("All", "pos2"), ("shop-7", "pos9"), ("All", "pos10")]
        .map(|(folder, base)| kit.inbox(folder).join(format!("{base}.aif")).display().to_string());
    assert_eq!(order, expected);
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_node_has_its_folder_at_once_whoever_made_it() {
    let mut kit = Kit::new();
    kit.settings.scan_period = Duration::from_hours(1);
    let running = kit.start();
    wait_for("the folders", || if kit.inbox("shop-7").is_dir() { Ok(()) } else { Err(()) }).await;
    // As the command line makes it, in a process of its own: nobody tells the intake.
    kit.network.create(&kit.chain, NodeLevel::Shop, &"9".parse().unwrap(), "").unwrap();
    let made = Instant::now();
    wait_for("the new folder", || if kit.inbox("shop-9").is_dir() { Ok(()) } else { Err(()) }).await;
    assert!(made.elapsed() < Duration::from_secs(10), "{:?}", made.elapsed());
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn several_flags_are_loaded_in_the_order_of_their_time() {
    let kit = Kit::new();
    for (base, age_s) in [("pos1", 10), ("pos2", 30), ("pos3", 20)] {
        kit.deliver("All", base, &file_of(&[unit(1, base)]));
        age(&kit.inbox("All").join(format!("{base}.aif")), age_s + 1);
        age(&kit.inbox("All").join(format!("{base}.flz")), age_s);
    }
    let running = kit.start();
    kit.gone("All", "pos").await;
    let order: Vec<String> = kit.journal.recent(9).unwrap().iter().rev().map(|load| load.source.to_string()).collect();
    let name = |base: &str| kit.inbox("All").join(base).display().to_string();
    assert_eq!(order, [name("pos2.aif"), name("pos3.aif"), name("pos1.aif")]);
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_node_gets_its_folder_and_what_waits_there_is_loaded() {
    let mut kit = Kit::new();
    kit.settings.scan_period = Duration::from_millis(100);
    let running = kit.start();
    kit.deliver("shop-9", "pos1", &file_of(&[unit(1, "piece")]));
    let text = wait_for("a word to the producer", || kit.error_text("shop-9").ok_or(())).await;
    assert!(text.contains("no node of the network has the folder name `shop-9`"), "{text}");
    let shop = kit.network.create(&kit.chain, NodeLevel::Shop, &"9".parse().unwrap(), "").unwrap().id;
    kit.gone("shop-9", "pos1").await;
    assert_eq!(kit.objects(&shop, "unit").len(), 1);
    assert_eq!(kit.error_text("shop-9"), None);
    kit.network.create(&kit.chain, NodeLevel::Group, &"north".parse().unwrap(), "").unwrap();
    wait_for("its folder", || if kit.inbox("group-north").is_dir() { Ok(()) } else { Err(()) }).await;
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_folder_elsewhere_belongs_to_the_node_that_the_settings_name() {
    let mut kit = Kit::new();
    let elsewhere = kit.folder.path().join("erp/out");
    fs::create_dir_all(&elsewhere).unwrap();
    kit.settings.extra_folders.insert(elsewhere.clone(), kit.shop.clone());
    let running = kit.start();
    fs::write(elsewhere.join("POS_ALL.AIF"), file_of(&[unit(1, "piece")])).unwrap();
    fs::write(elsewhere.join("pos_all.Flz"), "").unwrap();
    wait_for("the end of a load", || if names(&elsewhere).is_empty() { Ok(()) } else { Err(names(&elsewhere)) }).await;
    assert_eq!(kit.objects(&kit.shop, "unit").len(), 1);
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_flag_waits_for_its_file_and_holds_back_nothing() {
    let mut kit = Kit::new();
    kit.settings.data_grace = Duration::from_hours(1);
    fs::create_dir_all(kit.inbox("All")).unwrap();
    fs::write(kit.inbox("All").join("pos1.flz"), "").unwrap();
    age(&kit.inbox("All").join("pos1.flz"), 60);
    let running = kit.start();
    kit.deliver("All", "pos2", &file_of(&[unit(2, "kg")]));
    kit.gone("All", "pos2").await;
    assert_eq!(names(&kit.inbox("All")), ["pos1.flz"]);
    fs::write(kit.inbox("All").join("x.tmp"), file_of(&[unit(1, "piece")])).unwrap();
    fs::rename(kit.inbox("All").join("x.tmp"), kit.inbox("All").join("pos1.aif")).unwrap();
    kit.gone("All", "pos1").await;
    assert_eq!(kit.objects(&kit.chain, "unit").len(), 2);
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn two_nodes_with_one_folder_name_get_no_load_by_mistake() {
    let kit = Kit::new();
    let shop = kit.network.create(&kit.chain, NodeLevel::Shop, &"7-1".parse().unwrap(), "").unwrap().id;
    kit.network.create(&shop, NodeLevel::Till, &"x".parse().unwrap(), "").unwrap();
    kit.network.create(&kit.shop, NodeLevel::Till, &"1-x".parse().unwrap(), "").unwrap();
    kit.deliver("till-7-1-x", "pos1", &file_of(&[unit(1, "piece")]));
    let running = kit.start();
    let text = wait_for("a word to the producer", || kit.error_text("till-7-1-x").ok_or(())).await;
    assert!(text.contains("two nodes have this folder name"), "{text}");
    assert_eq!(kit.journal.recent(1).unwrap(), []);
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_inbox_that_is_away_at_the_start_is_used_as_soon_as_it_is_there() {
    let mut kit = Kit::new();
    let share = kit.folder.path().join("share");
    kit.settings.inbox = share.join("inbox");
    kit.settings.scan_period = Duration::from_millis(50);
    // Nothing can be made below it.
    fs::write(&share, "").unwrap();
    let running = kit.start();
    let (status, answer) = super::rest::send(
        &running.intake,
        super::rest::call("", Some("All"), super::rest::array_of(&[unit(1, "piece")])),
    )
    .await;
    assert!(status.is_success(), "{answer}");
    kit.ended(super::rest::load_of(&answer)).await;
    fs::remove_file(&share).unwrap();
    fs::create_dir(&share).unwrap();
    wait_for("its folders", || if kit.inbox("All").is_dir() { Ok(()) } else { Err(()) }).await;
    kit.deliver("All", "pos1", &file_of(&[unit(2, "kg")]));
    kit.gone("All", "pos1").await;
    assert_eq!(kit.objects(&kit.chain, "unit").len(), 2);
    running.stop().await;
}

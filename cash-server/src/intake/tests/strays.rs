//! What lies in an inbox and will never be read is shown, once it has lain there for a while.

use super::*;
use crate::intake::settings::DEFAULT_STRAY_AFTER;
use crate::store::intake::LoadState;

/// `folder word names` of each.
fn shown(kit: &Kit, intake: &Intake) -> Vec<String> {
    let strays = intake.strays(99).unwrap();
    let line = |stray: crate::intake::Stray| {
        let folder = stray.folder.strip_prefix(&kit.settings.inbox).unwrap().display().to_string();
        assert!(stray.since.is_some() && !crate::words::in_english(&stray.reason).is_empty());
        assert_eq!(stray.node.is_some(), stray.word != "no-node");
        format!("{folder} {} {}", stray.word, stray.names)
    };
    strays.into_iter().map(line).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_will_never_be_read_is_shown_with_its_reason_and_nothing_else_is() {
    let mut kit = Kit::new();
    kit.settings.stray_after = Duration::ZERO;
    let removed = kit.network.create(&kit.chain, NodeLevel::Shop, &"9".parse().unwrap(), "").unwrap().id;
    let running = kit.start();
    wait_for("the folders", || if kit.inbox("shop-9").is_dir() { Ok(()) } else { Err(()) }).await;
    kit.network.remove(&removed).unwrap();
    assert_eq!(shown(&kit, &running.intake), Vec::<String>::new(), "an empty folder of a removed node harms nobody");
    // A file that was refused stays, and is told as a refused load; so does error.txt.
    kit.deliver("All", "pos1", "{\"command\":\"addUnit\",");
    assert_eq!(kit.not_taken("All", "pos1").await.state, LoadState::Error);
    let put = |folder: &str, name: &str| fs::write(kit.inbox(folder).join(name), "x").unwrap();
    put("All", "POS2.AIF");
    put("shop-7", "pos3.flz");
    put("shop-8", "goods.aif");
    put("shop-8", "goods.flz");
    put("shop-9", "pos4.aif");
    put("shop-9", "pos4.flz");
    put("", "pos5.aif");
    let expected = [
        " no-node pos5.aif",
        "All no-flag POS2.AIF",
        "shop-7 no-data pos3.flz.bad",
        "shop-8 other-name goods.aif, goods.flz",
        "shop-9 no-node pos4.aif, pos4.flz",
    ];
    wait_for("the list", || {
        let found = shown(&kit, &running.intake);
        if found == expected { Ok(()) } else { Err(found) }
    })
    .await;
    // Mended: the flag comes, the delivery comes again, the others are taken away.
    fs::write(kit.inbox("All").join("POS2.AIF"), file_of(&[unit(2, "piece")])).unwrap();
    put("All", "pos2.flz");
    // Times of this disk and of the record count in seconds.
    tokio::time::sleep(Duration::from_millis(1100)).await;
    kit.deliver("shop-7", "pos3", &file_of(&[unit(3, "piece")]));
    kit.gone("shop-7", "pos3.aif").await;
    for name in ["shop-8/goods.aif", "shop-8/goods.flz", "shop-9/pos4.aif", "shop-9/pos4.flz", "pos5.aif"] {
        fs::remove_file(kit.inbox(name)).unwrap();
    }
    wait_for("an empty list", || {
        let found = shown(&kit, &running.intake);
        if found.is_empty() { Ok(()) } else { Err(found) }
    })
    .await;
    running.stop().await;
}

#[test]
fn what_came_just_now_is_not_shown_and_of_many_files_the_first_are_named() {
    let mut kit = Kit::new();
    assert_eq!(kit.settings.stray_after, DEFAULT_STRAY_AFTER);
    fs::create_dir_all(kit.inbox("All")).unwrap();
    for n in 0..20 {
        fs::write(kit.inbox("All").join(format!("pos{n}.aif")), "x").unwrap();
    }
    assert_eq!(kit.intake().strays(99).unwrap(), []);
    kit.settings.stray_after = Duration::ZERO;
    let expected = "All no-flag pos0.aif, pos1.aif, pos2.aif, pos3.aif, pos4.aif, … (20)";
    assert_eq!(shown(&kit, &kit.intake()), [expected]);
}

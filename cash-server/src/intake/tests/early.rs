//! Files whose flag comes before their end, and files that change while they are read.

use super::*;
use crate::store::intake::LoadState;
use tillway_service::audit::AuditLine;

fn grow(file: &mut fs::File, codes: std::ops::Range<u32>) {
    use std::io::Write as _;
    codes.for_each(|code| write!(file, "{}\n---\n", unit(code, "slow")).unwrap());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_whose_flag_came_before_its_end_is_loaded_whole_when_it_is_closed() {
    let kit = Kit::new();
    let running = kit.start();
    wait_for("the folders", || if kit.inbox("shop-7").is_dir() { Ok(()) } else { Err(()) }).await;
    kit.deliver("shop-7", "pos0", &file_of(&[unit(9, "watched")]));
    kit.gone("shop-7", "pos0").await;
    let mut file = fs::File::create(kit.inbox("shop-7").join("posslow.aif")).unwrap();
    grow(&mut file, 1..4);
    fs::write(kit.inbox("shop-7").join("posslow.flz"), "").unwrap();
    // What another folder gets is not held up by it.
    kit.deliver("shop-8", "pos1", &file_of(&[unit(1, "piece")]));
    kit.gone("shop-8", "pos1").await;
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_eq!(kit.objects(&kit.shop, "unit").len(), 1, "nothing of it yet");
    grow(&mut file, 4..7);
    drop(file);
    kit.gone("shop-7", "posslow").await;
    let load = kit.newest();
    assert_eq!((load.state, load.counts.added, kit.objects(&kit.shop, "unit").len()), (LoadState::Ready, 6, 7));
    assert_eq!(kit.error_text("shop-7"), None);
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_is_cut_or_replaced_while_it_is_read_is_read_again_whole() {
    let new = file_of(&[unit(1, "new"), unit(2, "new")]);
    for replaced in [false, true] {
        let mut kit = Kit::new();
        kit.deliver("All", "pos1", &file_of(&(1..50).map(|code| unit(code, "old")).collect::<Vec<_>>()));
        let (path, new) = (kit.inbox("All").join("pos1.aif"), new.clone());
        let mut times = 0;
        Meddled::with(&mut kit, move || {
            times += 1;
            if times == 1 && replaced {
                fs::write(path.with_extension("tmp"), &new).unwrap();
                fs::rename(path.with_extension("tmp"), &path).unwrap();
            } else if times == 1 {
                fs::write(&path, &new).unwrap();
            }
        });
        let running = kit.start();
        kit.gone("All", "pos1").await;
        assert_eq!((kit.newest().state, kit.objects(&kit.chain, "unit").len()), (LoadState::Ready, 2), "{replaced}");
        running.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_is_written_for_ever_is_not_taken_and_its_producer_is_told() {
    let mut kit = Kit::new();
    kit.settings.writer_patience = Duration::from_secs(1);
    let running = kit.start();
    wait_for("the folders", || if kit.inbox("shop-7").is_dir() { Ok(()) } else { Err(()) }).await;
    kit.deliver("shop-7", "pos0", &file_of(&[unit(9, "watched")]));
    kit.gone("shop-7", "pos0").await;
    let mut file = fs::File::create(kit.inbox("shop-7").join("posslow.aif")).unwrap();
    fs::write(kit.inbox("shop-7").join("posslow.flz"), "").unwrap();
    let flag = kit.inbox("shop-7").join("posslow.flz");
    wait_for("the flag's end", || {
        grow(&mut file, 1..4);
        if flag.exists() { Err(()) } else { Ok(()) }
    })
    .await;
    let load = kit.not_taken("shop-7", "posslow").await;
    assert_eq!((load.state, kit.objects(&kit.shop, "unit").len()), (LoadState::Error, 1));
    let reason = crate::words::in_english(&load.reason.unwrap());
    assert!(reason.contains("still being written") && kit.error_text("shop-7").unwrap().contains(&reason), "{reason}");
    // The flag is made again when it is whole.
    drop(file);
    fs::write(&flag, "").unwrap();
    kit.gone("shop-7", "posslow").await;
    assert_eq!(kit.objects(&kit.shop, "unit").len(), 4);
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_written_to_a_file_after_it_was_loaded_and_removed_is_kept_and_told() {
    for stopped in [false, true] {
        let mut kit = Kit::new();
        kit.settings.growth_watch = if stopped { Duration::from_mins(5) } else { Duration::from_secs(1) };
        let running = kit.start();
        wait_for("the folders", || if kit.inbox("shop-7").is_dir() { Ok(()) } else { Err(()) }).await;
        // Opened in another folder, so that nobody sees that it is still open.
        let elsewhere = kit.folder.path().join("elsewhere");
        let mut file = fs::File::create(&elsewhere).unwrap();
        grow(&mut file, 1..4);
        fs::rename(&elsewhere, kit.inbox("shop-7").join("pos1.aif")).unwrap();
        fs::write(kit.inbox("shop-7").join("pos1.flz"), "").unwrap();
        kit.gone("shop-7", "pos1").await;
        let loaded = kit.newest();
        assert_eq!((loaded.state, loaded.counts.added), (LoadState::Ready, 3));
        grow(&mut file, 4..6);
        drop(file);
        if stopped {
            running.stop().await;
        } else {
            wait_for("a word of it", || kit.error_text("shop-7").ok_or(())).await;
            running.stop().await;
        }
        let told = kit.error_text("shop-7").unwrap();
        assert!(told.contains("pos1.aif") && told.contains("written on after it was loaded"), "{told}");
        let refused = kit.journal.refused(9).unwrap().remove(0);
        assert!(
            refused.id > loaded.id
                && crate::words::in_english(&refused.reason.unwrap()).contains(&format!("load {}", loaded.id.0))
        );
        let kept = fs::read_to_string(kit.settings.bad.join(refused.aside.unwrap())).unwrap();
        assert_eq!(kept.matches("addUnit").count(), 5, "all of the file: {kept}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_written_to_a_removed_file_leaves_a_newer_delivery_of_its_name_as_it_is() {
    let mut kit = Kit::new();
    kit.settings.growth_watch = Duration::from_mins(5);
    let running = kit.start();
    wait_for("the folders", || if kit.inbox("shop-7").is_dir() { Ok(()) } else { Err(()) }).await;
    let elsewhere = kit.folder.path().join("elsewhere");
    let mut file = fs::File::create(&elsewhere).unwrap();
    grow(&mut file, 1..40);
    fs::rename(&elsewhere, kit.inbox("shop-7").join("pos1.aif")).unwrap();
    fs::write(kit.inbox("shop-7").join("pos1.flz"), "").unwrap();
    kit.gone("shop-7", "pos1").await;
    let loaded = kit.newest();
    // A newer one of the same name, which is held.
    kit.deliver("shop-7", "pos1", &file_of(&[r#"{"command":"clearUnit"}"#.to_owned()]));
    let held = kit.not_taken("shop-7", "pos1").await;
    assert_eq!(held.state, LoadState::Held);
    grow(&mut file, 40..42);
    drop(file);
    running.stop().await;
    let grown = kit.newest();
    assert!(
        grown.id > held.id
            && crate::words::in_english(&grown.reason.unwrap()).contains(&format!("load {}", loaded.id.0))
    );
    let running = kit.start();
    let again = running.intake.approve_held(held.id, &AuditLine::any()).unwrap();
    assert_eq!((kit.ended(again).await.state, kit.objects(&kit.shop, "unit").len()), (LoadState::Ready, 0));
    // What was kept of the first one can be handed in.
    let again = running.intake.retry_refused(grown.id, &AuditLine::any()).unwrap();
    assert_eq!((kit.ended(again).await.state, kit.objects(&kit.shop, "unit").len()), (LoadState::Ready, 41));
    running.stop().await;
}

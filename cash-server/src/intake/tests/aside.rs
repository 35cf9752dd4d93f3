//! Refused loads: listed, tried again, dropped.

use super::rest::{array_of, call, load_of, send};
use super::*;
use crate::intake::{AsideError, cleaning};
use crate::store::intake::{LoadSource, LoadState};
use std::sync::atomic::{AtomicBool, Ordering};
use tillway_service::audit::AuditLine;

#[tokio::test(flavor = "multi_thread")]
async fn a_refused_body_is_tried_again_as_a_new_load_and_dropped_for_good() {
    let kit = Kit::new();
    let running = kit.start();
    let intake = &running.intake;
    let (_, answer) = send(intake, call("?dictionaryid=d-1", Some("7"), "[{\"command\":\"clearUnit\"}")).await;
    let first = kit.ended(load_of(&answer)).await;
    let refused = intake.refused(9).unwrap();
    assert_eq!((refused.len(), refused[0].load.id, refused[0].bytes), (1, first.id, first.bytes));
    assert!(crate::words::in_english(refused[0].load.reason.as_ref().unwrap()).contains("the whole load is refused"));
    let second = intake.retry_refused(first.id, &AuditLine::any()).unwrap();
    let again = kit.ended(second).await;
    assert_eq!((again.state, again.node), (LoadState::Error, kit.shop.clone()));
    assert!(matches!(again.source, LoadSource::Rest { retry_of: Some(of), .. } if of == first.id));
    assert_eq!(intake.refused(9).unwrap().iter().map(|one| one.load.id).collect::<Vec<_>>(), [second]);
    assert!(matches!(intake.retry_refused(first.id, &AuditLine::any()), Err(AsideError::Unknown { .. })));
    intake.drop_refused(second, &AuditLine::any()).unwrap();
    assert_eq!((intake.refused(9).unwrap(), names(&kit.settings.bad)), (vec![], vec![]));
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn poison_in_the_middle_is_set_aside_with_its_reason_and_loads_once_the_defect_is_mended() {
    let mut kit = Kit::new();
    let mended = Arc::new(AtomicBool::new(false));
    let (seen, poisonous) = (Arc::clone(&mended), kit.inbox("All").join("pos2.flz"));
    let body_waits = kit.settings.bodies.clone();
    Meddled::with(&mut kit, move || {
        let poison = poisonous.exists() || !names(&body_waits).is_empty();
        assert!(seen.load(Ordering::Relaxed) || !poison, "a defect, for the test");
    });
    for (base, age_s) in [("pos1", 30), ("pos2", 20), ("pos3", 10)] {
        kit.deliver("All", base, &file_of(&[unit(1, base)]));
        age(&kit.inbox("All").join(format!("{base}.flz")), age_s);
    }
    // The first one is loaded while the second is not there yet.
    fs::rename(kit.inbox("All").join("pos2.flz"), kit.inbox("All").join("later")).unwrap();
    let running = kit.start();
    kit.gone("All", "pos1").await;
    kit.gone("All", "pos3").await;
    fs::rename(kit.inbox("All").join("later"), kit.inbox("All").join("pos2.flz")).unwrap();
    kit.not_taken("All", "pos2").await;
    kit.deliver("All", "pos4", &file_of(&[unit(4, "next")]));
    kit.gone("All", "pos4.flz").await;
    let (_, answer) = send(&running.intake, call("", Some("7"), array_of(&[unit(7, "sent")]))).await;
    let sent = kit.ended(load_of(&answer)).await;
    assert_eq!((sent.state, sent.reason.is_some()), (LoadState::Error, true));
    let refused = running.intake.refused(9).unwrap();
    assert_eq!(refused.len(), 2, "{refused:?}");
    assert!(refused.iter().all(|one| crate::words::in_english(one.load.reason.as_ref().unwrap()).contains("defect")));
    let beside = format!("{}.reason.txt", refused[0].file.display());
    assert!(fs::read_to_string(beside).unwrap().contains("defect"));
    assert_eq!(refused[1].file, kit.inbox("All").join("pos2.aif"));
    mended.store(true, Ordering::Relaxed);
    for one in refused {
        let again = running.intake.retry_refused(one.load.id, &AuditLine::any()).unwrap();
        assert_eq!(kit.ended(again).await.state, LoadState::Ready);
    }
    assert_eq!(names(&kit.settings.bad), Vec::<String>::new());
    assert_eq!((kit.objects(&kit.chain, "unit").len(), kit.objects(&kit.shop, "unit").len()), (2, 1));
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refused_file_that_went_by_age_is_no_longer_looked_for_unless_its_folder_is_away() {
    let kit = Kit::new();
    let running = kit.start();
    for _ in 0..2 {
        let (_, answer) = send(&running.intake, call("", Some("8"), "[{}")).await;
        kit.ended(load_of(&answer)).await;
    }
    running.stop().await;
    let intake = kit.intake();
    fs::rename(&kit.settings.bad, kit.folder.path().join("away")).unwrap();
    assert_eq!((intake.forget_gone(9).unwrap(), kit.journal.refused(9).unwrap().len()), (0, 2));
    fs::rename(kit.folder.path().join("away"), &kit.settings.bad).unwrap();
    fs::remove_file(&intake.refused(9).unwrap()[1].file).unwrap();
    cleaning::clean(&intake, std::iter::empty(), SystemTime::now()).unwrap();
    let left: Vec<_> = kit.journal.refused(9).unwrap().into_iter().map(|load| load.id).collect();
    assert_eq!(left, [intake.refused(9).unwrap()[0].load.id]);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_gone_or_has_no_node_any_more_is_said_to_be_so() {
    let kit = Kit::new();
    let running = kit.start();
    let refuse = || async {
        let (_, answer) = send(&running.intake, call("", Some("8"), "[{}")).await;
        kit.ended(load_of(&answer)).await.id
    };
    let (gone, homeless) = (refuse().await, refuse().await);
    fs::remove_file(&running.intake.refused(9).unwrap()[1].file).unwrap();
    assert_eq!(running.intake.refused(9).unwrap().len(), 1);
    assert!(matches!(running.intake.retry_refused(gone, &AuditLine::any()), Err(AsideError::Gone { .. })));
    let shop = kit.network.current().unwrap().shop("8").unwrap().id.clone();
    kit.network.remove(&shop).unwrap();
    assert!(matches!(running.intake.retry_refused(homeless, &AuditLine::any()), Err(AsideError::NoNode { .. })));
    assert!(matches!(running.intake.drop_refused(LoadId(99), &AuditLine::any()), Err(AsideError::Unknown { .. })));
    running.stop().await;
}

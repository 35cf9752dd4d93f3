//! Loads that would take away too much: held, decided, replaced.

use super::rest::{array_of, call, load_of, send};
use super::*;
use crate::intake::{AsideError, UploadError};
use crate::store::intake::{Consent, LoadReason, LoadSource, LoadState, NewLoad};
use axum::http::StatusCode;
use tillway_service::audit::AuditLine;

const CLEAR: &str = r#"{"command":"clearInventory"}"#;

fn item(code: u32, name: &str) -> String {
    format!(
        r#"{{"command":"addInventItem","invent":{{"inventcode":"k{code}","name":"{name}","price":1,"barcode":"b{code}"}}}}"#
    )
}

fn full(codes: impl IntoIterator<Item = u32>, name: &str) -> Vec<String> {
    std::iter::once(CLEAR.to_owned()).chain(codes.into_iter().map(|code| item(code, name))).collect()
}

fn keys(kit: &Kit, kind: &str) -> Vec<String> {
    kit.objects(&kit.chain, kind).into_iter().map(|entry| entry.key).collect()
}

/// Name of each item, by its code.
fn name_of(kit: &Kit, code: &str) -> Option<String> {
    let found = kit.objects(&kit.chain, "item").into_iter().find(|entry| entry.key == code)?;
    let text = String::from_utf8_lossy(&found.body).into_owned();
    ["old", "new", "held"].into_iter().find(|name| text.contains(name)).map(str::to_owned)
}

impl Kit {
    /// A delivery whose flag has a text.
    fn deliver_with(&self, base: &str, text: &str, flag: &str) {
        let folder = self.inbox("All");
        fs::write(folder.join("upload.tmp"), text).unwrap();
        fs::rename(folder.join("upload.tmp"), folder.join(format!("{base}.aif"))).unwrap();
        self.flag_with(base, flag);
    }

    fn flag_with(&self, base: &str, flag: &str) {
        let folder = self.inbox("All");
        fs::write(folder.join("flag.tmp"), flag).unwrap();
        fs::rename(folder.join("flag.tmp"), folder.join(format!("{base}.flz"))).unwrap();
    }

    async fn filled(&self, codes: std::ops::Range<u32>) {
        self.deliver("All", "pos0", &file_of(&full(codes, "old")));
        self.gone("All", "pos0").await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_load_that_was_cut_at_a_record_is_held_and_the_same_file_again_is_no_consent() {
    let kit = Kit::new();
    let running = kit.start();
    kit.filled(0..100).await;
    let head = kit.dictionary.head().unwrap();
    let cut = file_of(&full([1], "held"));
    let mut last = None;
    for _ in 0..2 {
        kit.deliver("All", "pos1", &cut);
        let load = kit.not_taken("All", "pos1").await;
        assert_ne!(last, Some(load.id), "a new delivery");
        last = Some(load.id);
        assert_eq!((load.state, load.revision), (LoadState::Held, None));
        assert!(load.counts.deleted >= 198 && load.counts.changed == 1, "{:?}", load.counts);
        let reason = crate::words::in_english(&load.reason.unwrap());
        for part in
            ["99 of 100 item", "99 of 100 barcode", &format!("loads approve {}", load.id.0), "`approve` in the flag"]
        {
            assert!(reason.contains(part), "{part} is not in {reason}");
        }
        assert!(kit.error_text("All").unwrap().contains(&reason));
        assert_eq!((kit.dictionary.head().unwrap(), keys(&kit, "item").len()), (head, 100));
    }
    let held = running.intake.refused(9).unwrap();
    assert_eq!(held.iter().map(|one| Some(one.load.id)).collect::<Vec<_>>(), [last], "the first one is settled");
    assert!(matches!(running.intake.retry_refused(last.unwrap(), &AuditLine::any()), Err(AsideError::Held { .. })));
    assert!(matches!(running.intake.drop_refused(last.unwrap(), &AuditLine::any()), Err(AsideError::Held { .. })));
    // Another word is no yes either; the producer's own is.
    kit.flag_with("pos1", "ok");
    assert_eq!(kit.not_taken("All", "pos1").await.state, LoadState::Held);
    kit.flag_with("pos1", "\u{feff}Approve\r\n");
    kit.gone("All", "pos1").await;
    assert_eq!((kit.newest().state, keys(&kit, "item")), (LoadState::Ready, vec!["k1".to_owned()]));
    assert_eq!((kit.error_text("All"), running.intake.refused(9).unwrap()), (None, vec![]));
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn whatever_takes_too_much_of_one_kind_away_is_held_and_a_first_load_never_is() {
    let kit = Kit::new();
    let running = kit.start();
    let broken = || (0..30).map(|_| r#"{"command":"addUnit","unit":{"unitCode":"x","name":1}}"#.to_owned());
    // Into an empty layer, though it is half rejects.
    kit.deliver("All", "pos1", &file_of(&full(0..40, "old").into_iter().chain(broken()).collect::<Vec<_>>()));
    kit.gone("All", "pos1").await;
    let held = |records: Vec<String>| {
        let kit = &kit;
        async move {
            kit.deliver("All", "pos2", &file_of(&records));
            wait_for("the flag's end", || if kit.inbox("All").join("pos2.flz").exists() { Err(()) } else { Ok(()) })
                .await;
            kit.newest().state == LoadState::Held
        }
    };
    let delete = |codes: std::ops::Range<u32>| {
        codes.map(|code| format!(r#"{{"command":"deleteInventItem","inventcode":"k{code}"}}"#)).collect::<Vec<_>>()
    };
    assert!(!held(delete(0..20)).await, "half is not more than half");
    assert!(!held(delete(20..39)).await, "19 of 20 are fewer than twenty");
    assert!(held(delete(39..40)).await, "the last one is all");
    assert!(!held((0..60).map(|code| item(code, "old")).collect()).await);
    // All items are there, but none has its barcode any more.
    let bare =
        |code| format!(r#"{{"command":"addInventItem","invent":{{"inventcode":"k{code}","name":"old","price":1}}}}"#);
    assert!(held(std::iter::once(CLEAR.to_owned()).chain((0..60).map(bare)).collect()).await);
    assert!(held(broken().chain([unit(1, "piece")]).collect()).await, "rejects");
    // What is deleted and comes again in the same load is not taken away.
    assert!(!held(delete(0..60).into_iter().chain((0..60).map(|code| item(code, "new"))).collect()).await);
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_yes_that_comes_later_keeps_what_is_newer_also_what_was_deleted() {
    let kit = Kit::new();
    let running = kit.start();
    kit.filled(0..60).await;
    // Held: it names 0 to 9, changes them, adds 70 to 72 and deletes the rest.
    kit.deliver("All", "pos1", &file_of(&full((0..10).chain(70..73), "held")));
    let held = kit.not_taken("All", "pos1").await;
    assert_eq!(held.state, LoadState::Held);
    let newer = [
        item(1, "new"),
        r#"{"command":"deleteInventItem","inventcode":"k2"}"#.to_owned(),
        item(30, "new"),
        item(71, "new"),
        r#"{"command":"deleteInventItem","inventcode":"k40"}"#.to_owned(),
        r#"{"command":"addPrice","price":{"barcode":"b3","price":77,"doctype":1,"documentid":"1"}}"#.to_owned(),
    ];
    kit.deliver("All", "pos2", &file_of(&newer));
    kit.gone("All", "pos2").await;
    assert_eq!(running.intake.refused(9).unwrap().len(), 1, "a load that begins otherwise replaces nothing");
    let price_of_3 =
        || kit.objects(&kit.chain, "price").into_iter().find(|entry| entry.key.contains("b3")).map(|e| e.hash);
    let newer_price = price_of_3();
    assert!(newer_price.is_some());
    let again = running.intake.approve_held(held.id, &AuditLine::any()).unwrap();
    let load = kit.ended(again).await;
    assert_eq!((load.state, load.consent), (LoadState::Ready, Consent::Late(held.held.unwrap().at)));
    let expected = [
        ("k0", Some("held")),
        ("k1", Some("new")),
        ("k2", None),
        ("k3", Some("held")),
        ("k9", Some("held")),
        ("k10", None),
        ("k30", Some("new")),
        ("k40", None),
        ("k70", Some("held")),
        ("k71", Some("new")),
    ];
    for (code, name) in expected {
        assert_eq!(name_of(&kit, code).as_deref(), name, "{code}");
    }
    assert_eq!(price_of_3(), newer_price, "a price that came by itself since");
    let barcodes: Vec<String> =
        keys(&kit, "barcode").iter().filter_map(|key| Some(key.split_once('\u{1f}')?.0.to_owned())).collect();
    for (code, there) in [("b1", true), ("b2", false), ("b10", false), ("b30", true), ("b40", false), ("b70", true)] {
        assert_eq!(barcodes.iter().any(|key| key == code), there, "{code} {barcodes:?}");
    }
    let first = kit.journal.load(held.id).unwrap().unwrap();
    assert_eq!((first.state, first.reason), (LoadState::Error, Some(LoadReason::CarriedOut { load: again.0 }.into())));
    assert!(matches!(running.intake.approve_held(held.id, &AuditLine::any()), Err(AsideError::NotHeld { .. })));
    assert_eq!(names(&kit.inbox("All")), Vec::<String>::new(), "the file is taken");
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_producer_who_says_yes_to_the_file_that_is_held_overwrites_nothing_newer_and_with_a_new_file_does() {
    let kit = Kit::new();
    let running = kit.start();
    kit.filled(0..40).await;
    let cut = file_of(&full(0..2, "held"));
    for (base, anew, expected) in [("pos1", false, "new"), ("pos2", true, "held")] {
        kit.deliver("All", base, &cut);
        assert_eq!(kit.not_taken("All", base).await.state, LoadState::Held);
        kit.deliver("All", "pos9", &file_of(&[item(0, "new")]));
        kit.gone("All", "pos9").await;
        if anew {
            kit.deliver_with(base, &cut, "approve");
        } else {
            kit.flag_with(base, "approve");
        }
        kit.gone("All", base).await;
        assert_eq!(name_of(&kit, "k0").as_deref(), Some(expected), "{base}");
        kit.deliver_with("pos8", &file_of(&full(0..40, "old")), "approve");
        kit.gone("All", "pos8").await;
    }
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_yes_to_a_file_that_is_held_no_more_overwrites_nothing_newer_either() {
    for refused in [false, true] {
        let kit = Kit::new();
        let running = kit.start();
        kit.filled(0..40).await;
        kit.deliver("All", "pos1", &file_of(&full(0..2, "held")));
        let held = kit.not_taken("All", "pos1").await;
        if refused {
            running.intake.refuse_held(held.id, &AuditLine::any()).unwrap();
        }
        // Where it is still held, this takes its place.
        kit.deliver("All", "pos2", &file_of(&full(0..40, "new")));
        kit.gone("All", "pos2").await;
        assert_eq!(kit.journal.load(held.id).unwrap().unwrap().state, LoadState::Error);
        kit.flag_with("pos1", "approve");
        kit.gone("All", "pos1").await;
        assert_eq!((keys(&kit, "item").len(), name_of(&kit, "k0").as_deref()), (40, Some("new")), "{refused}");
        running.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_yes_counts_for_the_file_that_it_was_said_of_alone_also_after_a_crash() {
    let cut = file_of(&full(0..2, "held"));
    for (flag, expected) in [("", Consent::No), ("approve", Consent::Given)] {
        let kit = Kit::new();
        let running = kit.start();
        kit.filled(0..40).await;
        running.stop().await;
        // Taken in with a yes to a file that was held at revision 0; then the server ended, and
        // its producer wrote file and flag anew.
        let first = NewLoad {
            node: kit.chain.clone(),
            source: LoadSource::Folder(kit.inbox("All").join("pos1.aif")),
            bytes: 1,
            at: Timestamp::now(),
            watch: None,
            delivery: Some("1:2:3:4.000000000 1:3:0:4.000000000".to_owned()),
            consent: Consent::Late(Revision::ZERO),
        };
        let first = kit.journal.accept(&first).unwrap();
        kit.deliver_with("pos1", &cut, flag);
        let running = kit.start();
        let load = kit.ended(first).await;
        let is_held = expected == Consent::No;
        assert_eq!((load.consent, load.state == LoadState::Held), (expected, is_held), "{flag}");
        assert_eq!(keys(&kit, "item").len(), if is_held { 40 } else { 2 });
        running.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_yes_to_a_file_that_was_held_too_long_ago_has_it_held_anew() {
    let kit = Kit::new();
    let running = kit.start();
    kit.filled(0..40).await;
    kit.deliver("All", "pos1", &file_of(&full(0..2, "held")));
    let first = kit.not_taken("All", "pos1").await;
    kit.deliver("All", "pos9", &file_of(&[item(0, "new")]));
    kit.gone("All", "pos9").await;
    let head = kit.dictionary.head().unwrap();
    while !kit.dictionary.prune(head, 1_000).unwrap().done {}
    assert!(matches!(running.intake.approve_held(first.id, &AuditLine::any()), Err(AsideError::TooOld { .. })));
    kit.flag_with("pos1", "approve");
    let second = kit.not_taken("All", "pos1").await;
    assert_eq!((second.state, second.consent), (LoadState::Held, Consent::No));
    assert!(second.id > first.id);
    assert_eq!((keys(&kit, "item").len(), name_of(&kit, "k0").as_deref()), (40, Some("new")));
    // What it would do is known now.
    kit.flag_with("pos1", "approve");
    kit.gone("All", "pos1").await;
    assert_eq!(keys(&kit, "item").len(), 2);
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_newer_load_with_the_same_clear_replaces_the_held_one_and_one_that_fails_does_not() {
    let kit = Kit::new();
    let running = kit.start();
    kit.filled(0..40).await;
    let state = |load: LoadId| kit.journal.load(load).unwrap().unwrap().state;
    kit.deliver("All", "pos1", &file_of(&full(0..2, "held")));
    let first = kit.not_taken("All", "pos1").await.id;
    kit.deliver("All", "pos2", &format!("{CLEAR}\n---\n{{"));
    assert_eq!((kit.not_taken("All", "pos2").await.state, state(first)), (LoadState::Error, LoadState::Held));
    kit.deliver("All", "pos3", &file_of(&[r#"{"command":"clearUnit"}"#.to_owned(), unit(1, "piece")]));
    kit.gone("All", "pos3").await;
    assert_eq!(state(first), LoadState::Held, "another clear");
    kit.deliver("shop-7", "pos3", &file_of(&full(0..2, "new")));
    kit.gone("shop-7", "pos3").await;
    assert_eq!(state(first), LoadState::Held, "another layer");
    kit.deliver("All", "pos4", &file_of(&full(0..3, "held")));
    let second = kit.not_taken("All", "pos4").await.id;
    assert_eq!((state(first), state(second)), (LoadState::Error, LoadState::Held));
    let reason = kit.journal.load(first).unwrap().unwrap().reason.unwrap();
    assert!(crate::words::in_english(&reason).contains(&format!("load {} is newer", second.0)));
    kit.deliver("All", "pos5", &file_of(&full(0..40, "new")));
    kit.gone("All", "pos5").await;
    assert_eq!(state(second), LoadState::Error);
    assert!(matches!(running.intake.approve_held(second, &AuditLine::any()), Err(AsideError::NotHeld { .. })));
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_held_load_is_replaced_before_the_end_of_the_newer_one_is_noted() {
    let mut kit = Kit::new();
    kit.settings.scan_period = Duration::from_millis(50);
    let running = kit.start();
    kit.filled(0..40).await;
    kit.deliver("All", "pos1", &file_of(&full(0..2, "held")));
    let held = kit.not_taken("All", "pos1").await.id;
    // The end cannot be noted, as where the server ends before it.
    let database = rusqlite::Connection::open(kit.folder.path().join("intake.db")).unwrap();
    let no_end = "CREATE TRIGGER no_end BEFORE UPDATE OF ended_at ON load BEGIN SELECT RAISE(ABORT, 'no end'); END";
    database.execute_batch(no_end).unwrap();
    kit.deliver("All", "pos2", &file_of(&full(0..40, "new")));
    wait_for("its end", || match kit.journal.load(held).unwrap().unwrap().state {
        LoadState::Error => Ok(()),
        other => Err(other),
    })
    .await;
    database.execute_batch("DROP TRIGGER no_end").unwrap();
    kit.gone("All", "pos2").await;
    assert_eq!(kit.newest().state, LoadState::Ready);
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_is_held_with_its_yes_in_a_parameter_and_a_held_one_survives_a_restart() {
    let kit = Kit::new();
    let running = kit.start();
    let body = |codes: std::ops::Range<u32>| array_of(&full(codes, "old"));
    let sent = |query: &'static str, body: String| {
        let (kit, intake) = (&kit, Arc::clone(&running.intake));
        async move {
            let (status, answer) = send(&intake, call(query, Some("All"), body)).await;
            assert_eq!(status, StatusCode::OK, "{answer}");
            kit.ended(load_of(&answer)).await
        }
    };
    assert_eq!(sent("", body(0..40)).await.state, LoadState::Ready);
    assert_eq!(sent("?approve=no", body(0..2)).await.state, LoadState::Held);
    assert_eq!(sent("?Approve=true", body(0..3)).await.state, LoadState::Ready);
    assert_eq!(sent("", body(0..40)).await.state, LoadState::Ready);
    let held = sent("", body(0..4)).await;
    assert_eq!(held.status(), tillway_proto::ExchangeStatus::Error);
    running.stop().await;
    let running = kit.start();
    let again = running.intake.approve_held(held.id, &AuditLine::any()).unwrap();
    assert_eq!((kit.ended(again).await.state, keys(&kit, "item").len()), (LoadState::Ready, 4));
    let (_, answer) = send(&running.intake, call("", Some("All"), array_of(&[CLEAR.to_owned()]))).await;
    let held = kit.ended(load_of(&answer)).await;
    running.intake.refuse_held(held.id, &AuditLine::any()).unwrap();
    let refused = kit.journal.load(held.id).unwrap().unwrap();
    assert_eq!((refused.state, refused.reason), (LoadState::Error, Some(LoadReason::RefusedByPerson.into())));
    assert_eq!((running.intake.refused(9).unwrap(), names(&kit.settings.bad)), (vec![], vec![]));
    assert_eq!(keys(&kit, "item").len(), 4);
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_a_person_sends_is_held_whatever_it_does_and_is_carried_out_after_a_yes() {
    let kit = Kit::new();
    let running = kit.start();
    let send = async |text: &[u8]| {
        let mut upload = running.intake.begin_upload(kit.chain.clone(), running.intake.upload_place()?).await?;
        for part in text.chunks(100) {
            upload.push(part).await?;
        }
        upload.accept("prices.aif", AuditLine::any()).await
    };
    // A file of lines and a body, into an empty layer and into one that holds something.
    for (text, of_three) in [
        (file_of(&[item(1, "old"), item(2, "old"), item(3, "old")]), [6, 0]),
        (format!("\u{feff} [{}]", [item(1, "new"), item(4, "new")].join(",")), [2, 1]),
    ] {
        let before = keys(&kit, "item");
        let load = kit.ended(send(text.as_bytes()).await.unwrap()).await;
        assert_eq!((load.state, load.consent), (LoadState::Held, Consent::AskFirst));
        assert_eq!([load.counts.added, load.counts.changed], of_three, "{:?}", load.counts);
        assert_eq!(keys(&kit, "item"), before, "nothing has changed yet");
        let reason = crate::words::in_english(&load.reason.unwrap());
        assert!(reason.contains("to see first what it would do"), "{reason}");
        assert!(reason.contains("new, for example: item k"), "{reason}");
        assert_eq!(reason.contains("changed, for example: item k1: name old → new"), of_three[1] == 1, "{reason}");
        let done = running.intake.approve_held(load.id, &AuditLine::any()).unwrap();
        assert_eq!(kit.ended(done).await.state, LoadState::Ready);
    }
    assert_eq!(keys(&kit, "item"), ["k1", "k2", "k3", "k4"]);
    assert_eq!(name_of(&kit, "k1").as_deref(), Some("new"));
    // What changes nothing needs no yes; what is empty is no file, and what is none fails by
    // itself.
    let same = kit.ended(send(file_of(&[item(1, "new")]).as_bytes()).await.unwrap()).await;
    assert_eq!((same.state, same.revision), (LoadState::Ready, None));
    assert!(matches!(send(b" \r\n").await, Err(UploadError::UploadEmpty)));
    let picture = kit.ended(send(b"GIF89a, a picture").await.unwrap()).await;
    assert_eq!((picture.state, picture.revision), (LoadState::ReadyWithErrors, None));
    assert!(matches!(send(b"[\xff\xfe]").await, Err(UploadError::UploadEncoding { .. })));
    let left = fs::read_dir(&kit.settings.bodies).unwrap().count();
    assert_eq!(left, 0, "what was not accepted leaves nothing, and what was is done with");
    running.stop().await;
}

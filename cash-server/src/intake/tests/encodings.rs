//! Files and bodies that are not UTF-8.

use super::rest::{array_of, call, load_of, send};
use super::*;
use crate::store::intake::LoadState;
use axum::body::Body;
use axum::http::{HeaderValue, Request, StatusCode, header};
use encoding_rs::{IBM866, WINDOWS_1251};
use tillway_service::audit::AuditLine;

const NAMES: [&str; 3] = ["штука", "килограмм", "УПАКОВКА"];

fn russian() -> Vec<String> {
    (1..).zip(NAMES).map(|(code, name)| unit(code, name)).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_is_not_utf8_is_refused_whole_and_told_what_it_looks_like() {
    let kit = Kit::new();
    let running = kit.start();
    kit.deliver("All", "pos0", &file_of(&[unit(1, "piece"), unit(2, "kg")]));
    kit.gone("All", "pos0").await;
    let before = kit.objects(&kit.chain, "unit");
    let clearing = [vec![r#"{"command":"clearUnit"}"#.to_owned()], russian()].concat();
    let text = file_of(&clearing);
    let stray = text.find("килограмм").unwrap();
    let damaged = [&text.as_bytes()[..stray], b"\xff", &text.as_bytes()[stray..]].concat();
    for (base, bytes, told) in [
        ("pos1", WINDOWS_1251.encode(&text).0.into_owned(), "looks like windows-1251".to_owned()),
        ("pos2", IBM866.encode(&text).0.into_owned(), "looks like cp866".to_owned()),
        (
            "pos3",
            text.encode_utf16().flat_map(u16::to_le_bytes).collect(),
            "looks like UTF-16, little-endian".to_owned(),
        ),
        // One broken byte in one record of many.
        ("pos4", damaged, format!("damaged or cut at byte {stray}:")),
    ] {
        kit.deliver("All", base, &bytes);
        let load = kit.not_taken("All", base).await;
        let reason = crate::words::in_english(&load.reason.unwrap());
        assert!(load.state == LoadState::Error && reason.contains(&told), "{base}: {reason}");
        let file = kit.error_text("All").unwrap();
        assert!(file.contains(&format!("{base}.aif")) && file.contains(&reason), "{file}");
    }
    assert_eq!(kit.objects(&kit.chain, "unit"), before);
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_folder_may_have_another_encoding_and_a_rejected_record_is_kept_as_text() {
    let mut kit = Kit::new();
    kit.settings.encodings.insert(kit.inbox("shop-7"), WINDOWS_1251);
    let running = kit.start();
    let broken = r#"{"command":"addUnit","unit":{"unitCode":"семь","name":"пачка"}}"#.to_owned();
    let text = file_of(&[russian(), vec![broken.clone(), unit(9, "ящик")]].concat());
    kit.deliver("shop-7", "pos1", &WINDOWS_1251.encode(&text).0);
    kit.deliver("shop-8", "pos1", &text);
    kit.gone("shop-7", "pos1").await;
    kit.gone("shop-8", "pos1").await;
    let other = kit.network.current().unwrap().shop("8").unwrap().id.clone();
    let loaded = kit.objects(&kit.shop, "unit");
    assert_eq!((loaded.len(), &loaded), (4, &kit.objects(&other, "unit")));
    let kept: Vec<String> = names(&kit.settings.bad)
        .into_iter()
        .map(|name| fs::read_to_string(kit.settings.bad.join(name)).unwrap())
        .collect();
    assert_eq!((kept.len(), &kept[0]), (2, &kept[1]));
    assert!(kept[0].ends_with(&format!("\n{broken}\n---\n")), "{}", kept[0]);
    // The settings say so, but this one is UTF-8: no names of nonsense.
    kit.deliver("shop-7", "pos2", &file_of(&russian()));
    let reason = crate::words::in_english(&kit.not_taken("shop-7", "pos2").await.reason.unwrap());
    assert!(reason.contains("not windows-1251") && reason.contains("looks like UTF-8"), "{reason}");
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refused_file_is_tried_again_in_the_encoding_that_the_settings_name_by_then() {
    let mut kit = Kit::new();
    let running = kit.start();
    kit.deliver("All", "pos1", &WINDOWS_1251.encode(&file_of(&russian())).0);
    let refused = kit.not_taken("All", "pos1").await;
    running.stop().await;
    kit.settings.encoding = WINDOWS_1251;
    let running = kit.start();
    let again = running.intake.retry_refused(refused.id, &AuditLine::any()).unwrap();
    let load = kit.ended(again).await;
    assert_eq!((load.state, load.counts.added), (LoadState::Ready, 3), "{:?}", load.reason);
    running.stop().await;
}

fn of_type(content_type: &str, body: impl Into<Body>) -> Request<Body> {
    let mut request = call("", Some("7"), body);
    request.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_str(content_type).unwrap());
    request
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_is_read_in_the_charset_of_its_type_and_refused_at_once_where_it_is_another() {
    let kit = Kit::new();
    let running = kit.start();
    let text = array_of(&russian());
    let in_1251 = WINDOWS_1251.encode(&text).0.into_owned();
    let request = of_type("application/json; charset=\"Windows-1251\"", in_1251.clone());
    let (status, answer) = send(&running.intake, request).await;
    assert_eq!(status, StatusCode::OK, "{answer}");
    let load = kit.ended(load_of(&answer)).await;
    assert_eq!((load.state, load.counts.added), (LoadState::Ready, 3), "{:?}", load.reason);
    let loaded = kit.objects(&kit.shop, "unit");
    let (_, answer) = send(&running.intake, of_type("application/json; charset=utf-8", text.clone())).await;
    assert_eq!(kit.ended(load_of(&answer)).await.counts.unchanged, 3);
    let damaged = [&text.as_bytes()[..40], b"\xff", &text.as_bytes()[40..]].concat();
    for (content_type, body, told) in [
        ("application/json", in_1251.clone(), "looks like windows-1251"),
        ("application/json", damaged, "damaged or cut at byte "),
        ("application/json; charset=windows-1251", text.clone().into_bytes(), "looks like UTF-8"),
        ("application/json; charset=martian", text.into_bytes(), "`martian`"),
    ] {
        let (status, answer) = send(&running.intake, of_type(content_type, body)).await;
        let error = answer["error"].as_str().unwrap_or_default();
        assert!(status == StatusCode::UNSUPPORTED_MEDIA_TYPE && error.contains(told), "{told}: {status} {answer}");
    }
    assert_eq!(kit.objects(&kit.shop, "unit"), loaded);
    running.stop().await;
}

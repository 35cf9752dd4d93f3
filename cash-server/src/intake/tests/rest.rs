use super::*;
use crate::intake::rest::{AifRest, PATH, router};
use crate::settings::credentials::Credentials;
use crate::store::intake::{LoadSource, LoadState};
use axum::body::{Body, Bytes, to_bytes};
use axum::http::{Request, StatusCode, header};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use futures_util::{StreamExt as _, stream};
use serde_json::Value;
use tower::ServiceExt as _;

pub(super) fn array_of(records: &[String]) -> String {
    format!("[\n{}\n]", records.join(",\n"))
}

fn credentials() -> Credentials {
    Credentials::new("backoffice", "secret")
}

/// A call as a back office makes it, and what it says of the shop.
pub(super) fn call(query: &str, shop_header: Option<&str>, body: impl Into<Body>) -> Request<Body> {
    let authorization = format!("Basic {}", STANDARD.encode("backoffice:secret"));
    let mut request = Request::post(format!("{PATH}{query}"))
        .header(header::AUTHORIZATION, authorization)
        .header(header::CONTENT_TYPE, "application/json");
    if let Some(shop) = shop_header {
        request = request.header("shopcode", shop);
    }
    request.body(body.into()).unwrap()
}

pub(super) async fn send(intake: &Arc<Intake>, request: Request<Body>) -> (StatusCode, Value) {
    let state = AifRest { intake: Arc::clone(intake), credentials: credentials(), guesses: Arc::default() };
    let response = router(state).oneshot(request).await.unwrap();
    let status = response.status();
    let bytes = to_bytes(response.into_body(), 64 * 1024).await.unwrap();
    (status, serde_json::from_slice(&bytes).unwrap())
}

pub(super) fn load_of(answer: &Value) -> LoadId {
    assert_eq!(answer["success"], Value::Bool(true), "{answer}");
    LoadId(answer["loadid"].as_i64().unwrap())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_and_a_file_with_the_same_records_make_equal_layers() {
    let kit = Kit::new();
    let running = kit.start();
    let item = r#"{"command":"addInventItem","invent":{"inventcode":"5","name":"tea","price":"12.50","barcode":"460",
                   "barcodes":[{"barcode":"461"}],"own":{"b":1,"a":"---"}}}"#;
    let records = [r#"{"command":"clearInventory"}"#.to_owned(), unit(796, "шт"), item.to_owned()];
    kit.deliver("shop-7", "pos1", &file_of(&records));
    let body = array_of(&records);
    let pieces: Vec<_> =
        body.as_bytes().chunks(7).map(|piece| Ok::<_, io::Error>(Bytes::copy_from_slice(piece))).collect();
    let streamed = Body::from_stream(stream::iter(pieces));
    let (status, answer) = send(&running.intake, call("?ShopCode=8&dictionaryid=d-1", None, streamed)).await;
    assert_eq!(status, StatusCode::OK);
    let load = kit.ended(load_of(&answer)).await;
    assert_eq!((load.state, load.counts.rejected), (LoadState::Ready, 0), "{load:?}");
    assert!(matches!(&load.source, LoadSource::Rest { dictionary_id: Some(id), .. } if id == "d-1"));
    kit.gone("shop-7", "pos1").await;
    let other = kit.network.current().unwrap().shop("8").unwrap().id.clone();
    for kind in ["unit", "item", "barcode"] {
        let (filed, sent) = (kit.objects(&kit.shop, kind), kit.objects(&other, kind));
        assert!(!filed.is_empty(), "{kind}");
        assert_eq!(filed, sent, "{kind}");
    }
    wait_for("the body's end", || match names(&kit.settings.bodies) {
        names if names.is_empty() => Ok(()),
        names => Err(names),
    })
    .await;
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_accepted_body_survives_a_restart() {
    let kit = Kit::new();
    let (_, answer) = send(&kit.intake(), call("", Some("7"), array_of(&[unit(1, "piece")]))).await;
    let id = load_of(&answer);
    // The process dies in the middle of the load.
    kit.journal.begin(id, Timestamp::now()).unwrap();
    fs::write(kit.settings.bodies.join(".half.part"), "[").unwrap();
    let running = kit.start();
    let load = kit.ended(id).await;
    assert_eq!((load.state, load.counts.added), (LoadState::Ready, 1));
    wait_for("the bodies' end", || match names(&kit.settings.bodies) {
        names if names.is_empty() => Ok(()),
        names => Err(names),
    })
    .await;
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_taken_is_refused_with_what_to_do() {
    let mut kit = Kit::new();
    kit.settings.max_body_bytes = 100;
    let intake = kit.intake();
    let long = array_of(&[unit(1, &"x".repeat(100))]);
    let endless = Body::from_stream(stream::iter((0..50).map(|_| Ok::<_, io::Error>(Bytes::from_static(b"[  ")))));
    let cut_off = Body::from_stream(stream::iter([Ok(Bytes::from_static(b"[")), Err(io::Error::other("gone"))]));
    let mut stranger = call("", Some("7"), "[]");
    stranger
        .headers_mut()
        .insert(header::AUTHORIZATION, format!("Basic {}", STANDARD.encode("backoffice:x")).parse().unwrap());
    let mut nobody = call("", Some("7"), "[]");
    nobody.headers_mut().remove(header::AUTHORIZATION);
    for (request, status, part) in [
        (stranger, StatusCode::UNAUTHORIZED, "HTTP Basic"),
        (nobody, StatusCode::UNAUTHORIZED, "HTTP Basic"),
        (call("", Some("70"), "[]"), StatusCode::NOT_FOUND, "no shop `70`"),
        (call("", None, "[]"), StatusCode::BAD_REQUEST, "`shopcode`"),
        (call("", Some("7"), " {\"command\":\"clearUnit\"}"), StatusCode::BAD_REQUEST, "JSON array"),
        (call("", Some("7"), ""), StatusCode::BAD_REQUEST, "JSON array"),
        (call("", Some("7"), cut_off), StatusCode::BAD_REQUEST, "cut off"),
        (call("", Some("7"), long), StatusCode::PAYLOAD_TOO_LARGE, "larger than 100 bytes"),
        (call("", Some("7"), endless), StatusCode::PAYLOAD_TOO_LARGE, "larger than 100 bytes"),
    ] {
        let (found, answer) = send(&intake, request).await;
        assert_eq!((found, &answer["success"]), (status, &Value::Bool(false)), "{answer}");
        assert!(answer["error"].as_str().unwrap().contains(part), "{answer}");
    }
    assert_eq!(names(&kit.settings.bodies), Vec::<String>::new());
    assert_eq!(kit.journal.recent(1).unwrap(), []);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_packed_or_in_another_encoding_is_refused_with_what_to_do() {
    let kit = Kit::new();
    let intake = kit.intake();
    let mut packed = call("", Some("7"), &b"\x1f\x8b"[..]);
    packed.headers_mut().insert(header::CONTENT_ENCODING, "gzip".parse().unwrap());
    for (request, part) in [
        (packed, "without Content-Encoding"),
        (call("", Some("7"), &b"\x1f\x8b\x08\0"[..]), "gzip"),
        (call("", Some("7"), &b"\xff\xfe[\0]\0"[..]), "UTF-8"),
        (call("", Some("7"), &b"[\0]\0"[..]), "UTF-8"),
        (call("", Some("7"), &b"PK\x03\x04"[..]), "unpacked"),
    ] {
        let (status, answer) = send(&intake, request).await;
        assert_eq!(status, StatusCode::UNSUPPORTED_MEDIA_TYPE, "{answer}");
        assert!(answer["error"].as_str().unwrap().contains(part), "{answer}");
    }
    assert_eq!(names(&kit.settings.bodies), Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sender_that_falls_silent_or_dribbles_gives_its_place_back() {
    let mut kit = Kit::new();
    kit.settings.body_idle = Duration::from_millis(20);
    let silent =
        Body::from_stream(stream::iter([Ok::<_, io::Error>(Bytes::from_static(b"["))]).chain(stream::pending()));
    let (status, answer) = send(&kit.intake(), call("", Some("7"), silent)).await;
    assert_eq!((status, answer["success"].as_bool()), (StatusCode::REQUEST_TIMEOUT, Some(false)), "{answer}");
    kit.settings.body_idle = PATIENCE;
    (kit.settings.body_grace, kit.settings.body_rate) = (Duration::ZERO, 1 << 50);
    let dribble = Body::from_stream(stream::repeat_with(|| Ok::<_, io::Error>(Bytes::from_static(b"[ "))));
    let intake = kit.intake();
    let (status, answer) = send(&intake, call("", Some("7"), dribble)).await;
    assert_eq!(status, StatusCode::REQUEST_TIMEOUT, "{answer}");
    assert!(answer["error"].as_str().unwrap().contains("slower than"), "{answer}");
    assert_eq!(intake.uploads.available_permits(), crate::intake::rest::MAX_UPLOADS);
    assert_eq!(names(&kit.settings.bodies), Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_whose_json_ends_early_is_refused_whole() {
    let kit = Kit::new();
    let running = kit.start();
    let body = array_of(&[unit(1, "piece"), unit(2, "kg")]);
    let (_, answer) = send(&running.intake, call("", Some("7"), body[..body.len() - 10].to_owned())).await;
    let load = kit.ended(load_of(&answer)).await;
    assert_eq!((load.state, load.counts.added), (LoadState::Error, 0));
    assert_eq!(kit.objects(&kit.shop, "unit"), []);
    assert_eq!(names(&kit.settings.bad).len(), 1);
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_status_server_that_is_not_allowed_costs_no_load() {
    let mut kit = Kit::new();
    kit.settings.status_server_allow = vec!["erp.example".to_owned()];
    let intake = kit.intake();
    let query = "?shopcode=7&addressstatusserver=10.0.0.1:80";
    let (status, answer) = send(&intake, call(query, None, "[]")).await;
    assert_eq!(status, StatusCode::OK);
    assert!(answer["warning"].as_str().unwrap().contains("told to nobody"), "{answer}");
    let query = "?shopcode=7&addressstatusserver=erp.example:80";
    let (_, answer) = send(&intake, call(query, None, "[]")).await;
    assert_eq!(answer.get("warning"), None);
    assert_eq!(kit.journal.open_watches(0, 9).unwrap().len(), 1);
}

/// Takes the folder of refused files away, so that nothing can be put there.
fn close_bad(kit: &Kit) {
    fs::remove_dir(&kit.settings.bad).unwrap();
    fs::write(&kit.settings.bad, "").unwrap();
}

fn open_bad(kit: &Kit) {
    fs::remove_file(&kit.settings.bad).unwrap();
    fs::create_dir(&kit.settings.bad).unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn an_accepted_body_that_is_given_up_stays_until_a_copy_of_it_is_kept() {
    let kit = Kit::new();
    let intake = kit.intake();
    let load = load_of(&send(&intake, call("", Some("8"), array_of(&[unit(1, "piece")]))).await.1);
    let shop = kit.network.current().unwrap().shop("8").unwrap().id.clone();
    kit.network.remove(&shop).unwrap();
    close_bad(&kit);
    let running = Running::start(intake);
    let waits = crate::words::in_english(&wait_for("the reason", || kit.newest().reason.ok_or(())).await);
    assert!(waits.contains("no longer in the network") && waits.contains("cannot be put aside"), "{waits}");
    assert_eq!((names(&kit.settings.bodies).len(), kit.newest().state), (1, LoadState::Queued));
    open_bad(&kit);
    let ended = kit.ended(load).await;
    assert_eq!(ended.state, LoadState::Error);
    let kept = fs::read_to_string(kit.settings.bad.join(ended.aside.unwrap())).unwrap();
    assert!(kept.contains("piece"), "{kept}");
    running.stop().await;
    assert_eq!(names(&kit.settings.bodies), Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refused_body_that_cannot_be_put_aside_is_kept_beside_and_put_there_at_the_next_start() {
    let kit = Kit::new();
    let intake = kit.intake();
    let load = load_of(&send(&intake, call("", Some("7"), "[{\"command\":")).await.1);
    close_bad(&kit);
    let running = Running::start(intake);
    assert_eq!(kit.ended(load).await.state, LoadState::Error);
    running.stop().await;
    let left = names(&kit.settings.bodies);
    assert!(left.len() == 1 && left[0].ends_with(".json.bad"), "{left:?}");
    open_bad(&kit);
    drop(kit.intake());
    assert_eq!((names(&kit.settings.bodies).len(), names(&kit.settings.bad).len()), (0, 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn two_shops_in_one_call_are_refused_and_the_same_one_twice_is_not() {
    let kit = Kit::new();
    let intake = kit.intake();
    for (query, header) in [("?shopcode=8", Some("7")), ("?shopcode=7&ShopCode=8", None), ("?shopcode=07", Some("7"))] {
        let (status, answer) = send(&intake, call(query, header, "[]")).await;
        assert_eq!((status, answer["success"].as_bool()), (StatusCode::BAD_REQUEST, Some(false)), "{query}: {answer}");
        assert!(answer["error"].as_str().unwrap().contains("two shops are named"), "{answer}");
    }
    let (_, answer) = send(&intake, call("?shopcode=7", Some(" 7 "), "[]")).await;
    assert_eq!(kit.journal.load(load_of(&answer)).unwrap().unwrap().node, kit.shop);
    let (_, answer) = send(&intake, call("?shopcode=", Some("8"), "[]")).await;
    load_of(&answer);
}

mod aside;
mod attach;
mod audit;
mod bulk;
mod forms;
mod goods;
mod load_files;
mod local;
mod named_receipts;
mod packages_of_tills;
mod pages;
mod people;
mod report;
mod rights;
mod sales;
mod server;
mod settings;
mod views;
mod watch;

use super::*;
use crate::app::{AppParts, Keep, everything, manages_people};
use crate::aside::{Aside, LastShown};
use crate::backup::{BackupParts, Backups};
use crate::certificates::Certificates;
use crate::dictionary::DictionaryService;
use crate::exchange::addresses::PublicAddresses;
use crate::exchange::broker::{Broker, Owner};
use crate::exchange::service::{ExchangeParts, ExchangeService};
use crate::exchange::{Codes, Reports};
use crate::hints::Hints;
use crate::intake::{Intake, IntakeSettings};
use crate::network::NetworkService;
use crate::packages::{PackageFolder, PackageService};
use crate::peer_keys::PeerKeys;
use crate::settings::credentials::Credentials;
use crate::settings::proof_key::ProofKey;
use crate::settings::{BackupPlace, BackupSettings, Settings};
use crate::store::audit::AuditLog;
use crate::store::exchange::ExchangeStore;
use crate::store::intake::LoadJournal;
use crate::store::sales::SalesStore;
use crate::store::sqlite::dictionary::DictionaryDb;
use crate::store::sqlite::exchange::SqliteExchange;
use crate::store::sqlite::goods::GoodsDb;
use crate::store::sqlite::intake::IntakeDb;
use crate::store::sqlite::packages::PackageDb;
use crate::store::sqlite::people::PeopleDb;
use crate::store::sqlite::sales::SqliteSales;
use crate::store::{ServerId, Stores};
use axum::body::{Body, to_bytes};
use axum::http::{Request, StatusCode, header};
use base64::Engine as _;
use serde_json::{Value, json};
use std::path::Path;
use tempfile::TempDir;
use tillway_proto::TillId;
use tillway_proto::process::KeptLog;
use tillway_service::actor::Caller;
use tillway_service::background::Background;
use tillway_service::people::{Cost, People};
use tower::ServiceExt as _;

struct Server {
    folder: TempDir,
    router: Router,
    local: Router,
    page: Router,
    people: People,
    log: KeptLog,
    background: Background,
    network: NetworkService,
    reports: Reports,
    exchange_db: Arc<SqliteExchange>,
    journal: Arc<dyn LoadJournal>,
    sales: Arc<dyn SalesStore>,
}

impl Server {
    fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        let settings = Settings::read("", Path::new("/"), []).unwrap();
        let dictionary = Arc::new(DictionaryDb::open(&at("dictionary.db")).unwrap());
        let network = NetworkService::new(dictionary.clone());
        network.ensure_chain(&"chain".parse().unwrap(), "Chain").unwrap();
        let packages = PackageService::new(
            dictionary.clone(),
            Arc::new(PackageDb::open(&at("packages.db")).unwrap()),
            Arc::new(PackageFolder::open(at("packages")).unwrap()),
            ProofKey::of([7; 32]),
        )
        .unwrap();
        let sales: Arc<dyn SalesStore> = Arc::new(SqliteSales::open(&at("sales.db"), ServerId::ALONE).unwrap());
        let (hints, clocks) = (Hints::default(), Arc::<crate::exchange::clock::Clocks>::default());
        let exchange_db = Arc::new(SqliteExchange::open(&at("exchange.db")).unwrap());
        let store: Arc<dyn ExchangeStore> = exchange_db.clone();
        let keys = PeerKeys::open(folder.path()).unwrap();
        let exchange = ExchangeService::new(ExchangeParts {
            store: Arc::clone(&store),
            network: network.clone(),
            dictionary: DictionaryService::new(dictionary.clone()),
            sales: Arc::clone(&sales),
            broker: Broker::new(settings.broker.clone(), Owner::new(uuid::Uuid::nil(), "shop", "host"), hints.clone()),
            settings: settings.exchange,
            addresses: PublicAddresses::new(&settings, 8080, 10001),
            clocks: Arc::clone(&clocks),
            codes: Arc::new(Codes::new(keys.clone())),
            hints: hints.clone(),
        });
        let journal: Arc<dyn LoadJournal> = Arc::new(IntakeDb::open(&at("intake.db"), ServerId::ALONE).unwrap());
        let (events, _) = tokio::sync::mpsc::channel(8);
        let reports = Reports {
            store: Arc::clone(&store),
            network: network.clone(),
            packages: packages.clone(),
            silent_after: settings.exchange.silent_after,
            clocks: Arc::clone(&clocks),
            // Tests report without codes, as tills of before do.
            codes: Arc::new(Codes::new(PeerKeys::open(&at("no-keys")).unwrap())),
            hints: hints.clone(),
            events,
        };
        let taken =
            IntakeSettings { stray_after: std::time::Duration::ZERO, ..IntakeSettings::in_folder(folder.path()) };
        let intake = Intake::new(taken, dictionary.clone(), Arc::clone(&journal), hints.clone());
        let people_db = Arc::new(PeopleDb::open(&at("people.db")).unwrap());
        let limits = settings.people.sessions;
        let people = People::new(people_db.clone(), limits, Cost::Least, manages_people).unwrap();
        people.take_over(&"admin".parse().unwrap(), &everything(), "secret", false).unwrap();
        let audit: Vec<Arc<dyn AuditLog>> =
            vec![dictionary.clone(), journal.clone(), exchange_db.clone(), sales.clone(), people_db.clone()];
        let background = Background::default();
        let backups = Backups::open(BackupParts {
            stores: Stores::open(folder.path()).unwrap(),
            data_dir: folder.path().to_owned(),
            settings_file: None,
            settings: BackupSettings {
                place: BackupPlace::Folder(folder.path().join("backups")),
                ..settings.backup.clone()
            },
            server: settings.name.clone(),
            key: crate::backup::key::load_or_make(folder.path()).unwrap(),
            reserve: crate::reserve::DiskReserve::new(0),
        });
        let settings = Settings { data_dir: folder.path().to_owned(), ..settings };
        let certificates = Certificates::open(&settings, Arc::new(jiff::Timestamp::now)).unwrap();
        let log = KeptLog::default();
        let app = App::new(AppParts {
            databases: Stores::open(folder.path()).unwrap().databases,
            keeps: vec![Keep { what: "receipts", setting: "retention.sales_days", days: None, bytes: None }],
            log: log.clone(),
            backups: backups.unwrap(),
            audit,
            network: network.clone(),
            keys,
            dictionary: exchange.dictionary(),
            goods: Arc::new(GoodsDb::open(&at("goods_search.db")).unwrap()),
            journal: Arc::clone(&journal),
            aside: Aside {
                exchange: exchange.clone(),
                reports: reports.clone(),
                intake: intake.unwrap(),
                sales: None,
                last_shown: LastShown::default(),
                caller: Caller::server(),
            },
            exchange,
            sales: Arc::clone(&sales),
            background: background.clone(),
            data_dir: folder.path().to_owned(),
            disk_reserve_bytes: 0,
            addresses: PublicAddresses::new(&settings, 8080, 10001),
            links: packages.links().clone(),
            certificates,
            attaching: Arc::default(),
            passwords: Arc::default(),
            people: people.clone(),
            outbox: people_db.clone(),
            sends_mail: true,
            file_login: Credentials::new("admin", "secret"),
            page_address: "https://shop:18090".to_owned(),
            intruders: crate::sales::Intruders::new(Arc::clone(&sales)),
            connections: crate::till_connections::TillConnections::default(),
            till_password_file: None,
            hints,
        });
        let (form_secret, stop) =
            (crate::web::form_secret(&ProofKey::of([7; 32])), tokio_util::sync::CancellationToken::new());
        let page = crate::web::router(app.clone(), "shop", form_secret, stop).unwrap();
        let page = watched(page, &app);
        let local = local_router(app.clone());
        let router = watched(router(app.clone()).merge(packages::router(app.clone(), packages)), &app);
        Self { folder, router, local, page, people, log, background, network, reports, exchange_db, journal, sales }
    }

    async fn send(&self, request: Request<Body>) -> (StatusCode, Vec<u8>, axum::http::HeaderMap) {
        let answer = self.router.clone().oneshot(request).await.unwrap();
        let (parts, body) = answer.into_parts();
        (parts.status, to_bytes(body, usize::MAX).await.unwrap().to_vec(), parts.headers)
    }

    async fn ask(&self, method: &str, path: &str, body: Option<Value>) -> (StatusCode, Value) {
        self.ask_in("en", method, path, body).await
    }

    async fn ask_in(&self, language: &str, method: &str, path: &str, body: Option<Value>) -> (StatusCode, Value) {
        let secret = base64::engine::general_purpose::STANDARD.encode("admin:secret");
        let mut request =
            Request::builder().method(method).uri(path).header(header::AUTHORIZATION, format!("Basic {secret}"));
        request = request.header(header::ACCEPT_LANGUAGE, language);
        let body = match body {
            Some(json) => {
                request = request.header(header::CONTENT_TYPE, "application/json");
                Body::from(json.to_string())
            }
            None => Body::empty(),
        };
        let (status, bytes, _) = self.send(request.body(body).unwrap()).await;
        (status, serde_json::from_slice(&bytes).unwrap_or(Value::Null))
    }

    async fn make_till(&self) -> Value {
        self.ask("POST", "/api/v1/nodes", Some(json!({"parent": "All", "level": "shop", "code": "7"}))).await;
        let (status, made) =
            self.ask("POST", "/api/v1/nodes", Some(json!({"parent": "shop-7", "level": "till", "code": "1"}))).await;
        assert_eq!(status, StatusCode::CREATED);
        made
    }
}

#[tokio::test]
async fn nothing_of_the_administration_is_told_without_credentials() {
    let server = Server::start();
    let (_, described, _) = server.send(Request::get("/api/v1/openapi.json").body(Body::empty()).unwrap()).await;
    let described: Value = serde_json::from_slice(&described).unwrap();
    let paths = described["paths"].as_object().unwrap();
    assert!(paths.len() >= 15, "{paths:?}");
    for (path, methods) in paths {
        for method in methods.as_object().unwrap().keys() {
            let uri = path.replace("{id}", "_cash_1_00ab34ef").replace("{number}", "1");
            let uri = uri.replace("{code}", "1").replace("{revision}", "1");
            let request = Request::builder().method(method.to_uppercase().as_str()).uri(&uri);
            let (status, body, headers) = server.send(request.body(Body::empty()).unwrap()).await;
            assert_eq!(status, StatusCode::UNAUTHORIZED, "{method} {uri}");
            assert_eq!(headers[header::CONTENT_TYPE], "application/problem+json");
            let problem: Value = serde_json::from_slice(&body).unwrap();
            assert!(problem["detail"].as_str().is_some_and(|text| text.len() > 20), "{problem}");
        }
    }
}

#[tokio::test]
async fn a_till_is_made_with_its_settings_and_secret_shown_once() {
    let server = Server::start();
    let made = server.make_till().await;
    let (secret, token) = (made["secret"].as_str().unwrap(), made["token"].as_str().unwrap());
    let till = made["node"]["id"].as_str().unwrap();
    let cash_ini = made["cash_ini"].as_str().unwrap();
    assert!(cash_ini.contains(secret) && cash_ini.contains(till), "{cash_ini}");
    let (status, listed) = server.ask("GET", "/api/v1/nodes", None).await;
    assert_eq!(status, StatusCode::OK);
    assert_eq!(listed.as_array().unwrap().len(), 3);
    assert!(!listed.to_string().contains(token) && !listed.to_string().contains(secret));
    let (status, tills) = server.ask("GET", "/api/v1/tills", None).await;
    assert_eq!((status, tills[0]["id"].as_str().unwrap()), (StatusCode::OK, till));
    assert!(tills[0]["last_contact"].is_null());
    assert_eq!((&tills[0]["has_secret"], &tills[0]["refused_messages"]), (&json!(true), &json!({})));
    assert_eq!((&tills[0]["condition"], &tills[0]["silent"]), (&json!("never-heard-of"), &json!(false)));
}

#[tokio::test]
async fn a_till_whose_receipts_do_not_come_or_whose_clock_is_off_says_so() {
    use tillway_proto::report::{Report, Reported, SalesWait, SalesWaitKind, TillState};
    let server = Server::start();
    let till: TillId = server.make_till().await["node"]["id"].as_str().unwrap().parse().unwrap();
    let say = |state: TillState| {
        let sent_at = jiff::Timestamp::now() + jiff::SignedDuration::from_mins(10);
        let report = Report::Contact { state };
        let instance = uuid::Uuid::from_u128(1);
        let reported = Reported { schema: 1, peer: till.clone().into(), instance, sent_at, report };
        server.reports.take_now(&[reported.to_bytes().unwrap()], None).unwrap();
    };
    let seen = async || server.ask("GET", "/api/v1/tills", None).await.1[0].take();
    say(TillState { unsent_documents: Some(2), ..TillState::default() });
    let fine = seen().await;
    assert_eq!((&fine["condition"], &fine["unsent_documents"]), (&json!("current"), &json!(2)));
    assert!((590..=600).contains(&fine["clock_ahead_s"].as_i64().unwrap()), "{fine}");
    let wait =
        SalesWait { kind: SalesWaitKind::Refused, text: "unknown token".to_owned(), since: jiff::Timestamp::now() };
    say(TillState { sales_wait: Some(wait), ..TillState::default() });
    let waits = seen().await;
    assert_eq!(waits["condition"], "sales-wait", "{waits}");
    assert_eq!(waits["sales_wait"]["kind"], "refused");
    assert_eq!(waits["sales_wait"]["reason"], "unknown token");
    assert!(waits["unsent_documents"].is_null(), "not known is not none: {waits}");
    let page = server.page("/tills/till-7-1?lang=en").await;
    assert!(page.contains("unknown token") && page.contains("+9 min"), "{page}");
}

#[tokio::test]
async fn what_contradicts_the_network_is_a_problem_that_says_what_to_do() {
    let server = Server::start();
    server.make_till().await;
    let shop = json!({"parent": "All", "level": "shop", "code": "7"});
    let (status, problem) = server.ask("POST", "/api/v1/nodes", Some(shop)).await;
    assert_eq!(status, StatusCode::CONFLICT);
    assert!(problem["detail"].as_str().unwrap().contains("choose another code"), "{problem}");
    let (status, _) = server.ask("DELETE", "/api/v1/nodes/shop-7", None).await;
    assert_eq!(status, StatusCode::CONFLICT);
    let (status, _) = server.ask("GET", "/api/v1/nodes/shop-8", None).await;
    assert_eq!(status, StatusCode::NOT_FOUND);
    let level = json!({"parent": "All", "level": "planet", "code": "7"});
    let (status, problem) = server.ask("POST", "/api/v1/nodes", Some(level)).await;
    assert_eq!(status, StatusCode::BAD_REQUEST);
    assert_eq!(problem["detail"], "`planet` is no level: group, shop or till");
    assert_eq!((&problem["kind"], &problem["parameters"]), (&json!("no-level"), &json!({"text": "planet"})));
    let (status, _) = server.ask("PATCH", "/api/v1/nodes/shop-7", Some(json!({"parked": true}))).await;
    assert_eq!(status, StatusCode::BAD_REQUEST);
}

#[tokio::test]
async fn a_group_can_be_put_between_and_a_till_parked_and_removed() {
    let server = Server::start();
    let made = server.make_till().await;
    let group = json!({"parent": "All", "level": "group", "code": "north", "name": "North"});
    let (status, group) = server.ask("POST", "/api/v1/nodes", Some(group)).await;
    assert_eq!(status, StatusCode::CREATED);
    let (status, shop) =
        server.ask("PATCH", "/api/v1/nodes/shop-7", Some(json!({"parent": "group-north", "name": "S"}))).await;
    assert_eq!(status, StatusCode::OK);
    assert_eq!((&shop["parent"], &shop["name"]), (&group["node"]["id"], &json!("S")));
    let (status, till) = server.ask("PATCH", "/api/v1/nodes/till-7-1", Some(json!({"parked": true}))).await;
    assert_eq!((status, &till["parked"]), (StatusCode::OK, &json!(true)));
    let (_, tills) = server.ask("GET", "/api/v1/tills", None).await;
    assert_eq!(tills[0]["next"], "parked");
    let (status, _) =
        server.ask("DELETE", &format!("/api/v1/nodes/{}", made["node"]["id"].as_str().unwrap()), None).await;
    assert_eq!(status, StatusCode::NO_CONTENT);
}

#[tokio::test]
async fn a_shift_close_is_told_with_the_token_of_that_till_alone() {
    let server = Server::start();
    let made = server.make_till().await;
    let till = made["node"]["id"].as_str().unwrap();
    let tell = |token: &str| {
        Request::post(format!("/api/v1/tills/{till}/shift-closed"))
            .header(header::AUTHORIZATION, format!("Bearer {token}"))
            .body(Body::empty())
            .unwrap()
    };
    let (status, ..) = server.send(tell("tw1_wrong")).await;
    assert_eq!(status, StatusCode::UNAUTHORIZED);
    let (status, ..) = server.send(tell(made["token"].as_str().unwrap())).await;
    assert_eq!(status, StatusCode::ACCEPTED);
    let (_, commands) = server.ask("GET", "/api/v1/commands", None).await;
    assert_eq!(commands[0]["till"], till);
    let network = server.network.clone();
    network.renew_secret(&till.parse().unwrap()).unwrap();
    let (status, ..) = server.send(tell(made["token"].as_str().unwrap())).await;
    assert_eq!(status, StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn a_till_may_ask_whether_its_token_is_right_and_nothing_comes_of_it() {
    let server = Server::start();
    let made = server.make_till().await;
    let till = made["node"]["id"].as_str().unwrap();
    let ask = |till: &str, token: Option<&str>| {
        let request = Request::get(format!("/api/v1/tills/{till}/token"));
        let with = |token| request.header(header::AUTHORIZATION, format!("Bearer {token}"));
        token.map_or_else(|| Request::get(format!("/api/v1/tills/{till}/token")), with).body(Body::empty()).unwrap()
    };
    let token = made["token"].as_str();
    for (till, token, expected) in [
        (till, token, StatusCode::NO_CONTENT),
        (till, Some("tw1_wrong"), StatusCode::UNAUTHORIZED),
        (till, None, StatusCode::UNAUTHORIZED),
        ("_cash_9_00000000", token, StatusCode::UNAUTHORIZED),
        ("till-7-1", token, StatusCode::BAD_REQUEST),
    ] {
        assert_eq!(server.send(ask(till, token)).await.0, expected, "{till} {token:?}");
    }
    assert_eq!(server.ask("GET", "/api/v1/commands", None).await.1, json!([]));
}

/// Three words of Latin letters one after the other, apart from what is quoted.
fn is_english(text: &str) -> bool {
    let own: String = text.split('`').step_by(2).collect::<Vec<_>>().join(" ; ");
    let latin = |word: &str| word.len() > 1 && word.chars().all(|letter| letter.is_ascii_lowercase());
    own.split(' ').collect::<Vec<_>>().windows(3).any(|words| words.iter().all(|word| latin(word)))
}

#[tokio::test]
async fn a_problem_is_told_in_the_language_asked_for_with_the_same_word_for_programs() {
    let server = Server::start();
    server.make_till().await;
    let shop = json!({"parent": "All", "level": "shop", "code": "7"});
    for (method, path, body) in [
        ("GET", "/api/v1/loads/5", None),
        ("GET", "/api/v1/nodes/shop-9", None),
        ("GET", "/api/v1/history?node=All&kind=planet&key=1", None),
        ("GET", "/api/v1/totals?by=moon", None),
        ("GET", "/api/v1/shifts?verdict=perhaps", None),
        ("GET", "/api/v1/shifts?shop=till-7-1", None),
        ("POST", "/api/v1/nodes", Some(shop)),
        ("DELETE", "/api/v1/nodes/shop-7", None),
        ("PATCH", "/api/v1/nodes/shop-7", Some(json!({"parked": true}))),
        ("POST", "/api/v1/notices/seen", Some(json!({}))),
        ("POST", "/api/v1/aside/drop", Some(json!({"units": ["report:7"]}))),
        ("POST", "/api/v1/aside/drop", Some(json!({"units": ["moon"]}))),
        ("POST", "/api/v1/findings/7/close", None),
    ] {
        let (status, russian) = server.ask_in("ru", method, path, body.clone()).await;
        let (_, english) = server.ask(method, path, body).await;
        assert!(status.is_client_error(), "{path}: {status}");
        assert!(is_english(english["detail"].as_str().unwrap()), "{english}");
        assert!(!is_english(russian["detail"].as_str().unwrap()), "{russian}");
        assert_eq!((&russian["kind"], &russian["parameters"]), (&english["kind"], &english["parameters"]));
    }
    let stranger = Request::get("/api/v1/tills").header(header::ACCEPT_LANGUAGE, "ru").body(Body::empty()).unwrap();
    let (status, body, headers) = server.send(stranger).await;
    assert_eq!(status, StatusCode::UNAUTHORIZED);
    assert_eq!(headers[header::CONTENT_TYPE], "application/problem+json");
    assert!(String::from_utf8(body).unwrap().contains("нужны логин и пароль или ключ"));
    let (_, settled) =
        server.ask_in("ru", "POST", "/api/v1/aside/retry", Some(json!({"units": ["report:7", "load:8"]}))).await;
    assert_eq!((&settled[0]["kind"], &settled[0]["done"]), (&json!("not-aside"), &Value::Null), "{settled}");
    assert!(!is_english(settled[0]["problem"].as_str().unwrap()), "{settled}");
}

#[tokio::test]
async fn questions_without_an_answer_say_why() {
    let server = Server::start();
    server.make_till().await;
    for (path, expected) in [
        ("/api/v1/loads/5", StatusCode::NOT_FOUND),
        ("/api/v1/history?node=All&kind=planet&key=1", StatusCode::NOT_FOUND),
        ("/api/v1/history?node=shop-9&kind=item&key=1", StatusCode::NOT_FOUND),
        ("/api/v1/totals?by=moon", StatusCode::BAD_REQUEST),
        ("/api/v1/shifts?verdict=perhaps", StatusCode::BAD_REQUEST),
        ("/api/v1/shifts?shop=till-7-1", StatusCode::BAD_REQUEST),
    ] {
        let (status, problem) = server.ask("GET", path, None).await;
        assert_eq!(status, expected, "{path}");
        assert!(problem["detail"].as_str().is_some_and(|text| !text.is_empty()), "{path}: {problem}");
    }
    let (status, history) = server.ask("GET", "/api/v1/history?node=All&kind=item&key=1", None).await;
    assert_eq!((status, history), (StatusCode::OK, json!([])));
    let both = json!({"since": "2017-01-01T00:00:00", "from": "2017-01-01"});
    let (status, _) = server.ask("POST", "/api/v1/tills/till-7-1/unload", Some(both)).await;
    assert_eq!(status, StatusCode::BAD_REQUEST);
}

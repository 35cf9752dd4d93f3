//! The audit log over REST: each change leaves its line, in the transaction of the change.

use super::*;
use crate::store::intake::{LoadEnd, LoadSource, LoadState, NewLoad, NoticeRecord};
use crate::store::sales::{FindingReason, NewFinding};
use crate::words::Reason;
use jiff::Timestamp;
use rusqlite::Connection;
use tillway_proto::report::{Report, Reported, TillState};
use tillway_service::audit::AuditFilter;

/// The databases that have an audit log.
const DATABASES: [&str; 6] = ["dictionary.db", "network.db", "exchange.db", "intake.db", "sales.db", "people.db"];

/// Passwords of two users.
const ANNAS: &str = "anna's own password";
const BORISS: &str = "password of boris";

/// What a till that nothing speaks for names.
const CLAIMED: u64 = 900;

impl Server {
    async fn lines(&self, query: &str) -> Vec<Value> {
        let (status, page) = self.ask("GET", &format!("/api/v1/audit?{query}"), None).await;
        assert_eq!(status, StatusCode::OK, "{page}");
        page["lines"].as_array().unwrap().clone()
    }

    /// From here on no line can be written.
    fn break_audit(&self, broken: bool) {
        for name in DATABASES {
            let sql = if broken {
                "CREATE TRIGGER broken BEFORE INSERT ON audit BEGIN SELECT raise(ABORT, 'no line'); END"
            } else {
                "DROP TRIGGER broken"
            };
            Connection::open(self.folder.path().join(name)).unwrap().execute_batch(sql).unwrap();
        }
    }

    /// All that is in the databases, as SQLite tells it; but what is bound to change by itself.
    fn content(&self) -> String {
        let mut found = Vec::new();
        for name in DATABASES {
            let connection = Connection::open(self.folder.path().join(name)).unwrap();
            let sql = "SELECT name FROM sqlite_schema WHERE type = 'table' AND name <> 'audit' ORDER BY name";
            let tables: Vec<String> =
                connection.prepare(sql).unwrap().query_map((), |row| row.get(0)).unwrap().map(Result::unwrap).collect();
            for table in tables {
                let mut statement = connection.prepare(&format!("SELECT * FROM \"{table}\"")).unwrap();
                let columns = statement.column_count();
                let mut rows = statement.query(()).unwrap();
                while let Some(row) = rows.next().unwrap() {
                    let values: Vec<rusqlite::types::Value> =
                        (0..columns).map(|column| row.get(column).unwrap()).collect();
                    found.push(format!("{table}: {values:?}"));
                }
            }
        }
        found.join("\n")
    }

    pub(super) fn held_load(&self) -> i64 {
        let body = "held.aif";
        fs_err::create_dir_all(self.folder.path().join("badDicts")).unwrap();
        fs_err::write(self.folder.path().join("badDicts").join(body), "{}").unwrap();
        let load = self.accept(body);
        let end = LoadEnd {
            held: Some(crate::store::intake::Held { at: tillway_proto::Revision::ZERO, clears: None }),
            ..ended(LoadState::Held, Some(body))
        };
        self.journal.end(load, &end).unwrap();
        load.0
    }

    fn load_with_a_notice(&self) {
        let load = self.accept("notice.aif");
        let notices = vec![NoticeRecord::of(Reason::worded("no price"), false)];
        self.journal.end(load, &LoadEnd { notices, ..ended(LoadState::ReadyWithErrors, None) }).unwrap();
    }

    fn accept(&self, body: &str) -> tillway_proto::LoadId {
        let node = self.network.current().unwrap().chain().unwrap().id.clone();
        let source = LoadSource::Rest { body: body.to_owned(), dictionary_id: None, retry_of: None };
        let new = NewLoad {
            node,
            source,
            bytes: 2,
            at: Timestamp::now(),
            watch: None,
            delivery: None,
            consent: crate::store::intake::Consent::No,
        };
        self.journal.accept(&new).unwrap()
    }
}

fn ended(state: LoadState, aside: Option<&str>) -> LoadEnd {
    LoadEnd {
        at: Timestamp::now(),
        state,
        counts: crate::dictionary::entry::LoadCounts::default(),
        revision: None,
        applies_from: None,
        reason: None,
        notices: Vec::new(),
        mended: Vec::new(),
        aside: aside.map(str::to_owned),
        held: None,
    }
}

/// A request that changes something.
struct Change {
    method: &'static str,
    /// As the description has it.
    route: &'static str,
    path: String,
    body: Option<Value>,
    /// With this token of a till, in place of the administrator's password.
    token: Option<String>,
    verb: &'static str,
    object: String,
}

/// For each route that changes something a request that does so, in an order in which all of them
/// can.
async fn changes(server: &Server) -> Vec<Change> {
    let made = server.make_till().await;
    let till = made["node"]["id"].as_str().unwrap().to_owned();
    let id: TillId = till.parse().unwrap();
    server.ask("POST", "/api/v1/nodes", Some(json!({"parent": "All", "level": "group", "code": "north"}))).await;
    let state = TillState { cursor: tillway_proto::Revision(CLAIMED), ..TillState::default() };
    let said = Reported {
        schema: 1,
        peer: id.clone().into(),
        instance: uuid::Uuid::from_u128(1),
        sent_at: Timestamp::now(),
        report: Report::Contact { state },
    };
    server.reports.take_now(&[said.to_bytes().unwrap(), b"{".to_vec(), b"[".to_vec()], None).unwrap();
    let held = [server.held_load(), server.held_load()];
    server.load_with_a_notice();
    let finding = NewFinding {
        reason: FindingReason::RecordRefused { detail: crate::words::Reason::worded("a sum differs") },
        till: Some(id),
        shift: None,
        subject: "shift 1".to_owned(),
        at: Timestamp::now(),
    };
    server.sales.add_finding(&finding).unwrap();
    let (_, nodes) = server.ask("GET", "/api/v1/nodes", None).await;
    let id_of = |folder: &str| {
        let found = nodes.as_array().unwrap().iter().find(|node| node["folder"] == folder).unwrap();
        found["id"].as_str().unwrap().to_owned()
    };
    let change = |method, route, path: &str, body: Option<Value>, verb, object: &str| Change {
        method,
        route,
        path: path.to_owned(),
        body,
        token: None,
        verb,
        object: object.to_owned(),
    };
    let of_anna = |method, route, below: &str, body: Option<Value>, verb| {
        change(method, route, &format!("/api/v1/users{below}"), body, verb, "user:anna")
    };
    server.make_user("boris").await;
    server.log_in("boris", BORISS).await;
    let of_till = |what: &str| format!("/api/v1/tills/{till}/{what}");
    let node = |folder: &str| format!("/api/v1/nodes/{folder}");
    let dropped = Some(json!({"units": ["report:1"]}));
    let retried = Some(json!({"units": ["report:2"]}));
    vec![
        Change {
            token: Some(made["token"].as_str().unwrap().to_owned()),
            ..change("POST", "/api/v1/tills/{id}/shift-closed", &of_till("shift-closed"), None, "till.unload", &till)
        },
        change(
            "PATCH",
            "/api/v1/nodes/{id}",
            &node("shop-7"),
            Some(json!({"name": "S"})),
            "node.rename",
            &id_of("shop-7"),
        ),
        change(
            "PATCH",
            "/api/v1/nodes/{id}",
            &node("shop-7"),
            Some(json!({"parent": "group-north"})),
            "node.move",
            &id_of("shop-7"),
        ),
        change(
            "PATCH",
            "/api/v1/nodes/{id}/settings",
            &format!("{}/settings", node("shop-7")),
            Some(json!({"settings": {"queuechunksize": "100"}})),
            "node.settings",
            &id_of("shop-7"),
        ),
        change("PATCH", "/api/v1/nodes/{id}", &node("till-7-1"), Some(json!({"parked": true})), "till.park", &till),
        change("PATCH", "/api/v1/nodes/{id}", &node("till-7-1"), Some(json!({"parked": false})), "till.unpark", &till),
        change(
            "POST",
            "/api/v1/tills/{id}/unload",
            &of_till("unload"),
            Some(json!({"from": "2026-11-01"})),
            "till.unload",
            &till,
        ),
        change(
            "POST",
            "/api/v1/nodes/{id}/unload",
            &format!("{}/unload", node("shop-7")),
            Some(json!({"from": "2026-11-02"})),
            "till.unload",
            &till,
        ),
        change("POST", "/api/v1/tills/{id}/verify", &of_till("verify"), None, "till.verify", &till),
        change("POST", "/api/v1/tills/{id}/send-anew", &of_till("send-anew"), None, "till.send-anew", &till),
        change(
            "POST",
            "/api/v1/tills/bulk",
            "/api/v1/tills/bulk",
            Some(json!({"act": "settings", "tills": ["till-7-1"], "settings": {"contactperiod": "30"}})),
            "node.settings",
            &till,
        ),
        change("POST", "/api/v1/tills/{id}/acknowledge", &of_till("acknowledge"), None, "till.acknowledge", &till),
        change("POST", "/api/v1/tills/{id}/token", &of_till("token"), None, "till.token", &till),
        change(
            "POST",
            "/api/v1/attach-codes",
            "/api/v1/attach-codes",
            Some(json!({"tills": [{"till": "till-7-1"}], "hours": 1})),
            "attach-code.make",
            &till,
        ),
        change("POST", "/api/v1/tills/{id}/stolen", &of_till("stolen"), None, "till.stolen", &till),
        change(
            "POST",
            "/api/v1/attach-codes",
            "/api/v1/attach-codes",
            Some(json!({"tills": [{"till": "till-7-1"}], "hours": 1})),
            "attach-code.make",
            &till,
        ),
        change("DELETE", "/api/v1/tills/{id}/attach-code", &of_till("attach-code"), None, "attach-code.end", &till),
        change("POST", "/api/v1/aside/drop", "/api/v1/aside/drop", dropped, "aside.drop", "report:1"),
        change("POST", "/api/v1/aside/retry", "/api/v1/aside/retry", retried, "aside.retry", "report:2"),
        change(
            "POST",
            "/api/v1/loads/{id}/approve",
            &format!("/api/v1/loads/{}/approve", held[0]),
            None,
            "load.approve",
            &format!("load:{}", held[0]),
        ),
        change(
            "POST",
            "/api/v1/loads/{id}/refuse",
            &format!("/api/v1/loads/{}/refuse", held[1]),
            None,
            "load.refuse",
            &format!("load:{}", held[1]),
        ),
        change(
            "POST",
            "/api/v1/notices/seen",
            "/api/v1/notices/seen",
            Some(json!({"up_to": 1_000})),
            "notices.see",
            "notices",
        ),
        change("POST", "/api/v1/findings/{id}/close", "/api/v1/findings/1/close", None, "finding.close", "finding:1"),
        change("DELETE", "/api/v1/nodes/{id}", &node("till-7-1"), None, "node.remove", &till),
        of_anna("POST", "/api/v1/users", "", Some(json!({"login": "Anna"})), "user.add"),
        of_anna("PATCH", "/api/v1/users/{id}", "/anna", Some(json!({"disabled": true})), "user.change"),
        of_anna("PATCH", "/api/v1/users/{id}", "/anna", Some(json!({"disabled": false})), "user.change"),
        of_anna(
            "PATCH",
            "/api/v1/users/{id}/mail",
            "/anna/mail",
            Some(json!({"address": "anna@example.org"})),
            "user.mail",
        ),
        of_anna("POST", "/api/v1/users/{id}/trial", "/anna/trial", None, "report.trial"),
        of_anna("POST", "/api/v1/users/{id}/link", "/anna/link", None, "user.link"),
        of_anna(
            "PUT",
            "/api/v1/users/{id}/password",
            "/anna/password",
            Some(json!({"password": ANNAS})),
            "user.password",
        ),
        change(
            "DELETE",
            "/api/v1/users/{id}/sessions",
            "/api/v1/users/boris/sessions",
            None,
            "session.end",
            "user:boris",
        ),
        of_anna("DELETE", "/api/v1/users/{id}", "/anna", None, "user.remove"),
        change("POST", "/api/v1/keys", "/api/v1/keys", Some(json!({"name": "erp"})), "key.add", "key:erp"),
        change("DELETE", "/api/v1/keys/{id}", "/api/v1/keys/erp", None, "key.remove", "key:erp"),
    ]
}

async fn send(server: &Server, change: &Change) -> StatusCode {
    let Some(token) = &change.token else {
        return server.ask(change.method, &change.path, change.body.clone()).await.0;
    };
    let request = Request::builder().method(change.method).uri(&change.path);
    let request = request.header(header::AUTHORIZATION, format!("Bearer {token}"));
    server.send(request.body(Body::empty()).unwrap()).await.0
}

#[tokio::test(flavor = "multi_thread")]
async fn each_route_that_changes_something_leaves_one_line_and_without_it_nothing_changes() {
    let server = Server::start();
    let changes = changes(&server).await;
    let (_, described, _) = server.send(Request::get("/api/v1/openapi.json").body(Body::empty()).unwrap()).await;
    let described: Value = serde_json::from_slice(&described).unwrap();
    for (route, methods) in described["paths"].as_object().unwrap() {
        for method in methods.as_object().unwrap().keys().filter(|method| *method != "get") {
            // Nodes are made by `changes` itself, see the next test; `go-past` needs a dictionary,
            // and has a test of its own among those of what a till claims.
            // Asking for a backup or a rehearsal changes nothing that is kept.
            let apart = (route == "/api/v1/nodes" && method == "post")
                || route.ends_with("/go-past")
                // One's own password and sessions: see the tests of people.
                || route.starts_with("/api/v1/me/")
                || route.starts_with("/api/v1/backups");
            let known = changes.iter().any(|one| one.route == route && one.method.eq_ignore_ascii_case(method));
            assert!(apart || known, "{method} {route} changes something: add a request to `changes`");
        }
    }
    for change in &changes {
        let what = format!("{} {}", change.method, change.path);
        let (content, lines) = (server.content(), server.lines("limit=1000").await);
        server.break_audit(true);
        let status = send(&server, change).await;
        server.break_audit(false);
        assert!(status.is_server_error(), "{what} without its line: {status}");
        assert_eq!(server.content(), content, "{what} without its line");

        let status = send(&server, change).await;
        assert!(status.is_success(), "{what}: {status}");
        let now = server.lines("limit=1000").await;
        assert_eq!(now.len(), lines.len() + 1, "{what}: {:?}", now.first());
        let line = &now[0];
        assert_eq!((&line["verb"], &line["object"]), (&json!(change.verb), &json!(change.object)), "{what}: {line}");
        let actor = if change.token.is_some() { format!("till:{}", change.object) } else { "login:admin".to_owned() };
        assert_eq!((&line["actor"], &line["face"]), (&json!(actor), &json!("rest")), "{what}: {line}");
    }
    let all = Value::Array(server.lines("limit=1000").await).to_string();
    for told in ["tw1_", "secret", ANNAS, BORISS, "twk_", "argon2", "link="] {
        assert!(!all.contains(told), "{all}");
    }
    let renamed = server.lines("limit=1000").await.into_iter().find(|line| line["verb"] == "node.rename").unwrap();
    assert_eq!((&renamed["before"]["name"], &renamed["after"]["name"]), (&json!(""), &json!("S")), "{renamed}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_is_made_leaves_a_line_and_one_that_cannot_be_made_leaves_none() {
    let server = Server::start();
    let made = server.make_till().await;
    let lines = server.lines("").await;
    let verbs: Vec<_> = lines.iter().map(|line| line["verb"].as_str().unwrap()).collect();
    assert_eq!(verbs, ["node.create", "node.create", "user.add", "node.create"]);
    assert_eq!(lines[0]["object"], made["node"]["id"]);
    let by: Vec<_> = lines.iter().map(|line| line["actor"].as_str().unwrap()).collect();
    assert_eq!(by, ["login:admin", "login:admin", "server", "server"], "the first start makes the chain and a user");
    let again = json!({"parent": "All", "level": "shop", "code": "7"});
    assert_eq!(server.ask("POST", "/api/v1/nodes", Some(again)).await.0, StatusCode::CONFLICT);
    assert_eq!(server.lines("").await.len(), 4);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_log_is_read_part_by_part_and_by_time_actor_and_object() {
    let server = Server::start();
    let changes = changes(&server).await;
    for change in changes {
        send(&server, &change).await;
    }
    let all = server.lines("limit=1000").await;
    assert!(all.len() > 15, "{}", all.len());
    let mut paged = Vec::new();
    let mut cursor = String::new();
    loop {
        let (_, page) = server.ask("GET", &format!("/api/v1/audit?limit=4{cursor}"), None).await;
        paged.extend(page["lines"].as_array().unwrap().clone());
        let Some(next) = page["next"].as_str() else { break };
        cursor = format!("&cursor={next}");
    }
    assert_eq!(paged, all, "of six databases, in one order");
    let of = |name: &'static str, value: &'static str| {
        all.iter().filter(move |line| line[name] == value).cloned().collect::<Vec<_>>()
    };
    assert_eq!(server.lines("actor=server&limit=1000").await, of("actor", "server"));
    assert_eq!(server.lines("object=notices&actor=login:admin").await, of("object", "notices"));
    assert_eq!(server.lines("object=notices&actor=server").await, Vec::<Value>::new());
    let oldest = all.last().unwrap()["at"].as_str().unwrap();
    assert_eq!(server.lines(&format!("to={oldest}")).await, Vec::<Value>::new());
    assert_eq!(server.lines(&format!("from={oldest}&limit=1000")).await, all);
    let (status, _) = server.ask("GET", "/api/v1/audit?from=yesterday", None).await;
    assert_eq!(status, StatusCode::BAD_REQUEST);
}

#[tokio::test(flavor = "multi_thread")]
async fn lines_of_people_and_of_machines_go_at_their_own_age_in_small_steps() {
    let server = Server::start();
    let changes = changes(&server).await;
    for change in changes {
        send(&server, &change).await;
    }
    let later = Timestamp::now() + jiff::SignedDuration::from_secs(1);
    let logs: Vec<Arc<dyn AuditLog>> = vec![server.exchange_db.clone(), server.journal.clone(), server.sales.clone()];
    for log in &logs {
        let filter = AuditFilter::newest(1_000);
        let people = |log: &Arc<dyn AuditLog>| {
            let lines = log.audit(&filter).unwrap();
            let people = lines.iter().filter(|line| line.actor.starts_with("login:")).count();
            (people, lines.len() - people)
        };
        let (persons, machines) = people(log);
        while log.prune_audit(false, later, 1).unwrap() == 1 {}
        assert_eq!(people(log), (persons, 0), "of {machines}");
        assert_eq!(log.prune_audit(true, Timestamp::UNIX_EPOCH, 1_000).unwrap(), 0);
        assert_eq!(log.prune_audit(true, later, 1_000).unwrap(), persons as u64);
        assert_eq!(people(log), (0, 0));
    }
}

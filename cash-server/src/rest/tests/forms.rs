//! Every page and every form, for every role, at one's own place and at another: shown or refused
//! as the table of rights says; forms that are forged, of another session or of one that has ended
//! change nothing; and what was stored is never read as markup.

mod markup;
mod scan;

use super::aside::token_in;
use super::people::OURS;
use super::rights::About;
use super::*;
use crate::app::{Act, Role};

use About::{Anybody, Chain, Each, List, Node, Number, Oneself};

/// Method, path as the router has it, the act that it needs, what it is about, and the fields of
/// the form. In paths and forms, `SHOP` and `TILL` stand for a node of the place that is tried.
const PAGES: &[(&str, &str, Act, About, &str)] = &[
    ("get", "/", Act::Read, List, ""),
    ("get", "/network", Act::Read, List, ""),
    ("get", "/network/{node}", Act::Read, Node, ""),
    ("get", "/network/import", Act::Read, List, ""),
    ("get", "/tills", Act::Read, List, ""),
    ("get", "/tills.csv", Act::Read, List, ""),
    ("get", "/tills/columns", Act::Read, List, ""),
    ("get", "/tills/{id}", Act::Read, Node, ""),
    ("get", "/loads", Act::Read, List, ""),
    ("get", "/loads/{number}", Act::Read, Number, ""),
    ("get", "/loads/{number}/file", Act::Read, Number, ""),
    ("get", "/goods", Act::Read, List, ""),
    ("get", "/goods.csv", Act::Read, List, ""),
    ("get", "/goods/{code}", Act::Read, Number, ""),
    ("get", "/goods/{code}/history.csv", Act::Read, Number, ""),
    ("get", "/sales", Act::Read, List, ""),
    ("get", "/sales/shifts.csv", Act::Read, List, ""),
    ("get", "/sales/receipts", Act::Read, List, ""),
    ("get", "/sales/receipts.csv", Act::Read, List, ""),
    ("get", "/sales/receipts/{id}", Act::Read, Number, ""),
    ("get", "/sales/totals", Act::Read, List, ""),
    ("get", "/sales/totals.csv", Act::Read, List, ""),
    ("get", "/findings", Act::Read, List, ""),
    ("get", "/findings/unit", Act::Read, Number, ""),
    ("get", "/report", Act::Read, List, ""),
    ("get", "/server", Act::Read, List, ""),
    ("get", "/server/log", Act::ReadLog, Chain, ""),
    ("get", "/audit", Act::ReadAudit, Chain, ""),
    ("get", "/audit.csv", Act::ReadAudit, Chain, ""),
    ("get", "/people", Act::ManagePeople, Chain, ""),
    ("get", "/account", Act::Read, Oneself, ""),
    ("get", "/attach", Act::Read, List, ""),
    ("get", "/login", Act::Read, Anybody, ""),
    ("get", "/first", Act::Read, Anybody, ""),
    ("get", "/page.css", Act::Read, Anybody, ""),
    ("get", "/page.js", Act::Read, Anybody, ""),
    ("post", "/aside", Act::SettleAside, Node, "unit=till:TILL&action=retry"),
    ("post", "/aside/confirm", Act::Read, Number, "unit=load:999&action=drop"),
    ("post", "/aside/many", Act::Read, List, "unit=till:TILL&action=drop"),
    ("post", "/aside/many/drop", Act::SettleAside, Each, "unit=till:TILL"),
    ("post", "/held", Act::ManageLoads, Number, "unit=load:999&decision=refuse"),
    ("post", "/acknowledge", Act::ManageTills, Node, "till=TILL"),
    ("post", "/notices/seen", Act::ManageLoads, List, "up_to=0"),
    ("post", "/till/act", Act::AskForSales, Node, "till=TILL&act=ask"),
    ("post", "/till/act", Act::ManageTills, Node, "till=TILL&act=recount"),
    ("post", "/till/act", Act::ChangeNodes, Node, "till=TILL&act=park"),
    ("post", "/till/end-code", Act::ChangeNodes, Node, "till=TILL"),
    ("post", "/tills/bulk", Act::Read, List, "scope=chosen&till=TILL&act=park"),
    ("post", "/tills/bulk/do", Act::ChangeNodes, Each, "till=TILL&act=unpark"),
    ("post", "/finding/close", Act::CloseFindings, Number, "finding=999"),
    ("post", "/loads/upload", Act::ManageLoads, Node, "node=SHOP"),
    ("post", "/attach", Act::ChangeNodes, Node, "till=TILL"),
    ("post", "/stolen/confirm", Act::Read, Node, "till=TILL"),
    ("post", "/stolen", Act::ChangeNodes, Node, "till=TILL"),
    ("post", "/network/do/add", Act::ChangeNodes, Node, "parent=SHOP&level=till&code=new"),
    ("post", "/network/do/rename", Act::ChangeNodes, Node, "node=SHOP&name=x"),
    ("post", "/network/do/move", Act::ChangeNodes, Node, "node=TILL&parent=SHOP"),
    ("post", "/network/do/ask-remove", Act::Read, Node, "node=TILL"),
    ("post", "/network/do/settings", Act::ChangeNodes, Node, "node=SHOP&set.contactperiod=30"),
    ("post", "/network/import/preview", Act::Read, List, "table=till,made,SHOP,"),
    ("post", "/network/import/do", Act::ChangeNodes, Each, "table=till,made,SHOP,"),
    ("post", "/people/add", Act::ManagePeople, Chain, "login=a:b&name=&role=viewer&place=All"),
    ("post", "/people/change", Act::ManagePeople, Chain, "login=nobody&what=enable"),
    ("post", "/people/role", Act::ManagePeople, Chain, "login=nobody&role=viewer&place=All"),
    ("post", "/people/mail", Act::ManagePeople, Chain, "login=nobody&address=&language="),
    ("post", "/people/trial", Act::ManagePeople, Chain, "login=nobody"),
    ("post", "/people/confirm", Act::Read, List, "login=nobody&what=disable"),
    ("post", "/people/keys/add", Act::ManagePeople, Chain, "name=a:b&days=1&role=viewer&place=All"),
    ("post", "/people/keys/remove", Act::ManagePeople, Chain, "name=nobody"),
    ("post", "/account/password", Act::Read, Oneself, "old=x&password=long+enough,+it+is&again=long+enough,+it+is"),
    ("post", "/account/mail", Act::Read, Oneself, "address=&language=ru"),
    ("post", "/account/trial", Act::Read, Oneself, ""),
    ("post", "/views/save", Act::Read, Oneself, "name=x&address=/tills"),
    ("post", "/views/remove", Act::Read, Oneself, "name=x"),
    ("post", "/account/end", Act::Read, Oneself, "session=999"),
    ("post", "/login", Act::Read, Anybody, "login=nobody&password=x&next=/"),
    ("post", "/first", Act::Read, Anybody, "link=x&password=long+enough,+it+is&again=long+enough,+it+is"),
    ("post", "/network/do/remove", Act::ChangeNodes, Node, "node=TILL"),
    ("post", "/logout", Act::Read, Oneself, ""),
];

const PASSWORD: &str = "a password of this one";

/// What somebody who came in sends with everything.
struct Person {
    cookie: String,
    token: String,
}

impl Server {
    /// A user of this role and place, who has come in.
    async fn person(&self, role: Role, place: &str) -> Person {
        let login = format!("{}-{place}", role.as_str()).to_lowercase();
        let new = json!({"login": login, "role": role.as_str(), "place": place});
        let (status, made) = self.ask("POST", "/api/v1/users", Some(new)).await;
        assert_eq!(status, StatusCode::CREATED, "{made}");
        let secret = made["link"]["url"].as_str().unwrap().split("link=").nth(1).unwrap().to_owned();
        let form = [("link", secret.as_str()), ("password", PASSWORD), ("again", PASSWORD)];
        let cookie = self.send_form("/first", &form, &[OURS]).await.cookie().unwrap();
        self.with_token(cookie).await
    }

    async fn with_token(&self, cookie: String) -> Person {
        let account = self.browse("/account", &[("cookie", &cookie)]).await;
        Person { token: token_in(&account.body), cookie }
    }

    /// Sends a form of the table, by its fields, with a token.
    async fn send_row(
        &self,
        path: &str,
        fields: &str,
        token: Option<&str>,
        headers: &[(&str, &str)],
    ) -> (StatusCode, String) {
        if path == "/loads/upload" {
            return self.send_file(fields, token, headers).await;
        }
        let token = token.map(|token| format!("&token={token}")).unwrap_or_default();
        self.submit(path, &format!("{}{token}", fields.replace(',', "%2C")), headers).await
    }

    async fn send_file(&self, fields: &str, token: Option<&str>, headers: &[(&str, &str)]) -> (StatusCode, String) {
        let node = fields.strip_prefix("node=").unwrap();
        let named = token.map(|token| ("token", token)).into_iter().chain([("node", node)]);
        let parts = named
            .map(|(name, value)| format!("--x\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n{value}\r\n"));
        let head = "--x\r\nContent-Disposition: form-data; name=\"file\"; filename=\"a.aif\"\r\n\r\n";
        let record = r#"{"command":"addUnit","unit":{"unitcode":"1","name":"kg"}}"#;
        let form = format!("{}{head}{record}\r\n---\r\n\r\n--x--\r\n", parts.collect::<String>());
        let mut request =
            Request::post("/loads/upload").header(header::CONTENT_TYPE, "multipart/form-data; boundary=x");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let answer = self.page.clone().oneshot(request.body(Body::from(form)).unwrap()).await.unwrap();
        let status = answer.status();
        let body = to_bytes(answer.into_body(), usize::MAX).await.unwrap();
        (status, String::from_utf8_lossy(&body).into_owned())
    }

    /// What changes with what somebody does: nodes, orders, loads, and who did what.
    async fn state(&self) -> Value {
        let mut state = Vec::new();
        for path in ["nodes", "commands", "loads", "attach-codes", "users", "keys", "audit?limit=1000"] {
            state.push(self.ask("GET", &format!("/api/v1/{path}"), None).await.1);
        }
        // When a session or a password was used last is nobody's deed.
        let is_of_people = |line: &Value| {
            line["verb"].as_str().is_some_and(|verb| verb.starts_with("session.") || verb.starts_with("password."))
        };
        if let Some(lines) = state[6]["lines"].as_array_mut() {
            lines.retain(|line| !is_of_people(line));
        }
        for user in state[4].as_array_mut().into_iter().flatten() {
            user["last_login"] = Value::Null;
        }
        Value::Array(state)
    }
}

/// The path and the form of a row, for one place.
fn filled(path: &str, fields: &str, about: About, shop: &str, till: &str) -> (String, String) {
    let id = if about == Number { "999" } else { till };
    let path = path.replace("{id}", id).replace("{node}", shop).replace("{number}", "999").replace("{code}", "999");
    (path, fields.replace("SHOP", shop).replace("TILL", till))
}

#[tokio::test(flavor = "multi_thread")]
async fn every_page_and_form_is_open_to_every_role_as_the_table_says_and_at_its_own_place_alone() {
    for role in Role::ALL {
        let server = Server::start();
        server.two_shops().await;
        let ids = [server.id_of("till-7-1").await, server.id_of("till-8-1").await];
        for place in ["shop-7", "All"] {
            server.person(role, place).await;
        }
        // What others may not do comes first, while all of it is there.
        for (who, place, shop, till) in [
            ("shop-7", "another", "shop-8", &ids[1]),
            ("shop-7", "own", "shop-7", &ids[0]),
            ("all", "any", "shop-8", &ids[1]),
        ] {
            let login = format!("{}-{who}", role.as_str());
            let person = server.with_token(server.log_in(&login, PASSWORD).await).await;
            for (method, path, act, about, fields) in PAGES {
                let (path, fields) = filled(path, fields, *about, shop, till);
                let headers = [OURS, ("cookie", person.cookie.as_str())];
                let is_meant = about.is_meant(role, *act, place);
                let before = if is_meant || *method == "get" { Value::Null } else { server.state().await };
                let (status, told) = if *method == "get" {
                    let got = server.browse(&path, &headers).await;
                    (got.status, got.body)
                } else {
                    server.send_row(&path, &fields, Some(&person.token), &headers).await
                };
                let what = format!("{role:?} at {place} place: {method} {path} {fields}: {status} {told}");
                assert!(!status.is_server_error() && status != StatusCode::UNPROCESSABLE_ENTITY, "{what}");
                if is_meant {
                    assert_ne!(status, StatusCode::FORBIDDEN, "{what}");
                } else {
                    let is_refused = matches!(status, StatusCode::FORBIDDEN | StatusCode::NOT_FOUND);
                    assert!(is_refused || *about == Each, "{what}");
                    assert!(*method == "get" || server.state().await == before, "it changed something: {what}");
                }
            }
            assert!(!server.is_in(&person.cookie).await, "the last row is to go");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_form_that_is_forged_or_of_another_session_or_of_one_that_ended_changes_nothing() {
    let server = Server::start();
    server.two_shops().await;
    let till = server.id_of("till-7-1").await;
    let [mine, other] =
        [server.person(Role::Administrator, "All").await, server.person(Role::Administrator, "shop-7").await];
    let ended = server.with_token(server.log_in("administrator-all", PASSWORD).await).await;
    let gone = [OURS, ("cookie", ended.cookie.as_str())];
    assert_eq!(server.send_row("/logout", "", Some(&ended.token), &gone).await.0, StatusCode::SEE_OTHER);
    let cookie = ("cookie", mine.cookie.as_str());
    let before = server.state().await;
    for (_, path, _, about, fields) in PAGES.iter().filter(|(method, ..)| *method == "post") {
        let (path, fields) = filled(path, fields, *about, "shop-7", &till);
        let zeros = "0".repeat(64);
        let mine_of = (mine.token.as_str(), [OURS, cookie]);
        for (why, token, headers) in [
            ("no token", None, mine_of.1),
            ("a token that is none", Some("x"), mine_of.1),
            ("a forged token", Some(zeros.as_str()), mine_of.1),
            ("the token of another session", Some(other.token.as_str()), mine_of.1),
            ("from another site", Some(mine_of.0), [("sec-fetch-site", "cross-site"), cookie]),
            ("from a page beside this server", Some(mine_of.0), [("sec-fetch-site", "same-site"), cookie]),
            ("from nowhere", Some(mine_of.0), [("origin", "null"), cookie]),
        ] {
            let (status, told) = server.send_row(&path, &fields, token, &headers).await;
            let expected = if token.is_some() { status == StatusCode::FORBIDDEN } else { status.is_client_error() };
            assert!(expected, "{why}: {path}: {status} {told}");
        }
        if *about == Anybody {
            continue;
        }
        // Who is not in is led to where one comes in, and nothing is done.
        for (why, token, headers) in [
            ("after the end of its session", &ended.token, &gone[..]),
            ("without any session", &mine.token, &[OURS][..]),
            ("with a session that nobody has", &mine.token, &[OURS, ("cookie", "tillway=0123456789abcdef")][..]),
        ] {
            let (status, told) = server.send_row(&path, &fields, Some(token), headers).await;
            assert_eq!(status, StatusCode::SEE_OTHER, "{why}: {path}: {told}");
        }
    }
    assert_eq!(server.state().await, before);
    assert!(server.is_in(&mine.cookie).await, "nobody was put out");
}

#[tokio::test(flavor = "multi_thread")]
async fn every_page_leads_whoever_is_not_in_to_the_login_and_shows_nothing() {
    let server = Server::start();
    server.two_shops().await;
    let till = server.id_of("till-7-1").await;
    for (_, path, _, about, _) in PAGES.iter().filter(|(method, ..)| *method == "get") {
        let (path, _) = filled(path, "", *about, "shop-7", &till);
        for cookie in ["", "tillway=", "tillway=0123456789abcdef", "tillway=../../admin"] {
            let got = server.browse(&path, &[("cookie", cookie)]).await;
            if *about == Anybody {
                assert!(got.status.is_success() || got.status.is_client_error(), "{path}: {}", got.status);
            } else {
                assert_eq!(got.status, StatusCode::SEE_OTHER, "{path}");
                assert!(got.to().starts_with("/login") && got.body.is_empty(), "{path}: {} {}", got.to(), got.body);
            }
            assert!(!got.body.contains("till-7-1") && !got.body.contains(&till), "{path}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_that_somebody_else_chose_is_never_the_one_of_who_comes_in() {
    let server = Server::start();
    let chosen = "tillway=0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";
    let fields = [("login", "admin"), ("password", "secret"), ("next", "/")];
    let got = server.send_form("/login", &fields, &[OURS, ("cookie", chosen)]).await;
    assert_eq!(got.status, StatusCode::SEE_OTHER, "{}", got.body);
    let first = got.cookie().unwrap();
    assert_ne!(first, chosen);
    assert!(server.is_in(&first).await && !server.is_in(chosen).await);
    // Coming in once more begins another session, and that of before ends or stays its own.
    let again = server.send_form("/login", &fields, &[OURS, ("cookie", first.as_str())]).await.cookie().unwrap();
    assert_ne!(again, first);
    // In a path or a query a session is none.
    let secret = first.split_once('=').unwrap().1;
    for path in [format!("/tills?tillway={secret}"), format!("/tills;tillway={secret}")] {
        assert!(!server.browse(&path, &[]).await.status.is_success(), "{path}");
    }
}

//! Every route, for every role, at one's own place and at another: allowed or refused as the table
//! says, and lists without what stands elsewhere.

use super::*;
use crate::app::{Act, Role, may};

/// What a route, a page or a form is about.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum About {
    /// A list, which shows one's own part of the tree, or a question before anything is done.
    List,
    /// A node, named in the path, the query or the body.
    Node,
    /// What belongs to the whole chain.
    Chain,
    /// Oneself: whoever has a login.
    Oneself,
    /// Something with a number: one of another part is not there.
    Number,
    /// Many at once, of which each is done or not by itself.
    Each,
    /// Whoever comes by: where one comes in.
    Anybody,
}

impl About {
    /// Whether a person of this role may do it at a place: their `own`, `another`, or `any` where
    /// the role holds for the whole chain.
    pub(super) fn is_meant(self, role: Role, act: Act, place: &str) -> bool {
        match self {
            Anybody | Oneself => true,
            Chain => may(role, act) && place == "any",
            Node | Each => may(role, act) && place != "another",
            List | Number => may(role, act),
        }
    }
}

use About::{Anybody, Chain, Each, List, Node, Number, Oneself};

/// Method, path as the description has it, the act that it needs, what it is about, and a body. In
/// paths and bodies, `SHOP` and `TILL` stand for a node of the place that is tried.
const ROUTES: &[(&str, &str, Act, About, &str)] = &[
    ("get", "/api/v1/nodes", Act::Read, List, ""),
    ("post", "/api/v1/nodes", Act::ChangeNodes, Node, r#"{"parent":"SHOP","level":"till","code":"new"}"#),
    ("get", "/api/v1/nodes/{id}", Act::Read, Node, ""),
    ("patch", "/api/v1/nodes/{id}", Act::ChangeNodes, Node, r#"{"name":"x"}"#),
    ("delete", "/api/v1/nodes/{id}", Act::ChangeNodes, Node, ""),
    ("get", "/api/v1/nodes/{id}/settings", Act::Read, Node, ""),
    ("patch", "/api/v1/nodes/{id}/settings", Act::ChangeNodes, Node, r#"{"settings":{"contactperiod":"30"}}"#),
    ("post", "/api/v1/tills/{id}/token", Act::ChangeNodes, Node, ""),
    ("post", "/api/v1/tills/{id}/stolen", Act::ChangeNodes, Node, ""),
    ("get", "/api/v1/tills/{id}/cash-ini", Act::Read, Node, ""),
    ("get", "/api/v1/attach-codes", Act::ChangeNodes, List, ""),
    ("post", "/api/v1/attach-codes", Act::ChangeNodes, Node, r#"{"tills":[{"till":"TILL"}]}"#),
    ("delete", "/api/v1/tills/{id}/attach-code", Act::ChangeNodes, Node, ""),
    ("get", "/api/v1/lately", Act::Read, List, ""),
    ("get", "/api/v1/tills", Act::Read, List, ""),
    ("get", "/api/v1/tills/{id}", Act::Read, Node, ""),
    ("get", "/api/v1/deliveries", Act::Read, List, ""),
    ("get", "/api/v1/commands", Act::Read, List, ""),
    ("post", "/api/v1/tills/{id}/unload", Act::AskForSales, Node, "{}"),
    ("post", "/api/v1/nodes/{id}/unload", Act::AskForSales, Node, "{}"),
    ("post", "/api/v1/tills/{id}/verify", Act::ManageTills, Node, ""),
    ("post", "/api/v1/tills/{id}/send-anew", Act::ManageTills, Node, ""),
    ("post", "/api/v1/tills/bulk", Act::ManageTills, Node, r#"{"act":"recount","tills":["TILL"]}"#),
    ("post", "/api/v1/tills/{id}/acknowledge", Act::ManageTills, Node, ""),
    ("post", "/api/v1/tills/{id}/go-past", Act::ManageTills, Node, r#"{"revision":1}"#),
    ("get", "/api/v1/loads", Act::Read, List, ""),
    ("get", "/api/v1/loads/{id}", Act::Read, Number, ""),
    ("get", "/api/v1/loads/{id}/file", Act::Read, Number, ""),
    ("post", "/api/v1/loads/{id}/approve", Act::ManageLoads, Number, ""),
    ("post", "/api/v1/loads/{id}/refuse", Act::ManageLoads, Number, ""),
    ("get", "/api/v1/notices", Act::Read, List, ""),
    ("post", "/api/v1/notices/seen", Act::ManageLoads, List, r#"{"up_to":0}"#),
    ("get", "/api/v1/goods", Act::Read, List, ""),
    ("get", "/api/v1/goods/{code}", Act::Read, List, ""),
    ("get", "/api/v1/goods/{code}/history", Act::Read, List, ""),
    ("get", "/api/v1/goods/{code}/history/{revision}", Act::Read, List, ""),
    ("get", "/api/v1/tills/{id}/price", Act::Read, Node, ""),
    ("get", "/api/v1/history", Act::Read, Node, ""),
    ("get", "/api/v1/shifts", Act::Read, List, ""),
    ("get", "/api/v1/totals", Act::Read, List, ""),
    ("get", "/api/v1/tills/{id}/shifts/{number}/receipts", Act::Read, Node, ""),
    ("get", "/api/v1/receipts", Act::Read, List, ""),
    ("get", "/api/v1/receipts/{id}", Act::Read, Number, ""),
    ("get", "/api/v1/findings", Act::Read, List, ""),
    ("post", "/api/v1/findings/{id}/close", Act::CloseFindings, Number, ""),
    ("get", "/api/v1/aside", Act::Read, List, ""),
    ("get", "/api/v1/aside/content", Act::Read, Node, ""),
    ("post", "/api/v1/aside/retry", Act::SettleAside, Node, r#"{"units":["till:TILL"]}"#),
    ("post", "/api/v1/aside/drop", Act::SettleAside, Node, r#"{"units":["till:TILL:package:1"]}"#),
    ("get", "/api/v1/audit", Act::ReadAudit, Chain, ""),
    ("get", "/api/v1/background", Act::LookAtServer, Chain, ""),
    ("get", "/api/v1/tls", Act::LookAtServer, Chain, ""),
    ("get", "/api/v1/databases", Act::LookAtServer, Chain, ""),
    ("get", "/api/v1/retention", Act::LookAtServer, Chain, ""),
    ("get", "/api/v1/log", Act::ReadLog, Chain, ""),
    ("get", "/api/v1/backups", Act::LookAtServer, Chain, ""),
    ("post", "/api/v1/backups", Act::ManageBackups, Chain, ""),
    ("post", "/api/v1/backups/rehearsal", Act::ManageBackups, Chain, ""),
    ("get", "/api/v1/users", Act::ManagePeople, Chain, ""),
    ("post", "/api/v1/users", Act::ManagePeople, Chain, r#"{"login":"a:b"}"#),
    ("get", "/api/v1/users/{id}", Act::ManagePeople, Chain, ""),
    ("patch", "/api/v1/users/{id}", Act::ManagePeople, Chain, "{}"),
    ("delete", "/api/v1/users/{id}", Act::ManagePeople, Chain, ""),
    ("post", "/api/v1/users/{id}/link", Act::ManagePeople, Chain, ""),
    ("put", "/api/v1/users/{id}/password", Act::ManagePeople, Chain, r#"{"password":"long enough, it is"}"#),
    ("get", "/api/v1/users/{id}/sessions", Act::ManagePeople, Chain, ""),
    ("delete", "/api/v1/users/{id}/sessions", Act::ManagePeople, Chain, ""),
    ("get", "/api/v1/keys", Act::ManagePeople, Chain, ""),
    ("post", "/api/v1/keys", Act::ManagePeople, Chain, r#"{"name":"a:b"}"#),
    ("delete", "/api/v1/keys/{id}", Act::ManagePeople, Chain, ""),
    ("get", "/api/v1/report", Act::Read, List, ""),
    ("patch", "/api/v1/users/{id}/mail", Act::ManagePeople, Chain, "{}"),
    ("post", "/api/v1/users/{id}/trial", Act::ManagePeople, Chain, ""),
    ("patch", "/api/v1/me/mail", Act::Read, Oneself, "{}"),
    ("post", "/api/v1/me/trial", Act::Read, Oneself, ""),
    ("get", "/api/v1/me", Act::Read, Oneself, ""),
    ("put", "/api/v1/me/password", Act::Read, Oneself, r#"{"old":"x","new":"y"}"#),
    ("get", "/api/v1/me/views", Act::Read, Oneself, ""),
    ("put", "/api/v1/me/views/{id}", Act::Read, Oneself, r#"{"address":"/tills"}"#),
    ("delete", "/api/v1/me/views/{id}", Act::Read, Oneself, ""),
    ("delete", "/api/v1/me/sessions/{number}", Act::Read, Oneself, ""),
];

/// What tills alone ask, with a token of theirs.
const OF_TILLS: [(&str, &str); 2] = [("post", "/api/v1/tills/{id}/shift-closed"), ("get", "/api/v1/tills/{id}/token")];

impl Server {
    /// The key of a program of this role and place.
    pub(super) async fn key(&self, role: Role, place: &str) -> String {
        let name = format!("{} at {place}", role.as_str());
        let new = json!({"name": name, "role": role.as_str(), "place": place});
        let (status, made) = self.ask("POST", "/api/v1/keys", Some(new)).await;
        assert_eq!(status, StatusCode::CREATED, "{made}");
        made["token"].as_str().unwrap().to_owned()
    }

    pub(super) async fn with_key(&self, key: &str, method: &str, path: &str, body: &str) -> (StatusCode, Value) {
        let request = Request::builder().method(method.to_uppercase().as_str()).uri(path);
        let mut request = request.header(header::AUTHORIZATION, format!("Bearer {key}"));
        if !body.is_empty() {
            request = request.header(header::CONTENT_TYPE, "application/json");
        }
        let (status, body, _) = self.send(request.body(Body::from(body.to_owned())).unwrap()).await;
        (status, serde_json::from_slice(&body).unwrap_or(Value::Null))
    }

    /// Two shops with a till each: their codes are 7 and 8.
    pub(super) async fn two_shops(&self) {
        self.make_till().await;
        for (parent, level, code) in [("All", "shop", "8"), ("shop-8", "till", "1")] {
            let new = json!({"parent": parent, "level": level, "code": code});
            assert_eq!(self.ask("POST", "/api/v1/nodes", Some(new)).await.0, StatusCode::CREATED);
        }
    }

    pub(super) async fn id_of(&self, folder: &str) -> String {
        self.ask("GET", &format!("/api/v1/nodes/{folder}"), None).await.1["id"].as_str().unwrap().to_owned()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_route_is_open_to_every_role_as_the_table_says_and_at_its_own_place_alone() {
    let server = Server::start();
    server.two_shops().await;
    let (_, described, _) = server.send(Request::get("/api/v1/openapi.json").body(Body::empty()).unwrap()).await;
    let described: Value = serde_json::from_slice(&described).unwrap();
    for (path, methods) in described["paths"].as_object().unwrap() {
        for method in methods.as_object().unwrap().keys() {
            let is_known = ROUTES.iter().any(|(of, route, ..)| of == method && route == path);
            let is_of_tills = OF_TILLS.contains(&(method.as_str(), path.as_str()));
            assert!(is_known || is_of_tills, "{method} {path}: say in ROUTES what it needs");
        }
    }
    // First those that look, then those that change something; what removes a node comes last.
    let mut routes = ROUTES.to_vec();
    let rank = |method: &str| ["get", "post", "put", "patch", "delete"].iter().position(|known| *known == method);
    routes.sort_by_key(|(method, path, ..)| (*method == "delete" && *path == "/api/v1/nodes/{id}", rank(method)));
    let ids = [server.id_of("till-7-1").await, server.id_of("till-8-1").await];
    for role in [Role::Viewer, Role::Operator, Role::Auditor, Role::Administrator] {
        let [at_shop, at_chain] = [server.key(role, "shop-7").await, server.key(role, "All").await];
        for (method, path, act, about, body) in &routes {
            for (key, place, shop, till) in [
                (&at_shop, "own", "shop-7", &ids[0]),
                (&at_shop, "another", "shop-8", &ids[1]),
                (&at_chain, "any", "shop-8", &ids[1]),
            ] {
                let id =
                    if path.contains("/users/") || path.contains("/keys/") || *about == Number { "999" } else { till };
                let query = match *path {
                    "/api/v1/history" => "?node=SHOP&kind=item&key=1",
                    "/api/v1/tills/{id}/price" => "?barcode=1",
                    "/api/v1/aside/content" => "?unit=till:TILL:document:1",
                    _ => "",
                };
                let uri = format!("{path}{query}").replace("{id}", id).replace("SHOP", shop).replace("TILL", till);
                let uri = ["{number}", "{code}", "{revision}"].iter().fold(uri, |uri, part| uri.replace(part, "999"));
                let body = body.replace("SHOP", shop).replace("TILL", till);
                let (status, told) = server.with_key(key, method, &uri, &body).await;
                // A program has no account.
                let is_meant = *about != Oneself && about.is_meant(role, *act, place);
                let what = format!("{role:?} at {place} place: {method} {uri}: {status} {told}");
                assert_eq!(status != StatusCode::FORBIDDEN, is_meant, "{what}");
                assert_ne!(status, StatusCode::UNAUTHORIZED, "{what}");
                assert!(!status.is_server_error(), "{what}");
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn lists_have_nothing_of_another_shop() {
    let server = Server::start();
    server.two_shops().await;
    for shop in ["7", "8"] {
        let unload = format!("/api/v1/tills/till-{shop}-1/unload");
        assert!(server.ask("POST", &unload, Some(json!({}))).await.0.is_success());
    }
    let (own, other) = (server.id_of("till-7-1").await, server.id_of("till-8-1").await);
    let (shop, other_shop) = (server.id_of("shop-7").await, server.id_of("shop-8").await);
    let group = json!({"parent": "All", "level": "group", "code": "g"});
    server.ask("POST", "/api/v1/nodes", Some(group)).await;
    server.ask("PATCH", "/api/v1/nodes/shop-7", Some(json!({"parent": "group-g"}))).await;
    for place in ["shop-7", "group-g"] {
        let key = server.key(Role::Operator, place).await;
        for path in [
            "nodes",
            "tills",
            "commands",
            "deliveries",
            "loads",
            "notices",
            "shifts",
            "totals",
            "receipts",
            "findings",
            "aside",
            "report",
        ] {
            let (status, told) = server.with_key(&key, "get", &format!("/api/v1/{path}"), "").await;
            assert_eq!(status, StatusCode::OK, "{path}: {told}");
            let told = told.to_string();
            assert!(!told.contains(&other) && !told.contains(&other_shop), "{place}, {path}: {told}");
        }
        let (_, nodes) = server.with_key(&key, "get", "/api/v1/nodes", "").await;
        assert!(nodes.to_string().contains(&own) && nodes.to_string().contains(&shop), "{nodes}");
        let (_, commands) = server.with_key(&key, "get", "/api/v1/commands", "").await;
        assert_eq!(commands.as_array().unwrap().len(), 1, "{commands}");
        // The pages are made of the same lists.
        let page = async |path: &str| {
            let request = Request::get(path).header(header::AUTHORIZATION, format!("Bearer {key}"));
            let answer = server.page.clone().oneshot(request.body(Body::empty()).unwrap()).await.unwrap();
            let status = answer.status();
            (status, String::from_utf8(to_bytes(answer.into_body(), usize::MAX).await.unwrap().to_vec()).unwrap())
        };
        for path in [
            "/",
            "/network",
            "/tills",
            "/tills.csv",
            "/loads",
            "/goods",
            "/goods.csv",
            "/sales",
            "/sales/receipts",
            "/sales/totals",
            "/findings",
            "/report",
            "/server",
            "/attach",
        ] {
            let (status, shown) = page(path).await;
            assert_eq!(status, StatusCode::OK, "{path}: {shown}");
            for elsewhere in [other.as_str(), &other_shop, "till-8-1", "shop-8"] {
                assert!(!shown.contains(elsewhere), "{place}, {path}: {elsewhere} in {shown}");
            }
            assert!(!path.starts_with("/tills") || shown.contains(&own), "{place}, {path}: {shown}");
        }
        let (status, shown) = page(&format!("/tills/{own}")).await;
        assert_eq!(status, StatusCode::OK, "{shown}");
        for path in [format!("/tills/{other}"), format!("/network/{other_shop}"), "/network/shop-8".to_owned()] {
            let (status, shown) = page(&path).await;
            assert!(matches!(status, StatusCode::NOT_FOUND | StatusCode::FORBIDDEN), "{path}: {status} {shown}");
        }
        let (status, shown) = page(&format!("/network/{shop}")).await;
        assert!(status == StatusCode::OK && shown.contains("till-7-1"), "{shown}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_role_is_taken_away_at_once_and_one_that_is_none_is_not_given() {
    let server = Server::start();
    server.two_shops().await;
    server.make_user("anna").await;
    let cookie = server.log_in("anna", "password of anna").await;
    let nodes = async || {
        let request = Request::get("/api/v1/nodes").header(header::COOKIE, &cookie);
        let (status, body, _) = server.send(request.body(Body::empty()).unwrap()).await;
        (status, serde_json::from_slice::<Value>(&body).unwrap())
    };
    assert_eq!(nodes().await.1.as_array().unwrap().len(), 5);
    let set = async |body: Value| server.ask("PATCH", "/api/v1/users/anna", Some(body)).await;
    let (status, set_to) = set(json!({"role": "viewer", "place": "shop-7"})).await;
    assert_eq!((status, &set_to["role"], &set_to["place"]), (StatusCode::OK, &json!("viewer"), &json!("shop-7")));
    assert_eq!(nodes().await.1.as_array().unwrap().len(), 2, "at once");
    for (body, kind) in
        [(json!({"role": "emperor"}), "no-role"), (json!({"role": "viewer", "place": "till-7-1"}), "no-place")]
    {
        let (status, problem) = set(body).await;
        assert_eq!((status, &problem["kind"]), (StatusCode::BAD_REQUEST, &json!(kind)), "{problem}");
    }
    // Without an administrator of the whole chain nobody could mend it.
    let (status, problem) = server.ask("PATCH", "/api/v1/users/admin", Some(json!({"role": "auditor"}))).await;
    assert_eq!((status, &problem["kind"]), (StatusCode::CONFLICT, &json!("last-user")));
    let line = &server.ask("GET", "/api/v1/audit?object=user:anna&limit=1", None).await.1["lines"][0];
    assert_eq!((&line["before"]["role"], &line["after"]["role"]), (&json!("administrator"), &json!("viewer")));
}

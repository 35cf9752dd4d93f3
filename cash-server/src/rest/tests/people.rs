//! People: coming in on the page, sessions, keys, and what guessing comes to.

use super::aside::{ADMIN, token_in};
use super::*;
use axum::http::HeaderMap;
use tillway_service::people::Which;

pub(super) const OURS: (&str, &str) = ("sec-fetch-site", "same-origin");
const PASSWORD: &str = "a password of anna";
const OTHER: &str = "another one of anna";

/// What a browser got.
pub(super) struct Got {
    pub(super) status: StatusCode,
    pub(super) headers: HeaderMap,
    pub(super) body: String,
}

impl Got {
    pub(super) fn to(&self) -> &str {
        self.headers.get(header::LOCATION).map_or("", |to| to.to_str().unwrap())
    }

    /// The cookie that was set, as it is sent.
    pub(super) fn cookie(&self) -> Option<String> {
        let set = self.headers.get(header::SET_COOKIE)?.to_str().unwrap();
        set.split(';').next().map(str::to_owned).filter(|cookie| !cookie.ends_with('='))
    }
}

impl Server {
    /// A user with a password of their own.
    pub(super) async fn make_user(&self, login: &str) {
        let password = format!("password of {login}");
        let (status, made) =
            self.ask("POST", "/api/v1/users", Some(json!({"login": login, "role": "administrator"}))).await;
        assert_eq!(status, StatusCode::CREATED, "{made}");
        let url = made["link"]["url"].as_str().unwrap();
        let secret = url.split("link=").nth(1).unwrap();
        let form = [("link", secret), ("password", &password), ("again", &password)];
        let got = self.send_form("/first", &form, &[OURS]).await;
        assert_eq!(got.status, StatusCode::SEE_OTHER, "{}", got.body);
        let login = login.parse().unwrap();
        self.people.end_sessions(&login, Which::All, &Caller::server()).unwrap();
    }

    pub(super) async fn browse(&self, path: &str, headers: &[(&str, &str)]) -> Got {
        self.got(Request::get(path), headers, Body::empty()).await
    }

    async fn got(&self, mut request: axum::http::request::Builder, headers: &[(&str, &str)], body: Body) -> Got {
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let answer = self.page.clone().oneshot(request.body(body).unwrap()).await.unwrap();
        let (parts, body) = answer.into_parts();
        let body = String::from_utf8(to_bytes(body, usize::MAX).await.unwrap().to_vec()).unwrap();
        Got { status: parts.status, headers: parts.headers, body }
    }

    /// Sends a form with the token that a page has for these headers.
    pub(super) async fn send_form(&self, path: &str, fields: &[(&str, &str)], headers: &[(&str, &str)]) -> Got {
        let shown = self.browse("/login", headers).await;
        let token = token_in(&shown.body);
        let fields: Vec<_> = fields.iter().copied().chain([("token", token.as_str())]).collect();
        self.send_bare(path, &fields, headers).await
    }

    async fn send_bare(&self, path: &str, fields: &[(&str, &str)], headers: &[(&str, &str)]) -> Got {
        let body = fields.iter().map(|(name, value)| format!("{name}={}", value.replace(' ', "+").replace('/', "%2F")));
        let body = body.collect::<Vec<_>>().join("&");
        let request = Request::post(path).header(header::CONTENT_TYPE, "application/x-www-form-urlencoded");
        self.got(request, headers, Body::from(body)).await
    }

    async fn try_in(&self, login: &str, password: &str, headers: &[(&str, &str)]) -> Got {
        self.send_form("/login", &[("login", login), ("password", password), ("next", "/people")], headers).await
    }

    /// Comes in; the cookie of the session.
    pub(super) async fn log_in(&self, login: &str, password: &str) -> String {
        let got = self.try_in(login, password, &[OURS]).await;
        assert_eq!((got.status, got.to()), (StatusCode::SEE_OTHER, "/people"), "{}", got.body);
        got.cookie().unwrap()
    }

    pub(super) async fn is_in(&self, cookie: &str) -> bool {
        let got = self.browse("/", &[("cookie", cookie)]).await;
        assert!(got.status == StatusCode::OK || got.to() == "/login", "{}", got.status);
        got.status == StatusCode::OK
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn who_shows_nothing_is_led_to_the_login_page_and_on_from_there() {
    let server = Server::start();
    let got = server.browse("/people?lang=ru", &[]).await;
    assert_eq!((got.status, got.to()), (StatusCode::SEE_OTHER, "/login?next=/people%3Flang%3Dru&lang=ru"));
    let got = server.browse("/tills", &[("accept", "text/event-stream")]).await;
    assert_eq!(got.status, StatusCode::UNAUTHORIZED);
    assert!(got.headers.get(header::WWW_AUTHENTICATE).is_none(), "no browser asks by itself");
    for (language, heading) in [("en", "<h2>Log in</h2>"), ("ru", "<h2>Вход</h2>")] {
        let shown = server.browse(&format!("/login?lang={language}&next=/people%3Flang%3Dru"), &[]).await;
        assert!(
            shown.body.contains(heading) && shown.body.contains("value=\"&#x2f;people?lang=ru\""),
            "{}",
            shown.body
        );
    }
    // The login of the file comes in as a user of the page.
    let got = server.try_in("Admin", "secret", &[OURS]).await;
    assert_eq!((got.status, got.to()), (StatusCode::SEE_OTHER, "/people"), "{}", got.body);
    let set = got.headers[header::SET_COOKIE].to_str().unwrap();
    assert!(set.starts_with("tillway=") && set.ends_with("; Path=/; HttpOnly; SameSite=Strict"), "{set}");
    let cookie = got.cookie().unwrap();
    let people = server.browse("/people", &[("cookie", &cookie)]).await;
    assert!(people.status == StatusCode::OK && people.body.contains("admin"), "{}", people.body);
    assert!(!people.body.contains(cookie.split('=').nth(1).unwrap()));
    let line = &server.ask("GET", "/api/v1/audit?limit=1", None).await.1["lines"][0];
    assert_eq!((&line["verb"], &line["actor"]), (&json!("session.begin"), &json!("login:admin")), "{line}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_login_form_of_another_site_or_without_its_token_is_not_acted_on() {
    let server = Server::start();
    let token = token_in(&server.browse("/login", &[]).await.body);
    let fields = [("login", "admin"), ("password", "secret"), ("token", token.as_str())];
    for (fields, headers, expected) in [
        (&fields[..], &[OURS][..], StatusCode::SEE_OTHER),
        (&fields[..], &[("sec-fetch-site", "cross-site")][..], StatusCode::FORBIDDEN),
        (&fields[..], &[("origin", "http://evil"), ("host", "shop:18090")][..], StatusCode::FORBIDDEN),
        (&fields[..], &[][..], StatusCode::FORBIDDEN),
        (&[fields[0], fields[1], ("token", "0")][..], &[OURS][..], StatusCode::FORBIDDEN),
        (&fields[..2], &[OURS][..], StatusCode::UNPROCESSABLE_ENTITY),
    ] {
        let got = server.send_bare("/login", fields, headers).await;
        assert_eq!((got.status, got.cookie().is_some()), (expected, expected == StatusCode::SEE_OTHER), "{headers:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_of_before_the_login_is_worth_nothing_after_it() {
    let server = Server::start();
    // Somebody has put a token of theirs, or one that they made up, into the browser.
    let planted = server.log_in("admin", "secret").await;
    for before in [planted.as_str(), "tillway=made-up"] {
        let got = server.try_in("admin", "secret", &[OURS, ("cookie", before)]).await;
        let after = got.cookie().unwrap();
        assert_ne!(after, before);
        assert!(server.is_in(&after).await && !server.is_in(before).await, "{before}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn forms_of_a_session_are_good_in_that_session_alone() {
    let server = Server::start();
    let [one, other] = [server.log_in("admin", "secret").await, server.log_in("admin", "secret").await];
    let page = server.browse("/people", &[("cookie", &one)]).await;
    let token = token_in(&page.body);
    let fields = [("name", "erp"), ("days", "30"), ("role", "viewer"), ("place", "All"), ("token", token.as_str())];
    let got = server.send_bare("/people/keys/add", &fields, &[OURS, ("cookie", &other)]).await;
    assert_eq!(got.status, StatusCode::FORBIDDEN, "replayed in another session");
    let got =
        server.send_bare("/people/keys/add", &fields, &[("sec-fetch-site", "cross-site"), ("cookie", &one)]).await;
    assert_eq!(got.status, StatusCode::FORBIDDEN, "of another site");
    let got = server.send_bare("/people/keys/add", &fields[..4], &[OURS, ("cookie", &one)]).await;
    assert_eq!(got.status, StatusCode::UNPROCESSABLE_ENTITY, "without a token");
    assert_eq!(server.ask("GET", "/api/v1/keys", None).await.1, json!([]));
    let got = server.send_bare("/people/keys/add", &fields, &[OURS, ("cookie", &one)]).await;
    assert!(got.status == StatusCode::OK && got.body.contains("twk_"), "{}", got.body);
}

#[tokio::test(flavor = "multi_thread")]
async fn logging_out_changing_the_password_and_disabling_end_sessions_at_once() {
    let server = Server::start();
    server.make_user("anna").await;
    let mut in_all = Vec::new();
    for _ in 0..4 {
        in_all.push(server.log_in("anna", "password of anna").await);
    }
    let form = |cookie: &str| [OURS, ("cookie", Box::leak(cookie.to_owned().into_boxed_str()) as &str)];
    let account = server.browse("/account", &[("cookie", &in_all[0])]).await;
    let token = token_in(&account.body);
    assert_eq!(account.body.matches("name=\"session\"").count(), 4, "{}", account.body);

    let got = server.send_bare("/logout", &[("token", &token)], &form(&in_all[0])).await;
    assert_eq!((got.status, got.to()), (StatusCode::SEE_OTHER, "/login?lang=en"));
    assert!(got.headers[header::SET_COOKIE].to_str().unwrap().contains("Max-Age=0"));
    assert!(!server.is_in(&in_all[0]).await && server.is_in(&in_all[1]).await);

    // One ends another of one's own, and none of somebody else.
    let mine = server.people.sessions(&"anna".parse().unwrap()).unwrap();
    let admin = server.log_in("admin", "secret").await;
    let theirs = server.people.sessions(&"admin".parse().unwrap()).unwrap()[0].no.to_string();
    let token = token_in(&server.browse("/account", &[("cookie", &in_all[1])]).await.body);
    let oldest = mine.iter().map(|session| session.no).min().unwrap().to_string();
    let ends = async |session: &str| {
        let fields = [("token", token.as_str()), ("session", session)];
        server.send_bare("/account/end", &fields, &form(&in_all[1])).await.status
    };
    assert_eq!(ends(&theirs).await, StatusCode::NOT_FOUND);
    assert!(server.is_in(&admin).await);
    let still_in = mine.len();
    let last = mine.iter().map(|session| session.no).max().unwrap().to_string();
    assert_ne!(oldest, last);
    assert_eq!(ends(&last).await, StatusCode::SEE_OTHER);
    assert_eq!(server.people.sessions(&"anna".parse().unwrap()).unwrap().len(), still_in - 1);
    assert!(!server.is_in(&in_all[3]).await);

    let change = async |old: &str, new: &str, again: &str| {
        let fields = [("token", token.as_str()), ("old", old), ("password", new), ("again", again)];
        server.send_bare("/account/password", &fields, &form(&in_all[1])).await
    };
    for (old, new, again, why) in [
        ("wrong password", OTHER, OTHER, "login and password do not fit"),
        ("password of anna", OTHER, PASSWORD, "the two passwords differ"),
        ("password of anna", "short", "short", "at least 10 characters"),
        ("password of anna", "password of anna", "password of anna", "password of before"),
    ] {
        let got = change(old, new, again).await;
        assert!(got.status.is_client_error() && got.body.contains(why), "{} {}", got.status, got.body);
    }
    let got = change("password of anna", OTHER, OTHER).await;
    assert_eq!(got.status, StatusCode::SEE_OTHER, "{}", got.body);
    assert!(server.is_in(&in_all[1]).await, "the one that asked goes on");
    assert!(!server.is_in(&in_all[2]).await, "the others end");
    assert_eq!(server.try_in("anna", "password of anna", &[OURS]).await.status, StatusCode::UNAUTHORIZED);

    let path = "/api/v1/users/anna";
    assert_eq!(server.ask("PATCH", path, Some(json!({"disabled": true}))).await.0, StatusCode::OK);
    assert!(!server.is_in(&in_all[1]).await);
    let got = server.try_in("anna", OTHER, &[OURS]).await;
    assert!(got.status == StatusCode::FORBIDDEN && got.body.contains("is disabled"), "{}", got.body);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_password_that_somebody_else_knows_is_changed_before_anything_else() {
    let server = Server::start();
    let new = json!({"login": "anna", "password": PASSWORD, "role": "administrator"});
    let (status, made) = server.ask("POST", "/api/v1/users", Some(new)).await;
    assert_eq!(
        (status, &made["user"]["state"], &made["link"]),
        (StatusCode::CREATED, &json!("must-change"), &Value::Null)
    );
    let cookie = server.log_in("anna", PASSWORD).await;
    for path in ["/", "/people", "/attach"] {
        let got = server.browse(path, &[("cookie", &cookie)]).await;
        assert_eq!((got.status, got.to()), (StatusCode::SEE_OTHER, "/account"), "{path}");
    }
    let basic = |password: &str| {
        let encoded = base64::engine::general_purpose::STANDARD.encode(format!("anna:{password}"));
        Request::get("/api/v1/nodes").header(header::AUTHORIZATION, format!("Basic {encoded}"))
    };
    let rest = async |request: axum::http::request::Builder| {
        let (status, body, _) = server.send(request.body(Body::empty()).unwrap()).await;
        (status, serde_json::from_slice::<Value>(&body).unwrap()["kind"].clone())
    };
    assert_eq!(rest(basic(PASSWORD)).await, (StatusCode::FORBIDDEN, json!("password-first")));
    let by_cookie = || Request::get("/api/v1/nodes").header(header::COOKIE, &cookie);
    assert_eq!(rest(by_cookie()).await, (StatusCode::FORBIDDEN, json!("password-first")));
    let token = token_in(&server.browse("/account", &[("cookie", &cookie)]).await.body);
    let fields = [("token", token.as_str()), ("old", PASSWORD), ("password", OTHER), ("again", OTHER)];
    let got = server.send_bare("/account/password", &fields, &[OURS, ("cookie", &cookie)]).await;
    assert_eq!(got.status, StatusCode::SEE_OTHER, "{}", got.body);
    assert!(server.is_in(&cookie).await);
    assert_eq!(server.send(basic(OTHER).body(Body::empty()).unwrap()).await.0, StatusCode::OK);
    assert_eq!(server.send(by_cookie().body(Body::empty()).unwrap()).await.0, StatusCode::OK);
    // What a browser sends by itself changes something only where its own page has it sent.
    for (site, expected) in [
        (None, StatusCode::FORBIDDEN),
        (Some("cross-site"), StatusCode::FORBIDDEN),
        (Some("same-origin"), StatusCode::CREATED),
    ] {
        let request = Request::post("/api/v1/keys")
            .header(header::COOKIE, &cookie)
            .header(header::CONTENT_TYPE, "application/json");
        let request = site.map_or(Request::post("/api/v1/keys").header(header::COOKIE, &cookie), |site| {
            request.header("sec-fetch-site", site)
        });
        let body = Body::from(json!({"name": "erp"}).to_string());
        assert_eq!(server.send(request.body(body).unwrap()).await.0, expected, "{site:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_link_sets_a_password_once_and_a_newer_one_takes_its_place() {
    let server = Server::start();
    let link = |made: &Value| made["url"].as_str().unwrap().split("link=").nth(1).unwrap().to_owned();
    let made = server
        .ask("POST", "/api/v1/users", Some(json!({"login": "anna", "name": "<b>A", "role": "administrator"})))
        .await
        .1;
    let first = link(&made["link"]);
    assert_eq!(made["user"]["state"], "invited");
    for _ in 0..2 {
        let shown = server.browse(&format!("/first?link={first}"), &[]).await;
        assert!(shown.status == StatusCode::OK && shown.body.contains("anna"), "looking uses nothing up");
    }
    let second = link(&server.ask("POST", "/api/v1/users/anna/link", None).await.1);
    let use_it = async |secret: &str, password: &str| {
        server.send_form("/first", &[("link", secret), ("password", password), ("again", password)], &[OURS]).await
    };
    assert_eq!(use_it(&first, PASSWORD).await.status, StatusCode::GONE);
    assert_eq!(use_it(&second, "short").await.status, StatusCode::BAD_REQUEST);
    let got = use_it(&second, PASSWORD).await;
    assert_eq!((got.status, got.to()), (StatusCode::SEE_OTHER, "/?lang=en"));
    let cookie = got.cookie().unwrap();
    assert!(server.is_in(&cookie).await);
    assert_eq!(use_it(&second, OTHER).await.status, StatusCode::GONE, "good once");
    let people = server.browse("/people", &[("cookie", &cookie)]).await.body;
    assert!(people.contains("&lt;b&gt;A") && !people.contains("<b>A"), "{people}");
    // A new one takes the password away at once, with all sessions.
    server.ask("POST", "/api/v1/users/anna/link", None).await;
    assert!(!server.is_in(&cookie).await);
    assert_eq!(server.try_in("anna", PASSWORD, &[OURS]).await.status, StatusCode::UNAUTHORIZED);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_is_good_for_rest_until_it_is_removed_and_is_told_once() {
    let server = Server::start();
    let (status, made) =
        server.ask("POST", "/api/v1/keys", Some(json!({"name": "ERP", "days": 30, "role": "administrator"}))).await;
    assert_eq!(status, StatusCode::CREATED, "{made}");
    let token = made["token"].as_str().unwrap().to_owned();
    let with = async |method: &str, path: &str, token: &str| {
        let request =
            Request::builder().method(method).uri(path).header(header::AUTHORIZATION, format!("Bearer {token}"));
        server.send(request.body(Body::empty()).unwrap()).await.0
    };
    assert!(token.starts_with("twk_"));
    assert_eq!(with("GET", "/api/v1/nodes", &token).await, StatusCode::OK);
    assert_eq!(with("GET", "/api/v1/nodes", &format!("{token}x")).await, StatusCode::UNAUTHORIZED);
    assert_eq!(with("GET", "/api/v1/me", &token).await, StatusCode::FORBIDDEN, "a program has no account");
    let keys = server.ask("GET", "/api/v1/keys", None).await.1;
    assert_eq!((&keys[0]["name"], &keys[0]["made_by"]), (&json!("erp"), &json!("login:admin")));
    assert!(!keys.to_string().contains(&token) && keys[0]["used_at"].is_string(), "{keys}");
    assert_eq!(with("DELETE", "/api/v1/keys/nothing", &token).await, StatusCode::NOT_FOUND);
    assert_eq!(with("DELETE", "/api/v1/keys/erp", &token).await, StatusCode::NO_CONTENT);
    let line = &server.ask("GET", "/api/v1/audit?limit=1", None).await.1["lines"][0];
    assert_eq!((&line["verb"], &line["actor"]), (&json!("key.remove"), &json!("key:erp")), "{line}");
    assert_eq!(with("GET", "/api/v1/nodes", &token).await, StatusCode::UNAUTHORIZED);
    for (body, kind) in
        [(json!({"name": "a/b"}), "no-key-name"), (json!({"name": "long", "days": 100_000}), "key-days")]
    {
        let (status, problem) = server.ask("POST", "/api/v1/keys", Some(body)).await;
        assert_eq!((status, &problem["kind"]), (StatusCode::BAD_REQUEST, &json!(kind)));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn guessing_is_slowed_on_page_and_rest_together_and_the_file_s_login_is_no_way_around() {
    let server = Server::start();
    server.make_user("anna").await;
    let rest = async |login: &str, password: &str| {
        let encoded = base64::engine::general_purpose::STANDARD.encode(format!("{login}:{password}"));
        let request = Request::get("/api/v1/nodes").header(header::AUTHORIZATION, format!("Basic {encoded}"));
        server.send(request.body(Body::empty()).unwrap()).await
    };
    for login in ["boris", "admin"] {
        for number in 0..3 {
            assert_eq!(rest(login, &format!("wrong {number}")).await.0, StatusCode::UNAUTHORIZED);
        }
        for number in 3..5 {
            assert_eq!(
                server.try_in(login, &format!("wrong {number}"), &[OURS]).await.status,
                StatusCode::UNAUTHORIZED
            );
        }
        let (status, _, headers) = rest(login, "wrong 6").await;
        assert_eq!(status, StatusCode::TOO_MANY_REQUESTS, "{login}");
        assert!(headers[header::RETRY_AFTER].to_str().unwrap().parse::<u64>().unwrap() >= 1);
        let got = server.try_in(login, "wrong 7", &[OURS]).await;
        assert!(got.status == StatusCode::TOO_MANY_REQUESTS && got.body.contains("wait for"), "{}", got.body);
    }
    // Whoever guesses learns nothing: one who is there is answered as one who is not.
    let (there, not_there) = (rest("anna", "wrong").await, rest("nobody", "wrong").await);
    assert_eq!((there.0, there.1), (not_there.0, not_there.1));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_last_one_who_can_come_in_stays_and_one_who_is_there_is_not_added_again() {
    let server = Server::start();
    for (method, path, body, kind) in [
        ("DELETE", "/api/v1/users/admin", None, "last-user"),
        ("PATCH", "/api/v1/users/admin", Some(json!({"disabled": true})), "last-user"),
        ("POST", "/api/v1/users", Some(json!({"login": "ADMIN"})), "user-there"),
    ] {
        let (status, problem) = server.ask(method, path, body).await;
        assert_eq!((status, &problem["kind"]), (StatusCode::CONFLICT, &json!(kind)), "{problem}");
    }
    assert_eq!(server.ask("GET", "/api/v1/users/boris", None).await.0, StatusCode::NOT_FOUND);
    assert_eq!(server.ask("POST", "/api/v1/users", Some(json!({"login": "a:b"}))).await.0, StatusCode::BAD_REQUEST);
    // The file's login acts as its user, and not without.
    server.make_user("anna").await;
    assert_eq!(server.ask("PATCH", "/api/v1/users/admin", Some(json!({"disabled": true}))).await.0, StatusCode::OK);
    assert_eq!(server.ask("GET", "/api/v1/nodes", None).await.0, StatusCode::FORBIDDEN);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_file_s_login_is_taken_over_once_and_a_file_that_was_edited_sets_the_password() {
    let server = Server::start();
    let cookie = server.log_in("admin", "secret").await;
    let login = "admin".parse().unwrap();
    server.people.take_over(&login, &everything(), "secret", true).unwrap();
    assert!(server.is_in(&cookie).await, "the file of before changes nothing");
    let token = token_in(&server.browse("/account", &[("cookie", &cookie)]).await.body);
    let fields = [("token", token.as_str()), ("old", "secret"), ("password", OTHER), ("again", OTHER)];
    server.send_bare("/account/password", &fields, &[OURS, ("cookie", &cookie)]).await;
    server.people.take_over(&login, &everything(), "secret", false).unwrap();
    assert_eq!(server.try_in("admin", "secret", &[OURS]).await.status, StatusCode::UNAUTHORIZED, "it was changed here");
    assert_eq!(server.ask("GET", "/api/v1/nodes", None).await.0, StatusCode::OK, "scripts go on with the file's");
    server.people.take_over(&login, &everything(), "edited", false).unwrap();
    assert!(!server.is_in(&cookie).await);
    server.log_in("admin", "edited").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_page_takes_a_password_with_each_request_from_programs() {
    let server = Server::start();
    let page = server.browse("/account", &[("authorization", ADMIN)]).await;
    assert!(page.status == StatusCode::OK && page.body.contains("in each request"), "{}", page.body);
    let got = server.browse("/", &[("authorization", "Basic eDp5")]).await;
    assert_eq!(got.status, StatusCode::UNAUTHORIZED);
    assert!(got.headers.get(header::WWW_AUTHENTICATE).is_none());
}

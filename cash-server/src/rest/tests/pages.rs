//! The pages as a browser without script has them: filters in addresses, many tills at once, CSV,
//! and what of a page is sent as it changes.

use super::aside::{ADMIN, token_in};
use super::*;
use futures_util::StreamExt as _;

const OURS: [(&str, &str); 2] = [("authorization", ADMIN), ("sec-fetch-site", "same-origin")];

impl Server {
    /// So many tills of one shop, `till-<shop>-1` and on.
    async fn shop_of(&self, code: &str, tills: usize) {
        let shop = json!({"parent": "All", "level": "shop", "code": code, "name": format!("Shop {code}")});
        self.ask("POST", "/api/v1/nodes", Some(shop)).await;
        for till in 1..=tills {
            let till = json!({"parent": format!("shop-{code}"), "level": "till", "code": till.to_string()});
            let (status, made) = self.ask("POST", "/api/v1/nodes", Some(till)).await;
            assert_eq!(status, StatusCode::CREATED, "{made}");
        }
    }

    fn parked(&self) -> usize {
        self.network.current().unwrap().tills().filter(|(_, node)| node.parked).count()
    }

    async fn get(&self, path: &str, headers: &[(&str, &str)]) -> axum::response::Response {
        let mut request = Request::get(path).header(header::AUTHORIZATION, ADMIN);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        self.page.clone().oneshot(request.body(Body::empty()).unwrap()).await.unwrap()
    }
}

fn value_of<'a>(page: &'a str, name: &str) -> &'a str {
    page.split(&format!("name=\"{name}\" value=\"")).nth(1).and_then(|rest| rest.split('"').next()).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn forty_tills_are_parked_at_once_after_a_preview_each_with_its_line_of_the_audit_log() {
    let server = Server::start();
    server.shop_of("7", 40).await;
    server.shop_of("8", 3).await;
    let list = server.page("/tills?shop=shop-7&lang=en").await;
    assert!(list.contains("40 of 43 tills match"), "{list}");
    let asked = format!("token={}&filter=shop%3Dshop-7&scope=all&act=park", token_in(&list));
    let (status, question) = server.submit("/tills/bulk?lang=en", &asked, &OURS).await;
    assert_eq!(status, StatusCode::OK, "{question}");
    assert!(question.contains("Park 40 tills?") && question.contains("raises no alarm"), "{question}");
    assert_eq!(server.parked(), 0, "nobody has said yes yet");
    let tills = value_of(&question, "tills").replace(' ', "+");
    let yes = format!("token={}&tills={tills}&filter=shop%3Dshop-7&act=park", token_in(&question));
    let (status, done) = server.submit("/tills/bulk/do?lang=en", &yes, &OURS).await;
    assert!(status == StatusCode::OK && done.contains("40 tills are parked now."), "{done}");
    assert!(done.contains("&#x2f;tills?shop=shop-7\""), "back to the list: {done}");
    assert_eq!(server.parked(), 40);
    let (_, audit) = server.ask("GET", "/api/v1/audit?limit=100", None).await;
    let lines = audit["lines"].as_array().unwrap();
    assert_eq!(lines.iter().filter(|line| line["verb"] == "till.park" && line["actor"] == "login:admin").count(), 40);

    // Once more: they are parked already, and one that is gone is named.
    let (_, question) = server.submit("/tills/bulk?lang=en", &asked, &OURS).await;
    assert!(question.contains("40 are so already."), "{question}");
    let gone = format!("token={}&till=_cash_9_00ab34ef&act=park", token_in(&list));
    let (_, done) = server.submit("/tills/bulk/do?lang=en", &gone, &OURS).await;
    assert!(done.contains("It failed for 1 of 1 till") && done.contains("_cash_9_00ab34ef"), "{done}");
}

#[tokio::test(flavor = "multi_thread")]
async fn chosen_tills_are_those_that_were_ticked_and_forms_of_others_do_nothing() {
    let server = Server::start();
    server.shop_of("7", 3).await;
    let list = server.page("/tills").await;
    let ids: Vec<&str> =
        list.split("name=\"till\" value=\"").skip(1).filter_map(|rest| rest.split('"').next()).collect();
    assert_eq!(ids.len(), 3);
    let token = token_in(&list);
    let two = format!("token={token}&scope=chosen&till={}&till={}&act=ask", ids[0], ids[2]);
    let (_, question) = server.submit("/tills/bulk?lang=en", &two, &OURS).await;
    assert!(question.contains("Ask 2 tills for sales?") && question.contains("2 are silent"), "{question}");
    let yes = format!("token={token}&tills={}&act=ask", value_of(&question, "tills").replace(' ', "+"));
    let (_, done) = server.submit("/tills/bulk/do?lang=en", &yes, &OURS).await;
    assert!(done.contains("2 tills were asked for sales."), "{done}");
    let (_, again) = server.submit("/tills/bulk/do?lang=en", &yes, &OURS).await;
    assert!(again.contains("was on its way already"), "{again}");
    let commands = server.ask("GET", "/api/v1/commands", None).await.1;
    assert_eq!(commands.as_array().unwrap().len(), 2, "{commands}");
    for (form, headers, expected) in [
        (yes.replace("act=ask", "act=explode"), &OURS[..], StatusCode::NOT_FOUND),
        (yes.replace(&token, &"0".repeat(64)), &OURS[..], StatusCode::FORBIDDEN),
        (yes.clone(), &[("authorization", ADMIN), ("sec-fetch-site", "cross-site")][..], StatusCode::FORBIDDEN),
        (yes.clone(), &[("sec-fetch-site", "same-origin")][..], StatusCode::SEE_OTHER),
        (format!("token={token}&act=park&tills={}", vec!["x"; 2_001].join("+")), &OURS[..], StatusCode::BAD_REQUEST),
    ] {
        assert_eq!(server.submit("/tills/bulk/do", &form, headers).await.0, expected, "{headers:?}");
    }
    let none = format!("token={token}&scope=chosen&act=park");
    let (_, question) = server.submit("/tills/bulk?lang=en", &none, &OURS).await;
    assert!(question.contains("No till is chosen") && !question.contains("value=\"park\""), "{question}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_list_of_tills_is_filtered_sorted_and_paged_by_its_address() {
    let server = Server::start();
    server.shop_of("7", 60).await;
    server.shop_of("10", 2).await;
    let codes = |page: &str| -> Vec<String> {
        let rows = page.split("<td class=\"title\"><a href=\"/tills/till-").skip(1);
        rows.filter_map(|row| row.split('"').next()).map(str::to_owned).collect()
    };
    let first = server.page("/tills?sort=till&lang=en").await;
    let shown = codes(&first);
    assert_eq!((shown.len(), shown[0].as_str(), shown[9].as_str()), (50, "7-1", "7-10"), "as people count");
    assert!(first.contains("1–50 of 62") && first.contains("&#x2f;tills?sort=till&amp;page=2\""), "{first}");
    let second = codes(&server.page("/tills?sort=till&page=2").await);
    assert_eq!((second.len(), second[11].as_str()), (12, "10-2"));
    assert_eq!(codes(&server.page("/tills?sort=-till").await)[0], "10-2");
    for (filter, found) in [
        ("q=7-60", 1),
        ("q=7/60", 1),
        ("q=shop+10", 2),
        ("shop=10", 2),
        ("shop=shop-10", 2),
        ("shop=none", 0),
        ("state=never-heard-of&q=10-", 2),
        ("state=silent", 0),
        ("silent=5&shop=10", 2),
        ("behind=1", 0),
        ("unsent=1", 0),
        ("version=9.9.9", 0),
        ("problem=silent", 0),
        ("page=99&shop=10", 2),
    ] {
        let page = server.page(&format!("/tills?{filter}&lang=en")).await;
        assert_eq!(codes(&page).len(), found, "{filter}");
    }
    let csv = server.get("/tills.csv?shop=10&lang=ru", &[]).await;
    assert_eq!(csv.headers()[header::CONTENT_TYPE], "text/csv; charset=utf-8");
    let csv = String::from_utf8(to_bytes(csv.into_body(), usize::MAX).await.unwrap().to_vec()).unwrap();
    assert_eq!(csv.lines().count(), 3, "{csv}");
    assert!(csv.starts_with("\u{feff}Магазин,Касса,") && csv.contains("\r\n10,1,,не выходила на связь,"), "{csv}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_till_has_a_page_by_id_and_by_name_where_it_is_parked_and_its_history_told() {
    let server = Server::start();
    let made = server.make_till().await;
    let id = made["node"]["id"].as_str().unwrap();
    let page = server.page("/tills/till-7-1?lang=en").await;
    assert!(page.contains(id) && page.contains("was never heard of") && page.contains("Made"), "{page}");
    assert!(server.page(&format!("/tills/{id}?lang=ru")).await.contains("Касса 7-1"));
    for (act, state) in [("park", "parked"), ("unpark", "never-heard-of")] {
        let form = format!("token={}&till={id}&act={act}", token_in(&page));
        let from = [OURS[0], OURS[1], ("referer", "http://evil.example/tills/till-7-1?lang=en")];
        let request = Request::post("/till/act").header(header::CONTENT_TYPE, "application/x-www-form-urlencoded");
        let request = from.iter().fold(request, |request, (name, value)| request.header(*name, *value));
        let answer = self::answer(&server, request.body(Body::from(form)).unwrap()).await;
        assert_eq!(answer.status(), StatusCode::SEE_OTHER);
        assert_eq!(
            answer.headers()[header::LOCATION],
            "/tills/till-7-1?lang=en",
            "of an address only the path is taken"
        );
        let page = server.page("/tills/till-7-1?lang=en").await;
        assert!(page.contains(&format!("class=\"mark {state}\"")), "{page}");
    }
    let page = server.page("/tills/till-7-1?lang=en").await;
    assert!(
        page.contains("Parked") && page.contains("Taken back into service") && page.contains("login:admin"),
        "{page}"
    );
    assert_eq!(server.get("/tills/till-9-9", &[]).await.status(), StatusCode::NOT_FOUND);
    assert_eq!(server.get("/tills/shop-7", &[]).await.status(), StatusCode::BAD_REQUEST);
}

async fn answer(server: &Server, request: Request<Body>) -> axum::response::Response {
    server.page.clone().oneshot(request).await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_has_a_page_open_is_sent_what_differs_and_nobody_else() {
    let server = Server::start();
    server.shop_of("7", 2).await;
    let events = [("accept", "text/event-stream")];
    let stream = server.get("/tills?lang=en", &events).await;
    assert_eq!(stream.headers()[header::CONTENT_TYPE], "text/event-stream");
    let mut stream = stream.into_body().into_data_stream();
    let mut next = async || String::from_utf8(stream.next().await.unwrap().unwrap().to_vec()).unwrap();
    assert!(next().await.starts_with("retry:"));
    let whole = next().await;
    assert!(whole.contains("\"part\":\"rows\"") && whole.matches("never heard of").count() >= 2, "{whole}");
    server.ask("PATCH", "/api/v1/nodes/till-7-2", Some(json!({"parked": true}))).await;
    let changed = next().await;
    let changes: Value = serde_json::from_str(changed.strip_prefix("data: ").unwrap().trim()).unwrap();
    let rows = changes.as_array().unwrap().iter().find(|change| change["part"] == "rows").unwrap();
    assert_eq!((rows["keys"].as_array().unwrap().len(), rows["html"].as_object().unwrap().len()), (2, 1), "{changes}");
    let nobody = Request::get("/tills").header("accept", "text/event-stream").body(Body::empty()).unwrap();
    assert_eq!(answer(&server, nobody).await.status(), StatusCode::UNAUTHORIZED);
    assert_eq!(server.get("/tills/till-9-9", &events).await.into_body().into_data_stream().count().await, 1);
}

#[tokio::test]
async fn a_chosen_language_stays_and_a_page_loads_nothing_from_elsewhere() {
    let server = Server::start();
    let asked = server.get("/tills?state=silent&lang=ru", &[]).await;
    let cookie = asked.headers()[header::SET_COOKIE].to_str().unwrap().to_owned();
    assert!(cookie.starts_with("tillway-language=ru; Path=/"), "{cookie}");
    let policy = asked.headers()[header::CONTENT_SECURITY_POLICY].to_str().unwrap();
    assert!(policy.contains("default-src 'none'") && !policy.contains("unsafe"), "{policy}");
    let page = server.get("/", &[("cookie", "tillway-language=ru")]).await;
    assert!(page.headers().get(header::SET_COOKIE).is_none());
    let page = String::from_utf8(to_bytes(page.into_body(), usize::MAX).await.unwrap().to_vec()).unwrap();
    assert!(page.contains("<html lang=\"ru\">") && page.contains("Обзор"), "{page}");
    assert!(!page.contains("http://") && !page.contains("https://"), "{page}");
}

#[tokio::test(flavor = "multi_thread")]
async fn nodes_are_added_renamed_moved_and_removed_and_what_has_nodes_below_stays() {
    let server = Server::start();
    server.shop_of("7", 2).await;
    let page = server.page("/network?lang=en").await;
    assert!(page.contains("network&#x2f;shop-7") && page.contains("Shops: 1. Tills: 2"), "{page}");
    let token = token_in(&page);
    let send = async |path: &str, fields: &str| {
        server.submit(&format!("/network/do/{path}?lang=en"), &format!("token={token}&{fields}"), &OURS).await
    };
    assert_eq!(send("add", "parent=All&level=group&code=north&name=North").await.0, StatusCode::SEE_OTHER);
    assert_eq!(send("rename", "node=group-north&name=The+north").await.0, StatusCode::SEE_OTHER);
    assert_eq!(send("move", "node=shop-7&parent=group-north").await.0, StatusCode::SEE_OTHER);
    let group = server.page("/network/group-north?lang=en").await;
    assert!(group.contains("The north") && group.contains("shop-7"), "{group}");
    let shop = server.page("/network/shop-7?lang=en").await;
    assert!(shop.contains("tills&#x2f;till-7-1") && shop.contains("&#x2f;network&#x2f;group-north"), "{shop}");
    let (status, asked) = send("ask-remove", "node=shop-7").await;
    assert!(status == StatusCode::OK && asked.contains("2 nodes hang below it"), "{asked}");
    assert!(!asked.contains("class=\"danger\""), "{asked}");
    assert_eq!(send("remove", "node=shop-7").await.0, StatusCode::CONFLICT);
    let (_, asked) = send("ask-remove", "node=till-7-2").await;
    assert!(asked.contains("Its secret is void at once") && asked.contains("class=\"danger\""), "{asked}");
    assert_eq!(send("remove", "node=till-7-2").await.0, StatusCode::SEE_OTHER);
    assert_eq!(server.get("/tills/till-7-2", &[]).await.status(), StatusCode::NOT_FOUND);
    let (status, told) = send("add", "parent=All&level=shop&code=a+b").await;
    assert!(status.is_client_error() && !told.is_empty(), "{told}");
    let foreign = format!("token={}&node=till-7-1", "0".repeat(64));
    assert_eq!(server.submit("/network/do/remove", &foreign, &OURS).await.0, StatusCode::FORBIDDEN);
    assert_eq!(server.get("/network/till-7-1", &[]).await.headers()[header::LOCATION], "/tills/till-7-1");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_table_of_nodes_is_shown_before_it_is_taken_over_and_can_be_sent_again() {
    let server = Server::start();
    server.shop_of("7", 1).await;
    let token = token_in(&server.page("/network/import").await);
    let table = "level,code,parent,name%0Agroup,north,All,North%0Ashop,8,group-north,%22Main, street%22%0Atill,1,shop-8,%0A\
                 till,1,shop-7,%0Ashop,9,group-south,%0A";
    let form = format!("token={token}&table={table}");
    let nodes = || server.network.current().unwrap().nodes().count();
    let before = nodes();
    let (status, shown) = server.submit("/network/import/preview?lang=en", &form, &OURS).await;
    assert!(status == StatusCode::OK && shown.contains("Make 3 nodes?"), "{shown}");
    assert!(shown.contains("There already: 1. Wrong: 1.") && shown.contains("no such parent"), "{shown}");
    assert_eq!(nodes(), before, "nobody has said yes yet");
    let (_, done) = server.submit("/network/import/do?lang=en", &form, &OURS).await;
    assert!(done.contains("3 nodes are made"), "{done}");
    assert_eq!(nodes(), before + 3);
    assert!(server.network.current().unwrap().nodes().any(|node| node.name == "Main, street"));
    let (_, again) = server.submit("/network/import/do?lang=en", &form, &OURS).await;
    assert!(again.contains("There already: 4. Wrong: 1."), "{again}");
    assert_eq!(nodes(), before + 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn many_units_are_dropped_after_a_question_that_names_them() {
    let server = Server::start();
    server.reports.take_now(&[b"{".to_vec(), b"[".to_vec(), b"(".to_vec()], None).unwrap();
    let page = server.page("/findings?lang=en").await;
    assert_eq!(page.matches("name=\"unit\" value=\"report:").count(), 6, "a box and a form for each: {page}");
    let token = token_in(&page);
    let two = format!("token={token}&unit=report:1&unit=report:3&unit=report:77");
    let (_, asked) = server.submit("/aside/many?lang=en", &format!("{two}&action=drop"), &OURS).await;
    assert!(asked.contains("Drop 2 units for good?") && asked.contains("cannot be brought back"), "{asked}");
    assert_eq!(server.ask("GET", "/api/v1/aside", None).await.1.as_array().unwrap().len(), 3);
    let (_, done) = server.submit("/aside/many/drop?lang=en", &two, &OURS).await;
    assert!(done.contains("It failed for 1 unit") && done.contains("report:77"), "{done}");
    assert_eq!(server.ask("GET", "/api/v1/aside", None).await.1.as_array().unwrap().len(), 1);
    let one = format!("token={token}&unit=report:2&action=retry");
    let (_, done) = server.submit("/aside/many?lang=en", &one, &OURS).await;
    assert!(done.contains("1 unit was settled"), "{done}");
}

#[tokio::test(flavor = "multi_thread")]
async fn who_did_what_is_found_by_what_was_done_and_kept_as_a_file() {
    let server = Server::start();
    server.shop_of("7", 2).await;
    let named = json!({"name": "<i>=1+1"});
    assert_eq!(server.ask("PATCH", "/api/v1/nodes/till-7-2", Some(named)).await.0, StatusCode::OK);
    let all = server.page("/audit?lang=en").await;
    assert!(all.contains("Node made") && all.contains("Node renamed") && all.contains("7&#x2f;2"), "{all}");
    assert!(all.contains("<code>name</code>") && all.contains("&lt;i&gt;=1+1") && !all.contains("<i>"), "{all}");
    let lines = |page: &str| page.matches("<tr id=").count();
    let made = server.page("/audit?verb=node-create&lang=en").await;
    assert!(lines(&made) >= 3 && !made.contains("<code>name</code>=1"), "{made}");
    for (filter, found) in [
        ("verb=node-rename", 1),
        ("verb=node-rename&who=admin", 1),
        ("verb=node-rename&who=nobody", 0),
        ("q=%3D1%2B1", 1),
        ("verb=node-rename&to=2020-01-01", 0),
        ("verb=node-rename&from=2020-01-01", 1),
    ] {
        assert_eq!(lines(&server.page(&format!("/audit?{filter}")).await), found, "{filter}");
    }
    let file = server.get("/audit.csv?verb=node-rename&lang=en", &[]).await;
    assert_eq!(file.headers()[header::CONTENT_DISPOSITION], "attachment; filename=\"audit.csv\"");
    let text = axum::body::to_bytes(file.into_body(), 1 << 20).await.unwrap();
    let text = std::str::from_utf8(&text).unwrap();
    assert!(text.starts_with('\u{feff}') && text.lines().count() == 2 && text.contains("login:admin"), "{text}");

    // Fifty-odd lines are two pages, and the second begins where the first ends.
    server.shop_of("8", 60).await;
    let first = server.page("/audit?verb=node-create").await;
    assert_eq!(lines(&first), 50);
    let older = first.split("rel=\"next\" href=\"").nth(1).and_then(|rest| rest.split('"').next()).unwrap();
    let second = server.page(&older.replace("&#x2f;", "/").replace("&amp;", "&")).await;
    assert!((14..50).contains(&lines(&second)), "{second}");
    let ids = |page: &str| -> Vec<String> {
        page.split("<tr id=\"").skip(1).map(|row| row.split('"').next().unwrap().to_owned()).collect()
    };
    assert!(ids(&second).iter().all(|id| !ids(&first).contains(id)));
}

#[tokio::test(flavor = "multi_thread")]
async fn who_may_not_read_the_log_gets_no_page_of_it_and_no_link_to_it() {
    let server = Server::start();
    server.shop_of("7", 1).await;
    for (role, place, may) in [("auditor", "All", true), ("operator", "All", false), ("administrator", "shop-7", false)]
    {
        let new = json!({"name": format!("{role} {place}"), "role": role, "place": place});
        let (_, made) = server.ask("POST", "/api/v1/keys", Some(new)).await;
        let key = format!("Bearer {}", made["token"].as_str().unwrap());
        let get = async |path: &str| {
            let request = Request::get(path).header(header::AUTHORIZATION, &key).body(Body::empty()).unwrap();
            let answer = server.page.clone().oneshot(request).await.unwrap();
            let status = answer.status();
            let body = axum::body::to_bytes(answer.into_body(), 1 << 20).await.unwrap();
            (status, String::from_utf8(body.to_vec()).unwrap())
        };
        let expected = if may { StatusCode::OK } else { StatusCode::FORBIDDEN };
        assert_eq!(get("/audit").await.0, expected, "{role} {place}");
        assert_eq!(get("/audit.csv").await.0, expected, "{role} {place}");
        let (status, overview) = get("/").await;
        assert_eq!(status, StatusCode::OK);
        assert_eq!(overview.contains("href=\"&#x2f;audit\""), may, "{role} {place}: {overview}");
        assert!(!overview.contains("href=\"&#x2f;people\""), "{role} {place}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_is_sent_from_the_page_by_who_may_and_leaves_its_line_of_the_audit_log() {
    let server = Server::start();
    server.shop_of("7", 1).await;
    let token = token_in(&server.page("/loads").await);
    let send = async |token: &str, node: &str, file: &str| {
        let fields = [("token", token), ("node", node)]
            .map(|(name, value)| format!("--x\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n{value}\r\n"));
        let head = "--x\r\nContent-Disposition: form-data; name=\"file\"; filename=\"<i>prices.aif\"\r\n\r\n";
        let form = format!("{}{head}{file}\r\n--x--\r\n", fields.concat());
        let mut request =
            Request::post("/loads/upload").header(header::CONTENT_TYPE, "multipart/form-data; boundary=x");
        for (name, value) in OURS {
            request = request.header(name, value);
        }
        let answer = server.page.clone().oneshot(request.body(Body::from(form)).unwrap()).await.unwrap();
        let to = answer.headers().get(header::LOCATION).map(|to| to.to_str().unwrap().to_owned());
        (answer.status(), to)
    };
    let file = "{\"command\":\"clearInventory\"}\n---\n".repeat(5_000);
    let (status, to) = send(&token, "shop-7", &file).await;
    assert_eq!((status, to.as_deref()), (StatusCode::SEE_OTHER, Some("/loads/1")));
    let load = server.journal.load(tillway_proto::LoadId(1)).unwrap().unwrap();
    assert_eq!((load.node.as_str().starts_with("_shop_7"), load.bytes), (true, file.len() as u64));
    assert!(server.page("/loads/1").await.contains("&lt;i&gt;prices.aif"));
    let (_, audit) = server.ask("GET", "/api/v1/audit?verb=load.upload", None).await;
    assert_eq!((&audit["lines"][0]["object"], &audit["lines"][0]["actor"]), (&json!("load:1"), &json!("login:admin")));
    for (token, node, file, expected) in [
        ("0", "shop-7", file.as_str(), StatusCode::FORBIDDEN),
        (&token, "shop-99", &file, StatusCode::CONFLICT),
        (&token, "shop-7", "", StatusCode::CONFLICT),
        (&"x".repeat(2_000), "shop-7", &file, StatusCode::NOT_FOUND),
    ] {
        assert_eq!(send(token, node, file).await.0, expected, "{node}");
    }
    assert_eq!(server.journal.recent(9).unwrap().len(), 1);
}

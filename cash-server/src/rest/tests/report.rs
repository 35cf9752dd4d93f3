//! The report, and who is written to: over REST and by the page's forms.

use super::aside::{ADMIN, token_in};
use super::*;
use crate::app::Role;
use crate::store::outbox::{Content, OutboxStore as _};

const OURS: [(&str, &str); 2] = [("authorization", ADMIN), ("sec-fetch-site", "same-origin")];

impl Server {
    fn outgoing(&self) -> Vec<Content> {
        let people = PeopleDb::open(&self.folder.path().join("people.db")).unwrap();
        people.waiting(100).unwrap().into_iter().map(|one| one.content).collect()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_report_is_told_in_the_reader_s_language_and_of_their_part_alone() {
    let server = Server::start();
    server.two_shops().await;
    let (status, told) = server.ask_in("ru", "GET", "/api/v1/report", None).await;
    assert_eq!((status, &told["tills"]), (StatusCode::OK, &json!(2)), "{told}");
    let broker = told["topics"].as_array().unwrap().iter().find(|topic| topic["key"] == "broker").unwrap();
    assert_eq!((&broker["title"], &broker["is_grave"]), (&json!("Нет связи с брокером"), &json!(true)), "{told}");
    assert_eq!(told["place"], "вся сеть", "{told}");
    let key = server.key(Role::Viewer, "shop-7").await;
    let (_, told) = server.with_key(&key, "get", "/api/v1/report", "").await;
    assert_eq!((&told["tills"], &told["place"]), (&json!(1), &json!("shop 7")), "{told}");
    let page = server.page("/report?lang=en").await;
    assert!(page.contains("No link to the broker") && page.contains("0 of 2 tills"), "{page}");
}

#[tokio::test(flavor = "multi_thread")]
async fn who_is_written_to_is_said_over_rest_and_what_is_wrong_is_a_problem() {
    let server = Server::start();
    server.make_user("anna").await;
    let set = async |body: Value| server.ask("PATCH", "/api/v1/users/anna/mail", Some(body)).await;
    let (status, problem) = server.ask("POST", "/api/v1/users/anna/trial", None).await;
    assert_eq!((status, &problem["kind"]), (StatusCode::CONFLICT, &json!("no-mail-of")), "{problem}");
    let wanted = json!({"address": "anna@example.org", "language": "ru", "report": true,
        "alerts": ["silent-shop", "held-load", "held-load"]});
    let (status, user) = set(wanted).await;
    assert_eq!(status, StatusCode::OK, "{user}");
    let expected = json!({"address": "anna@example.org", "language": "ru", "report": true,
        "alerts": ["held-load", "silent-shop"]});
    assert_eq!(user["mail"], expected);
    let (_, user) = set(json!({"report": false})).await;
    assert_eq!((&user["mail"]["report"], &user["mail"]["address"]), (&json!(false), &json!("anna@example.org")));
    for (body, kind) in [
        (json!({"address": "anna"}), "no-mail-address"),
        (json!({"address": "a@b.org\r\nBcc: c@d.org"}), "no-mail-address"),
        (json!({"language": "de"}), "no-language"),
        (json!({"alerts": ["everything"]}), "no-alert"),
    ] {
        let (status, problem) = set(body).await;
        assert_eq!((status, &problem["kind"]), (StatusCode::BAD_REQUEST, &json!(kind)), "{problem}");
    }
    let (status, sent) = server.ask("POST", "/api/v1/users/anna/trial", None).await;
    assert_eq!((status, &sent["is_new"]), (StatusCode::ACCEPTED, &json!(true)));
    let (_, again) = server.ask("POST", "/api/v1/users/anna/trial", None).await;
    assert_eq!(again["is_new"], json!(false), "one is on its way");
    assert_eq!(server.outgoing(), [Content::Trial]);
    let (_, user) = set(json!({"address": ""})).await;
    assert_eq!(user["mail"]["address"], Value::Null);
}

#[tokio::test(flavor = "multi_thread")]
async fn one_s_own_mails_and_those_of_others_are_set_by_forms_of_these_pages() {
    let server = Server::start();
    let account = server.page("/account?lang=en").await;
    let token = token_in(&account);
    assert!(account.contains("The report, every day") && !account.contains("Send the report now"), "{account}");
    let form = format!("token={token}&address=admin%40example.org&language=ru&report=1&shift-differs=1");
    let (status, _) = server.submit("/account/mail", &form, &OURS).await;
    assert_eq!(status, StatusCode::SEE_OTHER);
    let (_, user) = server.ask("GET", "/api/v1/users/admin", None).await;
    let expected =
        json!({"address": "admin@example.org", "language": "ru", "report": true, "alerts": ["shift-differs"]});
    assert_eq!(user["mail"], expected);
    let (status, _) = server.submit("/account/trial", &format!("token={token}"), &OURS).await;
    assert_eq!((status, server.outgoing().len()), (StatusCode::SEE_OTHER, 1));
    let of_anna = format!("token={token}&login=anna&address=a%40b.org&language=en");
    server.make_user("anna").await;
    assert_eq!(server.submit("/people/mail", &of_anna, &OURS).await.0, StatusCode::SEE_OTHER);
    assert!(server.page("/people?lang=en").await.contains("a@b.org"));
    let odd = format!("token={token}&address=nonsense&language=en");
    let (status, shown) = server.submit("/account/mail", &odd, &OURS).await;
    assert!(status == StatusCode::BAD_REQUEST && shown.contains("nonsense"), "{status} {shown}");
    let others = [("authorization", ADMIN), ("sec-fetch-site", "cross-site")];
    assert_eq!(server.submit("/account/mail", &form, &others).await.0, StatusCode::FORBIDDEN);
    assert_eq!(server.submit("/people/trial", "token=0&login=admin", &OURS).await.0, StatusCode::FORBIDDEN);
}

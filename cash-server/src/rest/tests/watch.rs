//! Who shows a till's token where it opens nothing is seen.

use super::*;
use crate::store::sales::{FindingFilter, Page};
use std::time::Duration;

impl Server {
    /// Asks with a till's token.
    async fn try_with(&self, token: &str, method: &str, path: &str) -> StatusCode {
        let request = Request::builder().method(method).uri(path);
        let request = request.header(header::AUTHORIZATION, format!("Bearer {token}"));
        self.send(request.body(Body::empty()).unwrap()).await.0
    }

    /// Open findings: of which till, and what they say, sorted.
    fn told(&self) -> Vec<(String, String)> {
        let filter = FindingFilter { open_only: true, ..FindingFilter::default() };
        let found = self.sales.findings(&filter, Page::default()).unwrap();
        let mut told: Vec<_> =
            found.into_iter().map(|one| (one.till.unwrap().to_string(), one.reason.kind().to_owned())).collect();
        told.sort();
        told
    }

    async fn until_told(&self, expected: &[(&str, &str)]) {
        let mut expected: Vec<_> =
            expected.iter().map(|(till, kind)| ((*till).to_owned(), (*kind).to_owned())).collect();
        expected.sort();
        for _ in 0..600 {
            if self.told() == expected {
                return;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        panic!("{:?}", self.told());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_where_it_opens_nothing_is_a_finding_about_its_till_and_a_guess_about_the_one_it_is_for() {
    let server = Server::start();
    let made = server.make_till().await;
    let body = json!({"parent": "shop-7", "level": "till", "code": "2"});
    let other = server.ask("POST", "/api/v1/nodes", Some(body)).await.1;
    let text = |made: &Value, name: &str| made[name].as_str().unwrap().to_owned();
    let (till, token) = (made["node"]["id"].as_str().unwrap(), text(&made, "token"));
    let (other, of_other) = (other["node"]["id"].as_str().unwrap(), text(&other, "token"));
    let token_of = |till: &str| format!("/api/v1/tills/{till}/token");

    assert_eq!(server.try_with(&token, "GET", &token_of(till)).await, StatusCode::NO_CONTENT);
    for _ in 0..30 {
        assert_eq!(server.try_with(&token, "GET", "/api/v1/nodes").await, StatusCode::UNAUTHORIZED);
        assert_eq!(server.try_with(&token, "GET", &token_of(other)).await, StatusCode::UNAUTHORIZED);
        assert_eq!(server.try_with(&token, "GET", "/packages/..%2fcredentials").await, StatusCode::NOT_FOUND);
        assert_eq!(server.try_with("guessed", "GET", &token_of(other)).await, StatusCode::UNAUTHORIZED);
    }
    let of_till = ["till-at-administration", "till-in-others-name", "till-out-of-place"].map(|kind| (till, kind));
    server.until_told(&[&of_till[..], &[(other, "failed-logins")]].concat()).await;
    assert_eq!(server.try_with(&of_other, "GET", &token_of(other)).await, StatusCode::NO_CONTENT);
    server.until_told(&of_till).await;
    let page = server.page("/?lang=en").await;
    assert!(page.contains("A till tries what is not its own") && !page.contains("Somebody tries passwords"), "{page}");

    for _ in 0..20 {
        assert_eq!(server.try_with("guessed", "GET", "/api/v1/nodes").await, StatusCode::UNAUTHORIZED);
    }
    assert!(server.page("/?lang=en").await.contains("Somebody tries passwords"));
}

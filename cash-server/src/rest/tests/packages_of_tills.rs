//! Packages: ranges and conditions, and who gets which.

use super::*;
use crate::network::TokenHash;
use crate::packages::links::{LIFE, Links};
use crate::store::sales::{FindingFilter, Page};
use axum::http::{HeaderMap, HeaderName};
use jiff::Timestamp;
use tillway_proto::PackageName;

/// Two tills, and a package for the first.
struct Tills {
    server: Server,
    links: Links,
    package: PackageName,
    /// Id and token.
    first: (TillId, String),
    second: (TillId, String),
}

impl Tills {
    async fn new() -> Self {
        let server = Server::start();
        let of = |made: &Value| {
            let text = |value: &Value| value.as_str().unwrap().to_owned();
            (text(&made["node"]["id"]).parse().unwrap(), text(&made["token"]))
        };
        let first = of(&server.make_till().await);
        let body = json!({"parent": "shop-7", "level": "till", "code": "2"});
        let second = of(&server.ask("POST", "/api/v1/nodes", Some(body)).await.1);
        let package = PackageName::from_hash([0xab; 32]);
        fs_err::write(server.folder.path().join("packages").join(package.file_name()), b"0123456789").unwrap();
        Self { server, links: Links::new(&ProofKey::of([7; 32])), package, first, second }
    }

    fn beside_token(&self) -> String {
        self.links.beside_token(&self.package, &self.first.0)
    }

    fn alone(&self, until: Timestamp) -> String {
        self.links.alone(&self.package, &self.first.0, until, &TokenHash::of(&self.first.1))
    }

    async fn get(
        &self,
        path: &str,
        token: Option<&str>,
        more: &[(HeaderName, &str)],
    ) -> (StatusCode, Vec<u8>, HeaderMap) {
        let mut request = Request::get(path);
        if let Some(token) = token {
            request = request.header(header::AUTHORIZATION, format!("Bearer {token}"));
        }
        for (name, value) in more {
            request = request.header(name, *value);
        }
        self.server.send(request.body(Body::empty()).unwrap()).await
    }

    async fn status(&self, path: &str, token: Option<&str>) -> u16 {
        self.get(path, token, &[]).await.0.as_u16()
    }
}

fn in_an_hour() -> Timestamp {
    Timestamp::now() + jiff::SignedDuration::from_hours(1)
}

#[tokio::test]
async fn package_files_have_ranges_and_a_tag_and_no_other_file_is_served() {
    let tills = Tills::new().await;
    let (path, token) = (tills.beside_token(), Some(tills.first.1.as_str()));
    let range = (header::RANGE, "bytes=4-");
    let (status, body, headers) = tills.get(&path, token, std::slice::from_ref(&range)).await;
    assert_eq!((status, body.as_slice()), (StatusCode::PARTIAL_CONTENT, b"456789".as_slice()));
    let tag = headers[header::ETAG].to_str().unwrap().to_owned();
    assert_eq!(tag, format!("\"{}\"", tills.package));
    assert!(headers[header::CACHE_CONTROL].to_str().unwrap().starts_with("private,"), "{headers:?}");
    let (status, body, _) = tills.get(&path, token, &[range.clone(), (header::IF_RANGE, &tag)]).await;
    assert_eq!((status, body.len()), (StatusCode::PARTIAL_CONTENT, 6));
    let (status, body, _) = tills.get(&path, token, &[range, (header::IF_RANGE, "\"other\"")]).await;
    assert_eq!((status, body.len()), (StatusCode::OK, 10));
    let known = [(header::IF_NONE_MATCH, tag.as_str())];
    assert_eq!(tills.get(&path, token, &known).await.0, StatusCode::NOT_MODIFIED);
    assert_eq!(tills.get(&path, None, &known).await.0, StatusCode::UNAUTHORIZED);
    let gone = tills.links.beside_token(&PackageName::from_hash([0xcd; 32]), &tills.first.0);
    for path in ["/packages/x.twp", "/packages/..%2Fdictionary.db", &gone] {
        assert_eq!(tills.status(path, token).await, 404, "{path}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_till_gets_what_was_announced_to_it_and_nobody_else_does() {
    let tills = Tills::new().await;
    let (own, other) = (Some(tills.first.1.as_str()), Some(tills.second.1.as_str()));
    let (beside, alone) = (tills.beside_token(), tills.alone(in_an_hour()));
    let ended = tills.alone(Timestamp::now() - jiff::SignedDuration::from_secs(1));
    let bare = beside.split('?').next().unwrap();
    let forged = alone.replace("until=", "until=1");
    for (what, path, token, expected) in [
        ("its link, with its token", beside.as_str(), own, 200),
        ("its link without a token", &beside, None, 401),
        ("a guessed token", &beside, Some("guessed"), 401),
        ("another's link", &beside, other, 403),
        ("no link", bare, own, 410),
        ("neither", bare, None, 401),
        ("a link that opens by itself", &alone, None, 200),
        ("the same with its token", &alone, own, 200),
        ("the same with another's token", &alone, other, 403),
        ("one that has ended", &ended, None, 410),
        ("one that has ended, with its token", &ended, own, 200),
        ("one that was made longer", &forged, None, 403),
    ] {
        assert_eq!(tills.status(path, token).await, expected, "{what}");
    }
    assert!(LIFE >= jiff::SignedDuration::from_hours(24), "a till downloads for so long");

    // Who showed his own token for what is another's is told; the honest one is not.
    let filter = FindingFilter { open_only: true, ..FindingFilter::default() };
    for tries in 0.. {
        let found = tills.server.sales.findings(&filter, Page::default()).unwrap();
        let of: Vec<_> = found.iter().map(|one| (one.till.clone().unwrap(), one.reason.kind().to_owned())).collect();
        if of == [(tills.second.0.clone(), "till-out-of-place".to_owned())] {
            break;
        }
        assert!(tries < 600, "{of:?}");
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
}

#[tokio::test]
async fn a_till_that_is_parked_removed_or_has_a_new_secret_gets_no_package_by_what_it_was_told() {
    for (deed, with_token, alone) in [("parked", 410, 410), ("removed", 401, 410), ("new secret", 401, 403)] {
        let tills = Tills::new().await;
        let node = format!("/api/v1/nodes/{}", tills.first.0);
        let status = match deed {
            "parked" => tills.server.ask("PATCH", &node, Some(json!({"parked": true}))).await.0,
            "removed" => tills.server.ask("DELETE", &node, None).await.0,
            _ => tills.server.ask("POST", &format!("/api/v1/tills/{}/token", tills.first.0), None).await.0,
        };
        assert!(status.is_success(), "{deed}: {status}");
        let own = Some(tills.first.1.as_str());
        assert_eq!(tills.status(&tills.beside_token(), own).await, with_token, "{deed}");
        assert_eq!(tills.status(&tills.alone(in_an_hour()), None).await, alone, "{deed}");
    }
}

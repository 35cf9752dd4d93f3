//! The file of a load over REST and on its page.

use super::aside::ADMIN;
use super::*;
use crate::app::Role;

#[tokio::test(flavor = "multi_thread")]
async fn the_file_of_a_load_is_handed_out_to_who_sees_the_load_and_says_when_it_is_gone() {
    let server = Server::start();
    server.two_shops().await;
    let load = server.held_load();
    let get = async |router: &Router, path: &str| {
        let request = Request::get(path).header(header::AUTHORIZATION, ADMIN).body(Body::empty()).unwrap();
        let answer = router.clone().oneshot(request).await.unwrap();
        let (status, headers) = (answer.status(), answer.headers().clone());
        (status, headers, String::from_utf8(to_bytes(answer.into_body(), usize::MAX).await.unwrap().to_vec()).unwrap())
    };
    for (router, path) in [(&server.router, "/api/v1/loads"), (&server.page, "/loads")] {
        let (status, headers, text) = get(router, &format!("{path}/{load}/file")).await;
        assert_eq!((status, text.as_str()), (StatusCode::OK, "{}"));
        let disposition = headers[header::CONTENT_DISPOSITION].to_str().unwrap();
        assert_eq!(disposition, format!("attachment; filename=\"load-{load}.aif\""));
        assert_eq!(headers[header::CONTENT_TYPE], "application/octet-stream");
        assert_eq!(headers[header::CACHE_CONTROL], "no-store");
        assert_eq!(get(router, &format!("{path}/999/file")).await.0, StatusCode::NOT_FOUND);
    }
    let page = server.page(&format!("/loads/{load}?lang=en")).await;
    assert!(page.contains("File as it came") && page.contains("as long as the load waits"), "{page}");
    let key = server.key(Role::Operator, "shop-7").await;
    let path = format!("/api/v1/loads/{load}/file");
    assert_eq!(server.with_key(&key, "get", &path, "").await.0, StatusCode::NOT_FOUND, "it is the chain's");
    fs_err::remove_file(server.folder.path().join("badDicts/held.aif")).unwrap();
    let (status, _, text) = get(&server.router, &path).await;
    assert!(status == StatusCode::GONE && text.contains("is not kept (any more)"), "{status} {text}");
    assert_eq!(get(&server.page, &format!("/loads/{load}/file")).await.0, StatusCode::GONE);
    assert!(server.page(&format!("/loads/{load}?lang=en")).await.contains("not kept (any more)"));
}

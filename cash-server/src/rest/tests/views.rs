//! Columns and views of the list of tills: in the address, under a name, in the CSV.

use super::aside::{ADMIN, token_in};
use super::*;

const OURS: [(&str, &str); 2] = [("authorization", ADMIN), ("sec-fetch-site", "same-origin")];

impl Server {
    async fn location(&self, path: &str) -> String {
        let request = Request::get(path).header(header::AUTHORIZATION, ADMIN).body(Body::empty()).unwrap();
        let answer = self.page.clone().oneshot(request).await.unwrap();
        assert_eq!(answer.status(), StatusCode::SEE_OTHER, "{path}");
        answer.headers()[header::LOCATION].to_str().unwrap().to_owned()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn columns_are_chosen_by_boxes_stand_in_the_address_and_the_table_follows() {
    let server = Server::start();
    server.two_shops().await;
    let led = server.location("/tills/columns?q=7&sort=-unsent&column=id&column=heard&column=nonsense").await;
    assert_eq!(led, "/tills?q=7&sort=-unsent&columns=id%2Cheard");
    let usual = "column=state&column=behind&column=age&column=heard&column=unsent&column=version&column=clock";
    assert_eq!(server.location(&format!("/tills/columns?{usual}")).await, "/tills", "the usual ones need no word");
    let page = server.page("/tills?columns=id,heard&lang=en").await;
    let heads: Vec<&str> = page
        .split("<th scope=\"col\"")
        .skip(1)
        .filter_map(|head| head.split("</a>").next()?.rsplit('>').next())
        .collect();
    assert_eq!(heads, ["Till", "Heard", "Id"], "{page}");
    let csv = server.page("/tills.csv?columns=id,heard&lang=en").await;
    assert!(csv.trim_start_matches('\u{feff}').starts_with("Shop,Till,Name,Heard,Id\r\n7,1,"), "{csv}");
    let all = server.page("/tills.csv?lang=en").await;
    assert!(
        all.contains("Shop,Till,Name,State,Revision,Should have,") && all.contains(",Why it waits,Id\r\n"),
        "{all}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_view_has_a_name_is_ones_own_and_goes_on_request() {
    let server = Server::start();
    server.make_till().await;
    let list = server.page("/tills?state=silent&columns=heard&lang=en").await;
    let here = list.split("name=\"address\" value=\"").nth(1).unwrap().split('"').next().unwrap();
    assert_eq!(here.replace("&#x2f;", "/").replace("&amp;", "&"), "/tills?state=silent&columns=heard");
    let save = format!("token={}&name=Night&address=%2Ftills%3Fstate%3Dsilent", token_in(&list));
    assert_eq!(server.submit("/views/save", &save, &OURS).await.0, StatusCode::SEE_OTHER);
    let list = server.page("/tills?lang=en").await;
    assert!(list.contains("My views") && list.contains(">Night</a>"), "{list}");
    let (status, views) = server.ask("GET", "/api/v1/me/views", None).await;
    assert_eq!((status, views), (StatusCode::OK, json!([{"name": "Night", "address": "/tills?state=silent"}])));
    let put = |name: &str, address: &str| (format!("/api/v1/me/views/{name}"), json!({"address": address}));
    let (path, body) = put("Night", "/tills?state=behind");
    assert_eq!(server.ask("PUT", &path, Some(body)).await.0, StatusCode::OK, "in the place of the former");
    for address in ["https://example.org/", "//example.org", "/a\\b", "", "/\u{1}"] {
        let (path, body) = put("x", address);
        assert_eq!(server.ask("PUT", &path, Some(body)).await.0, StatusCode::BAD_REQUEST, "{address}");
    }
    for number in 1..30 {
        let (path, body) = put(&format!("v{number}"), "/tills");
        assert_eq!(server.ask("PUT", &path, Some(body)).await.0, StatusCode::OK);
    }
    let (path, body) = put("v30", "/tills");
    assert_eq!(server.ask("PUT", &path, Some(body)).await.0, StatusCode::CONFLICT, "thirty are the most");
    let remove = format!("token={}&name=Night", token_in(&list));
    assert_eq!(server.submit("/views/remove", &remove, &OURS).await.0, StatusCode::SEE_OTHER);
    assert_eq!(server.ask("DELETE", "/api/v1/me/views/Night", None).await.0, StatusCode::NOT_FOUND);
    let forged = remove.replace("token=", "token=0");
    assert_eq!(server.submit("/views/remove", &forged, &OURS).await.0, StatusCode::FORBIDDEN);
}

//! Attaching: what a stranger, a till, and a till that lost its answer are told.

use super::aside::{ADMIN, token_in};
use super::*;
use tillway_proto::attach::{Attached, Attempt, Claim, Hello, Side, Welcome};
use tillway_proto::version::PROTOCOL;
use tillway_proto::{AttachCode, ProofKey, Version};
use tillway_service::serving::ChannelBinding;

const BINDING: [u8; 32] = [7; 32];

impl Server {
    /// Asks on the connection that exports this.
    async fn say(&self, path: &str, body: &impl serde::Serialize, binding: Option<[u8; 32]>) -> (StatusCode, Value) {
        let mut request = Request::post(path)
            .header(header::CONTENT_TYPE, "application/json")
            .body(Body::from(serde_json::to_vec(body).unwrap()))
            .unwrap();
        if let Some(binding) = binding {
            request.extensions_mut().insert(ChannelBinding(binding));
        }
        let (status, body, _) = self.send(request).await;
        (status, serde_json::from_slice(&body).unwrap_or(Value::Null))
    }

    async fn code(&self, till: &str) -> AttachCode {
        let (status, made) = self.ask("POST", "/api/v1/attach-codes", Some(json!({"tills": [{"till": till}]}))).await;
        assert_eq!(status, StatusCode::CREATED, "{made}");
        made[0]["code"].as_str().unwrap().parse().unwrap()
    }

    async fn claim(&self, claim: &Claim) -> (StatusCode, Value) {
        self.say("/api/v1/attach", claim, Some(BINDING)).await
    }
}

fn hello(code: &AttachCode) -> Hello {
    Hello { protocol: PROTOCOL, version: Version::own(), code: code.name }
}

fn claim(code: &AttachCode, attempt: Attempt) -> Claim {
    let proof = ProofKey::of(&code.secret).prove(Side::Peer, code.name, &BINDING);
    Claim { code: code.name, proof, attempt, till: None }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_till_is_attached_once_and_again_only_where_its_answer_was_lost() {
    let server = Server::start();
    let made = server.make_till().await;
    let (till, old) = (made["node"]["id"].as_str().unwrap(), made["token"].as_str().unwrap());
    let code = server.code("till-7-1").await;
    let (status, welcome) = server.say("/api/v1/attach/hello", &hello(&code), Some(BINDING)).await;
    let welcome: Welcome = serde_json::from_value(welcome).unwrap();
    assert_eq!(status, StatusCode::OK);
    assert_eq!(welcome.proof, ProofKey::of(&code.secret).prove(Side::Server, code.name, &BINDING));

    let till_id: TillId = till.parse().unwrap();
    let is_token = |token: &str| server.network.current().unwrap().verify_token(&till_id, token);
    assert!(is_token(old), "until the code is used the old machine goes on");
    let mine = Attempt::generate();
    let (status, first) = server.claim(&claim(&code, mine)).await;
    assert_eq!(status, StatusCode::OK, "{first}");
    let first: Attached = serde_json::from_value(first).unwrap();
    assert_eq!((first.peer.as_str(), first.settings.till.as_str()), (till, till));
    assert!(first.authorities.contains("BEGIN CERTIFICATE"));
    assert!(is_token(&first.secret.token()) && !is_token(old));

    // The answer was lost; somebody else has the code too.
    let (status, told) = server.claim(&claim(&code, Attempt::generate())).await;
    assert_eq!((status, told["kind"].as_str()), (StatusCode::GONE, Some("attach-code-used")), "{told}");
    assert!(is_token(&first.secret.token()));
    let (status, again) = server.claim(&claim(&code, mine)).await;
    assert_eq!(status, StatusCode::OK, "{again}");
    let again: Attached = serde_json::from_value(again).unwrap();
    assert!(is_token(&again.secret.token()) && !is_token(&first.secret.token()));
}

#[tokio::test(flavor = "multi_thread")]
async fn who_has_not_proved_is_told_nothing_of_any_code() {
    let server = Server::start();
    server.make_till().await;
    let code = server.code("till-7-1").await;
    let nobodys = AttachCode::generate();
    let mut told = Vec::new();
    for one in [&code, &nobodys] {
        let (status, welcome) = server.say("/api/v1/attach/hello", &hello(one), Some(BINDING)).await;
        let fields: Vec<String> = welcome.as_object().unwrap().keys().cloned().collect();
        // With the name alone.
        let guessed = AttachCode { name: one.name, secret: nobodys.secret };
        let guessed =
            if one.name == nobodys.name { AttachCode { name: one.name, secret: code.secret } } else { guessed };
        let (refused, said) = server.claim(&claim(&guessed, Attempt::generate())).await;
        told.push((status, fields, refused, said));
    }
    assert_eq!(told[0], told[1]);
    assert_eq!((told[0].2, told[0].3["kind"].as_str()), (StatusCode::FORBIDDEN, Some("attach-wrong-proof")));
    // A proof of another connection, or of the other side.
    let other = ProofKey::of(&code.secret);
    for proof in [other.prove(Side::Peer, code.name, &[8; 32]), other.prove(Side::Server, code.name, &BINDING)] {
        let wrong = Claim { proof, ..claim(&code, Attempt::generate()) };
        assert_eq!(server.claim(&wrong).await.0, StatusCode::FORBIDDEN);
    }
    // Nothing of this used it up.
    assert_eq!(server.claim(&claim(&code, Attempt::generate())).await.0, StatusCode::OK);
}

#[tokio::test(flavor = "multi_thread")]
async fn each_refusal_of_a_till_that_has_proved_has_its_kind_and_uses_nothing_up() {
    let server = Server::start();
    server.make_till().await;
    let code = server.code("till-7-1").await;
    let kind = |(status, told): (StatusCode, Value)| (status.as_u16(), told["kind"].as_str().unwrap().to_owned());
    let plain = server.say("/api/v1/attach/hello", &hello(&code), None).await;
    assert_eq!(kind(plain), (426, "attach-needs-tls".to_owned()));
    let older = Hello { protocol: 4, ..hello(&code) };
    let far = Hello { version: "9.0.0".parse().unwrap(), ..hello(&code) };
    for hello in [older, far] {
        let told = server.say("/api/v1/attach/hello", &hello, Some(BINDING)).await;
        assert_eq!(kind(told), (409, "attach-versions".to_owned()));
    }
    let other = Claim { till: Some("_cash_9_00000000".parse().unwrap()), ..claim(&code, Attempt::generate()) };
    assert_eq!(kind(server.claim(&other).await), (409, "attach-other-till".to_owned()));
    let second = server.code("till-7-1").await;
    assert_eq!(kind(server.claim(&claim(&code, Attempt::generate())).await), (410, "attach-code-ended".to_owned()));
    server.ask("DELETE", "/api/v1/nodes/till-7-1", None).await;
    assert_eq!(kind(server.claim(&claim(&second, Attempt::generate())).await), (410, "attach-till-gone".to_owned()));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_page_shows_a_code_once_and_makes_tills() {
    let server = Server::start();
    server.make_till().await;
    let form = server.page("/attach").await;
    assert!(form.contains("shop-7"), "{form}");
    let token = token_in(&form);
    let ours = [("authorization", ADMIN), ("sec-fetch-site", "same-origin")];
    for fields in ["till=till-7-1", "shop=shop-7&code=2&name=Second"] {
        let (status, shown) = server.submit("/attach?lang=ru", &format!("token={token}&{fields}"), &ours).await;
        assert_eq!(status, StatusCode::OK, "{shown}");
        let code = shown.split("class=\"code\">").nth(1).unwrap().split('<').next().unwrap();
        assert!(code.parse::<AttachCode>().is_ok() && shown.contains("sync-agent attach"), "{shown}");
    }
    assert!(server.network.current().unwrap().nodes().any(|node| node.name == "Second"));
    let (status, refused) = server.submit("/attach", "token=wrong&till=till-7-1", &ours).await;
    assert!(status == StatusCode::FORBIDDEN && !refused.contains("class=\"code\""), "{refused}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_page_tells_what_a_stolen_till_means_and_one_click_shuts_it_out() {
    let server = Server::start();
    let made = server.make_till().await;
    let [till, token] = [&made["node"]["id"], &made["token"]].map(|text| text.as_str().unwrap().to_owned());
    let id: TillId = till.parse().unwrap();
    let stands = || {
        let network = server.network.current().unwrap();
        (network.till(&id).unwrap().parked, network.verify_token(&id, &token))
    };
    let page = server.page("/tills/till-7-1?lang=en").await;
    assert!(page.contains("formaction=\"/stolen/confirm\""), "{page}");
    let form = format!("token={}&till={till}", token_in(&page));
    let ours = [("authorization", ADMIN), ("sec-fetch-site", "same-origin")];
    for (language, told) in [("en", "on that disk and nowhere else"), ("ru", "есть только на её диске")]
    {
        let (status, shown) = server.submit(&format!("/stolen/confirm?lang={language}"), &form, &ours).await;
        assert!(status == StatusCode::OK && shown.contains(told), "{shown}");
    }
    let (status, _) = server.submit("/stolen", &format!("token=wrong&till={till}"), &ours).await;
    assert_eq!((status, stands()), (StatusCode::FORBIDDEN, (false, true)), "nobody has clicked yet");
    let (status, shown) = server.submit("/stolen?lang=ru", &form, &ours).await;
    assert!(status == StatusCode::OK && shown.contains("action=\"/attach\""), "{shown}");
    assert_eq!(stands(), (true, false));
    let (status, shown) = server.submit("/attach?lang=ru", &form, &ours).await;
    assert!(status == StatusCode::OK && shown.contains("class=\"code\""), "{shown}");
}

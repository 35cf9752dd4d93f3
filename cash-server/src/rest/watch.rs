//! Counts requests that were refused to somebody who showed something: a token, or a password. So
//! each try at what is not one's own is seen, whichever handler refused it; who shows nothing is
//! told no more than that he has to.

use super::auth::bearer;
use crate::app::{App, Asked};
use axum::Router;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, Method, StatusCode, header};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::Response;
use tillway_proto::PackageName;
use tillway_service::serving::Client;

/// What tills alone ask, below `/api/v1/tills/<till>/`.
const OF_TILLS: [&str; 2] = ["shift-closed", "token"];

/// The same routes, watched.
pub fn watched(router: Router, app: &App) -> Router {
    router.layer(from_fn_with_state(app.clone(), watch))
}

/// What somebody shows to be let in.
enum Shown {
    Token(String),
    Password,
}

async fn watch(State(app): State<App>, request: Request, next: Next) -> Response {
    let Some(shown) = shown(request.headers()) else { return next.run(request).await };
    let is_post = *request.method() == Method::POST;
    let path = request.uri().path().to_owned();
    let from = request.extensions().get().map(|Client(address)| *address);
    let response = next.run(request).await;
    let Some(asked) = asked(&path, is_post, response.status()) else { return response };
    match shown {
        // Some other refusal is no matter of passwords.
        Shown::Password if response.status() == StatusCode::UNAUTHORIZED => app.refused_password(from),
        Shown::Password => {}
        Shown::Token(token) => {
            let noted = tokio::task::spawn_blocking(move || app.refused_token(&token, &asked, from)).await;
            if let Ok(Err(error)) = noted {
                tracing::error!(error = crate::error_chain(&error), "failed to note a refused token");
            }
        }
    }
    response
}

fn shown(headers: &HeaderMap) -> Option<Shown> {
    let token = bearer(headers).map(|token| Shown::Token(token.to_owned()));
    token.or_else(|| headers.contains_key(header::AUTHORIZATION).then_some(Shown::Password))
}

/// What was asked for, where it was refused to whoever asked.
fn asked(path: &str, is_post: bool, status: StatusCode) -> Option<Asked> {
    let is_refusal = match status {
        StatusCode::UNAUTHORIZED
        | StatusCode::FORBIDDEN
        | StatusCode::METHOD_NOT_ALLOWED
        | StatusCode::PAYLOAD_TOO_LARGE
        | StatusCode::URI_TOO_LONG => true,
        // A package may be gone; no other name is one that a till was told.
        StatusCode::NOT_FOUND => !is_package(path),
        _ => false,
    };
    if !is_refusal {
        return None;
    }
    let of_till = path.strip_prefix("/api/v1/tills/").and_then(|rest| rest.split_once('/'));
    // An administrator renews a token by the path by which a till asks about its own.
    let of_till = of_till.filter(|(_, what)| OF_TILLS.contains(what) && !(*what == "token" && is_post));
    match of_till.and_then(|(till, _)| till.parse().ok()) {
        Some(till) if status == StatusCode::UNAUTHORIZED => Some(Asked::OfTill(till)),
        _ if status == StatusCode::UNAUTHORIZED => Some(Asked::OfAdministrator),
        _ => Some(Asked::OutOfPlace),
    }
}

fn is_package(path: &str) -> bool {
    let name = path.strip_prefix("/packages/").and_then(|file| file.strip_suffix(".twp"));
    name.is_some_and(|name| name.parse::<PackageName>().is_ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_asked_for_is_told_by_path_and_refusal() {
        let till = "_cash_1_00ab34ef";
        let (unauthorized, not_found) = (StatusCode::UNAUTHORIZED, StatusCode::NOT_FOUND);
        let of_till = Some(Asked::OfTill(till.parse().unwrap()));
        assert_eq!(asked(&format!("/api/v1/tills/{till}/token"), false, unauthorized), of_till);
        assert_eq!(asked(&format!("/api/v1/tills/{till}/shift-closed"), true, unauthorized), of_till);
        assert_eq!(asked(&format!("/api/v1/tills/{till}/token"), true, unauthorized), Some(Asked::OfAdministrator));
        assert_eq!(asked("/api/v1/nodes", false, unauthorized), Some(Asked::OfAdministrator));
        assert_eq!(asked("/packages/../credentials/admin", false, not_found), Some(Asked::OutOfPlace));
        assert_eq!(asked("/packages/%2e%2e%2fx", false, not_found), Some(Asked::OutOfPlace));
        assert_eq!(asked("/api/v1/nodes", false, StatusCode::PAYLOAD_TOO_LARGE), Some(Asked::OutOfPlace));
        assert_eq!(asked(&format!("/packages/{}.twp", "0".repeat(64)), false, not_found), None, "it may be gone");
        assert_eq!(asked("/api/v1/nodes", false, StatusCode::OK), None);
        assert_eq!(asked("/api/v1/nodes", false, StatusCode::SERVICE_UNAVAILABLE), None);
    }
}

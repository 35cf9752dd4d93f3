//! Package files over HTTP: immutable, with ranges and a strong `ETag`, as any web server could
//! serve them; here to the till alone that the link was made for ([`links`]).
//!
//! [`links`]: crate::packages::links

use super::auth::bearer;
use super::problem::{Problem, RequestFault, blocking, in_readers_language};
use crate::app::{App, PackageAsked, PackageDenied};
use crate::packages::PackageService;
use crate::packages::links::Pass;
use axum::Router;
use axum::body::Body;
use axum::extract::{Path, Request, State};
use axum::http::{HeaderValue, StatusCode, header};
use axum::middleware::from_fn;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use std::io::ErrorKind;
use tillway_proto::PackageName;
use tillway_service::serving::{Client, Connection};
use tower_http::services::ServeFile;

/// A name stands for one content for ever, so the till may keep it for a year; nobody between may
/// give it to others.
const FOR_EVER: HeaderValue = HeaderValue::from_static("private, max-age=31536000, immutable");

/// `GET` and `HEAD` of `/packages/<name>.twp`.
pub fn router(app: App, packages: PackageService) -> Router {
    let served = Router::new().route("/packages/{file}", get(package)).with_state((app, packages));
    served.layer(from_fn(in_readers_language))
}

async fn package(
    State((app, packages)): State<(App, PackageService)>,
    Path(file): Path<String>,
    client: Option<Client>,
    connection: Option<Connection>,
    request: Request,
) -> Response {
    let Some(name) = file.strip_suffix(".twp").and_then(|hex| hex.parse::<PackageName>().ok()) else {
        return not_found();
    };
    let asked = PackageAsked {
        package: name.clone(),
        token: bearer(request.headers()).map(str::to_owned),
        pass: request.uri().query().and_then(Pass::of_query),
    };
    let from = client.map(|Client(address)| address);
    match blocking(move || app.lets_fetch(&asked, connection.as_ref(), from)).await {
        Ok(Ok(())) => {}
        Ok(Err(denied)) => return Problem::from(fault(denied)).into_response(),
        Err(problem) => return problem.into_response(),
    }
    let tag = format!("\"{name}\"");
    let unchanged =
        request.headers().get(header::IF_NONE_MATCH).is_some_and(|known| known.as_bytes() == tag.as_bytes());
    if unchanged {
        return (StatusCode::NOT_MODIFIED, [(header::ETAG, tag)]).into_response();
    }
    let Some(path) = packages.files().path(&name) else { return not_found() };
    let request = without_stale_range(request, &tag);
    let served = ServeFile::new(path).try_call(request).await;
    let mut response = match served {
        Ok(response) => response.map(Body::new),
        Err(error) if error.kind() == ErrorKind::NotFound => return not_found(),
        Err(error) => {
            tracing::error!(package = %name, %error, "failed to serve a package");
            return StatusCode::INTERNAL_SERVER_ERROR.into_response();
        }
    };
    if response.status().is_success() {
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/octet-stream"));
        headers.insert(header::CACHE_CONTROL, FOR_EVER);
        headers.remove(header::LAST_MODIFIED);
        if let Ok(tag) = HeaderValue::from_str(&tag) {
            headers.insert(header::ETAG, tag);
        }
    }
    response
}

fn fault(denied: PackageDenied) -> RequestFault {
    match denied {
        PackageDenied::NoToken => RequestFault::PackageNeedsToken,
        PackageDenied::OfAnother => RequestFault::PackageOfAnother,
        PackageDenied::Over => RequestFault::LinkOver,
    }
}

fn not_found() -> Response {
    (StatusCode::NOT_FOUND, "no package has this name\n").into_response()
}

/// A range is of another file when `If-Range` names another tag: then the whole is sent.
fn without_stale_range(mut request: Request, tag: &str) -> Request {
    let stale = request.headers().get(header::IF_RANGE).is_some_and(|known| known.as_bytes() != tag.as_bytes());
    if stale {
        request.headers_mut().remove(header::RANGE);
    }
    request.headers_mut().remove(header::IF_RANGE);
    request
}

//! TLS: certificates, authorities, and ports that do without.

use super::problem::{Problem, RequestFault, blocking};
use crate::app::{Acting, TlsOverview};
use axum::http::{HeaderValue, header};
use axum::response::{IntoResponse, Response};
use axum::{Json, Router, middleware};
use serde::Serialize;
use utoipa::ToSchema;

/// How TLS stands.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct TlsView {
    /// What the server shows, first, and what it made for programs beside it.
    pub certificates: Vec<CertificateView>,
    /// Whom clients should trust, the one that signs now first.
    pub authorities: Vec<AuthorityView>,
    /// Settings that open a port to other machines without TLS: `aif.plain` and so on.
    pub open_ports: Vec<String>,
}

/// A certificate.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct CertificateView {
    /// `server`, or for whom it was made: `broker`.
    pub name: String,
    /// From when it is good, UTC.
    pub from: String,
    /// Until when, UTC.
    pub until: String,
    /// Whole days that are left; below zero: it has ended.
    pub days_left: i64,
    /// Somebody else made it, and has to renew it.
    pub foreign: bool,
}

/// An authority.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct AuthorityView {
    /// SHA-256 of its certificate, in hex.
    pub fingerprint: String,
    /// Until when it is good, UTC.
    pub until: String,
    /// The certificate, PEM.
    pub pem: String,
}

impl From<TlsOverview> for TlsView {
    fn from(tls: TlsOverview) -> Self {
        let certificates = tls.certificates.into_iter().map(|one| CertificateView {
            name: one.state.name.to_owned(),
            from: one.state.validity.from.to_string(),
            until: one.state.validity.until.to_string(),
            days_left: one.days,
            foreign: one.state.is_foreign,
        });
        let authorities = tls.authorities.into_iter().map(|one| AuthorityView {
            fingerprint: one.fingerprint.to_string(),
            until: one.validity.until.to_string(),
            pem: one.pem,
        });
        Self {
            certificates: certificates.collect(),
            authorities: authorities.collect(),
            open_ports: tls.open_ports.into_iter().map(|port| port.setting.to_owned()).collect(),
        }
    }
}

/// How TLS stands: the server's certificates with the days that are left, the authorities to
/// trust, and the ports that other machines may use without. For administrators.
#[utoipa::path(get, path = "/api/v1/tls", tag = "server", security(("administrator" = [])),
    responses((status = 200, body = TlsView), (status = 401, body = Problem), (status = 403, body = Problem)))]
pub(super) async fn show(app: Acting) -> Result<Json<TlsView>, Problem> {
    Ok(Json(blocking(move || app.tls()).await?.into()))
}

/// Answers whoever may not ask without TLS. `setting`: the one that would open the port.
pub(crate) fn only_tls(setting: &'static str) -> Router {
    let refused = move || async move { refusal(setting) };
    Router::new().fallback(refused).layer(middleware::from_fn(super::in_readers_language))
}

/// The answer that asks for TLS.
pub(crate) fn refusal(setting: &'static str) -> Response {
    let mut response = Problem::from(RequestFault::OnlyTls { setting }).into_response();
    response.headers_mut().insert(header::UPGRADE, HeaderValue::from_static("TLS/1.2, HTTP/1.1"));
    response
}

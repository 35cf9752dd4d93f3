//! What a caller gets in place of an answer: problem details as RFC 9457 has them, with what to do
//! about it.

use crate::app::AppError;
use crate::dictionary::DictionaryError;
use crate::exchange::ExchangeError;
use crate::network::NetworkError;
use axum::Json;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use std::error::Error;
use utoipa::ToSchema;

/// Problem details (RFC 9457), media type `application/problem+json`.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct Problem {
    /// The status code again.
    pub status: u16,
    /// The sort of problem.
    pub title: String,
    /// What happened, to which node or unit, and what to do.
    pub detail: String,
}

impl Problem {
    fn new(status: StatusCode, detail: impl Into<String>) -> Self {
        let title = status.canonical_reason().unwrap_or("Problem").to_owned();
        Self { status: status.as_u16(), title, detail: detail.into() }
    }

    /// There is no such thing.
    pub fn not_found(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_FOUND, detail)
    }

    /// The request makes no sense.
    pub fn bad_request(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, detail)
    }

    /// It contradicts what is there.
    pub fn conflict(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::CONFLICT, detail)
    }

    /// No credentials, or wrong ones.
    pub fn unauthorized(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::UNAUTHORIZED, detail)
    }

    /// Who asks may, but not from there.
    pub fn forbidden(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::FORBIDDEN, detail)
    }

    /// A defect or a refusal of this machine: logged with its causes, told in one sentence.
    pub fn internal(error: &(dyn Error + 'static)) -> Self {
        let mut text = error.to_string();
        let mut cause = error.source();
        while let Some(inner) = cause {
            text.push_str(": ");
            text.push_str(&inner.to_string());
            cause = inner.source();
        }
        tracing::error!(error = %text, "failed to answer a request");
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, text)
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let status = StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let mut response = (status, Json(&self)).into_response();
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        if status == StatusCode::UNAUTHORIZED {
            headers.insert(
                header::WWW_AUTHENTICATE,
                HeaderValue::from_static("Basic realm=\"Tillway\", charset=\"UTF-8\""),
            );
        }
        response
    }
}

impl From<AppError> for Problem {
    fn from(error: AppError) -> Self {
        let status = match &error {
            AppError::Denied(_) => StatusCode::FORBIDDEN,
            AppError::NoTill { .. } | AppError::OnlyTillsPark { .. } | AppError::NoShop { .. } => {
                StatusCode::BAD_REQUEST
            }
            AppError::UnknownKind { .. } | AppError::UnknownLoad { .. } | AppError::NoOpenFinding { .. } => {
                StatusCode::NOT_FOUND
            }
            AppError::Network(error) => of_network(error),
            AppError::Exchange(error) => of_exchange(error),
            AppError::Dictionary(DictionaryError::UnknownNode { .. }) => StatusCode::NOT_FOUND,
            AppError::Aside(error) if error.is_gone() => StatusCode::NOT_FOUND,
            AppError::Aside(error) if error.is_conflict() => StatusCode::CONFLICT,
            AppError::Aside(_)
            | AppError::Backup(_)
            | AppError::Dictionary(_)
            | AppError::CashIni(_)
            | AppError::Row { .. }
            | AppError::Payload { .. }
            | AppError::Store(_) => StatusCode::INTERNAL_SERVER_ERROR,
        };
        match (&error, status) {
            (_, StatusCode::INTERNAL_SERVER_ERROR) => Self::internal(&error),
            (AppError::Aside(aside), _) => Self::new(status, crate::aside::why(aside)),
            _ => Self::new(status, error.to_string()),
        }
    }
}

fn of_network(error: &NetworkError) -> StatusCode {
    match error {
        NetworkError::UnknownNode { .. } => StatusCode::NOT_FOUND,
        NetworkError::Name { .. } | NetworkError::Code { .. } => StatusCode::BAD_REQUEST,
        NetworkError::Level { .. }
        | NetworkError::Loop { .. }
        | NetworkError::CodeTaken { .. }
        | NetworkError::CodeAlike { .. }
        | NetworkError::HasChildren { .. }
        | NetworkError::ChainStays { .. } => StatusCode::CONFLICT,
        NetworkError::Busy => StatusCode::SERVICE_UNAVAILABLE,
        NetworkError::Store(_) => StatusCode::INTERNAL_SERVER_ERROR,
    }
}

fn of_exchange(error: &ExchangeError) -> StatusCode {
    match error {
        ExchangeError::UnknownTill { .. } => StatusCode::NOT_FOUND,
        ExchangeError::NotClaimed { .. } | ExchangeError::NoDictionary { .. } | ExchangeError::TooFar { .. } => {
            StatusCode::CONFLICT
        }
        _ => StatusCode::INTERNAL_SERVER_ERROR,
    }
}

/// Runs a use case off the async threads.
pub(super) async fn blocking<T: Send + 'static>(
    call: impl FnOnce() -> Result<T, AppError> + Send + 'static,
) -> Result<T, Problem> {
    match tokio::task::spawn_blocking(call).await {
        Ok(answer) => answer.map_err(Into::into),
        Err(join) => Err(Problem::internal(&join)),
    }
}

//! What a caller gets in place of an answer: problem details as RFC 9457 has them, with what to do about it.

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

impl From<NetworkError> for Problem {
    fn from(error: NetworkError) -> Self {
        match error {
            NetworkError::UnknownNode { .. } => Self::not_found(error.to_string()),
            NetworkError::Name { .. } | NetworkError::Code { .. } => Self::bad_request(error.to_string()),
            NetworkError::Level { .. }
            | NetworkError::Loop { .. }
            | NetworkError::CodeTaken { .. }
            | NetworkError::CodeAlike { .. }
            | NetworkError::HasChildren { .. }
            | NetworkError::ChainStays { .. } => Self::conflict(error.to_string()),
            NetworkError::Busy => Self::new(StatusCode::SERVICE_UNAVAILABLE, error.to_string()),
            NetworkError::Store { .. } => Self::internal(&error),
        }
    }
}

/// Runs a blocking call off the async threads.
pub(super) async fn blocking<T, E>(call: impl FnOnce() -> Result<T, E> + Send + 'static) -> Result<T, Problem>
where
    T: Send + 'static,
    E: Into<Problem> + Send + 'static,
{
    match tokio::task::spawn_blocking(call).await {
        Ok(answer) => answer.map_err(Into::into),
        Err(join) => Err(Problem::internal(&join)),
    }
}

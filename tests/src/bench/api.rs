//! The server's REST, as an operator's program uses it.

use crate::http;
use reqwest::Method;
use reqwest::blocking::{Client, Response};
use serde_json::Value;

/// Why the server did not answer as it should.
#[derive(Debug, thiserror::Error)]
pub enum ApiError {
    /// No answer.
    #[error("no answer to {method} {path}")]
    Http {
        /// What was asked.
        method: Method,
        /// Of what.
        path: String,
        /// Why.
        #[source]
        source: reqwest::Error,
    },
    /// A refusal.
    #[error("{method} {path} was refused: {status} {body}")]
    Refused {
        /// What was asked.
        method: Method,
        /// Of what.
        path: String,
        /// The status.
        status: u16,
        /// What the server says.
        body: String,
    },
    /// An answer without what it should have.
    #[error("the answer to {path} has no {field}: {answer}")]
    Shape {
        /// What was asked.
        path: String,
        /// What is missing.
        field: String,
        /// The answer.
        answer: Value,
    },
}

impl ApiError {
    pub(super) fn shape(path: &str, field: &str, answer: Value) -> Self {
        Self::Shape { path: path.to_owned(), field: field.to_owned(), answer }
    }
}

/// REST under one base address, with an administrator's credentials.
#[derive(Debug, Clone)]
pub struct Api {
    client: Client,
    base: String,
    user: String,
    password: String,
}

impl Api {
    /// `credentials` is one line `<user>:<password>`.
    pub fn new(base: &str, credentials: &str) -> Result<Self, ApiError> {
        let client =
            http::client().map_err(|source| ApiError::Http { method: Method::GET, path: base.to_owned(), source })?;
        let (user, password) = credentials.trim().split_once(':').unwrap_or((credentials, ""));
        Ok(Self { client, base: base.to_owned(), user: user.to_owned(), password: password.to_owned() })
    }

    /// Reads.
    pub fn read(&self, path: &str) -> Result<Value, ApiError> {
        self.json(&Method::GET, path, None)
    }

    /// Reads a text.
    pub fn text(&self, path: &str) -> Result<String, ApiError> {
        let request = self.client.get(format!("{}{path}", self.base)).basic_auth(&self.user, Some(&self.password));
        let failed = |source| ApiError::Http { method: Method::GET, path: path.to_owned(), source };
        accepted(request.send().map_err(failed)?, &Method::GET, path)?.text().map_err(failed)
    }

    /// Orders or makes something.
    pub fn post(&self, path: &str, body: &Value) -> Result<Value, ApiError> {
        self.json(&Method::POST, path, Some(body))
    }

    /// Any method with a JSON body; an empty answer is null.
    pub fn json(&self, method: &Method, path: &str, body: Option<&Value>) -> Result<Value, ApiError> {
        let mut request = self
            .client
            .request(method.clone(), format!("{}{path}", self.base))
            .basic_auth(&self.user, Some(&self.password));
        if let Some(body) = body {
            request = request.json(body);
        }
        let failed = |source| ApiError::Http { method: method.clone(), path: path.to_owned(), source };
        let response = accepted(request.send().map_err(failed)?, method, path)?;
        let text = response.text().map_err(failed)?;
        if text.trim().is_empty() {
            return Ok(Value::Null);
        }
        serde_json::from_str(&text).map_err(|_| ApiError::shape(path, "JSON", Value::String(text)))
    }

    /// A body of any type.
    pub fn post_text(&self, path: &str, query: &[(&str, &str)], body: String) -> Result<Value, ApiError> {
        let method = Method::POST;
        let query: Vec<String> = query.iter().map(|(name, value)| format!("{name}={value}")).collect();
        let request = self
            .client
            .post(format!("{}{path}?{}", self.base, query.join("&")))
            .basic_auth(&self.user, Some(&self.password))
            .header("content-type", "application/json")
            .body(body);
        let failed = |source| ApiError::Http { method: method.clone(), path: path.to_owned(), source };
        accepted(request.send().map_err(failed)?, &method, path)?.json().map_err(failed)
    }
}

fn accepted(response: Response, method: &Method, path: &str) -> Result<Response, ApiError> {
    let status = response.status();
    if status.is_success() {
        return Ok(response);
    }
    let body = response.text().unwrap_or_default();
    Err(ApiError::Refused { method: method.clone(), path: path.to_owned(), status: status.as_u16(), body })
}

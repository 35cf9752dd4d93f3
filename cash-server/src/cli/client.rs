//! Asks the running server over its REST, as the administrator.

use crate::settings::Settings;
use crate::settings::credentials::{self, Credentials, CredentialsError};
use reqwest::StatusCode;
use serde_json::Value;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::time::Duration;

/// Longest wait for an answer: lists of thousands of tills take a second.
const DEADLINE: Duration = Duration::from_secs(30);

/// Why the server did not answer as asked.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// No credentials: the server was never started here, or another user runs it.
    #[error("failed to read the administrator's credentials: run this on the server's machine, as its user")]
    Credentials(#[source] CredentialsError),
    /// Nobody listens.
    #[error("the server does not answer at {url}: is it running?")]
    Unreachable {
        /// Where.
        url: String,
        /// Why.
        #[source]
        source: reqwest::Error,
    },
    /// The server refused.
    #[error("the server answers {status}: {detail}")]
    Refused {
        /// The status.
        status: u16,
        /// What it says.
        detail: String,
    },
    /// The answer is no JSON.
    #[error("the server's answer is no JSON")]
    Answer(#[source] reqwest::Error),
    /// The client could not be made.
    #[error("failed to prepare the connection")]
    Prepare(#[source] reqwest::Error),
    /// The threads.
    #[error("failed to prepare the connection")]
    Runtime(#[source] std::io::Error),
}

/// A client of the server on this machine.
pub(super) struct Client {
    base: String,
    admin: Credentials,
    http: reqwest::Client,
    runtime: tokio::runtime::Runtime,
}

impl Client {
    pub(super) fn new(settings: &Settings) -> Result<Self, ClientError> {
        // Whoever was first in this process has installed the same one.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let admin =
            credentials::read(&credentials::admin_path(&settings.data_dir)).map_err(ClientError::Credentials)?;
        let mut address = settings.rest.listen;
        if address.ip().is_unspecified() {
            let local = if address.is_ipv4() { Ipv4Addr::LOCALHOST.into() } else { IpAddr::V6(Ipv6Addr::LOCALHOST) };
            address.set_ip(local);
        }
        let http = reqwest::Client::builder().timeout(DEADLINE).no_proxy().build().map_err(ClientError::Prepare)?;
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        Ok(Self { base: format!("http://{address}"), admin, http, runtime: runtime.map_err(ClientError::Runtime)? })
    }

    /// `GET`; `path` with its query.
    pub(super) fn read(&self, path: &str) -> Result<Value, ClientError> {
        self.ask(self.http.get(format!("{}{path}", self.base)))
    }

    /// `GET` with values that may hold anything.
    pub(super) fn read_with(&self, path: &str, query: &[(&str, String)]) -> Result<Value, ClientError> {
        let pairs: Vec<String> = query.iter().map(|(name, value)| format!("{name}={}", escaped(value))).collect();
        self.read(&format!("{path}?{}", pairs.join("&")))
    }

    /// `POST` of a JSON body.
    pub(super) fn post(&self, path: &str, body: &Value) -> Result<Value, ClientError> {
        self.ask(self.http.post(format!("{}{path}", self.base)).json(body))
    }

    fn ask(&self, request: reqwest::RequestBuilder) -> Result<Value, ClientError> {
        let request = request.basic_auth(&self.admin.user, Some(self.admin.password()));
        self.runtime.block_on(async {
            let unreachable = |source| ClientError::Unreachable { url: self.base.clone(), source };
            let response = request.send().await.map_err(unreachable)?;
            let status = response.status();
            if status == StatusCode::NO_CONTENT {
                return Ok(Value::Null);
            }
            if status.is_success() {
                return response.json().await.map_err(ClientError::Answer);
            }
            let text = response.text().await.unwrap_or_default();
            let problem: Option<Value> = serde_json::from_str(&text).ok();
            let detail = problem.as_ref().and_then(|problem| problem["detail"].as_str()).unwrap_or(&text);
            Err(ClientError::Refused { status: status.as_u16(), detail: detail.to_owned() })
        })
    }
}

/// A text as a value in the query of an address.
fn escaped(text: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~:".contains(&byte);
    text.bytes().map(|byte| if plain(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") }).collect()
}

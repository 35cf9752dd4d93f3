//! Asks the running server, over its socket on this machine: who asks is the system's user.
//! The answer is worded in the language of the terminal.

use super::CliError;
use crate::settings::Settings;
use crate::socket;
use crate::words::{Language, as_said};
use reqwest::{Method, StatusCode, header};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use std::error::Error;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Longest wait for an answer: lists of thousands of tills take a second.
const DEADLINE: Duration = Duration::from_secs(30);

/// Longest time that a whole file takes: a gigabyte over a slow disk.
const DOWNLOAD_DEADLINE: Duration = Duration::from_mins(30);

/// Over a socket the address names nobody.
const BASE: &str = "http://localhost";

/// Why the server did not answer as asked.
#[derive(Debug, thiserror::Error, Serialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum ClientError {
    /// Nobody listens.
    #[error("the server does not answer at {}: is it running?", socket.display())]
    #[serde(rename = "server-unreachable")]
    Unreachable {
        /// The socket.
        socket: PathBuf,
        /// Why.
        #[source]
        #[serde(rename = "detail", serialize_with = "as_said")]
        source: reqwest::Error,
    },
    /// The system does not let this user reach the socket.
    #[error("this user may not ask the server: do it as root, or as the user who runs it ({})", socket.display())]
    #[serde(rename = "server-not-allowed")]
    NotAllowed {
        /// The socket.
        socket: PathBuf,
    },
    /// The server refused.
    #[error("the server answers {status}: {detail}")]
    #[serde(rename = "server-refuses")]
    Refused {
        /// The status.
        status: u16,
        /// What it says.
        detail: String,
    },
    /// The answer is no JSON, or not the JSON that is expected.
    #[error("the server's answer cannot be read: it may be of another version")]
    #[serde(rename = "answer-unreadable")]
    Answer {
        /// Why not.
        #[source]
        #[serde(rename = "detail", serialize_with = "as_said")]
        source: serde_json::Error,
    },
    /// The answer broke off.
    #[error("the server's answer broke off")]
    #[serde(rename = "answer-broken-off")]
    Broken {
        /// Why.
        #[source]
        #[serde(rename = "detail", serialize_with = "as_said")]
        source: reqwest::Error,
    },
    /// The client could not be made.
    #[error("failed to prepare the connection")]
    #[serde(rename = "connection-not-prepared")]
    Prepare {
        /// Why not.
        #[source]
        #[serde(rename = "detail", serialize_with = "as_said")]
        source: reqwest::Error,
    },
    /// The threads.
    #[error("failed to prepare the connection")]
    #[serde(rename = "threads-not-prepared")]
    Runtime {
        /// Why not.
        #[source]
        #[serde(rename = "detail", serialize_with = "as_said")]
        source: io::Error,
    },
}

/// A client of the server on this machine.
pub(super) struct Client {
    socket: PathBuf,
    language: Language,
    http: reqwest::Client,
    runtime: tokio::runtime::Runtime,
}

impl Client {
    pub(super) fn new(settings: &Settings) -> Result<Self, ClientError> {
        Self::over(&socket::path(&settings.data_dir))
    }

    fn over(socket: &Path) -> Result<Self, ClientError> {
        let http = crate::http_client::builder().unix_socket(socket).timeout(DEADLINE);
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        Ok(Self {
            socket: socket.to_owned(),
            language: Language::of_terminal(),
            http: http.build().map_err(|source| ClientError::Prepare { source })?,
            runtime: runtime.map_err(|source| ClientError::Runtime { source })?,
        })
    }

    /// `GET`; `path` with its query.
    pub(super) fn read<T: DeserializeOwned>(&self, path: &str) -> Result<T, ClientError> {
        self.ask(Method::GET, path, None::<&Value>)
    }

    /// `GET` with values that may hold anything.
    pub(super) fn read_with(&self, path: &str, query: &[(&str, String)]) -> Result<Value, ClientError> {
        let pairs: Vec<String> = query.iter().map(|(name, value)| format!("{name}={}", escaped(value))).collect();
        self.read(&format!("{path}?{}", pairs.join("&")))
    }

    /// `POST` of a JSON body.
    pub(super) fn post<T: DeserializeOwned>(&self, path: &str, body: &impl Serialize) -> Result<T, ClientError> {
        self.ask(Method::POST, path, Some(body))
    }

    /// Any request. An answer without content is null.
    pub(super) fn ask<T: DeserializeOwned>(
        &self,
        method: Method,
        path: &str,
        body: Option<&impl Serialize>,
    ) -> Result<T, ClientError> {
        let request = self.http.request(method, format!("{BASE}{path}"));
        let request = request.header(header::ACCEPT_LANGUAGE, self.language.code());
        let request = match body {
            Some(body) => request.json(body),
            None => request,
        };
        self.runtime.block_on(async {
            let response = request.send().await.map_err(|error| self.unreachable(error))?;
            let response = accepted(response).await?;
            let status = response.status();
            let content = response.bytes().await.map_err(|source| ClientError::Broken { source })?;
            let content: &[u8] = if status == StatusCode::NO_CONTENT { b"null" } else { &content };
            serde_json::from_slice(content).map_err(|source| ClientError::Answer { source })
        })
    }

    /// Writes what an address has, piece by piece, however long it is.
    pub(super) fn download(&self, path: &str, to: &mut dyn io::Write) -> Result<(), CliError> {
        let request = self.http.get(format!("{BASE}{path}")).timeout(DOWNLOAD_DEADLINE);
        let request = request.header(header::ACCEPT_LANGUAGE, self.language.code());
        self.runtime.block_on(async {
            let response = request.send().await.map_err(|error| CliError::Client(self.unreachable(error)))?;
            let mut response = accepted(response).await.map_err(CliError::Client)?;
            loop {
                let piece =
                    response.chunk().await.map_err(|source| CliError::Client(ClientError::Broken { source }))?;
                let Some(piece) = piece else { break };
                to.write_all(&piece).map_err(CliError::Output)?;
            }
            to.flush().map_err(CliError::Output)
        })
    }

    fn unreachable(&self, source: reqwest::Error) -> ClientError {
        let socket = self.socket.clone();
        let mut cause: Option<&(dyn Error + 'static)> = source.source();
        while let Some(error) = cause {
            if error.downcast_ref::<io::Error>().is_some_and(|error| error.kind() == io::ErrorKind::PermissionDenied) {
                return ClientError::NotAllowed { socket };
            }
            cause = error.source();
        }
        ClientError::Unreachable { socket, source }
    }
}

/// An answer that is what was asked for.
async fn accepted(response: reqwest::Response) -> Result<reqwest::Response, ClientError> {
    let status = response.status();
    if status.is_success() {
        return Ok(response);
    }
    let text = response.text().await.unwrap_or_default();
    let problem: Option<Value> = serde_json::from_str(&text).ok();
    let detail = problem.as_ref().and_then(|problem| problem["detail"].as_str()).unwrap_or(&text);
    Err(ClientError::Refused { status: status.as_u16(), detail: detail.to_owned() })
}

/// A text as a value in an address.
pub(super) fn escaped(text: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~:".contains(&byte);
    text.bytes().map(|byte| if plain(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") }).collect()
}

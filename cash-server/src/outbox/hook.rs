//! Webhooks: a POST with JSON, signed where there is a secret (docs/alerts.md).

use super::error::OutboxError;
use super::mail::AlertLine;
use crate::http_client;
use crate::settings::AlertSettings;
use fs_err as fs;
use jiff::Timestamp;
use reqwest::{Client, Url};
use ring::hmac;
use serde::Serialize;
use std::fmt::Write as _;
use std::path::Path;
use std::time::Duration;
use uuid::Uuid;

const CONNECT_TIMEOUT: Duration = Duration::from_secs(3);
const CALL_TIMEOUT: Duration = Duration::from_secs(10);

/// What to do where a local program is meant.
const LOCAL_ADVICE: &str = "where it is meant, set alerts.webhooks_local in the server's settings";

/// The code of a call: `sha256=` and HMAC-SHA256 of the body in hexadecimal digits.
const SIGNATURE: &str = "x-tillway-signature";

/// The id of a call: the same where it comes again.
const DELIVERY: &str = "x-tillway-delivery";

/// A webhook.
#[derive(Debug)]
pub(super) struct Hook {
    /// It is told of what is at this node and below it.
    pub(super) node: String,
    /// What it is kept by: its address may hold a secret, and is not kept.
    pub(super) key: String,
    url: Url,
}

/// What is told.
#[derive(Debug, Serialize)]
pub(super) struct Told<'a> {
    /// The same as in the header.
    pub(super) id: Uuid,
    /// The server's name.
    pub(super) server: &'a str,
    /// `held-load`, `silent-shop`, `shift-differs`.
    pub(super) kind: &'static str,
    /// `start`, `growth`, `end`.
    pub(super) stage: &'static str,
    /// The number of a load, the id of a shop or till.
    pub(super) object: &'a str,
    /// The id of the node that it stands at.
    pub(super) node: String,
    /// Since when it is so, UTC.
    pub(super) since: Timestamp,
    /// When that was noticed, UTC.
    pub(super) at: Timestamp,
    /// How much of it.
    pub(super) size: u64,
    /// All of it in English.
    pub(super) words: String,
    /// Where people look.
    pub(super) link: String,
}

impl Hook {
    pub(super) fn new(node: String, url: Url) -> Self {
        let digest = blake3::hash(url.as_str().as_bytes()).to_hex();
        let key = format!("{} {}", url.host_str().unwrap_or_default(), &digest.as_str()[..16]);
        Self { node, key, url }
    }

    fn host(&self) -> String {
        self.url.host_str().unwrap_or_default().to_owned()
    }

    /// Calls it once.
    pub(super) async fn call(&self, client: &Client, secret: Option<&str>, told: &Told<'_>) -> Result<(), OutboxError> {
        let body = serde_json::to_vec(told).map_err(|error| OutboxError::MailNotMade { detail: error.to_string() })?;
        let mut request = client.post(self.url.clone()).header(DELIVERY, told.id.to_string());
        if let Some(secret) = secret {
            request = request.header(SIGNATURE, signature(secret, &body));
        }
        let request = request.header(reqwest::header::CONTENT_TYPE, "application/json").body(body);
        // What it says may be long, and nobody reads it.
        let response = request.send().await.map_err(|error| self.unreachable(error))?;
        let status = response.status();
        if status.is_success() {
            return Ok(());
        }
        Err(OutboxError::HookRefused { host: self.host(), status: status.to_string() })
    }

    /// The address stays out of logs and pages.
    fn unreachable(&self, error: reqwest::Error) -> OutboxError {
        OutboxError::HookUnreachable { host: self.host(), source: error.without_url() }
    }
}

/// The client for all calls.
pub(super) fn client(settings: &AlertSettings) -> Result<Client, OutboxError> {
    let builder = http_client::outward(settings.local, LOCAL_ADVICE);
    let built = builder.connect_timeout(CONNECT_TIMEOUT).timeout(CALL_TIMEOUT).build();
    built.map_err(|source| OutboxError::HookUnreachable { host: String::new(), source })
}

fn signature(secret: &str, body: &[u8]) -> String {
    let code = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, secret.as_bytes()), body);
    code.as_ref().iter().fold("sha256=".to_owned(), |mut text, byte| {
        // Writing to a text does not fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// The first line of a file with a secret.
pub(super) fn first_line(path: &Path) -> Result<String, OutboxError> {
    let read = |source| OutboxError::SendingFileUnread { path: path.to_owned(), source };
    Ok(fs::read_to_string(path).map_err(read)?.lines().next().unwrap_or_default().trim().to_owned())
}

impl<'a> Told<'a> {
    pub(super) fn of(line: &'a AlertLine, id: Uuid, server: &'a str, words: String, link: String) -> Self {
        let AlertLine { sort, stage, object, node, since, at, size, .. } = line;
        let (node, since, at, size) = (node.to_string(), *since, *at, *size);
        Self { id, server, kind: sort, stage, object, node, since, at, size, words, link }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_signature_is_that_of_rfc_4231() {
        let expected = "sha256=5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843";
        assert_eq!(signature("Jefe", b"what do ya want for nothing?"), expected);
    }

    #[test]
    fn a_hook_is_kept_without_what_its_address_may_hide() {
        let hook = |url: &str| Hook::new("All".to_owned(), url.parse().unwrap());
        let one = hook("https://chat.example.org/hook/s3cr3t");
        assert!(one.key.starts_with("chat.example.org ") && !one.key.contains("s3cr3t"), "{}", one.key);
        assert_ne!(one.key, hook("https://chat.example.org/hook/other").key);
    }
}

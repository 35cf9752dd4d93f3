//! Why something was not sent.

use crate::app::AppError;
use crate::store::StoreError;
use crate::words::as_said;
use serde::Serialize;
use std::io;
use std::path::PathBuf;
use tillway_service::page::RenderError;

/// Why something was not sent.
#[derive(Debug, thiserror::Error, Serialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum OutboxError {
    /// The mail server cannot be reached, or does not take it.
    #[error("the mail server {server} did not take a mail")]
    MailNotSent {
        /// Its host.
        server: String,
        /// Why not.
        #[serde(rename = "detail", serialize_with = "as_said")]
        source: lettre::transport::smtp::Error,
    },
    /// The mail server did not answer in time.
    #[error("the mail server {server} did not answer within {seconds} s")]
    MailTooSlow {
        /// Its host.
        server: String,
        /// So long was waited.
        seconds: u64,
    },
    /// A mail could not be made: a defect.
    #[error("a mail could not be made: {detail}")]
    MailNotMade {
        /// Why not.
        detail: String,
    },
    /// A file that sending needs cannot be read.
    #[error("failed to read {}", path.display())]
    SendingFileUnread {
        /// The file.
        path: PathBuf,
        /// Why not.
        #[serde(rename = "detail", serialize_with = "as_said")]
        source: io::Error,
    },
    /// A webhook cannot be reached.
    #[error("the webhook at {host} cannot be reached")]
    HookUnreachable {
        /// Its host: the rest of its address may be a secret.
        host: String,
        /// Why not.
        #[serde(rename = "detail", serialize_with = "as_said")]
        source: reqwest::Error,
    },
    /// A webhook did not take it.
    #[error("the webhook at {host} refused it: {status}")]
    HookRefused {
        /// Its host.
        host: String,
        /// What it answered.
        status: String,
    },
    /// What is to be told.
    #[error(transparent)]
    #[serde(untagged)]
    App(#[from] AppError),
    /// Where it is kept.
    #[error(transparent)]
    #[serde(untagged)]
    Store(#[from] StoreError),
}

/// The kind of [`OutboxError::HookRefused`].
pub(super) const HOOK_REFUSED: &str = "hook-refused";

impl OutboxError {
    /// Whether only this one failed, and others may arrive at the same place.
    pub(super) fn is_of_one(&self) -> bool {
        match self {
            Self::MailNotSent { source, .. } => source.is_permanent(),
            Self::MailNotMade { .. } | Self::HookRefused { .. } | Self::App(_) => true,
            _ => false,
        }
    }

    pub(super) fn not_made(error: &RenderError) -> Self {
        Self::MailNotMade { detail: crate::error_chain(error) }
    }
}

//! A file that a person sends to be loaded: what it would do is shown before anything changes.

use super::WebState;
use super::act::{gone, judged};
use super::login::not_done;
use super::people::blocking;
use super::reader::Reader;
use crate::app::{Acting, AppError};
use crate::intake::{UploadError, UploadPlace};
use axum::Router;
use axum::extract::multipart::{Field, Multipart};
use axum::extract::{DefaultBodyLimit, State};
use axum::response::{IntoResponse, Redirect, Response};
use axum::routing::post;
use std::time::Duration;
use tillway_proto::LoadId;
use tokio::time::{Instant, timeout_at};

/// A field that is no file: a token, the name of a node.
const MAX_FIELD_BYTES: usize = 1024;

/// What stands around the file in a form.
const AROUND_BYTES: u64 = 64 * 1024;

/// How long it may take until the file begins.
const FIELDS_WITHIN: Duration = Duration::from_secs(30);

/// The route. The file is streamed to the disk; how slowly it may come, its receiver says.
/// `max_bytes`: of a file.
pub(super) fn router(max_bytes: u64) -> Router<WebState> {
    let limit = usize::try_from(max_bytes + AROUND_BYTES).unwrap_or(usize::MAX);
    Router::new().route("/loads/upload", post(upload)).layer(DefaultBodyLimit::max(limit))
}

/// Why a file was not taken.
enum Stopped {
    /// The answer stands.
    Answered(Response),
    /// The use case says why.
    Refused(AppError),
}

impl From<AppError> for Stopped {
    fn from(error: AppError) -> Self {
        Self::Refused(error)
    }
}

fn cut_off<E>(_: E) -> Stopped {
    Stopped::Refused(UploadError::UploadCutOff.into())
}

async fn upload(State(state): State<WebState>, reader: Reader, form: Multipart) -> Response {
    match take(&state, &reader, form).await {
        Ok(load) => Redirect::to(&format!("/loads/{}", load.0)).into_response(),
        Err(Stopped::Answered(response)) => response,
        Err(Stopped::Refused(error)) => not_done(&state, reader.language, &error),
    }
}

/// The fields come in the order in which they stand in the form: the file is the last one.
async fn take(state: &WebState, reader: &Reader, mut form: Multipart) -> Result<LoadId, Stopped> {
    // Nothing is read of whoever may send nothing.
    let place = blocking(state, reader, Acting::upload_place).await.map_err(Stopped::Answered)?;
    let (mut token, mut node, until) = (String::new(), String::new(), Instant::now() + FIELDS_WITHIN);
    loop {
        let Ok(next) = timeout_at(until, form.next_field()).await else { return Err(cut_off(())) };
        let Some(mut field) = next.map_err(cut_off)? else {
            return Err(AppError::from(UploadError::UploadEmpty).into());
        };
        let name = field.name().unwrap_or_default().to_owned();
        if name == "file" {
            judged(state, reader, &token).map_err(|refusal| Stopped::Answered(*refusal))?;
            return take_file(state, reader, node, field, place).await;
        }
        let Ok(read) = timeout_at(until, text(state, reader, &mut field)).await else { return Err(cut_off(())) };
        match (name.as_str(), read?) {
            ("token", text) => token = text,
            ("node", text) => node = text,
            _ => {}
        }
    }
}

async fn take_file(
    state: &WebState,
    reader: &Reader,
    node: String,
    mut field: Field<'_>,
    place: UploadPlace,
) -> Result<LoadId, Stopped> {
    let node = blocking(state, reader, move |app| app.uploading(&node)).await.map_err(Stopped::Answered)?;
    let name = field.file_name().unwrap_or_default().to_owned();
    let app = reader.app(state);
    let mut upload = app.begin_upload(node, place).await?;
    loop {
        match tokio::time::timeout(upload.idle(), field.chunk()).await {
            Err(_) => return Err(cut_off(())),
            Ok(part) => match part.map_err(cut_off)? {
                Some(part) => upload.push(&part).await.map_err(AppError::from)?,
                None => break,
            },
        }
    }
    Ok(app.accept_upload(upload, &name).await?)
}

async fn text(state: &WebState, reader: &Reader, field: &mut Field<'_>) -> Result<String, Stopped> {
    let mut bytes = Vec::new();
    while let Some(part) = field.chunk().await.map_err(cut_off)? {
        bytes.extend_from_slice(&part);
        if bytes.len() > MAX_FIELD_BYTES {
            return Err(Stopped::Answered(gone(state, reader)));
        }
    }
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

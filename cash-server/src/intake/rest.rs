//! `POST /aifexchange/loaddicts` (formats/aif): takes the body, a JSON array of AIF commands, and
//! answers when it is on disk and in the journal. It is loaded afterwards, in its turn.
//!
//! The body's file has its record in the journal, or it was never accepted: it is written under a
//! hidden name, made durable, renamed, and then recorded, all before the answer. What has no
//! record at the next start is removed.

use super::encoding::{self, Incoming, WrongEncoding};
use super::{Intake, IntakeError, IntakeSettings, archive, callbacks, deliver};
use crate::reserve::NoRoom;
use crate::settings::credentials::Credentials;
use crate::settings::encoding_named;
use crate::store::StoreError;
use crate::store::intake::{Consent, LoadSource, NewLoad, NewWatch};
use axum::Router;
use axum::body::Body;
use axum::extract::{Query, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Json, Response};
use axum::routing::post;
use encoding_rs::{Encoding, UTF_8};
use fs_err as fs;
use futures_util::StreamExt as _;
use jiff::Timestamp;
use serde::Serialize;
use std::collections::HashSet;
use std::error::Error;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tillway_exchangers::formats::foreign_input;
use tillway_file_queue::durable;
use tillway_proto::{LoadId, NodeId};
use tillway_service::people::{Guesses, PeopleError};
use tillway_service::serving::Client;
use tokio::io::AsyncWriteExt as _;
use uuid::Uuid;

/// Where back offices send to.
pub const PATH: &str = "/aifexchange/loaddicts";

/// Bodies that may wait to be loaded; beyond them the back office is asked to come again.
const MAX_WAITING: usize = 256;

/// Bytes that may wait to be loaded, in bodies of the largest size: a bound for the disk.
const MAX_WAITING_SIZES: u64 = 4;

/// Bodies that are received at once: more share one disk and one link, and are no faster.
pub(super) const MAX_UPLOADS: usize = 8;

/// Bytes of a body between two looks at the room on the disk.
const ROOM_STEP_BYTES: u64 = 4 * 1024 * 1024;

/// When to come again while too many bodies wait, in seconds.
const RETRY_AFTER_S: &str = "30";

/// Longest id of its own that a back office may give, in characters.
const MAX_DICTIONARY_ID_CHARS: usize = 128;

/// What the handler needs.
#[derive(Clone)]
pub struct AifRest {
    /// Takes the bodies.
    pub intake: Arc<Intake>,
    /// Of the back office.
    pub credentials: Credentials,
    /// Counts wrong tries, at all doors together.
    pub guesses: Arc<Guesses>,
}

/// The route. The body is streamed, so no limit of the framework stands in its way;
/// [`super::IntakeSettings`] has one.
pub fn router(state: AifRest) -> Router {
    Router::new().route(PATH, post(load_dicts)).with_state(state)
}

#[derive(Serialize)]
struct LoadAnswer {
    success: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    loadid: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    warning: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<String>,
}

/// Why a body is not taken.
#[derive(Debug)]
struct Refusal {
    status: StatusCode,
    error: String,
}

impl Refusal {
    fn new(status: StatusCode, error: impl Into<String>) -> Self {
        Self { status, error: error.into() }
    }

    fn disk(error: &io::Error) -> Self {
        tracing::error!(error = error as &dyn Error, "failed to take a body over REST");
        let status = match error.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => StatusCode::INSUFFICIENT_STORAGE,
            _ => StatusCode::SERVICE_UNAVAILABLE,
        };
        Self::new(status, "the server cannot keep the body: see its log, free space on its disk and send it again")
    }

    fn no_room(missing: &NoRoom) -> Self {
        Self::new(StatusCode::INSUFFICIENT_STORAGE, format!("{missing}; send the body again later"))
    }

    fn store(error: &StoreError) -> Self {
        tracing::error!(error = error as &dyn Error, "failed to take a body over REST");
        let reason = crate::error_chain(error);
        Self::new(StatusCode::SERVICE_UNAVAILABLE, format!("the server's database does not answer: {reason}"))
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        tracing::warn!(status = self.status.as_u16(), reason = self.error, "refused a body over REST");
        let answer = LoadAnswer { success: false, loadid: None, warning: None, error: Some(self.error) };
        let mut response = (self.status, Json(answer)).into_response();
        let headers = response.headers_mut();
        if self.status == StatusCode::UNAUTHORIZED {
            headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Basic realm=\"aifexchange\""));
        } else if matches!(
            self.status,
            StatusCode::SERVICE_UNAVAILABLE | StatusCode::INSUFFICIENT_STORAGE | StatusCode::TOO_MANY_REQUESTS
        ) {
            headers.insert(header::RETRY_AFTER, HeaderValue::from_static(RETRY_AFTER_S));
        }
        response
    }
}

async fn load_dicts(
    State(state): State<AifRest>,
    Query(query): Query<Vec<(String, String)>>,
    client: Option<Client>,
    headers: HeaderMap,
    body: Body,
) -> Response {
    if let Err(refusal) = let_in(&state, client, &headers) {
        return refusal.into_response();
    }
    match take(&state.intake, &query, &headers, body).await {
        Ok((load, warning)) => {
            Json(LoadAnswer { success: true, loadid: Some(load.0), warning, error: None }).into_response()
        }
        Err(refusal) => refusal.into_response(),
    }
}

fn let_in(state: &AifRest, client: Option<Client>, headers: &HeaderMap) -> Result<(), Refusal> {
    let wrong = || {
        let error = "wrong or missing credentials: send the back office's user and password by HTTP Basic";
        Refusal::new(StatusCode::UNAUTHORIZED, error)
    };
    let shown = headers.get(header::AUTHORIZATION).ok_or_else(wrong)?;
    let (is_right, address) = (state.credentials.accepts(shown.as_bytes()), client.map(|Client(address)| address));
    let text = String::from_utf8_lossy(shown.as_bytes());
    // The door has one login, whatever name is tried.
    let login = format!("aif:{}", state.credentials.user);
    state.guesses.at_door(&login, &text, address, is_right).map_err(|error| match error {
        PeopleError::LoginSlowDown { .. } => Refusal::new(StatusCode::TOO_MANY_REQUESTS, error.to_string()),
        _ => wrong(),
    })
}

async fn take(
    intake: &Arc<Intake>,
    query: &[(String, String)],
    headers: &HeaderMap,
    body: Body,
) -> Result<(LoadId, Option<String>), Refusal> {
    let asked = |name: &str| {
        query.iter().find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value.trim().to_owned())
    };
    let shop = shop_of(headers, query)?;
    let Ok(_upload) = intake.uploads.try_acquire() else {
        let error = format!("{MAX_UPLOADS} bodies are being received: send it again in {RETRY_AFTER_S} seconds");
        return Err(Refusal::new(StatusCode::SERVICE_UNAVAILABLE, error));
    };
    let max_bytes = intake.settings.max_body_bytes;
    let announced = headers.get(header::CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse::<u64>().ok());
    if announced.is_some_and(|bytes| bytes > max_bytes) {
        return Err(too_large(max_bytes));
    }
    if let Some(encoding) = headers.get(header::CONTENT_ENCODING).filter(|encoding| *encoding != "identity") {
        let encoding = String::from_utf8_lossy(encoding.as_bytes()).into_owned();
        let error =
            format!("the body is packed ({encoding}): send it without Content-Encoding, as plain JSON in UTF-8");
        return Err(Refusal::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, error));
    }
    room(intake, announced.unwrap_or(0)).await?;
    let node = blocking(intake, {
        let shop = shop.clone();
        move |intake| admit(intake, &shop)
    })
    .await?;
    let address = asked("addressstatusserver").filter(|address| !address.is_empty());
    let checked = address.map(|address| {
        let settings = &intake.settings;
        callbacks::server_address(&address, &settings.status_server_allow, settings.status_server_local)
    });
    let (watch, warning) = match checked.transpose() {
        Ok(server) => (server.map(|server| NewWatch { server, shop }), None),
        // Prices matter more than who is told of them.
        Err(reason) => {
            tracing::warn!(reason, "a status server cannot be told of a load");
            (None, Some(format!("the load is accepted, but its status is told to nobody: {reason}")))
        }
    };
    // The producer says yes to whatever the load takes away.
    let says_yes = asked("approve").is_some_and(|value| ["1", "true", "yes"].contains(&value.to_lowercase().as_str()));
    let consent = if says_yes { Consent::Given } else { Consent::No };
    let dictionary_id = asked("dictionaryid").map(|id| id.chars().take(MAX_DICTIONARY_ID_CHARS).collect());
    let charset = Incoming::new(charset_of(headers)?);
    let (file, bytes) = receive(intake, body, charset, max_bytes).await?;
    let load = blocking(intake, move |intake| {
        let source = LoadSource::Rest { body: file.name.clone(), dictionary_id, retry_of: None };
        accept(intake, file, &NewLoad { node, source, bytes, at: Timestamp::now(), watch, delivery: None, consent })
    })
    .await?;
    intake.arrived.notify_one();
    intake.callbacks.notify_one();
    Ok((load, warning))
}

/// The shop that is named. Where header and query, or one of them twice, name different ones,
/// nobody knows which is meant: the prices of one shop must not go to another.
fn shop_of(headers: &HeaderMap, query: &[(String, String)]) -> Result<String, Refusal> {
    let in_headers =
        headers.get_all("shopcode").iter().map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned());
    let in_query = query.iter().filter(|(key, _)| key.eq_ignore_ascii_case("shopcode")).map(|(_, value)| value.clone());
    let named: Vec<String> = in_headers.chain(in_query).map(|shop| shop.trim().to_owned()).collect();
    let mut shops = named.into_iter().filter(|shop| !shop.is_empty());
    let shop = shops.next().ok_or_else(|| {
        Refusal::new(StatusCode::BAD_REQUEST, "no shop is named: send a header or a query parameter `shopcode`")
    })?;
    match shops.find(|other| *other != shop) {
        None => Ok(shop),
        Some(other) => {
            let error = format!(
                "two shops are named, `{shop}` and `{other}`: send one `shopcode`, as a header or in the query, or the same \
                 in both"
            );
            Err(Refusal::new(StatusCode::BAD_REQUEST, error))
        }
    }
}

fn too_large(max_bytes: u64) -> Refusal {
    let error = format!(
        "the body is larger than {max_bytes} bytes: send it in parts, or raise aif.body_limit_mib in the server's settings"
    );
    Refusal::new(StatusCode::PAYLOAD_TOO_LARGE, error)
}

async fn blocking<T: Send + 'static>(
    intake: &Arc<Intake>,
    work: impl FnOnce(&Intake) -> Result<T, Refusal> + Send + 'static,
) -> Result<T, Refusal> {
    let intake = Arc::clone(intake);
    tokio::task::spawn_blocking(move || work(&intake)).await.unwrap_or_else(|error| {
        tracing::error!(%error, "failed to take a body over REST");
        Err(Refusal::new(StatusCode::INTERNAL_SERVER_ERROR, "the server failed: see its log"))
    })
}

async fn room(intake: &Arc<Intake>, need: u64) -> Result<(), Refusal> {
    blocking(intake, move |intake| intake.room(need).map_err(|missing| Refusal::no_room(&missing))).await
}

/// Which node is meant, and whether there is room for one more body.
fn admit(intake: &Intake, shop: &str) -> Result<NodeId, Refusal> {
    let network = intake.network().map_err(|error| Refusal::store(&error))?;
    // The folder names of the other levels are taken too, so that what a folder can load, REST
    // can.
    let node = network.shop(shop).or_else(|| network.find(shop).ok()).ok_or_else(|| {
        let error = format!(
            "there is no shop `{shop}` in the network: correct `shopcode`, or make the shop with `cash-server node add shop {shop}`"
        );
        Refusal::new(StatusCode::NOT_FOUND, error)
    })?;
    let unfinished = intake.journal.unfinished().map_err(|error| Refusal::store(&error))?;
    let waiting = || unfinished.iter().filter(|load| matches!(load.source, LoadSource::Rest { .. }));
    let (bodies, bytes) = (waiting().count(), waiting().map(|load| load.bytes).sum::<u64>());
    if bodies >= MAX_WAITING || bytes > intake.settings.max_body_bytes.saturating_mul(MAX_WAITING_SIZES) {
        let error = format!(
            "{bodies} bodies ({bytes} bytes) wait to be loaded already: send it again in {RETRY_AFTER_S} seconds"
        );
        return Err(Refusal::new(StatusCode::SERVICE_UNAVAILABLE, error));
    }
    Ok(node.id.clone())
}

/// A body's file; removed when it is dropped before it is accepted, so also when the connection
/// breaks.
pub(super) struct BodyFile {
    pub(super) name: String,
    pub(super) path: Option<PathBuf>,
}

impl BodyFile {
    /// What will have this name, and is written here meanwhile.
    pub(super) fn new(name: String, path: PathBuf) -> Self {
        Self { name, path: Some(path) }
    }
}

impl Drop for BodyFile {
    fn drop(&mut self) {
        if let Some(path) = self.path.take() {
            // What cannot be removed now, the next start removes.
            let _ = fs::remove_file(path);
        }
    }
}

/// Streams the body to disk. The file, durable but not yet under its name, and its size.
async fn receive(
    intake: &Arc<Intake>,
    body: Body,
    mut charset: Incoming,
    max_bytes: u64,
) -> Result<(BodyFile, u64), Refusal> {
    let name = format!("{}{}", Uuid::now_v7().simple(), intake.settings.formats.body().ending());
    let path = intake.settings.bodies.join(format!(".{name}.part"));
    let mut output = tokio::fs::File::create(&path).await.map_err(|error| Refusal::disk(&error))?;
    let file = BodyFile::new(name, path);
    let mut chunks = body.into_data_stream();
    let (mut bytes, mut written, mut begun, mut room_at) = (0, 0, false, 0);
    let (started, idle) = (Instant::now(), intake.settings.body_idle);
    loop {
        let chunk = match tokio::time::timeout(idle, chunks.next()).await {
            Err(_) => {
                let error = format!("nothing came for {} seconds: send the body again", idle.as_secs());
                return Err(Refusal::new(StatusCode::REQUEST_TIMEOUT, error));
            }
            Ok(None) => break,
            Ok(Some(Err(error))) => {
                let error = format!("the body was cut off: send it again ({error})");
                return Err(Refusal::new(StatusCode::BAD_REQUEST, error));
            }
            Ok(Some(Ok(chunk))) => chunk,
        };
        bytes += chunk.len() as u64;
        if bytes > max_bytes {
            return Err(too_large(max_bytes));
        }
        if is_too_slow(&intake.settings, started.elapsed(), bytes) {
            let error =
                format!("the body comes slower than {} bytes a second: send it again", intake.settings.body_rate);
            return Err(Refusal::new(StatusCode::REQUEST_TIMEOUT, error));
        }
        if written >= room_at {
            room_at = written + ROOM_STEP_BYTES;
            room(intake, 0).await?;
        }
        if bytes == chunk.len() as u64 {
            is_no_text(&chunk)?;
        }
        let text = charset.push(&chunk).map_err(|error| not_its_charset(&error))?;
        if !begun {
            begun = begins_array(&text)?;
        }
        written += text.len() as u64;
        output.write_all(&text).await.map_err(|error| Refusal::disk(&error))?;
    }
    if !begun {
        return Err(not_an_array());
    }
    let rest = charset.end().map_err(|error| not_its_charset(&error))?;
    written += rest.len() as u64;
    output.write_all(&rest).await.map_err(|error| Refusal::disk(&error))?;
    output.flush().await.map_err(|error| Refusal::disk(&error))?;
    fail::fail_point!("rest_body::written");
    output.sync_all().await.map_err(|error| Refusal::disk(&error))?;
    fail::fail_point!("rest_body::synced");
    Ok((file, written))
}

/// Whether a body that has come so far in this time holds a place that others could use.
pub(super) fn is_too_slow(settings: &IntakeSettings, elapsed: Duration, bytes: u64) -> bool {
    let beyond = elapsed.saturating_sub(settings.body_grace);
    u128::from(bytes) * 1000 < u128::from(settings.body_rate) * beyond.as_millis()
}

/// In which encoding a body says that it is.
fn charset_of(headers: &HeaderMap) -> Result<&'static Encoding, Refusal> {
    let content_type = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let named = content_type.split(';').skip(1).find_map(|parameter| {
        let (name, value) = parameter.split_once('=')?;
        name.trim().eq_ignore_ascii_case("charset").then(|| value.trim().trim_matches('"').to_owned())
    });
    let Some(name) = named else { return Ok(UTF_8) };
    encoding_named(&name).ok_or_else(|| {
        let error = format!("the charset `{name}` of Content-Type is not known: send the body as UTF-8");
        Refusal::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, error)
    })
}

fn not_its_charset(error: &WrongEncoding) -> Refusal {
    Refusal::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, error.to_string())
}

fn is_no_text(start: &[u8]) -> Result<(), Refusal> {
    match foreign_input(start).filter(|_| !encoding::is_utf16(start)) {
        Some(what) => Err(Refusal::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, what.to_string())),
        None => Ok(()),
    }
}

/// Whether the first byte that is no blank has come; it must open an array.
fn begins_array(chunk: &[u8]) -> Result<bool, Refusal> {
    let blank = |byte: &&u8| byte.is_ascii_whitespace() || b"\xef\xbb\xbf".contains(byte);
    match chunk.iter().find(|byte| !blank(byte)) {
        None => Ok(false),
        Some(b'[') => Ok(true),
        Some(_) => Err(not_an_array()),
    }
}

fn not_an_array() -> Refusal {
    let error = "the body must be a JSON array of AIF commands: `[{\"command\": …}, …]`";
    Refusal::new(StatusCode::BAD_REQUEST, error)
}

fn accept(intake: &Intake, mut file: BodyFile, load: &NewLoad) -> Result<LoadId, Refusal> {
    let target = intake.settings.bodies.join(&file.name);
    if let Some(path) = &file.path {
        durable::rename(path, &target).map_err(|error| Refusal::disk(&error))?;
    }
    file.path = Some(target);
    fail::fail_point!("rest_body::renamed");
    // A promise without a record: the next start removes the body.
    fail::fail_point!("without::body_record", |_| {
        file.path = None;
        Ok(LoadId(0))
    });
    let id = intake.journal.accept(load).map_err(|error| Refusal::store(&error))?;
    file.path = None;
    fail::fail_point!("rest_body::journalled");
    tracing::info!(load = id.0, node = %load.node, bytes = load.bytes, "accepted a body over REST");
    Ok(id)
}

/// Removes bodies without a record: their back offices were never told that they were accepted.
/// Where there is no record of anything, it may be the record that was lost: then they are kept in
/// `badDicts`. Refused ones for which there was no room go there too.
pub(super) fn remove_orphans(intake: &Intake) -> Result<(), IntakeError> {
    let unfinished = intake.journal.unfinished().map_err(IntakeError::Journal)?;
    let lost = intake.journal.recent(1).map_err(IntakeError::Journal)?.is_empty();
    let recorded: HashSet<String> = unfinished
        .into_iter()
        .filter_map(|load| match load.source {
            LoadSource::Rest { body, .. } => Some(body),
            LoadSource::Folder(_) => None,
        })
        .collect();
    for entry in fs::read_dir(&intake.settings.bodies).map_err(IntakeError::Folder)? {
        let entry = entry.map_err(IntakeError::Folder)?;
        let name = entry.file_name().to_string_lossy().into_owned();
        if recorded.contains(&name) {
            continue;
        }
        let refused = name.ends_with(deliver::REFUSED);
        if refused || lost && intake.settings.formats.has_ending(&name) {
            let kept = archive::place(&intake.settings.bad, LoadId(0), Timestamp::now(), &name, "");
            tracing::error!(file = %kept.display(), "kept a body of which there is no record");
            match durable::rename(&entry.path(), &kept) {
                Err(error) if refused => {
                    tracing::warn!(error = &error as &dyn Error, "a refused body stays where it is");
                }
                other => other.map_err(IntakeError::Folder)?,
            }
        } else {
            fs::remove_file(entry.path()).map_err(IntakeError::Folder)?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_disk_is_said_to_be_one() {
        let status = |kind: io::ErrorKind| Refusal::disk(&io::Error::from(kind)).into_response().status();
        assert_eq!(status(io::ErrorKind::StorageFull), StatusCode::INSUFFICIENT_STORAGE);
        assert_eq!(status(io::ErrorKind::PermissionDenied), StatusCode::SERVICE_UNAVAILABLE);
    }
}

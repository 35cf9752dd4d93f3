//! A file that is read while it is sent: in pieces, without holding more than a few of them.

use crate::intake::{KeptContent, KeptFile};
use axum::body::{Body, Bytes};
use axum::http::header;
use axum::response::{IntoResponse, Response};
use futures_util::stream;
use std::io::{self, Read as _};
use std::time::Duration;
use tokio::runtime::Handle;
use tokio::sync::mpsc;
use tokio::time::timeout;

/// Read at once.
const PIECE_BYTES: usize = 64 * 1024;

/// Pieces that wait to be sent.
const PIECES: usize = 4;

/// Whoever takes no piece for so long has gone.
const PATIENCE: Duration = Duration::from_mins(1);

/// The answer by which a browser keeps a file under its name. Only names that
/// [`KeptFile`] makes stand in the header.
pub(crate) fn answer(file: &KeptFile, content: KeptContent) -> Response {
    let (to, from) = mpsc::channel(PIECES);
    let runtime = Handle::current();
    tokio::task::spawn_blocking(move || send(content, &to, &runtime));
    let pieces = stream::unfold(from, |mut from| async move { from.recv().await.map(|piece| (piece, from)) });
    let headers = [
        (header::CONTENT_TYPE, "application/octet-stream".to_owned()),
        (header::CONTENT_DISPOSITION, format!("attachment; filename=\"{}\"", file.name)),
        (header::CACHE_CONTROL, "no-store".to_owned()),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff".to_owned()),
    ];
    (headers, Body::from_stream(pieces)).into_response()
}

/// What cannot be read breaks the answer off, so that nobody takes a part for the whole.
fn send(mut content: KeptContent, to: &mpsc::Sender<io::Result<Bytes>>, runtime: &Handle) {
    loop {
        let mut piece = vec![0; PIECE_BYTES];
        let piece = match content.read(&mut piece) {
            Ok(0) => return,
            Ok(read) => {
                piece.truncate(read);
                Ok(Bytes::from(piece))
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => {
                tracing::warn!(error = crate::error_chain(&error), "failed to read a kept file to its end");
                Err(error)
            }
        };
        let is_broken = piece.is_err();
        let sent = runtime.block_on(timeout(PATIENCE, to.send(piece)));
        if is_broken || !matches!(sent, Ok(Ok(()))) {
            return;
        }
    }
}

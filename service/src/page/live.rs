//! Parts of a page that renew themselves: whoever has the page open is sent what differs.
//!
//! A reader opens the address of the page once more as a stream of events (`Accept:
//! text/event-stream`). An event is a list of parts; of each it has the keys of its pieces in
//! their order and the HTML of those pieces that are not as they were sent before. A part's
//! template cuts it into pieces by [`CUT`], each an element with a `data-key`; a part that is not
//! cut is one piece without a name. The page's script changes what it has in place, so that focus,
//! scroll and selection stay.
//!
//! Promises: a stream ends after [`LIFE`], so that whoever may not read any more is out by then,
//! and at once when the service stops; there are at most [`MAX_READERS`].

use axum::body::Body;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use std::collections::{BTreeMap, HashMap};
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

/// What a template writes before each piece.
pub const CUT: &str = "<!--piece-->";

/// How often a page is looked at for its readers: a person takes two seconds for "at once".
const PERIOD: Duration = Duration::from_secs(2);

/// A stream that has nothing to say for so long says that it lives.
const ALIVE_AFTER: Duration = Duration::from_secs(10);

/// How long a stream lasts; the browser opens the next one by itself, and is asked again who it
/// is.
const LIFE: Duration = Duration::from_mins(1);

/// Streams at the same time: each costs the making of a page every two seconds. Who finds no place
/// tries again later and reads the page as it was.
const MAX_READERS: usize = 48;

/// Tells the browser how soon to open the next stream, in milliseconds.
const HELLO: &str = "retry: 1000\n\n";

/// A part of a page: its name in `data-live`, and the template of what is inside.
pub type Part = (&'static str, &'static str);

/// Makes the parts as they are now; none where that fails.
pub type Look = Arc<dyn Fn() -> Option<Vec<(&'static str, String)>> + Send + Sync>;

/// Whether a request asks for a stream of events.
pub fn asks_for_events(headers: &HeaderMap) -> bool {
    headers.get(header::ACCEPT).is_some_and(|accepted| accepted.as_bytes() == b"text/event-stream")
}

/// The readers of a service's pages.
#[derive(Debug, Clone)]
pub struct Live {
    places: Arc<Semaphore>,
    stop: CancellationToken,
}

impl Live {
    /// None yet. All end with `stop`.
    pub fn new(stop: CancellationToken) -> Self {
        Self { places: Arc::new(Semaphore::new(MAX_READERS)), stop }
    }

    /// A stream of what differs.
    pub fn answer(&self, look: Look) -> Response {
        let Ok(place) = Arc::clone(&self.places).try_acquire_owned() else {
            return StatusCode::SERVICE_UNAVAILABLE.into_response();
        };
        let now = Instant::now();
        let reading = Reading {
            look,
            sent: Sent::default(),
            stop: self.stop.clone(),
            ends: now + LIFE,
            next: now + PERIOD,
            said: now,
            is_new: true,
            _place: place,
        };
        let events = futures_util::stream::unfold(reading, |mut reading| async {
            let event = reading.next().await?;
            Some((Ok::<_, Infallible>(event), reading))
        });
        let headers = [(header::CONTENT_TYPE, "text/event-stream"), (header::CACHE_CONTROL, "no-store")];
        (headers, Body::from_stream(events)).into_response()
    }
}

/// One reader.
struct Reading {
    look: Look,
    sent: Sent,
    stop: CancellationToken,
    ends: Instant,
    next: Instant,
    /// When something was said last.
    said: Instant,
    is_new: bool,
    _place: OwnedSemaphorePermit,
}

impl Reading {
    /// The next event; none at the end.
    async fn next(&mut self) -> Option<String> {
        if std::mem::take(&mut self.is_new) {
            return Some(HELLO.to_owned());
        }
        loop {
            if Instant::now() >= self.ends {
                return None;
            }
            tokio::select! {
                () = tokio::time::sleep_until(self.next) => {}
                () = self.stop.cancelled() => return None,
            }
            let look = Arc::clone(&self.look);
            let parts = tokio::task::spawn_blocking(move || look()).await.ok()??;
            // From its end on, so that a page that takes long leaves room for other work.
            self.next = Instant::now() + PERIOD;
            let event = self.sent.event(&parts);
            if event.is_some() || self.said.elapsed() >= ALIVE_AFTER {
                self.said = Instant::now();
                return Some(event.unwrap_or_else(|| ":\n\n".to_owned()));
            }
        }
    }
}

/// What a reader has.
#[derive(Default)]
struct Sent(HashMap<&'static str, (Vec<String>, HashMap<String, blake3::Hash>)>);

/// What differs of one part.
#[derive(Serialize)]
struct Change<'a> {
    part: &'static str,
    keys: Vec<&'a str>,
    html: BTreeMap<&'a str, &'a str>,
}

impl Sent {
    /// What differs of these parts, which counts as sent from now on.
    fn event(&mut self, parts: &[(&'static str, String)]) -> Option<String> {
        let mut changes = Vec::new();
        for (part, html) in parts {
            let pieces = pieces(html);
            let (keys, hashes) = self.0.entry(part).or_default();
            let is_same_list = keys.iter().map(String::as_str).eq(pieces.iter().map(|(key, _)| *key));
            let now: HashMap<String, blake3::Hash> =
                pieces.iter().map(|(key, html)| ((*key).to_owned(), blake3::hash(html.as_bytes()))).collect();
            let differ = pieces.iter().filter(|(key, _)| hashes.get(*key) != now.get(*key));
            let change =
                Change { part, keys: pieces.iter().map(|(key, _)| *key).collect(), html: differ.copied().collect() };
            if !is_same_list || !change.html.is_empty() {
                *keys = change.keys.iter().map(|key| (*key).to_owned()).collect();
                *hashes = now;
                changes.push(change);
            }
        }
        if changes.is_empty() {
            return None;
        }
        // JSON has no line breaks of its own, which would end the event.
        serde_json::to_string(&changes).ok().map(|json| format!("data: {json}\n\n"))
    }
}

/// The pieces of a part, each with its key.
fn pieces(html: &str) -> Vec<(&str, &str)> {
    if !html.contains(CUT) {
        return vec![("", html)];
    }
    let key = |piece: &str| -> Option<usize> { piece.find("data-key=\"").map(|at| at + "data-key=\"".len()) };
    let pieces = html.split(CUT).skip(1).map(str::trim);
    pieces
        .map(|piece| {
            let named = key(piece).and_then(|at| piece[at..].split('"').next());
            (named.unwrap_or_default(), piece)
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows(rows: &[(&str, &str)]) -> Vec<(&'static str, String)> {
        let row = |(key, text): &(&str, &str)| format!("{CUT}<tr data-key=\"{key}\"><td>{text}</td></tr>\n");
        vec![("rows", rows.iter().map(row).collect()), ("sum", format!("<b>{}</b>", rows.len()))]
    }

    fn told(sent: &mut Sent, parts: &[(&'static str, String)]) -> serde_json::Value {
        let Some(event) = sent.event(parts) else { return serde_json::Value::Null };
        let json = event.strip_prefix("data: ").and_then(|event| event.strip_suffix("\n\n")).unwrap();
        assert!(!json.contains('\n'), "{json}");
        serde_json::from_str(json).unwrap()
    }

    #[test]
    fn only_pieces_that_differ_are_sent_with_the_order_of_all() {
        let mut sent = Sent::default();
        let first = told(&mut sent, &rows(&[("a", "1"), ("b", "2")]));
        assert_eq!(first[0]["keys"], serde_json::json!(["a", "b"]));
        assert_eq!(first[0]["html"]["b"], "<tr data-key=\"b\"><td>2</td></tr>");
        assert_eq!((&first[1]["keys"], &first[1]["html"][""]), (&serde_json::json!([""]), &"<b>2</b>".into()));
        assert!(told(&mut sent, &rows(&[("a", "1"), ("b", "2")])).is_null(), "nothing differs");
        let one = told(&mut sent, &rows(&[("a", "1"), ("b", "3")]));
        assert_eq!(one.as_array().unwrap().len(), 1);
        assert_eq!(one[0]["html"].as_object().unwrap().keys().collect::<Vec<_>>(), ["b"]);
        let turned = told(&mut sent, &rows(&[("b", "3"), ("a", "1")]));
        assert_eq!((&turned[0]["keys"], &turned[0]["html"]), (&serde_json::json!(["b", "a"]), &serde_json::json!({})));
        let gone = told(&mut sent, &rows(&[("a", "1")]));
        assert_eq!((&gone[0]["keys"], &gone[1]["html"][""]), (&serde_json::json!(["a"]), &"<b>1</b>".into()));
        let back = told(&mut sent, &rows(&[("a", "1"), ("b", "3")]));
        assert_eq!(back[0]["html"]["b"], "<tr data-key=\"b\"><td>3</td></tr>", "the reader has it no more");
    }

    #[tokio::test(start_paused = true)]
    async fn a_stream_ends_with_the_service_and_by_itself_and_gives_its_place_back() {
        use futures_util::StreamExt as _;
        let stop = CancellationToken::new();
        let live = Live::new(stop.clone());
        let look: Look = Arc::new(|| Some(vec![("sum", "<b>1</b>".to_owned())]));
        let mut stream = live.answer(Arc::clone(&look)).into_body().into_data_stream();
        assert_eq!(live.places.available_permits(), MAX_READERS - 1);
        assert_eq!(stream.next().await.unwrap().unwrap(), HELLO);
        assert!(stream.next().await.unwrap().unwrap().starts_with(b"data: [{\"part\":\"sum\""));
        assert_eq!(stream.next().await.unwrap().unwrap(), ":\n\n", "it lives");
        while stream.next().await.is_some() {}
        drop(stream);
        assert_eq!(live.places.available_permits(), MAX_READERS);
        let mut stream = live.answer(look).into_body().into_data_stream();
        assert_eq!(stream.next().await.unwrap().unwrap(), HELLO);
        stop.cancel();
        assert!(stream.next().await.is_none());
        let broken = Live::new(CancellationToken::new()).answer(Arc::new(|| None));
        assert_eq!(broken.into_body().into_data_stream().count().await, 1, "what cannot be shown ends it");
    }

    #[test]
    fn who_finds_no_place_is_told_so() {
        let live = Live::new(CancellationToken::new());
        let look: Look = Arc::new(|| None);
        let all: Vec<_> = (0..MAX_READERS).map(|_| live.answer(Arc::clone(&look))).collect();
        assert!(all.iter().all(|answer| answer.status() == StatusCode::OK));
        assert_eq!(live.answer(look).status(), StatusCode::SERVICE_UNAVAILABLE);
    }
}

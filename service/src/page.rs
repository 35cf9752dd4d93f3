//! The frame of a service's page: templates and words turned into HTML, the style and the script,
//! the reader's language, and forms that only the page itself can send.
//!
//! Promises: a page loads nothing from elsewhere, names its language, and escapes what it shows.
//! A service hands over its own templates, words and style; templates here (`layout.html`, and
//! `live.html`, which renews itself) are what its own extend. A template has the function `t` (a
//! message of the words), filters for ages, numbers and times, its data as `o`, and `lang`.

mod background;
mod forms;
mod render;
mod session;

pub use background::TaskView;
pub use forms::{FormRefusal, FormSecret, is_of_this_site};
pub use render::{RenderError, Renderer, TEMPLATES, Template, group_digits};
pub use session::{forget_session, keep_session, session_token};

use crate::words::Language;
use axum::Router;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use serde::Serialize;

const STYLE: &str = include_str!("page/page.css");
const SCRIPT: &str = include_str!("page/page.js");

/// What may be loaded by the page: its own style and script, nothing from elsewhere, nothing
/// inline.
const CONTENT_POLICY: &str = "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; \
                              img-src 'self' data:; base-uri 'none'; form-action 'self'; frame-ancestors 'none'";

/// What a person is told about what was asked for.
#[derive(Debug, Serialize)]
pub struct Outcome<'a> {
    /// The heading is the message `told-<answer>`.
    pub answer: &'static str,
    /// Why, in the reader's language; empty where the heading says all.
    pub detail: &'a str,
}

/// The style, followed by the service's `own`, and the script.
pub fn assets<S: Clone + Send + Sync + 'static>(own: &str) -> Router<S> {
    let style = format!("{STYLE}{own}");
    Router::new()
        .route("/page.css", get(move || async move { asset("text/css; charset=utf-8", style) }))
        .route("/page.js", get(|| async { asset("text/javascript; charset=utf-8", SCRIPT) }))
}

/// What was asked for in the address (`?lang=`), else what the browser prefers, else English.
pub fn language(asked: Option<&str>, headers: &HeaderMap) -> Language {
    asked.and_then(Language::of_tag).unwrap_or_else(|| Language::of_headers(headers))
}

impl Renderer {
    /// A page of these data, with what a browser is told about it. The origin of its forms must be
    /// told to this server, so the referrer is not held back from it.
    pub fn answer(
        &self,
        status: StatusCode,
        template: &'static str,
        language: Language,
        shown: &impl Serialize,
    ) -> Response {
        let headers = [
            (header::CONTENT_TYPE, "text/html; charset=utf-8"),
            (header::CONTENT_SECURITY_POLICY, CONTENT_POLICY),
            (header::CACHE_CONTROL, "no-store"),
            (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
            (header::REFERRER_POLICY, "same-origin"),
        ];
        match self.render(template, language, shown) {
            Ok(html) => (status, headers, html).into_response(),
            Err(error) => {
                let why = crate::error_chain(&error);
                tracing::error!(why, "failed to show the page");
                self.failed(language, &why)
            }
        }
    }

    /// A page that says what came of something.
    pub fn outcome(&self, status: StatusCode, language: Language, outcome: &Outcome<'_>) -> Response {
        self.answer(status, "told.html", language, outcome)
    }

    /// In the place of a page that cannot be shown.
    pub fn failed(&self, language: Language, why: &str) -> Response {
        let text = self.words(language).text("page-failed", [("why", why.into())]) + "\n";
        (StatusCode::INTERNAL_SERVER_ERROR, [(header::CONTENT_TYPE, "text/plain; charset=utf-8")], text).into_response()
    }
}

fn asset(kind: &'static str, body: impl IntoResponse) -> Response {
    let headers = [
        (header::CONTENT_TYPE, HeaderValue::from_static(kind)),
        (header::CACHE_CONTROL, HeaderValue::from_static("no-cache")),
        (header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
    ];
    (headers, body).into_response()
}

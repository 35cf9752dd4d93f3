//! The frame of a service's page: templates and words turned into HTML, the style and the script,
//! the reader's language, and forms that only the page itself can send.
//!
//! Promises: a page loads nothing from elsewhere, names its language, and escapes what it shows.
//! A service hands over its own templates, words and style; templates here are what its own
//! extend: `layout.html`, and `frame.html` with navigation and the way to the page ([`Frame`]). A
//! template has the function `t` (a message of the words), filters for ages, numbers and times,
//! its data as `o`, and `lang`. Parts of a page renew themselves ([`Live`]).

mod background;
mod forms;
mod frame;
mod live;
mod render;
mod session;

pub use background::TaskView;
pub use forms::{FormRefusal, FormSecret, is_of_this_site};
pub use frame::{Crumb, Frame, NavItem, base_of};
pub use live::{CUT, Live, Look, Part, asks_for_events};
pub use render::{RenderError, Renderer, TEMPLATES, Template, group_digits};
pub use session::{forget_session, keep_session, session_token};

use crate::words::Language;
use axum::Router;
use axum::extract::Request;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::middleware::Next;
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

/// The cookie that remembers which language a person chose.
const LANGUAGE_COOKIE: &str = "tillway-language";

/// How long it does, in seconds: a year.
const LANGUAGE_COOKIE_S: u32 = 365 * 24 * 60 * 60;

/// What was asked for in the address (`?lang=`), else what was chosen before, else what the
/// browser prefers, else English.
pub fn language(asked: Option<&str>, headers: &HeaderMap) -> Language {
    let chosen = || chosen_before(headers).unwrap_or_else(|| Language::of_headers(headers));
    asked.and_then(Language::of_tag).unwrap_or_else(chosen)
}

fn chosen_before(headers: &HeaderMap) -> Option<Language> {
    let cookies = headers.get_all(header::COOKIE).iter().filter_map(|value| value.to_str().ok());
    let mut pairs = cookies.flat_map(|value| value.split(';')).filter_map(|pair| pair.trim().split_once('='));
    pairs.find(|(name, _)| *name == LANGUAGE_COOKIE).and_then(|(_, value)| Language::of_tag(value))
}

/// The language that an address asks for.
pub fn language_in(query: Option<&str>) -> Option<Language> {
    query?.split('&').find_map(|one| one.strip_prefix("lang=")).and_then(Language::of_tag)
}

/// Remembers the language that a page was asked for in; a layer around all pages.
pub async fn remember_language(request: Request, next: Next) -> Response {
    let asked = language_in(request.uri().query());
    let mut response = next.run(request).await;
    if let Some(language) = asked {
        let cookie = format!(
            "{LANGUAGE_COOKIE}={}; Path=/; Max-Age={LANGUAGE_COOKIE_S}; SameSite=Lax; HttpOnly",
            language.code()
        );
        if let Ok(cookie) = HeaderValue::from_str(&cookie) {
            response.headers_mut().append(header::SET_COOKIE, cookie);
        }
    }
    response
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
            // The same address is a stream of events for who asks for that.
            (header::VARY, "accept"),
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_language_is_that_of_the_address_else_the_one_chosen_before_else_the_browser_s() {
        let mut headers = HeaderMap::new();
        headers.insert(header::ACCEPT_LANGUAGE, HeaderValue::from_static("de, en"));
        assert_eq!(language(None, &headers), Language::English);
        headers.insert(header::COOKIE, HeaderValue::from_static("a=b; tillway-language=ru"));
        assert_eq!(language(None, &headers), Language::Russian);
        assert_eq!(language(Some("en"), &headers), Language::English);
        assert_eq!(language(Some("xx"), &headers), Language::Russian);
        assert_eq!(language_in(Some("state=silent&lang=ru")), Some(Language::Russian));
        assert_eq!((language_in(Some("slang=ru")), language_in(None)), (None, None));
    }
}

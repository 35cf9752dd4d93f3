//! Who reads a page or sends its form, and in which language.

use super::WebState;
use crate::app::Acting;
use crate::rest::problem::{Problem, RequestFault};
use crate::words::{self, Language, Words};
use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use axum::http::uri::PathAndQuery;
use axum::http::{HeaderMap, Uri, header};
use tillway_service::actor::Caller;
use tillway_service::page::{language, language_in};

/// Who asks for a page.
#[derive(Debug, Clone)]
pub(super) struct Reader {
    pub(super) caller: Caller,
    pub(super) language: Language,
    pub(super) headers: HeaderMap,
    pub(super) uri: Uri,
}

impl Reader {
    pub(super) fn words(&self) -> &'static Words {
        words::of(self.language)
    }

    pub(super) fn app(&self, state: &WebState) -> Acting {
        state.app.acting_for(self.caller.clone())
    }

    /// Whether the address has this parameter.
    pub(super) fn asks_for(&self, name: &str) -> bool {
        let parameters = self.uri.query().unwrap_or_default().split('&');
        parameters.filter_map(|one| one.split('=').next()).any(|one| one == name)
    }

    /// The page that a form was sent from, to go back to; `otherwise` where that is not known, or
    /// is a page that stands in the middle of something. Only its path is taken: what the browser
    /// says leads nowhere but to this server.
    pub(super) fn back_or(&self, otherwise: &str) -> String {
        let from = self.headers.get(header::REFERER).and_then(|from| from.to_str().ok()?.parse::<Uri>().ok());
        let path = from.as_ref().and_then(Uri::path_and_query).map(PathAndQuery::as_str);
        let is_page = |path: &&str| path.starts_with('/') && !path.starts_with("//") && !is_a_step(path);
        path.filter(is_page).unwrap_or(otherwise).to_owned()
    }
}

/// Pages that answer a form, and cannot be asked for by their address.
fn is_a_step(path: &str) -> bool {
    const STEPS: [&str; 7] =
        ["/aside", "/held", "/stolen", "/tills/bulk", "/acknowledge", "/network/do", "/network/import/"];
    STEPS.iter().any(|step| path.starts_with(step))
}

impl FromRequestParts<WebState> for Reader {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &WebState) -> Result<Self, Problem> {
        let caller = parts.extensions.get::<Caller>().ok_or(RequestFault::NoCredentials)?.clone();
        let asked = language_in(parts.uri.query());
        let language = asked.unwrap_or_else(|| language(None, &parts.headers));
        Ok(Self { caller, language, headers: parts.headers.clone(), uri: parts.uri.clone() })
    }
}

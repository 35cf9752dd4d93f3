//! The cookie by which a browser shows its session.
//!
//! Over TLS its name begins with `__Host-`: browsers then keep it for this very host, over TLS
//! alone, and take it from nobody else. It ends with the browser, and is sent with no request that
//! another site makes.

use axum::http::{HeaderMap, HeaderValue, header};

/// Over TLS.
const SECURE: &str = "__Host-tillway";

/// Without, where a setting allows it or the browser is on this machine.
const PLAIN: &str = "tillway";

/// The token of the session that a request shows. `over_tls`: how the request came.
pub fn session_token(headers: &HeaderMap, over_tls: bool) -> Option<&str> {
    let name = if over_tls { SECURE } else { PLAIN };
    cookie(headers, name)
}

/// Has the browser keep this token for as long as it is open.
pub fn keep_session(token: &str, over_tls: bool) -> Option<HeaderValue> {
    cookie_header(token, "", over_tls)
}

/// Has the browser forget its token.
pub fn forget_session(over_tls: bool) -> Option<HeaderValue> {
    cookie_header("", "; Max-Age=0", over_tls)
}

fn cookie_header(token: &str, more: &str, over_tls: bool) -> Option<HeaderValue> {
    let (name, secure) = if over_tls { (SECURE, "; Secure") } else { (PLAIN, "") };
    // Tokens are letters and digits.
    HeaderValue::from_str(&format!("{name}={token}; Path=/; HttpOnly; SameSite=Strict{secure}{more}")).ok()
}

/// What names who sends a request, for forms.
pub(super) fn shown(headers: &HeaderMap) -> &[u8] {
    let by_cookie = || cookie(headers, SECURE).or_else(|| cookie(headers, PLAIN)).map(str::as_bytes);
    let by_header = headers.get(header::AUTHORIZATION).map(HeaderValue::as_bytes);
    by_header.or_else(by_cookie).unwrap_or_default()
}

fn cookie<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    let all = headers.get_all(header::COOKIE).into_iter().filter_map(|value| value.to_str().ok());
    let pairs = all.flat_map(|value| value.split(';')).filter_map(|pair| pair.trim().split_once('='));
    pairs.into_iter().find(|(found, value)| *found == name && !value.is_empty()).map(|(_, value)| value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn over_tls_only_the_cookie_counts_that_nobody_else_can_set() {
        let mut headers = HeaderMap::new();
        headers.insert(header::COOKIE, HeaderValue::from_static("a=b; tillway=plain; __Host-tillway=safe"));
        assert_eq!(session_token(&headers, true), Some("safe"));
        assert_eq!(session_token(&headers, false), Some("plain"));
        headers.insert(header::COOKIE, HeaderValue::from_static("tillway=plain; __Host-tillway="));
        assert_eq!(session_token(&headers, true), None);
    }

    #[test]
    fn a_browser_keeps_the_token_from_scripts_and_other_sites() {
        let secure = keep_session("abc", true).unwrap();
        assert_eq!(secure, "__Host-tillway=abc; Path=/; HttpOnly; SameSite=Strict; Secure");
        assert_eq!(keep_session("abc", false).unwrap(), "tillway=abc; Path=/; HttpOnly; SameSite=Strict");
        assert!(forget_session(true).unwrap().to_str().unwrap().ends_with("; Secure; Max-Age=0"));
    }
}

//! Forms that only this page can send.
//!
//! A browser sends a person's credentials along with whatever another site has it send, so a
//! request must come from this page: by what the browser says of its origin, and by a token that
//! stands in the page's forms and depends on the session or the credentials, and on a secret of
//! the server. The secret is derived, so a form is good after a restart, and at each of several
//! servers that share their key.

use super::session;
use axum::http::HeaderMap;

/// The secret of the server that tokens of forms are made with.
#[derive(Clone)]
pub struct FormSecret([u8; 32]);

impl FormSecret {
    /// A key that the server has for nothing else.
    pub fn new(key: [u8; 32]) -> Self {
        Self(key)
    }

    /// The token for whoever sent these headers.
    pub fn token(&self, headers: &HeaderMap) -> String {
        self.hash(headers).to_hex().to_string()
    }

    /// Whether a form with this token, sent with these headers, may be acted on.
    pub fn judge(&self, token: &str, headers: &HeaderMap) -> Result<(), FormRefusal> {
        // Who does not say where it comes from is no browser, and has REST.
        if is_of_this_site(headers) != Some(true) {
            return Err(FormRefusal::OtherSite);
        }
        // Compared in constant time.
        let is_ours = blake3::Hash::from_hex(token).is_ok_and(|token| token == self.hash(headers));
        is_ours.then_some(()).ok_or(FormRefusal::Stale)
    }

    fn hash(&self, headers: &HeaderMap) -> blake3::Hash {
        blake3::keyed_hash(&self.0, session::shown(headers))
    }
}

/// Why a form is not acted on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FormRefusal {
    /// Another site sent it, or the browser does not say who.
    OtherSite,
    /// The page is of another session, or of other credentials.
    Stale,
}

/// Whether a browser had this server's own page send a request, as it says itself; none where no
/// browser sent it. By `Sec-Fetch-Site`, which browsers send over HTTPS; else by `Origin`, which
/// they send with every form, and `Host`.
pub fn is_of_this_site(headers: &HeaderMap) -> Option<bool> {
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    if let Some(site) = text("sec-fetch-site") {
        return Some(site == "same-origin");
    }
    let origin = headers.get("origin")?.to_str().ok().and_then(|origin| origin.split_once("://"));
    Some(
        origin
            .map(|(_, authority)| authority)
            .zip(text("host"))
            .is_some_and(|(ours, host)| ours.eq_ignore_ascii_case(host)),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::http::header;

    fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
        pairs.iter().map(|(name, value)| (header::HeaderName::from_static(name), value.parse().unwrap())).collect()
    }

    #[test]
    fn only_a_form_of_this_site_is_acted_on() {
        let secret = FormSecret::new([1; 32]);
        let judged = |pairs: &[(&'static str, &str)]| {
            let headers = headers(pairs);
            secret.judge(&secret.token(&headers), &headers)
        };
        assert_eq!(judged(&[("sec-fetch-site", "same-origin")]), Ok(()));
        assert_eq!(judged(&[("origin", "http://shop7:8081"), ("host", "shop7:8081")]), Ok(()));
        for other in [
            &[("sec-fetch-site", "cross-site"), ("origin", "http://shop7:8081"), ("host", "shop7:8081")][..],
            &[("sec-fetch-site", "same-site")],
            &[("origin", "http://evil:8081"), ("host", "shop7:8081")],
            &[("origin", "null"), ("host", "shop7:8081")],
            &[("host", "shop7:8081")],
        ] {
            assert_eq!(judged(other), Err(FormRefusal::OtherSite), "{other:?}");
        }
    }

    #[test]
    fn a_token_is_good_for_servers_of_one_key_and_one_set_of_credentials() {
        let [one, same, other] = [1, 1, 2].map(|byte| FormSecret::new([byte; 32]));
        let of = |credentials| headers(&[("authorization", credentials), ("sec-fetch-site", "same-origin")]);
        let admin = of("Basic YTpi");
        let token = one.token(&admin);
        assert_eq!((one.judge(&token, &admin), same.judge(&token, &admin)), (Ok(()), Ok(())));
        assert_eq!(other.judge(&token, &admin), Err(FormRefusal::Stale));
        assert_eq!(one.judge(&token, &of("Basic YTpj")), Err(FormRefusal::Stale));
        assert_eq!(one.judge("", &admin), Err(FormRefusal::Stale));
        let [mine, others] = ["a=1; tillway=x", "a=2; tillway=y"]
            .map(|cookie| headers(&[("cookie", cookie), ("sec-fetch-site", "same-origin")]));
        let token = one.token(&mine);
        assert_eq!((one.judge(&token, &mine), one.judge(&token, &others)), (Ok(()), Err(FormRefusal::Stale)));
    }
}

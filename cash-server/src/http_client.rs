//! What every HTTP client of this server begins with.

use reqwest::{Client, ClientBuilder};
use std::sync::LazyLock;

/// A machine without authorities (no package `ca-certificates`) trusts nobody over https, and
/// reqwest makes no client there at all, not even for plain addresses.
static HAS_AUTHORITIES: LazyLock<bool> = LazyLock::new(|| Client::builder().build().is_ok());

/// A client that trusts whom this machine trusts. It uses no proxy.
pub(crate) fn builder() -> ClientBuilder {
    // An error says that the process has chosen one already.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let builder = Client::builder().no_proxy();
    if *HAS_AUTHORITIES { builder } else { builder.tls_certs_only([]) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_client_can_be_made_without_any_authority() {
        builder().build().unwrap();
        builder().tls_certs_only([]).build().unwrap();
    }
}

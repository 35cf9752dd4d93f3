//! The kit's HTTP client.

use reqwest::blocking::Client;
use std::time::Duration;

/// Everything is on loopback; only a large upload takes a while.
const REQUEST_TIMEOUT: Duration = Duration::from_mins(1);

/// A client; no proxy, since everything is on this machine.
pub fn client() -> reqwest::Result<Client> {
    // TLS stands on `ring`; the first caller in a process installs it.
    let _ = rustls::crypto::ring::default_provider().install_default();
    Client::builder().no_proxy().timeout(REQUEST_TIMEOUT).build()
}

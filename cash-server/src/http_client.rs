//! What every HTTP client of this server begins with.

use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use reqwest::redirect::Policy;
use reqwest::{Client, ClientBuilder};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
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

/// A client that calls servers of others. It follows no redirects: an allowed server must not send
/// it elsewhere. It uses no proxy, which would resolve names by itself. Unless `local` ones are
/// meant, it calls no address of this machine or of its link; `advice` says how to mean them.
pub(crate) fn outward(local: bool, advice: &'static str) -> ClientBuilder {
    let builder = if local { builder() } else { builder().dns_resolver(NoLocal { advice }) };
    builder.redirect(Policy::none()).user_agent(concat!("tillway-cash-server/", env!("CARGO_PKG_VERSION")))
}

/// Loopback, link-local and unspecified addresses, also those that stand inside an IPv6 address.
pub(crate) fn is_local(ip: IpAddr) -> bool {
    match ip {
        IpAddr::V4(ip) => ip.is_loopback() || ip.is_link_local() || ip.is_unspecified() || ip.octets()[0] == 0,
        IpAddr::V6(ip) => {
            // Mapped, compatible, and translated (64:ff9b::/96) ones.
            let holds_v4 = matches!(ip.segments()[..6], [0, 0, 0, 0, 0, 0 | 0xffff] | [0x64, 0xff9b, 0, 0, 0, 0]);
            let [.., a, b, c, d] = ip.octets();
            ip.is_loopback()
                || ip.is_unspecified()
                || ip.is_unicast_link_local()
                || (holds_v4 && is_local(Ipv4Addr::new(a, b, c, d).into()))
        }
    }
}

/// Resolves names, and leaves local addresses out: these are the addresses that are connected to.
struct NoLocal {
    advice: &'static str,
}

impl Resolve for NoLocal {
    fn resolve(&self, name: Name) -> Resolving {
        let advice = self.advice;
        Box::pin(async move {
            let found: Vec<SocketAddr> = tokio::net::lookup_host((name.as_str(), 0)).await?.collect();
            let (local, others): (Vec<_>, Vec<_>) = found.into_iter().partition(|address| is_local(address.ip()));
            if others.is_empty() && !local.is_empty() {
                let what = format!("`{}` is a name of this machine or of its link; {advice}", name.as_str());
                return Err(what.into());
            }
            let addresses: Addrs = Box::new(others.into_iter());
            Ok(addresses)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_client_can_be_made_without_any_authority() {
        builder().build().unwrap();
        builder().tls_certs_only([]).build().unwrap();
        outward(false, "").build().unwrap();
    }
}

//! Under which addresses tills reach this server: keys of `cash.ini` that go along with every command, and the first
//! `cash.ini` of a new till.

use crate::network::{Network, TillToken};
use crate::settings::Settings;
use std::collections::BTreeMap;
use std::net::UdpSocket;
use tillway_proto::TillId;

/// The public addresses of a server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PublicAddresses {
    /// Host of REST and gRPC.
    pub host: String,
    /// Port of REST.
    pub rest_port: u16,
    /// Host of packages.
    pub packages_host: String,
    /// Port of packages.
    pub packages_port: u16,
    /// Port of the sales-loader.
    pub sales_port: u16,
    /// Host of the broker as tills see it.
    pub broker_host: String,
    /// Port of the broker.
    pub broker_port: u16,
    /// Virtual host of the broker.
    pub broker_vhost: String,
    /// User of tills at the broker; none: each its own id.
    pub broker_user: Option<String>,
}

impl PublicAddresses {
    /// From the settings and the ports that were really opened (settings may say 0).
    pub fn new(settings: &Settings, rest_port: u16, sales_port: u16) -> Self {
        let host = settings.public_host.clone().unwrap_or_else(|| own_address(&settings.broker.host));
        let rest_port = settings.rest.public_port.unwrap_or(rest_port);
        let broker_is_here = matches!(settings.broker.host.as_str(), "localhost" | "127.0.0.1" | "::1");
        Self {
            packages_host: settings.rest.packages_host.clone().unwrap_or_else(|| host.clone()),
            packages_port: settings.rest.packages_port.unwrap_or(rest_port),
            sales_port: settings.sales.public_port.unwrap_or(sales_port),
            broker_host: if broker_is_here { host.clone() } else { settings.broker.host.clone() },
            broker_port: settings.broker.port,
            broker_vhost: settings.broker.vhost.clone(),
            broker_user: settings.broker.till_user.clone(),
            rest_port,
            host,
        }
    }

    /// The keys that the server owns in every till's `cash.ini`.
    pub fn pushed(&self) -> BTreeMap<String, String> {
        [
            ("dicturlhostcs", self.packages_host.clone()),
            ("dicturlportcs", self.packages_port.to_string()),
            ("grpchostcs", self.host.clone()),
            ("grpcportcs", self.sales_port.to_string()),
            ("httphostcs", self.host.clone()),
            ("cashserverrestport", self.rest_port.to_string()),
        ]
        .into_iter()
        .map(|(key, value)| (key.to_owned(), value))
        .collect()
    }

    /// The `cash.ini` to put on a till. Without a token, which the server knows only in the moment it makes one, a
    /// place is left for it.
    pub fn cash_ini(&self, network: &Network, till: &TillId, token: Option<&TillToken>) -> String {
        let mut text = String::from("[Properties]\n");
        let mut line = |key: &str, value: &str| {
            text.push_str(key);
            text.push_str(" = ");
            text.push_str(value);
            text.push('\n');
        };
        line("cash.code", till.as_str());
        if let Some(shop) = network.shop_of(till) {
            line("storeid", shop.id.as_str());
        }
        line("cash.token", token.map_or("", TillToken::as_str));
        line("dept.broker.ip", &self.broker_host);
        line("dept.broker.port", &self.broker_port.to_string());
        line("dept.broker.vhost", &self.broker_vhost);
        if let Some(user) = &self.broker_user {
            line("dept.broker.user", user);
        }
        line("brokerconnectionheartbeat", "30");
        for (key, value) in self.pushed() {
            line(&key, &value);
        }
        text
    }
}

/// The address that the operating system uses towards `peer`; nothing is sent.
fn own_address(peer: &str) -> String {
    let found =
        UdpSocket::bind(("0.0.0.0", 0)).and_then(|socket| socket.connect((peer, 9)).and_then(|()| socket.local_addr()));
    found.map_or_else(|_| "127.0.0.1".to_owned(), |address| address.ip().to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::Path;

    #[test]
    fn public_ports_win_over_opened_ones() {
        let text = "[server]\npublic_host=\"shop7\"\n[rest]\npackages_host=\"cdn\"\npackages_port=80\n[sales]\npublic_port=443\n";
        let settings = Settings::read(text, Path::new("/"), []).unwrap();
        let addresses = PublicAddresses::new(&settings, 4711, 4712);
        let pushed = addresses.pushed();
        let told: Vec<_> = pushed.iter().map(|(key, value)| format!("{key}={value}")).collect();
        assert_eq!(
            told,
            [
                "cashserverrestport=4711",
                "dicturlhostcs=cdn",
                "dicturlportcs=80",
                "grpchostcs=shop7",
                "grpcportcs=443",
                "httphostcs=shop7"
            ]
        );
        assert_eq!(addresses.broker_host, "shop7");
    }
}

//! Under which addresses tills reach this server: keys of `cash.ini` that go along with every
//! command, and the first `cash.ini` of a new till.
//!
//! A loopback address is given to no till, unless the operator says that all of them run on this
//! machine: a till elsewhere would look for the server on itself, and could not be told better any
//! more. Where no address is known, the keys are left out, and a till keeps those that it has.

use crate::network::Network;
use crate::settings::Settings;
use std::collections::BTreeMap;
use std::net::{IpAddr, UdpSocket};
use tillway_proto::cash_ini::{CashIni, CashIniError, Properties};
use tillway_proto::moving::Coming;
use tillway_proto::{PeerSecret, TillId};

/// An address of a network that is for documents alone (RFC 5737): the way to it is the way to
/// other machines. Nothing is sent.
const ELSEWHERE: &str = "192.0.2.1";

/// How often a new till's link to the broker is looked at, in seconds.
const HEARTBEAT_S: u16 = 30;

/// The public addresses of a server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PublicAddresses {
    /// Host of REST and gRPC; none: no till could be told one that it reaches.
    pub host: Option<String>,
    /// Port of REST.
    pub rest_port: u16,
    /// Host of packages; none as above.
    pub packages_host: Option<String>,
    /// Port of packages.
    pub packages_port: u16,
    /// Port of the sales-loader.
    pub sales_port: u16,
    /// Host of the broker as tills see it; none as above.
    pub broker_host: Option<String>,
    /// Port of the broker.
    pub broker_port: u16,
    /// Whether tills speak TLS with the broker.
    pub broker_tls: bool,
    /// Virtual host of the broker.
    pub broker_vhost: String,
    /// User of tills at the broker; none: each its own id.
    pub broker_user: Option<String>,
    /// Host and port of REST where this server will be.
    pub moves_to: Option<(String, u16)>,
    /// The generation of what is pushed; see [`generation`](super::generation).
    pub generation: u64,
}

impl PublicAddresses {
    /// From the settings and the ports that were really opened (settings may say 0).
    pub fn new(settings: &Settings, rest_port: u16, sales_port: u16) -> Self {
        let may_be_given = |host: &String| settings.tills_on_this_machine || !is_this_machine(host);
        let host = match &settings.public_host {
            Some(host) => Some(host.clone()).filter(may_be_given),
            None => [settings.broker.host.as_str(), ELSEWHERE]
                .into_iter()
                .filter_map(own_address)
                .find(|address| may_be_given(address)),
        };
        let rest_port = settings.rest.public_port.unwrap_or(rest_port);
        let broker_is_here = is_this_machine(&settings.broker.host);
        let packages_host = settings.rest.packages_host.clone();
        Self {
            packages_host: packages_host.map_or_else(|| host.clone(), |host| Some(host).filter(may_be_given)),
            packages_port: settings.rest.packages_port.unwrap_or(rest_port),
            sales_port: settings.sales.public_port.unwrap_or(sales_port),
            broker_host: if broker_is_here { host.clone() } else { Some(settings.broker.host.clone()) },
            broker_port: settings.broker.till_port.unwrap_or(settings.broker.port),
            broker_tls: settings.broker.till_tls,
            broker_vhost: settings.broker.vhost.clone(),
            // With logins of their own tills need no name told.
            broker_user: settings.broker.till_user.clone().filter(|_| settings.broker.management_url.is_none()),
            moves_to: settings
                .moves_to
                .clone()
                .filter(may_be_given)
                .map(|to| (to, settings.moves_to_port.unwrap_or(rest_port))),
            rest_port,
            host,
            generation: 0,
        }
    }

    /// The keys that the server owns in every till's `cash.ini`.
    pub fn pushed(&self) -> BTreeMap<String, String> {
        [
            ("dicturlhostcs", self.packages_host.clone()),
            ("dicturlportcs", Some(self.packages_port.to_string())),
            ("grpchostcs", self.host.clone()),
            ("grpcportcs", Some(self.sales_port.to_string())),
            ("httphostcs", self.host.clone()),
            ("cashserverrestport", Some(self.rest_port.to_string())),
        ]
        .into_iter()
        .filter_map(|(key, value)| Some((key.to_owned(), value?)))
        .collect()
    }

    /// Where this server will be, as commands tell it.
    pub fn coming(&self) -> Option<Coming> {
        let (host, port) = self.moves_to.clone()?;
        Some(Coming { host, port, broker_host: self.broker_host.clone(), broker_port: self.broker_port })
    }

    /// All keys that say where server and broker are, as a till of this server has them: what is
    /// told to one that asks where this server is now.
    pub fn all(&self) -> BTreeMap<String, String> {
        let flag = if self.broker_tls { "True" } else { "False" };
        let broker = [
            ("dept.broker.ip", self.broker_host.clone()),
            ("dept.broker.port", Some(self.broker_port.to_string())),
            ("dept.broker.tls", Some(flag.to_owned())),
            ("dept.broker.vhost", Some(self.broker_vhost.clone())),
        ];
        let broker = broker.into_iter().filter_map(|(key, value)| Some((key.to_owned(), value?)));
        self.pushed().into_iter().chain(broker.filter(|_| self.broker_host.is_some())).collect()
    }

    /// Where REST is, `<host>:<port>`; none where no till could be told a host.
    pub fn rest_address(&self) -> Option<String> {
        let host = self.host.as_ref()?;
        let host = if host.contains(':') { format!("[{host}]") } else { host.clone() };
        Some(format!("{host}:{}", self.rest_port))
    }

    /// The `cash.ini` to put on a till. Without a secret, which the server knows only in the
    /// moment it makes one, a place is left for it; so it is for hosts where no till could be told
    /// one that it reaches.
    pub fn cash_ini(
        &self,
        network: &Network,
        till: &TillId,
        secret: Option<&PeerSecret>,
    ) -> Result<String, CashIniError> {
        CashIni { properties: self.properties(network, till, secret) }.to_text()
    }

    /// The same as a type: what a till is told when it is attached.
    pub fn properties(&self, network: &Network, till: &TillId, secret: Option<&PeerSecret>) -> Properties {
        Properties {
            till: till.to_string(),
            shop: network.shop_of(till).map(|shop| shop.id.as_str().to_owned()),
            secret: secret.map(PeerSecret::to_text).unwrap_or_default(),
            broker_host: self.broker_host.clone().unwrap_or_default(),
            broker_port: self.broker_port,
            broker_tls: self.broker_tls.then(|| "True".to_owned()),
            broker_vhost: self.broker_vhost.clone(),
            broker_user: self.broker_user.clone(),
            heartbeat_s: HEARTBEAT_S,
            rest_port: self.rest_port,
            packages_host: self.packages_host.clone().unwrap_or_default(),
            packages_port: self.packages_port,
            sales_host: self.host.clone().unwrap_or_default(),
            sales_port: self.sales_port,
            rest_host: self.host.clone().unwrap_or_default(),
        }
    }
}

/// What an operator does whose tills are all here.
const HINT: &str = "where all tills run on this machine, set server.tills_on_this_machine = true";

/// What keeps tills on other machines from reaching this server, setting by setting.
pub fn problems(settings: &Settings) -> Vec<(&'static str, String)> {
    if settings.tills_on_this_machine {
        return Vec::new();
    }
    let mut problems = Vec::new();
    let named = [
        ("server.public_host", &settings.public_host),
        ("server.moves_to", &settings.moves_to),
        ("rest.packages_host", &settings.rest.packages_host),
    ];
    for (key, host) in named {
        if let Some(host) = host.as_ref().filter(|host| is_this_machine(host)) {
            let what = format!("`{host}` is not given to tills: on another machine it is the till itself; {HINT}");
            problems.push((key, what));
        }
    }
    if settings.public_host.is_some() {
        return problems;
    }
    if PublicAddresses::new(settings, 0, 0).host.is_none() {
        let what = "this machine has no address towards others that tills could be told; name one";
        problems.push(("server.public_host", format!("{what}, or {HINT}")));
    }
    for (key, address) in [("rest.listen", settings.rest.listen), ("sales.listen", settings.sales.listen)] {
        if address.ip().is_loopback() {
            let what = format!("{address} is reached from this machine alone, and tills are told another address");
            problems.push((key, format!("{what}: listen on 0.0.0.0, name a proxy in server.public_host, or {HINT}")));
        }
    }
    problems
}

/// The address that the operating system uses towards `peer`; nothing is sent.
fn own_address(peer: &str) -> Option<String> {
    let found =
        UdpSocket::bind(("0.0.0.0", 0)).and_then(|socket| socket.connect((peer, 9)).and_then(|()| socket.local_addr()));
    found.ok().map(|address| address.ip().to_string())
}

/// Whether a host is this machine itself, whoever asks.
fn is_this_machine(host: &str) -> bool {
    let name = host.trim_end_matches('.').to_ascii_lowercase();
    let address =
        name.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>().map(|address| address.to_canonical());
    match address {
        Ok(address) => address.is_loopback() || address.is_unspecified(),
        Err(_) => name == "localhost" || name.ends_with(".localhost") || name.starts_with("localhost."),
    }
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
        assert_eq!(addresses.broker_host.as_deref(), Some("shop7"));
        assert_eq!(problems(&settings), []);
    }

    fn with(text: &str) -> Settings {
        Settings::read(text, Path::new("/"), []).unwrap()
    }

    #[test]
    fn a_loopback_address_is_given_to_no_till() {
        let loopback = ["127.0.0.1", "127.8.0.1", "localhost", "LOCALHOST.", "::1", "::ffff:127.0.0.1", "0.0.0.0"];
        for host in loopback {
            let settings = with(&format!("[server]\npublic_host=\"{host}\"\n[rest]\npackages_host=\"{host}\"\n"));
            let addresses = PublicAddresses::new(&settings, 1, 2);
            let keys: Vec<_> = addresses.pushed().into_keys().collect();
            assert_eq!(keys, ["cashserverrestport", "dicturlportcs", "grpcportcs"], "{host}");
            assert_eq!(addresses.broker_host, None, "{host}");
            let told: Vec<_> = problems(&settings).into_iter().map(|(key, _)| key).collect();
            assert_eq!(told, ["server.public_host", "rest.packages_host"], "{host}");
        }
        // Found out: whatever it is, it is an address that others reach, or none.
        let found = PublicAddresses::new(&with(""), 1, 2).host;
        assert!(found.as_deref().is_none_or(|host| !is_this_machine(host)), "{found:?}");
    }

    #[test]
    fn a_loopback_address_is_given_where_all_tills_run_on_this_machine() {
        let settings = with("[server]\ntills_on_this_machine=true\n[rest]\nlisten=\"127.0.0.1:1\"\n");
        let addresses = PublicAddresses::new(&settings, 1, 2);
        assert_eq!(addresses.pushed()["grpchostcs"], "127.0.0.1");
        assert_eq!(addresses.broker_host.as_deref(), Some("127.0.0.1"));
        assert_eq!(problems(&settings), []);
    }

    #[test]
    fn what_is_announced_names_the_broker_that_tills_have_and_what_is_answered_names_everything() {
        let text = "[server]\npublic_host=\"shop7\"\nmoves_to=\"shop8\"\n[rest]\npublic_port=443\n[broker]\ntill_port=5671\ntill_tls=true\n";
        let addresses = PublicAddresses::new(&with(text), 1, 2);
        let expected =
            Coming { host: "shop8".to_owned(), port: 443, broker_host: Some("shop7".to_owned()), broker_port: 5671 };
        assert_eq!(addresses.coming(), Some(expected));
        let all = addresses.all();
        let broker = ["ip", "port", "tls", "vhost"].map(|key| all[&format!("dept.broker.{key}")].as_str());
        assert_eq!(broker, ["shop7", "5671", "True", "/"]);
        assert!(addresses.pushed().iter().all(|(key, value)| all[key] == *value));
        assert_eq!(PublicAddresses::new(&with("[server]\nmoves_to=\"localhost\"\n"), 1, 2).coming(), None);
    }

    #[test]
    fn a_port_that_only_this_machine_reaches_is_told_unless_a_proxy_is_named() {
        let keys = |text: &str| problems(&with(text)).into_iter().map(|(key, _)| key).collect::<Vec<_>>();
        let listens = "[rest]\nlisten=\"127.0.0.1:1\"\n[sales]\nlisten=\"[::1]:2\"\n";
        assert!(keys(listens).ends_with(&["rest.listen", "sales.listen"]), "{:?}", keys(listens));
        assert_eq!(keys(&format!("[server]\npublic_host=\"proxy\"\n{listens}")), [""; 0]);
    }
}

//! TLS of this server: under which names it is reached, which ports speak it, and when it is
//! renewed.
//!
//! All lies in `<data_dir>/tls`, as [`tillway_service::tls`] has it: the authority, the pair of
//! this server, and one for the broker, which `broker.pair_dir` gets a copy of: the broker runs as
//! another user, who must not see what else lies in the data folder. A sales-loader that runs as a
//! process of its own works on the same folder; the two take turns.

use crate::exchange::PublicAddresses;
use crate::settings::{Settings, TLS_DIR};
use jiff::Timestamp;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use tillway_service::background::{Next, Task};
use tillway_service::serving::{Plain, Tongues};
use tillway_service::tls::{Clock, Lives, Names, Tls, TlsError, TlsSettings, TlsState};

/// The pair for the broker.
const BROKER: &str = "broker";

/// How often it is looked whether something has to be renewed, or own certificates changed.
const PERIOD: Duration = Duration::from_mins(1);

/// A certificate that ends within so many days needs a look: ours would have been renewed a week
/// before.
pub const LOOK_BELOW_DAYS: i64 = 21;

/// HTTP/1.1 within TLS.
const HTTP: &[&str] = &["http/1.1"];

/// HTTP/2 within TLS.
const GRPC: &[&str] = &["h2"];

/// The folder of authority and certificates.
pub fn folder(data_dir: &Path) -> PathBuf {
    data_dir.join(TLS_DIR)
}

/// A port that other machines may use without TLS.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OpenPort {
    /// The setting that opens it.
    pub setting: &'static str,
    /// Where it listens.
    pub address: SocketAddr,
}

impl OpenPort {
    /// Whether other machines reach it.
    pub fn is_reached(&self) -> bool {
        !self.address.ip().is_loopback()
    }
}

/// TLS of this server. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Certificates {
    tls: Tls,
    open: Arc<[OpenPort]>,
    /// Where the broker has its pair from, if not from [`folder`].
    pair_dir: Option<Arc<Path>>,
}

impl Certificates {
    /// Reads what is there and makes what is missing. Blocks.
    pub fn open(settings: &Settings, clock: Clock) -> Result<Self, TlsError> {
        let names = names(settings);
        let broker = Names::of([settings.broker.host.as_str()]);
        let tls = TlsSettings {
            folder: folder(&settings.data_dir),
            issuer: settings.name.clone(),
            others: vec![(BROKER, broker.and(&names))],
            names,
            own: settings.tls.own.clone(),
            lives: Lives::default(),
        };
        let tls = Tls::open(tls, clock)?;
        let pair_dir = settings.broker.pair_dir.as_deref().map(Arc::from);
        let this = Self { tls, open: open_ports(settings).into(), pair_dir };
        if let Err(error) = this.hand_to_broker() {
            // The task tries again, and is shown where it fails; tills come in meanwhile.
            tracing::error!(error = crate::error_chain(&error), "the broker does not get its certificate");
        }
        Ok(this)
    }

    /// Copies the broker's pair to where the broker reads it.
    fn hand_to_broker(&self) -> Result<(), TlsError> {
        self.pair_dir.as_deref().map_or(Ok(()), |folder| self.tls.copy_pair(BROKER, folder))
    }

    /// How certificates and authorities stand.
    pub fn state(&self) -> TlsState {
        self.tls.state()
    }

    /// All authorities that peers should trust, as one text of PEM, the one that signs now first.
    pub fn authorities_pem(&self) -> String {
        self.tls.authorities_pem()
    }

    /// What hands out the authorities.
    pub fn tls(&self) -> Tls {
        self.tls.clone()
    }

    /// What time it is for certificates.
    pub fn now(&self) -> Timestamp {
        self.tls.now()
    }

    /// Ports that other machines may use without TLS.
    pub fn open_ports(&self) -> &[OpenPort] {
        &self.open
    }

    /// What a port of HTTP speaks.
    pub fn http(&self, is_open: bool) -> Result<Tongues, TlsError> {
        Ok(Tongues::tls(self.tls.acceptor(HTTP)?, Plain::opened(is_open)))
    }

    /// What the port of sales speaks.
    pub fn grpc(&self, is_open: bool) -> Result<Tongues, TlsError> {
        Ok(Tongues::tls(self.tls.acceptor(GRPC)?, Plain::opened(is_open)))
    }

    /// Renews what has to be renewed.
    pub fn task(&self) -> Task {
        let this = self.clone();
        Task::blocking("certificates", PERIOD, move |_| {
            this.tls.renew()?;
            this.hand_to_broker()?;
            Ok::<_, TlsError>(Next::AtPeriod)
        })
    }
}

/// Under which names this server is reached.
fn names(settings: &Settings) -> Names {
    let told = PublicAddresses::new(settings, 0, 0);
    let own = fs_err::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    let listens = settings.listeners().map(|(_, address)| address.ip().to_string());
    let fixed = ["localhost", "127.0.0.1", "::1", own.trim()];
    let known = fixed.into_iter().chain(settings.public_host.as_deref()).chain(told.host.as_deref());
    Names::of(known).and(&Names::of(&settings.tls.names)).and(&Names::of(listens))
}

/// Ports that are opened by name.
pub fn open_ports(settings: &Settings) -> Vec<OpenPort> {
    let plain = &settings.tls.plain;
    let ports = [
        ("rest.plain", plain.rest, settings.rest.listen),
        ("aif.plain", plain.aif, settings.aif.listen),
        ("web.plain", plain.web, settings.web_listen),
        ("sales.plain", plain.sales && settings.sales.tls.is_none(), settings.sales.listen),
    ];
    let open = ports.into_iter().filter(|(_, is_open, _)| *is_open);
    open.map(|(setting, _, address)| OpenPort { setting, address }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_certificate_is_for_all_names_that_clients_are_told() {
        let text = "[server]\npublic_host = \"shop7.example\"\n[rest]\nlisten = \"10.0.0.7:8080\"\n[tls]\nnames = [\"cash\"]\n";
        let settings = Settings::read(text, Path::new("/"), []).unwrap();
        let names: Vec<_> = names(&settings).iter().map(str::to_owned).collect();
        for name in ["shop7.example", "10.0.0.7", "cash", "localhost", "127.0.0.1", "::1"] {
            assert!(names.iter().any(|there| there == name), "{name}: {names:?}");
        }
        assert!(!names.contains(&"0.0.0.0".to_owned()));
    }

    #[test]
    fn a_port_is_open_only_where_its_setting_says_so() {
        let open = |text: &str| {
            let settings = Settings::read(text, Path::new("/"), []).unwrap();
            open_ports(&settings).into_iter().map(|port| port.setting).collect::<Vec<_>>()
        };
        let closed = "[rest]\nplain = false\n[sales]\nplain = false\n";
        assert_eq!(open(closed), [""; 0]);
        assert_eq!(open(&format!("{closed}[aif]\nplain = true\n")), ["aif.plain"]);
    }
}

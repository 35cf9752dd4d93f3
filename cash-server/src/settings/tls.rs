//! Settings of TLS: names, own certificates, and ports that are open without it.

use super::source::Source;
use std::path::{Path, PathBuf};
use tillway_service::tls::{Names, OwnFiles};

/// Folder of authority and certificates in the data folder.
pub const TLS_DIR: &str = "tls";

/// TLS of all ports.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TlsSettings {
    /// `[tls] names`: names and addresses of this server beside those that it knows.
    pub names: Vec<String>,
    /// `[tls] cert`, `key`, `authority`
    pub own: Option<OwnFiles>,
    /// `[rest] plain` and so on.
    pub plain: PlainPorts,
}

/// Ports that other machines may use without TLS.
#[allow(clippy::struct_excessive_bools)] // each port is open or not, by itself
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct PlainPorts {
    /// `[rest] plain`
    pub rest: bool,
    /// `[aif] plain`
    pub aif: bool,
    /// `[web] plain`
    pub web: bool,
    /// `[sales] plain`
    pub sales: bool,
}

impl TlsSettings {
    pub(super) fn read(source: &Source) -> Self {
        let names = source.list("tls.names");
        if let Some(wrong) = names.iter().find(|name| !Names::takes(name)) {
            source.refuse("tls.names", &format!("host names and addresses, and `{wrong}` is none"));
        }
        let authority = source.path("tls.authority");
        let own = both(source, "tls.cert", "tls.key").map(|(cert, key)| OwnFiles { cert, key, authority });
        let plain = |section| source.flag(section);
        let plain = PlainPorts {
            rest: plain("rest.plain"),
            aif: plain("aif.plain"),
            web: plain("web.plain"),
            sales: plain("sales.plain"),
        };
        Self { names, own, plain }
    }
}

/// Whom the broker's certificate may be signed by: who is named, else our own authority, whichever
/// of them signs at the moment.
pub(super) fn broker_authorities(source: &Source, data_dir: &Path) -> Vec<PathBuf> {
    let own = || {
        ["authority", "next-authority", "old-authority"]
            .map(|name| data_dir.join(TLS_DIR).join(name).with_extension("pem"))
    };
    source.path("broker.authority").map_or_else(|| own().to_vec(), |named| vec![named])
}

/// Two files that go together, or none.
pub(super) fn both(source: &Source, cert: &str, key: &str) -> Option<(PathBuf, PathBuf)> {
    match (source.path(cert), source.path(key)) {
        (Some(cert), Some(key)) => Some((cert, key)),
        (None, None) => None,
        (Some(_), None) => {
            source.refuse(key, &format!("the key's file, since {cert} is set"));
            None
        }
        (None, Some(_)) => {
            source.refuse(cert, &format!("the certificate's file, since {key} is set"));
            None
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::Settings;
    use super::*;

    #[test]
    fn names_that_no_certificate_can_have_and_a_certificate_without_its_key_are_told() {
        let read = |text: &str| Settings::read(text, Path::new("/"), []);
        let faults = read("[tls]\nnames = [\"a b\"]\ncert = \"x.pem\"\n").unwrap_err();
        let keys: Vec<_> = faults.iter().map(|fault| fault.key.as_str()).collect();
        assert_eq!(keys, ["tls.names", "tls.key"], "{faults:?}");
        let settings =
            read("[tls]\nnames = [\"shop7\"]\ncert = \"x.pem\"\nkey = \"x.key\"\n[aif]\nplain = true\n").unwrap();
        assert_eq!(settings.tls.own.unwrap().cert, Path::new("/x.pem"));
        assert!(settings.tls.plain.aif && !settings.tls.plain.web);
    }
}

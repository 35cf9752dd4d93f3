//! Takes keys out of `cash.ini` as types, and collects what is wrong.

use super::fault::Fault;
use super::ini::Ini;
use super::{Mode, SECTION};
use std::collections::BTreeMap;
use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::time::Duration;
use tillway_proto::till_setting;
use tillway_proto::version::PROTOCOL;
use tillway_proto::{PeerSecret, TillId, TillSetting};

/// Longest name of a host (DNS).
const MAX_HOST_LEN: usize = 253;

/// The file and the faults found in it so far.
#[derive(Debug)]
pub(super) struct Reader<'a> {
    ini: &'a Ini,
    faults: Vec<Fault>,
    not_default: BTreeMap<&'static str, String>,
}

impl<'a> Reader<'a> {
    pub(super) fn new(ini: &'a Ini) -> Self {
        let stray = |(line, text)| Fault {
            line: Some(line),
            key: "a line".to_owned(),
            value: text,
            allowed: "`key = value`, `[section]`, or a comment that begins with `;` or `#`".to_owned(),
        };
        Self { ini, faults: ini.stray().map(stray).collect(), not_default: BTreeMap::new() }
    }

    /// In the order of lines; what is missing last.
    pub(super) fn faults(mut self) -> Vec<Fault> {
        self.faults.sort_by_key(|fault| fault.line.unwrap_or(usize::MAX));
        self.faults
    }

    /// The value of a key; an empty one counts as none.
    pub(super) fn optional<T>(&mut self, key: &str, allowed: &str, parse: impl FnOnce(&str) -> Option<T>) -> Option<T> {
        let entry = self.ini.find(SECTION, key)?;
        if entry.value == Some("") {
            return None;
        }
        let parsed = entry.value.and_then(parse);
        if parsed.is_none() {
            self.faults.push(Fault {
                line: Some(entry.line),
                key: entry.key.to_owned(),
                value: entry.value.unwrap_or("(not UTF-8)").to_owned(),
                allowed: allowed.to_owned(),
            });
        }
        parsed
    }

    fn required<T>(&mut self, key: &str, allowed: &str, parse: impl FnOnce(&str) -> Option<T>) -> Option<T> {
        let faults = self.faults.len();
        let value = self.optional(key, allowed, parse);
        if value.is_none() && self.faults.len() == faults {
            let (key, value) = (key.to_owned(), String::new());
            self.faults.push(Fault { line: None, key, value, allowed: format!("needed is {allowed}") });
        }
        value
    }

    pub(super) fn mode(&mut self) -> Mode {
        let parse = |text: &str| match text.to_ascii_lowercase().as_str() {
            "cash" => Some(Mode::Cash),
            "server" => Some(Mode::Server),
            _ => None,
        };
        self.optional("mode", "cash or server", parse).unwrap_or(Mode::Cash)
    }

    pub(super) fn till(&mut self) -> Option<TillId> {
        let allowed = "the till's id `_cash_<code>_<8 hex>`, which the cash server gives out when the till is attached";
        self.required("cash.code", allowed, |text| text.parse().ok())
    }

    /// Only our own protocol is spoken: 3 and 4 are those of another product, whose tills are
    /// attached anew.
    pub(super) fn protocol(&mut self) {
        let allowed = format!(
            "{PROTOCOL} alone, the protocol of this agent and its server; 3 and 4 are those of another product: attach \
             this till anew with `sync-agent attach <server> <code>`, which keeps its other settings"
        );
        self.optional("protocolversion", &allowed, |text| (text == PROTOCOL.to_string()).then_some(()));
    }

    pub(super) fn flag(&mut self, key: &str, default: bool) -> bool {
        self.optional(key, "True or False", till_setting::flag).unwrap_or(default)
    }

    pub(super) fn number(&mut self, key: &str, range: RangeInclusive<u64>, default: u64) -> u64 {
        let allowed = format!("a whole number from {} to {}", range.start(), range.end());
        self.optional(key, &allowed, |text| text.parse().ok().filter(|number| range.contains(number)))
            .unwrap_or(default)
    }

    /// What the server may set, as it stands here.
    fn text_of(&mut self, setting: TillSetting) -> String {
        let default = setting.default_text();
        let text =
            self.optional(setting.key, &setting.allowed(), |text| setting.parse(text)).unwrap_or(default.clone());
        if text != default {
            self.not_default.insert(setting.key, text.clone());
        }
        text
    }

    pub(super) fn flag_of(&mut self, setting: TillSetting) -> bool {
        till_setting::flag(&self.text_of(setting)).unwrap_or_default()
    }

    pub(super) fn number_of(&mut self, setting: TillSetting) -> u64 {
        self.text_of(setting).parse().unwrap_or_default()
    }

    pub(super) fn seconds_of(&mut self, setting: TillSetting) -> Duration {
        Duration::from_secs(self.number_of(setting))
    }

    /// Those of the settings read so far that the server may set and that are not the default.
    pub(super) fn not_default(&mut self) -> BTreeMap<&'static str, String> {
        std::mem::take(&mut self.not_default)
    }

    pub(super) fn port(&mut self, key: &str, default: u16) -> u16 {
        u16::try_from(self.number(key, 1..=u16::MAX.into(), default.into())).unwrap_or(default)
    }

    pub(super) fn host(&mut self, key: &str) -> Option<String> {
        self.optional(key, HOST, host)
    }

    pub(super) fn required_host(&mut self, key: &str) -> Option<String> {
        self.required(key, HOST, host)
    }

    pub(super) fn text(&mut self, key: &str) -> Option<String> {
        let visible = |text: &str| !text.chars().any(|c| c.is_control() || c.is_whitespace());
        self.optional(key, "text without blanks", |text| visible(text).then(|| text.to_owned()))
    }

    /// One that does not read is not told: most of it may be right.
    pub(super) fn secret(&mut self, key: &str) -> Option<PeerSecret> {
        let faults = self.faults.len();
        let secret =
            self.optional(key, "`tws1_` and 64 hex digits, as the cash server gave it out", |text| text.parse().ok());
        for fault in self.faults.iter_mut().skip(faults) {
            "…".clone_into(&mut fault.value);
        }
        secret
    }

    pub(super) fn path(&mut self, key: &str) -> Option<PathBuf> {
        let absolute = |text: &str| Some(PathBuf::from(text)).filter(|path| path.is_absolute());
        self.optional(key, "a path that begins with /", absolute)
    }
}

const HOST: &str = "a host name or an address";

/// A name, an IPv4 address, or an IPv6 address, which comes back without brackets.
fn host(text: &str) -> Option<String> {
    let bare = text.strip_prefix('[').and_then(|text| text.strip_suffix(']')).unwrap_or(text);
    let name = |text: &str| {
        text.len() <= MAX_HOST_LEN
            && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_'))
    };
    (name(text) || bare.parse::<std::net::Ipv6Addr>().is_ok()).then(|| bare.to_owned())
}

/// A host as it stands in a URL.
pub(crate) fn in_url(host: &str) -> String {
    if host.contains(':') { format!("[{host}]") } else { host.to_owned() }
}

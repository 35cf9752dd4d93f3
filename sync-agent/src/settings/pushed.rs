//! Settings while the agent runs: what the server pushes is checked, written to the file, and
//! followed by every task.

use super::fault::SettingsError;
use super::ini::Ini;
use super::{Layout, SECTION, Settings, Trust};
use fs_err as fs;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use tillway_file_queue::durable;
use tillway_proto::TillSetting;
use tokio::sync::watch;

/// Keys that the server owns, beside those that it may set ([`TillSetting`]). Everything else in a
/// command is left alone: a server must not be able to choose, say, a program that the till runs.
pub const SERVER_OWNED: [&str; 8] = [
    "dicturlhostcs",
    "dicturlportcs",
    "grpchostcs",
    "grpcportcs",
    "cashserverrestport",
    "httphostcs",
    "protocolversion",
    "storeid",
];

/// Keys that say where server and broker are. Of a till with a secret they change on proof alone
/// ([`crate::moves`]).
const ADDRESSES: [&str; 10] = [
    "cashserverrestport",
    "dept.broker.ip",
    "dept.broker.port",
    "dept.broker.tls",
    "dept.broker.vhost",
    "dicturlhostcs",
    "dicturlportcs",
    "grpchostcs",
    "grpcportcs",
    "httphostcs",
];

fn is_of_server(key: &str) -> bool {
    is_setting(key) || SERVER_OWNED.iter().any(|own| own.eq_ignore_ascii_case(key))
}

/// Whether a key is one that the server may set.
pub(crate) fn is_setting(key: &str) -> bool {
    TillSetting::of_key(key).is_some()
}

/// Whether a key says where server or broker are.
pub(crate) fn is_address(key: &str) -> bool {
    ADDRESSES.iter().any(|address| address.eq_ignore_ascii_case(key))
}

/// The settings in force. Cheap to clone; all clones see a change.
#[derive(Debug, Clone)]
pub struct LiveSettings {
    path: PathBuf,
    layout: Layout,
    now: watch::Sender<Arc<Settings>>,
    /// One rewrite at a time.
    writing: Arc<Mutex<()>>,
}

impl LiveSettings {
    /// Reads the file.
    pub fn read(path: &Path, layout: Layout) -> Result<Self, SettingsError> {
        let settings = Settings::read(path, &layout)?;
        let now = watch::Sender::new(Arc::new(settings));
        Ok(Self { path: path.to_owned(), layout, now, writing: Arc::default() })
    }

    /// As they are at this moment.
    pub fn current(&self) -> Arc<Settings> {
        Arc::clone(&self.now.borrow())
    }

    /// As they stand in the file, for the lines of their keys; empty where it cannot be read.
    pub(crate) fn as_written(&self) -> Ini {
        Ini::parse(&fs::read(&self.path).unwrap_or_default())
    }

    /// For a task that follows changes.
    pub fn subscribe(&self) -> watch::Receiver<Arc<Settings>> {
        self.now.subscribe()
    }

    /// Takes what the server pushed with a command and tells which keys changed. Of `set_before`,
    /// keys that it had set, those that it sets no more are as if nobody had. Blocks on the disk.
    ///
    /// Keys that are not the server's are ignored, and so is `grpchostcs` where
    /// `grpccacertpath` is set. All or nothing: one wrong value leaves file and settings as they
    /// were. The file is rewritten only where a value is another one, starting from what stands in
    /// it now, so what a person edited meanwhile stays.
    pub fn take(
        &self,
        pushed: &BTreeMap<String, String>,
        set_before: &BTreeSet<String>,
    ) -> Result<Vec<String>, SettingsError> {
        let nothing = String::new();
        let no_more = set_before.iter().filter(|key| is_setting(key) && !pushed.contains_key(*key));
        let owned: Vec<_> = pushed
            .iter()
            .filter(|(key, value)| !value.is_empty() && is_of_server(key))
            .chain(no_more.map(|key| (key, &nothing)))
            .collect();
        if owned.is_empty() {
            return Ok(Vec::new());
        }
        let _writing = self.writing.lock().unwrap_or_else(PoisonError::into_inner);
        let edited = self.edited(owned)?;
        self.write(edited)
    }

    /// Which keys would change where the server's addresses were these, and what the settings
    /// would be then. Nothing changes.
    pub(crate) fn with(&self, addresses: &BTreeMap<String, String>) -> Result<(Vec<String>, Settings), SettingsError> {
        let edited = self.edited(addresses.iter().filter(|(key, _)| is_address(key)))?;
        let settings = edited.settings.unwrap_or_else(|| Settings::clone(&self.current()));
        Ok((edited.changed, settings))
    }

    /// Takes addresses that have proved themselves, and tells which keys changed. An empty value
    /// takes a key away. Blocks on the disk.
    pub(crate) fn move_to(&self, addresses: &BTreeMap<String, String>) -> Result<Vec<String>, SettingsError> {
        let _writing = self.writing.lock().unwrap_or_else(PoisonError::into_inner);
        let edited = self.edited(addresses.iter().filter(|(key, _)| is_address(key)))?;
        self.write(edited)
    }

    /// The addresses as they stand in the file; empty where a key is not there.
    pub(crate) fn addresses(&self) -> BTreeMap<String, String> {
        let ini = self.as_written();
        let value = |key| ini.find(SECTION, key).and_then(|entry| entry.value.map(str::to_owned)).unwrap_or_default();
        ADDRESSES.into_iter().map(|key| (key.to_owned(), value(key))).collect()
    }

    /// The file as it would be with these values, from what stands in it now.
    fn edited<'a>(&self, values: impl IntoIterator<Item = (&'a String, &'a String)>) -> Result<Edited, SettingsError> {
        let file = |action, source| SettingsError::File { action, source };
        // A link stays a link: the file behind it is the one to replace.
        let path = fs::canonicalize(&self.path).map_err(|source| file("read", source))?;
        let before = fs::read(&path).map_err(|source| file("read", source))?;
        let mut ini = Ini::parse(&before);
        let by_hand = self.current().sales.root_certificate.is_some();
        let mut changed = Vec::new();
        for (key, value) in values {
            let key = key.to_ascii_lowercase();
            let present = ini.find(SECTION, &key).and_then(|entry| entry.value.map(str::to_owned));
            let same = present.unwrap_or_default().eq_ignore_ascii_case(value);
            if same || (by_hand && key == "grpchostcs") {
                continue;
            }
            ini.set(SECTION, &key, value).map_err(|error| SettingsError::Pushed {
                key: error.key,
                value: error.value,
                allowed: "one line without blanks around it".to_owned(),
            })?;
            changed.push(key);
        }
        let bytes = ini.to_bytes();
        let settings = if changed.is_empty() {
            None
        } else {
            let parsed = Settings::parse(&bytes, &self.path, &self.layout);
            Some(parsed.map_err(|error| blame(error, &changed))?)
        };
        Ok(Edited { path, bytes, changed, settings })
    }

    fn write(&self, edited: Edited) -> Result<Vec<String>, SettingsError> {
        let Edited { path, bytes, changed, settings } = edited;
        let Some(settings) = settings else { return Ok(changed) };
        let written = durable::write_atomic(&path, &bytes);
        written.map_err(|source| SettingsError::File { action: "rewrite", source })?;
        fail::fail_point!("settings::rewritten");
        self.now.send_replace(Arc::new(settings));
        Ok(changed)
    }
}

/// `cash.ini` with other values.
struct Edited {
    /// The file itself.
    path: PathBuf,
    bytes: Vec<u8>,
    changed: Vec<String>,
    /// None where nothing changed.
    settings: Option<Settings>,
}

impl LiveSettings {
    /// Trusts these authorities from now on, in place of those before, and tells whether they are
    /// others. The text is PEM, and came in a message with a right code. Blocks on the disk.
    pub fn trust(&self, authorities: String) -> Result<bool, SettingsError> {
        let _writing = self.writing.lock().unwrap_or_else(PoisonError::into_inner);
        let now = self.current();
        let trust = Trust::of(authorities).ok_or(SettingsError::HandedOut)?;
        if trust == now.trust {
            return Ok(false);
        }
        let written = trust.write(&now.paths.data);
        written.map_err(|source| SettingsError::File { action: "write", source })?;
        self.now.send_replace(Arc::new(Settings { trust, ..Settings::clone(&now) }));
        Ok(true)
    }
}

/// Names the server as the source of a fault where it is one.
fn blame(error: SettingsError, changed: &[String]) -> SettingsError {
    if let SettingsError::Wrong { faults, .. } = &error
        && let Some(fault) =
            faults.0.iter().find(|fault| changed.iter().any(|key| key.eq_ignore_ascii_case(&fault.key)))
    {
        let fault = fault.clone();
        return SettingsError::Pushed { key: fault.key, value: fault.value, allowed: fault.allowed };
    }
    error
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt as _;

    const FILE: &str =
        "; by hand\n[Properties]\ncash.code=_cash_1_00ab34ef\ndept.broker.ip=10.0.0.1\nGrpcHostCS = old\nmine=1\n";

    fn live(text: &str) -> (tempfile::TempDir, LiveSettings) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("cash.ini");
        fs::write(&path, text).unwrap();
        let live = LiveSettings::read(&path, Layout::under(folder.path())).unwrap();
        (folder, live)
    }

    fn push(live: &LiveSettings, pairs: &[(&str, &str)]) -> Result<Vec<String>, SettingsError> {
        push_after(live, &[], pairs)
    }

    fn push_after(live: &LiveSettings, before: &[&str], pairs: &[(&str, &str)]) -> Result<Vec<String>, SettingsError> {
        let pairs = pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
        live.take(&pairs, &before.iter().map(|key| (*key).to_owned()).collect())
    }

    #[test]
    fn what_the_server_sets_no_more_is_as_if_nobody_had_and_what_a_person_wrote_stays() {
        let (folder, live) = live(&format!("{FILE}contactperiod=7\n"));
        assert_eq!(push(&live, &[("queuechunksize", "100")]).unwrap(), ["queuechunksize"]);
        assert_eq!(live.current().load.chunk_objects, 100);
        let not_default = live.current().not_default.clone();
        assert_eq!(
            not_default.into_iter().collect::<Vec<_>>(),
            [("contactperiod", "7".to_owned()), ("queuechunksize", "100".to_owned())]
        );
        // An address that is not pushed any more stays, whoever set it.
        let before = ["queuechunksize", "grpchostcs"];
        assert_eq!(push_after(&live, &before, &[]).unwrap(), ["queuechunksize"]);
        assert_eq!(live.current().load.chunk_objects, 25_000);
        let text = fs::read_to_string(folder.path().join("cash.ini")).unwrap();
        assert!(text.contains("contactperiod=7") && text.contains("GrpcHostCS = old"), "{text}");
        let error = push(&live, &[("queuechunksize", "0")]).unwrap_err().to_string();
        assert!(error.contains("queuechunksize") && error.contains("from 1 to 1000000"), "{error}");
    }

    #[test]
    fn a_pushed_value_is_written_in_its_line_and_followed() {
        let (folder, live) = live(FILE);
        let path = folder.path().join("cash.ini");
        fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
        let follower = live.subscribe();
        assert_eq!(push(&live, &[("grpchostcs", "10.0.0.2"), ("uploadscript", "/bin/evil")]).unwrap(), ["grpchostcs"]);
        assert_eq!(fs::read_to_string(&path).unwrap(), FILE.replace("GrpcHostCS = old", "GrpcHostCS = 10.0.0.2"));
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert!(follower.has_changed().unwrap());
        assert_eq!(live.current().sales.host, "10.0.0.2");
    }

    #[test]
    fn authorities_lie_apart_from_the_settings_and_are_found_again() {
        let (folder, live) = live(FILE);
        let pem = super::super::trust::tests::authority();
        assert!(!live.current().trust.is_some());
        assert!(live.trust(pem.clone()).unwrap());
        assert!(!live.trust(pem.clone()).unwrap(), "the same ones");
        assert!(live.trust("no authority".to_owned()).is_err());
        assert_eq!(live.current().trust.pem(), pem);
        assert_eq!(fs::read_to_string(folder.path().join("cash.ini")).unwrap(), FILE);
        let path = folder.path().join("cash.ini");
        let again = LiveSettings::read(&path, Layout::under(folder.path())).unwrap();
        assert_eq!(again.current().trust.pem(), pem);
        push(&again, &[("grpchostcs", "10.0.0.2")]).unwrap();
        assert_eq!(again.current().trust.pem(), pem, "what is pushed later does not lose it");
        let file = Trust::file(&again.current().paths.data);
        assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
        fs::write(file, "damaged").unwrap();
        assert!(LiveSettings::read(&path, Layout::under(folder.path())).is_err());
    }

    #[test]
    fn the_same_values_do_not_touch_the_file() {
        use std::os::unix::fs::MetadataExt as _;
        let (folder, live) = live(FILE);
        let inode = || fs::metadata(folder.path().join("cash.ini")).unwrap().ino();
        let before = inode();
        assert!(push(&live, &[("grpchostcs", "old")]).unwrap().is_empty());
        assert_eq!(inode(), before);
    }

    #[test]
    fn a_wrong_pushed_value_changes_nothing_and_is_named() {
        let (folder, live) = live(FILE);
        let error = push(&live, &[("grpcportcs", "many"), ("grpchostcs", "10.0.0.2")]).unwrap_err().to_string();
        assert!(error.contains("grpcportcs") && error.contains("many"), "{error}");
        assert_eq!(fs::read_to_string(folder.path().join("cash.ini")).unwrap(), FILE);
        assert!(push(&live, &[("grpchostcs", "a\nuploadscript=/bin/evil")]).is_err());
    }

    #[test]
    fn with_a_root_certificate_the_sales_host_is_changed_by_hand_only() {
        let (_folder, live) = live(&format!("{FILE}grpccacertpath=/etc/ca.pem\n"));
        assert!(push(&live, &[("grpchostcs", "10.0.0.2")]).unwrap().is_empty());
        assert_eq!(live.current().sales.host, "old");
    }

    #[test]
    fn what_a_person_edits_meanwhile_stays_and_a_file_that_is_torn_is_not_made_worse() {
        let (folder, live) = live(FILE);
        let path = folder.path().join("cash.ini");
        fs::write(&path, FILE.replace("mine=1", "mine=2\nunloadperiod=7")).unwrap();
        push(&live, &[("grpchostcs", "10.0.0.2")]).unwrap();
        let text = fs::read_to_string(&path).unwrap();
        assert!(text.contains("mine=2") && text.contains("GrpcHostCS = 10.0.0.2"), "{text}");
        assert_eq!(live.current().sales.period, Some(std::time::Duration::from_secs(7)));
        // Half saved by an editor: neither file nor settings change, and the next command tries
        // again.
        fs::write(&path, &FILE[..20]).unwrap();
        assert!(push(&live, &[("grpchostcs", "10.0.0.3")]).is_err());
        assert_eq!(fs::read_to_string(&path).unwrap(), &FILE[..20]);
        assert_eq!(live.current().sales.host, "10.0.0.2");
        fs::write(&path, FILE).unwrap();
        assert_eq!(push(&live, &[("grpchostcs", "10.0.0.3")]).unwrap(), ["grpchostcs"]);
    }

    #[test]
    fn a_file_that_is_gone_or_cannot_be_written_changes_nothing() {
        let (folder, live) = live(FILE);
        let path = folder.path().join("cash.ini");
        fs::remove_file(&path).unwrap();
        assert!(push(&live, &[("grpchostcs", "10.0.0.2")]).is_err());
        fs::create_dir(&path).unwrap();
        assert!(push(&live, &[("grpchostcs", "10.0.0.2")]).is_err());
        assert_eq!(live.current().sales.host, "old");
    }
}

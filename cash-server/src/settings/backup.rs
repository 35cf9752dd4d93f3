//! Settings of backups: where they lie, when one is made, how long they are kept.

use super::source::Source;
use super::{MAX_DAYS, MAX_MIB, days, narrow};
use reqwest::Url;
use std::path::{Path, PathBuf};

/// The last hour of a day.
const LAST_HOUR: u64 = 23;

/// Backups.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BackupSettings {
    /// Where they are kept.
    pub place: BackupPlace,
    /// Whether one is made each day.
    pub daily: bool,
    /// After which hour of the local day, 0 to 23.
    pub hour: u8,
    /// Whether they are encrypted.
    pub encrypt: bool,
    /// How long they are kept.
    pub keep_days: u32,
    /// How many bytes of them.
    pub keep_bytes: u64,
    /// Days from one rehearsal to the next; 0: none.
    pub rehearse_days: u32,
}

/// Where backups lie.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum BackupPlace {
    /// In a folder.
    Folder(PathBuf),
    /// In a store that speaks S3.
    Store(StoreSettings),
}

/// A store that speaks S3, and how it is spoken to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoreSettings {
    /// Its address; none: AWS.
    pub endpoint: Option<Url>,
    /// Its region.
    pub region: String,
    /// The bucket.
    pub bucket: String,
    /// What names begin with, without slashes at its ends; may be empty.
    pub prefix: String,
    /// The file with the id of the access key and its secret.
    pub key_file: PathBuf,
    /// The authority that signed its certificate, PEM; none: those that this machine trusts.
    pub authority: Option<PathBuf>,
    /// The bucket stands in the host's name, not in the path.
    pub bucket_in_host: bool,
    /// It may be spoken to without TLS.
    pub allow_http: bool,
}

impl BackupPlace {
    /// The folder where backups lie as long as nothing else is said.
    pub fn default_folder(data_dir: &Path) -> PathBuf {
        data_dir.join("server-backups")
    }

    /// For people: the folder, or `s3://<bucket>/<prefix>`.
    pub fn path(&self) -> PathBuf {
        match self {
            Self::Folder(folder) => folder.clone(),
            Self::Store(store) => store.path(),
        }
    }

    /// The folder, where it is one.
    pub fn folder(&self) -> Option<&Path> {
        match self {
            Self::Folder(folder) => Some(folder),
            Self::Store(_) => None,
        }
    }
}

impl StoreSettings {
    /// For people: `s3://<bucket>/<prefix>`.
    pub fn path(&self) -> PathBuf {
        let bucket = format!("s3://{}", self.bucket);
        if self.prefix.is_empty() { bucket.into() } else { format!("{bucket}/{}", self.prefix).into() }
    }

    /// Why they cannot be used: the last word of the key, and what is allowed.
    pub fn fault(&self) -> Option<(&'static str, &'static str)> {
        let plain = self.endpoint.as_ref().is_some_and(|endpoint| endpoint.scheme() == "http");
        if self.bucket.is_empty() || self.bucket.contains('/') {
            return Some(("bucket", "the name of a bucket, since backup.to is \"s3\""));
        }
        if self.key_file.as_os_str().is_empty() {
            return Some(("key_file", "a file with the access key, since backup.to is \"s3\""));
        }
        if self.prefix.split('/').any(|part| matches!(part, "." | "..")) {
            return Some(("prefix", "names with / between them"));
        }
        (plain && !self.allow_http)
            .then_some(("endpoint", "an address with https://, or say backup.s3_allow_http as well"))
    }
}

/// An address of a store, where it is one.
pub fn store_endpoint(text: &str) -> Option<Url> {
    let bare = |url: &Url| matches!(url.scheme(), "http" | "https") && url.has_host() && url.query().is_none();
    Url::parse(text.trim()).ok().filter(bare)
}

impl BackupSettings {
    pub(super) fn read(source: &Source, data_dir: &Path) -> Self {
        Self {
            place: place(source, data_dir),
            daily: source.flag("backup.daily"),
            hour: u8::try_from(source.number("backup.hour", 0..=LAST_HOUR)).unwrap_or_default(),
            encrypt: source.flag("backup.encrypt"),
            keep_days: days(source, "backup.keep_days"),
            keep_bytes: source.number("backup.keep_mib", 1..=MAX_MIB) << 20,
            rehearse_days: narrow(source.number("backup.rehearse_days", 0..=MAX_DAYS)),
        }
    }
}

fn place(source: &Source, data_dir: &Path) -> BackupPlace {
    let folder = source.path("backup.dir").unwrap_or_else(|| BackupPlace::default_folder(data_dir));
    // All of them are read, so that a fault is told though nobody uses it yet.
    let store = store(source);
    match source.name("backup.to").as_str() {
        "folder" => BackupPlace::Folder(folder),
        "s3" => {
            if let Some((key, allowed)) = store.fault() {
                source.refuse(&format!("backup.s3_{key}"), allowed);
            }
            BackupPlace::Store(store)
        }
        _ => {
            source.refuse("backup.to", "\"folder\" or \"s3\"");
            BackupPlace::Folder(folder)
        }
    }
}

fn store(source: &Source) -> StoreSettings {
    let endpoint = source.text("backup.s3_endpoint");
    let url = store_endpoint(&endpoint);
    if url.is_none() && !endpoint.trim().is_empty() {
        source.refuse("backup.s3_endpoint", "an address as \"https://s3.example.org\", or nothing for AWS");
    }
    StoreSettings {
        endpoint: url,
        region: source.name("backup.s3_region"),
        bucket: source.text("backup.s3_bucket").trim().to_owned(),
        prefix: source.text("backup.s3_prefix").trim().trim_matches('/').to_owned(),
        key_file: source.path("backup.s3_key_file").unwrap_or_default(),
        authority: source.path("backup.s3_authority"),
        bucket_in_host: source.flag("backup.s3_bucket_in_host"),
        allow_http: source.flag("backup.s3_allow_http"),
    }
}

#[cfg(test)]
mod tests {
    use super::super::Settings;
    use super::*;

    fn read(text: &str) -> Result<BackupPlace, Vec<String>> {
        let faults = |faults: Vec<super::super::Fault>| faults.into_iter().map(|fault| fault.key).collect();
        Settings::read(text, Path::new("/etc/tillway"), []).map(|settings| settings.backup.place).map_err(faults)
    }

    #[test]
    fn backups_lie_in_a_folder_as_long_as_nothing_else_is_said() {
        let folder = |text: &str| match read(text).unwrap() {
            BackupPlace::Folder(folder) => folder.display().to_string(),
            BackupPlace::Store(store) => panic!("{store:?}"),
        };
        assert_eq!(folder("[server]\ndata_dir = \"/data\"\n"), "/data/server-backups");
        assert_eq!(folder("[backup]\ndir = \"/mnt/nas\"\n"), "/mnt/nas");
    }

    #[test]
    fn a_store_needs_a_bucket_a_key_and_tls_unless_http_is_allowed_by_name() {
        let s3 = |more: &str| read(&format!("[backup]\nto = \"s3\"\n{more}"));
        let whole = "s3_bucket = \"b\"\ns3_key_file = \"s3.key\"\ns3_prefix = \"/shop-7/\"\n";
        let BackupPlace::Store(store) = s3(whole).unwrap() else { panic!("no store") };
        assert_eq!((store.prefix.as_str(), store.region.as_str(), &store.endpoint), ("shop-7", "us-east-1", &None));
        assert_eq!(store.key_file, Path::new("/etc/tillway/s3.key"));
        assert_eq!(s3("").unwrap_err(), ["backup.s3_bucket"]);
        assert_eq!(s3("s3_bucket = \"b\"\n").unwrap_err(), ["backup.s3_key_file"]);
        assert_eq!(s3(&format!("{whole}s3_endpoint = \"here\"\n")).unwrap_err(), ["backup.s3_endpoint"]);
        let plain = format!("{whole}s3_endpoint = \"http://127.0.0.1:9000\"\n");
        assert_eq!(s3(&plain).unwrap_err(), ["backup.s3_endpoint"]);
        assert!(s3(&format!("{plain}s3_allow_http = true\n")).is_ok());
        assert_eq!(read("[backup]\nto = \"tape\"\n").unwrap_err(), ["backup.to"]);
    }
}

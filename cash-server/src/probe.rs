//! What `check` and the start look at outside the settings: folders, files, ports.

use crate::certificates::open_ports;
use crate::exchange::addresses;
use crate::settings::{BackupPlace, Fault, Origins, Settings};
use crate::socket;
use fs_err as fs;
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use tillway_proto::process::{OpenFiles, file_fault, folder_fault, secret_fault};

/// Files and connections that the server must be able to have open: 1,024 connections of the sales
/// service, some hundred files and databases, and 2,500 connections of the other ports. With more,
/// the ports take more.
pub const OPEN_FILES: u64 = 4_096;

/// What the server cannot start without: its folders, certificates and addresses. `ports` are
/// those that nobody holds yet.
pub fn needed(settings: &Settings, origins: &Origins, ports: &[(&'static str, SocketAddr)]) -> Vec<Fault> {
    let mut faults = Vec::new();
    let mut note = |key: &str, problem: Option<String>| {
        faults.extend(problem.map(|what| origins.fault(&[key], what)));
    };
    note("server.data_dir", folder_fault(&settings.data_dir, true).or_else(|| socket::fault(&settings.data_dir)));
    if let Some(own) = &settings.tls.own {
        note("tls.cert", file_problem(&own.cert));
        note("tls.key", file_problem(&own.key));
        note("tls.authority", own.authority.as_deref().and_then(file_problem));
    }
    if let Some(tls) = &settings.sales.tls {
        note("sales.tls_cert", file_problem(&tls.cert));
        note("sales.tls_key", file_problem(&tls.key));
    }
    if let Some(file) = &settings.log.file {
        note("log.file", file_fault(file));
    }
    for (key, address) in ports {
        note(key, port_problem(*address));
    }
    faults
}

/// Files of the data folder that open something: credentials, keys of peers, keys of certificates.
fn secrets(data_dir: &Path) -> Vec<PathBuf> {
    let folders = ["credentials", "credentials/peers", "tls"].map(|folder| data_dir.join(folder));
    let files = folders.iter().filter_map(|folder| fs::read_dir(folder).ok()).flatten().flatten();
    let mut files: Vec<_> = files.map(|entry| entry.path()).filter(|path| path.is_file()).collect();
    // Certificates are for all to see.
    files.retain(|path| path.extension().is_none_or(|ending| ending != "pem"));
    files.sort();
    files
}

/// What it goes on without, though some of its work is not done.
pub fn wanted(settings: &Settings, origins: &Origins) -> Vec<Fault> {
    let mut faults = Vec::new();
    let mut note = |key: &str, problem: Option<String>| {
        faults.extend(problem.map(|what| origins.fault(&[key], what)));
    };
    if let Some(file) = &settings.broker.till_password_file {
        note("broker.till_password_file", file_problem(file).or_else(|| secret_fault(file)));
    }
    if let Some(file) = &settings.broker.password_file {
        note("broker.password_file", file_problem(file).or_else(|| secret_fault(file)));
    }
    if let Some(server) = &settings.mail.server {
        let of_secret = |file: &PathBuf| file_problem(file).or_else(|| secret_fault(file));
        note("mail.password_file", server.password_file.as_ref().and_then(of_secret));
        note("mail.authority", server.authority.as_deref().and_then(file_problem));
    }
    if let Some(file) = &settings.alerts.secret_file {
        note("alerts.webhook_secret_file", file_problem(file).or_else(|| secret_fault(file)));
    }
    if let Some(folder) = &settings.broker.pair_dir {
        note("broker.pair_dir", folder_fault(folder, true));
    }
    if let BackupPlace::Store(store) = &settings.backup.place {
        note("backup.s3_key_file", file_problem(&store.key_file).or_else(|| secret_fault(&store.key_file)));
        note("backup.s3_authority", store.authority.as_deref().and_then(file_problem));
    }
    for file in secrets(&settings.data_dir) {
        note("server.data_dir", secret_fault(&file));
    }
    // Often a share: where it is away, as after a power cut in the shop, sales still come up and
    // tills get what is loaded.
    if let Some(inbox) = &settings.intake.inbox {
        note("intake.inbox", folder_fault(inbox, true));
    }
    for folder in &settings.intake.folders {
        note("intake.folders", folder_fault(&folder.path, false));
    }
    for (key, problem) in addresses::problems(settings) {
        note(key, Some(problem));
    }
    for port in open_ports(settings).iter().filter(|port| port.is_reached()) {
        let what = format!(
            "other machines may speak with {} without TLS, and passwords, prices and receipts can be read on the way: close it once \
             all of them speak TLS",
            port.address
        );
        note(port.setting, Some(what));
    }
    faults.extend(OpenFiles::raise().fault(OPEN_FILES).map(|what| Fault::of_machine("open files", what)));
    faults
}

fn file_problem(file: &Path) -> Option<String> {
    fs::File::open(file).err().map(|error| error.to_string())
}

fn port_problem(address: SocketAddr) -> Option<String> {
    let error = TcpListener::bind(address).err()?;
    let who = if error.kind() == io::ErrorKind::AddrInUse {
        "another program listens there; end it, or name another port"
    } else {
        "name an address of this machine, or 0.0.0.0 for all of them"
    };
    Some(format!("{address} cannot be listened on: {error} ({who})"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_missing_outside_is_told() {
        let folder = tempfile::tempdir().unwrap();
        let taken = TcpListener::bind("127.0.0.1:0").unwrap();
        fs::write(folder.path().join("file"), "").unwrap();
        let text = format!(
            "[server]\ndata_dir=\"data\"\ntills_on_this_machine=true\n[broker]\npassword_file=\"none\"\n[intake]\ninbox=\"file/inbox\"\nfolders=[\"All=in\"]\n[rest]\nlisten=\"{}\"\n[aif]\nlisten=\"127.0.0.1:0\"\n[web]\nlisten=\"127.0.0.1:0\"\n[sales]\nlisten=\"127.0.0.1:0\"",
            taken.local_addr().unwrap()
        );
        let settings = Settings::read(&text, folder.path(), []).unwrap();
        let keys = |faults: Vec<Fault>| faults.into_iter().map(|fault| fault.key).collect::<Vec<_>>();
        let origins = Origins::default();
        assert_eq!(keys(needed(&settings, &origins, &settings.listeners())), ["rest.listen"]);
        assert!(needed(&settings, &origins, &[]).is_empty());
        assert_eq!(keys(wanted(&settings, &origins)), ["broker.password_file", "intake.inbox", "intake.folders"]);
        assert!(!folder.path().join("data").exists());
    }

    #[test]
    fn an_access_key_that_is_missing_or_that_everybody_can_read_is_told() {
        use std::os::unix::fs::PermissionsExt as _;
        let folder = tempfile::tempdir().unwrap();
        let text =
            "[server]\ndata_dir = \"data\"\n[backup]\nto = \"s3\"\ns3_bucket = \"b\"\ns3_key_file = \"s3.key\"\n";
        let settings = Settings::read(text, folder.path(), []).unwrap();
        let told = || wanted(&settings, &Origins::default()).iter().any(|fault| fault.key == "backup.s3_key_file");
        assert!(told(), "it is missing");
        let key = folder.path().join("s3.key");
        fs::write(&key, "id\nsecret\n").unwrap();
        for (mode, is_told) in [(0o644, true), (0o600, false)] {
            fs::set_permissions(&key, std::fs::Permissions::from_mode(mode)).unwrap();
            assert_eq!(told(), is_told, "{mode:o}");
        }
    }

    #[test]
    fn a_port_that_is_open_without_tls_is_told_where_others_reach_it() {
        let told = |listen: &str| {
            let text = format!("[server]\ndata_dir=\"/\"\n[aif]\nlisten=\"{listen}:1\"\nplain=true\n");
            let settings = Settings::read(&text, Path::new("/"), []).unwrap();
            wanted(&settings, &Origins::default()).iter().any(|fault| fault.key == "aif.plain")
        };
        assert!(told("0.0.0.0") && told("10.0.0.5") && !told("127.0.0.1"));
    }
}

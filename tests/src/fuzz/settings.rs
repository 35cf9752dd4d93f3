//! Files that people edit.

use super::{MAX_TOLD_BYTES, folder};
use fs_err as fs;
use std::path::Path;
use tillway_sync_agent::settings::ini::Ini;
use tillway_sync_agent::settings::{Layout, Settings};

/// A till's `cash.ini`: it stays as it is to the byte where nothing is changed.
pub fn settings_ini(bytes: &[u8]) {
    assert_eq!(Ini::parse(bytes).to_bytes(), bytes);
    agent_settings(bytes, b"");
}

/// A till's `logging.conf`.
pub fn logging_conf(bytes: &[u8]) {
    agent_settings(b"[Properties]\ncash.code=_cash_51_00000000\ndept.broker.ip=127.0.0.1\n", bytes);
}

#[expect(clippy::expect_used, reason = "only in tests, and without a folder there is none")]
fn agent_settings(ini: &[u8], logging: &[u8]) {
    let folder = folder();
    let path = folder.path().join("cash.ini");
    fs::write(&path, ini).expect("cash.ini");
    fs::write(folder.path().join("logging.conf"), logging).expect("logging.conf");
    fs::write(folder.path().join("broker.password"), "secret\n").expect("broker.password");
    if let Err(error) = Settings::read(&path, &Layout::under(folder.path())) {
        assert!(!error.to_string().trim().is_empty());
        // As many faults as lines, each as long as its line: bounded by the file.
        assert!(error.to_string().len() <= MAX_TOLD_BYTES + 512 * (ini.len() + logging.len() + 1));
    }
}

/// A server's `cash-server.toml`.
pub fn settings_toml(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    if let Err(faults) = tillway_cash_server::settings::Settings::read(text, Path::new("/srv"), []) {
        assert!(!faults.is_empty());
        for fault in faults {
            assert!(!fault.to_string().trim().is_empty());
        }
    }
}

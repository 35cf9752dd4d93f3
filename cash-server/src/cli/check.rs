//! `check`: every fault of the settings and of what they name, at once.

use super::CliError;
use super::client::Client;
use super::daemon::place;
use super::table::Output;
use crate::backup::targets;
use crate::exchange::PublicAddresses;
use crate::exchange::broker::online;
use crate::exchange::clock::off_together;
use crate::lock::{DataLock, Role};
use crate::probe;
use crate::settings::fault::Fault;
use crate::settings::{Origins, Settings, SettingsError};
use crate::words::{Reason, in_english};
use jiff::SignedDuration;
use serde_json::{Value, json};
use std::fmt::Write as _;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream};
use std::path::Path;
use std::time::Duration;

/// A port of this machine answers at once.
const ANSWER_TIME: Duration = Duration::from_secs(5);

/// What keeps the server from starting, and nothing else.
pub(super) fn check_start(path: Option<&Path>, answer: &mut Output<'_>) -> Result<(), CliError> {
    let faults = match Settings::load(path) {
        Ok(settings) => {
            let running = DataLock::is_held(&settings.data_dir, Role::Server);
            let ports = settings.listeners();
            probe::needed(&settings, &Origins::load(path), if running { &[] } else { &ports })
        }
        Err(SettingsError::Faults { faults, .. }) => faults,
        Err(error) => return Err(CliError::Settings(error)),
    };
    told(faults, path, answer)
}

/// All that is wrong.
pub(super) fn check(path: Option<&Path>, online: bool, answer: &mut Output<'_>) -> Result<(), CliError> {
    let faults = match Settings::load(path) {
        Ok(settings) => {
            let running = DataLock::is_held(&settings.data_dir, Role::Server);
            let origins = Origins::load(path);
            let ports = settings.listeners();
            let mut faults = probe::needed(&settings, &origins, if running { &[] } else { &ports });
            faults.extend(probe::wanted(&settings, &origins));
            if online {
                let _ = rustls::crypto::ring::default_provider().install_default();
                let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
                let asked = online::faults(&settings.broker, &origins);
                faults.extend(runtime.map_err(CliError::Runtime)?.block_on(asked));
                faults.extend(
                    store_of_backups(&settings)
                        .map(|what| origins.fault(&["backup.s3_endpoint", "backup.s3_bucket"], what)),
                );
                if running {
                    faults.extend(ports.iter().filter_map(|(key, at)| Some(origins.fault(&[key], silent(*at)?))));
                    faults.extend(clock(&settings));
                }
                if !answer.json {
                    answer.text(&given_out(&settings))?;
                }
            }
            faults
        }
        Err(SettingsError::Faults { faults, .. }) => faults,
        Err(error) => return Err(CliError::Settings(error)),
    };
    told(faults, path, answer)
}

fn told(mut faults: Vec<Fault>, path: Option<&Path>, answer: &mut Output<'_>) -> Result<(), CliError> {
    Fault::in_order(&mut faults);
    tell(&faults, path, answer)?;
    if faults.is_empty() { Ok(()) } else { Err(CliError::Faults) }
}

/// Why the store of backups does not answer as it should.
fn store_of_backups(settings: &Settings) -> Option<String> {
    settings.backup.place.folder().is_none().then_some(())?;
    let listed = targets::open(&settings.backup.place).and_then(|target| target.list());
    listed.err().map(|error| in_english(&Reason::of(&error)))
}

/// What the running server has found about clocks. It is the tills that tell it: neither broker
/// nor file system has another clock than this machine.
fn clock(settings: &Settings) -> Option<Fault> {
    let tills: Value = Client::new(settings).and_then(|client| client.read("/api/v1/tills")).ok()?;
    let in_contact =
        |till: &&Value| till["silent"] == false && till["parked"] == false && till["last_contact"].is_string();
    let ahead = |till: &Value| till["clock_ahead_s"].as_i64().map(SignedDuration::from_secs);
    let ahead: Vec<_> = tills.as_array()?.iter().filter(in_contact).map(ahead).collect();
    let (ahead, tills) = off_together(&ahead)?;
    let side = if ahead.is_positive() { "behind" } else { "ahead of" };
    let what = format!(
        "this server's clock is {} min {side} those of {tills} tills, most of those in contact: set it, or theirs",
        ahead.abs().as_mins()
    );
    Some(Fault::of_machine("clock", what))
}

/// Why the running server does not answer on one of its ports.
fn silent(mut address: SocketAddr) -> Option<String> {
    if address.ip().is_unspecified() {
        address.set_ip(if address.is_ipv4() { Ipv4Addr::LOCALHOST.into() } else { Ipv6Addr::LOCALHOST.into() });
    }
    let error = TcpStream::connect_timeout(&address, ANSWER_TIME).err()?;
    Some(format!("the server runs, and nothing answers on {address}: {error}"))
}

/// The addresses that tills get, as their `cash.ini` has them.
fn given_out(settings: &Settings) -> String {
    let addresses = PublicAddresses::new(settings, settings.rest.listen.port(), settings.sales.listen.port());
    let broker = addresses.broker_host.as_deref().unwrap_or("(none)");
    let mut text = format!("tills get: dept.broker.ip={broker}, dept.broker.port={}", addresses.broker_port);
    for (key, value) in addresses.pushed() {
        let _ = write!(text, ", {key}={value}");
    }
    text.push('\n');
    text
}

fn tell(faults: &[Fault], path: Option<&Path>, answer: &mut Output<'_>) -> Result<(), CliError> {
    if answer.json {
        let told = |fault: &Fault| json!({"where": fault.origin.to_string(), "key": fault.key, "what": fault.what});
        return answer.text(&format!("{:#}\n", json!(faults.iter().map(told).collect::<Vec<_>>())));
    }
    if faults.is_empty() {
        let told = answer.words.text("cli-no-faults", [("place", place(path).into())]);
        return answer.text(&format!("{told}\n"));
    }
    let lines: Vec<String> = faults.iter().map(|fault| format!("{fault}\n")).collect();
    answer.text(&lines.concat())
}

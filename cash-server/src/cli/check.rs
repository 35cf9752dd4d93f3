//! `check`: every fault of the settings and of what they name, at once.

use super::CliError;
use super::table::Answer;
use crate::exchange::PublicAddresses;
use crate::exchange::broker::online;
use crate::lock::{DataLock, Role};
use crate::settings::fault::Fault;
use crate::settings::{Origins, Settings, SettingsError, probe};
use serde_json::json;
use std::fmt::Write as _;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream};
use std::path::Path;
use std::time::Duration;

/// A port of this machine answers at once.
const ANSWER_TIME: Duration = Duration::from_secs(5);

pub(super) fn check(path: Option<&Path>, online: bool, answer: &mut Answer<'_>) -> Result<(), CliError> {
    let faults = match Settings::load(path) {
        Ok(settings) => {
            let running = DataLock::is_held(&settings.data_dir, Role::Server);
            let origins = Origins::load(path);
            let mut faults = probe::faults(&settings, &origins, running);
            if online {
                let place =
                    |(key, what): (&'static str, String)| Fault { origin: origins.of(key), key: key.to_owned(), what };
                faults.extend(asked(&settings, running)?.into_iter().map(place));
                if !answer.json {
                    answer.text(&given_out(&settings))?;
                }
            }
            faults
        }
        Err(SettingsError::Faults { faults, .. }) => faults,
        Err(error) => return Err(CliError::Settings(error)),
    };
    tell(&faults, path, answer)?;
    if faults.is_empty() { Ok(()) } else { Err(CliError::Faults) }
}

/// What the broker answers, and where the server runs, its own ports.
fn asked(settings: &Settings, running: bool) -> Result<Vec<(&'static str, String)>, CliError> {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(CliError::Runtime)?;
    let mut problems = runtime.block_on(online::problems(&settings.broker));
    if running {
        let ports = [
            ("rest.listen", settings.rest.listen),
            ("aif.listen", settings.aif.listen),
            ("web.listen", settings.web_listen),
            ("sales.listen", settings.sales.listen),
        ];
        problems.extend(ports.into_iter().filter_map(|(key, address)| Some((key, silent(address)?))));
    }
    Ok(problems)
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

fn tell(faults: &[Fault], path: Option<&Path>, answer: &mut Answer<'_>) -> Result<(), CliError> {
    if answer.json {
        let told = |fault: &Fault| json!({"where": fault.origin.to_string(), "key": fault.key, "what": fault.what});
        return answer.text(&format!("{:#}\n", json!(faults.iter().map(told).collect::<Vec<_>>())));
    }
    if faults.is_empty() {
        let place = path.map_or_else(|| "the defaults".to_owned(), |path| path.display().to_string());
        return answer.text(&format!("{place}: no faults\n"));
    }
    let lines: Vec<String> = faults.iter().map(|fault| format!("{fault}\n")).collect();
    answer.text(&lines.concat())
}

//! `check`: every fault of the settings and of what they name, at once.

use super::CliError;
use super::table::Answer;
use crate::lock::{DataLock, Role};
use crate::settings::fault::Fault;
use crate::settings::{Settings, SettingsError, probe};
use serde_json::json;
use std::path::Path;

pub(super) fn check(path: Option<&Path>, answer: &mut Answer<'_>) -> Result<(), CliError> {
    let faults = match Settings::load(path) {
        Ok(settings) => {
            let running = DataLock::is_held(&settings.data_dir, Role::Server);
            probe::faults(&settings, running)
        }
        Err(SettingsError::Faults { faults, .. }) => faults,
        Err(error) => return Err(CliError::Settings(error)),
    };
    tell(&faults, path, answer)?;
    if faults.is_empty() { Ok(()) } else { Err(CliError::Faults) }
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

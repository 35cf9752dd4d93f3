//! `[alerts]`: webhooks, and when mails wait.

use super::mail::time_of;
use super::source::Source;
use crate::http_client::is_local;
use jiff::civil::Time;
use reqwest::Url;
use std::net::IpAddr;
use std::path::PathBuf;

/// Most webhooks: each is called by itself.
const MAX_HOOKS: usize = 32;

/// What is told at once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AlertSettings {
    /// From when until when no mails go out, by the clock of this machine.
    pub quiet: Option<(Time, Time)>,
    /// Who is called.
    pub hooks: Vec<HookSettings>,
    /// The file with the secret that calls are signed with.
    pub secret_file: Option<PathBuf>,
    /// Webhooks may be of this machine or of its link.
    pub local: bool,
}

/// A webhook.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HookSettings {
    /// It is told of what is at this node and below it, by id or folder name.
    pub node: String,
    /// Its address.
    pub url: Url,
}

impl AlertSettings {
    pub(super) fn read(source: &Source) -> Self {
        let local = source.flag("alerts.webhooks_local");
        Self {
            quiet: quiet(source),
            hooks: hooks(source, local),
            secret_file: source.path("alerts.webhook_secret_file"),
            local,
        }
    }
}

fn quiet(source: &Source) -> Option<(Time, Time)> {
    let key = "alerts.quiet";
    let text = source.text(key);
    if text.trim().is_empty() {
        return None;
    }
    let hours = text.split_once('-').and_then(|(from, until)| Some((time_of(from)?, time_of(until)?)));
    let hours = hours.filter(|(from, until)| from != until);
    if hours.is_none() {
        source.refuse(key, "two times of day as \"22:00-06:00\", or nothing");
    }
    hours
}

fn hooks(source: &Source, local: bool) -> Vec<HookSettings> {
    let key = "alerts.webhooks";
    let mut hooks = Vec::new();
    for (number, text) in (1..).zip(source.list(key)) {
        match hook(&text, local) {
            Ok(hook) => hooks.push(hook),
            // The address stays out of what is printed: often it is the secret.
            Err(what) => {
                source.refuse_unsaid(key, &format!("entry {number} is {what}; write <node>=https://host/path"));
            }
        }
    }
    if hooks.len() > MAX_HOOKS {
        source.refuse_unsaid(key, &format!("at most {MAX_HOOKS} webhooks"));
    }
    hooks
}

fn hook(text: &str, local: bool) -> Result<HookSettings, &'static str> {
    let (node, address) = text.split_once('=').ok_or("no entry")?;
    let url = Url::parse(address.trim()).map_err(|_| "no address")?;
    if !matches!(url.scheme(), "http" | "https") || !url.has_host() {
        return Err("no address of a webhook");
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err("an address with a password in it");
    }
    let ip = url.host_str().and_then(|host| host.trim_matches(['[', ']']).parse::<IpAddr>().ok());
    if !local && ip.is_some_and(is_local) {
        return Err("an address of this machine or of its link, which needs alerts.webhooks_local");
    }
    Ok(HookSettings { node: node.trim().to_owned(), url })
}

#[cfg(test)]
mod tests {
    use super::super::Settings;
    use super::*;
    use std::path::Path;

    fn read(text: &str) -> Result<AlertSettings, Vec<String>> {
        let faults = |faults: Vec<super::super::Fault>| faults.into_iter().map(|fault| fault.to_string()).collect();
        Settings::read(text, Path::new("/etc/tillway"), []).map(|settings| settings.alerts).map_err(faults)
    }

    #[test]
    fn nobody_is_called_and_no_hour_is_quiet_unless_it_is_said() {
        let none = read("").unwrap();
        assert_eq!((none.quiet, none.hooks.len(), none.local), (None, 0, false));
        let quiet = read("[alerts]\nquiet = \"22:00-06:30\"\n").unwrap().quiet;
        assert_eq!(quiet, Some((Time::constant(22, 0, 0, 0), Time::constant(6, 30, 0, 0))));
        for odd in ["22:00", "22-6", "22:00-22:00", "22:00-25:00"] {
            assert!(read(&format!("[alerts]\nquiet = \"{odd}\"\n")).is_err(), "{odd}");
        }
    }

    #[test]
    fn a_webhook_has_a_node_and_leads_to_no_door_of_this_machine() {
        let hooks = |entry: &str, more: &str| {
            read(&format!("[alerts]\nwebhooks = [\"{entry}\"]\n{more}")).map(|alerts| alerts.hooks)
        };
        let one = hooks("shop-7=https://chat.example.org/hook?a=b", "").unwrap();
        assert_eq!((one[0].node.as_str(), one[0].url.as_str()), ("shop-7", "https://chat.example.org/hook?a=b"));
        for odd in ["https://chat.example.org", "All=chat", "All=ftp://a/b", "All=https://u:p@a/b"] {
            let faults = hooks(odd, "").unwrap_err();
            assert!(faults[0].contains("entry 1") && !faults[0].contains(odd), "{faults:?}");
        }
        for local in ["All=http://127.0.0.1:1/a", "All=http://[::1]/a", "All=http://169.254.169.254/a"] {
            assert!(hooks(local, "").unwrap_err()[0].contains("webhooks_local"), "{local}");
            assert!(hooks(local, "webhooks_local = true\n").is_ok(), "{local}");
        }
    }
}

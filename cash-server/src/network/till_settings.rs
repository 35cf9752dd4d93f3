//! Settings of tills, as nodes of the network set them: the deepest node on a till's path wins.
//! What no node sets is the till's own matter, and its `cash.ini` counts.
//!
//! Each change takes a generation, which goes along with what is told to tills, so that a message
//! that is said again puts nothing back. A till reports the generation that it took last: one that
//! is behind its path's is told once more.

use super::NetworkError;
use super::tree::{Network, Node};
use jiff::Timestamp;
use std::collections::BTreeMap;
use tillway_proto::{NodeId, Revision, SettingForm, TillId, TillSetting};

/// Other values of settings, by key; none: the node sets it no more.
pub type SettingChanges = BTreeMap<String, Option<String>>;

/// A setting as it is at a node.
#[derive(Debug, Clone, Copy)]
pub struct SettingHere<'a> {
    /// Which one.
    pub setting: TillSetting,
    /// Its value and the node that sets it; none: nobody does.
    pub set: Option<(&'a str, &'a Node)>,
    /// What counts above the node, where the node itself sets it no more.
    pub above: Option<(&'a str, &'a Node)>,
}

impl Network {
    /// All settings as they are at a node.
    pub fn settings_at(&self, id: &NodeId) -> Vec<SettingHere<'_>> {
        let path = self.nodes_to(id);
        let (last, above) = path.split_last().map_or((None, &[][..]), |(last, above)| (Some(*last), above));
        let here = |setting: TillSetting| {
            let above = deepest(above, setting);
            let own = last.and_then(|node| deepest(&[node], setting));
            SettingHere { setting, set: own.or(above), above }
        };
        TillSetting::ALL.into_iter().map(here).collect()
    }

    /// The settings that a till is told.
    pub fn settings_of(&self, till: &TillId) -> BTreeMap<String, String> {
        let all = self.settings_at(&NodeId::Till(till.clone()));
        let set = all.into_iter().filter_map(|here| Some((here.setting.key.to_owned(), here.set?.0.to_owned())));
        set.collect()
    }

    /// The generation of the last change of a till's settings.
    pub fn settings_since(&self, till: &TillId) -> u64 {
        let path = self.nodes_to(&NodeId::Till(till.clone()));
        path.into_iter().map(|node| node.settings_since).max().unwrap_or_default()
    }

    /// The next generation: the larger of the time in seconds and one more than the last.
    pub fn next_generation(&self, now: Timestamp) -> u64 {
        u64::try_from(now.as_second()).unwrap_or_default().max(self.newest_settings() + 1)
    }

    /// The nodes on the way from the chain to one.
    fn nodes_to(&self, id: &NodeId) -> Vec<&Node> {
        let Some(node) = self.node(id) else { return Vec::new() };
        self.path_at(node.no, Revision(u64::MAX)).into_iter().filter_map(|no| self.by_no(no)).collect()
    }
}

/// The value that counts of these nodes, the deepest of which is the last.
fn deepest<'a>(path: &[&'a Node], setting: TillSetting) -> Option<(&'a str, &'a Node)> {
    path.iter().rev().find_map(|node| Some((node.settings.get(setting.key)?.as_str(), *node)))
}

/// Values that people typed, as they are kept.
pub fn checked(asked: &SettingChanges) -> Result<SettingChanges, NetworkError> {
    asked.iter().map(|(key, value)| one_checked(key.trim(), value.as_deref())).collect()
}

fn one_checked(key: &str, value: Option<&str>) -> Result<(String, Option<String>), NetworkError> {
    let Some(setting) = TillSetting::of_key(key) else {
        let keys = TillSetting::ALL.map(|setting| setting.key).join(", ");
        return Err(NetworkError::UnknownSetting { key: key.chars().take(MAX_TOLD_CHARS).collect(), keys });
    };
    let Some(text) = value.map(str::trim).filter(|text| !text.is_empty()) else {
        return Ok((setting.key.to_owned(), None));
    };
    let wrong = || {
        let (key, value) = (setting.key.to_owned(), text.chars().take(MAX_TOLD_CHARS).collect());
        match setting.form {
            SettingForm::Flag { .. } => NetworkError::SettingNoFlag { key, value },
            SettingForm::Number { least, most, .. } => NetworkError::SettingNoNumber { key, value, least, most },
        }
    };
    Ok((setting.key.to_owned(), Some(setting.parse(text).ok_or_else(wrong)?)))
}

/// Most characters that an error tells of what somebody typed.
const MAX_TOLD_CHARS: usize = 100;

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(key: &str, value: &str) -> SettingChanges {
        BTreeMap::from([(key.to_owned(), Some(value.to_owned()))])
    }

    #[test]
    fn what_a_person_types_is_judged_as_the_till_judges_its_file_and_the_error_says_what_is_allowed() {
        let kept = checked(&asked(" QueueChunkSize ", " 0100 ")).unwrap();
        assert_eq!(kept, asked("queuechunksize", "100"));
        assert_eq!(checked(&asked("contactperiod", "")).unwrap()["contactperiod"], None);
        let told = |key, value| checked(&asked(key, value)).unwrap_err().to_string();
        assert!(told("queuechunksize", "0").contains("1 to 1000000"));
        assert!(told("usequeueinupload", "yes").contains("True or False"));
        assert!(told("dept.broker.ip", "10.0.0.1").contains("queuechunksize"));
    }
}

//! Settings of tills: what counts at a node and who sets it; set there, or set no more.
//!
//! As the other use cases of nodes these need no running server.

use super::error::AppError;
use super::nodes::Nodes;
use super::rights::{Act, Place};
use crate::hints::Hint;
use crate::network::SettingChanges;
use jiff::Timestamp;
use tillway_proto::{NodeId, TillSetting};

/// A setting as it is at a node.
#[derive(Debug, Clone)]
pub struct SettingInfo {
    /// Which one.
    pub setting: TillSetting,
    /// What counts.
    pub value: String,
    /// The node that sets it and its folder name; none: nobody does, and a till's own `cash.ini`
    /// counts.
    pub set_by: Option<(NodeId, String)>,
    /// What the node itself sets.
    pub own: Option<String>,
    /// What counts where the node sets nothing.
    pub above: String,
}

impl Nodes {
    /// All settings as they are at a node.
    pub fn settings(&self, text: &str) -> Result<Vec<SettingInfo>, AppError> {
        let id = self.find(text)?;
        self.allow(Act::Read, Place::Node(&id))?;
        let network = self.network.current()?;
        let info = |here: crate::network::SettingHere<'_>| {
            let default = here.setting.default_text();
            let own = here.set.filter(|(_, node)| node.id == id).map(|(value, _)| value.to_owned());
            SettingInfo {
                setting: here.setting,
                value: here.set.map_or(default.clone(), |(value, _)| value.to_owned()),
                set_by: here.set.map(|(_, node)| (node.id.clone(), network.folder_name(node))),
                own,
                above: here.above.map_or(default, |(value, _)| value.to_owned()),
            }
        };
        Ok(network.settings_at(&id).into_iter().map(info).collect())
    }

    /// Sets settings of the tills at a node and below it. A value that is none or empty: the node
    /// sets it no more. All or nothing.
    pub fn set_settings(&self, text: &str, asked: &SettingChanges) -> Result<Vec<SettingInfo>, AppError> {
        let id = self.find(text)?;
        self.allow(Act::ChangeNodes, Place::Node(&id))?;
        self.network.set_settings(&id, asked, Timestamp::now())?;
        self.hints.give(Hint::Network);
        self.settings(id.as_str())
    }
}

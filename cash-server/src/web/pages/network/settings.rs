//! Settings of the tills at a node and below it: each with its value, who sets it, and what a till
//! says that it has; a form to set them here.

use super::super::super::act::{acted, judged};
use super::super::super::source::{self, Gathered};
use super::super::{Reader, WebState};
use crate::app::{Act, AppError};
use crate::network::{Node, SettingChanges};
use axum::Router;
use axum::extract::{DefaultBodyLimit, Form, State};
use axum::response::Response;
use axum::routing::post;
use serde::Serialize;
use std::collections::HashMap;
use tillway_proto::report::TillState;
use tillway_proto::{SettingForm, TillSetting};

/// A form with all settings.
const MAX_FORM_BYTES: usize = 16 * 1024;

pub(super) fn router() -> Router<WebState> {
    Router::new().route("/network/do/settings", post(set)).layer(DefaultBodyLimit::max(MAX_FORM_BYTES))
}

/// What a page shows of settings.
#[derive(Debug, Serialize)]
pub(in super::super) struct SettingsView {
    /// The node, as the form names it.
    pub(in super::super) node: String,
    pub(in super::super) may_set: bool,
    /// Whether it is a till, which has values of its own.
    pub(in super::super) is_till: bool,
    /// Whether its agent says what it has.
    pub(in super::super) is_told: bool,
    pub(in super::super) rows: Vec<SettingRow>,
}

/// A setting.
#[derive(Debug, Serialize)]
pub(in super::super) struct SettingRow {
    pub(in super::super) key: &'static str,
    pub(in super::super) value: String,
    /// Which node sets it; none: nobody does.
    pub(in super::super) set_by: Option<String>,
    /// What the node itself sets; empty: nothing.
    pub(in super::super) own: String,
    /// What counts where it sets nothing.
    pub(in super::super) above: String,
    /// What the till says that it has.
    pub(in super::super) on_till: Option<String>,
    /// Whether that is another than what is set.
    pub(in super::super) differs: bool,
    /// What there is to choose from; empty: a number.
    pub(in super::super) choices: &'static [&'static str],
    pub(in super::super) least: u64,
    pub(in super::super) most: u64,
}

/// Of a node; of a till with what it says.
pub(in super::super) fn of_node(
    gathered: &Gathered<'_>,
    node: &Node,
    state: Option<&TillState>,
) -> Result<Option<SettingsView>, AppError> {
    let (network, words) = (&gathered.facts.network, gathered.words);
    let told = state.and_then(|state| state.settings.as_ref());
    let settings = match gathered.app.nodes().settings(node.id.as_str()) {
        // Who sees a place only on the way to their own.
        Err(AppError::Denied(_)) => return Ok(None),
        settings => settings?,
    };
    let row = |one: crate::app::SettingInfo| {
        let setting = one.setting;
        let on_till = told.map(|told| told.get(setting.key).cloned().unwrap_or_else(|| setting.default_text()));
        let (choices, least, most) = match setting.form {
            SettingForm::Flag { .. } => (&["True", "False"][..], 0, 0),
            SettingForm::Number { least, most, .. } => (&[][..], least, most),
        };
        SettingRow {
            key: setting.key,
            set_by: one.set_by.as_ref().map(|(node, _)| source::place(network, node, words)),
            differs: one.set_by.is_some() && on_till.as_ref().is_some_and(|on_till| *on_till != one.value),
            value: one.value,
            own: one.own.unwrap_or_default(),
            above: one.above,
            on_till,
            choices,
            least,
            most,
        }
    };
    Ok(Some(SettingsView {
        node: network.folder_name(node),
        may_set: gathered.app.may(Act::ChangeNodes, &node.id),
        is_till: node.level() == tillway_proto::NodeLevel::Till,
        is_told: told.is_some(),
        rows: settings.into_iter().map(row).collect(),
    }))
}

/// A form as it was sent: of each setting what was shown and what is wanted.
#[derive(Debug, Default)]
struct Sent {
    token: String,
    node: String,
    was: HashMap<String, String>,
    wanted: HashMap<String, String>,
}

impl Sent {
    fn read(form: Vec<(String, String)>) -> Self {
        let mut sent = Self::default();
        for (name, value) in form {
            match name.split_once('.') {
                None if name == "token" => sent.token = value,
                None if name == "node" => sent.node = value,
                Some(("was", key)) => drop(sent.was.insert(key.to_owned(), value)),
                Some(("set", key)) => drop(sent.wanted.insert(key.to_owned(), value)),
                _ => {}
            }
        }
        sent
    }

    /// What the person changed: what somebody else has set since the page was shown stays.
    fn changes(&self) -> SettingChanges {
        let is_other = |(key, value): &(&String, &String)| {
            self.was.get(*key).map_or("", String::as_str).trim() != value.trim() && TillSetting::of_key(key).is_some()
        };
        let changed = self.wanted.iter().filter(is_other);
        changed.map(|(key, value)| (key.clone(), Some(value.clone()))).collect()
    }
}

async fn set(State(state): State<WebState>, reader: Reader, Form(form): Form<Vec<(String, String)>>) -> Response {
    let sent = Sent::read(form);
    if let Err(refusal) = judged(&state, &reader, &sent.token) {
        return *refusal;
    }
    acted(&state, &reader, "/network", move |app| app.nodes().set_settings(&sent.node, &sent.changes()).map(drop)).await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_a_person_changed_is_set() {
        let form = [
            ("token", "t"),
            ("node", "shop-7"),
            ("was.queuechunksize", "100"),
            ("set.queuechunksize", " 100"),
            ("was.contactperiod", ""),
            ("set.contactperiod", "30"),
            ("was.unloadperiod", "7"),
            ("set.unloadperiod", ""),
            ("set.dept.broker.ip", "10.0.0.1"),
        ];
        let sent = Sent::read(form.map(|(name, value)| (name.to_owned(), value.to_owned())).into());
        assert_eq!((sent.token.as_str(), sent.node.as_str()), ("t", "shop-7"));
        let text = |value: &str| Some(value.to_owned());
        let expected = [("contactperiod".to_owned(), text("30")), ("unloadperiod".to_owned(), text(""))];
        assert_eq!(sent.changes(), SettingChanges::from(expected));
    }
}

//! Views: addresses of pages that a user has given names, to come back to.
//!
//! They are a user's own and change nothing for anybody else, so they leave no line in the audit
//! log; they go with their user.

use super::{Login, People, PeopleError};
use serde::Serialize;

/// Most views of one user: what a page has room for above a list.
pub const MAX_VIEWS: usize = 30;

/// Longest name of a view in characters.
pub const MAX_VIEW_NAME_CHARS: usize = 60;

/// Longest address in bytes.
const MAX_VIEW_BYTES: usize = 1_000;

/// An address with a name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct View {
    /// What it is called, unlike the other views of its user.
    pub name: String,
    /// The path of the page with its query, `/…`.
    pub address: String,
}

impl People {
    /// The views of a user, by name.
    pub fn views(&self, login: &Login) -> Result<Vec<View>, PeopleError> {
        let user = self.user(login)?;
        Ok(self.store().views(user.no)?)
    }

    /// Keeps a view, in the place of one of the same name.
    pub fn save_view(&self, login: &Login, name: &str, address: &str) -> Result<View, PeopleError> {
        let (name, address) = (name.trim(), address.trim());
        let is_short = !name.is_empty() && name.chars().count() <= MAX_VIEW_NAME_CHARS;
        if !is_short || name.chars().any(char::is_control) {
            let text = name.chars().take(MAX_VIEW_NAME_CHARS).collect();
            return Err(PeopleError::NoViewName { text, max: MAX_VIEW_NAME_CHARS });
        }
        // A page of this server and of no other: whoever opens it stays here.
        let is_path = address.starts_with('/') && !address.starts_with("//") && address.len() <= MAX_VIEW_BYTES;
        if !is_path || !address.bytes().all(|byte| byte.is_ascii_graphic() && !matches!(byte, b'\\' | b'#')) {
            return Err(PeopleError::NoViewAddress { max: MAX_VIEW_BYTES });
        }
        let view = View { name: name.to_owned(), address: address.to_owned() };
        let kept = self.store().put_view(self.user(login)?.no, &view, MAX_VIEWS)?;
        kept.then_some(view).ok_or(PeopleError::TooManyViews { max: MAX_VIEWS })
    }

    /// Removes a view.
    pub fn remove_view(&self, login: &Login, name: &str) -> Result<(), PeopleError> {
        let there = self.store().remove_view(self.user(login)?.no, name)?;
        let text = name.chars().take(MAX_VIEW_NAME_CHARS).collect();
        there.then_some(()).ok_or(PeopleError::UnknownView { name: text })
    }
}

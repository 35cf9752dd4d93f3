//! What stands around each page of a service (`frame.html`): its navigation, the way to the page,
//! the switch of languages.
//!
//! A page's data has it as `frame`, beside `now`, the moment that ages are counted from.

use axum::http::Uri;
use serde::Serialize;

/// What stands around a page.
#[derive(Debug, Clone, Serialize)]
pub struct Frame {
    /// The server's name.
    pub server: String,
    /// Version of the program.
    pub version: &'static str,
    /// All that can be gone to.
    pub navigation: Vec<NavItem>,
    /// The name of the item that the page belongs to; empty: none.
    pub here: &'static str,
    /// The way to the page, which is the last one.
    pub crumbs: Vec<Crumb>,
    /// The page's address, to which a parameter can be added.
    pub base: String,
    /// Stands in every form, so that no other site can have a browser act here.
    pub token: String,
    /// Whether parts of the page renew themselves.
    pub renews: bool,
}

/// An entry of the navigation. Its words are `nav-<name>`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct NavItem {
    /// Its name.
    pub name: &'static str,
    /// Where it leads.
    pub address: &'static str,
    /// Whether a line separates it from those before.
    pub begins_group: bool,
    /// How many there are of what it leads to; 0 is not shown.
    pub count: u64,
    /// Whether they need a look.
    pub is_bad: bool,
}

impl NavItem {
    /// An entry without a count.
    pub const fn new(name: &'static str, address: &'static str) -> Self {
        Self { name, address, begins_group: false, count: 0, is_bad: false }
    }
}

/// A step of the way to a page.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Crumb {
    /// What people call it.
    pub name: String,
    /// Where it leads; none: the page itself.
    pub address: Option<String>,
}

impl Crumb {
    /// A step that leads somewhere.
    pub fn to(name: impl Into<String>, address: impl Into<String>) -> Self {
        Self { name: name.into(), address: Some(address.into()) }
    }

    /// The page itself.
    pub fn here(name: impl Into<String>) -> Self {
        Self { name: name.into(), address: None }
    }
}

/// An address without its language, to which a parameter can be added.
pub fn base_of(uri: &Uri) -> String {
    let mut base = format!("{}?", uri.path());
    let kept = uri.query().unwrap_or_default().split('&').filter(|one| !one.is_empty() && !one.starts_with("lang="));
    for parameter in kept {
        base += parameter;
        base.push('&');
    }
    base
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_other_language_of_a_page_has_the_same_filter() {
        let base = |uri: &'static str| base_of(&Uri::from_static(uri));
        assert_eq!(base("/"), "/?");
        assert_eq!(base("/things?lang=ru"), "/things?");
        assert_eq!(base("/things?state=silent&lang=ru&q=%26lang"), "/things?state=silent&q=%26lang&");
    }
}

//! The formats that are taken in. From here on everything speaks of records.

use std::fmt::Debug;
use tillway_exchangers::formats::aif;
use tillway_exchangers::records::Format;

/// Starts the name of a data file and of its flag.
pub(super) const START: &str = "pos";

/// Ends the name of a flag.
pub(super) const FLAG: &str = ".flz";

/// Which formats files and bodies may have.
#[derive(Debug, Clone)]
pub struct Formats {
    /// Of files in folders, each known by the ending of its name. There is at least one.
    files: Vec<&'static dyn Format>,
    /// Of bodies over REST.
    body: &'static dyn Format,
}

impl Default for Formats {
    /// AIF, in files and in bodies.
    fn default() -> Self {
        Self { files: vec![aif::FILE], body: aif::ARRAY }
    }
}

impl Formats {
    /// With another format of files.
    #[must_use]
    pub fn with_file(mut self, format: &'static dyn Format) -> Self {
        self.files.push(format);
        self
    }

    /// The name of a data file without its ending, in small letters, and its format; none of a
    /// file that is not read.
    pub(super) fn of_file(&self, name: &str) -> Option<(String, &'static dyn Format)> {
        let name = name.to_lowercase();
        let format = self.files.iter().find(|format| name.ends_with(format.ending()))?;
        let base = name.strip_suffix(format.ending()).filter(|base| base.starts_with(START))?;
        Some((base.to_owned(), *format))
    }

    /// The format of what was kept under this name: of a file where its ending says so, else of a
    /// body.
    pub(super) fn of_kept(&self, name: &str) -> &'static dyn Format {
        let name = name.to_lowercase();
        self.files.iter().copied().find(|format| name.ends_with(format.ending())).unwrap_or(self.body)
    }

    /// The format of bodies over REST.
    pub(super) fn body(&self) -> &'static dyn Format {
        self.body
    }

    /// The ending of a data file whose name is not known, with its point.
    pub(super) fn usual_ending(&self) -> &'static str {
        self.files.first().map_or("", |format| format.ending())
    }

    /// Whether something of this name may be a delivery.
    pub(super) fn has_ending(&self, name: &str) -> bool {
        self.files.iter().chain([&self.body]).any(|format| name.ends_with(format.ending()))
    }
}

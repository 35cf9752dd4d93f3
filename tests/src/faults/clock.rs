//! Daemons whose clock is another one, by the library `faketime` where it is installed
//! (`./dev test` installs it).
//!
//! Only the time of day is another one; what measures how long something takes stays right, as on
//! a machine whose clock somebody set.

use fs_err as fs;
use std::io;
use std::path::{Path, PathBuf};

/// Where distributions put the library for programs with threads.
const LIBRARIES: [&str; 4] = [
    "/usr/lib/x86_64-linux-gnu/faketime/libfaketimeMT.so.1",
    "/usr/lib/aarch64-linux-gnu/faketime/libfaketimeMT.so.1",
    "/usr/lib/faketime/libfaketimeMT.so.1",
    "/usr/lib64/faketime/libfaketimeMT.so.1",
];

/// A clock that is off by so much, and can be set while its daemon runs.
#[derive(Debug)]
pub struct Clock {
    library: PathBuf,
    file: PathBuf,
}

impl Clock {
    /// A clock that is right at first, kept in a file of `folder`; none where the library is not
    /// installed.
    pub fn right(folder: &Path) -> io::Result<Option<Self>> {
        let Some(library) = LIBRARIES.iter().map(PathBuf::from).find(|path| path.exists()) else { return Ok(None) };
        let clock = Self { library, file: folder.join("clock") };
        clock.set_off_by(0)?;
        Ok(Some(clock))
    }

    /// Sets it ahead by so many seconds, or behind where they are negative.
    pub fn set_off_by(&self, seconds: i64) -> io::Result<()> {
        // A rename: a daemon that looks at this moment must not see half a line.
        let new = self.file.with_extension("new");
        fs::write(&new, format!("{seconds:+}\n"))?;
        fs::rename(&new, &self.file)
    }

    /// The environment of a daemon that goes by it.
    pub fn environment(&self) -> Vec<(String, String)> {
        [
            ("LD_PRELOAD", self.library.display().to_string()),
            ("FAKETIME_TIMESTAMP_FILE", self.file.display().to_string()),
            ("FAKETIME_NO_CACHE", "1".to_owned()),
            ("FAKETIME_DONT_FAKE_MONOTONIC", "1".to_owned()),
            ("NO_FAKE_STAT", "1".to_owned()),
        ]
        .map(|(name, value)| (name.to_owned(), value))
        .into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::process::Command;

    #[test]
    fn a_program_goes_by_the_clock_it_is_given() {
        let folder = tempfile::tempdir().unwrap();
        let Some(clock) = Clock::right(folder.path()).unwrap() else { return };
        let seconds = |environment: Vec<(String, String)>| {
            let output = Command::new("date").arg("+%s").envs(environment).output().unwrap();
            String::from_utf8(output.stdout).unwrap().trim().parse::<i64>().unwrap()
        };
        clock.set_off_by(-7_200).unwrap();
        let behind = seconds(Vec::new()) - seconds(clock.environment());
        assert!((7_190..=7_201).contains(&behind), "{behind}");
    }
}

//! Where a benchmark ran.

use fs_err as fs;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;
use std::thread;

/// The machine, as far as it bears on figures.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Machine {
    /// The processor's name.
    pub processor: String,
    /// How many there are.
    pub processors: usize,
    /// Bytes of memory.
    pub memory_bytes: u64,
    /// Kernel.
    pub kernel: String,
    /// The file system of the folder that everything ran in.
    pub file_system: String,
    /// How it was built.
    pub build: String,
    /// Versions of what ours is compared with.
    pub versions: BTreeMap<String, String>,
}

impl Machine {
    /// This one, with the file system of `folder`.
    pub fn describe(folder: &Path) -> Self {
        let of = |path: &str, name: &str| {
            let text = fs::read_to_string(path).unwrap_or_default();
            let line = text.lines().find(|line| line.starts_with(name));
            line.and_then(|line| line.split_once(':')).map(|(_, value)| value.trim().to_owned()).unwrap_or_default()
        };
        let memory = of("/proc/meminfo", "MemTotal");
        let kib: u64 = memory.split(' ').next().and_then(|number| number.parse().ok()).unwrap_or(0);
        let folder = folder.display().to_string();
        Self {
            processor: of("/proc/cpuinfo", "model name"),
            processors: thread::available_parallelism().map_or(0, usize::from),
            memory_bytes: kib * 1024,
            kernel: first_line("uname", &["-sr"]).unwrap_or_default(),
            file_system: first_line("stat", &["-f", "-c", "%T", &folder]).unwrap_or_default(),
            build: if cfg!(debug_assertions) { "debug" } else { "release" }.to_owned(),
            versions: BTreeMap::new(),
        }
    }
}

/// The first line that a program prints; none where it is not there or fails.
pub fn first_line(program: &str, arguments: &[&str]) -> Option<String> {
    let output = Command::new(program).args(arguments).output().ok()?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let line = text.lines().next().map(str::trim).unwrap_or_default().to_owned();
    (output.status.success() && !line.is_empty()).then_some(line)
}

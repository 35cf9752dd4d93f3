//! Programs that ours is compared with.

pub mod mariadb;
pub mod sqlite;
pub mod tables;

use super::machine::first_line;
use std::collections::BTreeMap;

/// Each with what prints its version.
const PROGRAMS: [(&str, &str, &[&str]); 8] = [
    ("sqlite3", "sqlite3", &["--version"]),
    ("sqldiff", "sqldiff", &["--version"]),
    (
        "python3",
        "python3",
        &["-c", "import sys, sqlite3; print(sys.version.split()[0], 'sqlite', sqlite3.sqlite_version)"],
    ),
    ("MariaDB", "mariadbd", &["--version"]),
    ("rsync", "rsync", &["--version"]),
    ("zstd", "zstd", &["--version"]),
    ("xz", "xz", &["--version"]),
    ("Erlang (RabbitMQ)", "dpkg-query", &["-W", "-f", "${Version}", "rabbitmq-server"]),
];

/// Whether a program is there.
pub fn is_there(program: &str) -> bool {
    std::env::var_os("PATH")
        .is_some_and(|path| std::env::split_paths(&path).any(|folder| folder.join(program).is_file()))
}

/// What is there, with its version.
pub fn versions() -> BTreeMap<String, String> {
    let told = PROGRAMS.iter().filter(|(_, program, _)| is_there(program)).filter_map(|(name, program, arguments)| {
        first_line(program, arguments).map(|version| ((*name).to_owned(), version))
    });
    let bundled = ("SQLite in ours".to_owned(), rusqlite::version().to_owned());
    told.chain([bundled]).collect()
}

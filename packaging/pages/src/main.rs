//! Writes man pages and completions of our commands into a folder, made from the definitions that
//! the commands themselves read their arguments by: `man/`, `bash/`, `zsh/`, `fish/`.
//!
//! A program of its own, so that the daemons need not carry what only their packages use.

use clap::{Command, CommandFactory as _, Parser};
use clap_complete::Shell;
use fs_err as fs;
use std::io;
use std::path::{Path, PathBuf};

/// Write man pages and completions
#[derive(Debug, Parser)]
struct Arguments {
    /// Where to
    folder: PathBuf,
}

fn main() -> io::Result<()> {
    let Arguments { folder } = Arguments::parse();
    let commands = [
        tillway_cash_server::cli::Arguments::command(),
        tillway_sync_agent::cli::Cli::command(),
        tillway_file_queue::cli::Arguments::command(),
    ];
    commands.into_iter().try_for_each(|command| write(command, &folder))
}

fn write(command: Command, folder: &Path) -> io::Result<()> {
    // `help <command>` says what `<command> --help` says.
    let mut command = command.disable_help_subcommand(true);
    let name = command.get_name().to_owned();
    for (shell, place) in [(Shell::Bash, "bash"), (Shell::Zsh, "zsh"), (Shell::Fish, "fish")] {
        let place = folder.join(place);
        fs::create_dir_all(&place)?;
        let file = clap_complete::generate_to(shell, &mut command, &name, &place)?;
        if shell == Shell::Bash {
            // bash looks for a file with the name of the command.
            fs::rename(file, place.join(&name))?;
        }
    }
    let man = folder.join("man");
    fs::create_dir_all(&man)?;
    clap_mangen::generate_to(command, man)
}

//! The users that `setup` makes at the broker of this machine, by `rabbitmqctl`.

use std::io::{self, Write as _};
use std::path::PathBuf;
use std::process::{Command, Stdio};

/// Whom the broker lets in after its installation, with a password that everybody knows.
const GUEST: &str = "guest";

/// A user of the broker.
pub(super) struct BrokerUser<'a> {
    pub(super) name: &'a str,
    pub(super) password: String,
    /// What it may configure, write and read, as regular expressions.
    pub(super) rights: [&'static str; 3],
}

/// Why the broker was not set up.
#[derive(Debug, thiserror::Error)]
pub enum RabbitError {
    /// The program is not there.
    #[error("failed to run {}", program.display())]
    Run {
        /// The program.
        program: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// It said no.
    #[error("rabbitmqctl {command}: {said}")]
    Refused {
        /// What was asked.
        command: String,
        /// What it said.
        said: String,
    },
}

/// The broker of this machine.
pub(super) struct Rabbit {
    program: PathBuf,
    /// What stands before each command.
    first: Vec<String>,
}

impl Rabbit {
    pub(super) fn of_this_machine() -> Self {
        Self { program: PathBuf::from("rabbitmqctl"), first: vec!["--quiet".to_owned()] }
    }

    /// Makes the users where they are not there, with these passwords and rights in a virtual
    /// host, and removes the one that everybody knows.
    pub(super) fn set_up(&self, vhost: &str, users: &[BrokerUser<'_>]) -> Result<(), RabbitError> {
        let listed = self.run(&["list_users"], "")?;
        let present: Vec<&str> = listed.lines().filter_map(|line| line.split_whitespace().next()).collect();
        for user in users {
            let command = if present.contains(&user.name) { "change_password" } else { "add_user" };
            // From its input: arguments are seen by everybody on this machine.
            self.run(&[command, user.name], &user.password)?;
            let [configure, write, read] = user.rights;
            self.run(&["set_permissions", "-p", vhost, user.name, configure, write, read], "")?;
        }
        if present.contains(&GUEST) {
            self.run(&["delete_user", GUEST], "")?;
        }
        Ok(())
    }

    fn run(&self, arguments: &[&str], input: &str) -> Result<String, RabbitError> {
        let failed = |source| RabbitError::Run { program: self.program.clone(), source };
        let mut command = Command::new(&self.program);
        command.args(&self.first).args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().map_err(failed)?;
        if let Some(mut pipe) = child.stdin.take() {
            // One that does not read it says by its end why.
            let _ = writeln!(pipe, "{input}");
        }
        let ended = child.wait_with_output().map_err(failed)?;
        if ended.status.success() {
            return Ok(String::from_utf8_lossy(&ended.stdout).into_owned());
        }
        let said = [ended.stdout, ended.stderr].map(|text| String::from_utf8_lossy(&text).trim().to_owned()).concat();
        Err(RabbitError::Refused { command: arguments.join(" "), said })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use fs_err as fs;

    /// In place of the broker, a script. Through the shell: a file that was just written cannot be
    /// executed while another test forks.
    fn script(text: &str) -> Rabbit {
        Rabbit { program: PathBuf::from("/bin/sh"), first: ["-c", text, "sh"].map(str::to_owned).to_vec() }
    }

    #[test]
    fn users_are_made_or_get_their_password_and_guest_goes() {
        let folder = tempfile::tempdir().unwrap();
        let users = [
            BrokerUser { name: "tillway", password: "secret".to_owned(), rights: [".*"; 3] },
            BrokerUser { name: "tills", password: "other".to_owned(), rights: ["^$", "w", "r"] },
        ];
        let notes = folder.path().join("notes");
        let noting = format!(
            "read -r input; echo \"$*|$input\" >>{}; \
             [ $1 != list_users ] || printf 'guest\\t[administrator]\\ntills\\t[]\\n'",
            notes.display()
        );
        script(&noting).set_up("/", &users).unwrap();
        let notes = fs::read_to_string(notes).unwrap();
        let expected = "list_users|\nadd_user tillway|secret\nset_permissions -p / tillway .* .* .*|\n\
            change_password tills|other\nset_permissions -p / tills ^$ w r|\ndelete_user guest|\n";
        assert_eq!(notes, expected);
    }

    #[test]
    fn a_broker_that_says_no_is_told_in_its_words() {
        let rabbit = script("echo no node >&2; exit 69");
        let error = rabbit.set_up("/", &[]).unwrap_err().to_string();
        assert_eq!(error, "rabbitmqctl list_users: no node");
    }
}

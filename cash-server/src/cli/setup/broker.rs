//! What the broker of this machine needs: its management interface for this machine alone, TLS for
//! tills, the server's user, and nobody whose password everybody knows. By `rabbitmqctl` and
//! `rabbitmq-plugins`, or told for a person to type.
//!
//! The broker's plain port is left to this machine, where the server speaks with it. It stays open
//! only where tills may come in by it already: where this was done before there was TLS.

use fs_err as fs;
use std::fmt::{self, Write as _};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use tillway_file_queue::durable;

/// Whom the broker lets in after its installation, with a password that everybody knows.
const GUEST: &str = "guest";

/// The plugin through which the server makes logins of tills.
const MANAGEMENT: &str = "rabbitmq_management";

/// Read by the broker at its start, beside what people wrote.
const CONFIGURATION: &str = "/etc/rabbitmq/conf.d/50-tillway.conf";

/// Its content begins so: whoever manages the broker is on this machine.
const ON_THIS_MACHINE: &str = "# Made by `cash-server setup`.\nmanagement.tcp.ip = 127.0.0.1\n";

/// The key of the plain port, with this machine's address.
const PLAIN_HERE: &str = "listeners.tcp.default = 127.0.0.1:";

/// The group by which the broker reads its pair.
const GROUP: &str = "rabbitmq";

/// Of the folder of the pair: its files belong to its group.
const PAIR_DIR_MODE: &str = "2750";

/// The broker's service.
const SERVICE: &str = "rabbitmq-server.service";

/// A user of the broker.
pub(super) struct BrokerUser<'a> {
    pub(super) name: &'a str,
    pub(super) password: String,
    /// Whether it may make users.
    pub(super) administrator: bool,
    /// What it may configure, write and read, as regular expressions.
    pub(super) rights: [&'static str; 3],
}

/// TLS for tills.
pub(super) struct TillTls<'a> {
    /// Its port.
    pub(super) port: u16,
    /// The folder of the pair that the server makes.
    pub(super) pair_dir: &'a Path,
    /// Whom that folder belongs to: who runs the server.
    pub(super) owner: String,
    /// The plain port, by which the server comes in.
    pub(super) plain_port: u16,
    /// Whether other machines may come in by it.
    pub(super) plain_is_open: bool,
}

impl TillTls<'_> {
    fn make_folder(&self) -> Step {
        let folder = self.pair_dir.display().to_string();
        Step::new("install", &["-d", "-m", PAIR_DIR_MODE, "-o", &self.owner, "-g", GROUP, &folder])
    }
}

/// Whether other machines may come in without TLS after this: nobody's tills are locked out who
/// did not ask for it.
pub(super) fn plain_stays_open(close: bool) -> bool {
    !close && plain_is_open(fs::read_to_string(CONFIGURATION).ok().as_deref())
}

/// What was written before there was TLS left the port as it was.
fn plain_is_open(before: Option<&str>) -> bool {
    before.is_some_and(|text| !text.contains(PLAIN_HERE))
}

/// What the broker reads at its start.
fn configuration(tls: Option<&TillTls<'_>>) -> String {
    let mut text = ON_THIS_MACHINE.to_owned();
    let Some(TillTls { port, pair_dir, plain_port, plain_is_open, .. }) = tls else { return text };
    if !plain_is_open {
        let _ = writeln!(text, "{PLAIN_HERE}{plain_port}");
    }
    let _ = write!(
        text,
        "listeners.ssl.default = {port}\n\
         ssl_options.certfile = {}\n\
         ssl_options.keyfile = {}\n\
         ssl_options.verify = verify_none\n\
         ssl_options.fail_if_no_peer_cert = false\n\
         ssl_options.versions.1 = tlsv1.3\n\
         ssl_options.versions.2 = tlsv1.2\n",
        pair_dir.join("broker.pem").display(),
        pair_dir.join("broker.key").display(),
    );
    text
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
    #[error("{command}: {said}")]
    Refused {
        /// What was asked.
        command: String,
        /// What it said.
        said: String,
    },
    /// Its configuration.
    #[error("failed to write {CONFIGURATION}")]
    Configuration(#[source] io::Error),
}

/// One command.
#[derive(Debug, PartialEq, Eq)]
struct Step {
    program: &'static str,
    arguments: Vec<String>,
    /// What it reads: arguments are seen by everybody on this machine.
    input: Option<String>,
}

impl Step {
    fn new(program: &'static str, arguments: &[&str]) -> Self {
        Self { program, arguments: arguments.iter().map(|argument| (*argument).to_owned()).collect(), input: None }
    }

    fn ctl(arguments: &[&str]) -> Self {
        Self::new("rabbitmqctl", arguments)
    }
}

/// As a person types it, without what it reads.
impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.program)?;
        for argument in &self.arguments {
            let plain = argument.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_./".contains(&byte));
            if plain { write!(f, " {argument}")? } else { write!(f, " '{argument}'")? }
        }
        Ok(())
    }
}

/// What to do, where the broker has these users. Each may be done again.
fn steps(vhost: &str, users: &[BrokerUser<'_>], present: &[&str]) -> Vec<Step> {
    let mut steps = vec![Step::new("rabbitmq-plugins", &["enable", MANAGEMENT])];
    for user in users {
        let command = if present.contains(&user.name) { "change_password" } else { "add_user" };
        steps.push(Step { input: Some(user.password.clone()), ..Step::ctl(&[command, user.name]) });
        if user.administrator {
            steps.push(Step::ctl(&["set_user_tags", user.name, "administrator"]));
        }
        let [configure, write, read] = user.rights;
        steps.push(Step::ctl(&["set_permissions", "-p", vhost, user.name, configure, write, read]));
    }
    if present.contains(&GUEST) {
        steps.push(Step::ctl(&["delete_user", GUEST]));
    }
    steps
}

/// All of it for a person, who has the passwords from their files.
pub(super) fn told(vhost: &str, users: &[BrokerUser<'_>], tls: Option<&TillTls<'_>>) -> String {
    let mut told = String::new();
    if let Some(tls) = tls {
        // The server puts its pair there at its start.
        let _ = writeln!(told, "{}\nsystemctl restart {}", tls.make_folder(), super::SERVICE);
    }
    let text = configuration(tls);
    let _ = writeln!(told, "printf '%s' '{text}' >{CONFIGURATION}\nsystemctl restart {SERVICE}");
    for step in steps(vhost, users, &[GUEST]) {
        let _ = writeln!(told, "{step}");
    }
    told
}

/// The broker of this machine.
pub(super) struct Rabbit {
    /// In place of its programs; none: those on the path.
    through: Option<Vec<String>>,
}

impl Rabbit {
    pub(super) fn of_this_machine() -> Self {
        Self { through: None }
    }

    /// Makes the folder of the pair.
    pub(super) fn make_pair_dir(&self, tls: &TillTls<'_>) -> Result<(), RabbitError> {
        self.run(&tls.make_folder()).map(drop)
    }

    /// Has its management interface listen on this machine alone, and its tills speak TLS. The
    /// broker reads that at its start, so it is started anew where this is new; `restarts`:
    /// systemd is there to do that.
    pub(super) fn configure(&self, tls: Option<&TillTls<'_>>, restarts: bool) -> Result<(), RabbitError> {
        let (path, wanted) = (Path::new(CONFIGURATION), configuration(tls));
        if fs::read_to_string(path).is_ok_and(|text| text == wanted) {
            return Ok(());
        }
        let written = path.parent().map_or(Ok(()), fs::create_dir_all).and_then(|()| {
            durable::write_atomic(path, wanted.as_bytes())?;
            // It is the broker that reads it.
            fs::set_permissions(path, std::os::unix::fs::PermissionsExt::from_mode(0o644))
        });
        written.map_err(RabbitError::Configuration)?;
        if restarts { self.run(&Step::new("systemctl", &["restart", SERVICE])).map(drop) } else { Ok(()) }
    }

    /// Makes the users where they are not there, with these passwords and rights in a virtual
    /// host, and removes the one that everybody knows.
    pub(super) fn set_up(&self, vhost: &str, users: &[BrokerUser<'_>]) -> Result<(), RabbitError> {
        let listed = self.run(&Step::ctl(&["--quiet", "list_users"]))?;
        let present: Vec<&str> = listed.lines().filter_map(|line| line.split_whitespace().next()).collect();
        for step in steps(vhost, users, &present) {
            self.run(&step)?;
        }
        Ok(())
    }

    fn run(&self, step: &Step) -> Result<String, RabbitError> {
        let mut words = self.through.iter().flatten().map(String::as_str).chain([step.program]);
        let program = PathBuf::from(words.next().unwrap_or(step.program));
        let failed = |source| RabbitError::Run { program: program.clone(), source };
        let mut command = Command::new(&program);
        command.args(words).args(&step.arguments);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().map_err(failed)?;
        if let (Some(mut pipe), Some(input)) = (child.stdin.take(), &step.input) {
            // One that does not read it says by its end why.
            let _ = writeln!(pipe, "{input}");
        }
        let ended = child.wait_with_output().map_err(failed)?;
        if ended.status.success() {
            return Ok(String::from_utf8_lossy(&ended.stdout).into_owned());
        }
        let said = [ended.stdout, ended.stderr].map(|text| String::from_utf8_lossy(&text).trim().to_owned()).concat();
        Err(RabbitError::Refused { command: step.to_string(), said })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// In place of the broker, a script. Through the shell: a file that was just written cannot be
    /// executed while another test forks.
    fn script(text: &str) -> Rabbit {
        Rabbit { through: Some(["/bin/sh", "-c", text, "sh"].map(str::to_owned).to_vec()) }
    }

    fn users() -> [BrokerUser<'static>; 2] {
        let user = |name, password: &str, administrator, rights| BrokerUser {
            name,
            password: password.to_owned(),
            administrator,
            rights,
        };
        [user("tillway", "secret", true, [".*"; 3]), user("tills", "other", false, ["^$", "w", "r"])]
    }

    fn tls(plain_is_open: bool) -> TillTls<'static> {
        let pair_dir = Path::new("/var/lib/tillway/broker-tls");
        TillTls { port: 5671, pair_dir, owner: "tillway".to_owned(), plain_port: 5672, plain_is_open }
    }

    #[test]
    fn tills_come_in_over_tls_and_the_plain_port_is_for_this_machine_unless_tills_were_there_before() {
        let text = configuration(Some(&tls(false)));
        for line in [
            "management.tcp.ip = 127.0.0.1",
            "listeners.tcp.default = 127.0.0.1:5672",
            "listeners.ssl.default = 5671",
            "ssl_options.certfile = /var/lib/tillway/broker-tls/broker.pem",
            "ssl_options.keyfile = /var/lib/tillway/broker-tls/broker.key",
        ] {
            assert!(text.lines().any(|there| there == line), "{line}: {text}");
        }
        assert!(!configuration(Some(&tls(true))).contains("listeners.tcp"), "as people set it");
        assert_eq!(configuration(None), ON_THIS_MACHINE);
        // Nobody was here before; or somebody before there was TLS; or this was done already.
        let opened = configuration(Some(&tls(true)));
        let before = [None, Some(ON_THIS_MACHINE), Some(opened.as_str()), Some(text.as_str())];
        assert_eq!(before.map(plain_is_open), [false, true, true, false]);
        let folder = "install -d -m 2750 -o tillway -g rabbitmq /var/lib/tillway/broker-tls";
        assert_eq!(tls(false).make_folder().to_string(), folder);
    }

    #[test]
    fn users_are_made_or_get_their_password_and_guest_goes() {
        let folder = tempfile::tempdir().unwrap();
        let notes = folder.path().join("notes");
        let noting = format!(
            "read -r input; echo \"$*|$input\" >>{}; \
             case \"$*\" in *list_users) printf 'guest\\t[administrator]\\ntills\\t[]\\n';; esac",
            notes.display()
        );
        script(&noting).set_up("/", &users()).unwrap();
        let notes = fs::read_to_string(notes).unwrap();
        let expected = "rabbitmqctl --quiet list_users|\nrabbitmq-plugins enable rabbitmq_management|\n\
            rabbitmqctl add_user tillway|secret\nrabbitmqctl set_user_tags tillway administrator|\n\
            rabbitmqctl set_permissions -p / tillway .* .* .*|\nrabbitmqctl change_password tills|other\n\
            rabbitmqctl set_permissions -p / tills ^$ w r|\nrabbitmqctl delete_user guest|\n";
        assert_eq!(notes, expected);
    }

    #[test]
    fn what_a_person_types_has_no_password_and_reads_as_a_shell_does() {
        let told = told("/", &users(), Some(&tls(false)));
        assert!(!told.contains("secret") && !told.contains("other"), "{told}");
        assert!(told.contains("\nrabbitmqctl set_permissions -p / tillway '.*' '.*' '.*'\n"), "{told}");
        let syntax = Command::new("/bin/sh").args(["-n", "-c", &told]).status().unwrap();
        assert!(syntax.success(), "{told}");
    }

    #[test]
    fn a_broker_that_says_no_is_told_in_its_words() {
        let error = script("echo no node >&2; exit 69").set_up("/", &[]).unwrap_err().to_string();
        assert_eq!(error, "rabbitmqctl --quiet list_users: no node");
    }
}

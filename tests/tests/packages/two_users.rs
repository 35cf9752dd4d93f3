//! A POS under another user shares the till's two databases with the agent, through one group, as
//! the package lays the folder out; in whichever order they start, stop or are killed.

use crate::{is_there, of_project, skipped};
use fs_err as fs;
use std::fs::Permissions;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::Duration;
use tempfile::TempDir;
use tillway_tests::binaries::{SYNC_AGENT, binary};
use tillway_tests::wait::{Seen, wait_for};

// Numbers that no user of this machine has.
const AGENT: u32 = 61_801;
const POS: u32 = 61_802;
const STRANGER: u32 = 61_803;
/// The group `tillway-pos`.
const SHARED: u32 = 61_804;

const SOON: Duration = Duration::from_secs(30);

/// A till's folders in a folder of their own.
struct TillFolders {
    root: TempDir,
}

impl TillFolders {
    fn lay_out() -> Self {
        let root = tempfile::tempdir().unwrap();
        let at = |path: &str| root.path().join(path);
        fs::set_permissions(root.path(), Permissions::from_mode(0o755)).unwrap();
        fs::create_dir_all(at("etc")).unwrap();
        let users = format!(
            "root:x:0:0::/root:/bin/sh\ntillway-agent:x:{AGENT}:{AGENT}::/:/bin/sh\npos:x:{POS}:{POS}::/:/bin/sh\n"
        );
        fs::write(at("etc/passwd"), users).unwrap();
        let groups = format!("root:x:0:\ntillway-agent:x:{AGENT}:\npos:x:{POS}:\ntillway-pos:x:{SHARED}:pos\n");
        fs::write(at("etc/group"), groups).unwrap();
        // Wherever the build lies, these users may not enter there.
        fs::copy(binary(SYNC_AGENT).unwrap(), at("sync-agent")).unwrap();
        let this = Self { root };
        let declared = of_project("packaging/sync-agent/sysusers.d/tillway-sync-agent.conf");
        this.as_root("systemd-sysusers", &[&declared]);
        let groups = fs::read_to_string(this.root.path().join("etc/group")).unwrap();
        assert!(groups.contains(&format!("tillway-pos:x:{SHARED}:pos,tillway-agent")), "{groups}");
        this.put_right();
        let settings = "[Properties]\ncash.code=_cash_1_00ab34ef\ndept.broker.ip=127.0.0.1\ndept.broker.port=1\n";
        fs::write(this.at("linuxcash/cash/sync/properties/cash.ini"), settings).unwrap();
        this.put_right();
        this
    }

    /// What the service does before each start.
    fn put_right(&self) {
        let declared = of_project("packaging/sync-agent/tmpfiles.d/tillway-sync-agent.conf");
        self.as_root("systemd-tmpfiles", &[Path::new("--create"), &declared]);
    }

    fn as_root(&self, program: &str, arguments: &[&Path]) {
        let ran = Command::new(program).arg("--root").arg(self.root.path()).args(arguments).output().unwrap();
        assert!(ran.status.success(), "{program}: {}", String::from_utf8_lossy(&ran.stderr));
    }

    fn at(&self, path: &str) -> PathBuf {
        self.root.path().join(path)
    }

    fn database(&self, name: &str) -> PathBuf {
        self.at("linuxcash/cash/data").join(name)
    }

    /// A command as a user, who is in the shared group or in none but its own, with this umask.
    fn by(&self, user: u32, umask: &str, program: &Path) -> Command {
        let mut command = Command::new("setpriv");
        command.arg(format!("--reuid={user}")).arg(format!("--regid={user}"));
        command.arg(if user == STRANGER { "--clear-groups".to_owned() } else { format!("--groups={SHARED}") });
        command.args(["sh", "-c", &format!("umask {umask} && exec \"$@\""), "sh"]).arg(program);
        command.current_dir(self.root.path());
        command
    }

    fn agent(&self, arguments: &[&str]) -> Command {
        let mut command = self.by(AGENT, "007", &self.at("sync-agent"));
        command.arg("--root").arg(self.root.path()).args(arguments);
        command
    }

    /// SQL of the POS, or of another user, on a database.
    fn sql(&self, user: u32, database: &str, text: &str) -> Output {
        let mut command = self.by(user, "022", Path::new("/usr/bin/sqlite3"));
        command.args(["-bail", "-batch"]).arg(self.database(database)).arg(text).output().unwrap()
    }

    fn pos(&self, database: &str, text: &str) -> String {
        said(self.sql(POS, database, text))
    }

    /// Starts the agent and waits until it answers.
    fn start_agent(&self) -> Agent {
        let mut command = self.agent(&["run"]);
        let agent = Agent(command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap());
        let socket = self.at("linuxcash/cash/data/sync/agent.sock");
        wait_for("the agent to listen", SOON, || Seen::when(socket.exists(), (), "no socket")).unwrap();
        agent
    }

    /// The agent reads the documents and writes the dictionary.
    fn agent_works(&self) {
        said(self.agent(&["verify"]).output().unwrap());
        let status = self.status();
        assert!(!status.contains("documents.db"), "{status}");
    }

    fn status(&self) -> String {
        said(self.agent(&["status"]).output().unwrap())
    }

    /// The POS reads the dictionary and writes a document.
    fn pos_works(&self) {
        self.pos("dictionaries.db", "SELECT count(*) FROM tmc");
        self.pos("documents.db", "INSERT INTO tried DEFAULT VALUES");
    }
}

/// A running agent; it is ended with this.
struct Agent(Child);

impl Agent {
    fn stop(mut self) {
        Command::new("kill").arg("-TERM").arg(self.0.id().to_string()).status().unwrap();
        self.0.wait().unwrap();
    }
}

impl Drop for Agent {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn said(ran: Output) -> String {
    let errors = String::from_utf8_lossy(&ran.stderr);
    assert!(ran.status.success(), "{}: {errors}", ran.status);
    String::from_utf8(ran.stdout).unwrap()
}

/// Leaves a database as a program does that is killed while it has it open: with its log.
fn killed_in_the_middle(folders: &TillFolders, user: u32, database: &str) {
    let text = format!("BEGIN IMMEDIATE; CREATE TABLE killed_{user} (id); COMMIT;\n.shell kill -9 $PPID\n");
    let mut command = folders.by(user, "022", Path::new("/usr/bin/sqlite3"));
    let mut child = command.arg("-batch").arg(folders.database(database)).stdin(Stdio::piped()).spawn().unwrap();
    std::io::Write::write_all(child.stdin.as_mut().unwrap(), text.as_bytes()).unwrap();
    assert!(!child.wait().unwrap().success());
    let log = folders.database(&format!("{database}-wal"));
    let log = fs::metadata(&log).unwrap_or_else(|error| panic!("nothing was left: {error}"));
    assert_eq!((log.uid(), log.gid(), log.mode() & 0o777), (user, SHARED, 0o660));
}

#[test]
fn agent_and_pos_share_both_databases_and_nothing_else() {
    let test = "agent_and_pos_share_both_databases_and_nothing_else";
    if !is_root() {
        return skipped(test, "only root can be two other users");
    }
    for program in ["setpriv", "systemd-sysusers", "systemd-tmpfiles", "sqlite3"] {
        if !is_there(program) {
            return skipped(test, &format!("there is no {program}"));
        }
    }
    let folders = TillFolders::lay_out();

    // The POS is first.
    let schema = fs::read_to_string(of_project("exchangers/src/till/documents/schema.sql")).unwrap();
    let schema =
        format!("PRAGMA journal_mode = WAL; BEGIN; {schema}; CREATE TABLE tried (id INTEGER PRIMARY KEY); COMMIT;");
    folders.pos("documents.db", &schema);
    folders.pos("dictionaries.db", "SELECT count(*) FROM sqlite_schema");
    let agent = folders.start_agent();
    folders.agent_works();
    folders.pos_works();

    // The POS goes on alone, is killed, and what it has left is the agent's to use.
    agent.stop();
    folders.pos_works();
    killed_in_the_middle(&folders, POS, "documents.db");
    killed_in_the_middle(&folders, POS, "dictionaries.db");
    let agent = folders.start_agent();
    folders.agent_works();
    folders.pos_works();

    // The agent is killed.
    drop(agent);
    folders.pos_works();
    killed_in_the_middle(&folders, AGENT, "dictionaries.db");
    folders.pos_works();
    let agent = folders.start_agent();
    folders.agent_works();

    // Nothing else, and nobody else.
    for path in ["data/sync", "data/queues", "sync/properties", "sync/properties/cash.ini", "sync/backup"] {
        let mut look = folders.by(POS, "022", Path::new("/bin/ls"));
        assert!(
            !look.arg("-A").arg(folders.at("linuxcash/cash").join(path).join(".")).output().unwrap().status.success()
        );
        let mut read = folders.by(POS, "022", Path::new("/bin/cat"));
        assert!(!read.arg(folders.at("linuxcash/cash").join(path)).output().unwrap().status.success(), "{path}");
    }
    for database in ["documents.db", "dictionaries.db"] {
        assert!(!folders.sql(STRANGER, database, "SELECT 1 FROM sqlite_schema").status.success(), "{database}");
    }

    // A POS that makes its database anew makes it for itself alone. The agent must not leave
    // beside it what the POS could not write.
    for name in ["documents.db", "documents.db-wal", "documents.db-shm"] {
        let _ = fs::remove_file(folders.database(name));
    }
    folders.pos("documents.db", &schema);
    let status = folders.status();
    assert!(status.contains("belongs to another user"), "{status}");
    assert!(!folders.database("documents.db-shm").exists());
    folders.pos_works();
    folders.put_right();
    folders.agent_works();
    folders.pos_works();
    agent.stop();
}

fn is_root() -> bool {
    fs::metadata("/proc/self").is_ok_and(|process| process.uid() == 0)
}

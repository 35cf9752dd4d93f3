//! What can be typed: the commands with their options. Doc comments are the help that a person
//! reads in a terminal, and the man page.

use super::{
    AttachCodeCommand, BackupCommand, GoodsCommand, KeyCommand, PlaceArgs, ReportCommand, SalesCommand, SetupArgs,
    UserCommand,
};
use clap::{Args, Parser, Subcommand};
use std::path::PathBuf;

/// Takes dictionaries from the back office to tills, and sales from tills.
#[derive(Debug, Parser)]
#[command(
    name = "cash-server",
    version,
    after_help = "Exit codes: 0 done; 1 failed, for some of what was named too, or nothing was done for want of --yes; 2 wrong command \
                  line; 3 faults in the settings; 4 the server does not answer."
)]
pub struct Arguments {
    /// The settings file; by default /etc/tillway/cash-server.toml where it is there.
    #[arg(long, short, global = true, env = "TILLWAY_SETTINGS", value_name = "FILE")]
    pub settings: Option<PathBuf>,
    /// Answer as JSON.
    #[arg(long, global = true)]
    pub json: bool,
    /// What to do; by default `run`.
    #[command(subcommand)]
    pub command: Option<Command>,
}

/// What can be done.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Run the server.
    Run {
        /// Leave the sales-loader to a process of its own.
        #[arg(long)]
        without_sales: bool,
    },
    /// Run the sales-loader alone, beside `run --without-sales`.
    SalesLoader,
    /// Check the settings and what they name; lists every fault.
    Check {
        /// Also ask the broker and the ports, and tell which addresses tills get
        #[arg(long)]
        online: bool,
        /// Tell only what keeps the server from starting
        #[arg(long, conflicts_with = "online")]
        start: bool,
    },
    /// From the installed package to a page with its administrator: settings, users of the broker
    /// of this machine, addresses. Asks for what the options do not say. For root; may be
    /// repeated.
    Setup(SetupArgs),
    /// The broker of this machine.
    #[command(subcommand)]
    Broker(BrokerCommand),
    /// Print the commented default settings.
    Settings,
    /// The network: chain, groups, shops, tills. Works with and without a running server.
    #[command(subcommand, visible_alias = "network")]
    Node(NodeCommand),
    /// Codes by which tills are attached: `sync-agent attach` on the till takes one. Works with
    /// and without a running server.
    #[command(subcommand)]
    AttachCode(AttachCodeCommand),
    /// One till.
    #[command(subcommand)]
    Till(TillCommand),
    /// How every till stands. Asks the running server.
    Tills,
    /// Do one thing with many tills: first it is told what would become of each, and with --yes it
    /// is done. Asks the running server.
    Bulk(BulkArgs),
    /// Packages on their way. Asks the running server.
    Deliveries(Listed),
    /// Commands to tills and what became of them. Asks the running server.
    Commands(Listed),
    /// Loads and their reports; yes or no to loads that are held. Asks the running server.
    #[command(args_conflicts_with_subcommands = true)]
    Loads {
        /// The report of this load.
        load: Option<i64>,
        /// What to do with one.
        #[command(subcommand)]
        command: Option<LoadsCommand>,
    },
    /// What goods cost where, and how that came about. Asks the running server.
    #[command(subcommand)]
    Goods(GoodsCommand),
    /// Shifts, receipts and totals. Asks the running server.
    #[command(subcommand)]
    Sales(SalesCommand),
    /// Ask a till for sales, or all tills of a shop or group; without dates for what is missing.
    /// Asks the running server.
    Unload {
        /// Id, till-<shop>-<code>, shop-<code>, group-<code> or All.
        till: String,
        /// From this local time on: YYYY-MM-DDTHH:MM:SS.
        #[arg(long, conflicts_with_all = ["from", "to"])]
        since: Option<jiff::civil::DateTime>,
        /// From this local day on: YYYY-MM-DD.
        #[arg(long)]
        from: Option<jiff::civil::Date>,
        /// To this local day, included.
        #[arg(long, requires = "from")]
        to: Option<jiff::civil::Date>,
    },
    /// What was set aside, on tills and here. Asks the running server.
    #[command(subcommand)]
    Aside(AsideCommand),
    /// What is wrong with sales: listed, and closed with a note. Asks the running server.
    #[command(subcommand)]
    Findings(FindingsCommand),
    /// What needs a look, by kind: what the daily report says by mail. Asks the running server.
    Report {
        /// What to do with it.
        #[command(subcommand)]
        command: Option<ReportCommand>,
    },
    /// Rejects and warnings that nobody has seen yet. Asks the running server.
    #[command(subcommand)]
    Notices(NoticesCommand),
    /// Who changed what, newest first. Asks the running server.
    Audit(AuditArgs),
    /// Who may come in on the page and over REST. Asks the running server.
    #[command(subcommand)]
    User(UserCommand),
    /// Keys of programs that use REST. Asks the running server.
    #[command(subcommand)]
    Key(KeyCommand),
    /// What the server does by itself: last and next run, last failure. Asks the running server.
    Background,
    /// The newest lines of the server's log since its start. Asks the running server.
    Log(LogArgs),
    /// The server's databases: size and version. Asks the running server.
    Databases,
    /// How long the server keeps what, by its settings. Asks the running server.
    Retention,
    /// Backups of all that nobody else has, and the way back.
    Backup {
        /// Where they lie, where the settings do not say so.
        #[command(flatten)]
        place: PlaceArgs,
        /// What to do.
        #[command(subcommand)]
        command: BackupCommand,
    },
    /// Have a till recount its whole dictionary. Asks the running server.
    Verify {
        /// Id, or till-<shop>-<code>.
        till: String,
    },
}

/// Which lines of the audit log.
#[derive(Debug, Args)]
pub struct AuditArgs {
    /// From this time on, UTC: YYYY-MM-DDTHH:MM:SSZ.
    #[arg(long)]
    pub from: Option<jiff::Timestamp>,
    /// Before this time, UTC.
    #[arg(long)]
    pub to: Option<jiff::Timestamp>,
    /// Only of this actor: login:<user>, system:<user>, till:<id>, server.
    #[arg(long)]
    pub actor: Option<String>,
    /// Only about this object: the id of a node, load:<number>, finding:<number>, a unit that was
    /// set aside.
    #[arg(long)]
    pub object: Option<String>,
    /// Only what was done so: node.create, till.token, load.approve, ...
    #[arg(long)]
    pub verb: Option<String>,
    /// Only lines with this text, written so, in their object or in how it was or is.
    #[arg(long)]
    pub text: Option<String>,
    /// Only what people did, and programs with keys of theirs.
    #[arg(long)]
    pub persons: bool,
    /// At most so many.
    #[arg(long, default_value_t = 100)]
    pub limit: usize,
}

/// Which lines of the log.
#[derive(Debug, Args)]
pub struct LogArgs {
    /// As grave as this, or graver: error, warn, info, debug or trace.
    #[arg(long)]
    pub level: Option<String>,
    /// Only lines with this text in them.
    #[arg(long)]
    pub text: Option<String>,
    /// At most so many, the newest.
    #[arg(long, default_value_t = 200)]
    pub limit: usize,
}

/// Which part of a list.
#[derive(Debug, Args)]
pub struct Listed {
    /// Only of this till: id, or till-<shop>-<code>.
    #[arg(long)]
    pub till: Option<String>,
    /// At most so many.
    #[arg(long, default_value_t = 50)]
    pub limit: u32,
}

/// What is to be done with many tills, and which are meant beside those that are named.
#[derive(Debug, Args)]
pub struct BulkArgs {
    /// What to do.
    #[command(subcommand)]
    pub what: BulkWhat,
    /// All tills at this node and below it: All, group-<code>, shop-<code>.
    #[arg(long, global = true, value_name = "NODE")]
    pub below: Option<String>,
    /// Of those below only what is so: silent, behind, ... as `tills` shows it.
    #[arg(long, global = true)]
    pub condition: Option<String>,
    /// Of those below only those whose agent has this version.
    #[arg(long, global = true, value_name = "VERSION")]
    pub agent: Option<String>,
    /// Only tell what would become of each.
    #[arg(long, global = true, conflicts_with = "yes")]
    pub dry_run: bool,
    /// Do it.
    #[arg(long, global = true)]
    pub yes: bool,
}

/// What can be done with many tills, which are named by id or as till-<shop>-<code>.
#[derive(Debug, Subcommand)]
pub enum BulkWhat {
    /// Park them.
    Park {
        /// The tills.
        tills: Vec<String>,
    },
    /// Take them back into service.
    Unpark {
        /// The tills.
        tills: Vec<String>,
    },
    /// Ask them for sales; without days for what is missing here.
    Ask {
        /// The tills.
        tills: Vec<String>,
        /// From this local day on: YYYY-MM-DD.
        #[arg(long)]
        from: Option<jiff::civil::Date>,
        /// To this local day, included.
        #[arg(long, requires = "from")]
        to: Option<jiff::civil::Date>,
    },
    /// Have them recount their dictionaries.
    Recount {
        /// The tills.
        tills: Vec<String>,
    },
    /// Send them everything anew.
    SendAnew {
        /// The tills.
        tills: Vec<String>,
    },
    /// Hang them under another shop.
    Move {
        /// The tills.
        tills: Vec<String>,
        /// The shop.
        #[arg(long)]
        shop: String,
    },
    /// Set settings of each, as `node settings` does with one.
    Settings {
        /// The tills.
        tills: Vec<String>,
        /// A key of cash.ini with its value; KEY= sets it no more. May be repeated.
        #[arg(long, required = true, value_name = "KEY=VALUE", value_parser = key_and_value)]
        set: Vec<(String, String)>,
    },
    /// Make a code for each by which it is attached; the codes are shown this once.
    Codes {
        /// The tills.
        tills: Vec<String>,
        /// For how many hours they are good [default: 24]
        #[arg(long)]
        hours: Option<u32>,
    },
}

/// What can be done with the network. Nodes are named by id, or as `All`, group-<code>,
/// shop-<code>, till-<shop>-<code>.
#[derive(Debug, Subcommand)]
pub enum NodeCommand {
    /// List all nodes.
    List,
    /// Make a group, a shop or a till. A till's cash.ini is printed, with its token: it is shown
    /// only now.
    Add {
        /// group, shop or till.
        level: tillway_proto::NodeLevel,
        /// Its code.
        code: tillway_proto::NodeCode,
        /// The node it hangs under.
        #[arg(long, default_value = "All")]
        parent: String,
        /// Its name; by default its code.
        #[arg(long)]
        name: Option<String>,
    },
    /// Give a node another name.
    Rename {
        /// The node.
        node: String,
        /// Its new name.
        name: String,
    },
    /// Hang a node, with all below it, under another.
    Move {
        /// The node.
        node: String,
        /// Its new parent.
        parent: String,
    },
    /// Remove a node that has none below it.
    Remove {
        /// The node.
        node: String,
    },
    /// Settings of the tills at a node and below it: all of them with who sets them and what a
    /// till says that it has; with KEY=VALUE, sets them there. The deepest node on the way to a
    /// till wins.
    Settings {
        /// The node.
        node: String,
        /// Keys of cash.ini with their values; KEY= sets it no more at this node.
        #[arg(value_name = "KEY=VALUE", value_parser = key_and_value)]
        set: Vec<(String, String)>,
    },
    /// Park a till: it gets nothing until it is unparked, then its newest state.
    Park {
        /// The till.
        till: String,
    },
    /// Unpark a till.
    Unpark {
        /// The till.
        till: String,
    },
}

/// What sets a key.
fn key_and_value(text: &str) -> Result<(String, String), String> {
    let parts = text.split_once('=').filter(|(key, _)| !key.trim().is_empty());
    let (key, value) = parts.ok_or("write KEY=VALUE; KEY= sets it no more")?;
    Ok((key.trim().to_owned(), value.trim().to_owned()))
}

/// What can be done with a load.
#[derive(Debug, Subcommand)]
pub enum LoadsCommand {
    /// Its report: for a held one, what it would do.
    Show {
        /// Its number.
        load: i64,
    },
    /// Its file as it came, as long as it is kept.
    File {
        /// Its number.
        load: i64,
        /// Where to write it; by default it is printed.
        #[arg(long, short, value_name = "FILE")]
        output: Option<PathBuf>,
    },
    /// Say yes to a held load: it is carried out as a new load; what was changed since it was held
    /// stays.
    Approve {
        /// Its number.
        load: i64,
    },
    /// Say no to a held load: nothing is changed.
    Refuse {
        /// Its number.
        load: i64,
    },
}

/// What can be done with what was set aside.
#[derive(Debug, Subcommand)]
pub enum AsideCommand {
    /// List all of it: what, where, since when, why.
    #[command(visible_alias = "list")]
    Ls,
    /// What one holds, as far as the server has it: receipts where it reads as such, else its
    /// text.
    Show {
        /// Its name, as `aside ls` shows it.
        unit: String,
    },
    /// Try units again, from the beginning.
    Retry(AsideUnits),
    /// Drop units for good. All of them only with --yes.
    Drop(AsideUnits),
}

/// What can be done with rejects and warnings.
#[derive(Debug, Subcommand)]
pub enum NoticesCommand {
    /// List all of them: what, where, which field and value.
    #[command(visible_alias = "list")]
    Ls,
    /// Somebody has seen them: they go from the list.
    Seen(NoticeIds),
}

/// Which notices.
#[derive(Debug, Args)]
#[group(required = true)]
pub struct NoticeIds {
    /// Their numbers, as `notices ls` shows them.
    pub notices: Vec<i64>,
    /// All of them.
    #[arg(long, conflicts_with = "notices")]
    pub all: bool,
}

/// Which units.
#[derive(Debug, Args)]
pub struct AsideUnits {
    /// Their names, as `aside ls` shows them.
    #[arg(required_unless_present = "all")]
    pub units: Vec<String>,
    /// All of them.
    #[arg(long, conflicts_with = "units")]
    pub all: bool,
    /// Only those at this node or below it: a till, a shop, a group.
    #[arg(long, requires = "all", value_name = "NODE")]
    pub below: Option<String>,
    /// Only show which they are.
    #[arg(long, conflicts_with = "yes")]
    pub dry_run: bool,
    /// Yes, also all at once.
    #[arg(long)]
    pub yes: bool,
}

/// What can be done with findings of sales.
#[derive(Debug, Subcommand)]
pub enum FindingsCommand {
    /// List those that are open, the newest first.
    #[command(visible_alias = "list")]
    Ls {
        /// Only of this till: id, or till-<shop>-<code>.
        #[arg(long)]
        till: Option<String>,
        /// Those that are closed, too.
        #[arg(long)]
        closed: bool,
        /// At most so many.
        #[arg(long, default_value_t = 50)]
        limit: u32,
    },
    /// Close one that you have looked into.
    Close {
        /// Its number, as `findings ls` shows it.
        finding: i64,
        /// What was found; it stands in the audit log.
        #[arg(long)]
        note: Option<String>,
    },
}

/// Commands for the broker of this machine.
#[derive(Debug, Subcommand)]
pub enum BrokerCommand {
    /// Make what the server needs at RabbitMQ: its plugin, its user, no guest, and TLS for tills
    /// where `broker.pair_dir` is set. For root; may be repeated. Anybody else gets the commands
    /// to type.
    Setup {
        /// Only print the commands.
        #[arg(long)]
        print: bool,
        /// Let tills in over TLS alone: the broker's plain port is for this machine from now on.
        #[arg(long)]
        close_plain: bool,
    },
}

/// What can be done with one till.
#[derive(Debug, Subcommand)]
pub enum TillCommand {
    /// You have seen what was found about it: it needs no look any more. Asks the running server.
    Acknowledge {
        /// Id, or till-<shop>-<code>.
        till: String,
    },
    /// Send it everything anew, whatever it has. Asks the running server.
    SendAnew {
        /// Id, or till-<shop>-<code>.
        till: String,
    },
    /// What a barcode costs on it now: what it has, by the revision that it proved to have, and
    /// what it will have. Asks the running server.
    Price {
        /// Id, or till-<shop>-<code>.
        till: String,
        /// A barcode, or an item's code.
        barcode: String,
    },
    /// Have this server's revisions go on after the one that the till names: for a till with an
    /// agent of v0.1 after this server was restored from a backup. `tills` says where it is
    /// needed. Asks the running server.
    GoPast {
        /// Id, or till-<shop>-<code>.
        till: String,
        /// The revision that the till names, as `tills` shows it.
        revision: u64,
    },
    /// Print its cash.ini. The secret stands in it only with --new-secret: the server keeps no
    /// secret.
    Settings {
        /// Id, or till-<shop>-<code>.
        till: String,
        /// Make a new secret; the old one is void at once. (--new-token of before does the same.)
        #[arg(long, alias = "new-token")]
        new_secret: bool,
    },
    /// It was stolen or lost: what its disk holds is void at once, its connections end, and it is
    /// parked until the machine that takes its place is attached by a code (`attach-code for`).
    /// Works with and without a running server.
    Stolen {
        /// Id, or till-<shop>-<code>.
        till: String,
    },
}

//! What a storm counts, and how it is told.

use std::fmt;
use std::time::Duration;

/// Figures of a storm.
#[derive(Debug, Clone, Default)]
pub struct Counts {
    /// Receipts rung up.
    pub rung: u64,
    /// Receipts in the server's database.
    pub loaded: u64,
    /// Receipts that may be gone with a till's disk.
    pub may_be_gone: u64,
    /// Shifts closed.
    pub shifts: u64,
    /// Loads handed over, and those of which the end is known.
    pub loads: (usize, usize),
    /// Revisions.
    pub revisions: u64,
    /// States of tills that were compared with the model.
    pub compared: u64,
    /// Looks of all observers, and the longest of them.
    pub looks: u64,
    /// The longest look without counting.
    pub longest_look: Duration,
    /// Daemons killed from outside.
    pub kills: u64,
    /// Daemons that ended at a crash point.
    pub crashes: u64,
    /// Daemons frozen for a while.
    pub freezes: u64,
    /// Power cuts.
    pub cuts: u64,
    /// What tills count as sent compared with the disk of the server that is off.
    pub disk_looks: u64,
    /// The broker killed.
    pub broker_kills: u64,
    /// Files broken, cut short or removed.
    pub broken_files: u64,
    /// Disks without room for a while.
    pub tight: u64,
    /// Links and orders lost in the broker.
    pub lost_queues: u64,
    /// Old images of tills put back.
    pub images: u64,
    /// Orders to the server: unload, verify, park.
    pub orders: u64,
    /// Of the hostile till: reports that lie, reports of floods, forged messages, wrong tokens
    /// refused, connections begun and not finished, grabs at others' queues and tries in others'
    /// names refused.
    pub hostile: [u64; 7],
    /// Most resident memory of the server and of an agent, KiB.
    pub memory_kib: (u64, u64),
}

impl Counts {
    /// One line for whoever watches.
    pub fn line(&self, left: Duration, findings: usize) -> String {
        format!(
            "{:>4} s left | receipts {} rung, {} loaded | loads {}/{} | revision {} | {} compared | {} kills, {} crash points, \
             {} cuts, {} broker | {} frozen, {} files, {} images | findings {findings}",
            left.as_secs(),
            self.rung,
            self.loaded,
            self.loads.1,
            self.loads.0,
            self.revisions,
            self.compared,
            self.kills,
            self.crashes,
            self.cuts,
            self.broker_kills,
            self.freezes,
            self.broken_files,
            self.images,
        )
    }
}

impl fmt::Display for Counts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let rows: [(&str, String); 29] = [
            ("receipts rung", self.rung.to_string()),
            ("receipts in the server's database", self.loaded.to_string()),
            ("receipts that went with a till's disk", self.may_be_gone.to_string()),
            ("shifts closed", self.shifts.to_string()),
            ("loads handed over", self.loads.0.to_string()),
            ("loads that ended", self.loads.1.to_string()),
            ("revisions", self.revisions.to_string()),
            ("states of tills compared", self.compared.to_string()),
            ("looks of readers", self.looks.to_string()),
            ("longest look of a reader, ms", self.longest_look.as_millis().to_string()),
            ("daemons killed", self.kills.to_string()),
            ("ends at crash points", self.crashes.to_string()),
            ("power cuts", self.cuts.to_string()),
            ("looks at the disk of a server that is off", self.disk_looks.to_string()),
            ("broker killed", self.broker_kills.to_string()),
            ("daemons frozen", self.freezes.to_string()),
            ("files broken or removed", self.broken_files.to_string()),
            ("disks without room", self.tight.to_string()),
            ("queues emptied in the broker", self.lost_queues.to_string()),
            ("old images put back", self.images.to_string()),
            ("orders to the server", self.orders.to_string()),
            ("lies of the hostile till", self.hostile[0].to_string()),
            ("reports of its floods", self.hostile[1].to_string()),
            ("messages that it forged in others' names", self.hostile[2].to_string()),
            ("its wrong tokens, refused", self.hostile[3].to_string()),
            ("its connections left half open", self.hostile[4].to_string()),
            ("its grabs at others' queues, refused", self.hostile[5].to_string()),
            ("its tries in others' names, refused", self.hostile[6].to_string()),
            ("most memory, MiB (server, agent)", format!("{}, {}", self.memory_kib.0 >> 10, self.memory_kib.1 >> 10)),
        ];
        rows.iter().try_for_each(|(what, count)| writeln!(f, "  {what:<40}{count:>12}"))
    }
}

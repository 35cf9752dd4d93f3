//! What a till counts as sent is durable at the server, at any moment: looked at while the server
//! is off, right after a power cut for instance. Later would be too late: a till that hears of a
//! loss sends again, and the loss is gone.

use super::breaking::files_below;
use super::{Storm, StormError, sales_db};
use fs_err as fs;
use std::collections::HashSet;
use std::io;
use std::path::Path;
use std::sync::Arc;
use tillway_cash_server::sales::spool::{Arrival, Item, Spool, SpoolLimits};
use tillway_file_queue::disk::RealDisk;
use uuid::Uuid;

/// Receipts named of one till; the others went the same way.
const TOLD_AT_MOST: usize = 3;

/// Records of the spool read at a time.
const RECORDS: usize = 1_000;

/// What a segment of the spool is called in the end.
const SEGMENT: &str = "spool";

impl Storm {
    /// Compares what tills count as sent with what the server, which is off, has on its disk.
    pub(super) fn check_counted(&mut self) -> Result<(), StormError> {
        let data = self.bench.server.data();
        let loaded = sales_db::receipts(&data)?;
        let waiting = waiting(&data)?;
        self.counts.disk_looks += 1;
        let mut wrong = Vec::new();
        for (number, till) in self.tills.iter().enumerate() {
            let durable = |uuid: &Uuid| {
                let key = (till.till.id.clone(), *uuid);
                loaded.contains_key(&key) || waiting.contains(&key)
            };
            let lost = till.acknowledged()?.into_iter().filter(|uuid| !durable(uuid));
            wrong.extend(lost.take(TOLD_AT_MOST).map(|uuid| {
                format!("till {number} counts receipt {uuid} as sent, and the server, which is off, does not have it")
            }));
        }
        for text in wrong {
            self.found("I1", text);
        }
        Ok(())
    }
}

/// Receipts that are in the spool and not in the database yet. Read from a copy: opening it puts
/// it right.
fn waiting(data: &Path) -> Result<HashSet<(String, Uuid)>, StormError> {
    let broken = |error| StormError::File(io::Error::other(error));
    let copy = tempfile::tempdir().map_err(StormError::File)?;
    for path in files_below(&data.join("spool")) {
        if let (true, Some(name)) = (path.extension().is_some_and(|end| end == SEGMENT), path.file_name()) {
            fs::copy(&path, copy.path().join(name)).map_err(StormError::File)?;
        }
    }
    let mut at = sales_db::position(data)?;
    let spool = Spool::open(copy.path(), at, SpoolLimits::default(), Arc::new(RealDisk)).map_err(broken)?;
    let mut receipts = HashSet::new();
    loop {
        let chunk = spool.read(at, RECORDS, usize::MAX).map_err(broken)?;
        if chunk.items.is_empty() {
            return Ok(receipts);
        }
        at = chunk.next;
        for item in chunk.items {
            let Item::Record { payload, .. } = item else { continue };
            let Ok(Arrival { till_id, batch: Some(batch), .. }) = Arrival::parse(&payload) else { continue };
            let uuids = batch.documents.iter().filter_map(|document| document.identifier.parse().ok());
            receipts.extend(uuids.map(|uuid: Uuid| (till_id.clone(), uuid)));
        }
    }
}

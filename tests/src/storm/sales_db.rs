//! Receipts as they stand in the server's `sales.db`, read beside the server.

use super::StormError;
use rusqlite::{Connection, OpenFlags};
use std::collections::HashMap;
use std::path::Path;
use std::time::Duration;
use tillway_cash_server::sales::spool::Position;
use uuid::Uuid;

/// The server writes and this reads: nobody waits for long.
const BUSY_TIMEOUT: Duration = Duration::from_secs(10);

/// A receipt of a till, by its UUID, with the sums of all its arrivals.
pub type Receipts = HashMap<(String, Uuid), Vec<i64>>;

/// All documents of all tills.
pub fn receipts(data: &Path) -> Result<Receipts, StormError> {
    let path = data.join("sales.db");
    let failed = |source| StormError::Sql { path: path.clone(), source };
    let db = Connection::open_with_flags(&path, OpenFlags::SQLITE_OPEN_READ_ONLY).map_err(failed)?;
    db.busy_timeout(BUSY_TIMEOUT).map_err(failed)?;
    let mut read = db.prepare("SELECT till, uuid, sum FROM receipt").map_err(failed)?;
    let rows = read
        .query_map([], |row| Ok((row.get::<_, String>(0)?, row.get::<_, [u8; 16]>(1)?, row.get::<_, i64>(2)?)))
        .map_err(failed)?;
    let mut receipts = Receipts::new();
    for row in rows {
        let (till, uuid, sum) = row.map_err(failed)?;
        receipts.entry((till, Uuid::from_bytes(uuid))).or_default().push(sum);
    }
    Ok(receipts)
}

/// How far the spool is loaded.
pub fn position(data: &Path) -> Result<Position, StormError> {
    let path = data.join("sales.db");
    let read = || {
        let db = Connection::open_with_flags(&path, OpenFlags::SQLITE_OPEN_READ_ONLY)?;
        db.busy_timeout(BUSY_TIMEOUT)?;
        db.query_row(r#"SELECT segment, "offset" FROM spool_position"#, [], |row| {
            Ok(Position {
                segment: row.get::<_, i64>(0)?.cast_unsigned(),
                offset: row.get::<_, i64>(1)?.cast_unsigned(),
            })
        })
    };
    read().map_err(|source| StormError::Sql { path: path.clone(), source })
}

/// How many there are; 0 where the database cannot be read now.
pub fn count(data: &Path) -> u64 {
    let open = Connection::open_with_flags(data.join("sales.db"), OpenFlags::SQLITE_OPEN_READ_ONLY);
    let counted = open.and_then(|db| db.query_row("SELECT count(*) FROM receipt", [], |row| row.get::<_, i64>(0)));
    counted.map_or(0, i64::cast_unsigned)
}

//! The bare program.

use super::at_rest;
use crate::MeasureError;
use crate::amqp::{self, Address};
use crate::figure::{Outcome, median};
use crate::part;
use rusqlite::Connection;
use serde::{Deserialize, Serialize};
use std::path::PathBuf;
use std::process;

/// What it is told.
#[derive(Serialize, Deserialize)]
pub(super) struct Bare {
    pub(super) address: Address,
    pub(super) queue: String,
    pub(super) database: PathBuf,
}

/// What it holds, in [`Outcome::figures`].
pub(super) const RESIDENT: &str = "resident";

/// Connects, consumes, opens the database, and does nothing.
pub(super) fn idle(arguments: &str) -> Result<Outcome, MeasureError> {
    let Bare { address, queue, database } = part::arguments(arguments)?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().map_err(MeasureError::File)?;
    let open = Connection::open(&database).map_err(MeasureError::sql(&database))?;
    let count = |sql: &str| open.query_row(sql, (), |row| row.get::<_, i64>(0)).map_err(MeasureError::sql(&database));
    count("SELECT count(*) FROM sqlite_master")?;
    let (connection, _consumer) = runtime.block_on(async {
        let connection = address.connect().await?;
        let consumer = amqp::consume(&connection, &queue).await?;
        Ok::<_, MeasureError>((connection, consumer))
    })?;
    let resident = median(&at_rest(process::id())?);
    runtime.block_on(connection.close(200, "done".into())).map_err(amqp::failed)?;
    Ok(Outcome::default().with(RESIDENT, resident))
}

//! Streams that were opened are noted in the database beside them: a stream does not wait for the
//! commit, which may stand behind a long load, and many that open at one moment are noted in one.
//!
//! What a note is for (when a till was last heard, whether its agent is another one) bears a
//! moment's delay. One that is lost, because the database is down or the server stops, is made
//! again with the till's next stream.

use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use crate::sales::database::Database;
use crate::store::StoreError;
use crate::store::sales::{FindingReason, NewFinding, SalesStore, StreamNote};

/// Notes that wait: the streams of some seconds.
const QUEUE: usize = 1_024;

/// Notes of one transaction.
const MAX_GROUP: usize = 256;

/// Takes notes; cheap to clone.
#[derive(Debug, Clone)]
pub(super) struct Notes {
    queue: mpsc::Sender<StreamNote>,
}

/// Writes them.
#[derive(Debug)]
pub(super) struct NoteWriter {
    database: Database,
    waiting: mpsc::Receiver<StreamNote>,
}

pub(super) fn channel(database: Database) -> (Notes, NoteWriter) {
    let (queue, waiting) = mpsc::channel(QUEUE);
    (Notes { queue }, NoteWriter { database, waiting })
}

impl Notes {
    pub(super) fn add(&self, note: StreamNote) {
        if let Err(error) = self.queue.try_send(note) {
            tracing::warn!(%error, "a stream of sales is not noted; its receipts are taken");
        }
    }
}

impl NoteWriter {
    /// Writes what comes until `shutdown`, and then what waits.
    pub(super) async fn run(mut self, shutdown: CancellationToken) {
        loop {
            let mut notes = Vec::new();
            tokio::select! {
                count = self.waiting.recv_many(&mut notes, MAX_GROUP) => if count == 0 { return },
                () = shutdown.cancelled() => {
                    while let Ok(note) = self.waiting.try_recv() {
                        notes.push(note);
                    }
                    self.write(notes).await;
                    return;
                }
            }
            self.write(notes).await;
        }
    }

    async fn write(&self, notes: Vec<StreamNote>) {
        // Why not, where it cannot be done, is in the log.
        let _ = self.database.write(move |store| note(store, &notes)).await;
    }
}

fn note(store: &dyn SalesStore, notes: &[StreamNote]) -> Result<(), StoreError> {
    if notes.is_empty() {
        return Ok(());
    }
    let before = store.note_streams(notes)?;
    for (note, before) in notes.iter().zip(before) {
        let Some(before) = before else { continue };
        store.add_finding(&NewFinding {
            reason: FindingReason::InstanceChanged { instance: note.instance.clone(), before: before.clone() },
            till: Some(note.till.clone()),
            shift: None,
            subject: "instance".to_owned(),
            at: note.at,
        })?;
    }
    Ok(())
}

//! What a till has, as its reports tell it.

use crate::aside::{self, Aside};
use crate::codes::Codes;
use crate::error::chain;
use crate::package_queue::PackageQueue;
use crate::settings::LiveSettings;
use crate::sink::{Held, Sink};
use crate::source::Source;
use crate::state::State;
use crate::unsent::{self, CountError, shortened};
use jiff::Timestamp;
use std::sync::{Arc, Mutex, PoisonError};
use tillway_proto::report::{MAX_ASIDE_UNITS, SalesWait, TillState};
use tillway_proto::{Digest, Revision};

/// Looks at everything that a report tells. Calls block.
#[derive(Debug)]
pub(crate) struct Overview {
    settings: LiveSettings,
    state: State,
    sink: Arc<dyn Sink>,
    source: Arc<dyn Source>,
    queue: PackageQueue,
    codes: Codes,
    /// What the sink held when it was read last.
    last: Mutex<Held>,
    /// Since when unsent documents cannot be counted.
    uncounted_since: Mutex<Option<Timestamp>>,
}

impl Overview {
    pub(crate) fn new(
        settings: LiveSettings,
        state: State,
        sink: Arc<dyn Sink>,
        source: Arc<dyn Source>,
        queue: PackageQueue,
        codes: Codes,
    ) -> Self {
        let (cursor, proof) = state.cursor().unwrap_or_default();
        let last = Mutex::new(Held { cursor, proof, ..Held::default() });
        Self { settings, state, sink, source, queue, codes, last, uncounted_since: Mutex::default() }
    }

    /// What the till has. What cannot be read now is left out, or told as it was read last.
    pub(crate) fn look(&self) -> TillState {
        let (held, digest) = self.held();
        let queued = self.queue.files().depth().map_or_else(
            |error| {
                tracing::warn!(%error, "failed to look at the file queue");
                0
            },
            |depth| depth.batches,
        );
        let queue = Some(self.queue.files());
        let Aside { count, units, unreadable } =
            aside::look(&self.settings.current(), queue, Some(&self.state), MAX_ASIDE_UNITS);
        for (what, error) in unreadable {
            tracing::warn!(what, error, "failed to look at what lies aside");
        }
        let unsent = self.unsent();
        let sales_wait = self.sales_wait(&unsent);
        let current = self.settings.current();
        let settings = current.not_default.iter().map(|(key, value)| ((*key).to_owned(), value.clone()));
        TillState {
            agent_version: env!("CARGO_PKG_VERSION").to_owned(),
            cursor: held.cursor,
            proof: held.proof,
            applied_at: held.applied_at,
            rows: held.rows,
            digest,
            unsent_documents: unsent.ok(),
            sales_wait,
            last_sent: self.state.last_sent().unwrap_or_default(),
            dictionary_log_bytes: self.sink.log_bytes(),
            queued,
            set_aside: count,
            aside: units,
            refused_messages: self.codes.refused(),
            trusted: Some(self.settings.current().trust.fingerprints().to_vec()),
            shows_token: self.settings.current().token_for_packages().is_some(),
            settings: Some(settings.collect()),
            settings_generation: self.state.settings_generation().unwrap_or_default(),
        }
    }

    /// The revision the till has.
    pub(crate) fn cursor(&self) -> Revision {
        self.held().0.cursor
    }

    /// Keeps the cursor for an agent that starts while its dictionary cannot be read.
    pub(crate) fn keep_cursor(&self) {
        let Held { cursor, proof, .. } = self.held().0;
        let kept = self
            .state
            .cursor()
            .and_then(|kept| if kept == (cursor, proof) { Ok(()) } else { self.state.note_cursor(cursor, proof) });
        if let Err(error) = kept {
            tracing::warn!(error = chain(&error), "failed to keep the cursor");
        }
    }

    /// What the sink holds, with its digest, of one moment. A server that is told of a smaller
    /// cursor sends everything and tells a person that the till went back; so where the sink
    /// cannot be read for a moment, this is what was read last, and no digest.
    fn held(&self) -> (Held, Option<Digest>) {
        let by_script = self.settings.current().load.script.is_some();
        let read = self.read(by_script);
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        match read {
            Ok(held) => {
                last.clone_from(&held);
                // Where a script loads, only it knows the data.
                let digest = (!by_script).then(|| held.digest());
                (held, digest)
            }
            Err(error) => {
                tracing::warn!(error, cursor = %last.cursor, "failed to look at the dictionary: told as it was");
                (last.clone(), None)
            }
        }
    }

    /// Where a script of the site loads, the agent knows how far it was told.
    fn read(&self, by_script: bool) -> Result<Held, String> {
        if !by_script {
            return self.sink.look().map_err(|error| chain(&error));
        }
        let cursor = self.state.script_cursor().map_err(|error| chain(&error))?;
        let proof = self.state.script_proof().map_err(|error| chain(&error))?;
        Ok(Held { cursor, proof, ..self.sink.look().unwrap_or_default() })
    }

    /// Finished documents that the server has not acknowledged.
    pub(crate) fn unsent(&self) -> Result<u64, CountError> {
        unsent::count(&self.state, &*self.source)
    }

    /// Why sales wait: what the last unloading failed of, or why unsent documents cannot be
    /// counted now.
    fn sales_wait(&self, unsent: &Result<u64, CountError>) -> Option<SalesWait> {
        let mut uncounted_since = self.uncounted_since.lock().unwrap_or_else(PoisonError::into_inner);
        *uncounted_since = unsent.as_ref().err().map(|_| uncounted_since.unwrap_or_else(Timestamp::now));
        // A state that does not read is told by the count.
        let failed = self.state.sales_wait().unwrap_or_default();
        failed.or_else(|| {
            let (error, since) = (unsent.as_ref().err()?, (*uncounted_since)?);
            Some(SalesWait { kind: error.kind(), text: shortened(chain(error)), since })
        })
    }
}

#[cfg(test)]
mod tests;

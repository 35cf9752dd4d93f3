//! Whether what was sold before the till was attached goes up, decided once, before anything is
//! sent.

use super::read::Reading;
use super::run::{UnloadError, blocking};
use super::stream::SalesLoader;
use crate::decide::Mark;
use crate::installation::{History, InstallationFile};
use jiff::civil::DateTime;
use std::sync::Arc;
use tillway_exchangers::till::documents::DocumentRow;
use tonic::transport::Channel;

/// What the till sold, beside what is missing: what is left alone of it, and what
/// [was sent](super::look_back). Cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct Past {
    pub(crate) read: Reading,
    pub(crate) installation: Arc<InstallationFile>,
}

impl Past {
    /// What is left alone, as far as that is decided.
    pub(super) fn left_alone(&self) -> History {
        self.installation.look().decided.unwrap_or_default()
    }

    /// Asks the server, where that is still open, whether it knows the till: if it has no sale of
    /// it, what the [installation](crate::installation) found stays where it is. `asked` is from
    /// when on the server wants the sales of a new till, if it said so.
    pub(super) async fn decide(
        &self,
        server: &SalesLoader,
        channel: &mut Option<Channel>,
        asked: Option<DateTime>,
    ) -> Result<(), UnloadError> {
        let installation = self.installation.look();
        if installation.decided.is_some() {
            return Ok(());
        }
        let mut history = installation.history(asked);
        if history.document > 0 {
            let held = server.ask(channel, Vec::new()).await.map_err(UnloadError::Stream)?;
            if held.partial {
                return Err(UnloadError::ServerCannotTell);
            }
            history = if held.knows_the_till {
                History::default()
            } else {
                blocking(self, move |this| this.marked(installation.mark, history)).await?
            };
        } else {
            history = History::default();
        }
        if history.document > 0 {
            let History { document, shift, .. } = history;
            tracing::info!(document, shift, "documents from before this till was attached are left out");
        }
        blocking(self, move |this| {
            this.installation.decide(history).map_err(UnloadError::State)?;
            this.read.state.leave_history(history.document, history.shift).map_err(UnloadError::State)
        })
        .await
    }

    /// Another `documents.db` is in place: nothing of it was sent, and history stays what it was
    /// only if the new one has it.
    pub(super) fn begin_anew(&self) -> Result<(), UnloadError> {
        let mut history = self.left_alone();
        if history.document > 0 && !self.is_there(history.mark)? {
            history = History::default();
            self.installation.decide(history).map_err(UnloadError::State)?;
        }
        self.read.state.forget_sent().map_err(UnloadError::State)?;
        self.read.suspects.forget();
        self.read.state.leave_history(history.document, history.shift).map_err(UnloadError::State)
    }

    /// The history with its mark; none where `documents.db` is not what it was at the
    /// installation.
    fn marked(&self, installed: Option<Mark>, history: History) -> Result<History, UnloadError> {
        if !self.is_there(installed)? {
            return Ok(History::default());
        }
        let Some(mut documents) = self.read.open()? else { return Ok(History::default()) };
        let newest = documents.newest(history.document).map_err(UnloadError::Documents)?;
        let mark = newest.map(|key| Mark { document: key.document_id, uuid: key.uuid });
        Ok(History { mark, ..history })
    }

    /// Whether `documents.db` still holds this document.
    fn is_there(&self, mark: Option<Mark>) -> Result<bool, UnloadError> {
        let Some(mark) = mark else { return Ok(false) };
        let Some(mut documents) = self.read.open()? else { return Ok(false) };
        let found = documents.row(mark.document).map_err(UnloadError::Documents)?;
        Ok(found == DocumentRow::Finished { uuid: mark.uuid })
    }
}

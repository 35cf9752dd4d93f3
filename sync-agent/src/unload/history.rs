//! Whether what was sold before the till was attached goes up, decided once, before anything is
//! sent.

use super::run::{UnloadError, blocking, open};
use super::stream;
use crate::decide::Mark;
use crate::installation::History;
use crate::till::Till;
use jiff::civil::DateTime;
use std::sync::Arc;
use tillway_exchangers::till::documents::DocumentRow;
use tonic::transport::Channel;

/// Asks the server, where that is still open, whether it knows the till: if it has no sale of it,
/// what the [installation](crate::installation) found stays where it is. `asked` is from when on
/// the server wants the sales of a new till, if it said so.
pub(super) async fn decide(
    till: &Arc<Till>,
    channel: &mut Option<Channel>,
    asked: Option<DateTime>,
) -> Result<(), UnloadError> {
    let installation = till.installation.look();
    if installation.decided.is_some() {
        return Ok(());
    }
    let mut history = installation.history(asked);
    if history.document > 0 {
        let held = stream::ask(till, channel, Vec::new()).await.map_err(UnloadError::Stream)?;
        if held.partial {
            return Err(UnloadError::ServerCannotTell);
        }
        history = if held.knows_the_till {
            History::default()
        } else {
            blocking(till, move |till| marked(till, installation.mark, history)).await?
        };
    } else {
        history = History::default();
    }
    if history.document > 0 {
        let History { document, shift, .. } = history;
        tracing::info!(document, shift, "documents from before this till was attached are left out");
    }
    blocking(till, move |till| {
        till.installation.decide(history).map_err(UnloadError::State)?;
        till.state.leave_history(history.document, history.shift).map_err(UnloadError::State)
    })
    .await
}

/// Another `documents.db` is in place: nothing of it was sent, and history stays what it was only
/// if the new one has it.
pub(super) fn begin_anew(till: &Till) -> Result<(), UnloadError> {
    let mut history = till.installation.look().decided.unwrap_or_default();
    if history.document > 0 && !is_there(till, history.mark)? {
        history = History::default();
        till.installation.decide(history).map_err(UnloadError::State)?;
    }
    till.state.forget_sent().map_err(UnloadError::State)?;
    till.suspects.forget();
    till.state.leave_history(history.document, history.shift).map_err(UnloadError::State)
}

/// The history with its mark; none where `documents.db` is not what it was at the installation.
fn marked(till: &Till, installed: Option<Mark>, history: History) -> Result<History, UnloadError> {
    if !is_there(till, installed)? {
        return Ok(History::default());
    }
    let Some(mut documents) = open(till)? else { return Ok(History::default()) };
    let newest = documents.newest(history.document).map_err(UnloadError::Documents)?;
    let mark = newest.map(|key| Mark { document: key.document_id, uuid: key.uuid });
    Ok(History { mark, ..history })
}

/// Whether `documents.db` still holds this document.
fn is_there(till: &Till, mark: Option<Mark>) -> Result<bool, UnloadError> {
    let Some(mark) = mark else { return Ok(false) };
    let Some(mut documents) = open(till)? else { return Ok(false) };
    let found = documents.row(mark.document).map_err(UnloadError::Documents)?;
    Ok(found == DocumentRow::Finished { uuid: mark.uuid })
}

//! What follows from reports of tills.

use super::App;
use crate::error_chain;
use crate::exchange::{Event, ExchangeService};
use crate::intake::Intake;
use crate::sales::requests::Ask;
use std::sync::Arc;
use tillway_service::actor::Caller;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

/// Acts on events until `stop`: the intake learns what tills have applied, and a till that was
/// attached is asked for its sales.
pub async fn act(
    mut heard: mpsc::Receiver<Event>,
    exchange: ExchangeService,
    app: App,
    intake: Arc<Intake>,
    stop: CancellationToken,
) {
    tell_cursors(&exchange, &intake).await;
    loop {
        let event = tokio::select! {
            event = heard.recv() => event,
            () = stop.cancelled() => return,
        };
        match event {
            // The link to the broker has ended, and with it the server.
            None => return stop.cancelled().await,
            Some(Event::Applied { till, cursor }) => intake.notify_applied(till, cursor).await,
            Some(Event::Attached { till }) => {
                let app = app.acting_for(Caller::server());
                let ask = move || app.request_unload(till.as_str(), Ask::WhatIsMissing);
                if let Ok(Err(error)) = tokio::task::spawn_blocking(ask).await {
                    tracing::warn!(error = error_chain(&error), "a new till could not be asked for sales");
                }
            }
        }
    }
}

/// Tells the intake what tills have from before this start; later it learns of each growth.
async fn tell_cursors(exchange: &ExchangeService, intake: &Intake) {
    let exchange = exchange.clone();
    match tokio::task::spawn_blocking(move || exchange.cursors()).await {
        Ok(Ok(cursors)) => {
            for (till, cursor) in cursors {
                intake.notify_applied(till, cursor).await;
            }
        }
        Ok(Err(error)) => tracing::error!(
            error = error_chain(&error),
            "failed to read what tills have; status callbacks wait for their next growth"
        ),
        Err(error) => tracing::error!(%error, "reading what tills have was cut off"),
    }
}

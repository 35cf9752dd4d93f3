//! The exchange with tills: what each must have, what is on its way, what it said.
//!
//! [`claims`], [`decide`], [`hear`] and [`plan`] are pure functions over the plain data of
//! [`model`]: what to do for a till now, what a report changes, what one pass over all tills does.
//! [`reconciler`] carries decisions out, on a period and when poked; [`broker`] keeps the link to
//! RabbitMQ; [`reports`] takes what tills say; [`housekeeping`] removes what is past. [`clock`]
//! measures tills' clocks by their reports; `pace` bounds what one till's words alone bring about,
//! [`floods`] how many they may be. [`service`] is what the rest of the server asks, [`condition`]
//! how a till is in one word, [`addresses`] what tills are told about this server, `along` what
//! goes along with every message, `trust` which of its authorities they are handed.
//!
//! **Architecture invariant:** an announcement is a hint. Nothing here relies on a message having
//! arrived: whatever was lost, doubled or late, the next pass finds the difference between a
//! till's target and its cursor.

pub mod addresses;
mod along;
pub mod broker;
pub mod claims;
pub mod clock;
pub mod codes;
pub mod condition;
pub mod decide;
pub mod floods;
pub mod generation;
pub mod hear;
pub mod housekeeping;
pub mod model;
mod pace;
pub mod plan;
mod reason;
pub mod reconciler;
pub mod reports;
pub mod service;
mod trust;

#[cfg(test)]
mod claims_tests;
#[cfg(test)]
mod full_disk_tests;
#[cfg(test)]
mod month_tests;
#[cfg(test)]
mod orders_tests;
#[cfg(test)]
mod races_tests;
#[cfg(test)]
mod test_kit;

pub use addresses::PublicAddresses;
pub use broker::{Broker, BrokerState, Owner};
pub use codes::Codes;
pub use condition::Condition;
pub use floods::Floods;
pub use reason::ExchangeReason;
pub use reconciler::Reconciler;
pub use reports::{Event, Reports};
pub use service::{ExchangeError, ExchangeParts, ExchangeService, Next, TillStatus};
pub use tillway_proto::cash_ini::CashIniError;
pub use trust::Trust;

/// Runs blocking work of the stores off the async threads.
async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, ExchangeError> + Send + 'static,
) -> Result<T, ExchangeError> {
    tokio::task::spawn_blocking(work).await.unwrap_or(Err(ExchangeError::CutOff))
}

//! The cash server: takes dictionaries from the back office and brings them to tills, takes sales
//! from tills.
//!
//! ```text
//! back office ─▶ intake ─▶ dictionary ─▶ packages ─▶ exchange ─▶ tills
//!                          (network: who sees which layers)
//! tills ─▶ sales ─▶ back office            rest, web, cli ─▶ app: people
//! ```
//!
//! [`run`] puts the parts together; [`settings`] says what they are told; all SQL stands below
//! [`store`].

pub mod app;
pub mod aside;
pub mod attaching;
pub mod audit;
pub mod backup;
pub mod certificates;
pub mod cli;
pub mod dictionary;
pub mod exchange;
pub mod goods;
pub mod hints;
mod http_client;
pub mod intake;
pub mod lock;
pub mod network;
pub mod outbox;
pub mod packages;
pub mod peer_keys;
pub mod probe;
pub mod report;
pub mod reserve;
pub mod rest;
pub mod run;
pub mod sales;
pub mod settings;
pub mod socket;
pub mod store;
pub mod till_connections;
pub mod web;
pub mod words;

pub(crate) use tillway_service::error_chain;

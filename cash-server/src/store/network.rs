//! Where the network is kept.

use super::StoreError;
use crate::network::{KeptCode, LayerNo, Network, NetworkChange, NetworkError};
use jiff::Timestamp;
use std::sync::Arc;
use tillway_proto::{CodeName, Revision};
use tillway_service::actor::Caller;

/// A change of the network, carried out.
#[derive(Debug, Clone)]
pub struct NetworkChanged {
    /// The revision that it took: moves do.
    pub revision: Option<Revision>,
    /// The network afterwards.
    pub network: Arc<Network>,
}

/// Keeps the network and its history.
pub trait NetworkStore: Send + Sync {
    /// The network as it stands; the same `Arc` as long as nothing changed.
    fn network(&self) -> Result<Arc<Network>, StoreError>;

    /// Lets `decide` see the network within the transaction that then carries out what it decides,
    /// and writes the line of the audit log.
    fn change(
        &self,
        caller: &Caller,
        decide: &mut dyn FnMut(&Network) -> Result<NetworkChange, NetworkError>,
    ) -> Result<NetworkChanged, NetworkError>;

    /// The codes that are kept, the newest first.
    fn codes(&self) -> Result<Vec<KeptCode>, StoreError>;

    /// The code of this name.
    fn code(&self, name: CodeName) -> Result<Option<KeptCode>, StoreError>;

    /// Keeps new codes, all or none, each with its line of the audit log. Open codes of the same
    /// nodes end, and what ended before `forget` goes.
    fn put_codes(&self, caller: &Caller, codes: &[KeptCode], forget: Timestamp) -> Result<(), NetworkError>;

    /// Ends the open codes of a node, with a line of the audit log. Whether there were any.
    fn end_codes(&self, caller: &Caller, node: LayerNo, now: Timestamp) -> Result<bool, NetworkError>;
}

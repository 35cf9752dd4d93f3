//! Where the network is kept.

use super::StoreError;
use crate::network::{Network, NetworkChange, NetworkError};
use std::sync::Arc;
use tillway_proto::Revision;
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
}

//! What lies between the processes of a bench, where it can be broken.
//!
//! The server tells all tills the same addresses with every command, so tills share the links to
//! packages, sales and REST; the link to the broker is each till's own
//! ([`super::Till::to_broker`]).

use super::ServerPorts;
use crate::faults::proxy::{Proxy, ProxyError};
use std::sync::Arc;

/// The links of a bench.
#[derive(Debug, Clone)]
pub struct Links {
    /// From tills to the files of packages.
    pub packages: Arc<Proxy>,
    /// From tills to the sales-loader.
    pub sales: Arc<Proxy>,
    /// From tills to REST: the notice that a shift was closed.
    pub rest: Arc<Proxy>,
    /// From the server to the broker.
    pub server_to_broker: Arc<Proxy>,
}

impl Links {
    pub(super) fn to(ports: ServerPorts, broker_port: u16) -> Result<Self, ProxyError> {
        let link = |port| Proxy::to(port).map(Arc::new);
        Ok(Self {
            packages: link(ports.rest)?,
            sales: link(ports.sales)?,
            rest: link(ports.rest)?,
            server_to_broker: link(broker_port)?,
        })
    }

    /// The server's settings by which tills are told of them.
    pub(super) fn settings(&self) -> Vec<(String, String)> {
        [
            ("rest.public_port", self.rest.port),
            ("rest.packages_port", self.packages.port),
            ("sales.public_port", self.sales.port),
        ]
        .map(|(key, port)| (key.to_owned(), port.to_string()))
        .into()
    }

    /// All of them.
    pub fn all(&self) -> [&Arc<Proxy>; 4] {
        [&self.packages, &self.sales, &self.rest, &self.server_to_broker]
    }

    /// Mends all of them.
    pub fn heal(&self) {
        for link in self.all() {
            link.heal();
        }
    }
}

//! Connections over which tills have shown their token to REST: they end once the token is void.
//!
//! REST looks at the token of each request, so a void one opens nothing more. What was begun while
//! it was good (an answer that is taken slowly), and the connection itself, ends here, within
//! seconds of a new secret or a removal; and what a till fetches, once it is parked.

use crate::hints::{Hint, Hints};
use crate::network::{Network, NetworkError, NetworkService, TokenHash};
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tillway_proto::TillId;
use tillway_service::background::{Next, Task};
use tillway_service::serving::Connection;

/// How often it is looked, where no change of the network pokes.
const PERIOD: Duration = Duration::from_mins(1);

/// Beyond so many, those that have ended by themselves are forgotten at once: twice as many as a
/// port takes.
const MANY: usize = 16_384;

/// What a till shows its token for, or the link that stands for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ShownFor {
    /// To ask something.
    Asking,
    /// To fetch packages, which is nothing for a till that is parked.
    Packages,
}

impl ShownFor {
    fn still_holds(self, network: &Network, till: &TillId, token: &TokenHash) -> bool {
        let is_parked = || network.till(till).is_none_or(|node| node.parked);
        network.has_token(till, token) && !(self == Self::Packages && is_parked())
    }
}

/// What tills have shown, by the number of the connection. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub struct TillConnections {
    open: Arc<Mutex<HashMap<(u64, ShownFor), Shown>>>,
}

#[derive(Debug)]
struct Shown {
    connection: Connection,
    till: TillId,
    token: TokenHash,
}

impl TillConnections {
    /// A till has shown its token on this connection. Whoever calls looks at the token once more
    /// afterwards: it may have become void between.
    pub fn note(&self, connection: &Connection, till: &TillId, token: TokenHash, what: ShownFor) {
        let mut open = self.lock();
        if open.len() >= MANY {
            open.retain(|_, shown| shown.connection.is_open());
        }
        let shown = Shown { connection: connection.clone(), till: till.clone(), token };
        open.insert((connection.number(), what), shown);
    }

    /// Ends those whose token is void, and forgets those that have ended. How many were ended.
    pub fn end_void(&self, network: &Network) -> usize {
        let mut ended = 0;
        self.lock().retain(|(_, what), shown| {
            if !shown.connection.is_open() {
                return false;
            }
            let holds = what.still_holds(network, &shown.till, &shown.token);
            if !holds {
                shown.connection.end();
                ended += 1;
            }
            holds
        });
        ended
    }

    /// Looks on a period, and at once when the network changed.
    pub fn task(&self, network: NetworkService, hints: &Hints) -> Task {
        let (connections, changed) = (self.clone(), hints.listen(&[Hint::Network]));
        let task = Task::blocking("till-connections", PERIOD, move |_| {
            let ended = connections.end_void(&*network.current()?);
            if ended > 0 {
                tracing::info!(ended, "ended connections of tills whose token is void");
            }
            Ok::<_, NetworkError>(Next::AtPeriod)
        });
        task.poked_at_once_by(changed)
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<(u64, ShownFor), Shown>> {
        // Each statement leaves it whole.
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

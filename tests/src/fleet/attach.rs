//! Making shops and tills on the server, several at a time.

use super::{ATTACH_AT_A_TIME, FleetError};
use crate::bench::{BenchError, Server};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::thread;
use tillway_proto::PeerSecret;

/// A till as the server made it.
#[derive(Debug, Clone)]
pub(super) struct Made {
    pub(super) id: String,
    pub(super) shop: String,
    pub(super) secret: PeerSecret,
}

/// Makes shops `f1`, `f2`, … under the chain, and the tills spread over them.
pub(super) fn make(server: &Server, shops: usize, tills: usize) -> Result<Vec<Made>, FleetError> {
    let chain = server.chain_id().map_err(FleetError::Attach)?;
    let shops = side_by_side(shops, |number| {
        server.create_node(&chain, "shop", &format!("f{}", number + 1)).map(|node| node.id)
    })?;
    side_by_side(tills, |number| {
        let shop = &shops[number % shops.len()];
        let node = server.create_node(shop, "till", &format!("{}", number + 1))?;
        let secret = node.secret()?;
        Ok(Made { id: node.id, shop: shop.clone(), secret })
    })
}

/// Does all of it with so many threads, and gives the results in order.
fn side_by_side<T: Send>(
    count: usize,
    make: impl Fn(usize) -> Result<T, BenchError> + Sync,
) -> Result<Vec<T>, FleetError> {
    let next = AtomicUsize::new(0);
    let made = Mutex::new(Vec::with_capacity(count));
    thread::scope(|scope| {
        for _ in 0..ATTACH_AT_A_TIME.min(count) {
            scope.spawn(|| {
                loop {
                    let number = next.fetch_add(1, Ordering::Relaxed);
                    if number >= count {
                        return;
                    }
                    let result = make(number);
                    let failed = result.is_err();
                    made.lock().unwrap_or_else(PoisonError::into_inner).push((number, result));
                    if failed {
                        next.store(count, Ordering::Relaxed);
                    }
                }
            });
        }
    });
    let mut made = made.into_inner().unwrap_or_else(PoisonError::into_inner);
    made.sort_by_key(|(number, _)| *number);
    made.into_iter().map(|(_, result)| result.map_err(FleetError::Attach)).collect()
}

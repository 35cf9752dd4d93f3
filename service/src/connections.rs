//! Who may be connected to a port at one moment.
//!
//! A connection is *busy* while something is done on it for a client that has said what it wants
//! (a whole request's head over HTTP, a stream that showed the right token), else it *waits*.
//! Whoever connects and says nothing only waits, and what waits gives way: a newcomer gets the
//! place of the connection that has waited longest at the newcomer's own address, and where the
//! port is full, at the address that has most. So connections that say nothing cost others
//! nothing, not even those behind the same router: an honest client is busy some milliseconds
//! after it has connected. No address has more than half of a port.

use std::collections::{BTreeSet, HashMap};
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::Notify;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

/// How many connections a port has, and how long one may wait.
#[derive(Debug, Clone, Copy)]
pub struct ConnectionLimits {
    /// At the same time, of all addresses.
    pub all: usize,
    /// Of one address: the clients of one place stand behind one router.
    pub of_address: usize,
    /// Of one address that wait.
    pub waiting_of_address: usize,
    /// From the connection until it is busy.
    pub first: Duration,
    /// From the end of what it was busy with until it is busy again.
    pub again: Duration,
}

/// The connections of one port. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Connections {
    limits: ConnectionLimits,
    open: Arc<Mutex<Open>>,
    /// Told when a place comes free.
    freed: Arc<Notify>,
}

#[derive(Debug, Default)]
struct Open {
    last: u64,
    entries: HashMap<u64, Entry>,
    /// By address, and there the one that has waited longest first: `waits` grows with each wait
    /// that begins.
    waiting: BTreeSet<(IpAddr, u64, u64)>,
    of_address: HashMap<IpAddr, Count>,
}

#[derive(Debug, Default, Clone, Copy)]
struct Count {
    all: usize,
    waiting: usize,
}

#[derive(Debug)]
struct Entry {
    address: IpAddr,
    busy: usize,
    /// Orders waits; see [`Open::waiting`].
    waits: u64,
    until: Instant,
    ended: CancellationToken,
}

/// Why a connection was not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refused {
    /// All that its address may have are busy.
    Address,
    /// All places of the port are busy.
    Port,
}

/// The place of one connection; given back when dropped.
#[derive(Debug)]
pub struct Seat {
    connections: Connections,
    id: u64,
    address: IpAddr,
    ended: CancellationToken,
}

/// While it lives, its connection is busy.
#[derive(Debug)]
pub struct Busy {
    seat: Arc<Seat>,
}

impl Connections {
    /// A port without connections.
    pub fn new(limits: ConnectionLimits) -> Self {
        Self { limits, open: Arc::default(), freed: Arc::default() }
    }

    /// Gives a newcomer a place, that of another one if need be.
    pub fn enter(&self, from: IpAddr) -> Result<Arc<Seat>, Refused> {
        let address = counted_as(from);
        let mut open = self.lock();
        let count = open.count(address);
        if (count.waiting >= self.limits.waiting_of_address || count.all >= self.limits.of_address)
            && !open.end_longest_waiting_of(address)
        {
            return Err(Refused::Address);
        }
        if open.entries.len() >= self.limits.all {
            let busiest = open.of_address.iter().max_by_key(|(_, count)| count.waiting).map(|(address, _)| *address);
            if !busiest.is_some_and(|address| open.end_longest_waiting_of(address)) {
                return Err(Refused::Port);
            }
        }
        open.last += 1;
        let (id, ended) = (open.last, CancellationToken::new());
        let until = Instant::now() + self.limits.first;
        open.entries.insert(id, Entry { address, busy: 0, waits: id, until, ended: ended.clone() });
        open.waiting.insert((address, id, id));
        let count = open.of_address.entry(address).or_default();
        count.all += 1;
        count.waiting += 1;
        Ok(Arc::new(Seat { connections: self.clone(), id, address: from, ended }))
    }

    /// Waits until a place of the port has come free.
    pub async fn freed(&self) {
        self.freed.notified().await;
    }

    /// Ends connections that have waited for too long.
    pub fn end_overdue(&self) {
        let now = Instant::now();
        let mut open = self.lock();
        let overdue: Vec<u64> =
            open.entries.iter().filter(|(_, entry)| entry.busy == 0 && entry.until <= now).map(|(id, _)| *id).collect();
        for id in overdue {
            open.end(id);
        }
    }

    #[cfg(test)]
    fn len(&self) -> usize {
        self.lock().entries.len()
    }

    fn lock(&self) -> MutexGuard<'_, Open> {
        // Every method leaves it whole.
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Open {
    fn count(&self, address: IpAddr) -> Count {
        self.of_address.get(&address).copied().unwrap_or_default()
    }

    /// Whether there was one.
    fn end_longest_waiting_of(&mut self, address: IpAddr) -> bool {
        let longest = self.waiting.range((address, 0, 0)..=(address, u64::MAX, u64::MAX)).next().map(|(.., id)| *id);
        longest.is_some_and(|id| {
            self.end(id);
            true
        })
    }

    /// Its place is free at once; its task sees the token.
    fn end(&mut self, id: u64) {
        let Some(entry) = self.entries.remove(&id) else { return };
        let was_waiting = self.waiting.remove(&(entry.address, entry.waits, id));
        if let Some(count) = self.of_address.get_mut(&entry.address) {
            count.all -= 1;
            count.waiting -= usize::from(was_waiting);
            if count.all == 0 {
                self.of_address.remove(&entry.address);
            }
        }
        entry.ended.cancel();
    }
}

impl Seat {
    /// Where it comes from.
    pub fn address(&self) -> IpAddr {
        self.address
    }

    /// A number that no other connection of its port had before.
    pub fn number(&self) -> u64 {
        self.id
    }

    /// Ends the connection; its place is free at once.
    pub fn end(&self) {
        self.connections.lock().end(self.id);
        self.connections.freed.notify_one();
    }

    /// Cancelled when the connection must end.
    pub fn ended(&self) -> CancellationToken {
        self.ended.clone()
    }

    /// Something is done on the connection for a client that has said what it wants.
    pub fn busy(self: &Arc<Self>) -> Busy {
        let mut open = self.connections.lock();
        if let Some(entry) = open.entries.get_mut(&self.id) {
            entry.busy += 1;
            let key = (entry.address, entry.waits, self.id);
            if open.waiting.remove(&key)
                && let Some(count) = open.of_address.get_mut(&key.0)
            {
                count.waiting -= 1;
            }
        }
        drop(open);
        Busy { seat: Arc::clone(self) }
    }
}

impl Drop for Busy {
    fn drop(&mut self) {
        let connections = &self.seat.connections;
        let mut open = connections.lock();
        let waits = open.last + 1;
        let Some(entry) = open.entries.get_mut(&self.seat.id) else { return };
        entry.busy -= 1;
        if entry.busy == 0 {
            entry.waits = waits;
            entry.until = Instant::now() + connections.limits.again;
            let address = entry.address;
            open.last = waits;
            open.waiting.insert((address, waits, self.seat.id));
            open.of_address.entry(address).or_default().waiting += 1;
            // It gives way now.
            drop(open);
            connections.freed.notify_one();
        }
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.end();
    }
}

/// Whoever has one address of version 6 has its whole network of 64 bits.
fn counted_as(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => {
            let [a, b, c, d, ..] = address.segments();
            IpAddr::V6(Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0))
        }
        address @ IpAddr::V4(_) => address,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn limits() -> ConnectionLimits {
        ConnectionLimits {
            all: 8,
            of_address: 4,
            waiting_of_address: 3,
            first: Duration::from_secs(10),
            again: Duration::from_mins(1),
        }
    }

    fn address(last: u8) -> IpAddr {
        [127, 0, 0, last].into()
    }

    #[test]
    fn who_says_nothing_gives_way_to_a_newcomer_of_its_own_address_the_oldest_first() {
        let connections = Connections::new(limits());
        let silent: Vec<_> = (0..5).map(|_| connections.enter(address(2)).unwrap()).collect();
        let ended: Vec<bool> = silent.iter().map(|seat| seat.ended().is_cancelled()).collect();
        assert_eq!(ended, [true, true, false, false, false]);
        let _other = connections.enter(address(1)).unwrap();
        assert_eq!(connections.len(), 4);
        let [a, b] = ["2001:db8::1", "2001:db8::2"].map(|address| counted_as(address.parse().unwrap()));
        assert_eq!((a, counted_as("::ffff:127.0.0.1".parse().unwrap())), (b, address(1)));
    }

    #[test]
    fn what_is_busy_stays_and_no_address_has_more_than_its_share() {
        let connections = Connections::new(limits());
        let busy: Vec<_> =
            (0..4).map(|_| connections.enter(address(2)).unwrap()).map(|seat| (seat.busy(), seat)).collect();
        assert_eq!(connections.enter(address(2)).unwrap_err(), Refused::Address);
        let honest: Vec<_> =
            (0..4).map(|_| connections.enter(address(1)).unwrap()).map(|seat| (seat.busy(), seat)).collect();
        assert_eq!(connections.enter(address(3)).unwrap_err(), Refused::Port);
        drop(honest);
        let _third = connections.enter(address(3)).unwrap();
        assert!(busy.iter().all(|(_, seat)| !seat.ended().is_cancelled()));
    }

    #[test]
    fn where_a_port_is_full_the_address_with_most_that_wait_gives_way() {
        let connections = Connections::new(ConnectionLimits { all: 4, ..limits() });
        let many: Vec<_> = (0..3).map(|_| connections.enter(address(2)).unwrap()).collect();
        let one = connections.enter(address(1)).unwrap();
        let _newcomer = connections.enter(address(3)).unwrap();
        assert!(many[0].ended().is_cancelled() && !one.ended().is_cancelled());
    }

    #[tokio::test(start_paused = true)]
    async fn a_connection_that_says_nothing_ends_in_time_and_one_that_works_does_not() {
        let connections = Connections::new(limits());
        let (silent, works) = (connections.enter(address(1)).unwrap(), connections.enter(address(1)).unwrap());
        let busy = works.busy();
        tokio::time::advance(Duration::from_secs(11)).await;
        connections.end_overdue();
        assert!(silent.ended().is_cancelled() && !works.ended().is_cancelled());
        drop(busy);
        tokio::time::advance(Duration::from_secs(59)).await;
        connections.end_overdue();
        assert!(!works.ended().is_cancelled());
        tokio::time::advance(Duration::from_secs(2)).await;
        connections.end_overdue();
        assert!(works.ended().is_cancelled());
    }

    proptest! {
        #[test]
        fn what_is_counted_is_what_is_open(steps in prop::collection::vec((0_u8..4, 1_u8..4, 0_usize..12), 1..80)) {
            let connections = Connections::new(limits());
            let mut seats: Vec<(Arc<Seat>, Vec<Busy>)> = Vec::new();
            for (step, from, which) in steps {
                let which = which % seats.len().max(1);
                match (step, seats.is_empty()) {
                    (0, _) => {
                        if let Ok(seat) = connections.enter(address(from)) {
                            seats.push((seat, Vec::new()));
                        }
                    }
                    (_, true) => {}
                    (1, _) => {
                        let busy = seats[which].0.busy();
                        seats[which].1.push(busy);
                    }
                    (2, _) => drop(seats[which].1.pop()),
                    _ => drop(seats.swap_remove(which)),
                }
                let open = connections.lock();
                let alive = seats.iter().filter(|(seat, _)| !seat.ended.is_cancelled());
                let waiting = alive.clone().filter(|(_, busy)| busy.is_empty()).count();
                prop_assert_eq!(open.entries.len(), alive.count());
                prop_assert_eq!(open.waiting.len(), waiting);
                prop_assert_eq!(open.of_address.values().map(|count| count.all).sum::<usize>(), open.entries.len());
                prop_assert_eq!(open.of_address.values().map(|count| count.waiting).sum::<usize>(), waiting);
                prop_assert!(open.of_address.values().all(|count| count.all <= 4));
            }
        }
    }
}

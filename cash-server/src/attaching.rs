//! What stands between a stranger and the codes of this server: tries are counted and slowed by
//! address, and a name that is nobody's is answered as any other.
//!
//! Kept in memory: a restart forgives. Nothing here ever uses a code up.

use jiff::Timestamp;
use std::collections::{HashMap, VecDeque};
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use tillway_proto::{CodeName, ProofKey};
use uuid::Uuid;

/// Tries that one address has at once: tills behind one router that are attached together. Each
/// that comes to its end gives back what it took.
const BURST: u32 = 40;

/// One more try comes free so often. With 80 bits to guess, a try a second would be as safe; this
/// is for the log.
const ONE_MORE_AFTER: Duration = Duration::from_secs(5);

/// Addresses that are counted by themselves; those beyond share one place.
const MAX_ADDRESSES: usize = 10_000;

/// So many failed tries within [`LOOK_BACK`] need a look.
pub const MANY: usize = 20;

/// How far back failed tries count.
const LOOK_BACK: Duration = Duration::from_hours(24);

const DECOY: &str = "tillway 2026-11-30 decoy of a code to attach a peer";

/// Why a try to attach failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Failure {
    /// No code has this name.
    UnknownCode,
    /// The proof is not that of the code.
    WrongProof,
    /// The code is known, and was used or has ended.
    NotGood,
}

/// Failed tries of the last day.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FailedTries {
    /// The earliest of the last [`MANY`].
    pub since: Timestamp,
    /// Where the last came from.
    pub from: Option<IpAddr>,
}

/// The last failures of one sort, at most [`MANY`], to tell many from few. Kept in memory.
#[derive(Debug, Default)]
pub struct LastFailures(Mutex<VecDeque<(Timestamp, Option<IpAddr>)>>);

impl LastFailures {
    /// Notes one.
    pub fn note(&self, address: Option<IpAddr>, now: Timestamp) {
        let mut failed = self.lock();
        if failed.len() >= MANY {
            failed.pop_front();
        }
        failed.push_back((now, address));
    }

    /// Many within a day; none where there were few.
    pub fn many(&self, now: Timestamp) -> Option<FailedTries> {
        let failed = self.lock();
        let (since, _) = *failed.front().filter(|_| failed.len() >= MANY)?;
        let (_, from) = *failed.back()?;
        let age = now.duration_since(since).unsigned_abs();
        (age <= LOOK_BACK).then_some(FailedTries { since, from })
    }

    fn lock(&self) -> MutexGuard<'_, VecDeque<(Timestamp, Option<IpAddr>)>> {
        // Each statement leaves it whole.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Counts tries, and answers for names that are nobody's.
#[derive(Debug)]
pub struct Attaching {
    decoy: [u8; 32],
    tries: Mutex<Tries>,
    failed: LastFailures,
}

#[derive(Debug, Default)]
struct Tries {
    /// When an address has all its tries again.
    free_at: HashMap<Option<IpAddr>, Instant>,
}

impl Default for Attaching {
    fn default() -> Self {
        let mut random = [0; 32];
        random[..16].copy_from_slice(Uuid::new_v4().as_bytes());
        random[16..].copy_from_slice(Uuid::new_v4().as_bytes());
        Self { decoy: blake3::derive_key(DECOY, &random), tries: Mutex::default(), failed: LastFailures::default() }
    }
}

impl Attaching {
    /// The key in place of one for a name that no code has: what is proved with it fits nothing,
    /// and the same name has the same one, as a code would.
    pub fn decoy(&self, name: CodeName) -> ProofKey {
        ProofKey::from_bytes(*blake3::keyed_hash(&self.decoy, name.to_string().as_bytes()).as_bytes())
    }

    /// Takes one try of an address; else how long it has to wait.
    pub fn take(&self, address: Option<IpAddr>, now: Instant) -> Result<(), Duration> {
        let mut tries = self.lock();
        let place = tries.place(address, now);
        let free_at = tries.free_at.get(&place).copied().unwrap_or(now).max(now);
        let taken = free_at + ONE_MORE_AFTER;
        let most = ONE_MORE_AFTER * BURST;
        match (taken - now).checked_sub(most) {
            Some(wait) if !wait.is_zero() => Err(wait),
            _ => {
                tries.free_at.insert(place, taken);
                Ok(())
            }
        }
    }

    /// Gives back tries that came to a right end.
    pub fn give_back(&self, address: Option<IpAddr>, how_many: u32, now: Instant) {
        let mut tries = self.lock();
        let place = tries.place(address, now);
        if let Some(free_at) = tries.free_at.get_mut(&place) {
            *free_at = free_at.checked_sub(ONE_MORE_AFTER * how_many).unwrap_or(now);
        }
    }

    /// Notes a failure, and logs it.
    pub fn failed(&self, failure: Failure, name: CodeName, address: Option<IpAddr>, now: Timestamp) {
        let from = address.map(|address| address.to_string()).unwrap_or_default();
        let what = match failure {
            Failure::UnknownCode => "with a code that is nobody's",
            Failure::WrongProof => "without knowing the code",
            Failure::NotGood => "with a code that is not good any more",
        };
        tracing::warn!(code = %name, from, "somebody attaches {what}");
        self.failed.note(address, now);
    }

    /// Many failures within a day; none where there were few.
    pub fn many_failed(&self, now: Timestamp) -> Option<FailedTries> {
        self.failed.many(now)
    }

    fn lock(&self) -> MutexGuard<'_, Tries> {
        // Each statement leaves it whole.
        self.tries.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Tries {
    /// Where an address is counted.
    fn place(&mut self, address: Option<IpAddr>, now: Instant) -> Option<IpAddr> {
        let place = address.map(network_of);
        if self.free_at.contains_key(&place) {
            return place;
        }
        if self.free_at.len() >= MAX_ADDRESSES {
            self.free_at.retain(|_, free_at| *free_at > now);
        }
        if self.free_at.len() >= MAX_ADDRESSES { None } else { place }
    }
}

/// Whoever has an address of IPv6 has its whole network of 64 bits.
fn network_of(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => Ipv6Addr::from_bits(address.to_bits() >> 64 << 64).into(),
        address @ IpAddr::V4(_) => address,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tillway_proto::AttachCode;
    use tillway_proto::attach::Side;

    fn address(text: &str) -> Option<IpAddr> {
        text.parse().ok()
    }

    #[test]
    fn who_tries_too_often_waits_and_keeps_nobody_else_waiting() {
        let (attaching, now) = (Attaching::default(), Instant::now());
        let [rogue, honest] = ["10.0.0.66", "10.0.0.7"].map(address);
        for _ in 0..BURST {
            attaching.take(rogue, now).unwrap();
        }
        assert_eq!(attaching.take(rogue, now), Err(ONE_MORE_AFTER));
        assert_eq!(attaching.take(rogue, now + ONE_MORE_AFTER / 2), Err(ONE_MORE_AFTER / 2));
        attaching.take(honest, now).unwrap();
        attaching.take(rogue, now + ONE_MORE_AFTER).unwrap();
        assert!(attaching.take(rogue, now + ONE_MORE_AFTER).is_err());
        attaching.give_back(rogue, 2, now + ONE_MORE_AFTER);
        attaching.take(rogue, now + ONE_MORE_AFTER).unwrap();
    }

    #[test]
    fn addresses_are_bounded_and_a_network_of_ipv6_is_one() {
        let (attaching, now) = (Attaching::default(), Instant::now());
        for _ in 0..BURST {
            attaching.take(address("2001:db8::1"), now).unwrap();
        }
        assert!(attaching.take(address("2001:db8::ffff:2"), now).is_err());
        attaching.take(address("2001:db8:0:1::1"), now).unwrap();
        for number in 0..20_000_u32 {
            let _ = attaching.take(Some(std::net::Ipv4Addr::from_bits(number).into()), now);
        }
        assert!(attaching.lock().free_at.len() <= MAX_ADDRESSES + 1);
        assert!(attaching.take(address("192.0.2.1"), now).is_err(), "those beyond share one place");
        attaching.take(address("192.0.2.1"), now + ONE_MORE_AFTER * BURST).unwrap();
    }

    #[test]
    fn a_name_that_is_nobodys_is_answered_like_a_code_and_fits_none() {
        let attaching = Attaching::default();
        let code = AttachCode::generate();
        let prove = |key: ProofKey| key.prove(Side::Server, code.name, &[1; 32]);
        assert_eq!(prove(attaching.decoy(code.name)), prove(attaching.decoy(code.name)));
        assert_ne!(prove(attaching.decoy(code.name)), prove(ProofKey::of(&code.secret)));
        assert_ne!(prove(attaching.decoy(code.name)), prove(Attaching::default().decoy(code.name)));
    }

    #[test]
    fn many_failures_of_a_day_need_a_look() {
        let attaching = Attaching::default();
        let at = |hour: i64| Timestamp::from_second(1_800_000_000 + 3600 * hour).unwrap();
        let name = AttachCode::generate().name;
        for hour in 0..20 {
            assert_eq!(attaching.many_failed(at(hour)), None);
            attaching.failed(Failure::WrongProof, name, address("10.0.0.66"), at(hour));
        }
        assert_eq!(attaching.many_failed(at(20)), Some(FailedTries { since: at(0), from: address("10.0.0.66") }));
        assert_eq!(attaching.many_failed(at(25)), None);
        attaching.failed(Failure::UnknownCode, name, None, at(23));
        assert_eq!(attaching.many_failed(at(24)).unwrap().since, at(1));
    }
}

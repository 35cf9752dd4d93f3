//! What stands between a stranger and the passwords: wrong tries are counted by login and by
//! address, and slowed, the longer the more there are.
//!
//! Whoever came in from an address before is not kept out by what others try: that pair of login
//! and address is counted by itself. The same wrong password once more is no guess: it is answered
//! without a look, and not counted, so a program with an old password keeps nobody out. Kept in
//! memory, bounded; a restart forgives.

use super::PeopleError;
use super::secret::random;
use std::collections::HashMap;
use std::hash::Hash;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// Wrong tries of one login before anybody waits: typing errors.
const FREE_OF_LOGIN: u32 = 5;

/// The same of one address: people behind one router.
const FREE_OF_ADDRESS: u32 = 20;

/// The first wait; each further wrong try doubles it.
const FIRST_WAIT: Duration = Duration::from_secs(2);

/// Longest wait: by then the login is locked but for a try now and then.
const LONGEST_WAIT: Duration = Duration::from_mins(15);

/// Wrong tries are forgotten after so long without another.
const FORGET_AFTER: Duration = Duration::from_hours(24);

/// Logins, addresses and pairs that are counted by themselves, each; those beyond share one place.
const MAX_COUNTED: usize = 10_000;

/// Wrong passwords that are known again, of each place.
const KNOWN_WRONG: usize = 4;

/// What names a password that was tried, without telling it: two are the same where login,
/// password and what it was compared with are.
type Tried = [u8; 32];

/// What to do with a try.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Judged {
    /// Compare it.
    Try,
    /// It was wrong a moment ago, and is still.
    KnownWrong,
    /// Do not look at it for so long.
    Wait(Duration),
}

/// Counts wrong tries.
#[derive(Debug)]
pub struct Guesses {
    key: [u8; 32],
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    logins: Counted<[u8; 32]>,
    addresses: Counted<IpAddr>,
    /// Those who came in.
    known: Counted<([u8; 32], Option<IpAddr>)>,
}

/// Wrong tries by a key; those beyond [`MAX_COUNTED`] are counted together.
#[derive(Debug)]
struct Counted<K>(HashMap<Option<K>, Wrong>);

impl<K> Default for Counted<K> {
    fn default() -> Self {
        Self(HashMap::new())
    }
}

#[derive(Debug, Clone, Default)]
struct Wrong {
    count: u32,
    last: Option<Instant>,
    tried: [Option<Tried>; KNOWN_WRONG],
}

impl Default for Guesses {
    fn default() -> Self {
        // Without random numbers hashes of tries are still only in this process's memory.
        Self { key: random().unwrap_or([7; 32]), state: Mutex::default() }
    }
}

impl Guesses {
    /// What names a try.
    pub fn tried(&self, login: &str, password: &str, compared_with: &str) -> [u8; 32] {
        let mut hasher = blake3::Hasher::new_keyed(&self.key);
        for part in [login, password, compared_with] {
            hasher.update(&(part.len() as u64).to_le_bytes()).update(part.as_bytes());
        }
        *hasher.finalize().as_bytes()
    }

    /// What to do with a try from this address. `login`: none where only a token is shown.
    pub fn judge(&self, login: Option<&str>, address: Option<IpAddr>, tried: &[u8; 32], now: Instant) -> Judged {
        let (login, address) = (login.map(|login| self.name(login)), address.map(network_of));
        let mut state = self.lock();
        if let Some(login) = login
            && let Some(wrong) = state.known.0.get(&Some((login, address)))
        {
            return wrong.judge(FREE_OF_LOGIN, tried, now);
        }
        let of_login = login.map_or(Judged::Try, |login| state.logins.judge(login, FREE_OF_LOGIN, tried, now));
        let of_address =
            address.map_or(Judged::Try, |address| state.addresses.judge(address, FREE_OF_ADDRESS, tried, now));
        match (of_login, of_address) {
            (Judged::KnownWrong, _) | (_, Judged::KnownWrong) => Judged::KnownWrong,
            (Judged::Wait(one), Judged::Wait(other)) => Judged::Wait(one.max(other)),
            (Judged::Try, other) => other,
            (one, Judged::Try) => one,
        }
    }

    /// It was wrong.
    pub fn wrong(&self, login: Option<&str>, address: Option<IpAddr>, tried: &[u8; 32], now: Instant) {
        let (login, address) = (login.map(|login| self.name(login)), address.map(network_of));
        let mut state = self.lock();
        if let Some(login) = login
            && let Some(wrong) = state.known.0.get_mut(&Some((login, address)))
        {
            wrong.note(tried, now);
            return;
        }
        if let Some(login) = login {
            state.logins.place(login, now).note(tried, now);
        }
        if let Some(address) = address {
            state.addresses.place(address, now).note(tried, now);
        }
    }

    /// It was right.
    pub fn right(&self, login: &str, address: Option<IpAddr>, now: Instant) {
        let (login, address) = (self.name(login), address.map(network_of));
        let mut state = self.lock();
        state.logins.0.remove(&Some(login));
        // A known pair begins anew, and stays known for as long as others are not more.
        let known = Wrong { last: Some(now), ..Wrong::default() };
        if state.known.0.contains_key(&Some((login, address))) || state.known.0.len() < MAX_COUNTED {
            state.known.0.insert(Some((login, address)), known);
        }
    }

    /// Another door of the service, which knows by itself whether what was shown there is right:
    /// lets in, or refuses and counts. `login` names the door, or who comes to it.
    pub fn at_door(
        &self,
        login: &str,
        shown: &str,
        address: Option<IpAddr>,
        is_right: bool,
    ) -> Result<(), PeopleError> {
        let (tried, now) = (self.tried(login, shown, ""), Instant::now());
        let from = address.map(|address| address.to_string()).unwrap_or_default();
        match self.judge(Some(login), address, &tried, now) {
            Judged::Wait(wait) => {
                tracing::warn!(login, from, "a try to come in has to wait");
                return Err(PeopleError::LoginSlowDown {
                    seconds: wait.as_secs() + u64::from(wait.subsec_nanos() > 0),
                });
            }
            Judged::KnownWrong if !is_right => return Err(PeopleError::WrongPassword),
            Judged::Try | Judged::KnownWrong => {}
        }
        if is_right {
            self.right(login, address, now);
            return Ok(());
        }
        self.wrong(Some(login), address, &tried, now);
        tracing::warn!(login, from, "a wrong password");
        Err(PeopleError::WrongPassword)
    }

    fn name(&self, login: &str) -> [u8; 32] {
        *blake3::keyed_hash(&self.key, login.as_bytes()).as_bytes()
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // Each statement leaves it whole.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<K: Hash + Eq + Copy> Counted<K> {
    fn judge(&mut self, key: K, free: u32, tried: &Tried, now: Instant) -> Judged {
        let full = self.0.len() >= MAX_COUNTED;
        let wrong = self.0.get(&Some(key)).or_else(|| self.0.get(&None).filter(|_| full));
        wrong.map_or(Judged::Try, |wrong| wrong.judge(free, tried, now))
    }

    fn place(&mut self, key: K, now: Instant) -> &mut Wrong {
        if self.0.len() >= MAX_COUNTED && !self.0.contains_key(&Some(key)) {
            self.0.retain(|_, wrong| !wrong.is_forgotten(now));
        }
        let place = if self.0.len() >= MAX_COUNTED && !self.0.contains_key(&Some(key)) { None } else { Some(key) };
        self.0.entry(place).or_default()
    }
}

impl Wrong {
    fn judge(&self, free: u32, tried: &Tried, now: Instant) -> Judged {
        let Some(last) = self.last.filter(|_| !self.is_forgotten(now)) else { return Judged::Try };
        if self.tried.contains(&Some(*tried)) {
            return Judged::KnownWrong;
        }
        let wait = wait_after(self.count, free).saturating_sub(now.saturating_duration_since(last));
        if wait.is_zero() { Judged::Try } else { Judged::Wait(wait) }
    }

    fn note(&mut self, tried: &Tried, now: Instant) {
        if self.is_forgotten(now) {
            *self = Self::default();
        }
        if self.tried.contains(&Some(*tried)) {
            return;
        }
        self.tried.rotate_right(1);
        self.tried[0] = Some(*tried);
        self.count = self.count.saturating_add(1);
        self.last = Some(now);
    }

    fn is_forgotten(&self, now: Instant) -> bool {
        self.last.is_none_or(|last| now.saturating_duration_since(last) > FORGET_AFTER)
    }
}

/// How long the next try has to wait after so many wrong ones.
fn wait_after(count: u32, free: u32) -> Duration {
    match count.checked_sub(free) {
        None => Duration::ZERO,
        Some(beyond) => FIRST_WAIT.saturating_mul(1 << beyond.min(16)).min(LONGEST_WAIT),
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

    fn address(text: &str) -> Option<IpAddr> {
        text.parse().ok()
    }

    /// Tries a wrong password; whether it was looked at.
    fn guess(guesses: &Guesses, login: &str, from: &str, number: u32, now: Instant) -> Judged {
        let tried = guesses.tried(login, &number.to_string(), "hash");
        let judged = guesses.judge(Some(login), address(from), &tried, now);
        if judged == Judged::Try {
            guesses.wrong(Some(login), address(from), &tried, now);
        }
        judged
    }

    #[test]
    fn a_login_is_slowed_whatever_address_guesses_it_and_locked_in_the_end() {
        let (guesses, now) = (Guesses::default(), Instant::now());
        for number in 0..FREE_OF_LOGIN {
            assert_eq!(guess(&guesses, "anna", &format!("10.0.0.{number}"), number, now), Judged::Try);
        }
        assert_eq!(guess(&guesses, "anna", "10.0.1.1", 100, now), Judged::Wait(FIRST_WAIT));
        assert_eq!(guess(&guesses, "boris", "10.0.1.1", 100, now), Judged::Try, "others are not kept waiting");
        // As fast as one may: how many are looked at in a day.
        let (mut at, mut looked_at) = (now, 0);
        while at < now + Duration::from_hours(23) {
            match guess(&guesses, "anna", "10.0.2.1", 1_000 + looked_at, at) {
                Judged::Wait(wait) => at += wait,
                _ => looked_at += 1,
            }
        }
        assert!(looked_at < 110, "{looked_at}");
    }

    #[test]
    fn an_address_is_slowed_whatever_login_it_guesses() {
        let (guesses, now) = (Guesses::default(), Instant::now());
        for number in 0..FREE_OF_ADDRESS {
            assert_eq!(guess(&guesses, &format!("user{number}"), "2001:db8::1", 1, now), Judged::Try);
        }
        assert_eq!(guess(&guesses, "another", "2001:db8::ffff", 1, now), Judged::Wait(FIRST_WAIT));
        assert_eq!(guess(&guesses, "another", "2001:db8:0:1::1", 1, now), Judged::Try);
        let token = guesses.tried("", "twk_x", "");
        assert_eq!(guesses.judge(None, address("2001:db8::2"), &token, now), Judged::Wait(FIRST_WAIT));
    }

    #[test]
    fn who_came_in_before_is_not_kept_out_by_the_guesses_of_others() {
        let (guesses, now) = (Guesses::default(), Instant::now());
        guesses.right("anna", address("10.0.0.7"), now);
        for number in 0..1_000 {
            guess(&guesses, "anna", "10.0.0.66", number, now);
            guess(&guesses, &format!("u{number}"), "10.0.0.7", number, now);
        }
        assert!(matches!(guess(&guesses, "anna", "10.0.0.66", 7_777, now), Judged::Wait(_)));
        assert_eq!(guess(&guesses, "anna", "10.0.0.7", 1, now), Judged::Try);
        // But who then guesses from there is slowed as well.
        for number in 2..=FREE_OF_LOGIN {
            assert_eq!(guess(&guesses, "anna", "10.0.0.7", number, now), Judged::Try);
        }
        assert!(matches!(guess(&guesses, "anna", "10.0.0.7", 99, now), Judged::Wait(_)));
    }

    #[test]
    fn the_same_wrong_password_again_is_no_guess() {
        let (guesses, now) = (Guesses::default(), Instant::now());
        assert_eq!(guess(&guesses, "erp", "10.0.0.9", 1, now), Judged::Try);
        for _ in 0..1_000 {
            assert_eq!(guess(&guesses, "erp", "10.0.0.9", 1, now), Judged::KnownWrong);
        }
        assert_eq!(guess(&guesses, "erp", "10.0.0.9", 2, now), Judged::Try);
        assert_eq!(guess(&guesses, "erp", "10.0.0.9", 1, now + FORGET_AFTER * 2), Judged::Try);
        // Another hash: the password was changed, and the try may be right now.
        let tried = guesses.tried("erp", "1", "another hash");
        assert_eq!(guesses.judge(Some("erp"), address("10.0.0.9"), &tried, now), Judged::Try);
    }

    #[test]
    fn what_is_counted_is_bounded() {
        let (guesses, now) = (Guesses::default(), Instant::now());
        for number in 0..3 * MAX_COUNTED {
            let address = Some(std::net::Ipv4Addr::from_bits(u32::try_from(number).unwrap()).into());
            let tried = guesses.tried("x", &number.to_string(), "");
            guesses.wrong(Some(&number.to_string()), address, &tried, now);
            guesses.right(&format!("known{number}"), address, now);
        }
        let state = guesses.lock();
        for size in [state.logins.0.len(), state.addresses.0.len(), state.known.0.len()] {
            assert!(size <= MAX_COUNTED + 1, "{size}");
        }
    }
}

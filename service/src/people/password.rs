//! Passwords: which are taken, and their hashes by argon2id.
//!
//! A hash takes 19 MiB and some 20 ms, so few are made at once; who would have to wait long is
//! told to come again.

use super::secret::random;
use super::{Login, PeopleError};
use argon2::password_hash::{PasswordHasher as _, PasswordVerifier as _};
use argon2::{Algorithm, Argon2, Params, Version};
use std::fmt;
use std::sync::{Condvar, Mutex, PoisonError};

/// Shortest password in characters.
pub const MIN_PASSWORD_CHARS: usize = 10;

/// Longest password in bytes: beyond that nobody types it.
const MAX_PASSWORD_BYTES: usize = 512;

/// Hashes that are made at the same time.
const AT_ONCE: usize = 2;

/// So many may wait for that: half a second's work.
const MAX_WAITING: usize = 32;

/// How dear a hash is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cost {
    /// 19 MiB, two passes: what OWASP asks for.
    Full,
    /// For tests that look at something else.
    Least,
}

/// The hash of a password, with its salt and parameters, as PHC strings have it.
#[derive(Clone, PartialEq, Eq)]
pub struct PasswordHash(String);

impl PasswordHash {
    /// As it was kept.
    pub fn from_text(text: String) -> Self {
        Self(text)
    }

    /// To keep it.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for PasswordHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PasswordHash")
    }
}

/// Makes and compares hashes, a few at a time.
pub(super) struct Passwords {
    argon: Argon2<'static>,
    /// In the place of that of a user who is not there, so that both take as long.
    decoy: PasswordHash,
    places: Mutex<Places>,
    free: Condvar,
}

#[derive(Default)]
struct Places {
    taken: usize,
    waiting: usize,
}

impl Passwords {
    pub(super) fn new(cost: Cost) -> Result<Self, PeopleError> {
        let params = match cost {
            Cost::Full => Params::default(),
            Cost::Least => Params::new(Params::MIN_M_COST, 1, 1, None).map_err(not_hashed)?,
        };
        let argon = Argon2::new(Algorithm::Argon2id, Version::V0x13, params);
        let decoy = hash(&argon, "a password that nobody has")?;
        Ok(Self { argon, decoy, places: Mutex::default(), free: Condvar::new() })
    }

    /// The hash of a password that is taken.
    pub(super) fn hash(&self, login: &Login, password: &str) -> Result<PasswordHash, PeopleError> {
        judge(login, password)?;
        self.hash_any(password)
    }

    /// The hash of a password that was taken before there were rules for it.
    pub(super) fn hash_any(&self, password: &str) -> Result<PasswordHash, PeopleError> {
        let _place = self.take_place()?;
        hash(&self.argon, password)
    }

    /// Whether it is the password of this hash. Takes as long where there is none.
    pub(super) fn fits(&self, password: &str, hash: Option<&PasswordHash>) -> Result<bool, PeopleError> {
        let _place = self.take_place()?;
        let compared = hash.unwrap_or(&self.decoy);
        // What was kept says how it was made.
        let fits = password.len() <= MAX_PASSWORD_BYTES
            && self.argon.verify_password(password.as_bytes(), compared.as_str()).is_ok();
        Ok(fits && hash.is_some())
    }

    fn take_place(&self) -> Result<Place<'_>, PeopleError> {
        let lock = || self.places.lock().unwrap_or_else(PoisonError::into_inner);
        let mut places = lock();
        if places.waiting >= MAX_WAITING {
            return Err(PeopleError::LoginBusy);
        }
        places.waiting += 1;
        while places.taken >= AT_ONCE {
            places = self.free.wait(places).unwrap_or_else(PoisonError::into_inner);
        }
        places.waiting -= 1;
        places.taken += 1;
        drop(places);
        Ok(Place(self))
    }
}

/// A place of those that make a hash; it comes free when this is dropped.
struct Place<'a>(&'a Passwords);

impl Drop for Place<'_> {
    fn drop(&mut self) {
        self.0.places.lock().unwrap_or_else(PoisonError::into_inner).taken -= 1;
        self.0.free.notify_one();
    }
}

fn hash(argon: &Argon2<'_>, password: &str) -> Result<PasswordHash, PeopleError> {
    let salt: [u8; 16] = random()?;
    let made = argon.hash_password_with_salt(password.as_bytes(), &salt).map_err(not_hashed)?;
    Ok(PasswordHash(made.to_string()))
}

fn not_hashed(error: impl fmt::Display) -> PeopleError {
    PeopleError::PasswordNotHashed { detail: error.to_string() }
}

/// Long ones are good; no rule makes people write `Password1!`.
fn judge(login: &Login, password: &str) -> Result<(), PeopleError> {
    let mut chars = password.chars();
    let first = chars.next();
    if password.chars().count() < MIN_PASSWORD_CHARS {
        return Err(PeopleError::PasswordShort { min: MIN_PASSWORD_CHARS });
    }
    if password.len() > MAX_PASSWORD_BYTES {
        return Err(PeopleError::PasswordLong { max: MAX_PASSWORD_BYTES });
    }
    let is_plain = password.to_lowercase() == login.as_str() || chars.all(|other| Some(other) == first);
    if is_plain { Err(PeopleError::PasswordPlain) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_fits_its_own_hash_and_no_hash_tells_it() {
        let passwords = Passwords::new(Cost::Least).unwrap();
        let anna: Login = "anna".parse().unwrap();
        let [one, other] = ["correct horse"; 2].map(|password| passwords.hash(&anna, password).unwrap());
        assert_ne!(one, other, "each has its salt");
        assert!(one.as_str().starts_with("$argon2id$v=19$"), "{}", one.as_str());
        assert!(passwords.fits("correct horse", Some(&one)).unwrap());
        assert!(!passwords.fits("correct horsf", Some(&one)).unwrap());
        assert!(!passwords.fits("a password that nobody has", None).unwrap());
        assert!(!passwords.fits("x", Some(&PasswordHash::from_text("rubbish".to_owned()))).unwrap());
    }

    #[test]
    fn what_is_kept_is_compared_with_its_own_parameters() {
        let [full, least] = [Cost::Full, Cost::Least].map(|cost| Passwords::new(cost).unwrap());
        let made = full.hash_any("secret").unwrap();
        assert!(made.as_str().contains("m=19456,t=2,p=1"), "{}", made.as_str());
        assert!(least.fits("secret", Some(&made)).unwrap());
    }

    #[test]
    fn short_long_and_plain_passwords_are_not_taken() {
        let login: Login = "administrator".parse().unwrap();
        assert!(matches!(judge(&login, "123456789"), Err(PeopleError::PasswordShort { min: 10 })));
        assert!(matches!(judge(&login, &"xy".repeat(300)), Err(PeopleError::PasswordLong { .. })));
        for plain in ["Administrator", "aaaaaaaaaaaa"] {
            assert!(matches!(judge(&login, plain), Err(PeopleError::PasswordPlain)), "{plain}");
        }
        judge(&login, "длинный пароль").unwrap();
    }
}

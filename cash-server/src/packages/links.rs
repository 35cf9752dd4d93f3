//! Links to packages: for which till each is, and what else has to be shown.
//!
//! - `/packages/<name>.twp?till=<id>&code=<64 hex>` is for a till that shows its token beside it.
//!   It never ends, and is worth nothing to who lacks the token.
//! - `/packages/<name>.twp?till=<id>&until=<Unix time>&code=<64 hex>` opens the package by itself,
//!   until then, for [`LIFE`]: for agents of v0.1, which show no token, and where another host
//!   carries packages, which gets no token. Its code is made over the hash of the till's token as
//!   well, so it is void with the token.
//!
//! The code is a keyed BLAKE3 code over package, till, end and token, under a key that is derived
//! from that of the proofs ([`super::proof`]): a server that was restored from a backup knows the
//! links that it gave out since.

use crate::network::TokenHash;
use crate::settings::proof_key::ProofKey;
use jiff::{SignedDuration, Timestamp};
use tillway_proto::{PackageName, TillId};

/// What derives the key from that of the proofs: another meaning gets another text.
const CONTEXT: &str = "tillway 2026-12-01 links to packages";

/// How long a link opens a package by itself: a till downloads for no longer, and one that was off
/// for longer is given another link.
pub const LIFE: SignedDuration = SignedDuration::from_hours(24);

/// Makes links, and knows them again.
#[derive(Clone)]
pub struct Links {
    key: [u8; 32],
}

/// What a link carries beside the name of its package.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pass {
    /// For whom it was made.
    pub till: TillId,
    /// Unix time until which it opens the package by itself; none: the till shows its token.
    pub until: Option<i64>,
    code: blake3::Hash,
}

impl Pass {
    /// From the query of a link; none where it is none.
    pub fn of_query(query: &str) -> Option<Self> {
        let (mut till, mut until, mut code) = (None, None, None);
        for pair in query.split('&') {
            match pair.split_once('=')? {
                ("till", text) => till = Some(text.parse().ok()?),
                ("until", text) => until = Some(text.parse().ok()?),
                ("code", text) => code = Some(blake3::Hash::from_hex(text).ok()?),
                _ => return None,
            }
        }
        Some(Self { till: till?, until, code: code? })
    }

    /// Whether it does not open the package by itself, or not any more.
    pub fn is_over(&self, now: Timestamp) -> bool {
        self.until.is_none_or(|until| now.as_second() > until)
    }
}

impl Links {
    /// Under a key of their own.
    pub fn new(key: &ProofKey) -> Self {
        Self { key: blake3::derive_key(CONTEXT, key.bytes()) }
    }

    /// The link for a till that shows its token.
    pub fn beside_token(&self, package: &PackageName, till: &TillId) -> String {
        let code = self.code(package, till, None);
        format!("/packages/{}?till={till}&code={code}", package.file_name())
    }

    /// The link that opens the package by itself until then, as long as this is the till's token.
    pub fn alone(&self, package: &PackageName, till: &TillId, until: Timestamp, token: &TokenHash) -> String {
        let until = until.as_second();
        let code = self.code(package, till, Some((until, token)));
        format!("/packages/{}?till={till}&until={until}&code={code}", package.file_name())
    }

    /// Whether this server made the pass, for this package and the till that it names, whose token
    /// is this one now. Takes the same time wherever they differ.
    pub fn made(&self, pass: &Pass, package: &PackageName, token: &TokenHash) -> bool {
        self.code(package, &pass.till, pass.until.map(|until| (until, token))) == pass.code
    }

    fn code(&self, package: &PackageName, till: &TillId, alone: Option<(i64, &TokenHash)>) -> blake3::Hash {
        let mut code = blake3::Hasher::new_keyed(&self.key);
        code.update(package.as_str().as_bytes());
        match alone {
            Some((until, token)) => code.update(&[1]).update(&until.to_be_bytes()).update(&token.to_bytes()),
            None => code.update(&[0]),
        };
        // Last, since it alone has no fixed length.
        code.update(till.as_str().as_bytes());
        code.finalize()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pass_holds_for_its_package_till_end_token_and_key_alone() {
        let links = |byte| Links::new(&ProofKey::of([byte; 32]));
        let package = |byte| PackageName::from_hash([byte; 32]);
        let till: TillId = "_cash_1_00ab34ef".parse().unwrap();
        let (token, other) = (TokenHash::of("a"), TokenHash::of("b"));
        let end = Timestamp::from_second(1_000).unwrap();
        let pass = |link: &str| Pass::of_query(link.split_once('?').unwrap().1).unwrap();

        let alone = pass(&links(1).alone(&package(1), &till, end, &token));
        assert!(links(1).made(&alone, &package(1), &token));
        assert!(!links(2).made(&alone, &package(1), &token));
        assert!(!links(1).made(&alone, &package(2), &token));
        assert!(!links(1).made(&alone, &package(1), &other), "the token was renewed");
        let longer = Pass { until: Some(2_000), ..alone.clone() };
        let anothers = Pass { till: "_cash_2_00ab34ef".parse().unwrap(), ..alone.clone() };
        let endless = Pass { until: None, ..alone.clone() };
        assert!([longer, anothers, endless].iter().all(|pass| !links(1).made(pass, &package(1), &token)));
        let at = |second| Timestamp::from_second(second).unwrap();
        assert!(!alone.is_over(at(1_000)) && alone.is_over(at(1_001)));

        let beside = pass(&links(1).beside_token(&package(1), &till));
        assert!(links(1).made(&beside, &package(1), &other), "the token is shown by itself");
        assert!(beside.is_over(at(0)));
        assert!(!links(1).made(&Pass { until: Some(9_000), ..beside }, &package(1), &token));
    }

    #[test]
    fn what_is_no_pass_is_none() {
        let code = "ab".repeat(32);
        let good = format!("till=_cash_1_00ab34ef&until=7&code={code}");
        assert!(Pass::of_query(&good).is_some());
        let long = format!("{good}&more=1");
        for query in ["", "till", "till=_cash_1_00ab34ef", &good.replace("until=7", "until=x"), &long, &good[..90]] {
            assert_eq!(Pass::of_query(query), None, "{query}");
        }
    }
}

//! What has to be made anew, and when: functions over times alone.

use super::certificate::Validity;
use jiff::{SignedDuration, Timestamp};

/// A client whose clock is behind by less takes a new certificate all the same.
const BACKDATED: SignedDuration = SignedDuration::from_hours(24);

const DAY: i64 = 24;

/// How long what we make lives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Lives {
    /// Of a certificate.
    pub certificate: SignedDuration,
    /// Of an authority.
    pub authority: SignedDuration,
    /// How long a new authority is handed out before it signs.
    pub handed_out: SignedDuration,
    /// By how much the beginning of a certificate lies before it is made.
    pub backdated: SignedDuration,
}

impl Default for Lives {
    /// 90 days, ten years, and 120 days to hand out: a client that was switched off for a season
    /// still learns of a new authority before it signs.
    fn default() -> Self {
        Self {
            certificate: SignedDuration::from_hours(90 * DAY),
            authority: SignedDuration::from_hours(3_652 * DAY),
            handed_out: SignedDuration::from_hours(120 * DAY),
            backdated: BACKDATED,
        }
    }
}

/// What is to be done about the authority.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum NextAuthority {
    /// Nothing now.
    Wait,
    /// The next one is to be made.
    Make,
    /// The next one was handed out long enough.
    Signs,
    /// The present one is not valid, and none is ready to follow it: the machine was off for
    /// years, or its clock was wrong when it was made.
    TooLate,
}

/// What is to be done about the authority now.
pub(super) fn next_authority(
    now: Timestamp,
    current: Validity,
    next: Option<Validity>,
    lives: &Lives,
) -> NextAuthority {
    let is_over = !current.holds_at(now);
    match next {
        Some(next) if next.holds_at(now) && (is_over || now >= made_at(next, lives) + lives.handed_out) => {
            NextAuthority::Signs
        }
        Some(next) if next.holds_at(now) => NextAuthority::Wait,
        _ if is_over => NextAuthority::TooLate,
        _ if is_due(now, current, lives) => NextAuthority::Make,
        _ => NextAuthority::Wait,
    }
}

/// Whether two thirds of its life are over, or it is not valid at all.
pub(super) fn is_due(now: Timestamp, validity: Validity, lives: &Lives) -> bool {
    let life = validity.until.duration_since(made_at(validity, lives));
    let left = validity.until.duration_since(now);
    !validity.holds_at(now) || left.as_secs().saturating_mul(3) <= life.as_secs()
}

fn made_at(validity: Validity, lives: &Lives) -> Timestamp {
    validity.from.saturating_add(lives.backdated).unwrap_or(validity.from)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn day(days: i64) -> Timestamp {
        Timestamp::from_second(1_800_000_000).unwrap() + SignedDuration::from_hours(DAY * days)
    }

    fn made(days: i64, life: i64) -> Validity {
        Validity { from: day(days - 1), until: day(days + life) }
    }

    #[test]
    fn a_certificate_is_renewed_at_two_thirds_of_its_life_and_when_the_clock_does_not_fit_it() {
        let due = |at| is_due(day(at), made(0, 90), &Lives::default());
        assert_eq!([due(0), due(59), due(60), due(200)], [false, false, true, true]);
        assert!(due(-2), "made while the clock was ahead");
    }

    #[test]
    fn a_new_authority_is_handed_out_for_months_before_it_signs() {
        let lives = Lives::default();
        let (current, third) = (made(0, 3_652), 2_435);
        let step = |at, next| next_authority(day(at), current, next, &lives);
        assert_eq!(step(third - 1, None), NextAuthority::Wait);
        assert_eq!(step(third, None), NextAuthority::Make);
        let next = Some(made(third, 3_652));
        assert_eq!(step(third + 119, next), NextAuthority::Wait);
        assert_eq!(step(third + 120, next), NextAuthority::Signs);
        assert_eq!(step(third, Some(made(-10, 5))), NextAuthority::Make, "one that has ended is none");
    }

    #[test]
    fn an_authority_that_has_ended_is_followed_at_once() {
        let step = |next| next_authority(day(4_000), made(0, 3_652), next, &Lives::default());
        assert_eq!(step(None), NextAuthority::TooLate);
        assert_eq!(step(Some(made(3_990, 3_652))), NextAuthority::Signs);
        assert_eq!(next_authority(day(-2), made(0, 3_652), None, &Lives::default()), NextAuthority::TooLate);
    }
}

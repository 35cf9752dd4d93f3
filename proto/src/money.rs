//! Money as whole kopecks, quantities as whole thousandths. No floating point in either, on any
//! path.
//!
//! Text comes in from JSON numbers and strings (`12`, `"12.5"`, `1.25e1`) and is read digit by
//! digit. Digits beyond the scale are refused unless they are the noise of a producer's binary
//! floating point: `59.900000000000006` is 59.90, `12.345` is an error.
//!
//! Arithmetic stays at the end of what fits: sums that a till makes up must neither end a process
//! nor turn their sign.

use serde::{Deserialize, Serialize};
use std::fmt;
use std::iter::Sum;
use std::ops::{Add, AddAssign, Neg, Sub, SubAssign};
use std::str::FromStr;

/// Why a text is not an amount.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DecimalError {
    /// Not a decimal number at all.
    #[error("`{text}` is not a number")]
    NotANumber {
        /// What was read.
        text: String,
    },
    /// More digits after the point than the scale holds.
    #[error("`{text}` has more than {scale} digits after the point")]
    TooFine {
        /// What was read.
        text: String,
        /// How many digits after the point are allowed.
        scale: u32,
    },
    /// Does not fit.
    #[error("`{text}` is too large")]
    TooLarge {
        /// What was read.
        text: String,
    },
}

/// An amount of money in kopecks (hundredths of the currency unit).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Kopecks(pub i64);

/// A quantity in thousandths of its unit of measure.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Thousandths(pub i64);

macro_rules! amount {
    ($name:ident, $scale:expr) => {
        impl $name {
            /// Nothing.
            pub const ZERO: Self = Self(0);
            /// Digits after the decimal point.
            pub const SCALE: u32 = $scale;

            /// The sum, or `None` where it does not fit.
            pub fn checked_add(self, other: Self) -> Option<Self> {
                self.0.checked_add(other.0).map(Self)
            }

            /// The amount without its sign.
            #[must_use]
            pub fn abs(self) -> Self {
                Self(self.0.abs())
            }
        }

        impl FromStr for $name {
            type Err = DecimalError;

            fn from_str(text: &str) -> Result<Self, DecimalError> {
                parse_scaled(text, Self::SCALE).map(Self)
            }
        }

        impl fmt::Display for $name {
            /// As a decimal number with all digits of the scale: `12.50`.
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(&format_scaled(self.0, Self::SCALE))
            }
        }

        impl Add for $name {
            type Output = Self;
            fn add(self, other: Self) -> Self {
                Self(self.0.saturating_add(other.0))
            }
        }

        impl AddAssign for $name {
            fn add_assign(&mut self, other: Self) {
                self.0 = self.0.saturating_add(other.0);
            }
        }

        impl Sub for $name {
            type Output = Self;
            fn sub(self, other: Self) -> Self {
                Self(self.0.saturating_sub(other.0))
            }
        }

        impl SubAssign for $name {
            fn sub_assign(&mut self, other: Self) {
                self.0 = self.0.saturating_sub(other.0);
            }
        }

        impl Neg for $name {
            type Output = Self;
            fn neg(self) -> Self {
                Self(self.0.saturating_neg())
            }
        }

        impl Sum for $name {
            fn sum<I: Iterator<Item = Self>>(amounts: I) -> Self {
                amounts.fold(Self::ZERO, Add::add)
            }
        }
    };
}

amount!(Kopecks, 2);
amount!(Thousandths, 3);

/// Digits after the scale that may be floating-point noise are at least this far behind the point.
const NOISE_DIGITS: usize = 9;

/// Largest exponent that is read; a price of 10^18 kopecks does not fit anyway.
const MAX_EXPONENT: i32 = 40;

/// Reads a decimal number as an integer of `10^-scale` units.
///
/// Accepts a sign, an exponent and blanks around; refuses everything that is not exactly
/// representable, except the noise described in the module's doc.
pub fn parse_scaled(text: &str, scale: u32) -> Result<i64, DecimalError> {
    let not_a_number = || DecimalError::NotANumber { text: text.to_owned() };
    let too_large = || DecimalError::TooLarge { text: text.to_owned() };

    let trimmed = text.trim();
    let (negative, unsigned) = match trimmed.as_bytes().first() {
        Some(b'-') => (true, &trimmed[1..]),
        Some(b'+') => (false, &trimmed[1..]),
        _ => (false, trimmed),
    };
    let (mantissa, exponent) = match unsigned.find(['e', 'E']) {
        Some(at) => (&unsigned[..at], unsigned[at + 1..].parse::<i32>().map_err(|_| not_a_number())?),
        None => (unsigned, 0),
    };
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let digits_only = |part: &str| part.bytes().all(|b| b.is_ascii_digit());
    if (whole.is_empty() && fraction.is_empty()) || !digits_only(whole) || !digits_only(fraction) {
        return Err(not_a_number());
    }
    if exponent.abs() > MAX_EXPONENT {
        return Err(too_large());
    }

    let digits: String = [whole, fraction].concat();
    let point = i64::try_from(whole.len()).map_err(|_| too_large())? + i64::from(exponent);
    let keep = point + i64::from(scale);
    let keep = usize::try_from(keep.max(0)).map_err(|_| too_large())?;

    let mut value: i64 = 0;
    for position in 0..keep {
        let digit = digits.as_bytes().get(position).map_or(0, |b| i64::from(b - b'0'));
        value = value.checked_mul(10).and_then(|v| v.checked_add(digit)).ok_or_else(too_large)?;
    }
    let beyond = if point + i64::from(scale) < 0 { digits.as_str() } else { digits.get(keep..).unwrap_or("") };
    value = match beyond_scale(beyond) {
        Beyond::Nothing | Beyond::NoiseAbove => value,
        Beyond::NoiseBelow => value.checked_add(1).ok_or_else(too_large)?,
        Beyond::Digits => return Err(DecimalError::TooFine { text: text.to_owned(), scale }),
    };
    Ok(if negative { -value } else { value })
}

enum Beyond {
    Nothing,
    NoiseAbove,
    NoiseBelow,
    Digits,
}

fn beyond_scale(digits: &str) -> Beyond {
    if digits.bytes().all(|b| b == b'0') {
        return Beyond::Nothing;
    }
    let leading = |digit: u8| digits.bytes().take_while(|b| *b == digit).count();
    if digits.len() > NOISE_DIGITS && leading(b'0') >= NOISE_DIGITS {
        Beyond::NoiseAbove
    } else if digits.len() > NOISE_DIGITS && leading(b'9') >= NOISE_DIGITS {
        Beyond::NoiseBelow
    } else {
        Beyond::Digits
    }
}

/// Writes an integer of `10^-scale` units as a decimal number with all its digits.
pub fn format_scaled(value: i64, scale: u32) -> String {
    let unit = 10_u64.pow(scale);
    let magnitude = value.unsigned_abs();
    let sign = if value < 0 { "-" } else { "" };
    if scale == 0 {
        return format!("{sign}{magnitude}");
    }
    let width = scale as usize;
    format!("{sign}{}.{:0width$}", magnitude / unit, magnitude % unit)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn prices_are_read_exactly() {
        for (text, kopecks) in [
            ("12", 1200),
            ("12.5", 1250),
            ("12.50", 1250),
            ("12.500000", 1250),
            ("0.01", 1),
            (".5", 50),
            ("5.", 500),
            ("-3.1", -310),
            ("+3.1", 310),
            ("1.25e1", 1250),
            ("125E-1", 1250),
            ("1e3", 100_000),
            (" 7 ", 700),
            ("0", 0),
            ("59.900000000000006", 5990),
            ("0.28999999999999998", 29),
            ("92233720368547758.07", i64::MAX),
        ] {
            assert_eq!(text.parse::<Kopecks>(), Ok(Kopecks(kopecks)), "{text}");
        }
    }

    #[test]
    fn what_does_not_fit_stays_at_the_end() {
        let (most, least) = (Kopecks(i64::MAX), Kopecks(i64::MIN));
        assert_eq!((most + Kopecks(1), least - Kopecks(1), -least), (most, least, most));
        assert_eq!([most, most].into_iter().sum::<Kopecks>(), most);
        let (mut up, mut down) = (most, least);
        up += Kopecks(1);
        down -= Kopecks(1);
        assert_eq!((up, down), (most, least));
    }

    #[test]
    fn what_is_no_price_is_refused() {
        for text in
            ["", "-", ".", "e5", "12,5", "1.2.3", "0x10", "NaN", "12.345", "0.001", "1e-3", "1e99", "1e2147483648"]
        {
            assert!(text.parse::<Kopecks>().is_err(), "{text}");
        }
        assert!("92233720368547758.08".parse::<Kopecks>().is_err());
        assert_eq!("1e-3".parse::<Thousandths>(), Ok(Thousandths(1)));
    }

    proptest! {
        #[test]
        fn written_amounts_read_back(value in (i64::MIN + 1)..i64::MAX) {
            prop_assert_eq!(Kopecks(value).to_string().parse::<Kopecks>(), Ok(Kopecks(value)));
            prop_assert_eq!(Thousandths(value).to_string().parse::<Thousandths>(), Ok(Thousandths(value)));
        }

        #[test]
        fn no_text_panics(text in "\\PC{0,24}") {
            let _ = text.parse::<Kopecks>();
        }
    }
}

//! One value that a format has read to one value of a row, by the type of its field. Loose in what
//! it takes, exact in what it gives.

use super::{Cell, Context, Problem, RowValue, ValueFault, WarningKind};
use crate::kinds::{Field, FieldType, MAX_LONG_TEXT_BYTES};
use jiff::Timestamp;
use jiff::civil::{Date, DateTime};
use std::borrow::Cow;
use tillway_proto::money::{DecimalError, parse_scaled};

/// Most characters of a wrong value that a reason shows.
const SHOWN_CHARS: usize = 40;

/// Days for which something may be kept: more is another number in the wrong field.
const MAX_DAYS: i64 = 36_500;

fn shown(text: &str) -> String {
    match text.char_indices().nth(SHOWN_CHARS) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

/// Takes a value for a field.
pub(crate) fn convert<'a>(field: &Field, cell: Cell<'a>, context: &mut Context<'_>) -> Result<RowValue<'a>, Problem> {
    match (field.field_type, cell) {
        (FieldType::Json, cell) => json(field, cell),
        (FieldType::Text { max }, Cell::Text(text) | Cell::Decimal(text)) => plain_text(field, text, max, context),
        (FieldType::Text { max }, Cell::Integer(number)) => {
            plain_text(field, Cow::Owned(number.to_string()), max, context)
        }
        (FieldType::LongText, Cell::Text(text)) => Ok(long(field, text, context)),
        (FieldType::Code { max }, Cell::Text(text)) => match text {
            Cow::Borrowed(text) => code(field, Cow::Borrowed(text.trim()), max),
            Cow::Owned(text) => code(field, Cow::Owned(text.trim().to_owned()), max),
        },
        (FieldType::Code { max }, Cell::Integer(number)) => code(field, Cow::Owned(number.to_string()), max),
        (FieldType::Code { max }, Cell::Decimal(number)) => code(field, whole(field, number)?, max),
        (field_type, cell) => {
            let taken = match &cell {
                Cell::Null => Ok(RowValue::Null),
                Cell::Flag(value) if field_type == FieldType::Bool => Ok(RowValue::Integer(i64::from(*value))),
                Cell::Decimal(text) | Cell::Text(text) | Cell::Nested(text) if field_type == FieldType::Bool => {
                    boolean(text.trim())
                }
                Cell::Integer(number) if field_type == FieldType::Bool => boolean(&number.to_string()),
                Cell::Flag(value) => Err(wrong(&value.to_string(), field_type)),
                Cell::Integer(number) => number_or_time(field_type, &number.to_string(), context),
                Cell::Decimal(number) => number_or_time(field_type, number, context),
                Cell::Text(text) => number_or_time(field_type, text.trim(), context),
                Cell::Day(day) => moment(field_type, *day, None).ok_or_else(|| wrong(&day.to_string(), field_type)),
                Cell::Time(time) => {
                    moment(field_type, time.date(), Some(*time)).ok_or_else(|| wrong(&time.to_string(), field_type))
                }
                Cell::Nested(json) => Err(wrong(json, field_type)),
            };
            let value = match taken {
                Ok(value) => value,
                Err(fault) => return Err(Problem::value(field.name, cell.into_text(), fault)),
            };
            if field.is_price() && matches!(value, RowValue::Integer(price) if price < 0) {
                context.warn(field.name, &cell.into_text(), WarningKind::NegativePrice);
            }
            Ok(value)
        }
    }
}

/// A value that is kept as JSON; of a nested list the entries were looked at before.
fn json<'a>(field: &Field, cell: Cell<'a>) -> Result<RowValue<'a>, Problem> {
    let json = match cell {
        Cell::Nested(json) => json,
        other => {
            let mut out = String::new();
            other.write_json(&mut out);
            Cow::Owned(out)
        }
    };
    match &*json {
        "null" | "\"\"" => Ok(RowValue::Null),
        _ if !field.entries.is_empty() && !json.starts_with(['[', '{']) => {
            let fault = ValueFault::NotAList { value: shown(&json) };
            Err(Problem::value(field.name, json.into_owned(), fault))
        }
        _ if json.len() > MAX_LONG_TEXT_BYTES => {
            let fault = ValueFault::TooManyBytes { bytes: json.len(), max: MAX_LONG_TEXT_BYTES };
            Err(Problem::value(field.name, json.into_owned(), fault))
        }
        _ => Ok(RowValue::Text(json)),
    }
}

fn wrong(text: &str, field_type: FieldType) -> ValueFault {
    ValueFault::WrongValue { value: shown(text), expected: field_type.into() }
}

/// The value, or what is wrong with it.
type Taken = Result<RowValue<'static>, ValueFault>;

fn bounded<'a>(field: &Field, text: Cow<'a, str>, max: usize) -> Result<RowValue<'a>, Problem> {
    // A text has at most as many characters as bytes: most need no count.
    if text.len() > max {
        let count = text.chars().count();
        if count > max {
            let fault = ValueFault::TooLong { value: shown(&text), chars: count, max };
            return Err(Problem::value(field.name, text.into_owned(), fault));
        }
    }
    Ok(RowValue::Text(text))
}

/// A text: without control characters but tab and line breaks, and cut where it is too long. One
/// that must be read is taken as it is, or not at all.
fn plain_text<'a>(
    field: &Field,
    text: Cow<'a, str>,
    max: usize,
    context: &mut Context<'_>,
) -> Result<RowValue<'a>, Problem> {
    if field.is_strict() {
        return bounded(field, text, max);
    }
    // Those below a blank come as an escape, which makes the text an owned one.
    let may_have_controls = matches!(text, Cow::Owned(_)) || text.bytes().any(|byte| matches!(byte, 0x7f | 0xc2));
    let controls = if may_have_controls { text.chars().filter(|c| is_taken_out(*c)).count() } else { 0 };
    let text = if controls > 0 {
        context.warn(field.name, &text, WarningKind::ControlsTakenOut { count: controls as u64 });
        Cow::Owned(text.chars().filter(|c| !is_taken_out(*c)).collect())
    } else {
        text
    };
    // A text has at most as many characters as bytes: most need no count.
    if text.len() <= max {
        return Ok(RowValue::Text(text));
    }
    let Some((end, _)) = text.char_indices().nth(max) else { return Ok(RowValue::Text(text)) };
    let chars = text.chars().count() as u64;
    context.warn(field.name, &text, WarningKind::TextCut { chars, max: max as u64 });
    Ok(RowValue::Text(match text {
        Cow::Borrowed(text) => Cow::Borrowed(&text[..end]),
        Cow::Owned(mut text) => {
            text.truncate(end);
            Cow::Owned(text)
        }
    }))
}

fn is_taken_out(c: char) -> bool {
    c.is_control() && !matches!(c, '\t' | '\n' | '\r')
}

/// A picture; one that is too large is left out.
fn long<'a>(field: &Field, text: Cow<'a, str>, context: &mut Context<'_>) -> RowValue<'a> {
    if text.len() > MAX_LONG_TEXT_BYTES {
        let (bytes, max) = (text.len() as u64, MAX_LONG_TEXT_BYTES as u64);
        context.warn(field.name, &text, WarningKind::PictureLeftOut { bytes, max });
        return RowValue::Null;
    }
    RowValue::Text(text)
}

fn code<'a>(field: &Field, text: Cow<'a, str>, max: usize) -> Result<RowValue<'a>, Problem> {
    if text.is_empty() { Ok(RowValue::Null) } else { bounded(field, text, max) }
}

/// A number that is a code: digits as they are, `12.0` as `12`.
fn whole<'a>(field: &Field, number: Cow<'a, str>) -> Result<Cow<'a, str>, Problem> {
    if number.bytes().all(|byte| byte.is_ascii_digit()) {
        return Ok(number);
    }
    if let Ok(whole) = parse_scaled(&number, 0) {
        return Ok(Cow::Owned(whole.to_string()));
    }
    let fault = wrong(&number, field.field_type);
    Err(Problem::value(field.name, number.into_owned(), fault))
}

fn boolean(text: &str) -> Taken {
    match text {
        "" => Ok(RowValue::Null),
        "0" => Ok(RowValue::Integer(0)),
        "1" => Ok(RowValue::Integer(1)),
        _ if text.eq_ignore_ascii_case("true") => Ok(RowValue::Integer(1)),
        _ if text.eq_ignore_ascii_case("false") => Ok(RowValue::Integer(0)),
        _ => Err(wrong(text, FieldType::Bool)),
    }
}

fn number_or_time(field_type: FieldType, text: &str, context: &mut Context<'_>) -> Taken {
    if text.is_empty() {
        return Ok(RowValue::Null);
    }
    let wrong = || wrong(text, field_type);
    match field_type {
        FieldType::Integer => parse_scaled_fast(text, 0).map(RowValue::Integer).map_err(|_| wrong()),
        FieldType::Money | FieldType::Quantity | FieldType::Decimal { .. } => {
            let (digits, scale) = field_type.decimal().unwrap_or_default();
            let number = parse_scaled_fast(text, scale).map_err(|error| match error {
                DecimalError::NotANumber { .. } => wrong(),
                DecimalError::TooFine { scale: digits, .. } => {
                    ValueFault::TooManyDecimals { value: shown(text), digits }
                }
                DecimalError::TooLarge { .. } => ValueFault::NumberTooLarge { value: shown(text) },
            })?;
            if number.unsigned_abs() >= 10_u64.pow(digits) {
                return Err(ValueFault::TooManyDigits { value: shown(text), digits: digits - scale });
            }
            Ok(RowValue::Integer(number))
        }
        FieldType::DaysOrDateTime if parse_scaled_fast(text, 0).is_ok() => match parse_scaled_fast(text, 0) {
            Ok(days @ 0..=MAX_DAYS) => Ok(RowValue::Text(Cow::Owned(days.to_string()))),
            _ => Err(ValueFault::WrongDays { value: shown(text), max: MAX_DAYS }),
        },
        FieldType::Date | FieldType::DateTime | FieldType::DateTimeEnd | FieldType::DaysOrDateTime => {
            let (day, time) = day_or_time(text, context).ok_or_else(wrong)?;
            moment(field_type, day, time).ok_or_else(wrong)
        }
        _ => Err(wrong()),
    }
}

/// A day, or a time on it, as the row keeps it; none of a field that takes no time.
fn moment(field_type: FieldType, day: Date, time: Option<DateTime>) -> Option<RowValue<'static>> {
    let text = match field_type {
        FieldType::Date => day.to_string(),
        FieldType::DateTime | FieldType::DaysOrDateTime => time.map_or(day.at(0, 0, 0, 0), to_second).to_string(),
        FieldType::DateTimeEnd => time.map_or(day.at(23, 59, 59, 0), to_second).to_string(),
        _ => return None,
    };
    Some(RowValue::Text(Cow::Owned(text)))
}

fn to_second(time: DateTime) -> DateTime {
    time.date().at(time.hour(), time.minute(), time.second(), 0)
}

/// [`parse_scaled`], with a way around it for what nearly all numbers look like: some digits and a
/// point.
fn parse_scaled_fast(text: &str, scale: u32) -> Result<i64, DecimalError> {
    /// So many digits cannot overflow.
    const SAFE_DIGITS: usize = 17;
    let (mut value, mut fraction, mut in_fraction) = (0_i64, 0, false);
    let mut plain = !text.is_empty() && text.len() <= SAFE_DIGITS && text.as_bytes()[0].is_ascii_digit();
    for byte in text.bytes().take(SAFE_DIGITS) {
        match byte {
            b'0'..=b'9' => {
                value = value * 10 + i64::from(byte - b'0');
                fraction += u32::from(in_fraction);
            }
            b'.' if !in_fraction => in_fraction = true,
            _ => plain = false,
        }
    }
    if plain && fraction <= scale && text.len() + (scale - fraction) as usize <= SAFE_DIGITS {
        return Ok(value * 10_i64.pow(scale - fraction));
    }
    parse_scaled(text, scale)
}

/// `YYYY-MM-DD`, alone or followed by `T` or a blank and a time; parts of seconds are dropped. A
/// time with a zone (`Z`, `+03:00`) is converted to local time; a day with one is that day, since
/// it names no moment.
fn day_or_time(text: &str, context: &mut Context<'_>) -> Option<(Date, Option<DateTime>)> {
    let bytes = text.as_bytes();
    let dashes = bytes.len() >= 10 && bytes[4] == b'-' && bytes[7] == b'-' && text.is_ascii();
    if !dashes {
        return None;
    }
    let (day, rest) = text.split_at(10);
    if rest.is_empty() || is_zone(rest) {
        return day.parse::<Date>().ok().map(|day| (day, None));
    }
    let time: DateTime = if rest.contains(['Z', 'z', '+', '-']) {
        let moment: Timestamp = text.parse().ok()?;
        context.zoned = true;
        context.zone.to_datetime(moment)
    } else {
        text.parse().ok()?
    };
    Some((time.date(), Some(time)))
}

/// `Z`, `+03`, `+0300` or `+03:00`.
fn is_zone(text: &str) -> bool {
    let hours = text.strip_prefix(['+', '-']).is_some_and(|hours| {
        matches!(hours.len(), 2 | 4 | 5) && hours.bytes().all(|byte| byte.is_ascii_digit() || byte == b':')
    });
    hours || text.eq_ignore_ascii_case("z")
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn the_short_way_gives_what_the_long_way_gives(text in r"[-+]?[0-9.eE]{1,20}", scale in 0_u32..5) {
            prop_assert_eq!(parse_scaled_fast(&text, scale), parse_scaled(&text, scale));
        }
    }
}

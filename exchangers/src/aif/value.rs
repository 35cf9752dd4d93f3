//! One value of a payload to one value of a row, by the type of its field. Loose in what it takes,
//! exact in what it gives.

use super::Cause;
use super::canonical::write_canonical;
use super::context::Context;
use super::json::{Cursor, Fault, Json};
use super::list::write_list;
use super::warning::WarningKind;
use crate::kinds::{Field, FieldType, MAX_LONG_TEXT_BYTES};
use crate::row::ValueRef;
use jiff::Timestamp;
use jiff::civil::{Date, DateTime};
use std::borrow::Cow;
use tillway_proto::money::parse_scaled;

/// A value of a row, its text borrowed from the record where possible.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) enum Cell<'a> {
    #[default]
    Null,
    Integer(i64),
    Text(Cow<'a, str>),
}

/// Why a value cannot be taken.
pub(super) enum ValueError {
    Fault(Fault),
    /// The whole record cannot be taken.
    Whole(Cause, String),
    /// What is wrong with the value, which was read to its end.
    Reason {
        value: String,
        reason: String,
    },
}

impl From<Fault> for ValueError {
    fn from(fault: Fault) -> Self {
        Self::Fault(fault)
    }
}

impl<'a> Cell<'a> {
    pub(super) fn from_value(value: ValueRef<'a>) -> Self {
        match value {
            ValueRef::Null => Self::Null,
            ValueRef::Integer(number) => Self::Integer(number),
            ValueRef::Text(text) => Self::Text(Cow::Borrowed(text)),
        }
    }

    pub(super) fn as_value(&self) -> ValueRef<'_> {
        match self {
            Self::Null => ValueRef::Null,
            Self::Integer(number) => ValueRef::Integer(*number),
            Self::Text(text) => ValueRef::Text(text),
        }
    }
}

/// Most characters of a wrong value that a reason shows.
const SHOWN_CHARS: usize = 40;

/// Days for which something may be kept: more is another number in the wrong field.
const MAX_DAYS: i64 = 36_500;

fn shown(text: &str) -> String {
    match text.char_indices().nth(SHOWN_CHARS) {
        Some((end, _)) => format!("`{}…`", &text[..end]),
        None => format!("`{text}`"),
    }
}

/// Takes the next value for a field. Where it is an error with a reason, the value was read to its
/// end.
pub(super) fn convert_next<'a>(
    field: &Field,
    cursor: &mut Cursor<'a>,
    context: &mut Context<'_>,
) -> Result<Cell<'a>, ValueError> {
    if field.field_type != FieldType::Json {
        return convert(field, cursor.value()?, context);
    }
    let mut out = String::new();
    if field.entries.is_empty() || cursor.peek() != Some(b'[') {
        write_canonical(cursor, &mut out)?;
    } else {
        write_list(field, cursor, &mut out, context)?;
    }
    match out.as_str() {
        "null" | "\"\"" => Ok(Cell::Null),
        _ if !field.entries.is_empty() && !out.starts_with(['[', '{']) => Err(ValueError::Reason {
            reason: format!("field `{}`: {} is not a list", field.name, shown(&out)),
            value: out,
        }),
        _ if out.len() > MAX_LONG_TEXT_BYTES => Err(ValueError::Reason {
            reason: format!(
                "field `{}`: the value has {} bytes, at most {MAX_LONG_TEXT_BYTES} are allowed",
                field.name,
                out.len()
            ),
            value: out,
        }),
        _ => Ok(Cell::Text(Cow::Owned(out))),
    }
}

/// Takes a value for a field that holds no nested ones.
pub(super) fn convert<'a>(field: &Field, value: Json<'a>, context: &mut Context<'_>) -> Result<Cell<'a>, ValueError> {
    let result = match (field.field_type, value) {
        (_, Json::Null) => Ok(Cell::Null),
        (FieldType::Bool, value) => boolean(value)?,
        (FieldType::Text { max }, Json::Text(text)) => plain_text(field, text.value()?, max, context),
        (FieldType::Text { max }, Json::Number(number)) => plain_text(field, Cow::Borrowed(number), max, context),
        (FieldType::LongText, Json::Text(text)) => Ok(long(field, text.value()?, context)),
        (FieldType::Code { max }, Json::Text(text)) => match text.value()? {
            Cow::Borrowed(text) => code(Cow::Borrowed(text.trim()), max),
            Cow::Owned(text) => code(Cow::Owned(text.trim().to_owned()), max),
        },
        (FieldType::Code { max }, Json::Number(number)) => whole(number).and_then(|whole| code(whole, max)),
        (field_type, Json::Number(number)) => number_or_time(field_type, number, context),
        (field_type, Json::Text(text)) => number_or_time(field_type, text.value()?.trim(), context),
        (_, Json::Bool(value)) => Err(format!("`{value}` is not {}", expected(field.field_type))),
        (_, Json::Nested(nested)) => Err(format!("{} is not {}", shown(nested), expected(field.field_type))),
    };
    let cell = result.map_err(|reason| ValueError::Reason {
        reason: format!("field `{}`: {reason}", field.name),
        value: as_text(value),
    })?;
    if field.is_price() && matches!(cell, Cell::Integer(price) if price < 0) {
        context.warn(field.name, &as_text(value), WarningKind::NegativePrice);
    }
    Ok(cell)
}

/// A value as it came, for people.
pub(super) fn as_text(value: Json<'_>) -> String {
    match value {
        Json::Null => "null".to_owned(),
        Json::Bool(value) => value.to_string(),
        Json::Number(text) | Json::Nested(text) => text.to_owned(),
        Json::Text(text) => text.value().map(Cow::into_owned).unwrap_or_default(),
    }
}

fn expected(field_type: FieldType) -> &'static str {
    match field_type {
        FieldType::Text { .. } | FieldType::LongText => "a text",
        FieldType::Code { .. } => "a code",
        FieldType::Integer => "a whole number",
        FieldType::Bool => "true, false, 0 or 1",
        FieldType::Money | FieldType::Quantity | FieldType::Decimal { .. } => "a number",
        FieldType::Date => "a date YYYY-MM-DD",
        FieldType::DateTime | FieldType::DateTimeEnd => "a time YYYY-MM-DDTHH:MM:SS",
        FieldType::DaysOrDateTime => "a number of days or a time YYYY-MM-DDTHH:MM:SS",
        FieldType::Json => "a value",
    }
}

type Taken<'a> = Result<Cell<'a>, String>;

fn bounded(text: Cow<'_, str>, max: usize) -> Taken<'_> {
    // A text has at most as many characters as bytes: most need no count.
    if text.len() > max {
        let count = text.chars().count();
        if count > max {
            return Err(format!("{} has {count} characters, at most {max} are allowed", shown(&text)));
        }
    }
    Ok(Cell::Text(text))
}

/// A text: without control characters but tab and line breaks, and cut where it is too long. One
/// that must be read is taken as it is, or not at all.
fn plain_text<'a>(field: &Field, text: Cow<'a, str>, max: usize, context: &mut Context<'_>) -> Taken<'a> {
    if field.is_strict() {
        return bounded(text, max);
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
        return Ok(Cell::Text(text));
    }
    let Some((end, _)) = text.char_indices().nth(max) else { return Ok(Cell::Text(text)) };
    let chars = text.chars().count() as u64;
    context.warn(field.name, &text, WarningKind::TextCut { chars, max: max as u64 });
    Ok(Cell::Text(match text {
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
fn long<'a>(field: &Field, text: Cow<'a, str>, context: &mut Context<'_>) -> Cell<'a> {
    if text.len() > MAX_LONG_TEXT_BYTES {
        let (bytes, max) = (text.len() as u64, MAX_LONG_TEXT_BYTES as u64);
        context.warn(field.name, &text, WarningKind::PictureLeftOut { bytes, max });
        return Cell::Null;
    }
    Cell::Text(text)
}

fn code(text: Cow<'_, str>, max: usize) -> Taken<'_> {
    if text.is_empty() { Ok(Cell::Null) } else { bounded(text, max) }
}

/// A number that is a code: digits as they are, `12.0` as `12`.
fn whole(number: &str) -> Result<Cow<'_, str>, String> {
    if number.bytes().all(|byte| byte.is_ascii_digit()) {
        return Ok(Cow::Borrowed(number));
    }
    match parse_scaled(number, 0) {
        Ok(whole) => Ok(Cow::Owned(whole.to_string())),
        Err(_) => Err(format!("{} is not a code", shown(number))),
    }
}

fn boolean(value: Json<'_>) -> Result<Taken<'_>, Fault> {
    let text = match value {
        Json::Bool(value) => return Ok(Ok(Cell::Integer(i64::from(value)))),
        Json::Number(number) => Cow::Borrowed(number),
        Json::Text(text) => text.value()?,
        Json::Nested(nested) => Cow::Borrowed(nested),
        Json::Null => return Ok(Ok(Cell::Null)),
    };
    let trimmed = text.trim();
    Ok(match trimmed {
        "" => Ok(Cell::Null),
        "0" => Ok(Cell::Integer(0)),
        "1" => Ok(Cell::Integer(1)),
        _ if trimmed.eq_ignore_ascii_case("true") => Ok(Cell::Integer(1)),
        _ if trimmed.eq_ignore_ascii_case("false") => Ok(Cell::Integer(0)),
        _ => Err(format!("{} is not {}", shown(trimmed), expected(FieldType::Bool))),
    })
}

fn number_or_time(field_type: FieldType, text: &str, context: &mut Context<'_>) -> Taken<'static> {
    if text.is_empty() {
        return Ok(Cell::Null);
    }
    let wrong = || format!("{} is not {}", shown(text), expected(field_type));
    match field_type {
        FieldType::Integer => parse_scaled_fast(text, 0).map(Cell::Integer).map_err(|_| wrong()),
        FieldType::Money | FieldType::Quantity | FieldType::Decimal { .. } => {
            let (digits, scale) = field_type.decimal().unwrap_or_default();
            let number = parse_scaled_fast(text, scale)?;
            if number.unsigned_abs() >= 10_u64.pow(digits) {
                return Err(format!("{} has more than {} digits before the point", shown(text), digits - scale));
            }
            Ok(Cell::Integer(number))
        }
        FieldType::Date => day_or_time(text, context).map(|(day, _)| date_cell(day)).ok_or_else(wrong),
        FieldType::DaysOrDateTime if parse_scaled_fast(text, 0).is_ok() => match parse_scaled_fast(text, 0) {
            Ok(days @ 0..=MAX_DAYS) => Ok(Cell::Text(Cow::Owned(days.to_string()))),
            _ => Err(format!("{} is not a number of days up to {MAX_DAYS}", shown(text))),
        },
        FieldType::DateTime | FieldType::DaysOrDateTime => day_or_time(text, context)
            .map(|(day, time)| time_cell(time.unwrap_or(day.at(0, 0, 0, 0))))
            .ok_or_else(wrong),
        FieldType::DateTimeEnd => day_or_time(text, context)
            .map(|(day, time)| time_cell(time.unwrap_or(day.at(23, 59, 59, 0))))
            .ok_or_else(wrong),
        _ => Err(wrong()),
    }
}

/// [`parse_scaled`], with a way around it for what nearly all numbers look like: some digits and a
/// point.
fn parse_scaled_fast(text: &str, scale: u32) -> Result<i64, String> {
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
    parse_scaled(text, scale).map_err(|error| error.to_string())
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
    let whole = time.date().at(time.hour(), time.minute(), time.second(), 0);
    Some((whole.date(), Some(whole)))
}

/// `Z`, `+03`, `+0300` or `+03:00`.
fn is_zone(text: &str) -> bool {
    let hours = text.strip_prefix(['+', '-']).is_some_and(|hours| {
        matches!(hours.len(), 2 | 4 | 5) && hours.bytes().all(|byte| byte.is_ascii_digit() || byte == b':')
    });
    hours || text.eq_ignore_ascii_case("z")
}

fn date_cell(day: Date) -> Cell<'static> {
    Cell::Text(Cow::Owned(day.to_string()))
}

fn time_cell(time: DateTime) -> Cell<'static> {
    Cell::Text(Cow::Owned(time.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn the_short_way_gives_what_the_long_way_gives(text in r"[-+]?[0-9.eE]{1,20}", scale in 0_u32..5) {
            prop_assert_eq!(parse_scaled_fast(&text, scale), parse_scaled(&text, scale).map_err(|e| e.to_string()));
        }
    }
}

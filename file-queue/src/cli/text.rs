//! Every word that `file-queue` says to a person; translations start here.

use std::error::Error;
use std::fmt::Write as _;
use std::path::Path;

use jiff::{SignedDuration, Timestamp};

use super::{Failure, Listed, Shown, VerifiedQueue};
use crate::inspect::{Dropped, Entry, State};
use crate::name::QueueName;
use crate::plain_text::on_one_line;

const COLUMNS: [&str; 8] = ["ID", "STATE", "AGE", "MESSAGES", "BYTES", "TRIES", "CONTENT TYPE", "REASON"];
/// Stands where a value is not known.
const UNKNOWN: &str = "-";

pub(super) fn failure(failure: &Failure) -> String {
    let mut text = format!("file-queue: {failure}");
    let mut source = match failure {
        Failure::Queue(error) => error.source(),
        Failure::Print(error) => Some(error as &dyn Error),
    };
    while let Some(error) = source {
        let _ = write!(text, ": {error}");
        source = error.source();
    }
    text
}

pub(super) fn listed(root: &Path, listed: &[Listed], now: Timestamp) -> String {
    if listed.is_empty() {
        return no_queues(root);
    }
    let mut text = String::new();
    for Listed { queue, entries } in listed {
        let waiting = entries.iter().filter(|entry| entry.state != State::Aside);
        let (batches, messages, bytes) = waiting.fold((0, 0_u64, 0_u64), |(batches, messages, bytes), entry| {
            (batches + 1, messages + u64::from(entry.messages), bytes.saturating_add(entry.bytes))
        });
        let aside = entries.iter().filter(|entry| entry.state == State::Aside).count();
        let _ = writeln!(
            text,
            "{queue}: {}, {}, {} waiting; {aside} aside",
            counted(batches, "batch", "batches"),
            counted(messages, "message", "messages"),
            size(bytes)
        );
        if !entries.is_empty() {
            text.push_str(&table(entries, now));
        }
    }
    text
}

pub(super) fn verified(root: &Path, all: &[VerifiedQueue]) -> String {
    if all.is_empty() {
        return no_queues(root);
    }
    let mut text = String::new();
    for VerifiedQueue { queue, verified } in all {
        let batches = counted(verified.batches, "batch", "batches");
        if verified.broken.is_empty() {
            let _ = writeln!(text, "{queue}: {batches} read, all sound");
            continue;
        }
        let _ = writeln!(text, "{queue}: {batches} read, {} broken:", verified.broken.len());
        for broken in &verified.broken {
            let path = broken.path.display();
            let _ =
                writeln!(text, "  {} ({}): {path}: {}", broken.id, state(broken.state), on_one_line(&broken.reason));
        }
    }
    text
}

pub(super) fn shown(shown: &Shown) -> String {
    let Shown { batch, messages } = shown;
    let mut text = format!("batch {} of {}\n", batch.id, batch.created);
    for (name, value) in &batch.attributes {
        let _ = writeln!(text, "  {} = {}", on_one_line(name), on_one_line(value));
    }
    for message in messages {
        let header = &message.header;
        let _ = writeln!(
            text,
            "message {}: {}, {}, {}",
            header.index,
            on_one_line(&header.id.to_string()),
            on_one_line(&header.content_type),
            size(message.file_bytes)
        );
        for (name, value) in &header.attributes {
            let _ = writeln!(text, "  {} = {}", on_one_line(name), on_one_line(value));
        }
    }
    text
}

pub(super) fn dropped(queue: &QueueName, Dropped { dropped, claimed }: Dropped) -> String {
    let dropped = counted(dropped, "batch", "batches");
    if claimed == 0 {
        return format!("{queue}: {dropped} dropped\n");
    }
    let claimed = counted(claimed, "batch", "batches");
    format!("{queue}: {dropped} dropped; {claimed} left, since a consumer works on it\n")
}

pub(super) fn requeued(queue: &QueueName, requeued: u64) -> String {
    format!("{queue}: {} put back\n", counted(requeued, "batch", "batches"))
}

fn no_queues(root: &Path) -> String {
    format!("no queues under {}\n", root.display())
}

fn state(state: State) -> &'static str {
    match state {
        State::Ready => "ready",
        State::Claimed => "claimed",
        State::Aside => "aside",
    }
}

fn counted(count: u64, one: &str, many: &str) -> String {
    format!("{count} {}", if count == 1 { one } else { many })
}

fn table(entries: &[Entry], now: Timestamp) -> String {
    let mut rows = vec![COLUMNS.map(str::to_owned)];
    rows.extend(entries.iter().map(|entry| {
        [
            entry.id.clone(),
            state(entry.state).to_owned(),
            entry.created.map_or_else(|| UNKNOWN.to_owned(), |created| age(now.duration_since(created))),
            entry.messages.to_string(),
            size(entry.bytes),
            entry.tries.to_string(),
            on_one_line(entry.content_type.as_deref().unwrap_or(UNKNOWN)).into_owned(),
            on_one_line(entry.reason.as_deref().unwrap_or_default()).into_owned(),
        ]
    }));
    let mut widths = [0; COLUMNS.len()];
    for row in &rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = (*width).max(cell.chars().count());
        }
    }
    let mut text = String::new();
    for row in &rows {
        let line = row.iter().zip(widths).fold(String::new(), |mut line, (cell, width)| {
            let _ = write!(line, "  {cell:<width$}");
            line
        });
        text.push_str(line.trim_end());
        text.push('\n');
    }
    text
}

/// The two largest units. A clock that was set back makes no negative age.
fn age(age: SignedDuration) -> String {
    let seconds = age.as_secs().max(0);
    match (seconds / 86_400, seconds / 3600 % 24, seconds / 60 % 60, seconds % 60) {
        (0, 0, 0, seconds) => format!("{seconds}s"),
        (0, 0, minutes, seconds) => format!("{minutes}m {seconds}s"),
        (0, hours, minutes, _) => format!("{hours}h {minutes}m"),
        (days, hours, ..) => format!("{days}d {hours}h"),
    }
}

/// In the largest unit that leaves a number, rounded down, one digit behind the point.
fn size(bytes: u64) -> String {
    let mut unit = (1_u64, "B");
    for larger in [(1 << 10, "KiB"), (1 << 20, "MiB"), (1 << 30, "GiB")] {
        if bytes >= larger.0 {
            unit = larger;
        }
    }
    let (factor, name) = unit;
    if factor == 1 {
        return format!("{bytes} {name}");
    }
    format!("{}.{} {name}", bytes / factor, bytes % factor * 10 / factor)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ages_and_sizes_are_short() {
        assert_eq!(age(SignedDuration::from_secs(-5)), "0s");
        assert_eq!(age(SignedDuration::from_secs(187)), "3m 7s");
        assert_eq!(age(SignedDuration::from_secs(90_061)), "1d 1h");
        assert_eq!(size(1023), "1023 B");
        assert_eq!(size(1536), "1.5 KiB");
        assert_eq!(size(10 << 30), "10.0 GiB");
    }
}

//! Errors as people read them, and work that blocks.

use jiff::Timestamp;
use jiff::civil::{Date, date};
use jiff::tz::TimeZone;
use std::error::Error;

/// An error with its sources in one line.
pub fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        let cause_text = cause.to_string();
        if !text.contains(&cause_text) {
            text.push_str(": ");
            text.push_str(&cause_text);
        }
        source = cause.source();
    }
    if let Some(advice) = of_clock(&text, Timestamp::now()) {
        text.push_str("; ");
        text.push_str(&advice);
    }
    text
}

/// No clock that is right tells an earlier day: this version was not made yet.
const MADE_AFTER: Date = date(2026, 11, 1);

/// What a certificate that is good at another time says of this machine's clock. `text`: what
/// rustls says.
fn of_clock(text: &str, now: Timestamp) -> Option<String> {
    let shown = now.strftime("%Y-%m-%d %H:%M UTC");
    if text.contains("certificate not valid yet") {
        let day = now.to_zoned(TimeZone::UTC).date();
        let proof =
            if day < MADE_AFTER { format!(", and this version was made after {MADE_AFTER}") } else { String::new() };
        return Some(format!("this machine's clock says {shown}{proof}: it is behind, set it"));
    }
    text.contains("certificate expired").then(|| {
        format!(
            "this machine's clock says {shown}: either it is ahead, then set it, or the server did not renew its certificate; \
             compare with the server's clock"
        )
    })
}

/// A task of the runtime did not come to its end, which only a defect or a stop brings about.
#[derive(Debug, thiserror::Error)]
#[error("a background task was ended")]
pub(crate) struct Aborted(#[source] tokio::task::JoinError);

/// Runs work that blocks on disk or database away from the tasks that must answer. A panic in it
/// is an error line, not the end of the agent.
pub(crate) async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T, Aborted> {
    tokio::task::spawn_blocking(work).await.map_err(Aborted)
}

#[cfg(test)]
mod tests {
    use super::*;
    use rustls::pki_types::UnixTime;
    use std::time::Duration;

    #[test]
    fn a_certificate_of_another_time_is_told_with_this_machine_s_clock() {
        let at = |seconds| UnixTime::since_unix_epoch(Duration::from_secs(seconds));
        let early = rustls::CertificateError::NotValidYetContext { time: at(1), not_before: at(1_800_000_000) };
        let late = rustls::CertificateError::ExpiredContext { time: at(1_900_000_000), not_after: at(1_800_000_000) };
        let said = |error, now| of_clock(&rustls::Error::InvalidCertificate(error).to_string(), now).unwrap();
        let told = said(early, Timestamp::UNIX_EPOCH);
        assert!(
            told.contains("1970-01-01") && told.contains("made after 2026-11-01") && told.contains("behind"),
            "{told}"
        );
        let told = said(late, "2099-01-01T00:00:00Z".parse().unwrap());
        assert!(told.contains("2099-01-01") && told.contains("ahead"), "{told}");
        assert_eq!(of_clock("connection refused", Timestamp::now()), None);
    }
}

//! The list of what was set aside as the page shows it: kept for some seconds, whole in what can
//! be read.

use super::{Aside, AsideUnit};
use crate::error_chain;
use crate::words::Reason;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// A list is shown for so long. The page asks every two seconds for each who looks at it, and
/// nothing here hurries.
const SHOWN_FOR: Duration = Duration::from_secs(5);

/// Gathering takes at most this part of the time: a spool with much aside is read from the disk
/// that sales are written to.
const REST_FACTOR: u32 = 20;

/// A list is not shown for longer, however long it took.
const SHOWN_FOR_AT_MOST: Duration = Duration::from_mins(5);

/// What the page shows of it.
#[derive(Debug, Default)]
pub struct Shown {
    /// What could be read.
    pub units: Vec<AsideUnit>,
    /// Why the rest could not.
    pub troubles: Vec<Reason>,
}

/// The list that was gathered last. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub struct LastShown(Arc<Mutex<Option<Kept>>>);

/// A list, and until when it is good.
type Kept = (Arc<Shown>, Instant);

impl LastShown {
    /// The one that is still good, or a new one. Whoever asks meanwhile waits for it.
    fn or_gather(&self, gather: impl FnOnce() -> Shown) -> Arc<Shown> {
        let mut last = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((shown, _)) = last.as_ref().filter(|(_, until)| Instant::now() < *until) {
            return Arc::clone(shown);
        }
        let began = Instant::now();
        let shown = Arc::new(gather());
        let kept_for = (began.elapsed() * REST_FACTOR).clamp(SHOWN_FOR, SHOWN_FOR_AT_MOST);
        *last = Some((Arc::clone(&shown), Instant::now() + kept_for));
        shown
    }

    /// Something was settled: the next one is gathered anew.
    pub(super) fn forget(&self) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }
}

impl Aside {
    /// Everything that is set aside, as of some seconds ago at most. What cannot be read does not
    /// hide the rest.
    pub fn shown(&self) -> Arc<Shown> {
        self.last_shown.or_gather(|| {
            let mut shown = Shown::default();
            for section in Self::SECTIONS {
                match section(self) {
                    Ok(units) => shown.units.extend(units),
                    Err(error) => {
                        tracing::error!(error = error_chain(&error), "failed to list what is set aside");
                        shown.troubles.push(Reason::of(&error));
                    }
                }
            }
            shown
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_is_gathered_once_until_it_is_old_or_something_was_settled() {
        let last = LastShown::default();
        let first = last.or_gather(Shown::default);
        let again = last.or_gather(|| panic!("the first is still good"));
        assert!(Arc::ptr_eq(&first, &again));
        last.forget();
        assert!(!Arc::ptr_eq(&first, &last.or_gather(Shown::default)));
        if let Some((_, until)) = last.0.lock().unwrap().as_mut() {
            *until = Instant::now();
        }
        let trouble = || Shown { troubles: vec![Reason::worded("x")], ..Shown::default() };
        assert_eq!(last.or_gather(trouble).troubles.len(), 1);
    }
}

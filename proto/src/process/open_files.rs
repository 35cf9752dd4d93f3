//! How many files and connections this process may have open: raised at start as far as the system
//! allows.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// The limit of open files as it stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OpenFiles {
    /// So many this process may have open now.
    pub limit: u64,
}

impl OpenFiles {
    /// Raises the limit as far as this process may, to what the service manager or the shell has
    /// set as the upper one.
    pub fn raise() -> Self {
        let now = getrlimit(Resource::Nofile);
        if now.current != now.maximum {
            // Where it is refused, the old limit stands, and it is that one that is told.
            let _ = setrlimit(Resource::Nofile, Rlimit { current: now.maximum, maximum: now.maximum });
        }
        Self::now()
    }

    /// Looks only.
    pub fn now() -> Self {
        Self { limit: getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX) }
    }

    /// What is wrong where fewer than `needed` may be open, and what to do.
    pub fn fault(self, needed: u64) -> Option<String> {
        (self.limit < needed).then(|| {
            format!(
                "this process may have {} files and connections open, and may need {needed}: raise `LimitNOFILE` of the \
                 service, or `ulimit -Hn` of the shell",
                self.limit
            )
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_limit_is_raised_as_far_as_it_goes_and_one_that_is_too_low_is_told() {
        let upper = getrlimit(Resource::Nofile).maximum.unwrap_or(u64::MAX);
        let lower = Rlimit { current: Some(upper.min(256)), maximum: getrlimit(Resource::Nofile).maximum };
        setrlimit(Resource::Nofile, lower).unwrap();
        assert_eq!(OpenFiles::now().limit, upper.min(256));
        assert_eq!(OpenFiles::raise().limit, upper);
        let low = OpenFiles { limit: 1024 };
        assert_eq!(low.fault(1024), None);
        let told = low.fault(4096).unwrap();
        assert!(told.contains("1024") && told.contains("4096") && told.contains("LimitNOFILE"), "{told}");
    }
}

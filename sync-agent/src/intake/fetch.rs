//! Fetching a package: room first, then the download.

use super::IntakeError;
use crate::download::{DownloadLimits, Downloader};
use crate::error::blocking;
use crate::room::Room;
use crate::settings::{LiveSettings, Settings, Trust, reader::in_url};
use jiff::Timestamp;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex as StdMutex, PoisonError};
use tillway_proto::PackageLink;
use tokio::sync::Mutex;

/// Fetches packages from the host that the settings name.
#[derive(Debug)]
pub(crate) struct Fetch {
    room: Room,
    settings: LiveSettings,
    /// Held by each download, and by what one that was given up has still to write.
    downloading: Arc<Mutex<()>>,
    /// Made for the first link, and where others are trusted: a client reads the certificates of
    /// the machine, which takes longer than a package with a price, and keeps its connection for
    /// the next.
    downloader: StdMutex<Option<(Trust, Downloader)>>,
    /// The last link was one that has ended.
    met_ended: AtomicBool,
}

impl Fetch {
    pub(crate) fn new(room: Room, settings: LiveSettings) -> Self {
        Self {
            room,
            settings,
            downloading: Arc::default(),
            downloader: StdMutex::default(),
            met_ended: AtomicBool::new(false),
        }
    }

    /// Brings the package of a link, at once, without a wait that would spread a fleet: a price is
    /// on the shelf within a second, and a wait that spares a server whose line is full with
    /// 10,000 packages would have to be minutes. It serves a bounded number of connections, the
    /// others wait for theirs, and what comes to nothing is tried again after growing waits with
    /// jitter.
    pub(super) async fn fetch(&self, link: &PackageLink) -> Result<PathBuf, IntakeError> {
        // A link is a path on the package host, and leads nowhere else.
        if !link.link.starts_with('/') || link.link.starts_with("//") || link.link.chars().any(char::is_control) {
            return Err(IntakeError::Link { link: link.link.clone() });
        }
        let settings = self.settings.current();
        let token = settings.token_for_packages();
        if let Some(until) = link.until.filter(|_| token.is_none()) {
            let has_ended = until < Timestamp::now();
            if !may_still_try(has_ended, self.met_ended.swap(has_ended, Ordering::Relaxed)) {
                return Err(IntakeError::Ended { until });
            }
        }
        let (room, of) = (self.room.clone(), link.clone());
        blocking(move || room.for_link(&of)).await.map_err(IntakeError::Aborted)?.map_err(IntakeError::Room)?;
        let packages = &settings.packages;
        // Our server's own port speaks TLS; who else carries packages may not.
        let scheme =
            if packages.host == settings.sales.rest_host { settings.trust.scheme(&packages.host) } else { "http" };
        let url = format!("{scheme}://{}:{}{}", in_url(&packages.host), packages.port, link.link);
        self.downloader(&settings)?.fetch(&url, token, &link.package, link.bytes).await.map_err(IntakeError::Download)
    }

    fn downloader(&self, settings: &Settings) -> Result<Downloader, IntakeError> {
        let mut made = self.downloader.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((trust, downloader)) = &*made
            && *trust == settings.trust
        {
            return Ok(downloader.clone());
        }
        let (folder, turn) = (settings.paths.data.join("downloads"), Arc::clone(&self.downloading));
        let downloader = Downloader::new(folder, DownloadLimits::default(), turn, &settings.trust);
        let downloader = downloader.map_err(IntakeError::Download)?;
        *made = Some((settings.trust.clone(), downloader.clone()));
        Ok(downloader)
    }
}

/// A link that has ended is not fetched; the server announces another one. Where that has ended
/// too, it is this till's clock that is wrong, and whoever serves the package decides.
fn may_still_try(has_ended: bool, so_had_the_last: bool) -> bool {
    !has_ended || so_had_the_last
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tests::TestTill;
    use tillway_proto::{DeliveryId, PackageName, Revision};

    fn link(until: Option<Timestamp>) -> PackageLink {
        PackageLink {
            delivery: DeliveryId::generate(),
            package: PackageName::from_hash([7; 32]),
            link: "/packages/x.twp?code=1".to_owned(),
            until,
            bytes: 1,
            from: Revision(0),
            to: Revision(1),
            objects: 1,
            replaces: None,
        }
    }

    #[tokio::test]
    async fn a_link_that_has_ended_is_not_fetched_and_a_clock_that_is_ahead_keeps_no_till_from_its_prices() {
        let till = TestTill::new();
        let fetch = &till.commands().intake.fetch;
        // Nobody answers on this port: what is tried fails otherwise.
        let outcome = async |until| {
            let tried = tokio::time::timeout(std::time::Duration::from_millis(300), fetch.fetch(&link(until))).await;
            matches!(tried, Ok(Err(IntakeError::Ended { .. })))
        };
        let (past, coming) = (Some(Timestamp::from_second(1_000).unwrap()), Some(Timestamp::MAX));
        assert!(!outcome(None).await && !outcome(coming).await);
        assert!(outcome(past).await, "it has ended");
        assert!(!outcome(past).await, "so has the next one: it is the clock");
        assert!(!outcome(coming).await && outcome(past).await, "from the beginning");
    }
}

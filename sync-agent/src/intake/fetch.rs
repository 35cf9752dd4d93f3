//! Fetching a package: room first, then the download.

use super::IntakeError;
use crate::download::{DownloadLimits, Downloader};
use crate::error::blocking;
use crate::room::Room;
use crate::settings::{LiveSettings, Settings, Trust, reader::in_url};
use std::path::PathBuf;
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
}

impl Fetch {
    pub(crate) fn new(room: Room, settings: LiveSettings) -> Self {
        Self { room, settings, downloading: Arc::default(), downloader: StdMutex::default() }
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
        let (room, of) = (self.room.clone(), link.clone());
        blocking(move || room.for_link(&of)).await.map_err(IntakeError::Aborted)?.map_err(IntakeError::Room)?;
        let settings = self.settings.current();
        let packages = &settings.packages;
        // Our server's own port speaks TLS; who else carries packages may not.
        let scheme =
            if packages.host == settings.sales.rest_host { settings.trust.scheme(&packages.host) } else { "http" };
        let url = format!("{scheme}://{}:{}{}", in_url(&packages.host), packages.port, link.link);
        self.downloader(&settings)?.fetch(&url, &link.package, link.bytes).await.map_err(IntakeError::Download)
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

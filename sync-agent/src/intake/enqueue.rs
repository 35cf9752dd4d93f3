//! Putting a package into the file queue, as soon as there is room.

use super::IntakeError;
use crate::error::{blocking, chain};
use crate::package_queue::PackageQueue;
use crate::retry::Backoff;
use crate::room::Room;
use crate::settings::LiveSettings;
use crate::tell::Teller;
use std::path::Path;
use std::time::Duration;
use tillway_proto::{DeliveryState, PackageLink};

/// How often a full file queue, or a disk without room, is tried again before the link is given
/// back: the loader takes a batch in seconds, and with each there is more room.
const MAX_FULL_TRIES: u32 = 10;

/// Puts packages into the file queue.
#[derive(Debug, Clone)]
pub(crate) struct Enqueue {
    pub(crate) queue: PackageQueue,
    pub(crate) room: Room,
    pub(crate) settings: LiveSettings,
    pub(crate) teller: Teller,
}

impl Enqueue {
    /// Waits for room where a load makes some.
    pub(super) async fn put(&self, link: &PackageLink, file: &Path) -> Result<(), IntakeError> {
        let mut backoff = Backoff::new(Duration::from_secs(1), Duration::from_secs(15));
        let mut tries = 0;
        loop {
            let (this, of, file) = (self.clone(), link.clone(), file.to_owned());
            let put = blocking(move || this.put_now(&of, &file)).await.map_err(IntakeError::Aborted)?;
            tries += 1;
            match put {
                Err(error) if error.passes_with_a_load() && tries < MAX_FULL_TRIES => {
                    tracing::warn!(error = chain(&error), tries, "a package waits for room in the file queue");
                    if tries == 1 {
                        let link = link.clone();
                        let told = move |teller: &Teller| teller.delivery(&link, DeliveryState::Downloaded, None);
                        self.teller.blocking(told).await;
                    }
                    self.queue.poke();
                    tokio::time::sleep(backoff.next_wait()).await;
                }
                done => return done,
            }
        }
    }

    fn put_now(&self, link: &PackageLink, file: &Path) -> Result<(), IntakeError> {
        self.room.to_queue(link).map_err(IntakeError::Room)?;
        self.queue.put(link, file, self.settings.current().load.chunk_objects).map_err(IntakeError::Put)
    }
}

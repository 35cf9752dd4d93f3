//! Links that go wrong at random, and the same way again for the same seed.

use super::proxy::{Direction, Ending, Proxy};
use super::seed::Seed;
use std::ops::RangeInclusive;
use std::sync::Arc;
use std::sync::mpsc::{self, RecvTimeoutError, Sender};
use std::thread::{self, JoinHandle};
use std::time::Duration;

/// One thing that is wrong with a link.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LinkFault {
    /// [`Proxy::cut`]
    Cut,
    /// [`Proxy::cut_once`]
    CutOnce,
    /// [`Proxy::refuse`]
    Refuse,
    /// [`Proxy::half_open`]
    HalfOpen,
    /// [`Proxy::freeze`]
    Freeze,
    /// [`Proxy::slow`]
    Slow {
        /// As there.
        bytes_per_second: u64,
    },
    /// [`Proxy::delay`]
    Delay {
        /// As there.
        by: Duration,
    },
    /// [`Proxy::cut_after`]
    CutAfter {
        /// As there.
        bytes: u64,
        /// As there.
        direction: Direction,
    },
}

impl LinkFault {
    /// Any of them.
    pub fn draw(seed: &mut Seed) -> Self {
        match seed.below(8) {
            0 => Self::Cut,
            1 => Self::CutOnce,
            2 => Self::Refuse,
            3 => Self::HalfOpen,
            4 => Self::Freeze,
            5 => Self::Slow { bytes_per_second: seed.within(500..=50_000) },
            6 => Self::Delay { by: Duration::from_millis(seed.within(10..=500)) },
            _ => {
                let direction = if seed.happens(50) { Direction::ToTarget } else { Direction::ToClient };
                Self::CutAfter { bytes: seed.within(0..=20_000), direction }
            }
        }
    }

    /// Makes a link so.
    pub fn befall(self, link: &Proxy) {
        match self {
            Self::Cut => link.cut(),
            Self::CutOnce => link.cut_once(),
            Self::Refuse => link.refuse(),
            Self::HalfOpen => link.half_open(),
            Self::Freeze => link.freeze(),
            Self::Slow { bytes_per_second } => link.slow(bytes_per_second),
            Self::Delay { by } => link.delay(by),
            Self::CutAfter { bytes, direction } => link.cut_after(bytes, direction),
        }
    }
}

/// How long a link is well and how long it is not, in milliseconds, drawn anew each time.
#[derive(Debug, Clone)]
pub struct Climate {
    /// Between two faults.
    pub calm_ms: RangeInclusive<u64>,
    /// While one lasts.
    pub trouble_ms: RangeInclusive<u64>,
}

/// Bad weather over one link, until it is dropped: then the link is healed.
#[derive(Debug)]
pub struct Weather {
    /// Dropped to end it.
    end: Option<Sender<()>>,
    worker: Option<JoinHandle<()>>,
}

impl Weather {
    /// Begins.
    pub fn over(link: Arc<Proxy>, mut seed: Seed, climate: Climate) -> Self {
        let (end, ended) = mpsc::channel::<()>();
        let worker = thread::spawn(move || {
            let over = |ms| ended.recv_timeout(Duration::from_millis(ms)) != Err(RecvTimeoutError::Timeout);
            loop {
                if over(seed.within(climate.calm_ms.clone())) {
                    break;
                }
                let ending = if seed.happens(50) { Ending::Close } else { Ending::Reset };
                link.ending(ending);
                LinkFault::draw(&mut seed).befall(&link);
                let over = over(seed.within(climate.trouble_ms.clone()));
                link.heal();
                if over {
                    break;
                }
            }
        });
        Self { end: Some(end), worker: Some(worker) }
    }
}

impl Drop for Weather {
    fn drop(&mut self) {
        drop(self.end.take());
        if let Some(worker) = self.worker.take() {
            // It only panics with the kit.
            let _ = worker.join();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wait::{Seen, wait_for};
    use std::net::{Ipv4Addr, TcpListener, TcpStream};

    #[test]
    fn the_same_seed_brings_the_same_weather() {
        let faults = |seed| {
            let mut seed = Seed::new(seed);
            (0..50).map(|_| LinkFault::draw(&mut seed)).collect::<Vec<_>>()
        };
        assert_eq!(faults(3), faults(3));
        assert_ne!(faults(3), faults(4));
    }

    #[test]
    fn a_link_is_well_when_the_weather_is_over() {
        let target = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let link = Arc::new(Proxy::to(target.local_addr().unwrap().port()).unwrap());
        let climate = Climate { calm_ms: 0..=1, trouble_ms: 0..=5 };
        let weather = Weather::over(Arc::clone(&link), Seed::new(5), climate);
        wait_for("some connections", Duration::from_secs(20), || {
            let _ = TcpStream::connect((Ipv4Addr::LOCALHOST, link.port));
            Seen::when(link.counts().connections >= 3, (), format!("{:?}", link.counts()))
        })
        .unwrap();
        drop(weather);
        TcpStream::connect((Ipv4Addr::LOCALHOST, link.port)).unwrap();
    }
}

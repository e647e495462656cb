//! What goes wrong, and when: drawn from a seed before the day begins.

use std::{ops::Range, time::Duration};

use fastrand::Rng;

pub(crate) const DAY: Duration = Duration::from_secs(24 * 3600);
/// From here to the end of the day nothing goes wrong any more.
pub(crate) const CALM: Duration = Duration::from_secs(23 * 3600 + 1200);
/// From here on nothing that went wrong before may be felt: the longest back-off is over.
pub(crate) const RECOVERED: Duration = Duration::from_secs(23 * 3600 + 1200 + 700);

/// A spell of something that goes wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Spell {
    /// The source answers with an error.
    SourceDown,
    /// The source takes a while, up to a minute.
    SourceSlow,
    /// The service throttles most requests.
    Throttling,
    /// The service answers many requests with a 5xx.
    Errors,
    /// Answers take up to 30 seconds.
    SlowAnswers,
    /// Connections break.
    BrokenConnections,
}

/// Something that happens at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Event {
    /// The machine's clock is set so many seconds ahead.
    ClockSet(i64),
    /// The newest key is revoked.
    Revoked,
    /// Every key is.
    AllRevoked,
}

#[derive(Debug)]
pub(crate) struct Weather {
    spells: Vec<(Range<Duration>, Spell)>,
    /// In order of time.
    pub(crate) events: Vec<(Duration, Event)>,
}

impl Weather {
    pub(crate) fn forecast(rng: &mut Rng) -> Self {
        let mut spells = Vec::new();
        for (spell, times, longest) in [
            (Spell::SourceDown, 4..9, 2_700),
            (Spell::SourceSlow, 3..6, 1_800),
            (Spell::Throttling, 3..6, 1_800),
            (Spell::Errors, 3..6, 900),
            (Spell::SlowAnswers, 3..6, 600),
            (Spell::BrokenConnections, 3..6, 600),
        ] {
            for _ in 0..rng.u32(times) {
                let start = moment(rng);
                let end = start + Duration::from_secs(rng.u64(10..longest));
                spells.push((start..end.min(CALM), spell));
            }
        }
        let mut events = vec![(CALM, Event::ClockSet(0))];
        for _ in 0..rng.u32(3..7) {
            let (wrong, right) = (moment(rng), Duration::from_secs(rng.u64(60..5_400)));
            let ahead = *rng.choice(&[3600, -3600, 1800, -1800, 300, -300]).unwrap_or(&3600);
            events.push((wrong, Event::ClockSet(ahead)));
            events.push(((wrong + right).min(CALM), Event::ClockSet(0)));
        }
        for _ in 0..rng.u32(6..14) {
            events.push((moment(rng), if rng.u8(..4) == 0 { Event::AllRevoked } else { Event::Revoked }));
        }
        events.sort_by_key(|(at, _)| *at);
        Self { spells, events }
    }

    pub(crate) fn is(&self, spell: Spell, at: Duration) -> bool {
        self.spells.iter().any(|(during, kind)| *kind == spell && during.contains(&at))
    }
}

fn moment(rng: &mut Rng) -> Duration {
    Duration::from_millis(rng.u64(..u64::try_from(CALM.as_millis()).unwrap()))
}

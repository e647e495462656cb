//! Times as signatures carry them.

use std::{
    cell::RefCell,
    time::{SystemTime, UNIX_EPOCH},
};

use http::HeaderValue;

use super::{SignError, encode::decimals};

const SECONDS_A_DAY: u64 = 86_400;
/// 1 January 10000: the first second that four digits of year cannot hold.
const END: u64 = 253_402_300_800;

/// A time as signatures carry it, `20150830T123600Z`; its first eight bytes are the date of the credential scope.
///
/// See [Elements of a request signature](https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-signing-elements.html).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct AmzDate([u8; 16]);

thread_local! {
    /// Each thread's own: a count of clones that threads share is slow to change.
    static LAST_HEADER: RefCell<Option<(AmzDate, HeaderValue)>> = const { RefCell::new(None) };
}

impl AmzDate {
    /// `seconds` since 1 January 1970.
    pub(crate) fn new(seconds: u64) -> Result<Self, SignError> {
        if seconds >= END {
            return Err(SignError::Time);
        }
        let (year, month, day) = civil(day_of(seconds));
        let of_day = seconds % SECONDS_A_DAY;
        let mut text = *b"00000000T000000Z";
        decimals(&mut text[0..4], year);
        decimals(&mut text[4..6], month);
        decimals(&mut text[6..8], day);
        decimals(&mut text[9..11], of_day / 3600);
        decimals(&mut text[11..13], of_day / 60 % 60);
        decimals(&mut text[13..15], of_day % 60);
        Ok(Self(text))
    }

    /// `20150830T123600Z`
    pub(crate) fn timestamp(&self) -> &[u8; 16] {
        &self.0
    }

    /// The value of `x-amz-date`. In one second a thread gives out clones of one.
    pub(super) fn header(&self) -> Result<HeaderValue, SignError> {
        let given = LAST_HEADER.try_with(|last| {
            let last = last.borrow();
            last.as_ref().filter(|(date, _)| date == self).map(|(_, header)| header.clone())
        });
        if let Ok(Some(header)) = given {
            return Ok(header);
        }
        let header = HeaderValue::from_bytes(&self.0)?;
        // A thread that ends keeps nothing any more.
        let _ = LAST_HEADER.try_with(|last| last.replace(Some((*self, header.clone()))));
        Ok(header)
    }

    /// `20150830`
    pub(crate) fn day(&self) -> [u8; 8] {
        std::array::from_fn(|index| self.0[index])
    }
}

/// The whole seconds since 1 January 1970.
pub(super) fn second_of(time: SystemTime) -> Result<u64, SignError> {
    time.duration_since(UNIX_EPOCH).map(|since| since.as_secs()).map_err(|_| SignError::Time)
}

/// The days since 1 January 1970.
pub(super) fn day_of(seconds: u64) -> u64 {
    seconds / SECONDS_A_DAY
}

/// Year, month and day of the Gregorian calendar, from the days since 1 January 1970.
///
/// Years are counted from March, so that the leap day comes last; in the 400 years of the calendar's cycle there are
/// 146,097 days, and from March on the months' lengths follow a line of 153 days each five months.
fn civil(days: u64) -> (u64, u64, u64) {
    let days = days + 719_468;
    let (era, of_era) = (days / 146_097, days % 146_097);
    let year_of_era = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let from_march = (5 * of_year + 2) / 153;
    let day = of_year - (153 * from_march + 2) / 5 + 1;
    let month = if from_march < 10 { from_march + 3 } else { from_march - 9 };
    (era * 400 + year_of_era + u64::from(month <= 2), month, day)
}

#[cfg(test)]
mod tests {
    use aws_smithy_types::date_time::{DateTime, Format};

    use super::*;

    fn text(seconds: u64) -> String {
        let date = AmzDate::new(seconds).unwrap();
        String::from_utf8(date.timestamp().to_vec()).unwrap()
    }

    #[test]
    fn known_dates() {
        assert_eq!(text(0), "19700101T000000Z");
        assert_eq!(text(951_782_400), "20000229T000000Z");
        assert_eq!(text(1_440_938_160), "20150830T123600Z");
        assert_eq!(text(END - 1), "99991231T235959Z");
        assert_eq!(&AmzDate::new(0).unwrap().day(), b"19700101");
    }

    #[test]
    fn every_day_of_eight_centuries_agrees_with_smithy() {
        for day in 0..(800 * 366) {
            let seconds = day * SECONDS_A_DAY + day % SECONDS_A_DAY;
            let theirs = DateTime::from_secs(seconds.try_into().unwrap()).fmt(Format::DateTime).unwrap();
            let theirs: String = theirs.chars().filter(|c| !matches!(c, '-' | ':')).collect();
            assert_eq!(text(seconds), theirs);
        }
    }
}

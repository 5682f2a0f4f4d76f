//! How durations travel: ISO 8601 text such as `PT5S`, read by its whole grammar and written one way.
//!
//! ```
//! use skytether_core::azure::duration::IsoDuration;
//!
//! let delay: IsoDuration = "PT1,5S".parse()?;
//! assert_eq!(delay.to_duration()?, core::time::Duration::from_millis(1500));
//! assert_eq!(delay.to_string(), "PT1.5S");
//! # Ok::<(), skytether_core::azure::duration::DurationError>(())
//! ```
//!
//! ```text
//! duration = [ "-" | "+" ] "P" ( n "W" | date [ "T" time ] | "T" time )
//! date     = [ n "Y" ] [ n "M" ] [ n "D" ]      at least one
//! time     = [ n "H" ] [ n "M" ] [ n "S" ]      at least one
//! n        = digits [ ( "." | "," ) digits ]    a fraction in the last component only
//! ```

use core::{fmt, str::FromStr, time::Duration};

/// A duration: years and months, whose length depends on the calendar, and a rest that is exact.
///
/// A week is 7 days, a day 24 hours. `Display` writes the largest units first and leaves zero components out; zero is
/// `PT0S`, and weeks are written as days.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub struct IsoDuration {
    negative: bool,
    years: u64,
    months: u64,
    seconds: u64,
    nanos: u32,
}

/// How long a year and a month are taken to be, where a duration names them.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[allow(clippy::exhaustive_structs, reason = "a user writes both numbers")]
pub struct Calendar {
    /// Days of a year.
    pub year_days: u32,
    /// Days of a month.
    pub month_days: u32,
}

impl Calendar {
    /// A year of 365 days, a month of 30.
    pub const COMMON: Self = Self { year_days: 365, month_days: 30 };
}

/// Why a text is no duration, or a duration no exact time.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum DurationError {
    /// It breaks the grammar: the rule broken is named.
    Syntax(&'static str),
    /// A fraction of a year or month has no exact length.
    CalendarFraction,
    /// It is longer than 2^64 seconds, or has more years or months.
    Overflow,
    /// It names years or months, whose length depends on the calendar: choose a [`Calendar`].
    NeedsCalendar,
    /// It is negative where time only goes forward.
    Negative,
}

impl fmt::Display for DurationError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Syntax(why) => write!(f, "no ISO 8601 duration such as PT5S: {why}"),
            Self::CalendarFraction => f.write_str("a fraction of a year or month has no exact length"),
            Self::Overflow => f.write_str("longer than can be counted"),
            Self::NeedsCalendar => f.write_str("years and months have no exact length without a calendar"),
            Self::Negative => f.write_str("negative"),
        }
    }
}

impl core::error::Error for DurationError {}

const DAY: u64 = 24 * HOUR;
const HOUR: u64 = 60 * MINUTE;
const MINUTE: u64 = 60;
const NANOS: u64 = 1_000_000_000;

impl IsoDuration {
    /// Years and months, and an exact rest.
    pub const fn new(years: u64, months: u64, rest: Duration) -> Self {
        Self { negative: false, years, months, seconds: rest.as_secs(), nanos: rest.subsec_nanos() }
    }

    /// The same length backwards; nothing stays nothing.
    #[must_use]
    pub fn negated(self) -> Self {
        Self { negative: !self.negative && !self.is_zero(), ..self }
    }

    /// Whether it goes backwards.
    pub fn is_negative(&self) -> bool {
        self.negative
    }

    /// Whether it is no time at all.
    pub fn is_zero(&self) -> bool {
        (self.years, self.months, self.seconds, self.nanos) == (0, 0, 0, 0)
    }

    /// Its years, as written: 12 months are not made into one.
    pub fn years(&self) -> u64 {
        self.years
    }

    /// Its months, as written.
    pub fn months(&self) -> u64 {
        self.months
    }

    /// What is left without years and months, whichever the sign.
    pub fn rest(&self) -> Duration {
        Duration::new(self.seconds, self.nanos)
    }

    /// Its exact length, whichever the sign.
    ///
    /// # Errors
    /// [`DurationError::NeedsCalendar`] where it names years or months.
    pub fn length(&self) -> Result<Duration, DurationError> {
        if self.years != 0 || self.months != 0 {
            return Err(DurationError::NeedsCalendar);
        }
        Ok(self.rest())
    }

    /// Its length by a calendar, whichever the sign.
    ///
    /// # Errors
    /// [`DurationError::Overflow`] beyond 2^64 seconds.
    pub fn length_by(&self, calendar: Calendar) -> Result<Duration, DurationError> {
        let days = |count: u64, days: u32| count.checked_mul(u64::from(days));
        let days = days(self.years, calendar.year_days)
            .and_then(|years| years.checked_add(days(self.months, calendar.month_days)?))
            .and_then(|days| days.checked_mul(DAY)?.checked_add(self.seconds));
        Ok(Duration::new(days.ok_or(DurationError::Overflow)?, self.nanos))
    }

    /// Its length as time that lies ahead.
    ///
    /// # Errors
    /// [`DurationError::Negative`], [`DurationError::NeedsCalendar`].
    pub fn to_duration(&self) -> Result<Duration, DurationError> {
        if self.negative { Err(DurationError::Negative) } else { self.length() }
    }
}

impl From<Duration> for IsoDuration {
    fn from(rest: Duration) -> Self {
        Self::new(0, 0, rest)
    }
}

impl FromStr for IsoDuration {
    type Err = DurationError;

    fn from_str(text: &str) -> Result<Self, DurationError> {
        let (negative, text) = match text.as_bytes().first() {
            Some(b'-') => (true, text.get(1..).unwrap_or_default()),
            Some(b'+') => (false, text.get(1..).unwrap_or_default()),
            _ => (false, text),
        };
        let text = text.strip_prefix('P').ok_or(DurationError::Syntax("it begins with P"))?;
        let (date, time) = match text.split_once('T') {
            Some((_, "")) => return Err(DurationError::Syntax("hours, minutes or seconds follow a T")),
            Some((date, time)) => (date, time),
            None if text.is_empty() => return Err(DurationError::Syntax("something follows the P")),
            None => (text, ""),
        };
        let mut sum = Self::default();
        if let Some(weeks) = date.strip_suffix('W').filter(|_| time.is_empty()) {
            sum.add(Number::parse(weeks)?, 7 * DAY)?;
        } else {
            let mut parts = Parts { text: date, order: b"YMD", fraction: false };
            while let Some((number, unit)) = parts.next()? {
                match unit {
                    b'Y' => sum.years = number.whole_only()?,
                    b'M' => sum.months = number.whole_only()?,
                    _ => sum.add(number, DAY)?,
                }
            }
            let mut parts = Parts { text: time, order: b"HMS", fraction: parts.fraction };
            while let Some((number, unit)) = parts.next()? {
                let seconds = match unit {
                    b'H' => HOUR,
                    b'M' => MINUTE,
                    _ => 1,
                };
                sum.add(number, seconds)?;
            }
        }
        sum.negative = negative && !sum.is_zero();
        Ok(sum)
    }
}

impl IsoDuration {
    /// Adds a number of units, each so many seconds long.
    fn add(&mut self, number: Number, unit: u64) -> Result<(), DurationError> {
        // Below one unit, which is below 2^20 seconds: no overflow.
        let fraction = u64::from(number.billionths).saturating_mul(unit);
        let nanos = u64::from(self.nanos).saturating_add(fraction % NANOS);
        self.seconds = number
            .whole
            .checked_mul(unit)
            .and_then(|seconds| seconds.checked_add(self.seconds))
            .and_then(|seconds| seconds.checked_add(fraction / NANOS))
            .and_then(|seconds| seconds.checked_add(nanos / NANOS))
            .ok_or(DurationError::Overflow)?;
        self.nanos = u32::try_from(nanos % NANOS).unwrap_or_default();
        Ok(())
    }
}

/// A number before its unit: digits, and a fraction cut off after nine of them.
#[derive(Clone, Copy)]
struct Number {
    whole: u64,
    billionths: u32,
    fraction: bool,
}

impl Number {
    fn parse(text: &str) -> Result<Self, DurationError> {
        let (whole, fraction) = match text.split_once(['.', ',']) {
            Some((whole, fraction)) => (whole, Some(fraction)),
            None => (text, None),
        };
        let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        if !digits(whole) || !fraction.is_none_or(digits) {
            return Err(DurationError::Syntax("digits stand before each letter, with at most one fraction"));
        }
        let whole = whole.parse().map_err(|_| DurationError::Overflow)?;
        let billionths = fraction.unwrap_or_default().bytes().chain(core::iter::repeat(b'0')).take(9);
        let billionths = billionths
            .fold(0, |sum: u32, digit| sum.saturating_mul(10).saturating_add(u32::from(digit.saturating_sub(b'0'))));
        Ok(Self { whole, billionths, fraction: fraction.is_some() })
    }

    fn whole_only(self) -> Result<u64, DurationError> {
        if self.fraction { Err(DurationError::CalendarFraction) } else { Ok(self.whole) }
    }
}

/// Numbers and their letters, in a given order, each letter at most once.
struct Parts<'a> {
    text: &'a str,
    /// The letters that may still come.
    order: &'static [u8],
    /// The number before had a fraction: none may follow.
    fraction: bool,
}

impl Parts<'_> {
    fn next(&mut self) -> Result<Option<(Number, u8)>, DurationError> {
        if self.text.is_empty() {
            return Ok(None);
        }
        if self.fraction {
            return Err(DurationError::Syntax("only the last number may have a fraction"));
        }
        let end = self.text.find(|c: char| c.is_ascii_alphabetic());
        let (number, rest) = end
            .and_then(|end| self.text.split_at_checked(end))
            .ok_or(DurationError::Syntax("a letter follows each number"))?;
        let number = Number::parse(number)?;
        let (unit, rest) = rest.split_at_checked(1).ok_or(DurationError::Syntax("a letter follows each number"))?;
        let unit = unit.bytes().next().unwrap_or_default();
        let at = self.order.iter().position(|letter| *letter == unit).ok_or(DurationError::Syntax(
            "years, months and days stand in this order before the T, hours, minutes and seconds behind it, each once; \
             weeks stand alone",
        ))?;
        self.order = self.order.get(at.saturating_add(1)..).unwrap_or_default();
        self.text = rest;
        self.fraction = number.fraction;
        Ok(Some((number, unit)))
    }
}

impl fmt::Display for IsoDuration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_zero() {
            return f.write_str("PT0S");
        }
        let part = |f: &mut fmt::Formatter<'_>, count: u64, letter: char| {
            if count == 0 { Ok(()) } else { write!(f, "{count}{letter}") }
        };
        f.write_str(if self.negative { "-P" } else { "P" })?;
        part(f, self.years, 'Y')?;
        part(f, self.months, 'M')?;
        part(f, self.seconds / DAY, 'D')?;
        let (time, seconds) = (self.seconds % DAY, self.seconds % MINUTE);
        if time == 0 && self.nanos == 0 {
            return Ok(());
        }
        f.write_str("T")?;
        part(f, time / HOUR, 'H')?;
        part(f, time % HOUR / MINUTE, 'M')?;
        if self.nanos == 0 {
            return part(f, seconds, 'S');
        }
        let (mut fraction, mut width) = (self.nanos, 9);
        while fraction % 10 == 0 {
            (fraction, width) = (fraction / 10, width - 1);
        }
        write!(f, "{seconds}.{fraction:0width$}S")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::string::{String, ToString as _};
    use proptest::prelude::*;

    fn read(text: &str) -> IsoDuration {
        text.parse().unwrap_or_else(|error| panic!("{text}: {error}"))
    }

    #[test]
    fn each_component_counts_and_the_sum_is_written_largest_first() {
        for (text, seconds, canonical) in [
            ("PT5S", 5, "PT5S"),
            ("+PT5S", 5, "PT5S"),
            ("PT000090S", 90, "PT1M30S"),
            ("P1DT12H", 129_600, "P1DT12H"),
            ("PT36H", 129_600, "P1DT12H"),
            ("P2W", 1_209_600, "P14D"),
            ("P1.5W", 907_200, "P10DT12H"),
            ("P0,5D", 43_200, "PT12H"),
            ("PT0.5H", 1_800, "PT30M"),
            ("P1DT", 0, ""),
        ] {
            if canonical.is_empty() {
                assert!(text.parse::<IsoDuration>().is_err());
                continue;
            }
            assert_eq!(read(text).to_duration(), Ok(Duration::from_secs(seconds)), "{text}");
            assert_eq!(read(text).to_string(), canonical);
        }
    }

    #[test]
    fn what_breaks_the_grammar_is_refused() {
        for text in [
            "",
            "P",
            "PT",
            "P1",
            "P1S",
            "PT1D",
            "P1YT",
            "PT5",
            "5S",
            "P1W2D",
            "P1WT1H",
            "PT1W",
            "pt5s",
            "PT5s",
            "PT-5S",
            "P1M1Y",
            "P1D1D",
            "PT1S1M",
            "PT1.5H30M",
            "P0.5DT1H",
            "PT1.S",
            "PT.5S",
            "PT1.2.3S",
            "PT1,2,3S",
            " PT5S",
            "PT5S ",
            "--PT5S",
            "PT5SX",
            "P1.5Y",
            "P1.0M",
            "PT5é",
            "PTé",
            "PT5ST1S",
            "TP5S",
        ] {
            assert!(text.parse::<IsoDuration>().is_err(), "{text}");
        }
    }

    #[test]
    fn years_and_months_need_a_calendar() {
        let duration = read("P1Y2M3DT4H");
        assert_eq!((duration.years(), duration.months(), duration.rest()), (1, 2, Duration::from_hours(76)));
        assert_eq!(duration.to_duration(), Err(DurationError::NeedsCalendar));
        assert_eq!(duration.length_by(Calendar::COMMON), Ok(Duration::from_hours(24 * (365 + 60) + 76)));
        assert_eq!(duration.to_string(), "P1Y2M3DT4H");
        assert_eq!(read("P1.5Y".replace(".5", "").as_str()).years(), 1);
        assert_eq!("P1.5Y".parse::<IsoDuration>(), Err(DurationError::CalendarFraction));
    }

    #[test]
    fn nothing_negative_lies_ahead_and_minus_zero_is_zero() {
        let duration = read("-PT15M");
        assert_eq!(duration.length(), Ok(Duration::from_mins(15)));
        assert_eq!(duration.to_duration(), Err(DurationError::Negative));
        assert_eq!(duration.to_string(), "-PT15M");
        assert_eq!(duration.negated(), read("PT15M"));
        assert_eq!(read("-PT0S"), IsoDuration::default());
        assert_eq!(IsoDuration::default().negated().to_string(), "PT0S");
    }

    #[test]
    fn digits_beyond_the_ninth_are_cut_off_and_too_much_is_refused() {
        assert_eq!(read("PT10H24M6.169083011336625S").rest(), Duration::new(37_446, 169_083_011));
        assert_eq!(read("PT18446744073709551615S").rest().as_secs(), u64::MAX);
        for text in
            ["PT18446744073709551616S", "PT18446744073709551615M", "P99999999999999999999Y", "P2635249153387079W"]
        {
            assert_eq!(text.parse::<IsoDuration>(), Err(DurationError::Overflow), "{text}");
        }
        let years = IsoDuration::new(u64::MAX, 0, Duration::ZERO);
        assert_eq!(years.length_by(Calendar::COMMON), Err(DurationError::Overflow));
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_back_the_same(
            years in 0..3_u64, months in 0..20_u64, seconds: u64, short in 0..200_000_u64, nanos in 0..1_000_000_000_u32,
            which: bool, negative: bool,
        ) {
            let rest = Duration::new(if which { seconds } else { short }, if which { nanos } else { 0 });
            let duration = IsoDuration::new(years, months, rest);
            let duration = if negative { duration.negated() } else { duration };
            let text = duration.to_string();
            prop_assert_eq!(text.parse(), Ok(duration), "{}", text);
        }

        #[test]
        fn what_is_read_is_written_in_a_form_that_means_the_same(text in "[-+]?P([0-9]{1,3}Y)?([0-9]{1,3}D)?(T([0-9]{1,4}H)?([0-9]{1,5}M)?([0-9]{1,3}[.,][0-9]{1,12}S)?)?") {
            if let Ok(duration) = text.parse::<IsoDuration>() {
                prop_assert_eq!(duration.to_string().parse(), Ok(duration));
            }
        }

        #[test]
        fn r_1_no_text_makes_the_reader_panic(text: String) {
            let _ = text.parse::<IsoDuration>();
        }
    }
}

//! Commands about the modem itself: echo, verbosity, who it is, speed, time.

use super::{Outcome, Then, bytes, none, number, small};
use crate::modem::{Modem, config::Dialect, grammar::Value, net::Order, trouble::Trouble};
use skytether_core::time::Instant;

/// The speeds that `AnyCloud` knows.
const SPEEDS: [u32; 7] = [9600, 14_400, 19_200, 38_400, 57_600, 115_200, 230_400];

const DAY: u64 = 86_400;

impl Modem {
    /// `ATE0`, `ATV5`, `AT&K3`.
    pub(super) fn basic(&mut self, letter: char, ampersand: bool, number: u32) -> Result<(), Trouble> {
        let rnwf = self.config.dialect == Dialect::Rnwf;
        match (letter, ampersand, number) {
            ('E', false, 0 | 1) => self.console.echo = number == 1,
            ('V', false, 0..=5) => self.console.verbosity = u8::try_from(number).unwrap_or(5),
            // Flow control, which a pipe has anyway, and the printing that hosts are to leave as it is.
            ('K', true, 0 | 3) | ('F', false, 7) if rnwf => {}
            _ => return Err(Trouble::UnknownCommand),
        }
        Ok(())
    }

    pub(super) fn identify(&mut self, now: Instant, what: &str, params: &[Value]) -> Outcome {
        none(params)?;
        let line = match (self.config.dialect, what) {
            // Its manual has a colon.
            (Dialect::AnyCloud, "GMI") => "+GMI=\"Microchip\"",
            (Dialect::AnyCloud, "GMM") => "+GMM=\"PIC32MZW1\"",
            (Dialect::AnyCloud, _) => "+GMR=\"0.3.2\"",
            (Dialect::Rnwf, "GMI") => "+GMI:\"Microchip Technology Inc.\"",
            (Dialect::Rnwf, "GMM") => "+GMM:\"RNWF02\"",
            (Dialect::Rnwf, _) => "+GMR:\"3.2.0 0 0 [00:00:00 Jan 01 2026]\"",
        };
        self.console.info(now, line);
        Ok(Then::Ok)
    }

    pub(super) fn baud_command(&mut self, now: Instant, params: &[Value]) -> Outcome {
        match params {
            [] => self.console.info(now, &format!("+IPR:{}", self.baud)),
            [speed] => {
                let speed = number(speed)?;
                let known = SPEEDS.contains(&speed) || (self.config.dialect == Dialect::Rnwf && speed > 0);
                if !known {
                    return Err(Trouble::InvalidParameter);
                }
                self.baud = speed;
                self.net.order(Order::Baud(speed));
            }
            _ => return Err(Trouble::ParameterCount),
        }
        Ok(Then::Ok)
    }

    pub(super) fn time(&mut self, now: Instant, params: &[Value]) -> Outcome {
        let format = match params {
            [] => 1,
            [format] => small(format)?,
            [format, value] => return self.set_time(now, small(format)?, value),
            _ => return Err(Trouble::ParameterCount),
        };
        if !self.clock.known {
            return Err(Trouble::Time);
        }
        let wall = self.wall(now);
        let value = match format {
            1 => wall.seconds().to_string(),
            2 => self.ntp_seconds(now).to_string(),
            3 => format!("\"{}\"", calendar(wall.0)),
            _ => return Err(Trouble::InvalidParameter),
        };
        self.console.info(now, &format!("+TIME:{value}"));
        Ok(Then::Ok)
    }

    /// Only seconds can be set: a host that has a calendar has them.
    fn set_time(&mut self, now: Instant, format: u8, value: &Value) -> Outcome {
        if format == 3 {
            bytes(value)?;
            return Err(Trouble::Time);
        }
        let told = u64::from(number(value)?);
        self.clock.offset = 0;
        let ahead = self.ntp_seconds(now) - self.wall(now).seconds();
        let seconds = match format {
            1 => told,
            2 => told.checked_sub(ahead).ok_or(Trouble::InvalidParameter)?,
            _ => return Err(Trouble::InvalidParameter),
        };
        let wanted = i64::try_from(seconds.saturating_mul(1000)).map_err(|_| Trouble::InvalidParameter)?;
        let real = i64::try_from(self.wall(now).0).map_err(|_| Trouble::Time)?;
        self.clock.offset = wanted - real;
        self.clock.known = true;
        Ok(Then::Ok)
    }
}

/// `YYYY-MM-DDTHH:MM:SS.ssZ` of milliseconds since 1970 (days to civil date after Howard Hinnant's algorithm).
fn calendar(millis: u64) -> String {
    let (seconds, hundredths) = (millis / 1000, millis % 1000 / 10);
    let (days, second) = (seconds / DAY, seconds % DAY);
    let shifted = days + 719_468;
    let (era, of_era) = (shifted / 146_097, shifted % 146_097);
    let year_of_era = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted_month = (5 * of_year + 2) / 153;
    let day = of_year - (153 * shifted_month + 2) / 5 + 1;
    let month = if shifted_month < 10 { shifted_month + 3 } else { shifted_month - 9 };
    let year = year_of_era + era * 400 + u64::from(month <= 2);
    let (hour, minute, second) = (second / 3600, second % 3600 / 60, second % 60);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{hundredths:02}Z")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_calendar_knows_leap_years_and_ends_of_years() {
        assert_eq!(calendar(0), "1970-01-01T00:00:00.00Z");
        assert_eq!(calendar(1_767_225_599_990), "2025-12-31T23:59:59.99Z");
        assert_eq!(calendar(1_709_164_800_000), "2024-02-29T00:00:00.00Z");
        assert_eq!(calendar(4_102_444_800_000), "2100-01-01T00:00:00.00Z");
    }
}

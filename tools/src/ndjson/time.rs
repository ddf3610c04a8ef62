//! ISO 8601 text and counts of a unit since 1970-01-01T00:00.
//!
//! The calendar is the proleptic Gregorian one, without leap seconds, in UTC,
//! as in NumPy. Years have four digits: 0000 to 9999.

use arraylog::TimeUnit;

/// The count that NumPy calls NaT.
pub(crate) const NAT: i64 = i64::MIN;

/// Attoseconds in a second: the finest unit.
const ATTOS: i128 = 1_000_000_000_000_000_000;

const SECONDS_A_DAY: i64 = 86_400;

/// A point in time as it is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Moment {
    year: i64,
    month: i64,
    day: i64,
    /// Seconds since midnight.
    second: i64,
    attos: i128,
}

/// Reads a date, with or without time of day and a final `Z`, as a count of `unit`.
pub(crate) fn parse(text: &str, unit: TimeUnit) -> Result<i64, String> {
    if text == "NaT" {
        return Ok(NAT);
    }
    let moment = moment(text)?;
    let count = count(moment, unit)
        .ok_or_else(|| format!("{text:?} is finer than the unit {}", unit.name()))?;
    match i64::try_from(count) {
        Ok(count) if count != NAT => Ok(count),
        _ => Err(format!(
            "{text:?} is beyond the range of datetime64[{}]",
            unit.name()
        )),
    }
}

/// The text of a count; `None` if its year has not four digits (then the count itself says it).
pub(crate) fn format(count: i64, unit: TimeUnit) -> Option<String> {
    if count == NAT {
        return Some("NaT".to_owned());
    }
    match unit {
        TimeUnit::Year => year(1970_i64.checked_add(count)?),
        TimeUnit::Month => {
            let year = year(1970 + count.div_euclid(12))?;
            Some(format!("{year}-{:02}", count.rem_euclid(12) + 1))
        }
        TimeUnit::Week => date(count.checked_mul(7)?),
        TimeUnit::Day => date(count),
        _ => {
            let per_second = per_second(unit);
            let ticks_a_day = i128::from(SECONDS_A_DAY) * per_second.0 / per_second.1;
            let day = i64::try_from(i128::from(count).div_euclid(ticks_a_day)).ok()?;
            let tick = i128::from(count).rem_euclid(ticks_a_day);
            Some(format!("{}T{}", date(day)?, clock(tick, unit)))
        }
    }
}

/// Ticks of a unit of a day or less in a second, as a fraction.
fn per_second(unit: TimeUnit) -> (i128, i128) {
    match unit {
        TimeUnit::Hour => (1, 3600),
        TimeUnit::Minute => (1, 60),
        TimeUnit::Millisecond => (1_000, 1),
        TimeUnit::Microsecond => (1_000_000, 1),
        TimeUnit::Nanosecond => (1_000_000_000, 1),
        TimeUnit::Picosecond => (1_000_000_000_000, 1),
        TimeUnit::Femtosecond => (1_000_000_000_000_000, 1),
        TimeUnit::Attosecond => (ATTOS, 1),
        _ => (1, 1),
    }
}

fn year(year: i64) -> Option<String> {
    (0..=9999).contains(&year).then(|| format!("{year:04}"))
}

fn date(days: i64) -> Option<String> {
    // Beyond these no year has four digits; the sums below stay small.
    if !(-1_000_000..=3_000_000).contains(&days) {
        return None;
    }
    let (y, month, day) = civil_from_days(days);
    Some(format!("{}-{month:02}-{day:02}", year(y)?))
}

/// Time of day, as fine as the unit.
fn clock(tick: i128, unit: TimeUnit) -> String {
    let (ticks, seconds) = per_second(unit);
    let second = tick * seconds / ticks;
    let (hour, minute) = (second / 3600, second / 60 % 60);
    let digits = ticks.ilog10() as usize;
    match unit {
        TimeUnit::Hour => format!("{hour:02}"),
        TimeUnit::Minute => format!("{hour:02}:{minute:02}"),
        _ if digits == 0 => format!("{hour:02}:{minute:02}:{:02}", second % 60),
        _ => format!(
            "{hour:02}:{minute:02}:{:02}.{:0digits$}",
            second % 60,
            tick % ticks
        ),
    }
}

/// `moment` in units; `None` if it lies between two.
fn count(moment: Moment, unit: TimeUnit) -> Option<i128> {
    let days = days_from_civil(moment.year, moment.month, moment.day);
    let midnight = moment.second == 0 && moment.attos == 0;
    let exact = |is: bool, count: i64| is.then_some(i128::from(count));
    match unit {
        TimeUnit::Year => exact(
            midnight && moment.day == 1 && moment.month == 1,
            moment.year - 1970,
        ),
        TimeUnit::Month => exact(
            midnight && moment.day == 1,
            (moment.year - 1970) * 12 + moment.month - 1,
        ),
        TimeUnit::Week => exact(midnight && days.rem_euclid(7) == 0, days.div_euclid(7)),
        TimeUnit::Day => exact(midnight, days),
        _ => {
            let (ticks, seconds) = per_second(unit);
            let total = i128::from(days * SECONDS_A_DAY + moment.second) * ATTOS + moment.attos;
            let tick = ATTOS / ticks * seconds;
            (total.rem_euclid(tick) == 0).then(|| total.div_euclid(tick))
        }
    }
}

fn moment(text: &str) -> Result<Moment, String> {
    let because = |why: &str| format!("{text:?} is not an ISO 8601 date and time: {why}");
    let refuse = |why: &str| Err(because(why));
    let bare = text.strip_suffix('Z').unwrap_or(text);
    if !bare.is_ascii() {
        return refuse("a character that does not belong there");
    }
    let (date, clock) = match bare.split_once(['T', ' ']) {
        Some((date, clock)) => (date, Some(clock)),
        None => (bare, None),
    };
    let mut parts = date.split('-');
    let Some(year) = number(parts.next(), 4) else {
        return refuse("expected a year of four digits (0000 to 9999)");
    };
    let (month, day) = (parts.next(), parts.next());
    let mut moment = Moment {
        year,
        month: 1,
        day: 1,
        second: 0,
        attos: 0,
    };
    if month.is_some() {
        match number(month, 2) {
            Some(month @ 1..=12) => moment.month = month,
            _ => return refuse("expected a month from 01 to 12"),
        }
    }
    if day.is_some() {
        match number(day, 2) {
            Some(day) if (1..=days_in_month(year, moment.month)).contains(&day) => moment.day = day,
            _ => return refuse("the month has no such day"),
        }
    }
    if parts.next().is_some() {
        return refuse("expected YYYY-MM-DD");
    }
    match clock {
        Some(_) if day.is_none() => return refuse("a time of day needs a day"),
        Some(clock) => {
            (moment.second, moment.attos) = time_of_day(clock).map_err(because)?;
        }
        None if bare.len() < text.len() => return refuse("`Z` needs a time of day"),
        None => {}
    }
    Ok(moment)
}

/// Seconds and attoseconds of `hh`, `hh:mm`, `hh:mm:ss` or `hh:mm:ss.f`.
fn time_of_day(text: &str) -> Result<(i64, i128), &'static str> {
    if text.contains(['+', '-']) {
        return Err("an offset is not stored; convert to UTC");
    }
    let mut parts = text.splitn(3, ':');
    let (hour, minute, second) = (parts.next(), parts.next(), parts.next());
    let Some(hour @ 0..=23) = number(hour, 2) else {
        return Err("expected an hour from 00 to 23");
    };
    let mut total = hour * 3600;
    if minute.is_some() {
        match number(minute, 2) {
            Some(minute @ 0..=59) => total += minute * 60,
            _ => return Err("expected a minute from 00 to 59"),
        }
    }
    let Some(second) = second else {
        return Ok((total, 0));
    };
    let (whole, fraction) = match second.split_once(['.', ',']) {
        Some((whole, fraction)) => (whole, Some(fraction)),
        None => (second, None),
    };
    match number(Some(whole), 2) {
        Some(second @ 0..=59) => total += second,
        _ => return Err("expected a second from 00 to 59"),
    }
    Ok((total, fraction.map_or(Ok(0), attoseconds)?))
}

fn attoseconds(fraction: &str) -> Result<i128, &'static str> {
    if fraction.is_empty() || !fraction.bytes().all(|b| b.is_ascii_digit()) {
        return Err("expected digits after the point");
    }
    let digits = fraction.trim_end_matches('0');
    if digits.len() > 18 {
        return Err("finer than an attosecond");
    }
    format!("{digits:0<18}")
        .parse()
        .map_err(|_| "expected digits after the point")
}

/// A number of exactly `digits` digits.
fn number(text: Option<&str>, digits: usize) -> Option<i64> {
    let text = text?;
    (text.len() == digits && text.bytes().all(|b| b.is_ascii_digit())).then(|| text.parse().ok())?
}

fn is_leap(year: i64) -> bool {
    year % 4 == 0 && (year % 100 != 0 || year % 400 == 0)
}

fn days_in_month(year: i64, month: i64) -> i64 {
    match month {
        2 if is_leap(year) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

/// Days from 1970-01-01 to a date. Years are counted from March, so that the
/// leap day is the last of its year, in eras of 400 years (146,097 days).
fn days_from_civil(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let year_of_era = year.rem_euclid(400);
    let month_from_march = (month + 9) % 12;
    let day_of_year = (153 * month_from_march + 2) / 5 + day - 1;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    era * 146_097 + day_of_era - 719_468
}

/// Year, month and day of a count of days; the inverse of [`days_from_civil`].
fn civil_from_days(days: i64) -> (i64, i64, i64) {
    let days = days + 719_468;
    let era = days.div_euclid(146_097);
    let day_of_era = days.rem_euclid(146_097);
    let year_of_era =
        (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = (month_from_march + 2) % 12 + 1;
    let year = era * 400 + year_of_era + i64::from(month <= 2);
    (year, month, day)
}

#[cfg(test)]
mod tests {
    use super::*;
    use jiff::civil::Date;

    const UNITS: [TimeUnit; 13] = [
        TimeUnit::Year,
        TimeUnit::Month,
        TimeUnit::Week,
        TimeUnit::Day,
        TimeUnit::Hour,
        TimeUnit::Minute,
        TimeUnit::Second,
        TimeUnit::Millisecond,
        TimeUnit::Microsecond,
        TimeUnit::Nanosecond,
        TimeUnit::Picosecond,
        TimeUnit::Femtosecond,
        TimeUnit::Attosecond,
    ];

    #[test]
    fn every_day_of_ten_thousand_years_agrees_with_another_calendar() {
        let mut days = days_from_civil(0, 1, 1);
        let mut date = Date::new(0, 1, 1).expect("a date");
        loop {
            let expected = (
                i64::from(date.year()),
                i64::from(date.month()),
                i64::from(date.day()),
            );
            assert_eq!(civil_from_days(days), expected);
            assert_eq!(days_from_civil(expected.0, expected.1, expected.2), days);
            match date.tomorrow() {
                Ok(next) => date = next,
                Err(_) => break,
            }
            days += 1;
        }
    }

    #[test]
    fn known_times_have_their_counts() {
        for (text, unit, count) in [
            ("1970-01-01", TimeUnit::Day, 0),
            ("1969-12-31T23:59:59", TimeUnit::Second, -1),
            ("2000-02-29", TimeUnit::Day, 11_016),
            ("2024-01-05T06:00:00", TimeUnit::Second, 1_704_434_400),
            ("2024-01-05T06:00:00Z", TimeUnit::Second, 1_704_434_400),
            ("2024-01-05 06", TimeUnit::Hour, 473_454),
            ("2024", TimeUnit::Year, 54),
            ("2024-03", TimeUnit::Month, 650),
            ("1970-01-08", TimeUnit::Week, 1),
            ("1969-12-25", TimeUnit::Week, -1),
            (
                "2262-04-11T23:47:16.854775807",
                TimeUnit::Nanosecond,
                i64::MAX,
            ),
            (
                "1970-01-01T00:00:00.000000000000000001",
                TimeUnit::Attosecond,
                1,
            ),
            ("NaT", TimeUnit::Day, NAT),
        ] {
            assert_eq!(parse(text, unit), Ok(count), "{text}");
        }
    }

    #[test]
    fn finer_than_the_unit_is_refused_and_zeros_are_not() {
        for (text, unit) in [
            ("2024-01-02", TimeUnit::Month),
            ("2024-02", TimeUnit::Year),
            ("2024-01-01T01", TimeUnit::Day),
            ("1970-01-02", TimeUnit::Week),
            ("2024-01-01T00:00:00.5", TimeUnit::Second),
        ] {
            assert!(
                parse(text, unit)
                    .expect_err(text)
                    .contains("finer than the unit"),
                "{text}"
            );
        }
        assert_eq!(parse("2024-01-01T00:00:00.000", TimeUnit::Year), Ok(54));
    }

    #[test]
    fn what_is_no_date_is_refused_with_the_reason() {
        for (text, why) in [
            ("24-01-01", "four digits"),
            ("-0001-01-01", "four digits"),
            ("2024-13-01", "month"),
            ("2023-02-29", "no such day"),
            ("2024-01-01T24:00", "hour"),
            ("2024-01-01T00:60", "minute"),
            ("2024-01-01T00:00:60", "second"),
            ("2024-01-01T00:00:00+01:00", "UTC"),
            ("2024-01T00", "needs a day"),
            ("2024Z", "needs a time"),
            ("2024-01-01T00:00:00.", "digits"),
            ("2300-01-01", "beyond the range"),
            ("", "year"),
        ] {
            let unit = TimeUnit::Nanosecond;
            assert!(
                parse(text, unit).expect_err(text).contains(why),
                "{text}: {:?}",
                parse(text, unit)
            );
        }
    }

    #[test]
    fn text_of_a_count_is_read_as_that_count_in_every_unit() {
        for unit in UNITS {
            for count in [
                0,
                1,
                -1,
                7,
                -13,
                86_399,
                -86_401,
                123_456_789,
                NAT,
                i64::MAX,
                -i64::MAX,
            ] {
                if let Some(text) = format(count, unit) {
                    assert_eq!(parse(&text, unit), Ok(count), "{text} {unit:?}");
                }
            }
        }
        assert_eq!(
            format(-1, TimeUnit::Millisecond).as_deref(),
            Some("1969-12-31T23:59:59.999")
        );
        assert_eq!(format(i64::MAX, TimeUnit::Second), None);
    }
}

//! Bytes and durations as people read them.
//!
//! Decimal units, because registries and runners bill and limit in them; one decimal where it tells something.

use std::time::Duration;

/// The names of a thousand, a million … bytes.
const UNITS: [&str; 6] = ["kB", "MB", "GB", "TB", "PB", "EB"];
/// From this many units on, given in tenths, the decimal tells nothing any more: 100.
const WHOLE_FROM_TENTHS: u128 = 1000;

/// A number of bytes: `999 B`, `1.2 MB`, `314 MB`.
pub fn bytes(count: u64) -> String {
    if count < 1000 {
        return format!("{count} B");
    }
    let count = u128::from(count);
    let mut unit = 1;
    let mut shown = String::new();
    for name in UNITS {
        unit *= 1000;
        let (tenths, whole) = ((count * 10 + unit / 2) / unit, (count + unit / 2) / unit);
        shown = if tenths < WHOLE_FROM_TENTHS {
            format!("{}.{} {name}", tenths / 10, tenths % 10)
        } else {
            format!("{whole} {name}")
        };
        // Judged after rounding: 999 950 bytes are 1.0 MB, not 1000 kB.
        if whole < 1000 {
            break;
        }
    }
    shown
}

/// A stretch of time: `340 ms`, `2.1 s`, `2 m 03 s`, `1 h 02 m`.
pub fn duration(time: Duration) -> String {
    let milliseconds = time.as_millis();
    let (tenths, seconds) = ((milliseconds + 50) / 100, (milliseconds + 500) / 1000);
    match (milliseconds, tenths, seconds) {
        (0..1000, ..) => format!("{milliseconds} ms"),
        (_, 0..600, _) => format!("{}.{} s", tenths / 10, tenths % 10),
        (_, _, 0..3600) => format!("{} m {:02} s", seconds / 60, seconds % 60),
        _ => format!("{} h {:02} m", seconds / 3600, seconds % 3600 / 60),
    }
}

/// A number with its noun: `1 layer`, `2 layers`.
pub fn count(number: u64, noun: &str) -> String {
    format!("{number} {noun}{}", if number == 1 { "" } else { "s" })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[rstest::rstest]
    #[case(0, "0 B")]
    #[case(999, "999 B")]
    #[case(1_000, "1.0 kB")]
    #[case(1_249_999, "1.2 MB")]
    #[case(1_250_000, "1.3 MB")]
    #[case(99_949_999, "99.9 MB")]
    #[case(99_950_000, "100 MB")]
    #[case(999_499, "999 kB")]
    #[case(999_500, "1.0 MB")]
    #[case(314_159_265, "314 MB")]
    #[case(u64::MAX, "18.4 EB")]
    fn bytes_have_decimal_units(#[case] count: u64, #[case] shown: &str) {
        assert_eq!(bytes(count), shown);
    }

    #[rstest::rstest]
    #[case(0, "0 ms")]
    #[case(340, "340 ms")]
    #[case(999, "999 ms")]
    #[case(1_000, "1.0 s")]
    #[case(59_949, "59.9 s")]
    #[case(59_950, "1 m 00 s")]
    #[case(123_400, "2 m 03 s")]
    #[case(3_599_499, "59 m 59 s")]
    #[case(3_599_500, "1 h 00 m")]
    #[case(3_725_000, "1 h 02 m")]
    fn durations_round_into_the_next_unit(#[case] milliseconds: u64, #[case] shown: &str) {
        assert_eq!(duration(Duration::from_millis(milliseconds)), shown);
    }

    #[test]
    fn one_is_singular() {
        assert_eq!((count(1, "layer"), count(0, "layer")), ("1 layer".into(), "0 layers".into()));
    }
}

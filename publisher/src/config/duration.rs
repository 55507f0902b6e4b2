//! Waits and ages as people write them: `500ms`, `2s`, `30d`.

use std::time::Duration;

use super::{ConfigError, origin::Given};

/// The longest first wait between attempts that is accepted. It doubles with every attempt; a longer one is a slip of
/// the pen, and a runner that sleeps for hours is paid for.
pub const RETRY_BASE_MAX: Duration = Duration::from_secs(60);

const HINT: &str = "write a whole number of seconds or milliseconds such as `2s` or `500ms`, at most 60s";

/// What is said of something that is never too old.
const FOR_EVER: &str = "off";
const AGE_HINT: &str = "write a whole number of days or hours such as `30d` or `12h`, or `off`";

/// Reads the first wait between attempts.
pub(super) fn retry_base(given: Given<String>) -> Result<Duration, ConfigError> {
    let problem = match wait(&given.value) {
        Some(wait) if wait <= RETRY_BASE_MAX => return Ok(wait),
        Some(_) => format!("`{}` is longer than {}s", given.value, RETRY_BASE_MAX.as_secs()),
        None => format!("`{}` is not a wait", given.value),
    };
    Err(ConfigError::invalid(given.origin, problem).with_hint(HINT))
}

/// Reads how old something may become; nothing if it may become as old as it likes.
pub(super) fn max_age(given: &Given<String>) -> Result<Option<Duration>, ConfigError> {
    if given.value == FOR_EVER {
        return Ok(None);
    }
    let problem = match age(&given.value) {
        Some(age) => return Ok(Some(age)),
        None => format!("`{}` is not an age", given.value),
    };
    Err(ConfigError::invalid(given.origin.clone(), problem).with_hint(AGE_HINT))
}

fn age(text: &str) -> Option<Duration> {
    let (number, hours) = match text.strip_suffix('d') {
        Some(number) => (number, 24),
        None => (text.strip_suffix('h')?, 1),
    };
    let number = digits(number)?.checked_mul(hours * 60 * 60)?;
    Some(Duration::from_secs(number))
}

fn digits(text: &str) -> Option<u64> {
    // `parse` alone would take a sign.
    text.bytes().all(|b| b.is_ascii_digit()).then(|| text.parse().ok())?
}

fn wait(text: &str) -> Option<Duration> {
    let (number, unit): (&str, fn(u64) -> Duration) = match text.strip_suffix("ms") {
        Some(number) => (number, Duration::from_millis),
        None => (text.strip_suffix('s')?, Duration::from_secs),
    };
    digits(number).map(unit)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[rstest::rstest]
    #[case("2s", Some(2000))]
    #[case("500ms", Some(500))]
    #[case("0s", Some(0))]
    #[case("0ms", Some(0))]
    #[case("3600s", Some(3_600_000))]
    #[case("2", None)]
    #[case("", None)]
    #[case("s", None)]
    #[case("ms", None)]
    #[case("2m", None)]
    #[case("2 s", None)]
    #[case("+2s", None)]
    #[case("-2s", None)]
    #[case("0.5s", None)]
    #[case("2S", None)]
    #[case("99999999999999999999s", None)]
    fn waits_are_read(#[case] text: &str, #[case] milliseconds: Option<u64>) {
        assert_eq!(wait(text), milliseconds.map(Duration::from_millis));
    }

    #[rstest::rstest]
    #[case("30d", Some(30 * 24))]
    #[case("12h", Some(12))]
    #[case("0d", Some(0))]
    #[case("30", None)]
    #[case("d", None)]
    #[case("1.5d", None)]
    #[case("-1d", None)]
    #[case("2w", None)]
    #[case("213503982334602d", None)]
    fn ages_are_read(#[case] text: &str, #[case] hours: Option<u64>) {
        assert_eq!(age(text), hours.map(|hours| Duration::from_secs(hours * 60 * 60)));
    }
}

//! When to try again: after longer and longer waits, for about three days, each moved at random so that those who
//! failed together do not come back together.

use jiff::fmt::rfc2822::DateTimeParser;
use leadscore_domain::{
    Timestamp,
    time::{HOUR_US, SECOND_US},
};
use sha2::{Digest as _, Sha256};
use uuid::Uuid;

/// Waits before the second attempt, the third and so on: the schedule that Standard Webhooks recommends.
const WAITS_US: [i64; 9] = [
    5 * SECOND_US,
    300 * SECOND_US,
    1_800 * SECOND_US,
    2 * HOUR_US,
    5 * HOUR_US,
    10 * HOUR_US,
    14 * HOUR_US,
    20 * HOUR_US,
    24 * HOUR_US,
];
/// Shortest wait.
const WAIT_MIN_US: i64 = SECOND_US;
/// Longest wait that a receiver can ask for.
const ASKED_MAX_US: i64 = 24 * HOUR_US;

/// How long to wait after attempt `number` of a message, from 1; `None` after the last one. Full jitter: anything up to
/// twice the wait of the schedule, which is the mean. The message and the number decide, so that nothing has to be
/// remembered.
pub(super) fn wait_us(message: Uuid, number: u16) -> Option<i64> {
    let wait = *WAITS_US.get(usize::from(number.max(1)) - 1)?;
    let mut hash = Sha256::new();
    hash.update(message.as_bytes());
    hash.update(number.to_be_bytes());
    let digest: [u8; 32] = hash.finalize().into();
    let (random, _) = digest.split_first_chunk::<8>().expect("a digest has 32 bytes");
    let random = i64::try_from(u64::from_be_bytes(*random) % (2 * wait).unsigned_abs()).unwrap_or(wait);
    Some(random.max(WAIT_MIN_US))
}

/// How long a receiver asks to be left alone (RFC 9110, section 10.2.3: seconds or a date), within bounds.
pub(crate) fn asked_us(retry_after: &str, now: Timestamp) -> Option<i64> {
    let text = retry_after.trim();
    let asked = match text.parse::<u32>() {
        Ok(seconds) => i64::from(seconds) * SECOND_US,
        Err(_) => {
            let at = DateTimeParser::new().parse_timestamp(text).ok()?;
            Timestamp::from_jiff(at).ok()?.since(now)
        }
    };
    Some(asked.clamp(WAIT_MIN_US, ASKED_MAX_US))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn waits_stay_within_their_bounds_and_end(id: u128, number in 1_u16..=9) {
            let (id, base) = (Uuid::from_u128(id), WAITS_US[usize::from(number) - 1]);
            let wait = wait_us(id, number).unwrap();
            prop_assert!((WAIT_MIN_US..2 * base).contains(&wait), "{wait}");
            prop_assert_eq!(wait_us(id, number), Some(wait));
            prop_assert_eq!(wait_us(id, 10), None);
            prop_assert_eq!(wait_us(id, u16::MAX), None);
        }

        #[test]
        fn what_is_asked_for_stays_within_its_bounds(text in ".{0,40}", seconds: u32) {
            let now = "2026-03-01T10:00:00Z".parse().unwrap();
            for text in [text, seconds.to_string()] {
                if let Some(asked) = asked_us(&text, now) {
                    prop_assert!((WAIT_MIN_US..=ASKED_MAX_US).contains(&asked));
                }
            }
        }
    }

    #[test]
    fn waits_add_up_to_three_days_in_the_mean() {
        let messages = 2_000_u128;
        let total: i64 =
            (0..messages).flat_map(|id| (1..=9).filter_map(move |number| wait_us(Uuid::from_u128(id), number))).sum();
        let mean_h = total / i64::try_from(messages).unwrap() / HOUR_US;
        assert!((70..=81).contains(&mean_h), "{mean_h} hours");
    }

    #[test]
    fn seconds_and_dates_are_understood() {
        let now = "2026-03-01T10:00:00Z".parse().unwrap();
        for (text, seconds) in [
            ("120", Some(120)),
            (" 0 ", Some(1)),
            ("999999", Some(86_400)),
            ("Sun, 01 Mar 2026 10:02:00 GMT", Some(120)),
            ("Sun, 01 Mar 2026 09:00:00 GMT", Some(1)),
            ("soon", None),
            ("-5", None),
            ("", None),
        ] {
            assert_eq!(asked_us(text, now), seconds.map(|seconds| seconds * SECOND_US), "{text}");
        }
    }
}

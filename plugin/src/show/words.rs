//! Numbers and moments in words.

use jiff::Timestamp;

/// A number of seconds as kubectl writes ages: the two largest units at most.
pub(super) fn age(seconds: f64) -> String {
    let seconds = seconds.max(0.0).round() as u64;
    let (minutes, hours, days) = (seconds / 60, seconds / 3_600, seconds / 86_400);
    match seconds {
        0..120 => format!("{seconds}s"),
        120..7_200 => two(minutes, 'm', seconds % 60, 's'),
        7_200..172_800 => two(hours, 'h', minutes % 60, 'm'),
        _ => two(days, 'd', hours % 24, 'h'),
    }
}

fn two(large: u64, large_unit: char, small: u64, small_unit: char) -> String {
    if small == 0 { format!("{large}{large_unit}") } else { format!("{large}{large_unit}{small}{small_unit}") }
}

/// How long ago something was.
pub(super) fn since(then: Timestamp, now: Timestamp) -> String {
    age(now.duration_since(then).as_secs_f64())
}

/// When something will be.
pub(super) fn when(then: Timestamp, now: Timestamp) -> String {
    let left = then.duration_since(now).as_secs_f64();
    if left <= 0.0 { "now".to_owned() } else { format!("in {}", age(left)) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ages_look_like_kubectls() {
        for (seconds, text) in
            [(0.4, "0s"), (119.0, "119s"), (120.0, "2m"), (125.0, "2m5s"), (7_260.0, "2h1m"), (180_000.0, "2d2h")]
        {
            assert_eq!(age(seconds), text);
        }
        assert_eq!(age(-5.0), "0s");
    }
}

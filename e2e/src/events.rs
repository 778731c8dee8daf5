//! Events of a namespace, one line each.

use k8s_openapi::{api::events::v1::Event, jiff::Timestamp};

/// When the event happened last.
#[must_use]
pub fn time(event: &Event) -> Timestamp {
    let series = event.series.as_ref().map(|series| series.last_observed_time.0);
    let first = event.event_time.as_ref().map(|time| time.0);
    let old = event.deprecated_last_timestamp.as_ref().map(|time| time.0);
    let created = event.metadata.creation_timestamp.as_ref().map(|time| time.0);
    series.or(first).or(old).or(created).unwrap_or(Timestamp::UNIX_EPOCH)
}

/// How often it happened.
#[must_use]
pub fn count(event: &Event) -> i32 {
    let series = event.series.as_ref().map(|series| series.count);
    series.or(event.deprecated_count).unwrap_or(1).max(1)
}

/// Time of day, type, object, reason and note, cut to that many columns.
#[must_use]
pub fn line(event: &Event, columns: usize) -> String {
    let about = event.regarding.as_ref().map(|object| {
        let kind = object.kind.as_deref().unwrap_or_default().to_lowercase();
        format!("{kind}/{}", object.name.as_deref().unwrap_or_default())
    });
    let times = match count(event) {
        1 => String::new(),
        times => format!(" (x{times})"),
    };
    let text = format!(
        "{} {:<7} {} {}{times}: {}",
        time(event).strftime("%H:%M:%S"),
        event.type_.as_deref().unwrap_or_default(),
        about.unwrap_or_default(),
        event.reason.as_deref().unwrap_or_default(),
        event.note.as_deref().unwrap_or_default().replace('\n', " "),
    );
    cut(&text, columns)
}

/// Cuts a text to that many characters.
#[must_use]
pub fn cut(text: &str, columns: usize) -> String {
    if text.chars().count() <= columns {
        return text.to_owned();
    }
    let kept: String = text.chars().take(columns.saturating_sub(1)).collect();
    format!("{}…", kept.trim_end())
}

#[cfg(test)]
mod tests {
    use super::*;
    use k8s_openapi::{api::core::v1::ObjectReference, apimachinery::pkg::apis::meta::v1::MicroTime};

    #[test]
    fn an_event_is_one_line_that_fits() {
        let event = Event {
            type_: Some("Warning".into()),
            reason: Some("Zombie".into()),
            note: Some(format!("Level 1: no data\n{}", "x".repeat(200))),
            event_time: Some(MicroTime("2026-11-24T07:55:38Z".parse().unwrap())),
            regarding: Some(ObjectReference {
                kind: Some("MarketStream".into()),
                name: Some("demo".into()),
                ..ObjectReference::default()
            }),
            ..Event::default()
        };
        let text = line(&event, 100);
        assert!(text.starts_with("07:55:38 Warning marketstream/demo Zombie: Level 1: no data x"), "{text}");
        assert_eq!(text.chars().count(), 100);
    }
}

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

/// Time of day, `!` for a warning, object, reason and note, cut to that many columns. A note that names the reason
/// stands alone.
#[must_use]
pub fn line(event: &Event, columns: usize) -> String {
    let about = event.regarding.as_ref().and_then(|object| object.name.as_deref()).unwrap_or_default();
    let warning = if event.type_.as_deref() == Some("Warning") { "!" } else { "" };
    let times = if count(event) > 1 { format!("(x{})", count(event)) } else { String::new() };
    let note = event.note.as_deref().unwrap_or_default().replace('\n', " ");
    let reason = event.reason.as_deref().filter(|reason| !note.contains(reason));
    let reason = reason.map(|reason| format!("{reason}:")).unwrap_or_default();
    let time = time(event).strftime("%H:%M:%S").to_string();
    let parts = [&time, warning, about, &times, &reason, &note];
    cut(&parts.into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join(" "), columns)
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
            reason: Some("Unhealthy".into()),
            note: Some(format!("Readiness probe failed\n{}", "x".repeat(200))),
            event_time: Some(MicroTime("2026-11-24T07:55:38Z".parse().unwrap())),
            regarding: Some(ObjectReference {
                kind: Some("MarketStream".into()),
                name: Some("demo".into()),
                ..ObjectReference::default()
            }),
            ..Event::default()
        };
        let text = line(&event, 100);
        assert!(text.starts_with("07:55:38 ! demo Unhealthy: Readiness probe failed x"), "{text}");
        assert_eq!(text.chars().count(), 100);
    }
}

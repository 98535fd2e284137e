//! A line of the log as one JSON object, whole whatever it tells.

use super::queue::MAX_LINE_BYTES;
use serde::Serialize;
use serde_json::{Map, Value};
use std::error::Error;
use std::fmt;
use tracing::Event;
use tracing::field::{Field, Visit};
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::time::{FormatTime, SystemTime};

/// Characters of a text that are left when a line would be too long. Six bytes for each of them in the message alone still
/// leave room for the rest.
const MAX_CUT_CHARS: usize = 200;

#[derive(Serialize)]
struct Line<'a> {
    timestamp: &'a str,
    level: &'a str,
    target: &'a str,
    message: &'a str,
    fields: &'a Map<String, Value>,
}

impl Line<'_> {
    /// With its end. A line of texts and numbers can't fail to be written.
    fn text(&self) -> String {
        serde_json::to_string(self).unwrap_or_default() + "\n"
    }

    /// The same within the length of a line. A cut object would be none, so what is cut are the texts in it.
    fn within_bounds(&self) -> String {
        let whole = self.text();
        if whole.len() <= MAX_LINE_BYTES {
            return whole;
        }
        let short = |text: &str| match text.char_indices().nth(MAX_CUT_CHARS) {
            Some((end, _)) => format!("{}…", text.get(..end).unwrap_or_default()),
            None => text.to_owned(),
        };
        let fields = self.fields.iter().map(|(name, value)| match value {
            Value::String(text) => (name.clone(), short(text).into()),
            value => (name.clone(), value.clone()),
        });
        let (message, fields) = (short(self.message), fields.collect());
        let cut = Line { message: &message, fields: &fields, ..*self };
        let text = cut.text();
        if text.len() <= MAX_LINE_BYTES {
            return text;
        }
        let none = Map::from_iter([("left_out".into(), fields.len().into())]);
        Line { fields: &none, ..cut }.text()
    }
}

/// The line about this event.
pub(super) fn event(event: &Event<'_>) -> String {
    let mut parts = Parts::default();
    event.record(&mut parts);
    let metadata = event.metadata();
    let line = Line {
        timestamp: &now(),
        level: metadata.level().as_str(),
        target: metadata.target(),
        message: &parts.message,
        fields: &parts.fields,
    };
    line.within_bounds()
}

/// A line of the log's own.
pub(super) fn words(level: &str, message: &str) -> String {
    let (target, fields) = (concat!(env!("CARGO_CRATE_NAME"), "::log"), &Map::new());
    Line { timestamp: &now(), level, target, message, fields }.within_bounds()
}

/// The time as it stands in a line for people.
fn now() -> String {
    let mut text = String::new();
    // Writing to a string can't fail.
    let _ = SystemTime.format_time(&mut Writer::new(&mut text));
    text
}

/// What an event says, sorted.
#[derive(Default)]
struct Parts {
    message: String,
    fields: Map<String, Value>,
}

impl Parts {
    fn put(&mut self, field: &Field, value: impl Into<Value>) {
        match (field.name(), value.into()) {
            ("message", Value::String(text)) => self.message = text,
            (name, value) => {
                self.fields.insert(name.to_owned(), value);
            }
        }
    }
}

impl Visit for Parts {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.put(field, format!("{value:?}"));
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.put(field, value);
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.put(field, value);
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.put(field, value);
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.put(field, value);
    }

    fn record_f64(&mut self, field: &Field, value: f64) {
        self.put(field, value);
    }

    fn record_error(&mut self, field: &Field, value: &(dyn Error + 'static)) {
        self.put(field, value.to_string());
    }
}

#[cfg(test)]
mod tests {
    use super::super::format::{Format, Lines};
    use super::*;
    use std::io::{self, Write};
    use std::sync::{Arc, Mutex};
    use tracing_subscriber::fmt::MakeWriter;
    use tracing_subscriber::layer::SubscriberExt;

    #[derive(Clone, Default)]
    struct Page(Arc<Mutex<Vec<u8>>>);

    impl Write for Page {
        fn write(&mut self, data: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(data);
            Ok(data.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    impl<'a> MakeWriter<'a> for Page {
        type Writer = Self;

        fn make_writer(&'a self) -> Self {
            self.clone()
        }
    }

    /// What is written while this happens.
    fn written(happens: impl FnOnce()) -> String {
        let page = Page::default();
        let layer = tracing_subscriber::fmt::layer()
            .event_format(Lines::plain(Format::Json))
            .with_writer(page.clone());
        tracing::subscriber::with_default(tracing_subscriber::registry().with(layer), happens);
        let bytes = page.0.lock().unwrap().clone();
        String::from_utf8(bytes).unwrap()
    }

    #[test]
    fn an_event_is_one_object_with_its_fields_as_they_are() {
        let text = written(|| {
            tracing::warn!(
                address = %std::net::Ipv4Addr::LOCALHOST,
                name = "a \"b\"\nc",
                count = 3,
                share = 0.5,
                well = true,
                error = &io::Error::other("gone") as &(dyn Error + 'static),
                "devices {}",
                "here"
            );
        });
        assert_eq!(text.matches('\n').count(), 1);
        let mut line: Value = serde_json::from_str(&text).unwrap();
        let time = line["timestamp"].take();
        assert!(time.as_str().is_some_and(|time| time.starts_with("20") && time.ends_with('Z')), "{time}");
        let fields = serde_json::json!({
            "address": "127.0.0.1", "name": "a \"b\"\nc", "count": 3, "share": 0.5, "well": true, "error": "gone",
        });
        let expected = serde_json::json!({
            "timestamp": null, "level": "WARN", "target": module_path!(), "message": "devices here", "fields": fields,
        });
        assert_eq!(line, expected);
    }

    #[test]
    fn what_is_too_long_is_cut_within_and_stays_an_object() {
        let long = "\u{1}é".repeat(MAX_LINE_BYTES);
        let text = written(|| {
            tracing::info!(short = "kept", long, "said");
            tracing::info!("{long}");
            tracing::info!(a = long, b = long, c = long, d = long, e = long, "{long}");
        });
        let lines: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        assert!(text.lines().all(|line| line.len() < MAX_LINE_BYTES), "{text}");
        assert_eq!(lines[0]["fields"]["short"], "kept");
        assert!(lines[0]["fields"]["long"].as_str().is_some_and(|long| long.ends_with('…')));
        assert!(lines[1]["message"].as_str().is_some_and(|message| message.ends_with('…')));
        assert_eq!(lines[2]["fields"], serde_json::json!({ "left_out": 5 }));
    }

    #[test]
    fn what_the_log_says_of_itself_is_an_object_too() {
        let line: Value = serde_json::from_str(&words("WARN", "3 lines left out")).unwrap();
        assert_eq!((&line["level"], &line["message"]), (&"WARN".into(), &"3 lines left out".into()));
    }
}

//! Numbers for Prometheus, in its text format.

use buttplug_server::{Statistics, WRITE_TIME_STEPS};
use std::fmt::Write;

/// The type of the text.
pub(crate) const CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// All numbers, each with what it means.
pub(crate) fn text(statistics: &Statistics) -> String {
    let mut text = String::new();
    let mut one = |name: &str, kind: &str, help: &str, value: u64| {
        // Writing to memory does not fail.
        let _ = writeln!(text, "# HELP {name} {help}\n# TYPE {name} {kind}\n{name} {value}");
    };
    let number = |count: usize| u64::try_from(count).unwrap_or(u64::MAX);
    one(
        "buttplug_clients",
        "gauge",
        "Clients connected now, the REST API as one.",
        number(statistics.clients),
    );
    one("buttplug_devices", "gauge", "Devices connected now.", number(statistics.devices));
    one("buttplug_outputs_total", "counter", "Values for outputs accepted from clients.", statistics.outputs);
    one(
        "buttplug_outputs_coalesced_total",
        "counter",
        "Accepted values that replaced another before that was written.",
        statistics.coalesced_outputs,
    );
    one(
        "buttplug_outputs_repeated_total",
        "counter",
        "Accepted values that the output had already.",
        statistics.repeated_outputs,
    );
    one("buttplug_reconnects_total", "counter", "Devices that came back.", statistics.reconnects);
    one(
        "buttplug_failed_writes_total",
        "counter",
        "Frames that hardware did not take.",
        statistics.failed_writes,
    );
    histogram(&mut text, statistics);
    text
}

fn histogram(text: &mut String, statistics: &Statistics) {
    const NAME: &str = "buttplug_write_seconds";
    let writes = &statistics.writes;
    let _ = writeln!(text, "# HELP {NAME} How long hardware took over a frame.\n# TYPE {NAME} histogram");
    let mut so_far = 0;
    for (step, count) in WRITE_TIME_STEPS.iter().zip(writes.steps) {
        so_far += count;
        let _ = writeln!(text, "{NAME}_bucket{{le=\"{}\"}} {so_far}", step.as_secs_f64());
    }
    let count = writes.count();
    let total = writes.total.as_secs_f64();
    let _ = writeln!(text, "{NAME}_bucket{{le=\"+Inf\"}} {count}\n{NAME}_sum {total}\n{NAME}_count {count}");
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn the_steps_of_the_histogram_add_up() {
        let mut statistics = Statistics::default();
        statistics.outputs = 9;
        statistics.writes.steps[0] = 2;
        statistics.writes.steps[3] = 1;
        statistics.writes.longer = 1;
        statistics.writes.total = Duration::from_millis(1500);
        let text = text(&statistics);
        for line in [
            "buttplug_outputs_total 9",
            "# TYPE buttplug_clients gauge",
            "buttplug_write_seconds_bucket{le=\"0.001\"} 2",
            "buttplug_write_seconds_bucket{le=\"0.01\"} 3",
            "buttplug_write_seconds_bucket{le=\"5\"} 3",
            "buttplug_write_seconds_bucket{le=\"+Inf\"} 4",
            "buttplug_write_seconds_sum 1.5",
            "buttplug_write_seconds_count 4",
        ] {
            assert!(text.lines().any(|l| l == line), "{line} in {text}");
        }
    }
}

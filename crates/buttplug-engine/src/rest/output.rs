//! What an output shall do, from the path, the query and the body of a request. Pure.

use super::lease::{LONGEST_LEASE, SHORTEST_LEASE};
use super::problem::Problem;
use buttplug_client::{Output, Value};
use buttplug_core::OutputKind;
use buttplug_core::limits::quoted;
use serde::Deserialize;
use std::time::Duration;

/// The body of an output.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
struct Body {
    /// In steps of the announced range.
    value: Option<i32>,
    /// Milliseconds.
    duration: Option<u32>,
}

/// What is asked for.
///
/// # Errors
/// The body is of no use, or does not fit the rest.
pub(crate) fn output(kind: OutputKind, level: Option<f64>, body: &[u8]) -> Result<Output, Problem> {
    let body = if body.is_empty() {
        Body::default()
    } else {
        serde_json::from_slice(body).map_err(|error| Problem::BadBody(quoted(&error.to_string())))?
    };
    let value = match (level, body.value) {
        (Some(level), None) => Value::Fraction(level),
        (None, Some(steps)) => Value::Steps(steps),
        (None, None) => return Err(Problem::NoValue),
        (Some(_), Some(_)) => return Err(Problem::TwoValues),
    };
    match (kind, body.duration) {
        (OutputKind::HwPositionWithDuration, Some(ms)) => {
            Ok(Output::timed_position(value, Duration::from_millis(ms.into())))
        }
        // Going there at once is the fastest that the machine can do; nobody wants that by mistake.
        (OutputKind::HwPositionWithDuration, None) => Err(Problem::NoDuration),
        (kind, Some(_)) => Err(Problem::NoDurationTaken(kind)),
        (kind, None) => Ok(Output::new(kind, value)),
    }
}

/// How long an output may last without being renewed. A parameter that is not known is refused: it may be a lease that
/// is spelled wrong, and somebody relies on it. A token is the gate's affair.
///
/// # Errors
/// An unknown parameter, or a lease out of range.
pub(crate) fn lease(query: Option<&str>) -> Result<Option<Duration>, Problem> {
    let mut lease = None;
    for parameter in query.unwrap_or_default().split('&').filter(|parameter| !parameter.is_empty()) {
        let (name, value) = parameter.split_once('=').unwrap_or((parameter, ""));
        if name == "token" {
            continue;
        }
        if name != "lease" {
            return Err(Problem::NoSuchParameter(quoted(name)));
        }
        let ms = value.parse().ok().map(Duration::from_millis);
        let valid = ms.filter(|ms| (SHORTEST_LEASE..=LONGEST_LEASE).contains(ms));
        lease = Some(valid.ok_or_else(|| Problem::BadLease(quoted(value)))?);
    }
    Ok(lease)
}

#[cfg(test)]
mod tests {
    use super::*;
    use buttplug_core::OutputKind::{HwPositionWithDuration, Vibrate};

    #[test]
    fn a_value_comes_from_the_path_or_from_the_body() {
        let half = Output::new(Vibrate, Value::Fraction(0.5));
        assert_eq!(output(Vibrate, Some(0.5), b""), Ok(half));
        assert_eq!(output(Vibrate, None, br#"{"value": 7}"#), Ok(Output::new(Vibrate, Value::Steps(7))));
        let slow = Output::timed_position(Value::Fraction(0.5), Duration::from_millis(800));
        assert_eq!(output(HwPositionWithDuration, Some(0.5), br#"{"duration": 800}"#), Ok(slow));
    }

    #[test]
    fn what_does_not_fit_together_is_refused() {
        use Problem::{NoDuration, NoDurationTaken, NoValue, TwoValues};
        for (kind, level, body, problem) in [
            (Vibrate, None, "", NoValue),
            (Vibrate, None, "{}", NoValue),
            (Vibrate, Some(0.5), r#"{"value": 1}"#, TwoValues),
            (Vibrate, Some(0.5), r#"{"duration": 1}"#, NoDurationTaken(Vibrate)),
            (HwPositionWithDuration, Some(0.5), "", NoDuration),
        ] {
            assert_eq!(output(kind, level, body.as_bytes()), Err(problem), "{body}");
        }
        for body in
            ["x", "[1]", "7", "{\"value\": 1.5}", "{\"value\": 1, \"speed\": 2}", "{\"duration\": -1}"]
        {
            let problem = output(Vibrate, None, body.as_bytes());
            assert!(matches!(problem, Err(Problem::BadBody(_))), "{body}: {problem:?}");
        }
    }

    #[test]
    fn a_lease_is_in_range_and_nothing_else_is_taken_for_one() {
        assert_eq!(lease(None), Ok(None));
        assert_eq!(lease(Some("")), Ok(None));
        assert_eq!(lease(Some("lease=1500")), Ok(Some(Duration::from_millis(1500))));
        for query in ["token=abc&lease=1500", "lease=1500&token=abc"] {
            assert_eq!(lease(Some(query)), Ok(Some(Duration::from_millis(1500))), "{query}");
        }
        for query in ["lease", "lease=", "lease=0", "lease=99", "lease=3600001", "lease=1e3", "lease=-1"] {
            assert!(matches!(lease(Some(query)), Err(Problem::BadLease(_))), "{query}");
        }
        assert_eq!(lease(Some("leese=500")), Err(Problem::NoSuchParameter("leese".into())));
    }
}

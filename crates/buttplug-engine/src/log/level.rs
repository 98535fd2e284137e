//! Which lines are written: what a person asked for, or the environment.

use std::str::FromStr;
use tracing_subscriber::filter::{LevelFilter, Targets};

/// Which lines are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Level(LevelFilter);

/// What is not a level.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a log level; there are error, warn, info, debug and trace, or 1 to 5")]
pub(crate) struct NoSuchLevel;

impl FromStr for Level {
    type Err = NoSuchLevel;

    fn from_str(text: &str) -> Result<Self, NoSuchLevel> {
        let filter = match text.to_ascii_lowercase().as_str() {
            "error" | "1" => LevelFilter::ERROR,
            "warn" | "2" => LevelFilter::WARN,
            "info" | "3" => LevelFilter::INFO,
            "debug" | "4" => LevelFilter::DEBUG,
            "trace" | "5" => LevelFilter::TRACE,
            _ => return Err(NoSuchLevel),
        };
        Ok(Self(filter))
    }
}

/// What decides which lines are written, and a complaint if the environment is not understood.
pub(super) fn targets(level: Option<Level>, environment: Option<&str>) -> (Targets, Option<String>) {
    let all = |filter| Targets::new().with_default(filter);
    match (level, environment) {
        (Some(level), _) => (all(level.0), None),
        (None, None | Some("")) => (all(LevelFilter::INFO), None),
        (None, Some(text)) => match text.parse() {
            Ok(targets) => (targets, None),
            Err(error) => (
                all(LevelFilter::INFO),
                Some(format!("RUST_LOG is not understood ({error}); logging at info")),
            ),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tracing::Level as L;

    #[test]
    fn levels_are_names_in_any_case_or_numbers() {
        for (text, level) in
            [("error", L::ERROR), ("WARN", L::WARN), ("Info", L::INFO), ("4", L::DEBUG), ("trace", L::TRACE)]
        {
            assert_eq!(text.parse(), Ok(Level(level.into())), "{text}");
        }
        for text in ["off", "0", "6", "", "verbose"] {
            assert_eq!(text.parse::<Level>(), Err(NoSuchLevel), "{text}");
        }
    }

    #[test]
    fn the_flag_goes_before_the_environment() {
        let enabled = |level: Option<&str>, environment, target, at| {
            let (targets, complaint) = targets(level.map(|level| level.parse().unwrap()), environment);
            (targets.would_enable(target, &at), complaint.is_some())
        };
        assert_eq!(enabled(Some("error"), Some("trace"), "x", L::WARN), (false, false));
        assert_eq!(
            enabled(None, Some("warn,buttplug_server=debug"), "buttplug_server", L::DEBUG),
            (true, false)
        );
        assert_eq!(enabled(None, Some("warn,buttplug_server=debug"), "x", L::INFO), (false, false));
        assert_eq!(enabled(None, None, "x", L::INFO), (true, false));
        assert_eq!(enabled(None, None, "x", L::DEBUG), (false, false));
        assert_eq!(enabled(None, Some("a=b=c"), "x", L::INFO), (true, true));
    }
}

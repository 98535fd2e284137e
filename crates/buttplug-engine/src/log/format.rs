//! How a line of the log looks: for people, for the system's journal, or for programs.

use super::{journal, json};
use std::fmt;
use std::io::{self, IsTerminal};
use std::str::FromStr;
use tracing::{Event, Subscriber};
use tracing_subscriber::fmt::FmtContext;
use tracing_subscriber::fmt::format::{self, FormatEvent, FormatFields, Full, Writer};
use tracing_subscriber::fmt::time::SystemTime;
use tracing_subscriber::registry::LookupSpan;

/// For whom lines are written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Format {
    /// For people.
    #[default]
    Text,
    /// For programs: an object in each line.
    Json,
}

/// What is not a form of lines.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a form of log lines; there are text and json")]
pub(crate) struct NoSuchFormat;

impl FromStr for Format {
    type Err = NoSuchFormat;

    fn from_str(text: &str) -> Result<Self, NoSuchFormat> {
        match text {
            "text" => Ok(Self::Text),
            "json" => Ok(Self::Json),
            _ => Err(NoSuchFormat),
        }
    }
}

/// Whether stdout is a terminal whose owner wants colours.
pub(crate) fn colours() -> bool {
    let set = |name| std::env::var_os(name).is_some_and(|value| !value.is_empty());
    let dumb = std::env::var_os("TERM").is_some_and(|terminal| terminal == "dumb");
    io::stdout().is_terminal() && !set("NO_COLOR") && !dumb
}

/// Says in a line that so many are missing, in lines of this form.
pub(super) fn lost(format: Format) -> fn(u64) -> String {
    match format {
        Format::Text => |count| format!("({})\n", left_out(count)),
        Format::Json => |count| json::words("WARN", &left_out(count)),
    }
}

fn left_out(count: u64) -> String {
    format!("{count} lines left out: too many to be written in time")
}

/// Writes lines of one form.
pub(super) enum Lines {
    Text(format::Format<Full, SystemTime>),
    /// The journal has the time already, and is told the level so that it can be asked for it.
    Journal(format::Format<Full, ()>),
    Json,
}

impl Lines {
    /// As they are wanted on stdout, wherever that leads.
    pub(super) fn on_stdout(format: Format) -> Self {
        match Self::plain(format) {
            Self::Text(_) if journal::is_stdout() => Self::Journal(format::Format::default().without_time()),
            plain => plain,
        }
    }

    /// As they are wanted anywhere.
    pub(super) fn plain(format: Format) -> Self {
        match format {
            Format::Text => Self::Text(format::Format::default()),
            Format::Json => Self::Json,
        }
    }
}

impl<S, N> FormatEvent<S, N> for Lines
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(
        &self,
        context: &FmtContext<'_, S, N>,
        mut writer: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        match self {
            Self::Text(text) => text.format_event(context, writer, event),
            Self::Journal(text) => {
                write!(writer, "<{}>", journal::priority(*event.metadata().level()))?;
                text.format_event(context, writer, event)
            }
            Self::Json => writer.write_str(&json::event(event)),
        }
    }
}

//! Flags about the guard, and those that it passes on to its engine.

/// Seconds without a sign of life unless told otherwise. An overloaded machine may well take a few.
const MAX_HANG: u32 = 10;

/// How the guard looks after an engine.
#[derive(Clone, Debug, clap::Args)]
#[command(next_help_heading = "Program")]
pub(crate) struct GuardFlags {
    /// Seconds after which --guard ends an engine that hangs, and starts it again; not on Windows
    #[arg(long, value_name = "SECONDS", default_value_t = MAX_HANG, value_parser = clap::value_parser!(u32).range(1..=3600))]
    pub(crate) max_hang: u32,

    /// Standard input is a guard's, which wants a sign of life each time so many milliseconds are over
    #[arg(long, value_name = "MS", hide = true, value_parser = clap::value_parser!(u64).range(1..))]
    pub(crate) guarded: Option<u64>,

    /// How the engine died in whose place this one is
    #[arg(long, value_name = "HOW", hide = true)]
    pub(crate) after_death: Option<String>,

    /// Standard input is a guard's, which has a terminal for its own: ask there about web pages
    #[arg(long, hide = true)]
    pub(crate) ask_at_terminal: bool,

    /// Stop what stands in the file of --stop-first, and end
    #[arg(long, requires = "stop_first", hide = true)]
    pub(crate) only_stop: bool,

    /// Where a setting is made that a guard passes on as a flag
    #[arg(long, value_name = "SETTING: PLACE", hide = true)]
    pub(crate) told_by: Vec<String>,
}

impl Default for GuardFlags {
    fn default() -> Self {
        Self {
            max_hang: MAX_HANG,
            guarded: None,
            after_death: None,
            ask_at_terminal: false,
            only_stop: false,
            told_by: Vec::new(),
        }
    }
}

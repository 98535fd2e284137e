//! Flags that say where else settings come from, and the flags of `serve` as they were typed, before that is looked at.

use super::ServeFlags;
use clap::builder::Resettable;
use clap::parser::ValueSource;
use clap::{ArgMatches, Args, Command, FromArgMatches, Id};
use std::ffi::OsString;
use std::fmt;
use std::path::PathBuf;

/// Where settings come from besides flags.
#[derive(Clone, Debug, Default, Args)]
pub(crate) struct SourceFlags {
    /// File with settings, TOML: every flag is a key there, without its dashes [default: buttplug/config.toml in your folder
    /// of settings, if it is there]
    #[arg(short = 'c', long, value_name = "FILE", help_heading = "Program")]
    pub(crate) config: Option<PathBuf>,

    /// Read no file with settings
    #[arg(long, conflicts_with = "config", help_heading = "Program")]
    pub(crate) no_config: bool,
}

/// Which flags of `serve` were typed, and what stood behind them. Taken into a command that has some of these flags, before
/// the flags themselves.
#[derive(Default)]
pub(crate) struct GivenFlags(Vec<(Id, Vec<OsString>)>);

impl GivenFlags {
    /// Each flag with its values. A switch has the value `true`.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&Id, &[OsString])> {
        self.0.iter().map(|(id, values)| (id, values.as_slice()))
    }
}

/// Without the values: a token may be among them.
impl fmt::Debug for GivenFlags {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.0.iter().map(|(id, _)| id)).finish()
    }
}

impl Args for GivenFlags {
    fn augment_args(command: Command) -> Command {
        command
    }

    fn augment_args_for_update(command: Command) -> Command {
        command
    }
}

impl FromArgMatches for GivenFlags {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, clap::Error> {
        let mut flags = Self::default();
        flags.update_from_arg_matches(matches)?;
        Ok(flags)
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        let serve = ServeFlags::augment_args(Command::new("serve"));
        let typed = |id: &Id| {
            let here = matches.try_contains_id(id.as_str()).unwrap_or(false);
            here && matches.value_source(id.as_str()) == Some(ValueSource::CommandLine)
        };
        let values = |id: &Id| {
            let values = matches.get_raw(id.as_str()).unwrap_or_default().map(ToOwned::to_owned);
            (id.clone(), values.collect())
        };
        self.0 = serve.get_arguments().map(clap::Arg::get_id).filter(|id| typed(id)).map(values).collect();
        Ok(())
    }
}

/// The flags of `serve` as they were typed. What one of them needs may be said elsewhere, so that is not asked yet.
#[derive(Debug, Default)]
pub(crate) struct TypedFlags {
    pub(crate) given: GivenFlags,
    pub(crate) flags: ServeFlags,
}

impl Args for TypedFlags {
    fn augment_args(command: Command) -> Command {
        ServeFlags::augment_args(command).mut_args(|flag| flag.requires(Resettable::Reset))
    }

    fn augment_args_for_update(command: Command) -> Command {
        Self::augment_args(command)
    }
}

impl FromArgMatches for TypedFlags {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, clap::Error> {
        let mut flags = Self::default();
        flags.update_from_arg_matches(matches)?;
        Ok(flags)
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        self.given.update_from_arg_matches(matches)?;
        self.flags = ServeFlags::from_arg_matches(matches)?;
        Ok(())
    }
}

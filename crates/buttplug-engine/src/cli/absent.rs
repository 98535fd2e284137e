//! Flags of earlier engines for what this build does not have. They are taken, so that programs which pass them still
//! start it, and each gets a line that says so.

use clap::{Arg, ArgAction, ArgMatches, Command};

/// A flag for something that is not there.
#[derive(Debug, PartialEq, Eq)]
struct AbsentFlag {
    name: &'static str,
    /// What the person gets to read.
    why: &'static str,
}

const fn flag(name: &'static str, why: &'static str) -> AbsentFlag {
    AbsentFlag { name, why }
}

const ABSENT: &[AbsentFlag] = &[
    #[cfg(not(feature = "bluetooth"))]
    flag("use-bluetooth-le", "this build has no Bluetooth"),
    flag("allow-raw", "raw device commands are not offered"),
    flag("crash-reporting", "nothing is ever reported to anybody"),
];

/// Which of these flags were given.
#[derive(Clone, Debug, Default)]
pub(crate) struct AbsentFlags {
    given: Vec<&'static AbsentFlag>,
}

impl AbsentFlags {
    /// One line for each flag that has no effect.
    pub(crate) fn notices(&self) -> impl Iterator<Item = String> {
        self.given.iter().map(|flag| format!("--{} has no effect: {}", flag.name, flag.why))
    }
}

impl clap::Args for AbsentFlags {
    fn augment_args(command: Command) -> Command {
        command.args(ABSENT.iter().map(|flag| {
            Arg::new(flag.name).long(flag.name).action(ArgAction::SetTrue).hide(true).help(flag.why)
        }))
    }

    fn augment_args_for_update(command: Command) -> Command {
        Self::augment_args(command)
    }
}

impl clap::FromArgMatches for AbsentFlags {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, clap::Error> {
        let mut flags = Self::default();
        flags.update_from_arg_matches(matches)?;
        Ok(flags)
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        use clap::parser::ValueSource;
        let given = |flag: &&AbsentFlag| matches.value_source(flag.name) == Some(ValueSource::CommandLine);
        self.given = ABSENT.iter().filter(given).collect();
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::{Args, FromArgMatches};

    fn given(arguments: &[&str]) -> AbsentFlags {
        let command = AbsentFlags::augment_args(Command::new("x").no_binary_name(true));
        AbsentFlags::from_arg_matches(&command.try_get_matches_from(arguments).unwrap()).unwrap()
    }

    #[test]
    fn each_flag_that_was_given_gets_its_line() {
        let flags = given(&["--crash-reporting", "--allow-raw"]);
        assert_eq!(
            flags.notices().collect::<Vec<_>>(),
            [
                "--allow-raw has no effect: raw device commands are not offered",
                "--crash-reporting has no effect: nothing is ever reported to anybody",
            ]
        );
        assert_eq!(given(&[]).notices().count(), 0);
    }
}

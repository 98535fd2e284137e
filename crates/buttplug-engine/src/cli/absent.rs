//! Flags of earlier engines for what this build does not have. They are taken, so that programs which pass them still
//! start it, and each gets a line that says so.

use clap::{Arg, ArgAction, ArgMatches, Command};

/// A flag for something that is not there.
#[derive(Debug, PartialEq, Eq)]
struct AbsentFlag {
    name: &'static str,
    takes_value: bool,
    /// What the person gets to read.
    why: &'static str,
    /// Without it the program would be something else: better not to start at all.
    essential: bool,
}

const fn bus(name: &'static str, why: &'static str) -> AbsentFlag {
    AbsentFlag { name, takes_value: false, why, essential: false }
}

const fn value(name: &'static str, why: &'static str) -> AbsentFlag {
    AbsentFlag { name, takes_value: true, why, essential: false }
}

const fn essential(name: &'static str, why: &'static str) -> AbsentFlag {
    AbsentFlag { name, takes_value: true, why, essential: true }
}

const ABSENT: &[AbsentFlag] = &[
    #[cfg(not(feature = "bluetooth"))]
    bus("use-bluetooth-le", "this build has no Bluetooth"),
    bus("allow-raw", "raw device commands are not offered"),
    bus("crash-reporting", "nothing is ever reported to anybody"),
    bus("broadcast-server-mdns", "this build does not announce itself on the network"),
    value("mdns-suffix", "this build does not announce itself on the network"),
    bus("repeater", "this build is no repeater"),
    value("repeater-port", "this build is no repeater"),
    value("repeater-remote-address", "this build is no repeater"),
    value("frontend-websocket-port", "this build has no port for a parent process"),
    value("device-config-file", "this build has its catalogue built in"),
    essential("websocket-client-address", "this build does not dial out to clients"),
];

/// Which of these flags were given.
#[derive(Debug, Default)]
pub(crate) struct AbsentFlags {
    given: Vec<&'static AbsentFlag>,
}

impl AbsentFlags {
    /// One line for each flag that has no effect.
    pub(crate) fn notices(&self) -> impl Iterator<Item = String> {
        let harmless = self.given.iter().filter(|flag| !flag.essential);
        harmless.map(|flag| format!("--{} has no effect: {}", flag.name, flag.why))
    }

    /// The first flag without which the program would be something else, and why it can't be.
    pub(crate) fn essential(&self) -> Option<(&'static str, &'static str)> {
        self.given.iter().find(|flag| flag.essential).map(|flag| (flag.name, flag.why))
    }
}

impl clap::Args for AbsentFlags {
    fn augment_args(command: Command) -> Command {
        command.args(ABSENT.iter().map(|flag| {
            let action = if flag.takes_value { ArgAction::Set } else { ArgAction::SetTrue };
            Arg::new(flag.name).long(flag.name).action(action).hide(true).help(flag.why)
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
        let flags = given(&["--allow-raw", "--mdns-suffix", "attic", "--repeater"]);
        assert_eq!(
            flags.notices().collect::<Vec<_>>(),
            [
                "--allow-raw has no effect: raw device commands are not offered",
                "--mdns-suffix has no effect: this build does not announce itself on the network",
                "--repeater has no effect: this build is no repeater",
            ]
        );
        assert_eq!(flags.essential(), None);
        assert_eq!(given(&[]).notices().count(), 0);
    }

    #[test]
    fn what_would_make_another_program_of_it_is_told_apart() {
        let flags = given(&["--websocket-client-address", "ws://x"]);
        assert_eq!(
            flags.essential(),
            Some(("websocket-client-address", "this build does not dial out to clients"))
        );
        assert_eq!(flags.notices().count(), 0);
    }
}

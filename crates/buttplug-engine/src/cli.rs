//! What can be typed: one file per subcommand.
//!
//! Programs that start an engine know no subcommands, so flags by themselves mean `serve`.

mod absent;
mod allow;
mod config;
mod demo;
mod devices;
mod doctor;
mod guard;
mod health;
mod launch;
mod limits;
mod log;
mod own;
mod scan;
mod search;
mod serve;
mod service;
#[cfg(feature = "shell")]
mod shell;
mod sources;
#[cfg(feature = "tls")]
mod tls;

pub(crate) use absent::AbsentFlags;
#[cfg(test)]
pub(crate) use devices::udev_rules;
pub(crate) use guard::GuardFlags;
pub(crate) use launch::LaunchFlags;
pub(crate) use limits::LimitFlags;
pub(crate) use log::LogFlags;
pub(crate) use own::OwnFlags;
pub(crate) use search::SearchFlags;
pub(crate) use serve::ServeFlags;
pub(crate) use sources::{GivenFlags, SourceFlags, TypedFlags};
#[cfg(feature = "tls")]
pub(crate) use tls::TlsFlags;

use crate::exit::Exit;
use clap::Parser;
use clap::error::{ContextKind, ContextValue, ErrorKind};
use std::ffi::{OsStr, OsString};
use std::fmt;
use std::io::{self, Write};

/// Connects games, players and web pages with haptic hardware.
#[derive(Debug, Parser)]
#[command(
    name = "buttplug",
    disable_version_flag = true,
    after_help = "Flags without a subcommand mean `serve`. `buttplug --version` tells the version.\n\
        To see it work without any hardware: buttplug demo"
)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    /// Serves clients and drives devices until told to stop
    #[command(
        after_help = "Every flag is a setting: it may also stand in a file, as a key of the same name, or in the \
        environment, as BUTTPLUG_ and the name in capitals, with _ for -. A flag goes before the environment, and that \
        before the file. `buttplug config show` with the same flags tells what counts, and why."
    )]
    Serve(Box<TypedFlags>),
    /// Shows a server, a client and four simulated devices at work, and checks them
    Demo,
    /// Lets web pages use the devices of this machine
    Allow(allow::AllowFlags),
    /// Lists the supported devices, shows what they are told, checks definitions of your own
    Devices(devices::DevicesFlags),
    /// Shows what hardware is there, which device it is, or why it is none
    Scan(Box<scan::ScanFlags>),
    /// Says how things stand on this machine with what devices need, and what to do
    Doctor(Box<doctor::DoctorFlags>),
    /// Asks the engine on this machine whether it serves, for programs that look after it
    Health(health::HealthFlags),
    /// Prints what this system needs to run the engine by itself, and how to install it
    Service(service::ServiceFlags),
    /// Shows the settings and where each comes from; converts files of earlier engines
    Config(Box<config::ConfigFlags>),
    /// Prints what makes a shell complete subcommands and flags
    #[cfg(feature = "shell")]
    Completions(shell::CompletionsFlags),
    /// Prints a page of the manual, or writes all of them
    #[cfg(feature = "shell")]
    Man(shell::ManFlags),
}

/// Does what was typed. The first of `arguments` is the program's own name.
pub(crate) fn run(arguments: Vec<OsString>) -> Exit {
    let (arguments, subcommand) = with_subcommand(arguments);
    match Cli::try_parse_from(arguments) {
        Ok(Cli { command: Command::Serve(typed) }) => serve::run(&typed, subcommand),
        Ok(Cli { command: Command::Allow(flags) }) => allow::run(&flags),
        Ok(Cli { command: Command::Demo }) => demo::run(),
        Ok(Cli { command: Command::Devices(flags) }) => devices::run(&flags),
        Ok(Cli { command: Command::Scan(flags) }) => scan::run(&flags),
        Ok(Cli { command: Command::Doctor(flags) }) => doctor::run(&flags),
        Ok(Cli { command: Command::Health(flags) }) => health::run(&flags),
        Ok(Cli { command: Command::Service(flags) }) => service::run(&flags),
        Ok(Cli { command: Command::Config(flags) }) => config::run(&flags),
        #[cfg(feature = "shell")]
        Ok(Cli { command: Command::Completions(flags) }) => shell::completions(&flags),
        #[cfg(feature = "shell")]
        Ok(Cli { command: Command::Man(flags) }) => shell::man(&flags),
        Err(error) => {
            let exit = if error.kind() == ErrorKind::DisplayHelp { Exit::Orderly } else { Exit::Mend };
            print_error(error);
            exit
        }
    }
}

/// Prints what the parser of the flags has to say, without what may be a token: whoever starts the program keeps that.
fn print_error(mut error: clap::Error) {
    let about_token = |value: &ContextValue| {
        let ContextValue::String(flag) = value else { return false };
        flag.split([' ', '=']).next().is_some_and(|name| ["--token", "--no-token"].contains(&name))
    };
    if error.get(ContextKind::InvalidArg).is_some_and(about_token)
        && error.get(ContextKind::InvalidValue).is_some()
    {
        error.insert(ContextKind::InvalidValue, ContextValue::String("(not shown)".into()));
    }
    // Nobody reads what is wrong: the exit code says it too.
    let _ = error.print();
}

/// How `serve` came to be.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Subcommand {
    /// It was typed.
    #[default]
    Typed,
    /// Flags stood alone, as programs pass them that know earlier engines.
    Implied,
}

/// Puts `serve` in front of flags that stand alone. Earlier engines knew no letters, so whoever types one means this program.
fn with_subcommand(mut arguments: Vec<OsString>) -> (Vec<OsString>, Subcommand) {
    let first = arguments.get(1).map(|first| first.to_string_lossy());
    if !first.is_some_and(|first| first.starts_with('-') && first != "-h" && first != "--help") {
        return (arguments, Subcommand::Typed);
    }
    let pairs = arguments.iter().zip(arguments.iter().skip(1));
    let has_letter = pairs.into_iter().any(|(before, word)| is_letter(word) && !takes_dashes(before));
    arguments.insert(1, "serve".into());
    (arguments, if has_letter { Subcommand::Typed } else { Subcommand::Implied })
}

/// Whether this is a flag by its letter, perhaps with its value: `-p` or `-p5`.
fn is_letter(word: &OsStr) -> bool {
    let word = word.to_string_lossy();
    word.len() > 1 && word.starts_with('-') && !word.starts_with("--") && word != "-h" && word != "-V"
}

/// Whether what stands behind this word is its value, even if it begins with a dash: that of `--server-name`.
fn takes_dashes(word: &OsStr) -> bool {
    let word = word.to_string_lossy();
    let serve = <ServeFlags as clap::Args>::augment_args(clap::Command::new("serve"));
    let mut flags = serve.get_arguments().filter(|flag| flag.is_allow_hyphen_values_set());
    flags.any(|flag| word.strip_prefix("--").is_some_and(|name| flag.get_long() == Some(name)))
}

/// Prints a line that was asked for. A reader who has gone is no error.
fn say(text: impl fmt::Display) {
    let _ = writeln!(io::stdout(), "{text}");
}

/// Prints what was asked for, and answers `exit` if that works. A reader who has gone is no error.
fn print(text: &str, exit: Exit) -> Exit {
    let mut output = io::stdout().lock();
    match output.write_all(text.as_bytes()).and_then(|()| output.flush()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
            complain(format_args!("the output can't be written: {error}"));
            Exit::Mend
        }
        _ => exit,
    }
}

/// Tells the person at the terminal what is wrong.
fn complain(text: impl fmt::Display) {
    let _ = writeln!(io::stderr(), "buttplug: {text}");
}

/// All flags of `serve`.
#[cfg(all(test, feature = "shell"))]
fn serve_flags() -> Vec<clap::Arg> {
    <ServeFlags as clap::Args>::augment_args(clap::Command::new("serve")).get_arguments().cloned().collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    fn parse(line: &str) -> Result<Cli, clap::Error> {
        let arguments =
            std::iter::once("buttplug").chain(line.split_whitespace()).map(OsString::from).collect();
        Cli::try_parse_from(with_subcommand(arguments).0)
    }

    fn flags(line: &str) -> ServeFlags {
        match parse(line) {
            Ok(Cli { command: Command::Serve(typed) }) => typed.flags,
            other => panic!("{line}: {other:?}"),
        }
    }

    #[test]
    fn the_definition_of_the_flags_is_sound() {
        Cli::command().debug_assert();
    }

    #[test]
    fn flags_without_a_subcommand_mean_serve() {
        assert_eq!(flags("--websocket-port 1234").websocket_port, Some(1234));
        assert_eq!(flags("--websocket-port=1234").websocket_port, Some(1234));
        assert_eq!(flags("serve --websocket-port 1234").websocket_port, Some(1234));
        assert!(
            flags("--version").version && flags("-V").version && flags("--server-version").server_version
        );
        assert!(matches!(parse("demo"), Ok(Cli { command: Command::Demo })));
        for help in ["--help", "-h", "help", "serve --help"] {
            assert_eq!(parse(help).map(|_| ()).map_err(|e| e.kind()), Err(ErrorKind::DisplayHelp), "{help}");
        }
    }

    #[test]
    fn whoever_types_a_letter_means_this_program_and_others_an_earlier_engine() {
        let subcommand = |line: &str| {
            let words = line.split_whitespace();
            with_subcommand(std::iter::once("buttplug").chain(words).map(OsString::from).collect()).1
        };
        for line in [
            "--websocket-port 12345 --use-bluetooth-le",
            "--websocket-listen-address 0.0.0.0:12345",
            "--websocket-port 1 --server-name -odd --mdns-suffix -x",
            "--websocket-port 1 --guard",
            "--server-name=-odd",
            "-V",
        ] {
            assert_eq!(subcommand(line), Subcommand::Implied, "{line}");
        }
        for line in [
            "serve --websocket-port 1",
            "-l 0.0.0.0:12345",
            "-l0.0.0.0:12345",
            "--websocket-port 1 -g",
            "-p5",
            "--websocket-listen-address 0.0.0.0:12345 -n x",
            "--server-name=x -g",
            "demo",
        ] {
            assert_eq!(subcommand(line), Subcommand::Typed, "{line}");
        }
    }

    #[test]
    fn every_flag_of_earlier_engines_is_taken() {
        for line in [
            "--websocket-port 12345 --use-bluetooth-le --use-serial --use-lovense-dongle-hid --log DEBUG",
            "--use-lovense-dongle-serial --use-lovense-connect --use-sdl-gamepad --use-hid --use-xinput",
            "--use-lovense-dongle --allow-raw --crash-reporting --repeater-remote-address 1.2.3.4:5",
            "--frontend-websocket-port 1 --device-config-file x --broadcast-server-mdns --mdns-suffix a b"
                .trim_end_matches(" b"),
            "--websocket-use-all-interfaces --use-device-websocket-server --device-websocket-server-port 1",
            "--user-device-config-file a.json --max-ping-time 1500 --server-name x --websocket-listen-address [::1]:1",
            "--repeater --repeater-port 1 --rest-api-port 1 --websocket-client-address ws://x",
        ] {
            flags(line);
        }
        assert_eq!(flags("--server-name --odd").server_name.as_deref(), Some("--odd"));
        assert_eq!(flags("--server-name=").server_name.as_deref(), Some(""));
    }

    #[test]
    fn what_is_wrong_is_refused() {
        for line in [
            "--bogus",
            "--websocket-port",
            "--websocket-port 65536",
            "--websocket-port x",
            "--websocket-port 1 --websocket-port 2",
            "--max-ping-time -5",
            "--max-run 0",
            "--max-run 86401",
            "--log off",
            "--version --bogus",
            "--use-bluetooth-le --use-bluetooth-le",
            "bogus",
            "",
        ] {
            assert!(parse(line).is_err_and(|error| error.use_stderr()), "{line}");
        }
    }
}

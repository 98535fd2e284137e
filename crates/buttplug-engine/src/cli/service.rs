//! `buttplug service`: what a system needs to run the engine by itself. Prints it, installs nothing.

mod groups;
mod quote;

use super::{Cli, complain, print, print_error};
use crate::exit::Exit;
use clap::Parser;
use std::path::Path;

/// What `service` can be told.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "For example: buttplug service systemd --websocket-use-all-interfaces --token-file /var/lib/buttplug/token\n\
        What is printed begins with how to install it."
)]
pub(crate) struct ServiceFlags {
    /// For whom
    kind: Kind,

    /// Flags of `serve`, beside --guard
    #[arg(trailing_var_arg = true, allow_hyphen_values = true, value_name = "FLAGS OF SERVE")]
    flags: Vec<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum Kind {
    /// Linux, from the start of the machine
    Systemd,
    /// Linux, while you are logged in
    SystemdUser,
    /// macOS, while you are logged in
    Launchd,
    /// Windows, while somebody is logged in: a scheduled task
    Windows,
}

const SYSTEM_UNIT: &str = include_str!("../../service/buttplug.service");
const USER_UNIT: &str = include_str!("../../service/buttplug-user.service");
const AGENT: &str = include_str!("../../service/buttplug.plist");
const TASK: &str = include_str!("../../service/buttplug-task.xml");

/// What the files have where the machine's own belongs.
const COMMAND: &str = "/usr/local/bin/buttplug serve --guard";
const GROUPS: &str = "SupplementaryGroups=dialout input plugdev bluetooth";
const AGENT_PROGRAM: &str = "<string>/usr/local/bin/buttplug</string>";
const AGENT_GUARD: &str = "    <string>--guard</string>\n";
const AGENT_HOME: &str = "/Users/you";
const TASK_PROGRAM: &str = "C:\\Program Files\\buttplug\\buttplug.exe";
const TASK_FLAGS: &str = "serve --guard";

/// What is this machine's own.
struct Machine<'a> {
    program: &'a str,
    flags: &'a [String],
    /// The groups to which hardware belongs.
    groups: &'a [&'a str],
    /// The folder of the person.
    home: &'a str,
}

/// Prints the file of that kind.
pub(super) fn run(flags: &ServiceFlags) -> Exit {
    // A service that is refused its flags says so where nobody looks.
    let typed = ["buttplug", "serve", "--guard"].into_iter().chain(flags.flags.iter().map(String::as_str));
    if let Err(error) = Cli::try_parse_from(typed) {
        let exit = if error.use_stderr() { Exit::Mend } else { Exit::Orderly };
        print_error(error);
        return exit;
    }
    let program = match std::env::current_exe() {
        Ok(program) => program,
        Err(error) => {
            complain(format_args!("the system does not tell where this program is: {error}"));
            return Exit::Mend;
        }
    };
    let home = dirs::home_dir();
    let (Some(program), Some(home)) = (program.to_str(), home.as_deref().map_or(Some(""), Path::to_str))
    else {
        complain("the path of this program, or of your folder, is no text; put the program somewhere else");
        return Exit::Mend;
    };
    let groups = groups::of_hardware(&groups::file());
    let machine = Machine { program, flags: &flags.flags, groups: &groups, home };
    print(&text(flags.kind, &machine), Exit::Orderly)
}

fn text(kind: Kind, machine: &Machine<'_>) -> String {
    match kind {
        Kind::Systemd => {
            let groups = match machine.groups {
                [] => "# This machine has no group for hardware.".to_owned(),
                groups => format!("SupplementaryGroups={}", groups.join(" ")),
            };
            SYSTEM_UNIT.replace(&format!("={COMMAND}\n"), &exec_start(machine)).replace(GROUPS, &groups)
        }
        Kind::SystemdUser => USER_UNIT.replace(&format!("={COMMAND}\n"), &exec_start(machine)),
        Kind::Launchd => {
            let string = |text: &str| format!("<string>{}</string>", quote::xml(text));
            let flags: String = machine.flags.iter().map(|flag| format!("    {}\n", string(flag))).collect();
            AGENT
                .replace(AGENT_PROGRAM, &string(machine.program))
                .replace(AGENT_GUARD, &format!("{AGENT_GUARD}{flags}"))
                .replace(AGENT_HOME, &quote::xml(machine.home))
        }
        Kind::Windows => {
            let flags: String =
                machine.flags.iter().map(|flag| format!(" {}", quote::windows(flag))).collect();
            TASK.replace(TASK_PROGRAM, &quote::xml(machine.program))
                .replace(TASK_FLAGS, &format!("{TASK_FLAGS}{}", quote::xml(&flags)))
        }
    }
}

fn exec_start(machine: &Machine<'_>) -> String {
    let flags: String = machine.flags.iter().map(|flag| format!(" {}", quote::systemd(flag))).collect();
    format!("={} serve --guard{flags}\n", quote::systemd_program(machine.program))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(kind: Kind, program: &str, flags: &[&str]) -> String {
        let flags: Vec<String> = flags.iter().map(|flag| (*flag).to_owned()).collect();
        text(kind, &Machine { program, flags: &flags, groups: &["uucp", "input"], home: "/Users/a&b" })
    }

    /// The lines of one text that are not in the other.
    fn changed<'a>(text: &'a str, before: &str) -> Vec<&'a str> {
        text.lines().filter(|line| !before.lines().any(|other| other == *line)).collect()
    }

    #[test]
    fn the_files_that_are_printed_differ_from_those_of_the_folder_in_what_is_the_machines_own() {
        let flags = ["--server-name", "a b"];
        let text = of(Kind::Systemd, "/opt/b p/buttplug", &flags);
        assert_eq!(
            changed(&text, SYSTEM_UNIT),
            [
                "ExecStart=\"/opt/b p/buttplug\" serve --guard --server-name \"a b\"",
                "SupplementaryGroups=uucp input"
            ]
        );
        let text = of(Kind::SystemdUser, "/opt/buttplug", &flags);
        assert_eq!(
            changed(&text, USER_UNIT),
            ["ExecStart=/opt/buttplug serve --guard --server-name \"a b\""]
        );
        let text = of(Kind::Launchd, "/opt/<b>", &flags);
        assert_eq!(
            changed(&text, AGENT),
            [
                "    <string>/opt/&lt;b&gt;</string>",
                "    <string>--server-name</string>",
                "    <string>a b</string>",
                "    <string>/Users/a&amp;b/Library/Logs/buttplug.log</string>",
            ]
        );
        let text = of(Kind::Windows, "D:\\b.exe", &flags);
        assert_eq!(
            changed(&text, TASK),
            [
                "      <Command>D:\\b.exe</Command>",
                "      <Arguments>serve --guard --server-name &quot;a b&quot;</Arguments>",
            ]
        );
    }

    #[test]
    fn without_flags_and_in_the_usual_place_they_are_those_of_the_folder() {
        let machine = Machine {
            program: "/usr/local/bin/buttplug",
            flags: &[],
            groups: &["dialout", "input", "plugdev", "bluetooth"],
            home: AGENT_HOME,
        };
        assert_eq!(text(Kind::Systemd, &machine), SYSTEM_UNIT);
        assert_eq!(text(Kind::SystemdUser, &machine), USER_UNIT);
        assert_eq!(text(Kind::Launchd, &machine), AGENT);
        assert_eq!(text(Kind::Windows, &Machine { program: TASK_PROGRAM, ..machine }), TASK);
    }

    /// systemd signals the whole group when its watchdog has waited in vain, and what it sends unless told otherwise ends an
    /// engine that would have stopped its devices.
    #[test]
    fn a_watchdog_that_has_waited_in_vain_lets_the_engine_end_in_order() {
        for unit in [SYSTEM_UNIT, USER_UNIT] {
            let has = |line: &str| unit.lines().any(|other| other == line);
            assert!(has("WatchdogSec=30") && has("WatchdogSignal=SIGTERM"), "{unit}");
            assert!(!unit.contains("KillMode="), "the engine is to be told as well");
        }
    }

    #[test]
    fn a_machine_without_such_groups_has_no_line_about_them() {
        let machine = Machine { program: "/b", flags: &[], groups: &[], home: "" };
        assert!(!text(Kind::Systemd, &machine).contains("SupplementaryGroups"));
    }

    #[test]
    fn what_begins_with_a_dash_is_a_flag_of_serve() {
        let kind = |line: &str| match Cli::try_parse_from(line.split_whitespace()) {
            Ok(Cli { command: super::super::Command::Service(flags) }) => (flags.kind, flags.flags),
            other => panic!("{line}: {other:?}"),
        };
        assert_eq!(kind("buttplug service systemd"), (Kind::Systemd, vec![]));
        let flags = vec!["--websocket-port".to_owned(), "5".to_owned()];
        assert_eq!(kind("buttplug service launchd --websocket-port 5"), (Kind::Launchd, flags.clone()));
        assert_eq!(kind("buttplug service systemd-user -- --websocket-port 5"), (Kind::SystemdUser, flags));
    }
}

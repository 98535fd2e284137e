//! `buttplug health`: whether the engine on this machine answers. For containers and the like, which have no other program to
//! ask with. That its port is open says nothing: the system keeps it open for an engine that hangs.

use super::{GivenFlags, SourceFlags, Subcommand, complain, print, serve};
use crate::answer::{Answer, ask};
use crate::exit::Exit;
use crate::settings::{Door, Listen};
use crate::sources::{Around, settle};

/// What `health` can be told.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Without a port it asks where `serve` listens by the settings in the environment and in the file: at the \
        port for clients, or at the REST API if there is no such port. Ends with 0 if an engine answers, with 1 if not."
)]
pub(crate) struct HealthFlags {
    // The first, because it only looks, and the others take.
    #[command(flatten)]
    given: GivenFlags,

    /// The port for clients
    #[arg(long, value_name = "PORT")]
    websocket_port: Option<u16>,

    /// Ask the REST API on this port instead
    #[arg(long, value_name = "PORT", conflicts_with = "websocket_port")]
    rest_api_port: Option<u16>,

    #[command(flatten)]
    #[allow(dead_code, reason = "read as one of those that were given")]
    sources: SourceFlags,
}

/// Asks, and says what came of it.
pub(super) fn run(flags: &HealthFlags) -> Exit {
    let door = match door(flags) {
        Ok(door) => door,
        Err(exit) => return exit,
    };
    let mut trouble = None;
    for address in door.addresses() {
        if address.port() == 0 {
            complain(
                "the settings take any free port (0), so the engine can't be found; pass --websocket-port or --rest-api-port",
            );
            return Exit::Mend;
        }
        match ask(address) {
            Ok(answer) if is_well(&answer, &door) => return print("the engine answers\n", Exit::Orderly),
            Ok(Answer { status, .. }) => {
                trouble = Some(format!(
                    "{address}: it answers with {status}, which is no good sign, or another program's"
                ));
            }
            // What one address says counts for more than that nobody is at the other.
            Err(error) => {
                trouble.get_or_insert(format!("{address}: {error}"));
            }
        }
    }
    complain(format_args!("no engine answers: {}", trouble.unwrap_or_default()));
    Exit::Mend
}

fn is_well(answer: &Answer, door: &Door) -> bool {
    match door {
        Door::Clients(_) => answer.is_websocket(),
        Door::Rest(_) => answer.is_rest(),
    }
}

/// Where to ask. Whoever names a port is asked for nothing else.
fn door(flags: &HealthFlags) -> Result<Door, Exit> {
    if let Some(port) = flags.websocket_port {
        return Ok(Door::Clients(Listen::Loopback(port)));
    }
    if let Some(port) = flags.rest_api_port {
        return Ok(Door::Rest(Listen::Loopback(port)));
    }
    let settled =
        settle(&flags.given, Subcommand::Typed, &Around::usual()).map_err(|error| serve::wrong(&error))?;
    let mend = |text: String| {
        complain(text);
        Exit::Mend
    };
    let door = Door::of(&settled.flags).map_err(|error| mend(settled.explain(&error.to_string())))?;
    door.ok_or_else(|| {
        mend("by its settings the engine has no port to ask at; give it --rest-api-port".into())
    })
}

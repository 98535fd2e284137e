//! `buttplug doctor`: examines what `serve` would need with the same flags, and says what to do.

use super::{GivenFlags, OwnFlags, SearchFlags, SourceFlags, Subcommand, complain, print, serve};
use crate::definitions;
use crate::doctor::{self, Check, Holder, Standing};
use crate::exit::Exit;
use crate::known::Known;
use crate::settings::{Listen, Settings, Surroundings};
use crate::sources::{Around, settle};
use crate::user::{self, UserFiles};
use std::path::Path;
use std::time::Instant;
use tokio::runtime::Builder;

/// What `doctor` can be told.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Pass the flags that you pass to `serve`: what they ask for is examined, or what your file with settings \
        asks for, and without any the usual places. Ends with 0 if there is no problem, with 1 if there is one."
)]
pub(crate) struct DoctorFlags {
    // The first, because it only looks, and the others take.
    #[command(flatten)]
    given: GivenFlags,

    /// Print JSON
    #[arg(long)]
    json: bool,

    /// Port for clients
    #[arg(long, value_name = "PORT", help_heading = "Clients")]
    #[allow(dead_code, reason = "read as one of those that were given")]
    websocket_port: Option<u16>,

    #[command(flatten)]
    #[allow(dead_code, reason = "the same")]
    search: SearchFlags,

    #[command(flatten)]
    #[allow(dead_code, reason = "the same")]
    own: OwnFlags,

    #[command(flatten)]
    #[allow(dead_code, reason = "the same")]
    sources: SourceFlags,
}

/// Looks and says what it finds: in order only if nothing is in the way of devices.
pub(super) fn run(flags: &DoctorFlags) -> Exit {
    let mut settled = match settle(&flags.given, Subcommand::Typed, &Around::usual()) {
        Ok(settled) => settled,
        Err(error) => return serve::wrong(&error),
    };
    // The file of devices is examined below; here one of no use shall not hide all else.
    settled.flags.own.ignore_bad_user_config = true;
    // No certificate is made here.
    #[cfg(feature = "tls")]
    {
        settled.flags.tls = super::TlsFlags::default();
    }
    let settings = match Settings::new(&settled.flags, Subcommand::Typed, Surroundings::usual()) {
        Ok(settings) => settings,
        Err(error) => {
            complain(settled.explain(&error.to_string()));
            return Exit::Mend;
        }
    };
    for notice in &settled.notices {
        complain(notice);
    }
    let runtime = match Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            complain(format_args!("the system refuses what every program needs: {error}"));
            return Exit::Internal;
        }
    };
    let user_file = settled.flags.own.user_device_config_file.clone().or_else(user::usual_path);
    let checks = runtime.block_on(examine(&settings, user_file.as_deref()));
    runtime.shutdown_background();
    let exit = if doctor::worst(&checks) == Standing::Problem { Exit::Mend } else { Exit::Orderly };
    print(&if flags.json { doctor::json(&checks) } else { doctor::text(&checks) }, exit)
}

async fn examine(settings: &Settings, user_file: Option<&Path>) -> Vec<Check> {
    let mut checks = Vec::new();
    #[cfg(feature = "bluetooth")]
    if settings.search.bluetooth {
        checks.push(Check::bluetooth(&buttplug_hardware_bluetooth::survey().await));
    }
    let known = Known::new(settings.catalogue_additions.clone(), &settings.decisions.additions);
    checks.extend(doctor::buses(&settings.search, &known.catalogue()));
    let mut clients = Holder::Free;
    if let Some(listen) = &settings.clients {
        clients = doctor::look_at_port(&listen.addresses(), true).await;
        checks.extend(port("client port", listen, &clients, "websocket-port"));
    }
    if let Some(listen) = &settings.devices {
        let holder = match (doctor::look_at_port(&listen.addresses(), false).await, clients) {
            // Whoever serves clients here is the one to expect at this door, too.
            (Holder::Other, Holder::Engine(name)) => Holder::Engine(name),
            (Holder::Closed(_), known @ (Holder::Engine(_) | Holder::Closed(_))) => known,
            (holder, _) => holder,
        };
        checks.extend(port("device port", listen, &holder, "device-websocket-server-port"));
    }
    if let Some(path) = user_file {
        let user::Opened { files, decisions, useless } = UserFiles::open(path);
        if useless.is_empty() {
            let is_there = files.is_there() || files.beside().is_some();
            checks.extend(doctor::user_file(path, &Ok(Some(decisions).filter(|_| is_there))));
        }
        for (path, error) in useless {
            checks.extend(doctor::user_file(&path, &Err(error)));
        }
    }
    if let Some(folder) = &settings.device_definitions {
        checks.extend(doctor::definitions(folder, &read(folder)));
    }
    checks
}

fn port(about: &'static str, listen: &Listen, holder: &Holder, flag: &str) -> Option<Check> {
    let addresses = listen.addresses();
    addresses.first().map(|address| doctor::port(about, *address, holder, flag))
}

/// How many files of the folder are right, and which are wrong.
fn read(folder: &Path) -> Result<(usize, Vec<String>), String> {
    let files = definitions::list(folder).map_err(|error| error.to_string())?;
    let mut right = 0;
    let mut wrong = Vec::new();
    for file in files {
        match definitions::check(&file, &definitions::read(&file), Instant::now()) {
            Ok(_) => right += 1,
            Err(_) => wrong.push(file.display().to_string()),
        }
    }
    Ok((right, wrong))
}

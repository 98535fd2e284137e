//! `cargo xtask interop`: client libraries as published, unmodified, against the real engine and devices that dial in.
//! A library is a line in [`LIBRARIES`] and a script in `xtask/interop/`; what is asserted stands in the script, the
//! comparing and counting is done here. So is the example of a bridge, with the library that it needs.

mod conversation;
mod device;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use conversation::Conversation;

use crate::engine::Engine;
use crate::run::{Context as _, Outcome, Tally, build_engine, quietly, root, target};

/// Longest run of one script. They take a few seconds.
const TIME_PER_LIBRARY: Duration = Duration::from_secs(90);

enum Registry {
    Npm,
    PyPi,
}

/// One published version of a client library.
struct Library {
    registry: Registry,
    package: &'static str,
    version: &'static str,
    /// Versions of other packages that it is installed with, where the newest ones are not to be had with it.
    beside: &'static [&'static str],
    /// In `xtask/interop/`.
    script: &'static str,
    /// The message version it shall speak, where it leaves the choice.
    protocol: Option<&'static str>,
    /// Flags of the engine besides ports, user file and name.
    flags: &'static [&'static str],
}

/// Asks a library that can ping to do so.
const PINGS: &[&str] = &["--max-ping-time", "2000"];

const LIBRARIES: &[Library] = &[
    npm("5.0.2", "npm-5.js"),
    npm("4.0.2", "npm-4.js"),
    npm("3.2.2", "npm-3.js"),
    Library { flags: PINGS, ..pypi("1.0.0", "pypi-1.py") },
    pypi("0.3.0", "pypi-0.py"),
    buttplug_py("3", "buttplug-py-3-2.py"),
    buttplug_py("2", "buttplug-py-3-2.py"),
    buttplug_py("1", "buttplug-py-1-0.py"),
    buttplug_py("0", "buttplug-py-1-0.py"),
    // No client library: what the bridge of the examples speaks through.
    Library { package: "websockets", ..pypi("17.4", "bridge.py") },
];

/// No version of this one pings, so it needs the default, no watchdog.
const fn npm(version: &'static str, script: &'static str) -> Library {
    Library {
        registry: Registry::Npm,
        package: "buttplug",
        version,
        beside: &[],
        script,
        protocol: None,
        flags: &[],
    }
}

const fn pypi(version: &'static str, script: &'static str) -> Library {
    Library { registry: Registry::PyPi, ..npm(version, script) }
}

const fn buttplug_py(protocol: &'static str, script: &'static str) -> Library {
    Library {
        package: "buttplug-py",
        // It imports a name that newer ones only keep for a while.
        beside: &["websockets==13.1"],
        protocol: Some(protocol),
        flags: PINGS,
        ..pypi("0.2.0", script)
    }
}

/// `arguments` may name an engine that was built elsewhere; else it is built here.
pub(crate) fn run(arguments: &[String]) -> Outcome {
    let mut tally = Tally::default();
    let outcome = match arguments.first() {
        Some(engine) => all_against(Path::new(engine), &mut tally),
        None => all(&mut tally),
    };
    tally.close(outcome)
}

/// All libraries, one after another; also a step of `ci`.
pub(crate) fn all(tally: &mut Tally) -> Outcome {
    all_against(&build_engine(&[])?, tally)
}

fn all_against(engine: &Path, tally: &mut Tally) -> Outcome {
    if !cfg!(unix) {
        return Err("interop needs a Unix: it ends the engine with SIGTERM".to_owned());
    }
    let mut failed = Vec::new();
    for library in LIBRARIES {
        println!("\n-- {}", library.name());
        let mut of_this = Tally::default();
        let outcome = library.prove(engine, &mut of_this);
        if let Err(failure) = outcome {
            println!("FAIL  {failure}");
            of_this.failed += 1;
        }
        println!("-- {}: {} passed, {} failed", library.name(), of_this.passed, of_this.failed);
        if of_this.failed > 0 {
            failed.push(library.name());
        }
        tally.add(of_this);
    }
    if failed.is_empty() { Ok(()) } else { Err(format!("checks failed with {}", failed.join(" and "))) }
}

impl Library {
    fn name(&self) -> String {
        let registry = match self.registry {
            Registry::Npm => "npm",
            Registry::PyPi => "PyPI",
        };
        let protocol = self.protocol.map(|version| format!(", protocol {version}")).unwrap_or_default();
        format!("{registry} {} {}{protocol}", self.package, self.version)
    }

    fn prove(&self, program: &Path, tally: &mut Tally) -> Outcome {
        let folder = target().join("interop").join(self.folder());
        let mut script = self.install(&folder)?;
        script.arg(root().join("xtask/interop").join(self.script)).args(self.protocol);
        let mut engine = Engine::start(program, &folder, self.flags)?;
        engine.wait_for_ports()?;
        script.env("INTEROP_URL", format!("ws://127.0.0.1:{}", engine.client_port));
        script.env("INTEROP_DEVICES_URL", format!("ws://127.0.0.1:{}", engine.device_port));
        let outcome = Conversation::new(&mut engine, tally).hold(&mut script, TIME_PER_LIBRARY);
        outcome.map_err(|failure| format!("{failure}\n{}", engine.last_words()))
    }

    /// Where this version is installed, beside other versions of the same library. Once for all protocols it speaks.
    fn folder(&self) -> PathBuf {
        let language = match self.registry {
            Registry::Npm => "js",
            Registry::PyPi => "py",
        };
        Path::new(language).join(format!("{}-{}", self.package, self.version))
    }

    /// Installs the library unless it lies there already, and returns the interpreter that sees it. Gives up on a
    /// registry that does not answer within a minute or two.
    fn install(&self, folder: &Path) -> Outcome<Command> {
        let separator = match self.registry {
            Registry::Npm => "@",
            Registry::PyPi => "==",
        };
        let package = format!("{}{separator}{}", self.package, self.version);
        let packages = [&[&*package], self.beside].concat();
        // Written last, so an installation that was cut short is done again.
        let done = folder.join("installed");
        let fetch = fs::read_to_string(&done).ok() != Some(packages.join(" "));
        if fetch && folder.exists() {
            fs::remove_dir_all(folder).context(&folder.display().to_string())?;
        }
        fs::create_dir_all(folder).context(&folder.display().to_string())?;
        let interpreter = match self.registry {
            Registry::Npm => {
                if fetch {
                    // Keeps npm from looking for a project further up.
                    let manifest = folder.join("package.json");
                    fs::write(&manifest, "{\"private\": true}\n").context(&manifest.display().to_string())?;
                    quietly(
                        Command::new("npm")
                            .current_dir(folder)
                            .args(["install", "--no-audit", "--no-fund", "--loglevel", "error"])
                            .args(["--fetch-timeout", "60000", "--fetch-retries", "1"])
                            .args(&packages),
                    )?;
                }
                let mut node = Command::new("node");
                node.env("INTEROP_MODULES", folder);
                node
            }
            Registry::PyPi => {
                let python = folder.join("venv/bin/python");
                if fetch {
                    quietly(Command::new("python3").args(["-m", "venv"]).arg(folder.join("venv")))?;
                    quietly(
                        Command::new(&python)
                            .args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check"])
                            .args(["--timeout", "60", "--retries", "1"])
                            .args(&packages),
                    )?;
                }
                let mut python = Command::new(python);
                python.env("PYTHONDONTWRITEBYTECODE", "1");
                python
            }
        };
        fs::write(&done, packages.join(" ")).context(&done.display().to_string())?;
        Ok(interpreter)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_library_has_its_script_and_a_name_of_its_own() {
        for (place, library) in LIBRARIES.iter().enumerate() {
            assert!(root().join("xtask/interop").join(library.script).is_file(), "{}", library.script);
            assert!(LIBRARIES[..place].iter().all(|other| other.name() != library.name()));
        }
    }

    #[test]
    fn only_the_same_package_is_installed_into_the_same_folder() {
        for (place, library) in LIBRARIES.iter().enumerate() {
            for other in LIBRARIES[..place].iter().filter(|other| other.folder() == library.folder()) {
                assert_eq!(
                    (other.package, other.version, other.beside),
                    (library.package, library.version, library.beside)
                );
            }
        }
    }
}

//! Packages of the Debian that this machine runs, downloaded by apt and unpacked into the build folder; nothing is
//! installed. Knows nothing of what they are for.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use crate::run::{Context as _, Outcome, quietly};

/// What helps when apt knows nothing, or something that is not there any more.
const ADVICE: &str = "run apt-get update first";

/// Whether a program can be started, or which package has it.
pub(crate) fn require(program: &str, package: &str) -> Outcome {
    let found = std::env::var_os("PATH")
        .is_some_and(|path| std::env::split_paths(&path).any(|folder| folder.join(program).is_file()));
    if found { Ok(()) } else { Err(format!("{program} is missing; install {package}")) }
}

/// What `apt-cache` answers.
pub(crate) fn apt_cache(arguments: &[&str]) -> Outcome<String> {
    answer(Command::new("apt-cache").args(arguments))
}

/// The versions of a package that can be had, the newest first.
pub(crate) fn versions(package: &str) -> Outcome<Vec<String>> {
    Ok(versions_in(&apt_cache(&["madison", package])?))
}

/// Lines of `package | version | source`, in order.
fn versions_in(madison: &str) -> Vec<String> {
    let mut versions: Vec<String> = Vec::new();
    for version in madison.lines().filter_map(|line| line.split('|').nth(1)).map(str::trim) {
        if !versions.iter().any(|known| known == version) {
            versions.push(version.to_owned());
        }
    }
    versions
}

/// All packages that a machine with nothing on it would need for these, them included, each as `name=version`. What is
/// asked for is `name` or `name=version`.
pub(crate) fn with_dependencies(packages: &[String]) -> Outcome<Vec<String>> {
    let mut apt = Command::new("apt-get");
    // Without what is installed here, so that the answer is the same on every machine.
    apt.args(["-o", "Dir::State::status=/dev/null", "--simulate", "--no-install-recommends", "install"]);
    Ok(packages_in(&answer(apt.args(packages))?))
}

/// Lines of `Inst name (version source [architecture])`, in order.
fn packages_in(simulation: &str) -> Vec<String> {
    let package = |line: &str| {
        let (name, rest) = line.strip_prefix("Inst ")?.split_once(' ')?;
        let version = rest.split_once('(')?.1.split([' ', ')']).next()?;
        Some(format!("{name}={version}"))
    };
    simulation.lines().filter_map(package).collect()
}

/// Downloads packages into one folder, and unpacks them into one tree: of each all of it, or of the one whose name the
/// filter begins with, what matches its patterns.
pub(crate) fn unpack(
    packages: &[String],
    downloads: &Path,
    tree: &Path,
    parts: &[(&str, &[&str])],
) -> Outcome {
    for folder in [downloads, tree] {
        fs::create_dir_all(folder).context(&folder.display().to_string())?;
    }
    let mut download = Command::new("apt-get");
    download.current_dir(downloads).args(["download", "--quiet"]).args(packages);
    quietly(&mut download).map_err(|failure| format!("{failure}\nif it is gone, {ADVICE}"))?;
    println!("unpacking {} packages", packages.len());
    for entry in fs::read_dir(downloads).context(&downloads.display().to_string())? {
        let path = entry.context(&downloads.display().to_string())?.path();
        if path.extension().is_some_and(|end| end == "deb") {
            let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            let patterns = parts.iter().find(|(part, _)| name.starts_with(&format!("{part}_")));
            unpack_one(&path, tree, patterns.map_or(&[][..], |(_, patterns)| patterns))
                .map_err(|failure| format!("{}: {failure}", path.display()))?;
        }
    }
    Ok(())
}

/// Unpacks one package, or what of it matches a pattern if there are any.
fn unpack_one(package: &Path, tree: &Path, patterns: &[&str]) -> Outcome {
    let mut read = Command::new("dpkg-deb")
        .arg("--fsys-tarfile")
        .arg(package)
        .stdout(Stdio::piped())
        .spawn()
        .context("can't start dpkg-deb")?;
    let archive = read.stdout.take().ok_or("dpkg-deb has no output")?;
    let written = Command::new("tar")
        .args(["--extract", "--wildcards", "--no-wildcards-match-slash", "--directory"])
        .arg(tree)
        .args(patterns)
        .stdin(archive)
        .status()
        .context("can't start tar")?;
    let read = read.wait().context("can't wait for dpkg-deb")?;
    if read.success() && written.success() { Ok(()) } else { Err("it can't be unpacked".to_owned()) }
}

fn answer(command: &mut Command) -> Outcome<String> {
    let text = crate::run::shown(command);
    let output = command.stdin(Stdio::null()).output().context(&format!("can't start `{text}`"))?;
    if !output.status.success() {
        return Err(format!("`{text}`: {}{ADVICE}", String::from_utf8_lossy(&output.stderr)));
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_in_apt_s_order_and_each_is_there_once() {
        let madison = " rustc-web | 1.96.0+dfsg1-1~deb12u2 | http://deb.example bookworm-security/main amd64 Packages\n \
                       rustc-web | 1.85.0+dfsg3-1~deb12u3 | http://deb.example bookworm/main amd64 Packages\n \
                       rustc-web | 1.85.0+dfsg3-1~deb12u3 | http://deb.example bookworm-updates/main amd64 Packages\n";
        assert_eq!(versions_in(madison), ["1.96.0+dfsg1-1~deb12u2", "1.85.0+dfsg3-1~deb12u3"]);
        assert!(versions_in("").is_empty());
    }

    #[test]
    fn what_would_be_installed_is_read_with_its_versions() {
        let simulation = "NOTE: This is only a simulation!\nReading package lists...\n\
                          Inst libssl3 (3.0.22-1~deb12u2 Debian-Security:12/oldstable-security [amd64])\n\
                          Inst zlib1g [1:1.2.12-1] (1:1.2.13.dfsg-1 Debian:12.13/oldstable [amd64])\n\
                          Conf libssl3 (3.0.22-1~deb12u2 Debian-Security:12/oldstable-security [amd64])\n";
        assert_eq!(packages_in(simulation), ["libssl3=3.0.22-1~deb12u2", "zlib1g=1:1.2.13.dfsg-1"]);
    }
}

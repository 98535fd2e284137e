//! Fetches what the virtual machine is made of, once: packages of this Debian, unpacked and never installed, and the
//! emulated radio's library. All of it lies in the build folder.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::debian::{self, apt_cache, require};
use crate::run::{Context as _, Outcome, quietly, root, target};

/// The emulated controller and its hosts.
const BUMBLE: &str = "bumble==0.0.236";

/// What the machine runs, by its packages. Their libraries come with them, see [`libraries`].
const PACKAGES: &[&str] = &["bluez", "busybox-static", "dbus-bin", "dbus-daemon", "zlib1g"];

/// Changes when what is built of the parts changes.
const EDITION: &str = "1";

/// Where everything lies.
pub(crate) struct Parts {
    pub(crate) folder: PathBuf,
    pub(crate) kernel: PathBuf,
    pub(crate) file_system: PathBuf,
    pub(crate) python: PathBuf,
}

/// Everything that is needed, fetched if it is not there yet.
pub(crate) fn parts() -> Outcome<Parts> {
    let folder = target().join("bluetooth");
    let parts = Parts {
        kernel: folder.join("vmlinux"),
        file_system: folder.join("initramfs"),
        python: folder.join("venv/bin/python"),
        folder,
    };
    require("qemu-system-x86_64", "qemu-system-x86")?;
    require("python3", "python3 python3-venv")?;
    // Written last, so what was cut short is done again. The guest's own files are as good as part of the name.
    let done = parts.folder.join("fetched");
    let wanted = edition()?;
    if fs::read_to_string(&done).ok().as_deref() == Some(&*wanted) {
        return Ok(parts);
    }
    require("dpkg-deb", "dpkg, and a Debian or one of its children around it")?;
    fs::create_dir_all(&parts.folder).context(&parts.folder.display().to_string())?;
    unpack(&parts.folder)?;
    let image = scripts().join("image.py");
    quietly(Command::new("python3").arg(image).arg(parts.folder.join("root")).arg(&parts.folder))?;
    if !parts.python.exists() {
        // The system's own: one that a person has built may lack what makes environments.
        let python = ["/usr/bin/python3", "python3"].into_iter().find(|path| Path::new(path).exists());
        let venv = parts.folder.join("venv");
        quietly(Command::new(python.unwrap_or("python3")).args(["-m", "venv"]).arg(&venv))?;
        quietly(
            Command::new(&parts.python)
                .args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check", BUMBLE])
                .args(["--timeout", "60", "--retries", "1"]),
        )?;
    }
    fs::write(&done, wanted).context(&done.display().to_string())?;
    Ok(parts)
}

/// Where the scripts and the guest's files are.
pub(crate) fn scripts() -> PathBuf {
    root().join("xtask/bluetooth")
}

/// What the image is made of, as text.
fn edition() -> Outcome<String> {
    let mut text = format!("{EDITION} {BUMBLE} {}\n", PACKAGES.join(" "));
    for name in ["image.py", "init", "dbus.conf", "main.conf"] {
        let path = scripts().join(name);
        text.push_str(&fs::read_to_string(&path).context(&path.display().to_string())?);
    }
    Ok(text)
}

/// Downloads the packages and unpacks them into one tree.
fn unpack(folder: &Path) -> Outcome {
    let (packages, tree) = (folder.join("packages"), folder.join("root"));
    if !folder.join("unpacked").exists() {
        let mut names: Vec<String> = PACKAGES.iter().map(|name| (*name).to_owned()).collect();
        names.push(kernel()?);
        names.extend(libraries()?);
        debian::unpack(&names, &packages, &tree, &[])?;
        let done = folder.join("unpacked");
        fs::write(&done, names.join("\n")).context(&done.display().to_string())?;
    }
    Ok(())
}

/// The package with the newest kernel.
fn kernel() -> Outcome<String> {
    let listed = apt_cache(&["depends", "linux-image-amd64"])?;
    let names = listed.lines().filter_map(|line| line.trim().strip_prefix("Depends: "));
    let kernel = names.filter(|name| name.starts_with("linux-image-")).map(str::to_owned).next();
    kernel.ok_or_else(|| "apt-cache knows no linux-image-amd64; run apt-get update first".to_owned())
}

/// The packages of all libraries that the programs may need.
fn libraries() -> Outcome<Vec<String>> {
    let mut arguments = vec!["depends", "--recurse", "--no-recommends", "--no-suggests", "--no-conflicts"];
    arguments.extend(["--no-breaks", "--no-replaces", "--no-enhances", "bluez", "dbus-daemon"]);
    let listed = apt_cache(&arguments)?;
    // What the service manager and Perl bring is for installing, not for running.
    let foreign = ["perl", "systemd-shared", "debian-installer", "elogind"];
    let is_wanted = |name: &&str| name.starts_with("lib") && !foreign.iter().any(|word| name.contains(word));
    let mut names: Vec<String> = listed.lines().filter(is_wanted).map(str::to_owned).collect();
    names.sort();
    names.dedup();
    Ok(names)
}

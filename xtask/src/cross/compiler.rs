//! The compilers: Debian's, which has an old one and, for its browsers, a new one, unpacked into the build folder. The
//! new one is given the standard libraries of other systems, made from Debian's sources as far as checking needs them.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::debian;
use crate::run::{Context as _, Outcome, quietly, root};

/// What a compiler is made of, besides its sources and libraries. The first has the version that is looked for.
const PACKAGES: &[&str] = &["rustc-web", "cargo-web", "libstd-rust-web-dev"];

/// The allocator that rustup's compilers have, and Debian's do not: with it checking takes an eighth less.
const ALLOCATOR: &str = "libjemalloc2";

/// The sources of the standard library.
const SOURCES: &str = "rust-web-src";

/// What is wanted of the sources. The rest is twenty times as much.
const PARTS: &[(&str, &[&str])] = &[(SOURCES, &["./usr/lib/rustlib/src", "./usr/src/rustc-*/library"])];

/// Changes when what is fetched or made changes.
const EDITION: &str = "1";

/// Variables that mean another compiler or other flags.
const FOREIGN: &[&str] = &[
    "CARGO",
    "CARGO_BUILD_TARGET",
    "CARGO_ENCODED_RUSTFLAGS",
    "RUSTC_WORKSPACE_WRAPPER",
    "RUSTC_WRAPPER",
    "RUSTFLAGS",
    "RUSTUP_TOOLCHAIN",
];

/// Which compiler.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Wanted<'a> {
    /// This version, `1.85`.
    Exactly(&'a str),
    /// The newest, which must not be older than this.
    Newest(&'a str),
}

/// A compiler of Debian's.
pub(crate) struct Compiler {
    tree: PathBuf,
    /// Where it builds.
    build: PathBuf,
}

impl Compiler {
    /// Fetches it, if it is not there yet. Everything of it lies in the folder.
    pub(crate) fn fetch(folder: &Path, wanted: Wanted<'_>) -> Outcome<Self> {
        let compiler = Self { tree: folder.join("rust"), build: folder.join("build") };
        let done = folder.join("fetched");
        let wish = format!("{EDITION} {wanted:?} {PACKAGES:?}");
        if fs::read_to_string(&done).ok().as_deref() == Some(&*wish) {
            return Ok(compiler);
        }
        for program in ["apt-get", "apt-cache", "dpkg-deb"] {
            debian::require(program, "a Debian around it: its compilers are used")?;
        }
        let version = choose(&debian::versions(PACKAGES[0])?, wanted)?;
        println!("{} {version}", PACKAGES[0]);
        let downloads = folder.join("packages");
        for old in [&downloads, &compiler.tree] {
            if old.exists() {
                fs::remove_dir_all(old).context(&old.display().to_string())?;
            }
        }
        let roots: Vec<String> = PACKAGES.iter().map(|name| format!("{name}={version}")).collect();
        let needed = debian::with_dependencies(&[&roots[..], &[ALLOCATOR.to_owned()]].concat())?;
        let mut packages: Vec<String> = needed.into_iter().filter(|package| is_wanted(package)).collect();
        if let Wanted::Newest(_) = wanted {
            packages.push(format!("{SOURCES}={version}"));
        }
        debian::unpack(&packages, &downloads, &compiler.tree, PARTS)?;
        fs::remove_dir_all(&downloads).context(&downloads.display().to_string())?;
        // Written last, so what was cut short is done again.
        fs::write(&done, wish).context(&done.display().to_string())?;
        Ok(compiler)
    }
    /// This compiler's cargo in the workspace's folder, with the environment in which it compiles with it.
    pub(crate) fn cargo(&self, arguments: &[&str]) -> Command {
        let bin = self.tree.join("usr/bin");
        let mut command = Command::new(bin.join("cargo"));
        command.current_dir(root()).args(arguments);
        // What rustup, the cargo that runs this and a person set is for another compiler.
        for name in FOREIGN {
            command.env_remove(name);
        }
        let mut folders = vec![bin.clone()];
        folders.extend(std::env::var_os("PATH").iter().flat_map(std::env::split_paths));
        if let Ok(path) = std::env::join_paths(folders) {
            command.env("PATH", path);
        }
        let triplet = format!("{}-linux-gnu", std::env::consts::ARCH);
        let libraries = ["usr/lib", "lib"].map(|lib| self.tree.join(lib).join(&triplet));
        command.env("LD_PRELOAD", libraries[0].join("libjemalloc.so.2"));
        if let Ok(path) = std::env::join_paths(libraries) {
            command.env("LD_LIBRARY_PATH", path);
        }
        command
            .env("RUSTC", bin.join("rustc"))
            .env("RUSTDOC", bin.join("rustdoc"))
            .env("CARGO_TARGET_DIR", &self.build)
            .env("CARGO_INCREMENTAL", "0")
            .env("CARGO_PROFILE_DEV_DEBUG", "0");
        command
    }

    /// Makes the standard libraries of these targets, as far as checking needs them, and gives them to the compiler.
    pub(crate) fn add_targets(&self, targets: &[&str]) -> Outcome {
        self.add("check", &["--quiet"], targets, &["rmeta"])
    }

    /// Makes the standard library of this target, for programs that are to be run, and gives it to the compiler.
    pub(crate) fn add_whole_target(&self, target: &str) -> Outcome {
        if self.target(target).exists() {
            return Ok(());
        }
        self.add(
            "build",
            &["--quiet", "--features", "panic-unwind,backtrace"],
            &[target],
            &["rmeta", "rlib"],
        )?;
        // What stands at the beginning and the end of a program that MinGW links.
        for name in ["rsbegin", "rsend"] {
            let mut compile = Command::new(self.tree.join("usr/bin/rustc"));
            compile.envs(self.cargo(&[]).get_envs().filter_map(|(name, value)| Some((name, value?))));
            compile.args([
                "--target",
                target,
                "--crate-type",
                "lib",
                "--emit",
                "obj",
                "-Zforce-unstable-if-unmarked",
            ]);
            compile.arg("-o").arg(self.target(target).join("lib").join(name).with_extension("o"));
            compile.arg(self.library().join("rtstartup").join(name).with_extension("rs"));
            quietly(compile.env("RUSTC_BOOTSTRAP", "1"))?;
        }
        Ok(())
    }

    /// The sources of the standard library.
    fn library(&self) -> PathBuf {
        self.tree.join("usr/lib/rustlib/src/rust/library")
    }

    /// Has cargo do this with the standard library, and gives the compiler what comes of it: files with these endings.
    fn add(&self, deed: &str, options: &[&str], targets: &[&str], endings: &[&str]) -> Outcome {
        let is_missing = |target: &&&str| !self.target(target).exists();
        let missing: Vec<&str> = targets.iter().filter(is_missing).copied().collect();
        if missing.is_empty() {
            return Ok(());
        }
        let made = self.build.with_file_name("std");
        let mut make = self.cargo(&[deed, "--locked", "--package", "sysroot"]);
        make.args(options).arg("--manifest-path").arg(self.library().join("Cargo.toml"));
        make.arg("--target-dir").arg(&made).args(missing.iter().flat_map(|target| ["--target", *target]));
        // As the standard library's own build does it.
        make.env("RUSTC_BOOTSTRAP", "1").env("RUSTFLAGS", "-Zforce-unstable-if-unmarked");
        quietly(&mut make)?;
        for target in missing {
            let from = made.join(target).join("debug/deps");
            // Under another name at first, so that what is cut short is done again.
            let half = self.target(target).with_extension("half");
            if half.exists() {
                fs::remove_dir_all(&half).context(&half.display().to_string())?;
            }
            fs::create_dir_all(half.join("lib")).context(&half.display().to_string())?;
            for entry in fs::read_dir(&from).context(&from.display().to_string())? {
                let entry = entry.context(&from.display().to_string())?;
                if entry.path().extension().is_some_and(|end| endings.iter().any(|wanted| end == *wanted)) {
                    let to = half.join("lib").join(entry.file_name());
                    fs::copy(entry.path(), &to).context(&to.display().to_string())?;
                }
            }
            fs::rename(&half, self.target(target)).context(&half.display().to_string())?;
        }
        fs::remove_dir_all(&made).context(&made.display().to_string())
    }

    /// Where the compiler looks for the standard library of a target.
    fn target(&self, target: &str) -> PathBuf {
        self.tree.join("usr/lib/rustlib").join(target)
    }
}

/// The version to take of those that can be had, the newest first.
fn choose(versions: &[String], wanted: Wanted<'_>) -> Outcome<String> {
    let fits = |version: &&String| match wanted {
        Wanted::Exactly(wanted) => number(version) == number(wanted),
        Wanted::Newest(least) => number(version) >= number(least),
    };
    versions.iter().find(fits).cloned().ok_or_else(|| {
        let had = if versions.is_empty() { "none".to_owned() } else { versions.join(", ") };
        let wish = match wanted {
            Wanted::Exactly(version) => version.to_owned(),
            Wanted::Newest(least) => format!("{least} or newer"),
        };
        format!("no {} of version {wish} can be had here, but {had}; run apt-get update first", PACKAGES[0])
    })
}

/// The first two numbers of a version.
fn number(version: &str) -> Option<(u32, u32)> {
    let mut parts = version.split(|c: char| !c.is_ascii_digit());
    Some((parts.next()?.parse().ok()?, parts.next()?.parse().ok()?))
}

/// Whether a package is needed beside a C compiler that is there: what runs, and its libraries. The C library is left
/// out, because it belongs to the loader that is there.
fn is_wanted(package: &str) -> bool {
    let name = package.split('=').next().unwrap_or_default();
    let is_library = name.starts_with("lib") && !name.starts_with("libc6") && !name.ends_with("-dev");
    PACKAGES.contains(&name) || is_library
}

#[cfg(test)]
mod tests {
    use super::*;

    fn had() -> Vec<String> {
        ["1.96.0+dfsg1-1~deb12u2", "1.85.0+dfsg3-1~deb12u3"].map(str::to_owned).to_vec()
    }

    #[test]
    fn the_oldest_compiler_is_the_very_one_and_the_newest_is_new_enough() {
        assert_eq!(choose(&had(), Wanted::Exactly("1.85")).unwrap(), "1.85.0+dfsg3-1~deb12u3");
        assert_eq!(choose(&had(), Wanted::Newest("1.88")).unwrap(), "1.96.0+dfsg1-1~deb12u2");
        assert_eq!(number("1.100.0"), Some((1, 100)), "not text: 1.100 is newer than 1.88");
    }

    #[test]
    fn a_version_that_can_not_be_had_is_named_with_those_that_can() {
        let failure = choose(&had(), Wanted::Exactly("1.86")).unwrap_err();
        assert!(failure.contains("version 1.86") && failure.contains("1.96.0+dfsg1-1~deb12u2"), "{failure}");
        let failure = choose(&had()[1..], Wanted::Newest("1.88")).unwrap_err();
        assert!(failure.contains("1.88 or newer") && failure.contains("apt-get update"), "{failure}");
        assert!(choose(&[], Wanted::Newest("1.88")).unwrap_err().contains("none"));
    }

    #[test]
    fn the_compiler_and_its_libraries_are_wanted_and_the_c_compiler_is_not() {
        for wanted in
            ["rustc-web=1", "cargo-web=1", "libstd-rust-web-dev=1", "libstd-rust-web-1.85=1", "libllvm19=1"]
        {
            assert!(is_wanted(wanted), "{wanted}");
        }
        for other in
            ["gcc-12=1", "binutils=1", "libc6=1", "libc6-dev=1", "libgcc-12-dev=1", "linux-libc-dev=1"]
        {
            assert!(!is_wanted(other), "{other}");
        }
    }
}

//! The virtual machine as a process: its serial console, on which it is told things and says them done.

use std::io::{BufRead as _, BufReader, Write as _};
use std::path::Path;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::{Duration, Instant};

use super::fetch::Parts;
use crate::engine::free_port;
use crate::run::{Context as _, Outcome};

/// Longest wait for the machine to be up. It is emulated in software: a machine that offers virtualisation may not have
/// the sort that boots.
const BOOT_TIME: Duration = Duration::from_secs(120);

/// Longest wait for something that it was told.
const PATIENCE: Duration = Duration::from_secs(20);

/// A running machine. Dropping it ends it.
pub(crate) struct Machine {
    child: Child,
    console: ChildStdin,
    lines: Receiver<String>,
    /// Where its D-Bus is reached on this machine.
    pub(crate) bus: String,
    /// Where a program in it is reached that listens on [`PROGRAM_PORT`].
    pub(crate) program_port: u16,
}

/// The port for clients of a program in the machine.
pub(crate) const PROGRAM_PORT: u16 = 12345;

impl Machine {
    /// Starts it on the controller behind this socket, and waits until its adapter is on. It may run what is in the folder
    /// `programs`.
    pub(crate) fn start(parts: &Parts, controller: &Path, programs: &Path) -> Outcome<Self> {
        let (port, program_port) = (free_port()?, free_port()?);
        let forward = |here, there| format!("hostfwd=tcp:127.0.0.1:{here}-:{there}");
        let forwards = format!("{},{}", forward(port, 7777), forward(program_port, PROGRAM_PORT));
        let mut command = Command::new("qemu-system-x86_64");
        command
            // Without the limit the translated code takes a gigabyte.
            .args(["-accel", "tcg,tb-size=64", "-cpu", "max", "-smp", "1", "-m", "192"])
            .args(["-nodefaults", "-nographic", "-no-reboot"])
            .args(["-chardev", "stdio,id=console,signal=off", "-serial", "chardev:console"])
            .args(["-device", "virtio-serial-pci", "-device", "virtconsole,chardev=controller"])
            .args(["-chardev", &format!("socket,id=controller,path={}", controller.display())])
            .args(["-netdev", &format!("user,id=net,restrict=on,{forwards}")])
            .args(["-device", "virtio-net-pci,netdev=net,romfile="])
            .arg("-virtfs")
            .arg(format!(
                "local,path={},mount_tag=program,security_model=none,readonly=on",
                // As qemu wants it.
                programs.display().to_string().replace(',', ",,")
            ))
            .arg("-kernel")
            .arg(&parts.kernel)
            .arg("-initrd")
            .arg(&parts.file_system)
            .args([
                "-append",
                "console=ttyS0 quiet loglevel=3 panic=-1 nokaslr mitigations=off random.trust_cpu=on",
            ])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped());
        let mut child = command.spawn().context("can't start qemu")?;
        let console = child.stdin.take().ok_or("qemu has no input")?;
        let output = child.stdout.take().ok_or("qemu has no output")?;
        let (say, lines) = channel();
        // Ends with the machine.
        std::thread::spawn(move || {
            for line in BufReader::new(output).split(b'\n').map_while(Result::ok) {
                if say.send(String::from_utf8_lossy(&line).into_owned()).is_err() {
                    break;
                }
            }
        });
        let bus = format!("tcp:host=127.0.0.1,port={port}");
        let mut machine = Self { child, console, lines, bus, program_port };
        machine.wait_for("READY", BOOT_TIME)?;
        Ok(machine)
    }

    /// Tells the machine something, and waits until it is done. Answers how it said so.
    pub(crate) fn tell(&mut self, command: &str, done: &str) -> Outcome<String> {
        writeln!(self.console, "{command}").context("can't write to the machine's console")?;
        self.wait_for(done, PATIENCE)
    }

    /// The same; answers all that it said up to then.
    pub(crate) fn said(&mut self, command: &str, done: &str) -> Outcome<String> {
        writeln!(self.console, "{command}").context("can't write to the machine's console")?;
        let until = Instant::now() + PATIENCE;
        let mut said = String::new();
        while let Ok(line) = self.lines.recv_timeout(until.saturating_duration_since(Instant::now())) {
            if line.contains(done) {
                break;
            }
            said.push_str(&line);
            said.push('\n');
        }
        Ok(said)
    }

    fn wait_for(&mut self, word: &str, patience: Duration) -> Outcome<String> {
        let until = Instant::now() + patience;
        let mut said = Vec::new();
        loop {
            match self.lines.recv_timeout(until.saturating_duration_since(Instant::now())) {
                Ok(line) if line.contains(word) => return Ok(line),
                Ok(line) => said.push(line),
                Err(RecvTimeoutError::Timeout) => {
                    return Err(format!(
                        "the machine did not say {word} in time; it said\n{}",
                        said.join("\n")
                    ));
                }
                Err(RecvTimeoutError::Disconnected) => {
                    return Err(format!("the machine ended; it said\n{}", said.join("\n")));
                }
            }
        }
    }
}

impl Drop for Machine {
    fn drop(&mut self) {
        // Both fail only if it has ended already, which is what is wanted.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

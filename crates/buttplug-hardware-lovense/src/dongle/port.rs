//! The two sorts of sticks: one is a HID device, the other a serial port behind a chip that many other things have, too, so
//! that it is asked who it is.

use super::framing::{Lines, REPORT_BYTES, reports, text_of_report};
use super::limits::{HELLO_TIME, SERIAL_WRITE_TIME};
use hidapi::{HidApi, HidDevice, HidError};
use serialport::{SerialPort, SerialPortType};
use std::collections::BTreeSet;
use std::io::{self, Read, Write};
use std::time::{Duration, Instant};
use thiserror::Error;

/// Vendor and product of the HID stick.
const HID_IDS: (u16, u16) = (0x1915, 0x520a);

/// Vendor and product of the chip in the serial one.
const SERIAL_IDS: (u16, u16) = (0x1a86, 0x7523);

/// The serial stick's speed.
const BAUD_RATE: u32 = 115_200;

/// Asks a serial port whether it is a dongle. Not in the dongle's language, so that it does no harm to others.
const HELLO: &[u8] = b"DeviceType;\r\n";

/// What went wrong with a stick.
#[derive(Debug, Error)]
pub enum PortError {
    /// The system can't list what is plugged in.
    #[error("the Lovense dongle can't be looked for: {0}")]
    List(String),
    /// It is there and can't be opened. On Linux that is mostly a matter of access rights.
    #[error(
        "the Lovense dongle at {place} can't be opened: {reason}; is it in use, or has this user no right to it?"
    )]
    Open {
        /// Where.
        place: String,
        /// What the system says.
        reason: String,
    },
    /// It was unplugged, or is broken.
    #[error("the Lovense dongle does not listen or speak any more: {0}")]
    Lost(String),
}

/// A stick that is open. Calls end within about half a second.
pub trait Port: Send {
    /// Writes a line.
    ///
    /// # Errors
    /// The stick is gone.
    fn write(&mut self, line: &[u8]) -> Result<(), PortError>;

    /// Waits for so long for text and appends what comes; nothing is no error.
    ///
    /// # Errors
    /// The stick is gone.
    fn read(&mut self, wait: Duration, text: &mut Vec<u8>) -> Result<(), PortError>;
}

/// Where sticks are found.
pub trait Ports: Send {
    /// Opens the first stick that is there. `None`: there is none.
    ///
    /// # Errors
    /// There is one that can't be opened.
    fn find(&mut self) -> Result<Option<Box<dyn Port>>, PortError>;
}

/// Sticks that are HID devices.
#[derive(Default)]
pub(crate) struct HidPorts {
    api: Option<HidApi>,
}

struct HidPort(HidDevice);

fn lost(error: &dyn std::fmt::Display) -> PortError {
    PortError::Lost(error.to_string())
}

impl Ports for HidPorts {
    fn find(&mut self) -> Result<Option<Box<dyn Port>>, PortError> {
        let list = |error: HidError| PortError::List(error.to_string());
        let api = match &mut self.api {
            Some(api) => api,
            none => none.insert(HidApi::new().map_err(list)?),
        };
        let (vendor, product) = HID_IDS;
        api.reset_devices().map_err(list)?;
        api.add_devices(vendor, product).map_err(list)?;
        let Some(info) = api.device_list().next() else { return Ok(None) };
        let open = info.open_device(api).map_err(|error| PortError::Open {
            place: info.path().to_string_lossy().into_owned(),
            reason: error.to_string(),
        })?;
        Ok(Some(Box::new(HidPort(open))))
    }
}

impl Port for HidPort {
    fn write(&mut self, line: &[u8]) -> Result<(), PortError> {
        for report in reports(line) {
            self.0.write(&report).map_err(|error| lost(&error))?;
        }
        Ok(())
    }

    fn read(&mut self, wait: Duration, text: &mut Vec<u8>) -> Result<(), PortError> {
        let mut report = [0; REPORT_BYTES];
        let wait = i32::try_from(wait.as_millis()).unwrap_or(i32::MAX);
        let count = self.0.read_timeout(&mut report, wait).map_err(|error| lost(&error))?;
        text.extend_from_slice(text_of_report(report.get(..count).unwrap_or(&report)));
        Ok(())
    }
}

/// Sticks that are serial ports.
#[derive(Default)]
pub(crate) struct SerialPorts {
    /// Ports that are no dongle. Opening one resets some boards, so each is asked once.
    others: BTreeSet<String>,
}

struct SerialLink(Box<dyn SerialPort>);

impl Ports for SerialPorts {
    fn find(&mut self) -> Result<Option<Box<dyn Port>>, PortError> {
        let listed = serialport::available_ports().map_err(|error| PortError::List(error.to_string()))?;
        let is_chip = |kind: &SerialPortType| match kind {
            SerialPortType::UsbPort(usb) => (usb.vid, usb.pid) == SERIAL_IDS,
            _ => false,
        };
        let names = listed.into_iter().filter(|port| is_chip(&port.port_type)).map(|port| port.port_name);
        let names: BTreeSet<String> = names.collect();
        self.others.retain(|name| names.contains(name));
        let mut failed = None;
        for name in names.difference(&self.others.clone()) {
            let open = serialport::new(name, BAUD_RATE).timeout(HELLO_TIME).open();
            match open {
                Ok(port) => {
                    let mut port: Box<dyn Port> = Box::new(SerialLink(port));
                    if is_dongle(&mut *port) {
                        return Ok(Some(port));
                    }
                    tracing::debug!(port = %name, "not a Lovense dongle");
                    self.others.insert(name.clone());
                }
                Err(error) => {
                    failed = Some(PortError::Open { place: name.clone(), reason: error.to_string() });
                }
            }
        }
        failed.map_or(Ok(None), Err)
    }
}

/// Asks a port who it is. A dongle answers with its kind, firmware and radio: `D:02:0082059AD3BD`.
fn is_dongle(port: &mut dyn Port) -> bool {
    if port.write(HELLO).is_err() {
        return false;
    }
    let (mut lines, end) = (Lines::default(), Instant::now() + HELLO_TIME);
    loop {
        let left = end.saturating_duration_since(Instant::now());
        let mut text = Vec::new();
        if left.is_zero() || port.read(left, &mut text).is_err() {
            return false;
        }
        if lines.take(&text).iter().any(|line| is_hello(line)) {
            return true;
        }
    }
}

fn is_hello(line: &str) -> bool {
    let parts: Vec<&str> = line.trim_end().trim_end_matches(';').split(':').collect();
    matches!(parts[..], ["D", firmware, radio] if !firmware.is_empty() && !radio.is_empty())
}

impl Port for SerialLink {
    fn write(&mut self, line: &[u8]) -> Result<(), PortError> {
        // Systems know one time for both directions, and the last read may have had a millisecond.
        self.0.set_timeout(SERIAL_WRITE_TIME).map_err(|error| lost(&error))?;
        self.0.write_all(line).map_err(|error| lost(&error))
    }

    fn read(&mut self, wait: Duration, text: &mut Vec<u8>) -> Result<(), PortError> {
        let mut bytes = [0; 256];
        self.0.set_timeout(wait.max(Duration::from_millis(1))).map_err(|error| lost(&error))?;
        match self.0.read(&mut bytes) {
            // A port that is at its end has lost its hardware.
            Ok(0) => Err(lost(&"the port has ended")),
            Ok(count) => {
                text.extend_from_slice(bytes.get(..count).unwrap_or(&bytes));
                Ok(())
            }
            Err(error) if matches!(error.kind(), io::ErrorKind::TimedOut | io::ErrorKind::Interrupted) => {
                Ok(())
            }
            Err(error) => Err(lost(&error)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::VecDeque;

    #[test]
    fn a_dongle_is_known_by_the_three_parts_of_its_answer() {
        for (line, is) in [
            ("D:02:0082059AD3BD\r", true),
            ("D:02:0082059AD3BD;\r", true),
            ("P:02:0082059AD3BD;", false),
            ("D:02", false),
            ("D::0082059AD3BD", false),
            ("D:02:0082059AD3BD:x", false),
            ("", false),
        ] {
            assert_eq!(is_hello(line), is, "{line:?}");
        }
    }

    /// A port that says these things, one in each read, and then nothing.
    struct Other(VecDeque<&'static str>, bool);

    impl Port for Other {
        fn write(&mut self, line: &[u8]) -> Result<(), PortError> {
            assert_eq!(line, b"DeviceType;\r\n");
            if self.1 { Ok(()) } else { Err(lost(&"gone")) }
        }

        fn read(&mut self, wait: Duration, text: &mut Vec<u8>) -> Result<(), PortError> {
            match self.0.pop_front() {
                Some(said) => text.extend_from_slice(said.as_bytes()),
                None => std::thread::sleep(wait),
            }
            Ok(())
        }
    }

    #[cfg(unix)]
    #[test]
    fn a_write_has_more_time_than_the_read_before_it() {
        let (ours, mut theirs) = serialport::TTYPort::pair().unwrap();
        let mut link = SerialLink(Box::new(ours));
        let mut text = Vec::new();
        link.read(Duration::ZERO, &mut text).unwrap();
        assert!(link.0.timeout() < SERIAL_WRITE_TIME && text.is_empty());
        link.write(b"DeviceType;").unwrap();
        assert_eq!(link.0.timeout(), SERIAL_WRITE_TIME);
        theirs.set_timeout(Duration::from_secs(20)).unwrap();
        let mut heard = [0; 11];
        theirs.read_exact(&mut heard).unwrap();
        assert_eq!(&heard, b"DeviceType;");
    }

    #[test]
    fn a_port_that_is_something_else_is_left_alone() {
        let is =
            |says: &[&'static str], listens| is_dongle(&mut Other(says.iter().copied().collect(), listens));
        assert!(is(&["boot\n", "D:02:00820", "59AD3BD\r\n"], true));
        assert!(!is(&["ok\r\n"], true));
        assert!(!is(&["D:02:0082059AD3BD\r\n"], false));
    }
}

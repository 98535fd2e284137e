//! One serial port: opens it, and is the driver of its two ends.

use crate::error::PortError;
use buttplug_hardware_blocking::{DriverError, Halves, POLL_TIME, ReadWhen, Sink, Source};
use buttplug_protocols::catalogue::SerialSettings;
use serial2::{CharSize, FlowControl, Parity, SerialPort, Settings, StopBits};
use std::io::{self, ErrorKind};
use std::time::{Duration, Instant};

/// The pause between two tries of a port that says it has room and then takes nothing.
const RETRY_PAUSE: Duration = Duration::from_millis(2);

/// Opens the port with these settings and for this program alone. May block for long.
pub(crate) fn open(name: &str, settings: SerialSettings) -> Result<Halves, PortError> {
    let refused = |error: io::Error| PortError::from_system(name, describe(settings), &error);
    let port = SerialPort::open(name, |system: Settings| apply(system, settings)).map_err(refused)?;
    claim(&port).map_err(refused)?;
    let mut reading = port.try_clone().map_err(refused)?;
    reading.set_read_timeout(POLL_TIME).map_err(refused)?;
    // What was said before it was opened was said to nobody.
    let _ = reading.discard_input_buffer();
    Ok(Halves {
        sink: Box::new(Writing { port, settings }),
        source: Box::new(Reading { port: reading }),
        read: ReadWhen::Always,
    })
}

fn apply(mut system: Settings, settings: SerialSettings) -> io::Result<Settings> {
    system.set_raw();
    system.set_baud_rate(settings.baud_rate)?;
    system.set_char_size(match settings.data_bits {
        5 => CharSize::Bits5,
        6 => CharSize::Bits6,
        7 => CharSize::Bits7,
        _ => CharSize::Bits8,
    });
    system.set_parity(match settings.parity {
        'E' => Parity::Even,
        'O' => Parity::Odd,
        _ => Parity::None,
    });
    system.set_stop_bits(if settings.stop_bits == 2 { StopBits::Two } else { StopBits::One });
    system.set_flow_control(FlowControl::None);
    ignore_carrier(&mut system);
    Ok(system)
}

/// Many devices and cables have no line for a carrier, or let it float: that it comes and goes says nothing.
#[cfg(unix)]
fn ignore_carrier(system: &mut Settings) {
    use rustix::termios::ControlModes;
    system.as_termios_mut().c_cflag |= (ControlModes::CLOCAL | ControlModes::CREAD).bits();
}

#[cfg(not(unix))]
fn ignore_carrier(_system: &mut Settings) {}

/// Keeps other programs out: those that ask, and on Unix those that only open. Windows does it by itself.
#[cfg(unix)]
fn claim(port: &SerialPort) -> io::Result<()> {
    rustix::fs::flock(port, rustix::fs::FlockOperation::NonBlockingLockExclusive)?;
    rustix::termios::ioctl_tiocexcl(port)?;
    Ok(())
}

#[cfg(not(unix))]
fn claim(_port: &SerialPort) -> io::Result<()> {
    Ok(())
}

/// As it is written in a definition.
fn describe(settings: SerialSettings) -> String {
    let SerialSettings { baud_rate, data_bits, parity, stop_bits } = settings;
    format!("{baud_rate} {data_bits}{parity}{stop_bits}")
}

/// How long so many bytes take on the line.
fn line_time(settings: SerialSettings, bytes: usize) -> Duration {
    // A start bit comes before each character.
    let parity = u64::from(settings.parity != 'N');
    let bits = 1 + u64::from(settings.data_bits) + parity + u64::from(settings.stop_bits);
    let bits = bits.saturating_mul(u64::try_from(bytes).unwrap_or(u64::MAX));
    Duration::from_nanos(bits.saturating_mul(1_000_000_000) / u64::from(settings.baud_rate.max(1)))
}

struct Writing {
    port: SerialPort,
    settings: SerialSettings,
}

impl Sink for Writing {
    fn write(&mut self, data: &[u8], wait: Duration) -> Result<usize, DriverError> {
        let until = Instant::now() + wait;
        loop {
            let left = until.saturating_duration_since(Instant::now());
            self.port.set_write_timeout(left).map_err(|error| gone(&error))?;
            match self.port.write(data) {
                Ok(0) => {}
                Ok(length) => return Ok(length),
                Err(error) if error.kind() == ErrorKind::TimedOut => return Ok(0),
                Err(error) if is_passing(&error) => {}
                Err(error) => return Err(gone(&error)),
            }
            if left.is_zero() {
                return Ok(0);
            }
            std::thread::sleep(RETRY_PAUSE);
        }
    }

    fn carry_time(&self, bytes: usize) -> Duration {
        line_time(self.settings, bytes)
    }

    fn discard(&mut self) {
        // A port that is gone has nothing to throw away.
        let _ = self.port.discard_output_buffer();
    }
}

struct Reading {
    port: SerialPort,
}

impl Source for Reading {
    fn read(&mut self, buffer: &mut [u8], _wait: Duration) -> Result<usize, DriverError> {
        match self.port.read(buffer) {
            Ok(0) => Err(DriverError::Gone("the port has been closed from the other side".into())),
            Ok(length) => Ok(length),
            Err(error) if error.kind() == ErrorKind::TimedOut || is_passing(&error) => Ok(0),
            Err(error) => Err(gone(&error)),
        }
    }
}

/// Whether the next try may do.
fn is_passing(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted)
}

/// A serial port fails in no other way than by being gone, and systems have many names for that.
fn gone(error: &io::Error) -> DriverError {
    DriverError::Gone(format!("the port is gone: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(baud_rate: u32, data_bits: u8, parity: char, stop_bits: u8) -> SerialSettings {
        SerialSettings { baud_rate, data_bits, parity, stop_bits }
    }

    #[test]
    fn bytes_take_as_long_as_their_bits() {
        for (settings, bytes, micros) in [
            (settings(9600, 8, 'N', 1), 96, 100_000),
            (settings(115_200, 8, 'N', 1), 1152, 100_000),
            (settings(11_000, 7, 'E', 2), 100, 100_000),
            (settings(9600, 8, 'N', 1), 0, 0),
        ] {
            assert_eq!(line_time(settings, bytes), Duration::from_micros(micros), "{}", describe(settings));
        }
        // No number that a file may hold is too much.
        line_time(settings(0, 255, 'E', 255), usize::MAX);
    }

    #[test]
    fn settings_are_described_as_definitions_write_them() {
        assert_eq!(describe(settings(115_200, 8, 'N', 1)), "115200 8N1");
    }

    #[test]
    fn what_is_no_port_is_refused_by_its_name() {
        let settings = settings(9600, 8, 'N', 1);
        let open = |name: &str| open(name, settings);
        let missing = open("/dev/buttplug-no-such-port").err();
        assert_eq!(missing, Some(PortError::NotThere("/dev/buttplug-no-such-port".into())));
        let file = std::env::current_exe().unwrap();
        let error = open(&file.to_string_lossy()).err().unwrap();
        assert!(error.to_string().contains(&*file.to_string_lossy()), "{error}");
    }
}

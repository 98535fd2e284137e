//! The system's human interface devices, by way of hidapi: on Linux the kernel's own files, no library and no daemon.

use crate::error::HidError;
use crate::find::HidEntry;
use buttplug_hardware_blocking::{DriverError, Halves, ReadWhen, Sink, Source};
use buttplug_protocols::sighting::UsbIds;
use hidapi::{DeviceInfo, HidApi, HidDevice};
use std::ffi::{CStr, CString};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// A system with devices: the real one, or one that a test plays. Calls block.
pub trait HidSystem: Send + Sync + 'static {
    /// What is there of these makes.
    ///
    /// # Errors
    /// The system can't list anything, for this reason.
    fn list(&self, ids: &[UsbIds]) -> Result<Vec<HidEntry>, String>;

    /// Opens one entry of the list.
    ///
    /// # Errors
    /// It is gone, or the system refuses.
    fn open(&self, entry: &HidEntry) -> Result<Halves, HidError>;
}

/// The system that the program runs on. Clones are the same one.
#[derive(Clone, Default)]
pub(crate) struct RealSystem {
    /// Made once: making it looks at every device there is, those that nobody wants included.
    api: Arc<Mutex<Option<HidApi>>>,
}

impl RealSystem {
    fn call<T>(&self, call: impl FnOnce(&mut HidApi) -> Result<T, hidapi::HidError>) -> Result<T, String> {
        let mut api = self.api.lock().unwrap_or_else(PoisonError::into_inner);
        let api = match &mut *api {
            Some(api) => api,
            none => none.insert(HidApi::new().map_err(|error| error.to_string())?),
        };
        call(api).map_err(|error| error.to_string())
    }

    fn open_path(&self, path: &CStr) -> Result<HidDevice, String> {
        self.call(|api| api.open_path(path))
    }
}

impl HidSystem for RealSystem {
    fn list(&self, ids: &[UsbIds]) -> Result<Vec<HidEntry>, String> {
        let entry = |device: &DeviceInfo| HidEntry {
            ids: (device.vendor_id(), device.product_id()),
            serial_number: device.serial_number().map(str::to_owned),
            product: device.product_string().map(str::to_owned),
            usage_page: device.usage_page(),
            interface: device.interface_number(),
            path: device.path().to_owned(),
        };
        self.call(|api| {
            api.reset_devices()?;
            for (vendor_id, product_id) in ids {
                api.add_devices(*vendor_id, *product_id)?;
            }
            // A zero in a pair of numbers would stand for any.
            Ok(api.device_list().map(entry).filter(|entry| ids.contains(&entry.ids)).collect())
        })
    }

    fn open(&self, entry: &HidEntry) -> Result<Halves, HidError> {
        may_open(&entry.path)?;
        let device = self.open_path(&entry.path).map_err(|reason| HidError::Refused {
            device: entry.path.to_string_lossy().into_owned(),
            reason,
        })?;
        Ok(Halves {
            sink: Box::new(Writing { device }),
            source: Box::new(Reading { system: self.clone(), path: entry.path.clone(), device: None }),
            read: ReadWhen::Wanted,
        })
    }
}

/// Finds out what hidapi would say in free text only.
#[cfg(target_os = "linux")]
fn may_open(path: &CStr) -> Result<(), HidError> {
    use std::io::ErrorKind;
    let device = path.to_string_lossy().into_owned();
    match std::fs::OpenOptions::new().read(true).write(true).open(&device) {
        Ok(_) => Ok(()),
        Err(error) if error.kind() == ErrorKind::NotFound => Err(HidError::NotThere(device)),
        Err(error) if error.kind() == ErrorKind::PermissionDenied => Err(HidError::NotAllowed(device)),
        Err(error) => Err(HidError::Refused { device, reason: error.to_string() }),
    }
}

#[cfg(not(target_os = "linux"))]
fn may_open(_path: &CStr) -> Result<(), HidError> {
    Ok(())
}

struct Writing {
    device: HidDevice,
}

impl Sink for Writing {
    /// One report. The system has a limit of its own for it, some seconds.
    fn write(&mut self, data: &[u8], _wait: Duration) -> Result<usize, DriverError> {
        self.device.write(data).map(|_| data.len()).map_err(|error| failure(&error))
    }
}

/// Opened a second time, so that a read that waits is in no writer's way.
struct Reading {
    system: RealSystem,
    path: CString,
    device: Option<HidDevice>,
}

impl Source for Reading {
    fn read(&mut self, buffer: &mut [u8], wait: Duration) -> Result<usize, DriverError> {
        let device = match &mut self.device {
            Some(device) => device,
            none => none.insert(self.system.open_path(&self.path).map_err(DriverError::Gone)?),
        };
        let wait = i32::try_from(wait.as_millis()).unwrap_or(i32::MAX);
        device.read_timeout(buffer, wait).map_err(|error| DriverError::Gone(error.to_string()))
    }
}

/// What a failed write says about the device. A report may be refused by a device that takes the next one.
fn failure(error: &hidapi::HidError) -> DriverError {
    /// `ENXIO` and `ENODEV` on all Unix systems.
    const NO_DEVICE: [i32; 2] = [6, 19];
    let reason = error.to_string();
    match error {
        hidapi::HidError::IoError { error }
            if error.raw_os_error().is_some_and(|code| NO_DEVICE.contains(&code)) =>
        {
            DriverError::Gone(reason)
        }
        _ => DriverError::Failed(reason),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_device_that_is_gone_is_told_from_one_that_refuses() {
        let failure =
            |code| failure(&hidapi::HidError::IoError { error: std::io::Error::from_raw_os_error(code) });
        assert!(matches!(failure(19), DriverError::Gone(_)));
        assert!(matches!(failure(32), DriverError::Failed(_)));
        let other = hidapi::HidError::HidApiError { message: "unknown".into() };
        assert!(matches!(super::failure(&other), DriverError::Failed(_)));
    }

    #[test]
    fn whatever_is_no_device_is_not_opened_and_listing_goes_on_without() {
        let entry = HidEntry {
            ids: (1, 2),
            serial_number: None,
            product: None,
            usage_page: 0,
            interface: 0,
            path: CString::new("/dev/hidraw-no-such-device").unwrap(),
        };
        assert!(RealSystem::default().open(&entry).is_err());
        assert_eq!(RealSystem::default().list(&[]), Ok(Vec::new()));
        // No maker has this pair of numbers.
        assert_eq!(RealSystem::default().list(&[(0xffff, 0xffff)]), Ok(Vec::new()));
    }
}

//! A system whose devices are played: they remember what they were told, say what they are asked to, and can be
//! pulled out.

use buttplug_hardware_blocking::{DriverError, Halves, ReadWhen, Sink, Source};
use buttplug_hardware_hid::{HidEntry, HidError, HidSystem};
use buttplug_protocols::sighting::UsbIds;
use std::collections::VecDeque;
use std::ffi::CString;
use std::sync::{Arc, Condvar, Mutex};
use std::time::Duration;
use tokio::sync::mpsc;

/// The system. Clones are the same one.
#[derive(Clone, Default)]
pub(crate) struct Played {
    devices: Arc<Mutex<Vec<Arc<Shared>>>>,
}

/// A device of it, from its owner's side.
pub(crate) struct PlayedDevice {
    shared: Arc<Shared>,
    arrived: mpsc::UnboundedReceiver<Vec<u8>>,
}

struct Shared {
    entry: HidEntry,
    state: Mutex<State>,
    changed: Condvar,
    arrived: mpsc::UnboundedSender<Vec<u8>>,
}

#[derive(Default)]
struct State {
    present: bool,
    stalled: bool,
    forbidden: bool,
    /// Writes that it refuses.
    refusals: usize,
    /// How often it was opened and has not been closed.
    open: usize,
    reads: usize,
    said: VecDeque<Vec<u8>>,
}

pub(crate) fn entry(ids: UsbIds, serial_number: Option<&str>, product: &str, path: &str) -> HidEntry {
    HidEntry {
        ids,
        serial_number: serial_number.map(Into::into),
        product: Some(product.into()),
        usage_page: 0xff00,
        interface: 0,
        path: CString::new(path).unwrap(),
    }
}

impl Played {
    /// Adds a device that is not plugged in yet.
    pub(crate) fn device(&self, entry: HidEntry) -> PlayedDevice {
        let (sender, arrived) = mpsc::unbounded_channel();
        let state = Mutex::default();
        let shared = Arc::new(Shared { entry, state, changed: Condvar::new(), arrived: sender });
        self.devices.lock().unwrap().push(Arc::clone(&shared));
        PlayedDevice { shared, arrived }
    }
}

impl PlayedDevice {
    fn change(&self, change: impl FnOnce(&mut State)) {
        change(&mut self.shared.state.lock().unwrap());
        self.shared.changed.notify_all();
    }

    pub(crate) fn plug(&self) {
        self.change(|state| state.present = true);
    }

    pub(crate) fn unplug(&self) {
        self.change(|state| state.present = false);
    }

    pub(crate) fn stall(&self, stalled: bool) {
        self.change(|state| state.stalled = stalled);
    }

    pub(crate) fn refuse_next(&self, refusals: usize) {
        self.change(|state| state.refusals = refusals);
    }

    pub(crate) fn forbid(&self) {
        self.change(|state| state.forbidden = true);
    }

    pub(crate) fn say(&self, report: &[u8]) {
        self.change(|state| state.said.push_back(report.to_vec()));
    }

    pub(crate) fn reads(&self) -> usize {
        self.shared.state.lock().unwrap().reads
    }

    pub(crate) fn is_open(&self) -> bool {
        self.shared.state.lock().unwrap().open > 0
    }

    pub(crate) async fn arrived(&mut self) -> Vec<u8> {
        self.arrived.recv().await.expect("the system is there")
    }

    /// The next report, without the zeros that fill it up.
    pub(crate) async fn report(&mut self) -> Vec<u8> {
        let report = tokio::time::timeout(Duration::from_secs(20), self.arrived()).await.unwrap();
        let end = report.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1);
        report[..end].to_vec()
    }
}

impl HidSystem for Played {
    fn list(&self, ids: &[UsbIds]) -> Result<Vec<HidEntry>, String> {
        let devices = self.devices.lock().unwrap();
        let there = devices.iter().filter(|device| device.state.lock().unwrap().present);
        Ok(there.map(|device| device.entry.clone()).filter(|entry| ids.contains(&entry.ids)).collect())
    }

    fn open(&self, entry: &HidEntry) -> Result<Halves, HidError> {
        let name = entry.path.to_string_lossy().into_owned();
        let devices = self.devices.lock().unwrap();
        let device = devices.iter().find(|device| device.entry == *entry);
        let device = device.ok_or_else(|| HidError::NotThere(name.clone()))?;
        let mut state = device.state.lock().unwrap();
        if !state.present {
            return Err(HidError::NotThere(name));
        }
        if state.forbidden {
            return Err(HidError::NotAllowed(name));
        }
        state.open += 1;
        state.said.clear();
        let (sink, source) = (Box::new(End(Arc::clone(device))), Box::new(Ear(Arc::clone(device))));
        Ok(Halves { sink, source, read: ReadWhen::Wanted })
    }
}

fn unplugged() -> DriverError {
    DriverError::Gone("no such device".into())
}

struct End(Arc<Shared>);

impl Sink for End {
    fn write(&mut self, data: &[u8], wait: Duration) -> Result<usize, DriverError> {
        let state = self.0.state.lock().unwrap();
        let (mut state, _) =
            self.0.changed.wait_timeout_while(state, wait, |state| state.present && state.stalled).unwrap();
        if state.refusals > 0 {
            state.refusals -= 1;
            return Err(DriverError::Failed("not now".into()));
        }
        match (state.present, state.stalled) {
            (false, _) => Err(unplugged()),
            (true, true) => Ok(0),
            (true, false) => {
                // A test that has ended does not listen.
                let _ = self.0.arrived.send(data.to_vec());
                Ok(data.len())
            }
        }
    }
}

impl Drop for End {
    fn drop(&mut self) {
        self.0.state.lock().unwrap().open -= 1;
    }
}

struct Ear(Arc<Shared>);

impl Source for Ear {
    fn read(&mut self, buffer: &mut [u8], wait: Duration) -> Result<usize, DriverError> {
        let mut state = self.0.state.lock().unwrap();
        state.reads += 1;
        let silent = |state: &mut State| state.present && state.said.is_empty();
        let (mut state, _) = self.0.changed.wait_timeout_while(state, wait, silent).unwrap();
        if !state.present {
            return Err(unplugged());
        }
        let Some(report) = state.said.pop_front() else { return Ok(0) };
        buffer[..report.len()].copy_from_slice(&report);
        Ok(report.len())
    }
}

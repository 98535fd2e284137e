//! `buttplug doctor`: how things stand on this machine with what devices need, in words that say what to do.

use super::{complain, say};
use crate::exit::Exit;
use buttplug_hardware_bluetooth::BluetoothState;
use tokio::runtime::Builder;

/// Looks and says what it finds: in order only if devices can be found.
pub(super) fn run() -> Exit {
    let runtime = match Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            complain(format_args!("the system refuses what every program needs: {error}"));
            return Exit::Internal;
        }
    };
    let state = runtime.block_on(buttplug_hardware_bluetooth::survey());
    runtime.shutdown_background();
    say(format_args!("Bluetooth: {state}"));
    match state {
        BluetoothState::Ready(_) => Exit::Orderly,
        BluetoothState::Unknown
        | BluetoothState::Unusable(_)
        | BluetoothState::NoAdapter
        | BluetoothState::Off(_) => Exit::Mend,
    }
}

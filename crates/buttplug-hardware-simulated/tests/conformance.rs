//! The contract that all buses keep, kept by devices that live in the process.

use async_trait::async_trait;
use buttplug_hardware_simulated::{Archetype, SimulatedBus, SimulatedDevice};
use buttplug_protocols::catalogue::Wiring;
use buttplug_protocols::frame::Endpoint;
use buttplug_server::hardware::HardwareBus;
use buttplug_server::hardware::conformance::{Bench, check};
use std::sync::Arc;
use std::time::Duration;

struct Simulated {
    device: SimulatedDevice,
    bus: Arc<SimulatedBus>,
}

#[async_trait]
impl Bench for Simulated {
    fn bus(&self) -> Arc<dyn HardwareBus> {
        Arc::<SimulatedBus>::clone(&self.bus)
    }

    fn wiring(&self) -> Wiring {
        Wiring::Direct
    }

    async fn appear(&mut self) {
        self.device.reappear();
    }

    async fn vanish(&mut self) {
        self.device.vanish();
    }

    async fn arrived(&mut self) -> Vec<u8> {
        self.device.wait_for(|device| !device.writes().is_empty()).await;
        let arrived = self.device.writes().iter().flat_map(|write| write.frame.data.to_vec()).collect();
        self.device.forget_writes();
        arrived
    }

    async fn say(&mut self, data: &[u8]) {
        self.device.notify(Endpoint::Rx, data);
    }

    async fn prepare_read(&mut self, data: &[u8]) -> bool {
        self.device.set_value(Endpoint::Rx, data);
        true
    }

    async fn stall(&mut self, stalled: bool) -> bool {
        self.device.slow_writes(if stalled { Duration::from_secs(60) } else { Duration::ZERO });
        true
    }
}

#[tokio::test(start_paused = true)]
async fn the_contract_of_all_buses_is_kept() {
    let device = SimulatedDevice::new(Archetype::OneMotorVibrator, "simulated:1");
    device.vanish();
    let bus = Arc::new(SimulatedBus::new([device.clone()]));
    check(&mut Simulated { device, bus }).await;
}

//! The contract that all buses keep, kept by devices that dial in.

use crate::rig::{AGES, greeting, say};
use async_trait::async_trait;
use buttplug_hardware_dialin::{DialInBus, SocketLimits};
use buttplug_protocols::catalogue::Wiring;
use buttplug_server::hardware::HardwareBus;
use buttplug_server::hardware::conformance::{Bench, check};
use buttplug_websocket::{Received, Socket, dial};
use std::sync::Arc;
use tokio::net::TcpStream;
use tokio::time::timeout;

struct DialsIn {
    bus: Arc<DialInBus>,
    device: Option<Socket<TcpStream>>,
}

#[async_trait]
impl Bench for DialsIn {
    fn bus(&self) -> Arc<dyn HardwareBus> {
        Arc::<DialInBus>::clone(&self.bus)
    }

    fn wiring(&self) -> Wiring {
        Wiring::Direct
    }

    async fn appear(&mut self) {
        let url = format!("ws://{}", self.bus.local_addresses()[0]);
        let mut device = dial(&url, SocketLimits::default()).await.unwrap();
        say(&mut device, &greeting("a1"));
        self.device = Some(device);
    }

    async fn vanish(&mut self) {
        self.device = None;
    }

    async fn arrived(&mut self) -> Vec<u8> {
        let mut arrived = Vec::new();
        let device = self.device.as_mut().unwrap();
        let heard = device.receive(|message| {
            let (Received::Text(data) | Received::Binary(data)) = message;
            arrived.extend_from_slice(&data);
        });
        // What comes together with the end has come.
        let _ = timeout(AGES, heard).await.expect("nothing comes");
        arrived
    }

    async fn say(&mut self, data: &[u8]) {
        let device = self.device.as_mut().unwrap();
        device.send_binary(data.to_vec().into()).unwrap();
        assert_eq!(device.try_flush(), Ok(true));
    }

    /// There is no reading over a socket.
    async fn prepare_read(&mut self, _data: &[u8]) -> bool {
        false
    }

    /// A socket that takes nothing is given up, which has tests of its own.
    async fn stall(&mut self, _stalled: bool) -> bool {
        false
    }
}

#[tokio::test]
async fn the_contract_of_all_buses_is_kept() {
    let bus = Arc::new(DialInBus::bind(&["127.0.0.1:0".parse().unwrap()]).await.unwrap());
    check(&mut DialsIn { bus, device: None }).await;
}

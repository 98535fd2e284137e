//! What a program sees that shows people who is there.

mod rig;

use buttplug_core::DeviceIndex;
use buttplug_hardware_simulated::Archetype::OneMotorVibrator;
use buttplug_protocols::sighting::BusKind;
use buttplug_server::Present;
use rig::{PANIC, Rig, settle};
use std::sync::Arc;
use tokio::sync::watch::Receiver;

#[tokio::test(start_paused = true)]
async fn clients_are_there_from_their_introduction_to_their_end_whatever_it_is() {
    let rig = Rig::new(&[]).await;
    let mut present = rig.server.present();
    let names = |present: &mut Receiver<Arc<Present>>| {
        let now = present.borrow_and_update().clone();
        now.clients.values().map(ToString::to_string).collect::<Vec<_>>()
    };
    let mut stranger = rig.stranger();
    settle().await;
    assert!(names(&mut present).is_empty());
    for end in ["leaves", "vanishes", "panics"] {
        let mut client = rig.client().await;
        assert_eq!(names(&mut present), ["Rig"], "{end}");
        match end {
            "leaves" => drop(client.asks(r#"[{"Disconnect":{"Id":2}}]"#).await),
            "vanishes" => client.vanishes(),
            _ => client.says(PANIC),
        }
        settle().await;
        assert!(present.has_changed().unwrap(), "{end}");
        assert!(names(&mut present).is_empty(), "{end}");
    }
    stranger.vanishes();
    settle().await;
    assert!(!present.has_changed().unwrap(), "who never introduced itself was never there");
}

#[tokio::test(start_paused = true)]
async fn devices_are_there_while_they_are_connected() {
    let mut rig = Rig::new(&[OneMotorVibrator]).await;
    let mut present = rig.server.present();
    let device = present.borrow_and_update().devices[&DeviceIndex(0)].clone();
    assert_eq!(device.name, rig.server.devices()[0].name);
    assert_eq!(device.identity.address, "simulated:0");
    assert_eq!((device.identity.bus, device.needs_keepalive), (BusKind::Simulated, false));
    let other = rig.add(OneMotorVibrator).await;
    assert_eq!(present.borrow_and_update().devices.len(), 2);
    other.vanish();
    settle().await;
    assert!(present.has_changed().unwrap());
    let left: Vec<DeviceIndex> = present.borrow_and_update().devices.keys().copied().collect();
    assert_eq!(left, [DeviceIndex(0)]);
    rig.server.shut_down().await;
    assert!(present.borrow_and_update().devices.is_empty());
}

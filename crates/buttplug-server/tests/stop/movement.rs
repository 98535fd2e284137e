//! Machines that are on their way to a position.

use crate::rig;
use crate::rig::{Rig, lovense, output, settle, sleep_ms, texts};
use crate::{OK, STOP};
use buttplug_hardware_simulated::SimulatedDevice;
use buttplug_protocols::sighting::BusKind;

#[tokio::test(start_paused = true)]
async fn a_machine_on_its_way_halts_when_its_client_is_gone() {
    let mut rig = Rig::playing(BusKind::Bluetooth).await;
    let stroker = rig.add_device(lovense("AA:BB:CC:DD:EE:FF", "BA")).await;
    let mut client = rig.client().await;
    client.asks(output(1, 0, 0, r#"{"HwPositionWithDuration":{"Value":100,"Duration":60000}}"#)).await;
    sleep_ms(5000).await;
    assert!(texts(&stroker).iter().filter(|text| text.starts_with("FSetSite")).count() > 4);
    client.vanishes();
    settle().await;
    stroker.forget_writes();
    sleep_ms(5000).await;
    assert_eq!(texts(&stroker), Vec::<String>::new());
}

/// A machine that only has positions, on its way from 0 to 700 for seven seconds, and its client.
async fn on_the_way() -> (Rig, SimulatedDevice, rig::TestClient) {
    let mut rig = Rig::playing(BusKind::Bluetooth).await;
    let device = rig.add_device(SimulatedDevice::bluetooth("AA:BB:CC:DD:EE:FF", "UMVxB0001")).await;
    let mut client = rig.client().await;
    assert_eq!(client.asks(GO).await, r#"[{"Ok":{"Id":2}}]"#);
    sleep_ms(1050).await;
    (rig, device, client)
}

const GO: &str = r#"[{"OutputCmd":{"Id":2,"DeviceIndex":0,"FeatureIndex":1,"Command":{"HwPositionWithDuration":{"Value":700,"Duration":7000}}}}]"#;

/// Where the machine has been told to be, once for each place.
fn places(device: &SimulatedDevice) -> Vec<u16> {
    let place = |frame: &[u8]| u16::from_le_bytes([frame[12], frame[13]]);
    let mut places: Vec<u16> = device.writes().iter().map(|write| place(&write.frame.data)).collect();
    places.dedup();
    places
}

#[tokio::test(start_paused = true)]
async fn a_stop_ends_a_movement_of_a_machine_that_only_has_positions() {
    let (_rig, device, mut client) = on_the_way().await;
    let way = places(&device);
    assert!(way.len() > 5 && way.last().is_some_and(|place| (50..200).contains(place)), "{way:?}");
    client.says(STOP);
    assert_eq!(client.hears().await, OK);
    sleep_ms(20_000).await;
    assert_eq!(places(&device), way);
    // Asked again, it goes on.
    assert_eq!(client.asks(GO).await, r#"[{"Ok":{"Id":2}}]"#);
    sleep_ms(20_000).await;
    assert_eq!(places(&device).last(), Some(&700));
}

#[tokio::test(start_paused = true)]
async fn a_movement_ends_with_its_client_though_there_is_nothing_to_be_set_to_zero() {
    let (_rig, device, mut client) = on_the_way().await;
    let way = places(&device);
    client.vanishes();
    sleep_ms(20_000).await;
    assert_eq!(places(&device), way);
}

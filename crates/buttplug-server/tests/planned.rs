//! What a protocol has planned for later, on hardware that refuses it.

mod rig;

use buttplug_hardware_simulated::SimulatedDevice;
use rig::{Rig, sleep_ms};

#[tokio::test(start_paused = true)]
async fn the_end_of_a_pulse_that_is_refused_is_tried_until_it_is_written() {
    let mut rig = Rig::playing(buttplug_protocols::sighting::BusKind::Bluetooth).await;
    let sprayer = rig.add_device(SimulatedDevice::bluetooth("AA:BB", "J-Dodge")).await;
    let mut client = rig.client().await;
    client.sets(0, 7, "Spray", 1).await;
    sleep_ms(500).await;
    let last = |device: &SimulatedDevice| device.writes().last().expect("a write").frame.data.to_vec();
    assert_eq!(last(&sprayer), [0xa0, 0x24, 1, 0, 1, 0xff]);
    sprayer.fail_writes(true);
    sleep_ms(800).await;
    assert_eq!(last(&sprayer), [0xa0, 0x24, 1, 0, 1, 0xff], "the end was refused");
    sprayer.fail_writes(false);
    sleep_ms(200).await;
    assert_eq!(last(&sprayer), [0xa0, 0x24, 0, 0, 0, 0]);
    let writes = sprayer.write_count();
    sleep_ms(5000).await;
    assert_eq!(sprayer.write_count(), writes, "once is enough");
}

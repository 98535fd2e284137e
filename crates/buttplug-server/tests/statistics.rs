//! What a server tells about itself in numbers.

mod rig;

use buttplug_hardware_simulated::Archetype::{OneMotorVibrator, TwoMotorVibrator};
use rig::{Rig, settle, sleep_ms, within};
use std::time::Duration;

#[tokio::test(start_paused = true)]
async fn outputs_are_told_apart_by_what_they_came_to() {
    let rig = Rig::with(&[OneMotorVibrator], Duration::from_millis(75), |builder| builder).await;
    let mut client = rig.client().await;
    // One is written at once, three wait of which two are replaced, and one says nothing new.
    for value in [1, 2, 3, 4, 4] {
        client.sets(0, 0, "Vibrate", value).await;
        settle().await;
    }
    client.tries(0, 0, "Vibrate", 1000).await;
    sleep_ms(200).await;
    let statistics = rig.server.statistics();
    assert_eq!(rig.told(0).len(), 2);
    assert_eq!(statistics.outputs, 5, "what is refused is none");
    assert_eq!((statistics.coalesced_outputs, statistics.repeated_outputs), (2, 1));
    assert_eq!((statistics.writes.count(), statistics.failed_writes), (2, 0));
}

#[tokio::test(start_paused = true)]
async fn clients_and_devices_come_and_go_and_a_device_that_returns_is_counted() {
    let rig = Rig::new(&[OneMotorVibrator, TwoMotorVibrator]).await;
    let client = rig.client().await;
    let _stranger = rig.stranger();
    settle().await;
    let statistics = rig.server.statistics();
    assert_eq!((statistics.clients, statistics.devices, statistics.reconnects), (1, 2, 0));
    drop(client);
    rig.devices[0].vanish();
    within(async {
        while rig.server.statistics().devices > 1 || rig.server.statistics().clients > 0 {
            settle().await;
        }
    })
    .await;
    rig.devices[0].reappear();
    rig.find().await;
    let statistics = rig.server.statistics();
    assert_eq!((statistics.devices, statistics.reconnects), (2, 1));
}

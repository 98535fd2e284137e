//! The catalogue is replaced while the server runs.

#![allow(clippy::expect_used, reason = "a broken world fails the test")]

mod rig;

use buttplug_hardware_simulated::{Archetype, SimulatedDevice};
use buttplug_protocols::catalogue::Catalogue;
use rig::{Rig, settle, sleep_ms};
use std::time::Duration;

/// The catalogue with a definition by which what is called `name` is told this letter and its value.
fn knowing(name: &str, letter: char) -> Catalogue {
    let text = format!(
        "write = \"'{letter}' value\"\n[[simulated]]\nnames = [\"{name}\"]\n[[model]]\nfallback = \"Own {letter}\"\n\
        features = [{{ vibrate = 9 }}]\n[[example]]\ndo = \"stop\"\nwrite = \"'{letter}' 00\"\n"
    );
    let mut catalogue = Catalogue::builtin();
    catalogue.add_definition("own.toml", &text).expect("a valid definition");
    catalogue
}

fn frames(device: &SimulatedDevice) -> Vec<Vec<u8>> {
    device.writes().iter().map(|write| write.frame.data.to_vec()).collect()
}

#[tokio::test(start_paused = true)]
async fn what_is_connected_goes_on_as_it_is_and_what_comes_then_is_made_with_the_new_catalogue() {
    let vibrator = Archetype::OneMotorVibrator;
    let first = knowing(vibrator.name(), 'a');
    let mut rig = Rig::with(&[vibrator], Duration::ZERO, |builder| builder.catalogue(first)).await;
    let mut client = rig.client().await;
    client.sets(0, 0, "Vibrate", 5).await;
    settle().await;
    rig.server.set_catalogue(knowing(vibrator.name(), 'b'));
    sleep_ms(100).await;
    assert_eq!(frames(&rig.devices[0]), [b"a\x05"], "nobody stops or drops it");
    rig.add(vibrator).await;
    assert!(client.hears().await.contains("Own b"), "the new list");
    client.sets(0, 0, "Vibrate", 6).await;
    client.sets(1, 0, "Vibrate", 7).await;
    sleep_ms(100).await;
    assert_eq!(frames(&rig.devices[0]), [b"a\x05", b"a\x06"]);
    assert_eq!(frames(&rig.devices[1]), [b"b\x07"]);
    let names: Vec<_> = rig.server.devices().iter().map(|device| device.name.clone()).collect();
    assert_eq!(names, ["Own a", "Own b"]);
}

#[tokio::test(start_paused = true)]
async fn the_stop_of_a_connected_device_is_its_own_after_the_catalogue_was_replaced() {
    let vibrator = Archetype::OneMotorVibrator;
    let first = knowing(vibrator.name(), 'a');
    let rig = Rig::with(&[vibrator], Duration::ZERO, |builder| builder.catalogue(first)).await;
    let mut client = rig.client().await;
    client.sets(0, 0, "Vibrate", 5).await;
    settle().await;
    rig.server.set_catalogue(Catalogue::builtin());
    rig.server.stop_all_devices().await;
    assert_eq!(frames(&rig.devices[0]), [b"a\x05", b"a\x00"]);
}

#[tokio::test(start_paused = true)]
async fn hardware_that_nobody_knew_has_its_chance_when_it_is_sighted_again() {
    let mut rig = Rig::playing(buttplug_protocols::sighting::BusKind::Bluetooth).await;
    let stranger = SimulatedDevice::bluetooth("it", "Stranger");
    rig.bus.add(stranger.clone());
    let mut client = rig.client().await;
    client.asks(r#"[{"StartScanning":{"Id":2}}]"#).await;
    sleep_ms(100).await;
    assert_eq!(rig.server.devices().len(), 0);
    let text = "write = 'value'\n[[bluetooth]]\nnames = ['Stranger']\nservices.ff00 = { tx = 'ff01' }\n[[model]]\n\
        fallback = 'Known'\nfeatures = [{ vibrate = 9 }]\n[[example]]\ndo = 'stop'\nwrite = '00'\n";
    let mut catalogue = Catalogue::builtin();
    catalogue.add_definition("stranger.toml", text).expect("a valid definition");
    rig.server.set_catalogue(catalogue);
    rig.devices.push(stranger);
    rig.find().await;
    assert_eq!(rig.server.devices()[0].name, "Known");
}

//! Hardware that several protocols claim.

mod rig;

use buttplug_hardware_simulated::Archetype;
use buttplug_protocols::catalogue::Catalogue;
use rig::{Rig, sleep_ms};
use std::time::Duration;

/// A definition that claims a simulated vibrator.
fn claiming(model: &str, frame: &str) -> String {
    let name = Archetype::OneMotorVibrator.name();
    format!(
        "write = \"{frame}\"\n[[simulated]]\nnames = [\"{name}\"]\n[[model]]\n{model}\nfeatures = [{{ vibrate = 9 }}]\n\
        [[example]]\ndo = \"vibrate 0 1\"\nfeatures = [{{ vibrate = 9 }}]\nwrite = \"01\"\n"
    )
}

#[tokio::test(start_paused = true)]
async fn a_protocol_that_knows_no_such_model_leaves_the_hardware_to_the_next_one() {
    let mut catalogue = Catalogue::builtin();
    for (file, model, frame) in [
        ("a-first.toml", "names.X = \"something else\"", "'a' value"),
        ("b-second.toml", "names.Y = \"something else\"", "'b' value"),
        ("c-third.toml", "fallback = \"Z\"", "'c' value"),
        ("d-fourth.toml", "fallback = \"Late\"", "'d' value"),
    ] {
        catalogue.add_definition(file, &claiming(model, frame)).expect("a valid definition");
    }
    let rig =
        Rig::with(&[Archetype::OneMotorVibrator], Duration::ZERO, |builder| builder.catalogue(catalogue))
            .await;
    let mut client = rig.client().await;
    client.sets(0, 0, "Vibrate", 5).await;
    sleep_ms(100).await;
    let frames: Vec<Vec<u8>> =
        rig.devices[0].writes().iter().map(|write| write.frame.data.to_vec()).collect();
    assert_eq!(frames, [b"c\x05"]);
}

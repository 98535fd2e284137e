//! Tells all that is known about each device: names, timing, features, outputs, inputs, and their ranges.
//!
//! `cargo run --example device_info [-- ws://127.0.0.1:12345]`
#![allow(clippy::print_stdout)]

use buttplug::{Device, Error, Feature};
use buttplug_examples::Session;
use buttplug_hardware_simulated::Archetype;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    let kinds = [Archetype::Stroker, Archetype::PressureSensor];
    Session::run("Information example", &kinds, async |session: &mut Session| {
        session.find_devices().await?.iter().for_each(describe);
        Ok(())
    })
    .await
}

// ANCHOR: describe
fn describe(device: &Device) {
    println!("{}: {}", device.index(), device.label());
    println!("  model: {}, its owner calls it: {:?}", device.name(), device.display_name());
    println!("  time between two writes: {:?}", device.message_gap());
    for feature in device.features() {
        println!("  feature {} {:?}", feature.index(), feature.description());
        describe_feature(&feature);
    }
}

fn describe_feature(feature: &Feature) {
    for output in feature.outputs() {
        print!("    output {}: steps {}", output.kind, output.range);
        match output.duration_ms {
            Some(range) => println!(", in {range} ms"),
            None => println!(),
        }
    }
    for input in feature.inputs() {
        let ranges: Vec<String> = input.ranges.iter().map(ToString::to_string).collect();
        println!(
            "    input {}: {}, read: {}, subscribe: {}",
            input.kind,
            ranges.join(", "),
            input.commands.read,
            input.commands.subscribe
        );
    }
    for name in feature.unknown() {
        println!("    {name}: the server is newer than this program");
    }
}
// ANCHOR_END: describe

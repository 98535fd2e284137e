//! What the server tells of the hardware that it was shown.
#![allow(clippy::expect_used, reason = "the helpers of tests fail as tests do")]

mod rig;

use buttplug_core::DeviceIndex;
use buttplug_hardware_simulated::Archetype::{OneMotorVibrator, Rotator, Stroker};
use buttplug_hardware_simulated::{SimulatedBus, SimulatedDevice};
use buttplug_protocols::catalogue::Catalogue;
use buttplug_server::configuration::{DeviceConfiguration, UserConfiguration};
use buttplug_server::sightings::Outcome;
use buttplug_server::{Server, ServerBuilder};
use rig::within;
use std::sync::Arc;

/// A catalogue that knows simulated vibrators, has no model for strokers, and has never heard of rotators.
fn catalogue() -> Catalogue {
    let (vibrator, stroker) = (OneMotorVibrator.name(), Stroker.name());
    let text = format!(
        "write = \"value\"\n[[simulated]]\nnames = [\"{vibrator}\", \"{stroker}\"]\n[[model]]\nnames.Vibrator = \"{vibrator}\"\n\
         features = [{{ vibrate = 9 }}]\n[[example]]\ndo = \"vibrate 0 1\"\nfeatures = [{{ vibrate = 9 }}]\nwrite = \"01\"\n"
    );
    let mut catalogue = Catalogue::builtin();
    catalogue.add_definition("simulated.toml", &text).expect("a valid definition");
    catalogue
}

/// Searches on a server with these devices, and answers what is told until so much has been.
async fn told(
    devices: &[SimulatedDevice],
    count: usize,
    settings: impl FnOnce(ServerBuilder) -> ServerBuilder,
) -> Vec<(String, Outcome)> {
    let bus = Arc::new(SimulatedBus::new(devices.iter().cloned()));
    let server = settings(Server::builder().bus(bus)).start();
    let mut sightings = server.sightings();
    server.search(true);
    let mut told = Vec::new();
    while told.len() < count {
        let sighted = within(sightings.recv()).await.expect("all of it");
        told.push((sighted.sighting.address, sighted.outcome));
    }
    server.shut_down().await;
    told.sort_by(|a, b| a.0.cmp(&b.0));
    told
}

#[tokio::test(start_paused = true)]
async fn everything_that_comes_of_a_sighting_is_told() {
    let devices = [
        SimulatedDevice::new(OneMotorVibrator, "a"),
        SimulatedDevice::new(Stroker, "b"),
        SimulatedDevice::new(Rotator, "c"),
        SimulatedDevice::new(OneMotorVibrator, "d"),
    ];
    let denied = DeviceConfiguration { address: "d".into(), deny: true, ..DeviceConfiguration::default() };
    let configuration = UserConfiguration { devices: vec![denied], ..UserConfiguration::default() };
    let told =
        told(&devices, 6, |builder| builder.catalogue(catalogue()).user_configuration(configuration)).await;
    let told: Vec<_> = told.iter().map(|(address, outcome)| (address.as_str(), outcome.clone())).collect();
    let matched = || Outcome::Matched(vec!["simulated".into()]);
    let connected =
        Outcome::Connected { index: DeviceIndex(0), name: "Vibrator".into(), protocol: "simulated".into() };
    let failed = "no model of simulated is called \"simulated-stroker\", and it has no fallback";
    assert_eq!(
        told,
        [
            ("a", matched()),
            ("a", connected),
            ("b", matched()),
            ("b", Outcome::Failed(failed.into())),
            ("c", Outcome::Unknown),
            ("d", Outcome::Refused("your configuration denies it".into())),
        ]
    );
}

#[tokio::test(start_paused = true)]
async fn a_server_that_only_looks_opens_nothing() {
    let device = SimulatedDevice::new(OneMotorVibrator, "a");
    let told = told(std::slice::from_ref(&device), 1, ServerBuilder::look_only).await;
    assert_eq!(told, [("a".into(), Outcome::Matched(vec!["simulated".into()]))]);
    assert!(!device.is_connected() && device.writes().is_empty());
}

//! What the owner of the devices decided counts: when a device connects, and, if it is denied, at once.

mod rig;

use buttplug_core::{DeviceIndex, FeatureIndex, OutputKind};
use buttplug_hardware_simulated::Archetype::{OneMotorVibrator, Stroker, TwoMotorVibrator};
use buttplug_hardware_simulated::{Archetype, SimulatedDevice};
use buttplug_server::configuration::{DeviceConfiguration, OutputConfiguration, UserConfiguration};
use rig::{Rig, output, settle, sleep_ms, texts};
use std::time::Duration;

fn at(address: &str) -> DeviceConfiguration {
    DeviceConfiguration { address: address.into(), ..DeviceConfiguration::default() }
}

fn output_of(feature: u32, kind: OutputKind) -> OutputConfiguration {
    OutputConfiguration::new(FeatureIndex(feature), kind)
}

async fn rig_with(archetypes: &[Archetype], configuration: UserConfiguration) -> Rig {
    Rig::with(archetypes, Duration::ZERO, |builder| builder.user_configuration(configuration)).await
}

async fn rig(archetypes: &[Archetype], devices: Vec<DeviceConfiguration>) -> Rig {
    rig_with(archetypes, UserConfiguration { devices, ..UserConfiguration::default() }).await
}

#[tokio::test(start_paused = true)]
async fn a_device_gets_the_index_the_name_and_the_gap_that_were_decided() {
    let mine = DeviceConfiguration {
        index: Some(DeviceIndex(7)),
        display_name: Some("Blue one".into()),
        message_gap: Some(Duration::from_millis(40)),
        ..at("simulated:1")
    };
    let rig = rig(&[OneMotorVibrator, OneMotorVibrator], vec![mine]).await;
    let devices = rig.server.devices();
    let seen: Vec<_> = devices
        .iter()
        .map(|device| (device.index.0, device.display_name.as_deref(), device.message_gap_ms))
        .collect();
    assert_eq!(seen, [(0, None, 0), (7, Some("Blue one"), 40)]);
    let mut client = rig.client().await;
    for value in [1, 2, 3] {
        client.sets(7, 0, "Vibrate", value).await;
    }
    sleep_ms(100).await;
    assert_eq!(rig.told(1), ["0 ms: 0 Vibrate 1", "40 ms: 0 Vibrate 3"]);
}

#[tokio::test(start_paused = true)]
async fn a_limit_holds_for_every_command_and_a_stop_writes_zero() {
    let limited = OutputConfiguration { limit: Some((5, 10)), ..output_of(0, OutputKind::Vibrate) };
    let off = OutputConfiguration { disabled: true, ..output_of(1, OutputKind::Vibrate) };
    let mine = DeviceConfiguration { outputs: vec![limited, off], ..at("simulated:0") };
    let rig = rig(&[TwoMotorVibrator], vec![mine]).await;
    let mut client = rig.client().await;
    for (value, reply) in [(1, "Ok"), (5, "Ok"), (6, "Error")] {
        let heard = client.tries(0, 0, "Vibrate", value).await;
        assert!(heard.contains(reply), "{value}: {heard}");
        settle().await;
    }
    let hidden = client.tries(0, 1, "Vibrate", 1).await;
    assert!(hidden.contains("no feature 1"), "{hidden}");
    client.asks(r#"[{"StopCmd":{"Id":3}}]"#).await;
    settle().await;
    assert_eq!(texts(&rig.devices[0]), ["0 Vibrate 6", "0 Vibrate 10", "0 Vibrate 0", "1 Vibrate 0"]);
}

#[tokio::test(start_paused = true)]
async fn a_reversed_stroker_with_limits_goes_the_other_way_and_no_faster_than_allowed() {
    let turned = OutputConfiguration {
        limit: Some((20, 60)),
        reverse: true,
        duration_ms: Some((100, 5000)),
        ..output_of(0, OutputKind::HwPositionWithDuration)
    };
    let mine = DeviceConfiguration { outputs: vec![turned], ..at("simulated:0") };
    let rig = rig(&[Stroker], vec![mine]).await;
    let mut client = rig.client().await;
    for (value, duration) in [(0, 500), (40, 0), (1, 9000)] {
        let command = format!(r#"{{"HwPositionWithDuration":{{"Value":{value},"Duration":{duration}}}}}"#);
        let heard = client.asks(output(5, 0, 0, &command)).await;
        assert!(heard.contains("Ok"), "{heard}");
        settle().await;
    }
    let told = texts(&rig.devices[0]).join(", ");
    assert_eq!(
        told,
        "0 HwPositionWithDuration 60 in 500 ms, 0 HwPositionWithDuration 20 in 100 ms, 0 HwPositionWithDuration 59 in 5000 ms"
    );
}

#[tokio::test(start_paused = true)]
async fn who_is_denied_or_not_among_the_allowed_never_connects() {
    let deny = DeviceConfiguration { deny: true, allow: true, ..at("SIMULATED:denied") };
    let allow = DeviceConfiguration { allow: true, ..at("simulated:0") };
    let rig = rig(&[OneMotorVibrator], vec![deny, allow]).await;
    let others = ["simulated:denied", "simulated:stranger"].map(|address| {
        let device = SimulatedDevice::new(OneMotorVibrator, address);
        rig.bus.add(device.clone());
        device
    });
    let mut client = rig.client().await;
    client.asks(r#"[{"StartScanning":{"Id":2}}]"#).await;
    sleep_ms(5_000).await;
    assert!(others.iter().all(|device| !device.is_connected() && device.write_count() == 0));
    assert_eq!(rig.server.devices().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_device_that_is_denied_while_it_runs_is_stopped_and_leaves() {
    let rig = rig(&[OneMotorVibrator, OneMotorVibrator], Vec::new()).await;
    let mut client = rig.client().await;
    for device in [0, 1] {
        client.sets(device, 0, "Vibrate", 9).await;
    }
    settle().await;
    let deny = DeviceConfiguration { deny: true, ..at("simulated:0") };
    rig.server
        .set_user_configuration(UserConfiguration { devices: vec![deny], ..UserConfiguration::default() });
    sleep_ms(5_000).await;
    assert!(rig.devices[0].is_at_rest() && !rig.devices[0].is_connected());
    assert!(!rig.devices[1].is_at_rest() && rig.devices[1].is_connected());
    assert_eq!(rig.server.devices().len(), 1);
    let heard = client.heard().await.join("");
    assert!(heard.contains("DeviceList") && !heard.contains("simulated:0"), "{heard}");

    rig.server.set_user_configuration(UserConfiguration::default());
    rig.devices[0].vanish();
    rig.devices[0].reappear();
    rig.find().await;
    assert_eq!(rig.server.devices().len(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_device_that_takes_its_time_gets_its_zeros_also_when_it_may_stay_no_longer() {
    let rig = rig(&[OneMotorVibrator], Vec::new()).await;
    let mut client = rig.client().await;
    client.sets(0, 0, "Vibrate", 9).await;
    settle().await;
    assert!(!rig.devices[0].is_at_rest());
    // Longer than a device that is closed is waited for.
    rig.devices[0].slow_writes(Duration::from_millis(1500));
    let deny = DeviceConfiguration { deny: true, ..at("simulated:0") };
    rig.server
        .set_user_configuration(UserConfiguration { devices: vec![deny], ..UserConfiguration::default() });
    sleep_ms(4_000).await;
    assert!(rig.devices[0].is_at_rest());
}

/// Its link is lost while it runs; when it is there again, this is what its owner has decided.
async fn a_lost_runner_returns_to(configuration: UserConfiguration) -> Rig {
    let rig = rig(&[OneMotorVibrator, OneMotorVibrator], Vec::new()).await;
    let mut client = rig.client().await;
    client.sets(0, 0, "Vibrate", 9).await;
    settle().await;
    rig.devices[0].vanish();
    settle().await;
    rig.server.set_user_configuration(configuration);
    rig.devices[0].forget_writes();
    rig.devices[0].reappear();
    client.asks(r#"[{"StartScanning":{"Id":2}}]"#).await;
    sleep_ms(5_000).await;
    rig
}

#[tokio::test(start_paused = true)]
async fn a_device_that_was_lost_while_it_ran_is_stopped_even_if_it_may_not_stay() {
    let deny = DeviceConfiguration { deny: true, ..at("simulated:0") };
    let allow = DeviceConfiguration { allow: true, ..at("simulated:1") };
    for decided in [deny, allow] {
        let configuration = UserConfiguration { devices: vec![decided], ..UserConfiguration::default() };
        let rig = a_lost_runner_returns_to(configuration).await;
        assert_eq!(texts(&rig.devices[0]), ["0 Vibrate 0"], "its zero, and nothing after it");
        assert!(!rig.devices[0].is_connected(), "then it is let go");
        assert_eq!(rig.server.running_devices().borrow().len(), 0);
        let seen: Vec<_> = rig.server.devices().iter().map(|device| device.index.0).collect();
        assert_eq!(seen, [1], "no client gets to see it");
    }
}

#[tokio::test(start_paused = true)]
async fn a_device_that_was_lost_while_it_ran_is_stopped_at_whatever_step_of_its_return_it_is_denied() {
    for steps in 0..30 {
        let rig = rig(&[OneMotorVibrator], Vec::new()).await;
        let mut client = rig.client().await;
        client.sets(0, 0, "Vibrate", 9).await;
        settle().await;
        rig.devices[0].vanish();
        settle().await;
        rig.devices[0].forget_writes();
        rig.devices[0].reappear();
        client.says(r#"[{"StartScanning":{"Id":2}}]"#);
        for _ in 0..steps {
            tokio::task::yield_now().await;
        }
        let deny = DeviceConfiguration { deny: true, ..at("simulated:0") };
        rig.server.set_user_configuration(UserConfiguration {
            devices: vec![deny],
            ..UserConfiguration::default()
        });
        sleep_ms(5_000).await;
        let told = texts(&rig.devices[0]);
        assert!(!told.is_empty() && told.iter().all(|told| told == "0 Vibrate 0"), "{steps}: {told:?}");
        assert!(!rig.devices[0].is_connected(), "{steps}");
        assert_eq!(rig.server.devices().len(), 0, "{steps}");
    }
}

#[tokio::test(start_paused = true)]
async fn what_has_connected_is_known_with_its_index_and_word_comes_of_it() {
    let mut rig = rig(&[OneMotorVibrator], Vec::new()).await;
    let mut known = rig.server.known_devices();
    known.borrow_and_update();
    rig.add(Stroker).await;
    assert!(known.has_changed().unwrap());
    let seen: Vec<_> = known
        .borrow_and_update()
        .iter()
        .map(|known| (known.identity.address.clone(), known.index.0, known.name.clone()))
        .collect();
    let expected = [
        ("simulated:0".to_owned(), 0, "Simulated 1-Motor Vibrator".to_owned()),
        ("simulated:1".to_owned(), 1, "Simulated Stroker".to_owned()),
    ];
    assert_eq!(seen, expected);
    rig.devices[1].vanish();
    sleep_ms(100).await;
    rig.devices[1].reappear();
    rig.find().await;
    assert!(!known.has_changed().unwrap(), "nothing new");
}

#[tokio::test(start_paused = true)]
async fn an_output_that_nobody_renews_returns_to_zero_and_one_that_is_renewed_runs_on() {
    let own = DeviceConfiguration { max_run: Some(Duration::from_secs(60)), ..at("simulated:1") };
    let max_run = Some(Duration::from_secs(10));
    let rig =
        rig_with(&[TwoMotorVibrator, OneMotorVibrator], UserConfiguration { devices: vec![own], max_run })
            .await;
    let mut client = rig.client().await;
    for (device, feature, value) in [(0, 0, 5), (0, 1, 6), (1, 0, 7)] {
        client.sets(device, feature, "Vibrate", value).await;
    }
    sleep_ms(6_000).await;
    // What it has already, so that nothing is written.
    client.sets(0, 1, "Vibrate", 6).await;
    sleep_ms(30_000).await;
    assert_eq!(
        rig.told(0),
        ["0 ms: 0 Vibrate 5", "0 ms: 1 Vibrate 6", "10000 ms: 0 Vibrate 0", "16000 ms: 1 Vibrate 0"]
    );
    assert_eq!(rig.told(1), ["0 ms: 0 Vibrate 7"]);
    sleep_ms(30_000).await;
    assert_eq!(rig.told(1), ["0 ms: 0 Vibrate 7", "60000 ms: 0 Vibrate 0"]);
    client.sets(0, 0, "Vibrate", 5).await;
    settle().await;
    assert_eq!(texts(&rig.devices[0]).last().map(String::as_str), Some("0 Vibrate 5"), "it can go on");
}

#[tokio::test(start_paused = true)]
async fn a_zero_that_is_due_does_not_wait_for_the_gap_and_is_tried_until_it_arrives() {
    let configuration =
        UserConfiguration { max_run: Some(Duration::from_secs(1)), ..UserConfiguration::default() };
    let rig = Rig::with(&[OneMotorVibrator], Duration::from_secs(5), |builder| {
        builder.user_configuration(configuration)
    })
    .await;
    let mut client = rig.client().await;
    client.sets(0, 0, "Vibrate", 5).await;
    settle().await;
    rig.devices[0].fail_writes(true);
    sleep_ms(1_100).await;
    rig.devices[0].fail_writes(false);
    sleep_ms(400).await;
    assert!(rig.devices[0].is_at_rest());
    assert_eq!(rig.told(0).len(), 2, "{:?}", rig.told(0));
}

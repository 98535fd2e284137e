//! Inputs.

use crate::world::{AGES, World};
use buttplug::core::{ErrorClass, InputKind};
use buttplug::{Error, Event, InvalidCommand};
use buttplug_hardware_simulated::Archetype;
use tokio::time::timeout;

#[tokio::test(start_paused = true)]
async fn k29_r20_the_battery_is_a_fraction_or_a_percentage() {
    let world = World::new(&[Archetype::OneMotorVibrator]).await;
    world.toys[0].set_battery(85);
    let device = &world.devices[0];
    assert_eq!((device.battery().await, device.battery_percent().await), (Ok(0.85), Ok(85)));
}

#[tokio::test(start_paused = true)]
async fn k34_r18_what_is_not_listed_is_refused() {
    let world = World::new(&[Archetype::PressureSensor]).await;
    let device = &world.devices[0];
    for refused in [
        device.subscribe(InputKind::Battery).await.map(|_| ()),
        device.read(InputKind::Pressure).await.map(|_| ()),
        device.read(InputKind::Button).await.map(|_| ()),
    ] {
        let refused = refused.unwrap_err();
        assert!(
            matches!(
                refused,
                Error::Invalid(InvalidCommand::ActionNotListed { .. } | InvalidCommand::NoInput { .. })
            ),
            "{refused}"
        );
        assert_eq!(refused.class(), Some(ErrorClass::Device));
    }
}

#[tokio::test(start_paused = true)]
async fn k32_k33_r19_readings_are_a_stream_and_dropping_it_unsubscribes() {
    let mut world = World::new(&[Archetype::PressureSensor]).await;
    let toy = &world.toys[0];
    let mut pressure = world.devices[0].subscribe(InputKind::Pressure).await.unwrap();
    for value in [212, 0, 65_535] {
        toy.set_pressure(value);
        assert_eq!(timeout(AGES, pressure.next()).await, Ok(Some(i32::from(value))));
    }
    let mut told = Vec::new();
    while told.len() < 3 {
        if let Event::Reading(reading) = crate::world::next(&mut world.events).await {
            told.push((reading.device, reading.value));
        }
    }
    let device = world.devices[0].index();
    assert_eq!(told, [(device, 212), (device, 0), (device, 65_535)]);
    let subscribed = |toy: &buttplug_hardware_simulated::SimulatedDevice| {
        toy.is_subscribed(buttplug::embedded::protocols::frame::Endpoint::RxPressure)
    };
    assert!(subscribed(toy));
    drop(pressure);
    timeout(AGES, toy.wait_for(|toy| !subscribed(toy))).await.expect("an unsubscription");
}

//! Devices that come and go, other clients, and what the table and its handles make of it.

use crate::world::{AGES, World, next};
use buttplug::core::{ErrorClass, OutputKind};
use buttplug::{Client, Error, Event, embedded};
use buttplug_hardware_simulated::Archetype;
use tokio::time::timeout;

const BOTH: [Archetype; 2] = [Archetype::TwoMotorVibrator, Archetype::Stroker];

#[tokio::test(start_paused = true)]
async fn k8_r5_r6_r10_devices_that_are_there_already_are_in_the_table_when_connect_returns() {
    let world = World::new(&BOTH).await;
    let second = Client::new("Second");
    let info = second.connect(embedded::connector(&world.server)).await.unwrap();
    assert_eq!((info.major, second.server()), (4, Some(info.clone())));
    let mut events = second.events();
    assert!(matches!(next(&mut events).await, Event::Connected(server) if server == info));
    for device in second.devices() {
        assert!(matches!(next(&mut events).await, Event::DeviceAdded(added) if added == device));
    }
    let stroker =
        second.devices().into_iter().find(|device| device.has_output(OutputKind::Position)).unwrap();
    assert_eq!((stroker.label(), stroker.display_name()), (String::from("Simulated Stroker"), None));
    let axis = stroker.features().remove(0);
    assert_eq!(axis.description(), "Linear Axis");
    let timed = axis.output(OutputKind::HwPositionWithDuration).unwrap();
    assert_eq!((timed.range.max(), timed.duration_ms.unwrap().max()), (1000, 100_000));
}

#[tokio::test(start_paused = true)]
async fn k9_k10_k35_k36_r7_r9_a_device_that_leaves_takes_its_handles_with_it_and_comes_back_with_new_ones() {
    let mut world = World::new(&BOTH).await;
    let old = world.devices[0].clone();
    let motor = old.features().remove(0);
    world.toys[0].vanish();
    loop {
        if let Event::DeviceRemoved(device) = next(&mut world.events).await {
            assert_eq!(device, old);
            break;
        }
    }
    for failed in [old.vibrate(0.5).await, motor.vibrate(0.5).await, old.stop().await] {
        assert!(matches!(failed, Err(Error::Gone { .. })), "{failed:?}");
        assert_eq!(failed.unwrap_err().class(), Some(ErrorClass::Device));
    }
    world.toys[0].reappear();
    world.client.start_scanning().await.unwrap();
    let new = loop {
        if let Event::DeviceAdded(device) = next(&mut world.events).await {
            break device;
        }
    };
    assert_eq!(new.index(), old.index());
    assert!(new != old && new.is_present() && !old.is_present());
    assert_eq!(new.vibrate(0.5).await, Ok(()));
    world.is_told(0, 0, OutputKind::Vibrate, 50).await;
}

#[tokio::test(start_paused = true)]
async fn k24_c101_r17_many_calls_at_the_same_time_each_get_their_own_reply() {
    let world = World::new(&BOTH).await;
    world.toys[0].set_battery(11);
    world.toys[1].set_battery(22);
    let (vibrator, stroker) = (&world.devices[0], &world.devices[1]);
    let (first, second, moved, refused, stopped) = tokio::join!(
        vibrator.battery_percent(),
        stroker.battery_percent(),
        vibrator.vibrate(0.5),
        stroker.vibrate(0.5),
        stroker.stop(),
    );
    assert_eq!((first, second, moved, stopped), (Ok(11), Ok(22), Ok(()), Ok(())));
    assert!(matches!(refused, Err(Error::Invalid(_))), "{refused:?}");
}

#[tokio::test(start_paused = true)]
async fn k45_r1_connecting_while_connected_is_an_error_and_the_session_goes_on() {
    let world = World::new(&BOTH).await;
    let again = world.client.connect(embedded::connector(&world.server)).await;
    assert_eq!(again, Err(Error::AlreadyConnected));
    assert_eq!(world.devices[0].vibrate(0.5).await, Ok(()));
}

#[tokio::test(start_paused = true)]
async fn k46_r28_a_handler_may_call_anything_while_events_pile_up() {
    let world = World::new(&BOTH).await;
    let (client, server) = (Client::new("Second"), world.server.clone());
    let mut events = client.events();
    let handler = tokio::spawn(async move {
        let mut stopped = 0;
        while stopped < 2 {
            if let Some(Event::DeviceAdded(device)) = events.next().await {
                device.stop().await.unwrap();
                stopped += 1;
            }
        }
    });
    client.connect(embedded::connector(&server)).await.unwrap();
    timeout(AGES, handler).await.expect("no deadlock").unwrap();
}

#[tokio::test(start_paused = true)]
async fn k53_the_scanning_flag_follows_the_search() {
    let mut world = World::new(&[Archetype::OneMotorVibrator]).await;
    // The simulated search ends by itself.
    world.client.start_scanning().await.unwrap();
    while !matches!(next(&mut world.events).await, Event::ScanningFinished) {}
    assert!(!world.client.is_scanning());
    // One without a bus does not.
    let server = embedded::Server::builder().start();
    let client = Client::new("Second");
    client.connect(embedded::connector(&server)).await.unwrap();
    client.start_scanning().await.unwrap();
    assert!(client.is_scanning());
    client.stop_scanning().await.unwrap();
    assert!(!client.is_scanning());
    let mut events = client.events();
    assert!(matches!(next(&mut events).await, Event::Connected(_)));
    assert!(matches!(next(&mut events).await, Event::ScanningFinished));
}

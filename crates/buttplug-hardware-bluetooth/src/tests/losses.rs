//! Adapters, links and services that go away, and devices that come back.

use super::*;
use crate::limits::{SEEK_TIME, SURVEY_WITH};
use crate::radio::RadioError;
use buttplug_server::hardware::HardwareEvent;

#[tokio::test(start_paused = true)]
async fn an_adapter_that_is_off_is_a_state_and_the_search_resumes_by_itself() {
    let mut rig = Rig::new().await;
    rig.radio.set_adapters(&[("hci0", false)]);
    rig.bus.start_scanning().await.unwrap();
    sleep(10 * SECOND).await;
    assert_eq!(rig.bus.state(), BluetoothState::Off(vec!["hci0".into()]));
    assert_eq!(rig.radio.done(), Vec::<String>::new(), "what is off stays off");
    rig.radio.power(true);
    sleep(MS).await;
    assert_eq!(rig.radio.done(), ["scan on hci0"]);
    rig.radio.power(false);
    sleep(MS).await;
    rig.radio.power(true);
    sleep(MS).await;
    assert_eq!(rig.radio.done(), ["scan on hci0"]);
    rig.radio.add("AA", "LVS-Z001");
    assert_eq!(rig.reported(&["AA"]).await.len(), 1);
}

#[tokio::test(start_paused = true)]
async fn an_adapter_that_is_pulled_out_ends_its_links_and_the_devices_come_back_with_it() {
    let mut rig = Rig::searching().await;
    let (_, mut open) = rig.opened("AA").await;
    rig.radio.set_adapters(&[]);
    sleep(SURVEY_WITH + SECOND).await;
    assert_eq!(rig.bus.state(), BluetoothState::NoAdapter);
    assert_eq!(open.events.recv().await, Some(HardwareEvent::Gone("the adapter hci0 is gone".into())));
    rig.radio.change("AA", |toy| toy.view.connected = false);
    rig.radio.set_adapters(&[("hci0", true)]);
    assert_eq!(rig.reported_within(&["AA"], 5 * SECOND).await.len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_service_that_is_missing_is_a_state_and_is_asked_again() {
    let rig = Rig::new().await;
    rig.radio.set_problem(Some(RadioError::NoService("bluetoothd does not run".into())));
    rig.bus.start_scanning().await.unwrap();
    sleep(SECOND).await;
    assert_eq!(rig.bus.state(), BluetoothState::Unusable("bluetoothd does not run".into()));
    rig.radio.set_problem(None);
    sleep(3 * SECOND).await;
    assert_eq!(rig.bus.state(), BluetoothState::Ready(vec!["hci0".into()]));
}

#[tokio::test(start_paused = true)]
async fn the_end_of_a_link_is_noticed_at_once_and_the_device_sought_without_a_client() {
    let mut rig = Rig::searching().await;
    let (sighting, mut open) = rig.opened("AA").await;
    rig.bus.stop_scanning().await.unwrap();
    sleep(60 * SECOND).await;
    rig.radio.done();
    rig.radio.drop_link("AA");
    let lost = Instant::now();
    assert!(!rig.bus.seeks("AA"), "it is open");
    assert_eq!(open.events.recv().await, Some(HardwareEvent::Gone("the link ended".into())));
    assert_eq!(lost.elapsed(), Duration::ZERO);
    assert!(rig.bus.seeks("AA") && !rig.bus.seeks("BB"), "so the server need not search for it");
    assert_eq!(open.hardware.write(&frame(7)).await, Err(HardwareError::Gone));
    open.hardware.close().await;
    rig.radio.change("AA", |toy| toy.view.name = String::new());
    rig.radio.add("BB", "another toy, which nobody searches");
    sleep(10 * SECOND).await;
    let found = rig.reported(&["AA", "BB"]).await;
    assert_eq!(found, std::slice::from_ref(&sighting), "as what it was, so that it gets its index");
    let again = rig.open(&sighting).await.unwrap();
    assert!(again.hardware.write(&frame(0)).await.is_ok());
    assert!(!rig.bus.seeks("AA"), "it is back");
    sleep(SECOND).await;
    assert!(!rig.radio.is_scanning());
}

#[tokio::test(start_paused = true)]
async fn a_lost_device_is_given_up_after_a_while() {
    let mut rig = Rig::searching().await;
    let (_, _open) = rig.opened("AA").await;
    rig.bus.stop_scanning().await.unwrap();
    sleep(10 * SECOND).await;
    rig.radio.drop_link("AA");
    sleep(SEEK_TIME - SECOND).await;
    assert!(rig.bus.awaits("AA") && !rig.bus.seeks("AA"), "the radio rests now and then");
    sleep(11 * SECOND).await;
    assert!(!rig.bus.awaits("AA"));
    rig.radio.done();
    sleep(3600 * SECOND).await;
    assert_eq!(rig.radio.done(), Vec::<String>::new());
    assert!(!rig.radio.is_scanning());
}

#[tokio::test(start_paused = true)]
async fn a_write_that_fails_because_the_link_is_gone_means_the_same() {
    let mut rig = Rig::searching().await;
    let (_, mut open) = rig.opened("AA").await;
    rig.radio.change("AA", |toy| toy.view.connected = false);
    assert_eq!(open.hardware.write(&frame(7)).await, Err(HardwareError::Gone));
    assert!(matches!(open.events.recv().await, Some(HardwareEvent::Gone(_))));
    open.hardware.close().await;
    assert_eq!(rig.reported(&["AA"]).await.len(), 1, "it is sought");
}

#[tokio::test(start_paused = true)]
async fn a_link_that_is_up_although_it_was_declared_lost_is_ended_so_that_the_device_comes_back() {
    let mut rig = Rig::searching().await;
    let (sighting, open) = rig.opened("AA").await;
    rig.radio.change("AA", |toy| toy.denied = true);
    assert_eq!(open.hardware.write(&frame(7)).await, Err(HardwareError::Gone));
    // It is not heard.
    assert_eq!(rig.reported_within(&[], 3 * SECOND).await, std::slice::from_ref(&sighting));
    let done = rig.radio.done();
    assert!(done.contains(&"disconnect AA".into()), "{done:?}");
    rig.radio.change("AA", |toy| toy.denied = false);
    assert!(rig.open(&sighting).await.is_ok());
}

#[tokio::test(start_paused = true)]
async fn a_link_that_is_declared_lost_as_the_bus_ends_is_not_left_up() {
    let mut rig = Rig::searching().await;
    let (_, open) = rig.opened("AA").await;
    rig.radio.change("AA", |toy| {
        toy.denied = true;
        toy.look_time = 60 * SECOND;
    });
    assert_eq!(open.hardware.write(&frame(7)).await, Err(HardwareError::Gone));
    rig.bus.shut_down().await;
    let done = rig.radio.done();
    assert!(done.contains(&"disconnect AA".into()), "{done:?}");
}

#[tokio::test(start_paused = true)]
async fn news_of_the_end_of_an_earlier_link_does_not_end_this_one() {
    let mut rig = Rig::searching().await;
    let (_, mut open) = rig.opened("AA").await;
    rig.radio.drop_link("AA");
    rig.radio.change("AA", |toy| toy.view.connected = true);
    assert!(timeout(10 * SECOND, open.events.recv()).await.is_err());
    assert!(open.hardware.write(&frame(7)).await.is_ok());
}

#[tokio::test(start_paused = true)]
async fn the_end_of_a_link_that_comes_before_it_is_known_as_open_is_noticed() {
    let mut rig = Rig::searching().await;
    rig.radio.add("AA", "LVS-Z001");
    rig.radio.change("AA", |toy| toy.drops_at_once = true);
    let sighting = rig.reported(&["AA"]).await.remove(0);
    let mut open = rig.open(&sighting).await.unwrap();
    let heard = timeout(SECOND, open.events.recv()).await;
    assert_eq!(heard, Ok(Some(HardwareEvent::Gone("the link ended".into()))));
    open.hardware.close().await;
    rig.radio.change("AA", |toy| toy.drops_at_once = false);
    assert_eq!(rig.reported(&["AA"]).await, [sighting], "it is sought");
}

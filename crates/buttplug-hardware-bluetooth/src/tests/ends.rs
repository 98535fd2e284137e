//! The end of hardware and of the bus.

use super::*;
use crate::fake::{NAME, TX};

#[tokio::test(start_paused = true)]
async fn closing_waits_for_the_last_write_to_arrive_but_not_for_the_end_of_the_link() {
    let mut rig = Rig::searching().await;
    let (_, open) = rig.opened("AA").await;
    rig.radio.change("AA", |toy| toy.answer_time = 150 * MS);
    open.hardware.write(&frame(0)).await.unwrap();
    let began = Instant::now();
    open.hardware.close().await;
    let took = began.elapsed();
    assert!(took >= 150 * MS && took < 500 * MS, "{took:?}; the link itself takes 2.5 s");
    assert_eq!(
        rig.radio.done(),
        [format!("command {TX} [00]"), format!("read {NAME}"), "disconnect AA".into()]
    );
    open.hardware.close().await;
}

#[tokio::test(start_paused = true)]
async fn a_device_is_not_opened_again_before_its_last_link_has_ended() {
    let mut rig = Rig::searching().await;
    let (sighting, open) = rig.opened("AA").await;
    open.hardware.close().await;
    let began = Instant::now();
    // The server may have a sighting from before.
    let found = rig.reported_within(&["AA"], 6 * SECOND).await;
    assert_eq!(found, std::slice::from_ref(&sighting));
    assert!(rig.open(&sighting).await.is_ok());
    assert!(began.elapsed() > 2 * SECOND);
    assert_eq!(rig.radio.done(), ["disconnect AA", "connect AA"]);
}

#[tokio::test(start_paused = true)]
async fn hardware_that_is_dropped_without_being_closed_is_let_go() {
    let mut rig = Rig::searching().await;
    let (_, open) = rig.opened("AA").await;
    drop(open);
    sleep(SECOND).await;
    assert_eq!(rig.radio.done(), ["disconnect AA"]);
}

#[tokio::test(start_paused = true)]
async fn the_end_of_the_bus_is_quick_although_links_take_their_time() {
    let mut rig = Rig::searching().await;
    let (_, one) = rig.opened("AA").await;
    let (_, other) = rig.opened("BB").await;
    let began = Instant::now();
    tokio::join!(one.hardware.close(), other.hardware.close());
    rig.bus.stop_scanning().await.unwrap();
    rig.bus.shut_down().await;
    assert!(began.elapsed() < SECOND, "{:?}", began.elapsed());
    let done = rig.radio.done();
    for line in ["disconnect AA", "disconnect BB", "no scan on hci0", "end"] {
        assert!(done.iter().any(|done| done == line), "{line}: {done:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn the_end_of_the_bus_leaves_no_link_up_that_was_open_or_about_to_be() {
    let mut rig = Rig::searching().await;
    let (_, handshaking) = rig.opened("AA").await;
    let (_, held) = rig.opened("BB").await;
    rig.radio.change("AA", |toy| toy.answer_time = 60 * SECOND);
    assert!(timeout(SECOND, handshaking.hardware.read(Endpoint::RxBleBattery, 1)).await.is_err());
    rig.radio.done();
    // The server has given up the handshake a moment ago.
    drop(handshaking);
    let began = Instant::now();
    rig.bus.shut_down().await;
    assert!(began.elapsed() <= SECOND, "{:?}", began.elapsed());
    let done = rig.radio.done();
    for line in ["disconnect AA", "disconnect BB"] {
        assert!(done.iter().any(|done| done == line), "{line}: {done:?}");
    }
    assert_eq!(held.hardware.write(&frame(7)).await, Err(HardwareError::Gone));
}

#[tokio::test(start_paused = true)]
async fn the_end_of_the_bus_ends_an_attempt_to_connect_and_begins_no_other() {
    let mut rig = Rig::searching().await;
    rig.radio.add("AA", "LVS-Z001");
    rig.radio.change("AA", |toy| toy.connect_time = 10 * SECOND);
    let sighting = rig.reported(&["AA"]).await.remove(0);
    let end = async {
        sleep(SECOND).await;
        rig.bus.shut_down().await;
    };
    let (opened, ()) = tokio::join!(rig.open(&sighting), end);
    assert_eq!(opened.err(), Some(HardwareError::Gone));
    assert_eq!(rig.open(&sighting).await.err(), Some(HardwareError::Gone));
    let done = rig.radio.done();
    let attempts: Vec<_> = done.iter().filter(|line| line.contains("connect AA")).collect();
    assert_eq!(attempts, ["connect AA", "disconnect AA"]);
}

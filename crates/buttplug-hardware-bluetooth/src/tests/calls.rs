//! What goes over a link, and in which order.

use super::*;
use crate::fake::{BATTERY, NAME, RX};
use crate::limits::{CALL_TIME, MAX_UNPROVED};
use crate::radio::RadioError;
use buttplug_server::hardware::{Beginning, HardwareEvent};

#[tokio::test(start_paused = true)]
async fn notifications_reach_the_endpoint_that_is_subscribed_and_no_other() {
    let mut rig = Rig::searching().await;
    let (_, mut open) = rig.opened("AA").await;
    rig.radio.notify("AA", RX, b"early");
    sleep(MS).await;
    open.hardware.subscribe(Endpoint::Rx).await.unwrap();
    open.hardware.subscribe(Endpoint::Rx).await.unwrap();
    assert_eq!(rig.radio.done(), ["subscribe 1 true"]);
    rig.radio.notify("AA", BATTERY, b"of a read");
    rig.radio.notify("AA", RX, b"OK;");
    let heard = HardwareEvent::Notification { endpoint: Endpoint::Rx, data: b"OK;".as_slice().into() };
    assert_eq!(open.events.recv().await, Some(heard));
    open.hardware.unsubscribe(Endpoint::Rx).await.unwrap();
    open.hardware.unsubscribe(Endpoint::Rx).await.unwrap();
    assert_eq!(rig.radio.done(), ["subscribe 1 false"]);
    rig.radio.notify("AA", RX, b"late");
    assert!(timeout(SECOND, open.events.recv()).await.is_err());
}

#[tokio::test(start_paused = true)]
async fn closing_one_device_does_not_silence_another() {
    let mut rig = Rig::searching().await;
    let (_, one) = rig.opened("AA").await;
    let (_, mut other) = rig.opened("BB").await;
    for open in [&one, &other] {
        open.hardware.subscribe(Endpoint::Rx).await.unwrap();
    }
    one.hardware.close().await;
    drop(one);
    sleep(10 * SECOND).await;
    rig.radio.notify("BB", RX, b"OK;");
    assert!(matches!(other.events.recv().await, Some(HardwareEvent::Notification { .. })));
}

#[tokio::test(start_paused = true)]
async fn a_wrong_endpoint_and_a_wrong_ability_are_named_at_once() {
    let mut rig = Rig::searching().await;
    let (_, open) = rig.opened("AA").await;
    let elsewhere = Frame::new(Endpoint::Firmware, &[1]);
    assert_eq!(open.hardware.write(&elsewhere).await, Err(HardwareError::NoEndpoint(Endpoint::Firmware)));
    let refusals =
        [open.hardware.read(Endpoint::Tx, 1).await.map(drop), open.hardware.subscribe(Endpoint::Tx).await];
    assert!(refusals.iter().all(|refusal| matches!(refusal, Err(HardwareError::NotSupported(_)))));
    assert_eq!(rig.radio.done(), Vec::<String>::new());
}

#[tokio::test(start_paused = true)]
async fn a_zero_leaves_behind_an_unanswered_write_within_the_patience_of_a_stop() {
    let mut rig = Rig::searching().await;
    let (_, open) = rig.opened("AA").await;
    rig.radio.change("AA", |toy| toy.answer_time = 30 * SECOND);
    let value = frame(9).with_response();
    let zero = frame(0).with_response();
    let began = Instant::now();
    let value = open.hardware.write(&value);
    let zero = async {
        sleep(MS).await;
        let written = open.hardware.write(&zero).await;
        (written, began.elapsed())
    };
    let (value, (zero, took)) = tokio::join!(value, zero);
    assert_eq!(zero, Ok(()));
    assert!(took < 200 * MS, "{took:?}");
    assert_eq!(value, Err(HardwareError::TimedOut("a write")));
    assert_eq!(rig.radio.done(), ["request 0 [09]", "command 0 [00]"]);
}

#[tokio::test(start_paused = true)]
async fn a_call_that_is_dropped_before_it_begins_is_not_made() {
    let mut rig = Rig::searching().await;
    let (_, open) = rig.opened("AA").await;
    // Only confirmed writes, and the first is not answered.
    rig.radio.change("AA", |toy| toy.answer_time = 3 * SECOND);
    let battery = open.hardware.read(Endpoint::RxBleBattery, 1);
    let dropped = async {
        sleep(MS).await;
        assert!(timeout(50 * MS, open.hardware.write(&frame(9).with_response())).await.is_err());
        open.hardware.write(&frame(0)).await
    };
    let (read, written) = tokio::join!(battery, dropped);
    assert!(read.is_ok() && written.is_ok());
    assert_eq!(rig.radio.done(), ["read 2", "command 0 [00]"]);
}

#[tokio::test(start_paused = true)]
async fn a_write_can_be_called_off_until_it_begins() {
    let mut rig = Rig::searching().await;
    rig.radio.add("AA", "LVS-Z001");
    rig.radio.change("AA", |toy| {
        toy.answer_time = SECOND;
        toy.characteristics[0].abilities.write_unconfirmed = false;
    });
    let sighting = rig.reported(&["AA"]).await.remove(0);
    let open = rig.open(&sighting).await.unwrap();
    rig.radio.done();
    let beginnings = [Beginning::default(), Beginning::default()];
    let (first, second, third) = (frame(1), frame(2), frame(3));
    let begun = open.hardware.write_unless_called_off(&first, &beginnings[0]);
    let called_off = open.hardware.write_unless_called_off(&second, &beginnings[1]);
    let deed = async {
        sleep(MS).await;
        beginnings.each_ref().map(Beginning::call_off)
    };
    let later = open.hardware.write(&third);
    let (begun, called_off, later, deed) = tokio::join!(begun, called_off, later, deed);
    assert_eq!(deed, [false, true]);
    assert!(begun.is_ok() && called_off.is_err() && later.is_ok(), "{called_off:?}");
    assert_eq!(rig.radio.done(), ["request 0 [01]", "request 0 [03]"]);
}

#[tokio::test(start_paused = true)]
async fn hardware_that_answers_nothing_gets_its_errors_in_time() {
    let mut rig = Rig::searching().await;
    let (_, open) = rig.opened("AA").await;
    rig.radio.change("AA", |toy| toy.answer_time = 30 * SECOND);
    let began = Instant::now();
    assert_eq!(open.hardware.read(Endpoint::RxBleBattery, 1).await, Err(HardwareError::TimedOut("a read")));
    assert_eq!(began.elapsed(), CALL_TIME);
}

#[tokio::test(start_paused = true)]
async fn a_slow_link_holds_a_few_values_and_never_a_second_of_them() {
    let mut rig = Rig::searching().await;
    let (_, open) = rig.opened("AA").await;
    // A request is answered after what is in front of it: here as if the link took 100 ms for each write.
    rig.radio.change("AA", |toy| toy.answer_time = 400 * MS);
    let began = Instant::now();
    for value in 0..50 {
        open.hardware.write(&frame(value)).await.unwrap();
    }
    let took = began.elapsed();
    let done = rig.radio.done();
    let written = done.iter().filter(|line| line.starts_with("command")).count();
    let longest = done.split(|line| line.starts_with("read")).map(<[String]>::len).max();
    assert_eq!(written, 50);
    assert!(longest.unwrap() as u64 <= MAX_UNPROVED, "{done:?}");
    assert!(took > 4 * SECOND, "the writer was held back: {took:?}");
    assert!(done.contains(&format!("read {NAME}")));
}

#[tokio::test(start_paused = true)]
async fn a_slow_link_is_bounded_also_where_nothing_can_be_read() {
    for (error, mark) in [
        (RadioError::Refused("Operation failed with ATT error: 0x80".into()), "read"),
        (RadioError::Failed("no answer".into()), "request"),
    ] {
        let mut rig = Rig::searching().await;
        let (_, open) = rig.opened("AA").await;
        rig.radio.change("AA", |toy| {
            toy.answer_time = 400 * MS;
            toy.read_error = Some(error);
        });
        for value in 0..50 {
            open.hardware.write(&frame(value)).await.unwrap();
        }
        let done = rig.radio.done();
        // The first proof is always a read.
        let longest =
            done.split(|line| line.starts_with(mark) || line.starts_with("read")).map(<[String]>::len).max();
        assert!(longest.unwrap() as u64 <= MAX_UNPROVED, "{done:?}");
        assert!(done.iter().filter(|line| line.starts_with(mark)).count() > 5, "{done:?}");
    }
}

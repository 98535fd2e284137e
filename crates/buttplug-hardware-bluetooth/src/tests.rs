//! The bus as the server uses it, over a radio that the test plays, in paused time.

use crate::adapters::BluetoothState;
use crate::bus::Bus;
use crate::fake::{BATTERY, FakeRadio, NAME, RX, TX, characteristics, wiring};
use crate::limits::{CALL_TIME, CONNECT_TRIES, MAX_UNPROVED, SEEK_EAGERLY, SEEK_TIME, SURVEY_WITH};
use crate::radio::{Abilities, Characteristic, RadioError};
use async_trait::async_trait;
use buttplug_client::core::{FeatureIndex, OutputKind};
use buttplug_client::{Client, Device, Output, Value};
use buttplug_connector_inprocess::InProcessConnector;
use buttplug_protocols::catalogue::Wiring;
use buttplug_protocols::frame::{Endpoint, Frame};
use buttplug_protocols::sighting::{Sighting, Uuid};
use buttplug_server::Server;
use buttplug_server::hardware::conformance::{Bench, check};
use buttplug_server::hardware::{
    Beginning, BusEvent, HardwareBus, HardwareError, HardwareEvent, OpenHardware,
};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep, timeout};

const MS: Duration = Duration::from_millis(1);
const SECOND: Duration = Duration::from_secs(1);

/// A bus, the radio under it, and the server's end of it.
struct Rig {
    bus: Bus<FakeRadio>,
    radio: FakeRadio,
    reports: mpsc::Receiver<BusEvent>,
}

impl Rig {
    async fn new() -> Self {
        let bus = Bus::new(FakeRadio::new);
        let radio = bus.radio().clone();
        let (events, reports) = mpsc::channel(64);
        bus.attach(events).await;
        Self { bus, radio, reports }
    }

    /// A search is going on.
    async fn searching() -> Self {
        let rig = Self::new().await;
        rig.bus.start_scanning().await.unwrap();
        sleep(SECOND).await;
        rig.radio.done();
        rig
    }

    /// What is reported within a second while everything that is there advertises.
    async fn reported(&mut self, addresses: &[&str]) -> Vec<Sighting> {
        self.reported_within(addresses, SECOND).await
    }

    async fn reported_within(&mut self, addresses: &[&str], time: Duration) -> Vec<Sighting> {
        let end = Instant::now() + time;
        let mut found = Vec::new();
        while Instant::now() < end {
            for address in addresses {
                self.radio.advertise(address);
            }
            sleep(100 * MS).await;
            while let Ok(BusEvent::Sighted(sighting)) = self.reports.try_recv() {
                found.push(sighting);
            }
        }
        found
    }

    async fn open(&self, sighting: &Sighting) -> Result<OpenHardware, HardwareError> {
        self.bus.open(sighting, &[&wiring()]).await
    }

    /// A toy that is found and open.
    async fn opened(&mut self, address: &str) -> (Sighting, OpenHardware) {
        self.radio.add(address, "LVS-Z001");
        let sighting = self.reported(&[address]).await.remove(0);
        let open = self.open(&sighting).await.unwrap();
        self.radio.done();
        (sighting, open)
    }
}

fn frame(byte: u8) -> Frame {
    Frame::new(Endpoint::Tx, &[byte])
}

#[tokio::test(start_paused = true)]
async fn nothing_is_done_until_somebody_searches_and_nothing_after() {
    let rig = Rig::new().await;
    sleep(60 * SECOND).await;
    assert_eq!(rig.radio.done(), Vec::<String>::new());
    assert_eq!(rig.bus.state(), BluetoothState::Unknown);
    rig.bus.start_scanning().await.unwrap();
    assert!(rig.bus.is_scanning());
    sleep(SECOND).await;
    assert_eq!(rig.radio.done(), ["scan on hci0"]);
    rig.bus.stop_scanning().await.unwrap();
    sleep(600 * SECOND).await;
    assert_eq!(rig.radio.done(), ["no scan on hci0"]);
}

#[tokio::test(start_paused = true)]
async fn a_device_is_found_opened_driven_and_closed() {
    let mut rig = Rig::searching().await;
    rig.radio.add("AA", "LVS-Z001");
    let found = rig.reported(&["AA"]).await;
    assert_eq!(found.iter().map(Sighting::name).collect::<Vec<_>>(), ["LVS-Z001"]);
    let elsewhere = Wiring::Bluetooth(Default::default());
    let open = rig.bus.open(&found[0], &[&elsewhere, &wiring()]).await.unwrap();
    assert_eq!(open.wiring, 1);
    assert_eq!(open.endpoints, [Endpoint::Tx, Endpoint::Rx, Endpoint::RxBleBattery]);
    assert!(!open.hardware.was_connected());
    rig.radio.done();
    open.hardware.write(&frame(7)).await.unwrap();
    open.hardware.write(&frame(0).with_response()).await.unwrap();
    assert_eq!(open.hardware.read(Endpoint::RxBleBattery, 1).await, Ok(vec![85]));
    assert_eq!(rig.radio.done(), ["command 0 [07]", "request 0 [00]", "read 2"]);
    open.hardware.close().await;
    assert_eq!(rig.radio.done(), ["disconnect AA"]);
    assert_eq!(open.hardware.write(&frame(7)).await, Err(HardwareError::Gone));
}

#[tokio::test(start_paused = true)]
async fn what_has_none_of_the_endpoints_is_not_accepted_and_disconnected() {
    let mut rig = Rig::searching().await;
    rig.radio.add("AA", "LVS-Z001");
    rig.radio.change("AA", |toy| toy.characteristics.truncate(0));
    let found = rig.reported(&["AA"]).await;
    assert_eq!(rig.open(&found[0]).await.err(), Some(HardwareError::NoProtocolFits));
    sleep(SECOND).await;
    assert_eq!(rig.radio.done(), ["connect AA", "disconnect AA"]);
}

#[tokio::test(start_paused = true)]
async fn what_the_system_has_connected_already_is_found_and_known_to_be_so() {
    let mut rig = Rig::new().await;
    rig.radio.add("AA", "LVS-Z001");
    rig.radio.change("AA", |toy| {
        toy.view.rssi = None;
        toy.view.connected = true;
    });
    rig.bus.start_scanning().await.unwrap();
    // It does not advertise.
    let found = rig.reported(&[]).await;
    let open = rig.open(&found[0]).await.unwrap();
    assert!(open.hardware.was_connected(), "so the server lets it rest first");
}

#[tokio::test(start_paused = true)]
async fn a_connection_that_fails_is_tried_again() {
    let mut rig = Rig::searching().await;
    rig.radio.add("AA", "LVS-Z001");
    rig.radio.change("AA", |toy| toy.refusals = CONNECT_TRIES - 1);
    let found = rig.reported(&["AA"]).await;
    assert!(rig.open(&found[0]).await.is_ok());
}

#[tokio::test(start_paused = true)]
async fn an_attempt_that_the_server_gives_up_is_ended() {
    let mut rig = Rig::searching().await;
    rig.radio.add("AA", "LVS-Z001");
    rig.radio.change("AA", |toy| toy.connect_time = 60 * SECOND);
    let found = rig.reported(&["AA"]).await;
    assert!(timeout(SECOND, rig.open(&found[0])).await.is_err());
    sleep(SECOND).await;
    assert_eq!(rig.radio.done(), ["connect AA", "disconnect AA"]);
}

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

/// Toys of the catalogue with two motors, of which nothing can be read, driven through a whole server.
struct Driven {
    radio: FakeRadio,
    server: Server,
    client: Client,
    /// The first of them.
    device: Device,
}

impl Driven {
    async fn new() -> Self {
        let driven = Self::of(&["AA"]).await;
        sleep(SECOND).await;
        driven.radio.done();
        driven
    }

    async fn of(addresses: &[&str]) -> Self {
        let bus = Arc::new(Bus::new(FakeRadio::new));
        let radio = bus.radio().clone();
        let uuid = |short: u128| Uuid(short << 96 | 0x1000_8000_0080_5f9b_34fb);
        let abilities = Abilities { write: true, write_unconfirmed: true, ..Abilities::default() };
        let tx = Characteristic { service: uuid(0xff00), uuid: uuid(0xff01), abilities };
        let server = Server::builder().bus(bus).start();
        let client = Client::new("test");
        client.connect(InProcessConnector::new(Arc::new(server.clone()))).await.unwrap();
        client.start_scanning().await.unwrap();
        for (before, address) in addresses.iter().enumerate() {
            radio.add(address, "Massage Demo");
            radio.change(address, |toy| toy.characteristics = vec![tx]);
            // One after the other, so that the first has the first index.
            while client.devices().len() == before {
                radio.advertise(address);
                sleep(100 * MS).await;
            }
        }
        let device = client.devices().remove(0);
        Self { radio, server, client, device }
    }

    async fn vibrate(&self, steps: i32) {
        let output = Output::new(OutputKind::Vibrate, Value::Steps(steps));
        self.device.feature(FeatureIndex(0)).unwrap().run_output(output).await.unwrap();
        sleep(100 * MS).await;
    }

    /// What has been written a second after a stop was asked for.
    async fn stopped(&self) -> Vec<String> {
        let stop = async {
            // It is answered when the zeros are confirmed, which they are not.
            let _ = timeout(SECOND, self.client.stop_all()).await;
        };
        tokio::join!(stop, sleep(SECOND));
        self.radio.done()
    }
}

#[tokio::test(start_paused = true)]
async fn a_stop_whose_first_zero_is_the_proof_has_its_other_zeros_written_all_the_same() {
    let driven = Driven::new().await;
    driven.radio.change("AA", |toy| toy.answer_time = 30 * SECOND);
    for value in [40, 50, 60] {
        driven.vibrate(value).await;
    }
    let values = ["command 0 [f1, 28]", "command 0 [f1, 32]", "command 0 [f1, 3c]"];
    assert_eq!(driven.radio.done(), values);
    assert_eq!(driven.stopped().await, ["request 0 [f1, 00]", "command 0 [f2, 00]"]);
    driven.server.shut_down().await;
}

#[tokio::test(start_paused = true)]
async fn a_stop_does_not_wait_for_a_value_that_is_the_proof() {
    let driven = Driven::new().await;
    driven.radio.change("AA", |toy| toy.answer_time = 30 * SECOND);
    for value in [40, 50, 60, 70] {
        driven.vibrate(value).await;
    }
    assert_eq!(driven.radio.done().last().map(String::as_str), Some("request 0 [f1, 46]"));
    assert_eq!(driven.stopped().await, ["command 0 [f1, 00]", "command 0 [f2, 00]"]);
    driven.server.shut_down().await;
}

#[tokio::test(start_paused = true)]
async fn a_lost_device_that_rested_comes_back_although_the_server_searches_for_one_that_ran() {
    let driven = Driven::of(&["AA", "BB"]).await;
    driven.vibrate(40).await;
    driven.client.stop_scanning().await.unwrap();
    sleep(SECOND).await;
    for address in ["AA", "BB"] {
        driven.radio.change(address, |toy| toy.view.rssi = None);
        driven.radio.drop_link(address);
    }
    sleep(SEEK_EAGERLY + 20 * SECOND).await;
    assert_eq!(driven.client.devices().len(), 0);
    driven.radio.change("BB", |toy| toy.view.rssi = Some(-50));
    let returned = Instant::now();
    while driven.client.devices().is_empty() && returned.elapsed() < 20 * SECOND {
        driven.radio.advertise("BB");
        sleep(100 * MS).await;
    }
    assert_eq!(driven.client.devices().len(), 1, "it is still sought");
    driven.server.shut_down().await;
}

/// A toy that advertises as long as it is there.
struct Contract {
    bus: Arc<Bus<FakeRadio>>,
    radio: FakeRadio,
    advertising: Option<tokio::task::JoinHandle<()>>,
}

#[async_trait]
impl Bench for Contract {
    fn bus(&self) -> Arc<dyn HardwareBus> {
        Arc::<Bus<FakeRadio>>::clone(&self.bus)
    }

    fn wiring(&self) -> Wiring {
        wiring()
    }

    async fn appear(&mut self) {
        self.radio.add("AA", "LVS-Z001");
        let radio = self.radio.clone();
        self.advertising = Some(tokio::spawn(async move {
            loop {
                radio.advertise("AA");
                sleep(100 * MS).await;
            }
        }));
    }

    async fn vanish(&mut self) {
        if let Some(advertising) = self.advertising.take() {
            advertising.abort();
        }
        self.radio.drop_link("AA");
    }

    async fn arrived(&mut self) -> Vec<u8> {
        loop {
            let mut arrived = Vec::new();
            self.radio.change("AA", |toy| arrived = std::mem::take(&mut toy.arrived));
            if !arrived.is_empty() {
                return arrived;
            }
            sleep(10 * MS).await;
        }
    }

    async fn say(&mut self, data: &[u8]) {
        self.radio.notify("AA", RX, data);
    }

    async fn prepare_read(&mut self, data: &[u8]) -> bool {
        self.radio.change("AA", |toy| toy.value = data.to_vec());
        true
    }

    async fn stall(&mut self, stalled: bool) -> bool {
        self.radio.change("AA", |toy| toy.stalled = stalled);
        true
    }
}

#[tokio::test(start_paused = true)]
async fn the_contract_of_all_buses_is_kept() {
    let bus = Arc::new(Bus::new(FakeRadio::new));
    let radio = bus.radio().clone();
    check(&mut Contract { bus, radio, advertising: None }).await;
}

#[test]
fn toys_of_these_tests_have_what_their_wiring_wants() {
    let there = characteristics();
    assert_eq!(crate::places::first_fit(&[wiring()], &there).map(|(_, places)| places.len()), Some(3));
}

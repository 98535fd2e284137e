//! What a client hears that goes on talking after its session has ended.

mod rig;

use async_trait::async_trait;
use buttplug_core::connector::{
    AcceptConnection, ClientFrame, CloseReason, ConnectorError, FrameFormat, ServerConnection, ServerFrame,
};
use buttplug_hardware_simulated::Archetype::OneMotorVibrator;
use buttplug_hardware_simulated::SimulatedDevice;
use buttplug_protocols::frame::Endpoint;
use buttplug_protocols::sighting::BusKind;
use futures_util::FutureExt;
use rig::{Rig, error_code, input, output, settle, sleep_ms, within};
use std::time::Duration;
use tokio::sync::oneshot;
use tokio::time::Instant;

#[tokio::test(start_paused = true)]
async fn what_stands_behind_a_disconnect_fails_and_changes_nothing() {
    let rig = Rig::new(&[OneMotorVibrator]).await;
    let mut client = rig.client().await;
    client.says(
        r#"[{"Disconnect":{"Id":8}},{"OutputCmd":{"Id":9,"DeviceIndex":0,"FeatureIndex":0,"Command":{"Vibrate":{"Value":5}}}}]"#,
    );
    client.says(r#"[{"Ping":{"Id":10}}]"#);
    assert_eq!(client.hears().await, r#"[{"Ok":{"Id":8}}]"#);
    for id in [9, 10] {
        assert_eq!(error_code(&client.hears().await, id), Some(1));
    }
    assert_eq!(client.hears_nothing_but_the_end().await, CloseReason::Done);
    assert_eq!(rig.told(0), Vec::<String>::new());
}

#[tokio::test(start_paused = true)]
async fn after_a_ping_timeout_every_command_fails_with_class_ping() {
    let rig =
        Rig::with(&[OneMotorVibrator], Duration::ZERO, |b| b.max_ping_time(Duration::from_millis(500))).await;
    for handshake in [r#""MessageVersion":3"#, r#""ProtocolVersionMajor":4,"ProtocolVersionMinor":0"#] {
        let mut other = rig.client().await;
        other.sets(0, 0, "Vibrate", 5).await;
        let mut client = rig.stranger();
        client.asks(format!(r#"[{{"RequestServerInfo":{{"Id":1,"ClientName":"Late",{handshake}}}}}]"#)).await;
        drop(other);
        // Its own stop takes a while, and in the meantime the client goes on talking.
        let scalar = r#"[{"VibrateCmd":{"Id":2,"DeviceIndex":0,"Speeds":[{"Index":0,"Speed":1}]}}]"#;
        let output =
            r#"[{"OutputCmd":{"Id":2,"DeviceIndex":0,"FeatureIndex":0,"Command":{"Vibrate":{"Value":9}}}}]"#;
        client.asks(if handshake.contains("Major") { output } else { scalar }).await;
        rig.devices[0].slow_writes(Duration::from_millis(300));
        sleep_ms(600).await;
        client.says(r#"[{"Ping":{"Id":3}}]"#);
        client.says(r#"[{"ScalarCmd":{"Id":4}}]"#);
        assert_eq!(error_code(&client.hears().await, 0), Some(2));
        for id in [3, 4] {
            assert_eq!(error_code(&client.hears().await, id), Some(2));
        }
        assert_eq!(client.hears_nothing_but_the_end().await, CloseReason::Done);
        assert!(rig.devices[0].is_at_rest());
        rig.devices[0].slow_writes(Duration::ZERO);
    }
}

#[tokio::test(start_paused = true)]
async fn a_ping_time_is_announced_as_it_is_kept() {
    let longest = Duration::from_millis(u32::MAX.into());
    for (asked, announced, kept) in [
        (Duration::MAX, u32::MAX, longest),
        (Duration::from_micros(1), 1, Duration::from_millis(1)),
        (Duration::from_micros(1500), 2, Duration::from_millis(2)),
    ] {
        let rig = Rig::with(&[], Duration::ZERO, |b| b.max_ping_time(asked)).await;
        let mut client = rig.stranger();
        let begun = Instant::now();
        let info = client.asks(rig::HANDSHAKE).await;
        assert!(info.contains(&format!(r#""MaxPingTime":{announced},"#)), "{asked:?}: {info}");
        assert_eq!(error_code(&client.hears_late().await, 0), Some(2), "{asked:?}");
        assert_eq!(begun.elapsed(), kept, "{asked:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn whoever_waits_for_a_reading_is_answered_before_the_last_word() {
    for (shuts_down, last_words, code) in [(false, r#"[{"Ok":{"Id":8}}]"#, 1), (true, "", 0)] {
        let mut rig = Rig::playing(BusKind::Bluetooth).await;
        // Says who it is, and nothing of its battery.
        let silent =
            SimulatedDevice::bluetooth("AA", "LVS-Z001").with_responder(|frame| match &frame.data[..] {
                b"DeviceType;" => vec![(Endpoint::Rx, b"Z:11:0082059AD3BD;".to_vec())],
                _ => vec![],
            });
        rig.add_device(silent).await;
        let mut client = rig.client().await;
        let features = &rig.server.devices()[0].features;
        let battery = features.iter().find(|feature| !feature.inputs.is_empty()).expect("a battery").index.0;
        client.says(input(5, 0, battery, "Battery", "Read"));
        settle().await;
        if shuts_down {
            within(rig.server.shut_down()).await;
        } else {
            client.says(r#"[{"Disconnect":{"Id":8}}]"#);
        }
        assert_eq!(error_code(&client.hears().await, 5), Some(code));
        if !last_words.is_empty() {
            assert_eq!(client.hears().await, last_words);
        }
        client.hears_nothing_but_the_end().await;
    }
}

/// A client that sets a motor in motion and then talks without a pause, a message each millisecond, but never pings.
struct Chatterbox {
    said: u32,
    words: Vec<String>,
    ended: Option<oneshot::Sender<Vec<String>>>,
}

#[async_trait]
impl ServerConnection for Chatterbox {
    fn format(&self) -> FrameFormat {
        FrameFormat::Json
    }

    fn peer(&self) -> String {
        String::from("a chatterbox")
    }

    fn send(&mut self, frame: ServerFrame) -> Result<(), ConnectorError> {
        if let ServerFrame::Text(text) = frame {
            self.words.push(text);
        }
        Ok(())
    }

    /// Never waits: the next message is there whenever the server looks.
    async fn receive(&mut self, batch: &mut Vec<ClientFrame>) -> Result<(), ConnectorError> {
        let frame = match self.said {
            0 => String::from(rig::HANDSHAKE),
            1 => output(2, 0, 0, r#"{"Vibrate":{"Value":9}}"#),
            _ => {
                // Moves the clock at once; what would wait is only the turn of others.
                let _ = tokio::time::advance(Duration::from_millis(1)).now_or_never();
                String::from(r#"[{"StopScanning":{"Id":3}}]"#)
            }
        };
        assert!(self.said < 10_000, "the server listens for ever");
        self.said += 1;
        batch.push(ClientFrame::Text(frame.into()));
        Ok(())
    }

    async fn close(&mut self, _: CloseReason) {
        if let Some(ended) = self.ended.take() {
            let _ = ended.send(std::mem::take(&mut self.words));
        }
    }
}

#[tokio::test(start_paused = true)]
async fn whoever_talks_without_a_pause_but_never_pings_is_cut_off_after_one_more_ping_time() {
    let rig =
        Rig::with(&[OneMotorVibrator], Duration::ZERO, |b| b.max_ping_time(Duration::from_millis(500))).await;
    let (ended, end) = oneshot::channel();
    let begun = Instant::now();
    let chatterbox = Chatterbox { said: 0, words: Vec::new(), ended: Some(ended) };
    rig.server.accept(Box::new(chatterbox)).expect("the server takes clients");
    let words = within(end).await.expect("an end in order");
    // Once more the server looks for what is late.
    assert_eq!(begun.elapsed(), Duration::from_millis(1000 + 1));
    let last_words = words.iter().position(|frame| error_code(frame, 0) == Some(2)).expect("the reason");
    assert!(words.len() <= last_words + 2, "{:?}", &words[last_words..]);
    assert!(rig.devices[0].write_count() > 0 && rig.devices[0].is_at_rest());
}

/// A client that says good-bye, and then takes its time to close the connection.
struct SlowLeaver {
    says: Vec<&'static str>,
    closing: Option<oneshot::Sender<()>>,
}

#[async_trait]
impl ServerConnection for SlowLeaver {
    fn format(&self) -> FrameFormat {
        FrameFormat::Json
    }

    fn peer(&self) -> String {
        String::from("a slow leaver")
    }

    fn send(&mut self, _: ServerFrame) -> Result<(), ConnectorError> {
        Ok(())
    }

    async fn receive(&mut self, batch: &mut Vec<ClientFrame>) -> Result<(), ConnectorError> {
        if self.says.is_empty() {
            std::future::pending::<()>().await;
        }
        batch.extend(self.says.drain(..).map(|frame| ClientFrame::Text(String::from(frame).into())));
        Ok(())
    }

    async fn close(&mut self, _: CloseReason) {
        if let Some(closing) = self.closing.take() {
            let _ = closing.send(());
        }
        std::future::pending::<()>().await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_client_that_leaves_makes_room_before_its_connection_is_closed() {
    let rig = Rig::with(&[], Duration::ZERO, |b| b.max_clients(1)).await;
    let (closing, closes) = oneshot::channel();
    let says = vec![rig::HANDSHAKE, r#"[{"Disconnect":{"Id":8}}]"#];
    rig.server.accept(Box::new(SlowLeaver { says, closing: Some(closing) })).expect("there is room");
    within(closes).await.expect("the end");
    rig.client().await;
}

//! Outputs and stops, as they reach the devices.

use crate::world::{World, last};
use async_trait::async_trait;
use buttplug::core::connector::{ClientConnection, ClientConnector};
use buttplug::core::message::{ClientMessage, ClientRequest, NamedOutputCmd, ServerContent, ServerMessage};
use buttplug::core::{ErrorClass, MessageId, OutputKind};
use buttplug::{Batch, Error, Output, StopWhat, Value, embedded};
use buttplug_hardware_simulated::Archetype;
use std::time::Duration;

#[tokio::test(start_paused = true)]
async fn k14_to_k17_r11_r13_c110_fractions_arrive_as_steps_of_each_output() {
    let world = World::new(&[Archetype::TwoMotorVibrator, Archetype::Rotator]).await;
    for (fraction, steps) in [(0.5, 50), (0.001, 1), (0.51, 51), (0.000_000_1, 0), (1.0, 100)] {
        world.devices[0].vibrate(fraction).await.unwrap();
        for motor in [0, 1] {
            world.is_told(0, motor, OutputKind::Vibrate, steps).await;
        }
    }
    for (fraction, steps) in [(-0.51, -51), (0.51, 51), (-1.0, -100)] {
        world.devices[1].rotate(fraction).await.unwrap();
        world.is_told(1, 0, OutputKind::Rotate, steps).await;
    }
}

#[tokio::test(start_paused = true)]
async fn k18_to_k23_r11_r14_what_a_device_cannot_do_does_not_reach_it() {
    let world = World::new(&[Archetype::TwoMotorVibrator, Archetype::Stroker]).await;
    let (twin, stroker) = (&world.devices[0], &world.devices[1]);
    let motor = twin.features().remove(0);
    let too_long = Duration::from_secs(200);
    let bad = Batch::new()
        .feature(&motor, Output::new(OutputKind::Vibrate, Value::Steps(10)))
        .device(stroker, Output::timed_position(Value::Fraction(0.5), too_long));
    let refused = [
        twin.vibrate(-0.5).await,
        twin.vibrate(1.01).await,
        twin.vibrate(f64::NAN).await,
        motor.vibrate_steps(101).await,
        stroker.position_in(0.5, too_long).await,
        stroker.vibrate(0.5).await,
        bad.run().await,
    ];
    for (case, result) in refused.iter().enumerate() {
        assert_eq!(result.as_ref().err().and_then(Error::class), Some(ErrorClass::Device), "case {case}");
    }
    tokio::time::sleep(Duration::from_secs(5)).await;
    assert!(world.is_at_rest());
    let clamped = Output::timed_position(Value::Steps(5000), too_long).clamped();
    stroker.run_output(clamped).await.unwrap();
    world.is_told(1, 0, OutputKind::HwPositionWithDuration, 1000).await;
    assert_eq!(world.toys[1].all_last().last().map(|(_, _, told)| told.duration_ms), Some(100_000));
}

#[tokio::test(start_paused = true)]
async fn r11_what_is_in_one_batch_is_written_together_although_the_device_has_a_message_gap() {
    let world = World::new(&[Archetype::TwoMotorVibrator, Archetype::Rotator]).await;
    let motors = world.devices[0].features_with_output(OutputKind::Vibrate);
    let strength = |steps| Output::new(OutputKind::Vibrate, Value::Steps(steps));
    // Busy devices: the next write waits for the gap.
    world.devices[0].vibrate(0.1).await.unwrap();
    world.is_told(0, 1, OutputKind::Vibrate, 10).await;
    world.toys[0].forget_writes();
    Batch::new()
        .feature(&motors[0], strength(20))
        .device(&world.devices[1], Output::new(OutputKind::Rotate, Value::Steps(-30)))
        .feature(&motors[1], strength(40))
        .run()
        .await
        .unwrap();
    world.is_told(0, 1, OutputKind::Vibrate, 40).await;
    world.is_told(1, 0, OutputKind::Rotate, -30).await;
    let writes = world.toys[0].writes();
    assert_eq!(writes.len(), 2);
    assert_eq!(writes[0].at, writes[1].at);
    assert_eq!(last(&world.toys[0], 0, OutputKind::Vibrate), Some(20));
}

#[tokio::test(start_paused = true)]
async fn k50_k51_r16_each_level_of_stop_stops_what_it_says() {
    let world = World::new(&[Archetype::TwoMotorVibrator, Archetype::Rotator]).await;
    let (twin, rotator) = (&world.devices[0], &world.devices[1]);
    twin.vibrate(1.0).await.unwrap();
    rotator.rotate(-1.0).await.unwrap();
    world.is_told(0, 1, OutputKind::Vibrate, 100).await;
    world.is_told(1, 0, OutputKind::Rotate, -100).await;
    let motors = |toy: &_| [0, 1].map(|motor| last(toy, motor, OutputKind::Vibrate));

    twin.features()[1].stop().await.unwrap();
    assert_eq!(motors(&world.toys[0]), [Some(100), Some(0)]);
    twin.stop_with(StopWhat::INPUTS).await.unwrap();
    assert_eq!(motors(&world.toys[0]), [Some(100), Some(0)]);
    twin.stop().await.unwrap();
    assert!(world.toys[0].is_at_rest() && !world.toys[1].is_at_rest());
    world.client.stop_all_with(StopWhat::OUTPUTS).await.unwrap();
    assert!(world.toys[1].is_at_rest());
}

/// Says one thing to the server, which the client would not say, and gives back the answer.
async fn says(connection: &mut dyn ClientConnection, request: ClientRequest) -> ServerContent {
    let id = MessageId(4711);
    connection.send(ClientMessage { id, request }).unwrap();
    let mut batch = Vec::new();
    loop {
        connection.receive(&mut batch).await.unwrap();
        if let Some(ServerMessage { content, .. }) = batch.drain(..).find(|message| message.id == id) {
            return content;
        }
    }
}

/// Introduces itself on every connection before it hands it out.
struct Introduced<C>(C);

#[async_trait]
impl<C: ClientConnector> ClientConnector for Introduced<C> {
    async fn connect(
        &mut self,
    ) -> Result<Box<dyn ClientConnection>, buttplug::core::connector::ConnectorError> {
        use buttplug::core::message::{RequestServerInfo, VersionRequest};
        let mut connection = self.0.connect().await?;
        let version = VersionRequest::Protocol { major: 4, minor: 0 };
        let hello = RequestServerInfo { client_name: String::from("Test"), version };
        let answer = says(&mut *connection, ClientRequest::RequestServerInfo(hello)).await;
        assert!(matches!(answer, ServerContent::ServerInfo(_)), "{answer:?}");
        Ok(connection)
    }

    fn address(&self) -> String {
        self.0.address()
    }
}

#[tokio::test(start_paused = true)]
async fn r15_a_server_takes_known_names_as_their_kinds_and_refuses_the_rest() {
    let world = World::new(&[Archetype::OneMotorVibrator]).await;
    let mut connection = Introduced(embedded::connector(&world.server)).connect().await.unwrap();
    let named = |name: &str, value| {
        let (device, feature) = (world.devices[0].index(), world.devices[0].features()[0].index());
        ClientRequest::NamedOutput(NamedOutputCmd {
            device,
            feature,
            name: name.into(),
            value,
            duration_ms: None,
        })
    };
    assert_eq!(says(&mut *connection, named("Vibrate", 7)).await, ServerContent::Ok);
    world.is_told(0, 0, OutputKind::Vibrate, 7).await;
    for (name, value) in [("Warp", 1), ("Vibrate", 101), ("vibrate", 1)] {
        let answer = says(&mut *connection, named(name, value)).await;
        assert!(
            matches!(&answer, ServerContent::Error(error) if error.class == ErrorClass::Device),
            "{name} {value}: {answer:?}"
        );
    }
    assert_eq!(last(&world.toys[0], 0, OutputKind::Vibrate), Some(7));
}

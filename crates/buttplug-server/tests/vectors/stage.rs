//! Plays a vector with the whole server between a client and the hardware: the client says what happens, the hardware
//! writes down what it is told, and the paused clock says when.

use crate::introduction::Introduced;
use crate::recorder::Recorder;
use crate::rig::{HANDSHAKE, TestClient, at_this_instant, input, output, within};
use buttplug_core::{FeatureIndex, InputKind, OutputKind};
use buttplug_protocols::catalogue::Catalogue;
use buttplug_protocols::definition::{Act, Seen, VectorStep};
use buttplug_protocols::protocol::{Input, Reading};
use buttplug_protocols::rehearsal::{Course, Happening, Moment};
use buttplug_protocols::sighting::Sighting;
use buttplug_server::Server;
use serde_json::Value;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::{Instant, sleep_until};

/// What hardware is told, and when since the beginning.
pub(crate) type Told = (Duration, VectorStep);

/// What came of a vector.
#[derive(Default)]
pub(crate) struct Played {
    /// What the hardware was told: while it was connected, and in each turn after that.
    pub(crate) turns: Vec<Vec<Told>>,
    /// What the client read, in order.
    pub(crate) readings: Vec<Reading>,
    /// The name of the device; `None`: there is none.
    pub(crate) device: Option<String>,
    /// What the client was refused.
    pub(crate) refusals: Vec<String>,
}

/// Plays a vector whose hardware speaks as in `course`.
pub(crate) async fn play(catalogue: &Catalogue, introduced: &Introduced, course: &Course) -> Played {
    let Introduced { sighting, candidate, endpoints, vector, connecting, .. } = introduced;
    let hardware = Recorder::new(*candidate, endpoints.clone(), answers(&course.turns.concat()));
    let server = Server::builder().catalogue(catalogue.clone()).bus(Arc::new(hardware.clone())).start();
    let mut client = TestClient::of(&server).unwrap();
    client.asks(HANDSHAKE).await;
    let played = Played::default();
    let mut stage = Stage { server, hardware, client, start: Instant::now(), last_id: 1, played };

    let (connect, rest) = course.turns.split_at(*connecting);
    stage.connect(sighting.clone(), &connect.concat()).await;
    if stage.played.device.is_some() {
        for (turn, moments) in vector.turns.iter().skip(*connecting).zip(rest) {
            stage.turn(&turn.act, moments).await;
        }
    }
    within(stage.server.shut_down()).await;
    stage.played
}

/// What reads are answered with, in order; `None` where nothing answers.
fn answers(moments: &[Moment]) -> Vec<Option<Vec<u8>>> {
    let read = |moment: &Moment| matches!(moment.what, Happening::Told(VectorStep::Read(_)));
    let places = moments.iter().enumerate().filter(|(_, moment)| read(moment)).map(|(place, _)| place);
    let answer = |place: usize| match moments.get(place + 1).map(|next| &next.what) {
        Some(Happening::Answers(data)) => Some(data.clone()),
        _ => None,
    };
    places.map(answer).collect()
}

struct Stage {
    server: Server,
    hardware: Recorder,
    client: TestClient,
    start: Instant,
    last_id: u32,
    played: Played,
}

impl Stage {
    /// The hardware is seen, and what comes of it is waited for.
    async fn connect(&mut self, sighting: Sighting, moments: &[Moment]) {
        self.hardware.is_sighted(sighting).await;
        let (hardware, client) = (self.hardware.clone(), &mut self.client);
        let settled = async {
            tokio::select! {
                list = client.hears() => assert!(list.contains("DeviceList"), "{list}"),
                () = hardware.is_refused() => {}
            }
        };
        while_speaking(&self.hardware, self.start, moments, settled).await;
        self.end_turn().await;
        self.played.device = self.server.devices().first().map(|device| device.name.clone());
    }

    async fn turn(&mut self, act: &Act, moments: &[Moment]) {
        match act {
            Act::Set(outputs) => {
                let commands: Vec<String> = outputs.iter().map(|seen| self.set(seen)).collect();
                self.client.says(commands.concat().replace("][", ","));
            }
            Act::Stop => self.request(|id| format!(r#"[{{"StopCmd":{{"Id":{id}}}}}]"#), moments).await,
            Act::Wait(time) => tokio::time::sleep(*time).await,
            Act::Read(input) => self.request(|id| ask(id, input, "Read"), moments).await,
            Act::Subscribe(input) => self.request(|id| ask(id, input, "Subscribe"), moments).await,
            Act::Unsubscribe(input) => self.request(|id| ask(id, input, "Unsubscribe"), moments).await,
            Act::Hear(endpoint, data) => {
                self.hardware.notifies(*endpoint, data);
            }
            Act::Identify | Act::Connect => unreachable!("it is connected already"),
        }
        self.end_turn().await;
    }

    fn set(&mut self, seen: &Seen) -> String {
        let Seen { feature, kind, value, duration_ms } = seen;
        let duration = match kind {
            OutputKind::HwPositionWithDuration => format!(r#","Duration":{duration_ms}"#),
            _ => String::new(),
        };
        let command = format!(r#"{{"{}":{{"Value":{value}{duration}}}}}"#, kind.name());
        output(self.next_id(), 0, feature.0, &command)
    }

    fn next_id(&mut self) -> u32 {
        self.last_id += 1;
        self.last_id
    }

    /// Says something and waits for the answer, while the hardware says its part.
    async fn request(&mut self, frame: impl FnOnce(u32) -> String, moments: &[Moment]) {
        let id = self.next_id();
        self.client.says(frame(id));
        let (client, mut heard) = (&mut self.client, Vec::new());
        let answered = async {
            while !heard.iter().any(|message| id_of(message) == Some(id)) {
                heard.extend(messages(&client.hears().await));
            }
        };
        while_speaking(&self.hardware, self.start, moments, answered).await;
        heard.iter().for_each(|message| self.take(message));
    }

    /// Lets everything be done that is due, and notes what the hardware was told and the client heard.
    async fn end_turn(&mut self) {
        at_this_instant().await;
        let log = self.hardware.take_log();
        self.played.turns.push(log.into_iter().map(|(at, step)| (at - self.start, step)).collect());
        let heard: Vec<Value> = self.client.has_heard().iter().flat_map(|frame| messages(frame)).collect();
        heard.iter().for_each(|message| self.take(message));
    }

    fn take(&mut self, message: &Value) {
        if let Some(error) = message.get("Error") {
            self.played.refusals.push(error["ErrorMessage"].as_str().unwrap_or_default().to_owned());
        }
        let Some(reading) = message.get("InputReading") else { return };
        let feature = FeatureIndex(number(&reading["FeatureIndex"]));
        for (kind, value) in reading["Reading"].as_object().into_iter().flatten() {
            let (kind, _) = InputKind::from_name(kind).unwrap();
            self.played
                .readings
                .push(Reading { input: Input { feature, kind }, value: number(&value["Value"]) });
        }
    }
}

fn ask(id: u32, asked: &Input, command: &str) -> String {
    input(id, 0, asked.feature.0, asked.kind.name(), command)
}

fn messages(frame: &str) -> Vec<Value> {
    serde_json::from_str(frame).unwrap()
}

fn id_of(message: &Value) -> Option<u32> {
    let (_, fields) = message.as_object()?.iter().next()?;
    Some(number(&fields["Id"]))
}

fn number<T: TryFrom<i64>>(value: &Value) -> T {
    value.as_i64().and_then(|number| T::try_from(number).ok()).unwrap()
}

/// Waits for something while the hardware says what it says in these moments: once it has been told what is told before,
/// and when the time has come.
async fn while_speaking(
    hardware: &Recorder,
    start: Instant,
    moments: &[Moment],
    something: impl Future<Output = ()>,
) {
    let speaking = async {
        let mut told = 0;
        for Moment { at, what } in moments {
            match what {
                Happening::Told(VectorStep::Wait(_)) | Happening::Answers(_) => {}
                Happening::Told(_) => told += 1,
                Happening::Notifies(endpoint, data) => {
                    hardware.has_been_told(told).await;
                    if Instant::now() < start + *at {
                        sleep_until(start + *at).await;
                    }
                    hardware.notifies(*endpoint, data);
                }
            }
        }
        std::future::pending::<()>().await;
    };
    tokio::select! {
        biased;
        () = within(something) => {}
        () = speaking => {}
    }
}

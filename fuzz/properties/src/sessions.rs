//! A whole server, several clients and what happens to them and to the devices, with time: a stop is sacred, the ping
//! watchdog fires when it is due and only then, every message gets its reply, and once the last client is gone
//! everything is at rest, devices that come back included.
//!
//! An input that begins with `#` is a script in text, see the corpus; any other is bytes from which one is made.

use crate::client::{Client, End};
use crate::script::{Script, Step};
use crate::world::{self, Settings, World, shown};
use buttplug_hardware_simulated::{MAX_WRITE_TIME, SimulatedDevice};
use std::time::Duration;
use tokio::time::Instant;

/// Clients of one script.
const MAX_CLIENTS: usize = 8;

/// Stops have ids of their own, so that their replies are known.
const FIRST_STOP_ID: u32 = 1_000_000;

/// The longest that a stop may take if every device works: nothing of a stop waits for anything.
const STOP_TIME: Duration = Duration::from_millis(20);

/// The same where a device does not: the server gives up waiting after a second.
const BOUNDED_STOP_TIME: Duration = Duration::from_millis(1020);

/// The longest after its time that the end of a client that does not ping is said: the clock's step, and the stop of what
/// the client set in motion, twice if one that it asked for is still awaited.
const PING_SLACK: Duration = Duration::from_millis(20);
const BOUNDED_PING_SLACK: Duration = Duration::from_millis(2020);

/// Runs the script in `data`.
pub fn hold(data: &[u8]) {
    let script = Script::from(data);
    crate::show(&script);
    world::run(async {
        let mut run = Run::new(script.settings).await;
        for step in &script.steps {
            run.step(step).await;
        }
        run.end().await;
    });
}

struct Player {
    client: Client,
    /// When the watchdog was last fed: certainly, and possibly.
    fed: (Instant, Instant),
}

/// What keeps a device from taking a write at once.
#[derive(Clone, Copy)]
struct Fault {
    fails: bool,
    each_write: Duration,
    /// A slow write that was begun before the device was mended is over then.
    busy_until: Instant,
}

impl Fault {
    fn is_over(&self, now: Instant) -> bool {
        !self.fails && self.each_write.is_zero() && self.busy_until <= now
    }
}

struct Run {
    world: World,
    settings: Settings,
    players: Vec<Player>,
    faults: Vec<Fault>,
    /// Since when every device has taken its writes at once, if they do.
    sound_since: Option<Instant>,
    stops: u32,
}

impl Run {
    async fn new(settings: Settings) -> Self {
        let world = World::new(settings).await;
        // From the beginning every device has been working for long enough to be counted on.
        tokio::time::sleep(BOUNDED_PING_SLACK).await;
        let now = Instant::now();
        let faults =
            vec![Fault { fails: false, each_write: Duration::ZERO, busy_until: now }; world.devices.len()];
        Self {
            world,
            settings,
            players: Vec::new(),
            faults,
            sound_since: Some(now - BOUNDED_PING_SLACK),
            stops: 0,
        }
    }

    async fn step(&mut self, step: &Step) {
        for player in &mut self.players {
            player.client.causes += 1;
        }
        match step {
            Step::Join { version } => self.join(*version).await,
            Step::Say { client, frame } => self.say(*client, frame),
            Step::Ping { client } => self.say(*client, br#"[{"Ping":{"Id":7}}]"#),
            Step::Stop { client } => self.stop(*client).await,
            Step::Lose { client } => {
                if let Some(player) = self.player(*client) {
                    player.client.vanishes();
                }
            }
            Step::Wait { ms } => {
                tokio::time::sleep(Duration::from_millis((*ms).into())).await;
                self.look().await;
            }
            Step::Vanish { device } => self.device(*device).0.vanish(),
            Step::Return { device } => self.device(*device).0.reappear(),
            Step::Fail { device } => {
                let (device, fault) = self.device(*device);
                device.fail_writes(true);
                fault.fails = true;
            }
            Step::Work { device } => {
                let (device, fault) = self.device(*device);
                mend(device, fault);
            }
            Step::Slow { device, ms } => {
                let (device, fault) = self.device(*device);
                fault.busy_until = fault.busy_until.max(Instant::now() + fault.each_write);
                fault.each_write = Duration::from_millis((*ms).into());
                device.slow_writes(fault.each_write);
            }
            Step::Press { device, pressure } => self.device(*device).0.set_pressure(*pressure),
        }
        let now = Instant::now();
        let sound = self.faults.iter().all(|fault| fault.is_over(now));
        self.sound_since = sound.then(|| self.sound_since.unwrap_or(now));
    }

    async fn join(&mut self, version: u32) {
        if self.players.len() == MAX_CLIENTS {
            return;
        }
        let mut client = Client::connect(&self.world.server);
        let now = Instant::now();
        client.introduces_itself(version).await;
        self.players.push(Player { client, fed: (now, now) });
    }

    fn say(&mut self, client: u8, frame: &[u8]) {
        let max_ping = self.settings.max_ping;
        let Some(player) = self.player(client) else { return };
        let owed = player.client.says(frame);
        let now = Instant::now();
        if owed.iter().any(|owed| owed.name == "Ping") {
            player.fed.1 = now;
        }
        // At its very end the watchdog may have fired.
        let in_time = now < player.fed.0 + max_ping;
        if in_time && owed.iter().any(|owed| owed.name == "Ping" && owed.id != 0) {
            player.fed.0 = now;
        }
    }

    /// A client stops everything. Once that is answered, everything that takes its writes stands still.
    async fn stop(&mut self, client: u8) {
        // What was said before has been heard then, so nothing comes after the stop.
        self.look().await;
        self.stops += 1;
        let max_ping = self.settings.max_ping;
        let id = FIRST_STOP_ID + self.stops;
        let Some(player) = self.player(client) else { return };
        let name = if player.client.version == Some(4) { "StopCmd" } else { "StopAllDevices" };
        player.client.says(format!(r#"[{{"{name}":{{"Id":{id}}}}}]"#).as_bytes());
        let before = Instant::now();
        let Some((at, reply)) = player.client.hears_reply(id).await else { return };
        // While a session ends, what still comes is answered with the error that ended it; it stops by itself.
        let ends = player.client.may_be_closed || (!max_ping.is_zero() && before >= player.fed.0 + max_ping);
        assert!(reply == "Ok" || ends, "a stop that is refused: {reply}");
        if reply != "Ok" {
            return;
        }
        let now = Instant::now();
        let sound = self.faults.iter().all(|fault| fault.is_over(before));
        let took = at - before;
        let most = if sound { STOP_TIME } else { BOUNDED_STOP_TIME };
        assert!(took <= most, "a stop that takes {took:?}");
        for (device, fault) in self.world.devices.iter().zip(&self.faults) {
            let stopped = device.is_at_rest() || !fault.is_over(before) || !self.world.lists(device);
            assert!(stopped, "stopped at {at:?}, and at {now:?} it moves: {}", shown(device));
        }
    }

    /// Looks at everything after all has run that can run now.
    async fn look(&mut self) {
        let max_ping = self.settings.max_ping;
        for player in &mut self.players {
            player.client.hears_what_is_there().await;
            if max_ping.is_zero() || player.client.version.is_none() {
                continue;
            }
            let (earliest, due) = (player.fed.0 + max_ping, player.fed.1 + max_ping);
            let sound = self.sound_since.is_some_and(|since| since + BOUNDED_PING_SLACK <= due);
            let latest = due + if sound { PING_SLACK } else { BOUNDED_PING_SLACK };
            match player.client.end {
                Some(End { pinged_out_at: Some(at), .. }) => {
                    assert!(at >= earliest, "the watchdog fired {:?} too early", earliest - at);
                    assert!(at <= latest, "the watchdog fired {:?} too late", at - latest);
                }
                None if player.client.is_there() => {
                    let now = Instant::now();
                    assert!(now <= latest, "the watchdog is {:?} late", now - latest);
                }
                Some(End { pinged_out_at: None, .. }) | None => {}
            }
        }
        self.world.every_value_is_in_range();
    }

    /// Every client gets what it is owed and is lost; then everything comes to rest, at once where writes are taken,
    /// and where they were not as soon as they are.
    async fn end(mut self) {
        for player in &mut self.players {
            player.client.hears_all_replies().await;
        }
        self.look().await;
        for player in &mut self.players {
            player.client.vanishes();
        }
        let now = Instant::now();
        let sound = |place: usize| self.faults.get(place).is_some_and(|fault| fault.is_over(now));
        self.world.comes_to_rest(|place, device| sound(place) && self.world.lists(device)).await;
        for (device, fault) in self.world.devices.iter().zip(&mut self.faults) {
            mend(device, fault);
            device.reappear();
        }
        tokio::time::sleep(MAX_WRITE_TIME).await;
        self.world.find_devices().await;
        self.world.comes_to_rest(|_, _| true).await;
        self.world.ends().await;
    }

    fn player(&mut self, client: u8) -> Option<&mut Player> {
        let place = usize::from(client).checked_rem(self.players.len())?;
        self.players.get_mut(place)
    }

    fn device(&mut self, device: u8) -> (&SimulatedDevice, &mut Fault) {
        let place = usize::from(device) % self.faults.len();
        (&self.world.devices[place], &mut self.faults[place])
    }
}

/// The device takes its writes again, at once.
fn mend(device: &SimulatedDevice, fault: &mut Fault) {
    device.fail_writes(false);
    device.slow_writes(Duration::ZERO);
    let busy_until = fault.busy_until.max(Instant::now() + fault.each_write.min(MAX_WRITE_TIME));
    *fault = Fault { fails: false, each_write: Duration::ZERO, busy_until };
}

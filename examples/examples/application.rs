//! A complete small program: a slow pulse on everything that vibrates. It survives the loss of devices and of the
//! server, ends after a while or when it is asked to, and leaves nothing running.
//!
//! `cargo run --example application [-- SECONDS [ws://127.0.0.1:12345]]`
#![allow(clippy::print_stdout)]

use buttplug::core::OutputKind;
use buttplug::core::connector::ClientConnector;
use buttplug::embedded::{self, Server};
use buttplug::websocket::WebSocketClientConnector;
use buttplug::{Client, Device, Error, Event, Events, Reconnect};
use buttplug_examples::simulated;
use buttplug_hardware_simulated::{Archetype, SimulatedBus};
use std::sync::Arc;
use std::time::Duration;
use tokio::task::JoinSet;
use tokio::time::sleep;

/// Of full power; no more than what was agreed on.
const STRONGEST: f64 = 0.3;

/// Between two steps of a pulse, and between two attempts to stop one.
const STEP: Duration = Duration::from_millis(500);

// ANCHOR: main
#[tokio::main(flavor = "current_thread")]
async fn main() {
    let mut arguments = std::env::args().skip(1);
    let seconds = arguments.next().and_then(|text| text.parse().ok()).unwrap_or(5);
    let bus = SimulatedBus::new(simulated(&[Archetype::TwoMotorVibrator]));
    let server = Server::builder().bus(Arc::new(bus)).start();
    let mut connector: Box<dyn ClientConnector> = match arguments.next() {
        Some(url) => Box::new(WebSocketClientConnector::new(url)),
        None => Box::new(embedded::connector(&server)),
    };

    let client = Client::new("Pulse");
    let events = client.events();
    // Whatever happens first ends the program.
    tokio::select! {
        end = Reconnect::new(&client).run(&mut *connector) => println!("no connection: {end}"),
        () = play(&client, events) => {}
        () = asked_to_end() => println!("asked to end"),
        () = sleep(Duration::from_secs(seconds)) => println!("time is up"),
    }
    // Stops every device, and ends in a bounded time whatever the server does.
    client.disconnect().await;
    server.shut_down().await;
    println!("everything is stopped");
}
// ANCHOR_END: main

// ANCHOR: play
/// Lets every device that comes play, until there will be no more events.
async fn play(client: &Client, mut events: Events) {
    let mut pulses = JoinSet::new();
    loop {
        tokio::select! {
            event = events.next() => match event {
                // At the beginning and after every loss: a new connection has no search.
                Some(Event::Connected(server)) => {
                    println!("connected to {}", server.name);
                    if let Err(error) = client.start_scanning().await {
                        println!("no search: {error}");
                    }
                }
                Some(Event::DeviceAdded(device)) => {
                    println!("{} is here", device.label());
                    if device.has_output(OutputKind::Vibrate) {
                        pulses.spawn(pulse(device));
                    }
                }
                Some(Event::DeviceRemoved(device)) => println!("{} is gone", device.label()),
                Some(Event::Disconnected(reason)) => println!("{reason}; connecting again"),
                Some(Event::Error(error)) => println!("{error}"),
                Some(_) => {}
                None => return,
            },
            Some(Ok(Err(error))) = pulses.join_next() => println!("a pulse has ended: {error}"),
        }
    }
}

/// Until a command fails, for example because the device is gone. It may come back as a new one.
async fn pulse(device: Device) -> Result<(), Error> {
    let failed = beat(&device).await;
    // One that is still there must not go on with what it was told last.
    while device.is_present() && device.stop().await.is_err() {
        sleep(STEP).await;
    }
    failed
}

async fn beat(device: &Device) -> Result<(), Error> {
    loop {
        for strength in [STRONGEST / 2.0, STRONGEST, STRONGEST / 2.0, 0.0] {
            device.vibrate(strength).await?;
            sleep(STEP).await;
        }
    }
}
// ANCHOR_END: play

// ANCHOR: end
/// Ctrl-C, and on Unix the other polite ways to end a program.
async fn asked_to_end() {
    #[cfg(unix)]
    {
        use tokio::signal::unix::{SignalKind, signal};
        if let (Ok(mut terminate), Ok(mut hang_up)) =
            (signal(SignalKind::terminate()), signal(SignalKind::hangup()))
        {
            tokio::select! {
                _ = tokio::signal::ctrl_c() => {}
                _ = terminate.recv() => {}
                _ = hang_up.recv() => {}
            }
            return;
        }
    }
    let _ = tokio::signal::ctrl_c().await;
}
// ANCHOR_END: end

//! A whole server, one client of any version, and whatever frames it says: each element of a frame gets exactly one
//! reply, the client hears nothing that its version does not have, no device is told a value out of its range, and once
//! the client is gone every device is at rest.
//!
//! An input that begins with a digit is text: the version (or `-` for a client that does not introduce itself), and a
//! frame on each further line, of any bytes. Any other input is bytes from which frames are made, see `grammar`.

use crate::client::Client;
use crate::grammar;
use crate::world::{self, Settings, World};
use arbitrary::Unstructured;

/// Frames of one input; the rest is left out.
const MAX_FRAMES: usize = 40;

/// Says what `data` holds to a server.
pub fn hold(data: &[u8]) {
    let (version, frames) = conversation(data);
    for frame in &frames {
        crate::show(&String::from_utf8_lossy(frame));
    }
    world::run(hold_against(version, frames));
}

/// The client's version, if it introduces itself, and its frames.
fn conversation(data: &[u8]) -> (Option<u32>, Vec<Vec<u8>>) {
    match data.split_first() {
        Some((first @ (b'0'..=b'4' | b'-'), rest)) => {
            let lines = rest.split(|byte| *byte == b'\n').skip(1).take(MAX_FRAMES);
            (char::from(*first).to_digit(10), lines.map(<[u8]>::to_vec).collect())
        }
        Some((first, rest)) => {
            let version = u32::from(first % 5);
            // The more frames are odd in one place, the fewer are right in all.
            let care = 16 - (first / 5) % 4;
            let mut bytes = Unstructured::new(rest);
            let mut frames = Vec::new();
            while frames.len() < MAX_FRAMES && !bytes.is_empty() {
                frames.extend(grammar::frame(&mut bytes, version, care).map(String::into_bytes));
            }
            (Some(version), frames)
        }
        None => (None, Vec::new()),
    }
}

async fn hold_against(version: Option<u32>, frames: Vec<Vec<u8>>) {
    let world = World::new(Settings::default()).await;
    let mut client = Client::connect(&world.server);
    if let Some(version) = version {
        client.introduces_itself(version).await;
    }
    let mut frames = frames.into_iter();
    while let Some(frame) = frames.next().filter(|_| client.is_there()) {
        client.says(&frame);
        client.hears_all_replies().await;
        world.every_value_is_in_range();
    }
    client.vanishes();
    world.comes_to_rest(|_, _| true).await;
    world.ends().await;
}

//! The Handy with firmware up to 3: Protocol Buffers. Of the maker's messages only the movement is needed.

use super::Code;
use super::overlay::{Overlay, over};
use crate::catalogue::Setup;
use crate::frame::{Endpoint, Frame, FrameBytes, Frames};
use crate::protocol::{Outputs, Protocol};
use buttplug_core::OutputKind;
use prost::Message;
use std::time::Instant;

/// The far end of the stroke; the near one is 0.
const MAX_POSITION: i32 = 100;

/// The number of every message. Answers would carry it; nobody reads them.
const MESSAGE_ID: u32 = 2;

/// What the definition can't say.
pub(crate) struct TheHandy;

impl Code for TheHandy {
    fn needs_frames(&self, kind: OutputKind) -> bool {
        kind != OutputKind::HwPositionWithDuration
    }

    fn protocol(&self, _setup: &Setup<'_>, data: Box<dyn Protocol>) -> Result<Box<dyn Protocol>, String> {
        Ok(over(data, Device))
    }
}

struct Device;

#[derive(Clone, PartialEq, Message)]
struct Payload {
    #[prost(message, repeated, tag = "1")]
    messages: Vec<Command>,
}

#[derive(Clone, PartialEq, Message)]
struct Command {
    #[prost(message, optional, tag = "403")]
    linear: Option<Linear>,
}

#[derive(Clone, PartialEq, Message)]
struct Linear {
    #[prost(uint32, tag = "1")]
    id: u32,
    #[prost(uint32, tag = "2")]
    device: u32,
    #[prost(message, repeated, tag = "3")]
    movements: Vec<Movement>,
}

#[derive(Clone, PartialEq, Message)]
struct Movement {
    #[prost(uint32, tag = "1")]
    index: u32,
    #[prost(uint32, tag = "2")]
    duration_ms: u32,
    /// 0 to 1.
    #[prost(double, tag = "3")]
    position: f64,
}

impl Overlay for Device {
    fn frames(&mut self, _data: &mut dyn Protocol, _now: Instant, outputs: &Outputs, out: &mut Frames) {
        let moved = outputs.changed().filter(|slot| slot.kind == OutputKind::HwPositionWithDuration);
        out.extend(moved.map(|slot| movement(slot.value, slot.duration_ms)));
    }
}

fn movement(position: i32, duration_ms: u32) -> Frame {
    let position = f64::from(position.clamp(0, MAX_POSITION)) / f64::from(MAX_POSITION);
    let movement = Movement { index: 0, duration_ms, position };
    let linear = Linear { id: MESSAGE_ID, device: 0, movements: vec![movement] };
    let payload = Payload { messages: vec![Command { linear: Some(linear) }] };
    let data = FrameBytes::from_slice(&payload.encode_to_vec());
    Frame { endpoint: Endpoint::Tx, data, response: true }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_longest_movement_is_limited_and_fits_in_place() {
        let longest = movement(i32::MAX, u32::MAX);
        assert!(!longest.data.spilled(), "{longest}");
        assert_eq!(longest, movement(100, u32::MAX));
        assert_eq!(movement(i32::MIN, 0), movement(0, 0));
    }
}

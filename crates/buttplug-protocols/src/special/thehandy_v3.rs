//! The Handy with firmware from 4 on, and its relatives: Protocol Buffers, as numbered requests. Of the maker's requests
//! only movement and vibration are needed; the device changes its mode by itself. Connecting is data.

use super::Code;
use super::overlay::{Overlay, over};
use crate::catalogue::Setup;
use crate::frame::{Endpoint, Frame, FrameBytes, Frames};
use crate::protocol::{OutputSlot, Outputs, Protocol};
use buttplug_core::OutputKind;
use prost::Message;
use std::time::Instant;

/// The far end of the stroke, and the strongest vibration.
const MAX_VALUE: u8 = 100;

/// The frequency of every vibration, in Hz. What others feel like is not known.
const FREQUENCY: u32 = 100;

/// The type of a message that is a request.
const REQUEST: i32 = 1;

/// What the definition can't say.
pub(crate) struct TheHandyV3;

impl Code for TheHandyV3 {
    fn needs_frames(&self, kind: OutputKind) -> bool {
        !matches!(kind, OutputKind::HwPositionWithDuration | OutputKind::Vibrate)
    }

    fn protocol(&self, _setup: &Setup<'_>, data: Box<dyn Protocol>) -> Result<Box<dyn Protocol>, String> {
        Ok(over(data, Device { requests: 0 }))
    }
}

struct Device {
    /// How many requests there have been. Those of the handshake don't count: that some of the first have the same
    /// number does not matter.
    requests: u32,
}

#[derive(Clone, PartialEq, Message)]
struct RpcMessage {
    #[prost(int32, tag = "1")]
    kind: i32,
    #[prost(message, optional, tag = "2")]
    request: Option<Request>,
}

/// One of its commands is set.
#[derive(Clone, PartialEq, Message)]
struct Request {
    #[prost(uint32, tag = "2")]
    id: u32,
    #[prost(message, optional, tag = "744")]
    movement: Option<Movement>,
    #[prost(message, optional, tag = "900")]
    vibration: Option<Vibration>,
    #[prost(message, optional, tag = "901")]
    end_of_vibration: Option<EndOfVibration>,
}

#[derive(Clone, PartialEq, Message)]
struct Movement {
    /// 0 to 1.
    #[prost(float, tag = "1")]
    position: f32,
    #[prost(uint32, tag = "2")]
    duration_ms: u32,
}

#[derive(Clone, PartialEq, Message)]
struct Vibration {
    /// 0 to 1.
    #[prost(float, tag = "1")]
    amplitude: f32,
    #[prost(uint32, tag = "2")]
    frequency: u32,
}

#[derive(Clone, PartialEq, Message)]
struct EndOfVibration {}

impl Request {
    fn new(slot: &OutputSlot) -> Option<Self> {
        let value = u8::try_from(slot.value.max(0)).unwrap_or(MAX_VALUE).min(MAX_VALUE);
        let fraction = f32::from(value) / f32::from(MAX_VALUE);
        let none = Self::default();
        match (slot.kind, value) {
            (OutputKind::HwPositionWithDuration, _) => {
                let movement = Movement { position: fraction, duration_ms: slot.duration_ms };
                Some(Self { movement: Some(movement), ..none })
            }
            (OutputKind::Vibrate, 0) => Some(Self { end_of_vibration: Some(EndOfVibration {}), ..none }),
            (OutputKind::Vibrate, _) => {
                let vibration = Vibration { amplitude: fraction, frequency: FREQUENCY };
                Some(Self { vibration: Some(vibration), ..none })
            }
            _ => None,
        }
    }
}

impl Overlay for Device {
    fn frames(&mut self, _data: &mut dyn Protocol, _now: Instant, outputs: &Outputs, out: &mut Frames) {
        for request in outputs.changed().filter_map(Request::new) {
            self.requests = self.requests.wrapping_add(1);
            let request = Some(Request { id: self.requests, ..request });
            let message = RpcMessage { kind: REQUEST, request };
            let data = FrameBytes::from_slice(&message.encode_to_vec());
            out.push(Frame { endpoint: Endpoint::Tx, data, response: true });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use buttplug_core::FeatureIndex;

    #[test]
    fn values_beyond_the_range_are_limited() {
        let slot =
            |kind, value| OutputSlot { feature: FeatureIndex(0), kind, value, duration_ms: 7, changed: true };
        for kind in [OutputKind::Vibrate, OutputKind::HwPositionWithDuration] {
            assert_eq!(Request::new(&slot(kind, i32::MAX)), Request::new(&slot(kind, 100)));
            assert_eq!(Request::new(&slot(kind, 101)), Request::new(&slot(kind, 100)));
            assert_eq!(Request::new(&slot(kind, i32::MIN)), Request::new(&slot(kind, 0)));
        }
    }
}

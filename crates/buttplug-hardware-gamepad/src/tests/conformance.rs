//! The contract that all buses keep.

use super::Room;
use crate::bus::GamepadBus;
use crate::motors::{Motors, Rumble};
use async_trait::async_trait;
use buttplug_protocols::catalogue::Wiring;
use buttplug_protocols::frame::{Endpoint, Frame};
use buttplug_server::hardware::HardwareBus;
use buttplug_server::hardware::conformance::{Bench, check};
use std::sync::Arc;
use std::time::Duration;

const ADDRESS: &str = "a";

struct PadOfOurs {
    room: Room,
    bus: Arc<GamepadBus>,
    /// How much of what it was told has been taken.
    taken: usize,
    last: Rumble,
}

/// A rumble is kept going by another one that is hardly different.
fn keeps_going(last: Rumble, rumble: Rumble) -> bool {
    let strengths = |Rumble { low, high, left, right }: Rumble| [low, high, left, right];
    strengths(last).iter().zip(strengths(rumble)).all(|(before, now)| before.abs_diff(now) <= 1)
}

#[async_trait]
impl Bench for PadOfOurs {
    fn bus(&self) -> Arc<dyn HardwareBus> {
        Arc::<GamepadBus>::clone(&self.bus)
    }

    fn wiring(&self) -> Wiring {
        Wiring::Direct
    }

    fn speaks_at(&self) -> Option<Endpoint> {
        None
    }

    fn reads_at(&self) -> Option<Endpoint> {
        None
    }

    /// Four strengths that are not all zero, and of other bytes quite different ones.
    fn frame(&self, bytes: &[u8]) -> Frame {
        let mut strengths = [0; 8];
        strengths.iter_mut().skip(1).step_by(2).zip(bytes).for_each(|(to, from)| *to = *from);
        Frame::new(Endpoint::Tx, &strengths)
    }

    async fn appear(&mut self) {
        self.taken = 0;
        self.room.plug(ADDRESS, Motors::MainAndTriggers, None);
    }

    async fn vanish(&mut self) {
        self.room.change(|state| state.pads.clear());
    }

    async fn arrived(&mut self) -> Vec<u8> {
        loop {
            let told = self.room.set(ADDRESS);
            if let Some(rumble) = told.get(self.taken) {
                self.taken += 1;
                let more = keeps_going(std::mem::replace(&mut self.last, *rumble), *rumble);
                // A pad rests when it is taken and let go of.
                if *rumble != Rumble::REST && !more {
                    let Rumble { low, high, left, right } = *rumble;
                    return [low, high, left, right].map(u16::to_le_bytes).concat();
                }
            } else {
                tokio::time::sleep(Duration::from_millis(2)).await;
            }
        }
    }

    async fn say(&mut self, _data: &[u8]) {}

    async fn prepare_read(&mut self, _data: &[u8]) -> bool {
        false
    }

    async fn stall(&mut self, stalled: bool) -> bool {
        self.room.change(|state| state.hanging = stalled.then(|| ADDRESS.into()));
        true
    }
}

#[tokio::test]
async fn the_contract_of_all_buses_is_kept() {
    let room = Room::default();
    let bus = Arc::new(GamepadBus::with_pads(Arc::new(room.clone())));
    check(&mut PadOfOurs { room, bus, taken: 0, last: Rumble::REST }).await;
}

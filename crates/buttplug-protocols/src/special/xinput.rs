//! XInput: the battery has four levels. Everything but that is data.

use super::Code;
use super::overlay::{Overlay, over};
use crate::catalogue::Setup;
use crate::protocol::{Heard, Protocol, Topic, Turn};
use buttplug_core::{InputKind, OutputKind};

/// What the definition can't say.
pub(crate) struct XInput;

impl Code for XInput {
    fn needs_frames(&self, _kind: OutputKind) -> bool {
        true
    }

    fn protocol(&self, _setup: &Setup<'_>, data: Box<dyn Protocol>) -> Result<Box<dyn Protocol>, String> {
        Ok(over(data, Device))
    }
}

/// One pad.
struct Device;

impl Overlay for Device {
    fn converse(&mut self, data: &mut dyn Protocol, topic: Topic, heard: Heard<'_>) -> Turn<Option<i32>> {
        match (topic, data.converse(topic, heard)) {
            (Topic::Read(input), Turn::Done(Some(level))) if input.kind == InputKind::Battery => {
                match percent(level) {
                    Some(percent) => Turn::Done(Some(percent)),
                    None => Turn::Fail(format!("{level} is no level of the battery; they are 0 to 3")),
                }
            }
            (_, turn) => turn,
        }
    }
}

/// What empty, low, medium and full are in percent.
fn percent(level: i32) -> Option<i32> {
    usize::try_from(level).ok().and_then(|level| [0, 33, 66, 100].get(level).copied())
}

#[cfg(test)]
mod tests {
    use super::percent;

    #[test]
    fn a_level_that_is_none_gives_no_percentage() {
        assert_eq!([-1, 0, 1, 2, 3, 4].map(percent), [None, Some(0), Some(33), Some(66), Some(100), None]);
    }
}

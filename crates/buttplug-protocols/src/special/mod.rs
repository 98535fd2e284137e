//! Protocols that need code: one file each. Border: what a definition can say stays in the definition.
//!
//! A definition that says `code = "name"` is helped by `special/name.rs`, which holds one type that implements [`Code`]
//! and is listed in [`find`]. The code gets the chance to take over three things, each on its own:
//!
//! 1. finding the model ([`Code::identification`], instead of the definition's `identify`),
//! 2. choosing among the definition's variants ([`Code::variant`], instead of the model's own),
//! 3. the running protocol ([`Code::protocol`]): it is handed what the definition makes and may wrap it, pass on to it
//!    what data can do, and do the rest itself. The definition's frames, connect steps, readings and keepalive
//!    all work inside `data`.
//!
//! Models, match rules, endpoints, vectors and as many frames as possible stay in the definition. Why a protocol needs
//! code stands in the table of the book's chapter `adding-a-device.md`.

use crate::catalogue::Setup;
use crate::protocol::{Identification, Protocol};
use crate::sighting::Sighting;
use buttplug_core::OutputKind;

mod aes_ecb;
mod cueme;
mod envelope;
mod fluffer;
mod fmachine;
mod fredorch_rotary;
mod galaku;
mod honeyplaybox;
mod joyhub;
mod lelo;
mod lovense;
mod lovense_connect;
mod motion;
mod onyx;
mod ossm;
mod overlay;
mod realtouch;
mod rotator;
mod thehandy;
mod thehandy_v3;
mod umove;
mod vibcrafter;
mod vibio;
mod xinput;

/// What the code of one protocol takes over. Every method has the answer "nothing" as its default.
pub(crate) trait Code: Send + Sync {
    /// Finds out the model. `None`: as the definition's `identify` says.
    fn identification(&self, _sighting: &Sighting) -> Option<Box<dyn Identification>> {
        None
    }

    /// The definition's variant for this device. `None`: the one that the model names.
    fn variant(&self, _setup: &Setup<'_>) -> Option<&'static str> {
        None
    }

    /// Whether outputs of a kind are written by the definition alone, so that a model with one for which the definition has no
    /// frames has to be refused: it would not even hear of a stop.
    fn needs_frames(&self, _kind: OutputKind) -> bool {
        false
    }

    /// The protocol of one device. `data` is what the definition alone makes for it, with the variant chosen above.
    ///
    /// # Errors
    /// The model or the hardware does not fit; the reason is for people.
    fn protocol(&self, _setup: &Setup<'_>, data: Box<dyn Protocol>) -> Result<Box<dyn Protocol>, String> {
        Ok(data)
    }
}

/// The code with this name.
pub(crate) fn find(name: &str) -> Option<&'static dyn Code> {
    match name {
        "cueme" => Some(&cueme::Cueme),
        "fluffer" => Some(&fluffer::Fluffer),
        "fmachine" => Some(&fmachine::FMachine),
        "fredorch_rotary" => Some(&fredorch_rotary::FredorchRotary),
        "galaku" => Some(&galaku::Galaku),
        "honeyplaybox" => Some(&honeyplaybox::HoneyPlayBox),
        "joyhub" => Some(&joyhub::JoyHub),
        "lelo" => Some(&lelo::Lelo),
        "lovense" => Some(&lovense::Lovense),
        "lovense_connect" => Some(&lovense_connect::LovenseConnect),
        "onyx" => Some(&onyx::Onyx),
        "ossm" => Some(&ossm::Ossm),
        "realtouch" => Some(&realtouch::RealTouch),
        "thehandy" => Some(&thehandy::TheHandy),
        "thehandy_v3" => Some(&thehandy_v3::TheHandyV3),
        "umove" => Some(&umove::Umove),
        "vibcrafter" => Some(&vibcrafter::VIBCRAFTER),
        "vibio" => Some(&vibio::VIBIO),
        "xinput" => Some(&xinput::XInput),
        _ => None,
    }
}

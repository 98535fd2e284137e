//! Definitions: what a file in `devices/` may say, read with positions. Knows the text, not the hardware.
//!
//! A definition is a TOML file named after its protocol. Unknown keys are errors.
//!
//! # Who speaks it
//!
//! ```toml
//! [[bluetooth]]
//! names = ["Massage Demo", "LVS-*"]                          # exact, or the beginning before a `*`
//! manufacturer = ["93", "93: 00 00 27"]                      # company, and how its data begins
//! advertised = ["1320"]                                      # advertised services
//! services.ff00 = { tx = "ff01", rx = "ff02" }               # endpoints: characteristics of services
//! services.180f = { rxblebattery = "2a19" }                  # four digits are short for the Bluetooth base UUID
//!
//! [[serial]]
//! port = "/dev/ttyUSB0"
//! settings = "115200 8N1"
//!
//! [[hid]]                                                    # and [[usb]]
//! ids = ["1f54:0001"]
//!
//! [[websocket]]                                              # and [[simulated]]
//! names = ["somebody"]
//! ```
//!
//! # Models
//!
//! Models that share features and variant stand in one `[[model]]`. `names` gives each model's identifier or
//! identifiers; `fallback` is the name of the model for all hardware that no identifier names. `features` left out: those
//! of the fallback.
//!
//! ```toml
//! [[model]]
//! fallback = "WeVibe Device"
//! features = [{ vibrate = 15 }]
//! names."WeVibe Bloom" = "Bloom"
//! names."WeVibe Ditto" = "Ditto"
//!
//! [[model]]
//! features = [{ vibrate = 15, label = "Internal" }, { vibrate = 15 }, { rotate = [-20, 20], index = 4 }, "battery"]
//! variant = "dual"                                            # see below
//! gap = "50 ms"                                               # least time between writes, if not the bus's
//! constants = { kind = 0x05 }                                 # bytes that differ from model to model
//! names."WeVibe 4 Plus" = ["4 Plus", "4_Plus", "4plus"]
//! ```
//!
//! A feature has outputs (`vibrate rotate oscillate constrict spray temperature led position timed-position`), each with
//! its greatest value or `[least, greatest]`; a timed position also has `duration` in milliseconds. Inputs are
//! `battery rssi button pressure depth position-input` with what may be asked: `battery = "read"`, `pressure =
//! "subscribe"`, `button = ["read", "subscribe"]`; `range = [0, 2000]` where it is not the kind's usual one. The string
//! `"battery"` is short for `{ battery = "read" }`. A feature's index is its place, unless `index` says otherwise.
//!
//! # What is written
//!
//! ```toml
//! response = true                                 # all writes are confirmed; without this line none are
//! connect = ["subscribe rx", "01 -> command, with response", "wait 100 ms"]
//! keepalive = "500 ms"
//! write = "f1+feature value"                      # for every output, or by kind:
//!
//! [write]
//! vibrate = "f1+feature value"
//! rotate = "f3 abs(value)"
//! "oscillate constrict" = "f4 value"
//! ```
//!
//! A frame that mentions none of `value`, `feature`, `duration` speaks for the whole device and is written once,
//! however many outputs have changed. Frames are described in [`notation`](crate::notation).
//!
//! `[variant.dual]` holds `write`, `connect`, `keepalive`, `read` and `notify` for the models that name it; what it
//! leaves out is as at the top.
//!
//! # What is read
//!
//! ```toml
//! [read]
//! battery = ["'Battery;'", "expect rx: value:dec ';' within 500 ms"]
//! [notify]
//! pressure = "rxpressure: value:u32le"
//! ```
//!
//! A battery that says nothing else is read from `rxblebattery`, one byte.
//!
//! # Vectors
//!
//! ```toml
//! [[example]]
//! model = "Bloom"                               # an identifier; left out: the fallback
//! do    = ["vibrate 0 20, vibrate 1 100", "wait 500 ms", "stop"]
//! write = [["14", "64"], "64", []]              # for each turn what the hardware is told: a frame, or a list
//! ```
//!
//! A turn is one or more outputs set at once (`timed-position 0 80 in 400 ms`), or one of `stop`, `connect`, `identify`,
//! `wait 500 ms`, `read battery 2`, `subscribe pressure 0`, `unsubscribe pressure 0`, and `hear rxpressure: 10 00`, a
//! notification. Told to the hardware are frames, and in conversations also `subscribe rx`, `unsubscribe rx`, `read rx`
//! and `wait 100 ms`. Further keys: `hears`, what the hardware says when it is asked or waited for, in order (`"rx: 55"`,
//! `"silence"`); `reading`, what comes of it, in order (`"battery 2 = 85"`); `name` and `manufacturer` (`"93: 00 00 27"`), as
//! advertised; `identifier`, what `identify` finds, `""` for nothing; `features`, where it is about what a person might
//! have and no model is; `endpoints`, where the hardware does not have all.

mod forms;
mod hardware;
pub mod kind;
mod models;
mod parse;
mod reader;
pub mod rules;
mod vector;

pub use parse::parse;
pub use vector::{Act, Said, Seen, Vector, VectorStep, VectorTurn};

use crate::frame::Endpoint;
use crate::notation::frame::Template;
use crate::notation::pattern::Pattern;
use crate::notation::step::StepTemplate;
use crate::sighting::Uuid;
use buttplug_core::{InputKind, OutputKind};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// The longest definition that is read, in bytes. The longest of ours has about a tenth of it.
pub const MAX_DEFINITION_BYTES: usize = 256 * 1024;

/// The most features of a model.
pub const MAX_FEATURES: usize = 32;

/// The most frames in one form of a protocol.
pub const MAX_FRAMES: usize = 64;

/// What is wrong with a definition, and where.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{file}:{line}:{column}: {message}")]
pub struct DefinitionError {
    /// The name of the file.
    pub file: String,
    /// The line, from 1.
    pub line: usize,
    /// The character in the line, from 1.
    pub column: usize,
    /// What is wrong.
    pub message: String,
}

/// A definition file, read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DefinitionFile {
    /// What the device understands.
    pub definition: Definition,
    /// Its test vectors.
    pub vectors: Vec<Vector>,
    /// The protocols that are known to claim some of the same hardware.
    pub overlaps: Vec<String>,
    /// The name of the file.
    pub file: String,
    /// The lines of the definition's match rules.
    pub rule_lines: Vec<usize>,
}

/// What a protocol's hardware is and understands. This is what the packed catalogue holds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Definition {
    /// The protocol's id.
    pub id: String,
    /// The name of the code that helps.
    pub code: Option<String>,
    /// Which hardware speaks it.
    pub rules: Vec<Rule>,
    /// How the model is found, tried in this order.
    pub identify: Vec<Identify>,
    /// The names of the constants.
    pub constants: Vec<String>,
    /// The models, in groups that share what they have.
    pub groups: Vec<Group>,
    /// What is written and read: without variant first, then the variants.
    pub forms: Vec<Form>,
}

/// Hardware that speaks a protocol, and where on it things are.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Rule {
    /// Bluetooth Low Energy.
    Bluetooth {
        /// Advertised names; with `*` in the end, beginnings of names.
        names: Vec<String>,
        /// Company ids and how their data begins.
        manufacturer: Vec<(u16, Vec<u8>)>,
        /// Advertised services.
        advertised: Vec<Uuid>,
        /// Endpoints by service.
        services: BTreeMap<Uuid, BTreeMap<Endpoint, Uuid>>,
    },
    /// A serial port.
    Serial {
        /// Its name.
        port: String,
        /// Bits per second.
        baud_rate: u32,
        /// Bits per character.
        data_bits: u8,
        /// `N`, `E` or `O`.
        parity: char,
        /// Stop bits.
        stop_bits: u8,
    },
    /// Human interface devices by vendor and product.
    Hid(Vec<(u16, u16)>),
    /// USB devices by vendor and product.
    Usb(Vec<(u16, u16)>),
    /// Devices that dial in, by what they call themselves.
    WebSocket(Vec<String>),
    /// Simulated devices by archetype.
    Simulated(Vec<String>),
}

/// A way to find the model.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Identify {
    /// `name`: the advertised name is the identifier.
    Name,
    /// `manufacturer as ..`: made from manufacturer data of a company, or of any.
    Manufacturer(Option<u16>, IdentifierForm),
    /// `read .. as ..`: made from what is read.
    Read(Endpoint, IdentifierForm),
}

/// How bytes become an identifier.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum IdentifierForm {
    /// Four bytes are a number, its decimal text the identifier. Any other length counts as the number 0.
    U32Be,
    /// The bytes in lower-case hex.
    Hex,
    /// Text as it is, without zero bytes.
    Text,
}

/// Models that share what they have.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Group {
    /// The name of the model for hardware that no identifier names.
    pub fallback: Option<String>,
    /// Names and identifiers.
    pub names: Vec<(String, Vec<String>)>,
    /// Which form of the protocol they speak.
    pub variant: Option<String>,
    /// The least time between writes.
    pub gap_ms: Option<u32>,
    /// The values of the constants, in the order of the definition's.
    pub constants: Vec<i64>,
    /// What they have.
    pub features: Vec<Feature>,
}

/// One thing that models have.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Feature {
    /// Its number.
    pub index: u32,
    /// What it is, for people.
    pub label: String,
    /// What it can do.
    pub outputs: Vec<Output>,
    /// What it can tell.
    pub inputs: Vec<Input>,
}

/// One output of a feature.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Output {
    /// Its kind.
    #[serde(with = "kind::output")]
    pub kind: OutputKind,
    /// The least and the greatest value.
    pub range: (i32, i32),
    /// The least and the greatest duration in milliseconds, for timed positions.
    pub duration: Option<(i32, i32)>,
}

/// One input of a feature.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Input {
    /// Its kind.
    #[serde(with = "kind::input")]
    pub kind: InputKind,
    /// The least and the greatest value.
    pub range: (i32, i32),
    /// Whether it can be read.
    pub read: bool,
    /// Whether it can be subscribed.
    pub subscribe: bool,
}

/// What is written and read.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Form {
    /// The variant's name; empty for models without a variant.
    pub name: String,
    /// The steps that make fresh hardware ready.
    pub connect: Vec<StepTemplate>,
    /// What is written for the kinds of outputs.
    pub write: Vec<WriteRule>,
    /// The steps that read inputs.
    pub read: Vec<ReadRule>,
    /// The notifications that carry inputs.
    pub notify: Vec<NotifyRule>,
    /// When the hardware wants to hear everything again.
    pub keepalive: Option<Keepalive>,
}

/// What is written when outputs of some kinds have changed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct WriteRule {
    /// The kinds; none for all that have no rule of their own.
    pub kinds: Vec<PackedKind>,
    /// The frames, in order.
    pub frames: Vec<Template>,
}

/// A kind of output in a list.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PackedKind(#[serde(with = "kind::output")] pub OutputKind);

/// How an input is read.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReadRule {
    /// Its kind.
    #[serde(with = "kind::input")]
    pub kind: InputKind,
    /// The steps; one of them gives the value.
    pub steps: Vec<StepTemplate>,
}

/// How an input is notified.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NotifyRule {
    /// Its kind.
    #[serde(with = "kind::input")]
    pub kind: InputKind,
    /// Where.
    pub endpoint: Endpoint,
    /// What it looks like.
    pub pattern: Pattern,
}

/// When the hardware wants to hear everything again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Keepalive {
    /// After so many milliseconds.
    pub after_ms: u32,
    /// Only while something is not zero.
    pub while_running: bool,
}

impl Definition {
    /// The group with the fallback model.
    pub fn fallback(&self) -> Option<(&Group, &str)> {
        self.groups.iter().find_map(|group| group.fallback.as_deref().map(|name| (group, name)))
    }

    /// The model with this identifier, with its group and name.
    pub fn named(&self, identifier: &str) -> Option<(&Group, &str)> {
        self.groups.iter().find_map(|group| {
            let named = group.names.iter().find(|(_, ids)| ids.iter().any(|id| id == identifier));
            named.map(|(name, _)| (group, name.as_str()))
        })
    }

    /// The form with this name.
    pub fn form(&self, variant: Option<&str>) -> Option<&Form> {
        let name = variant.unwrap_or("");
        self.forms.iter().find(|form| form.name == name)
    }
}

impl Form {
    /// What is written for a kind of output.
    pub fn frames(&self, kind: OutputKind) -> &[Template] {
        let own = self.write.iter().find(|rule| rule.kinds.iter().any(|listed| listed.0 == kind));
        let rule = own.or_else(|| self.write.iter().find(|rule| rule.kinds.is_empty()));
        rule.map_or(&[], |rule| &rule.frames)
    }

    /// The steps that read an input of a kind, if the definition has some.
    pub fn read(&self, kind: InputKind) -> Option<&[StepTemplate]> {
        self.read.iter().find(|rule| rule.kind == kind).map(|rule| &*rule.steps)
    }

    /// How an input of a kind is notified.
    pub fn notify(&self, kind: InputKind) -> Option<&NotifyRule> {
        self.notify.iter().find(|rule| rule.kind == kind)
    }
}

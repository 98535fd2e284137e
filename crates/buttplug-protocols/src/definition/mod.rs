//! Definitions: what a file in `devices/` may say, read with positions. Knows the text, not the hardware.
//!
//! A definition is a TOML file named after its protocol. Unknown keys are errors. What may stand in it, from match rules
//! to vectors, is the book's chapter "Adding a device" (`docs/src/adding-a-device.md`), whose examples are run as tests;
//! [`parse`] has a small one. Frames, steps and patterns are in [`notation`](crate::notation).
//!
//! A definition may come from anybody: its size, its parts and what it takes to check it are bounded by the limits here.

mod addition;
mod forms;
mod hardware;
pub mod kind;
mod models;
pub mod name_part;
pub mod overlap;
mod parse;
mod reader;
pub mod rules;
mod trial;
mod vector;

pub use addition::Addition;
pub use name_part::NamePart;
pub use parse::parse;
pub(crate) use reader::MAX_ERRORS;
pub use vector::{Act, Said, Seen, Vector, VectorStep, VectorTurn};

use crate::frame::Endpoint;
use crate::notation::expression::Name;
use crate::notation::frame::Template;
use crate::notation::pattern::Pattern;
use crate::notation::step::{Action, StepTemplate};
use crate::sighting::{BusKind, UsbIds, Uuid};
use buttplug_core::{InputKind, OutputKind};
use serde::{Deserialize, Serialize};
use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};

/// The longest definition that is read, in bytes. The longest of ours has about a tenth of it.
pub const MAX_DEFINITION_BYTES: usize = 256 * 1024;

/// The most features of a model.
pub const MAX_FEATURES: usize = 32;

/// The most frames in one form of a protocol.
pub const MAX_FRAMES: usize = 64;

/// The most steps in one conversation.
pub const MAX_STEPS: usize = 64;

/// The most `[[model]]` in a definition. The protocol with the most kinds of models has less than 70.
pub const MAX_GROUPS: usize = 256;

/// The most match rules in a definition.
pub const MAX_RULES: usize = 64;

/// The most variants of a protocol.
pub const MAX_VARIANTS: usize = 64;

/// The most constants of a definition.
pub const MAX_CONSTANTS: usize = 32;

/// The most examples in a definition. The one with the most has about thirty.
pub const MAX_EXAMPLES: usize = 1024;

/// The most endpoints of which one form asks whether the hardware has them: all combinations are tried.
pub const MAX_ASKED_ENDPOINTS: usize = 3;

/// The longest label of a feature, in bytes.
pub const MAX_LABEL_BYTES: usize = 64;

/// How many numbers, names and bytes may be looked at to try the values of all models, which bounds the time that takes to
/// about a second. What is built in needs a small part of it.
pub const MAX_CHECK_EFFORT: u64 = 50_000_000;

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

/// A place in a definition's text.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Place {
    /// The line, from 1.
    pub line: usize,
    /// The character in the line, from 1.
    pub column: usize,
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
    /// Where it asks for code.
    pub code_place: Option<Place>,
}

/// What a protocol's hardware is and understands. This is what the packed catalogue holds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Definition {
    /// The protocol's id.
    pub id: String,
    /// The name of the code that helps.
    pub code: Option<String>,
    /// The protocols that are tried after this one where both fit.
    pub before: Vec<String>,
    /// Models are shown under the name that their hardware has, where it has one.
    pub own_names: bool,
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
        /// Which one.
        port: PortRule,
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
    Hid(Vec<UsbIds>),
    /// USB devices by vendor and product.
    Usb(Vec<UsbIds>),
    /// Devices that dial in, by what they call themselves.
    WebSocket(Vec<String>),
    /// Game controllers by what they call themselves; none: all.
    Gamepad(Vec<String>),
    /// All toys that the app Lovense Connect lists.
    LovenseConnect,
    /// Simulated devices by archetype.
    Simulated(Vec<String>),
}

/// Which serial port.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum PortRule {
    /// The one with this name.
    Named(String),
    /// Each that is on a USB adapter with one of these pairs of numbers.
    Usb(Vec<UsbIds>),
}

/// A way to find the model.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Identify {
    /// `name`: the advertised name is the identifier.
    Name,
    /// `name ..(..)..`: a part of the advertised name is.
    PartOfName(NamePart),
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
    /// Why they are not driven, for people, if that is so.
    pub not_driven: Option<String>,
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

impl Rule {
    /// The bus on which this hardware is found.
    pub fn bus(&self) -> BusKind {
        match self {
            Self::Bluetooth { .. } => BusKind::Bluetooth,
            Self::Serial { .. } => BusKind::Serial,
            Self::Hid(_) => BusKind::Hid,
            Self::Usb(_) => BusKind::Usb,
            Self::WebSocket(_) => BusKind::WebSocket,
            Self::Gamepad(_) => BusKind::Gamepad,
            Self::LovenseConnect => BusKind::LovenseConnect,
            Self::Simulated(_) => BusKind::Simulated,
        }
    }
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
    /// The rule for a kind of output, its own or that for all kinds, and how many frames the rules before it have.
    pub fn rule(&self, kind: OutputKind) -> Option<(usize, &WriteRule)> {
        let own = self.write.iter().position(|rule| rule.kinds.iter().any(|listed| listed.0 == kind));
        let place = own.or_else(|| self.write.iter().position(|rule| rule.kinds.is_empty()))?;
        let (before, rest) = self.write.split_at_checked(place)?;
        Some((before.iter().map(|rule| rule.frames.len()).sum(), rest.first()?))
    }

    /// What is written for a kind of output.
    pub fn frames(&self, kind: OutputKind) -> &[Template] {
        self.rule(kind).map_or(&[], |(_, rule)| &rule.frames)
    }

    /// The steps of all conversations.
    pub fn steps(&self) -> impl Iterator<Item = &StepTemplate> {
        self.connect.iter().chain(self.read.iter().flat_map(|rule| &rule.steps))
    }

    /// All frames: written for outputs, and in conversations.
    pub fn templates(&self) -> impl Iterator<Item = &Template> {
        let steps = self.steps().filter_map(|step| match &step.action {
            Action::Write(template) => Some(template),
            _ => None,
        });
        self.write.iter().flat_map(|rule| &rule.frames).chain(steps)
    }

    /// The endpoints of which a frame or a condition asks whether the hardware has them.
    pub fn asks_for(&self) -> BTreeSet<Endpoint> {
        let asked = RefCell::new(BTreeSet::new());
        let note = |name: Name| {
            if let Name::Has(endpoint) = name {
                asked.borrow_mut().insert(endpoint);
            }
            false
        };
        for template in self.templates() {
            template.mentions(&note);
        }
        for step in self.steps() {
            step.condition.mentions(&note);
        }
        asked.into_inner()
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

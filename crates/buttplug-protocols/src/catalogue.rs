//! The catalogue: from a sighting to a protocol that drives the device.
//!
//! What is built in was read, checked and packed when the program was built. At start only the index of match rules is
//! unpacked; a protocol is, when the first hardware of its kind is seen.

use crate::definition::{self, Addition, Definition, DefinitionError, MAX_GROUPS, MAX_RULES, PortRule, Rule};
use crate::frame::Endpoint;
use crate::identification::Ways;
use crate::interpreter::Interpreter;
use crate::matching::{Claim, Index};
use crate::model::Model;
use crate::protocol::{Identification, Protocol};
use crate::sighting::{Sighting, UsbIds, Uuid};
use crate::special;
use std::collections::BTreeMap;
use std::sync::{Arc, OnceLock};

/// How a protocol's endpoints are found on hardware of one bus.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Wiring {
    /// Characteristics of services.
    Bluetooth(BTreeMap<Uuid, BTreeMap<Endpoint, Uuid>>),
    /// The settings of a serial port.
    Serial(SerialSettings),
    /// The bus has no addressable places: everything goes one way in and one way out.
    Direct,
}

/// The settings of a serial port.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SerialSettings {
    /// Bits per second.
    pub baud_rate: u32,
    /// Bits per character.
    pub data_bits: u8,
    /// `N`, `E` or `O`.
    pub parity: char,
    /// Stop bits.
    pub stop_bits: u8,
}

/// What a protocol is made from, once the hardware is open and identified.
#[derive(Clone, Copy, Debug)]
pub struct Setup<'a> {
    /// The identifier that the identification found.
    pub identifier: Option<&'a str>,
    /// The model.
    pub model: &'a Model,
    /// What the bus saw.
    pub sighting: &'a Sighting,
    /// The endpoints that the hardware has; empty where the bus has no addressable places.
    pub endpoints: &'a [Endpoint],
    /// Random bits for protocols that need some, fresh for every connection.
    pub seed: u64,
}

/// The catalogue of protocols and models. A copy is cheap: it shares what is built in.
///
/// ```
/// use buttplug_protocols::catalogue::Catalogue;
/// use buttplug_protocols::sighting::{Advertisement, Sighting};
///
/// let catalogue = Catalogue::builtin();
/// let name = String::from("Massage Demo");
/// let advertisement = Advertisement::Bluetooth { name, manufacturer_data: Vec::new(), services: Vec::new() };
/// let candidates = catalogue.candidates(&Sighting::new("00:11:22:33:44:55", advertisement));
/// assert_eq!(candidates[0].protocol(), "aneros");
/// assert_eq!(candidates[0].model(None).map(|model| model.name), Some(String::from("Aneros Vivi")));
/// ```
#[derive(Clone, Debug)]
pub struct Catalogue {
    builtin: Arc<Builtin>,
    own: Arc<Own>,
}

/// What is built in.
#[derive(Debug)]
struct Builtin {
    index: Index<&'static str>,
    /// In the order of their ids.
    protocols: Vec<Packed>,
}

/// A protocol that is unpacked when it is first needed.
#[derive(Debug)]
struct Packed {
    id: &'static str,
    bytes: &'static [u8],
    loaded: OnceLock<Option<Arc<Loaded>>>,
}

/// What a person has added.
#[derive(Clone, Debug)]
struct Own {
    index: Index<String>,
    protocols: Vec<Arc<Loaded>>,
    /// Of the rules that were added to protocols; a rule's place counts from the first one added.
    added: Index<String>,
    extended: Vec<Extended>,
}

/// A protocol to which a person has added something.
#[derive(Clone, Debug)]
struct Extended {
    loaded: Arc<Loaded>,
    /// The place of the first match rule that was added. Those before are the protocol's own, in their places.
    first_added: usize,
}

/// A protocol, ready for use.
#[derive(Debug)]
struct Loaded {
    definition: Arc<Definition>,
    /// One for each match rule.
    wirings: Vec<Wiring>,
}

static DIRECT: Wiring = Wiring::Direct;

/// Why something of a person's own could not be added.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CatalogueError {
    /// No protocol has this id.
    #[error("no protocol is called {0:?}")]
    UnknownProtocol(String),
    /// A definition has errors.
    #[error("{}", list(.0))]
    Definition(Vec<DefinitionError>),
    /// What was added to a protocol does not fit it, for these reasons.
    #[error("{protocol}: {}", .reasons.join("; "))]
    Addition {
        /// The protocol.
        protocol: String,
        /// What does not fit, for people.
        reasons: Vec<String>,
    },
    /// Code of this name is not built in.
    #[error("the protocol {protocol} asks for code {code:?}, which is not built in")]
    UnknownCode {
        /// The protocol.
        protocol: String,
        /// What it asks for.
        code: String,
    },
}

fn list(errors: &[DefinitionError]) -> String {
    errors.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
}

/// The index of the packed catalogue, and the protocols' ids and sizes in the order of the packed bytes.
type PackedIndex = (Index<&'static str>, Vec<(&'static str, u32)>);

static INDEX: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/index.bin"));
static PROTOCOLS: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/protocols.bin"));

impl Builtin {
    fn unpack() -> Option<Self> {
        let (index, sizes): PackedIndex = postcard::from_bytes(INDEX).ok()?;
        let mut rest = PROTOCOLS;
        let mut protocols = Vec::with_capacity(sizes.len());
        for (id, size) in sizes {
            let (bytes, after) = rest.split_at_checked(usize::try_from(size).ok()?)?;
            rest = after;
            protocols.push(Packed { id, bytes, loaded: OnceLock::new() });
        }
        Some(Self { index, protocols })
    }
}

impl Packed {
    fn loaded(&self) -> Option<&Arc<Loaded>> {
        let unpack = || Some(Arc::new(Loaded::new(Arc::new(postcard::from_bytes(self.bytes).ok()?))));
        self.loaded.get_or_init(unpack).as_ref()
    }
}

impl Extended {
    fn added(&self) -> &[Rule] {
        self.loaded.definition.rules.get(self.first_added..).unwrap_or_default()
    }
}

impl Loaded {
    fn new(definition: Arc<Definition>) -> Self {
        let wiring = |rule: &Rule| match rule {
            Rule::Bluetooth { services, .. } => Wiring::Bluetooth(services.clone()),
            Rule::Serial { baud_rate, data_bits, parity, stop_bits, .. } => Wiring::Serial(SerialSettings {
                baud_rate: *baud_rate,
                data_bits: *data_bits,
                parity: *parity,
                stop_bits: *stop_bits,
            }),
            Rule::Hid(_)
            | Rule::Usb(_)
            | Rule::WebSocket(_)
            | Rule::Gamepad(_)
            | Rule::LovenseConnect
            | Rule::Simulated(_) => Wiring::Direct,
        };
        let wirings = definition.rules.iter().map(wiring).collect();
        Self { definition, wirings }
    }
}

impl Catalogue {
    /// The catalogue that is built in.
    pub fn builtin() -> Self {
        static BUILTIN: OnceLock<Arc<Builtin>> = OnceLock::new();
        // What the build script has packed can be unpacked; a test sees to it.
        let unpack = || {
            let empty = || Builtin { index: Index::new([]), protocols: Vec::new() };
            Arc::new(Builtin::unpack().unwrap_or_else(empty))
        };
        let own =
            Own { index: Index::new([]), protocols: Vec::new(), added: Index::new([]), extended: Vec::new() };
        Self { builtin: Arc::clone(BUILTIN.get_or_init(unpack)), own: Arc::new(own) }
    }

    /// Adds a rule of a person's own: what dials in as `identifier` speaks `protocol`. Tried before built-in rules.
    ///
    /// # Errors
    /// No protocol has this id, or it has too many rules.
    pub fn add_websocket_rule(&mut self, protocol: &str, identifier: &str) -> Result<(), CatalogueError> {
        let rules = vec![Rule::WebSocket(vec![identifier.to_owned()])];
        self.extend(&Addition { protocol: protocol.to_owned(), rules, groups: Vec::new() })
    }

    /// Adds hardware and models to a protocol. The rules added are tried before all others, and the models added are
    /// preferred to those that have the same identifiers. Definitions come before what is added to them: one that is
    /// added afterwards does not have it.
    ///
    /// # Errors
    /// No protocol has this id, or it can't drive what is added; nothing has been added.
    pub fn extend(&mut self, addition: &Addition) -> Result<(), CatalogueError> {
        let id = addition.protocol.as_str();
        let wrong = |reasons| CatalogueError::Addition { protocol: id.to_owned(), reasons };
        let base = self.find(id).ok_or_else(|| CatalogueError::UnknownProtocol(id.to_owned()))?;
        let place = self.own.extended.iter().position(|extended| extended.loaded.definition.id == id);
        let first_added = match place {
            Some(place) => self.own.extended[place].first_added,
            None => base.definition.rules.len(),
        };
        let rules = base.definition.rules.len() - first_added + addition.rules.len();
        if rules > MAX_RULES || base.definition.groups.len() + addition.groups.len() > 2 * MAX_GROUPS {
            return Err(wrong(vec![format!(
                "at most {MAX_RULES} rules and {MAX_GROUPS} models can be added"
            )]));
        }
        let definition = addition.applied_to(&base.definition).map_err(wrong)?;
        let extended = Extended { loaded: Arc::new(Loaded::new(Arc::new(definition))), first_added };
        let own = Arc::make_mut(&mut self.own);
        match place {
            Some(place) => own.extended[place] = extended,
            None => own.extended.push(extended),
        }
        own.added = Index::new(own.extended.iter().map(Extended::added));
        Ok(())
    }

    /// Adds a definition of a person's own, preferred to what is built in. One of the same name is replaced, whether it
    /// has been added before or is built in, and with it what was [added](Self::extend) to that.
    ///
    /// # Errors
    /// What is wrong with it and where; nothing has been added.
    pub fn add_definition(&mut self, file_name: &str, text: &str) -> Result<(), CatalogueError> {
        let file = definition::parse(file_name, text).map_err(CatalogueError::Definition)?;
        self.add_definitions([Arc::new(file.definition)])
    }

    /// Adds definitions of a person's own that have been read before, as [`add_definition`](Self::add_definition) does.
    ///
    /// # Errors
    /// One of them asks for code that is not built in; nothing has been added.
    pub fn add_definitions(
        &mut self,
        definitions: impl IntoIterator<Item = Arc<Definition>>,
    ) -> Result<(), CatalogueError> {
        let definitions: Vec<Arc<Definition>> = definitions.into_iter().collect();
        for definition in &definitions {
            if let Some(code) = definition.code.as_ref().filter(|code| special::find(code).is_none()) {
                let protocol = definition.id.clone();
                return Err(CatalogueError::UnknownCode { protocol, code: code.clone() });
            }
        }
        let own = Arc::make_mut(&mut self.own);
        for definition in definitions {
            own.protocols.retain(|loaded| loaded.definition.id != definition.id);
            own.extended.retain(|extended| extended.loaded.definition.id != definition.id);
            own.protocols.push(Arc::new(Loaded::new(definition)));
        }
        own.added = Index::new(own.extended.iter().map(Extended::added));
        own.protocols.sort_by(|a, b| a.definition.id.cmp(&b.definition.id));
        own.index = Index::of(&own.protocols.iter().map(|loaded| &*loaded.definition).collect::<Vec<_>>());
        Ok(())
    }

    /// The protocols that might fit, best first: rules that a person added, then definitions of a person's own, then
    /// what is built in and not replaced. Within each, [`matching`](crate::matching) says the order.
    pub fn candidates(&self, sighting: &Sighting) -> Vec<Candidate> {
        let own = &*self.own;
        let candidate = |loaded: &Arc<Loaded>, claim: Claim| {
            let extended = self.extended(&loaded.definition.id).unwrap_or(loaded);
            Candidate { loaded: Arc::clone(extended), rule: usize::from(claim.rule) }
        };
        let mut candidates = Vec::new();
        for claim in own.added.find(sighting) {
            let extended = own.extended.get(usize::from(claim.protocol));
            candidates.extend(extended.map(|Extended { loaded, first_added }| Candidate {
                loaded: Arc::clone(loaded),
                rule: first_added + usize::from(claim.rule),
            }));
        }
        for claim in own.index.find(sighting) {
            let loaded = own.protocols.get(usize::from(claim.protocol));
            candidates.extend(loaded.map(|loaded| candidate(loaded, claim)));
        }
        for claim in self.builtin.index.find(sighting) {
            let packed = self.builtin.protocols.get(usize::from(claim.protocol));
            let loaded = packed.filter(|packed| !self.is_own(packed.id)).and_then(Packed::loaded);
            candidates.extend(loaded.map(|loaded| candidate(loaded, claim)));
        }
        candidates
    }

    /// The serial ports by which hardware may be recognised, a person's own rules included, in order. No other port needs to
    /// be looked at.
    pub fn serial_ports(&self) -> Vec<PortRule> {
        let own = self.own.added.serial_ports().chain(self.own.index.serial_ports());
        let mut ports: Vec<PortRule> = own.chain(self.builtin.index.serial_ports()).collect();
        ports.retain(|port| !matches!(port, PortRule::Named(name) if name == definition::overlap::ANY_PORT));
        ports.sort();
        ports.dedup();
        ports
    }

    /// The pairs of numbers by which human interface devices may be recognised, in order. No other device needs to be
    /// looked at.
    pub fn hid_ids(&self) -> Vec<UsbIds> {
        let own = self.own.added.hid_ids().chain(self.own.index.hid_ids());
        let mut ids: Vec<UsbIds> = own.chain(self.builtin.index.hid_ids()).collect();
        ids.sort_unstable();
        ids.dedup();
        ids
    }

    /// The ids of all protocols, in order.
    pub fn protocols(&self) -> Vec<&str> {
        let own = self.own.protocols.iter().map(|loaded| loaded.definition.id.as_str());
        let mut ids: Vec<&str> = self.builtin.protocols.iter().map(|packed| packed.id).chain(own).collect();
        ids.sort_unstable();
        ids.dedup();
        ids
    }

    /// A protocol by its id, as if hardware that speaks it had been seen. Its wiring is that of its first match rule.
    pub fn protocol(&self, id: &str) -> Option<Candidate> {
        self.find(id).map(|loaded| Candidate { loaded, rule: 0 })
    }

    fn extended(&self, id: &str) -> Option<&Arc<Loaded>> {
        let extended = self.own.extended.iter().find(|extended| extended.loaded.definition.id == id);
        extended.map(|extended| &extended.loaded)
    }

    /// Whether the protocol with this id is a person's own.
    pub fn is_own(&self, id: &str) -> bool {
        self.own.protocols.iter().any(|loaded| loaded.definition.id == id)
    }

    fn find(&self, id: &str) -> Option<Arc<Loaded>> {
        if let Some(loaded) = self.extended(id) {
            return Some(Arc::clone(loaded));
        }
        if let Some(loaded) = self.own.protocols.iter().find(|loaded| loaded.definition.id == id) {
            return Some(Arc::clone(loaded));
        }
        let place = self.builtin.protocols.binary_search_by(|packed| packed.id.cmp(id)).ok()?;
        self.builtin.protocols[place].loaded().cloned()
    }
}

/// A protocol that might fit a sighting. A copy is cheap.
#[derive(Clone, Debug)]
pub struct Candidate {
    loaded: Arc<Loaded>,
    /// The match rule that fitted, by its place.
    rule: usize,
}

impl Candidate {
    /// Its id.
    pub fn protocol(&self) -> &str {
        &self.loaded.definition.id
    }

    /// What defines it.
    pub fn definition(&self) -> &Definition {
        &self.loaded.definition
    }

    /// How to find its endpoints.
    pub fn wiring(&self) -> &Wiring {
        self.loaded.wirings.get(self.rule).unwrap_or(&DIRECT)
    }

    /// Finds out the model.
    ///
    /// # Errors
    /// The protocol asks for code that is not built in.
    pub fn identification(&self, sighting: &Sighting) -> Result<Box<dyn Identification>, String> {
        let own = self.code()?.and_then(|code| code.identification(sighting));
        Ok(own.unwrap_or_else(|| Box::new(Ways::new(&self.definition().identify, sighting))))
    }

    /// The model with this identifier, or else the fallback. `None`: no such model, and no fallback.
    pub fn model(&self, identifier: Option<&str>) -> Option<Model> {
        let definition = self.definition();
        let named = identifier.and_then(|identifier| definition.named(identifier));
        named.or_else(|| definition.fallback()).map(|(group, name)| Model::from_definition(name, group))
    }

    /// [`model`](Self::model) of hardware that was seen, under the name that people know it by.
    pub fn model_of(&self, sighting: &Sighting, identifier: Option<&str>) -> Option<Model> {
        let mut model = self.model(identifier)?;
        if self.definition().own_names && !sighting.name().is_empty() {
            sighting.name().clone_into(&mut model.name);
        }
        Some(model)
    }

    /// Makes the protocol for one device.
    ///
    /// # Errors
    /// The model or the hardware does not fit the protocol; the reason is for people.
    pub fn build(&self, setup: Setup<'_>) -> Result<Box<dyn Protocol>, String> {
        let definition = &self.loaded.definition;
        let group =
            setup.identifier.and_then(|identifier| definition.named(identifier)).map(|(group, _)| group);
        let described = group.or_else(|| definition.fallback().map(|(group, _)| group));
        let reason = described.and_then(|group| group.not_driven.as_ref());
        // What a person has described themselves is theirs to drive.
        if let (Some(reason), true) = (reason, setup.model.features.is_empty()) {
            return Err(format!("{} is known, but not driven: {reason}", setup.model.name));
        }
        let code = self.code()?;
        let variant = code.and_then(|code| code.variant(&setup)).or(setup.model.variant.as_deref());
        let form = definition.form(variant);
        let mute = |kind| form.is_none_or(|form| form.frames(kind).is_empty());
        if let Some(code) = code {
            let mut outputs = setup.model.outputs();
            if let Some((feature, output)) =
                outputs.find(|(_, output)| code.needs_frames(output.kind) && mute(output.kind))
            {
                return Err(format!("there is no command for {} of feature {}", output.kind, feature.0));
            }
        }
        let data = Interpreter::new(Arc::clone(definition), group, variant, setup.model, setup.endpoints)?;
        match code {
            Some(code) => code.protocol(&setup, Box::new(data)),
            None => Ok(Box::new(data)),
        }
    }

    fn code(&self) -> Result<Option<&'static dyn special::Code>, String> {
        let Some(name) = &self.definition().code else { return Ok(None) };
        let missing =
            || format!("the protocol {} asks for code {name:?}, which is not built in", self.protocol());
        special::find(name).map(Some).ok_or_else(missing)
    }
}

//! What a feature can tell: kinds of inputs and what may be asked of them.

use std::fmt;

/// A kind of input, by its name on the wire.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum InputKind {
    /// Charge of the battery in percent, 0 to 100.
    Battery,
    /// Strength of the radio signal in dBm, -128 to 127. Some peers spell it `RSSI`; see [`RssiSpelling`].
    Rssi,
    /// A button: 1 pressed, 0 not.
    Button,
    /// Pressure, without a unit.
    Pressure,
    /// How deep something is inserted, without a unit.
    Depth,
    /// Where something is, without a unit.
    Position,
}

impl InputKind {
    /// All kinds, in the order of their declaration.
    pub const ALL: [Self; 6] =
        [Self::Battery, Self::Rssi, Self::Button, Self::Pressure, Self::Depth, Self::Position];

    /// The name on the wire, case included.
    pub fn name(self) -> &'static str {
        match self {
            Self::Battery => "Battery",
            Self::Rssi => "Rssi",
            Self::Button => "Button",
            Self::Pressure => "Pressure",
            Self::Depth => "Depth",
            Self::Position => "Position",
        }
    }

    /// The kind with this name on the wire and how it was spelled; apart from `RSSI` the case matters.
    pub fn from_name(name: &str) -> Option<(Self, RssiSpelling)> {
        if name == "RSSI" {
            return Some((Self::Rssi, RssiSpelling::Upper));
        }
        Self::ALL.into_iter().find(|kind| kind.name() == name).map(|kind| (kind, RssiSpelling::Camel))
    }
}

impl fmt::Display for InputKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// The two spellings of [`InputKind::Rssi`] in the field. A request is answered in its own; a client asks in the one
/// it found in the device list.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum RssiSpelling {
    /// `Rssi`, as servers list it.
    #[default]
    Camel,
    /// `RSSI`, as the published documentation and most client libraries have it.
    Upper,
}

impl RssiSpelling {
    /// The name of `kind` in this spelling.
    pub fn name(self, kind: InputKind) -> &'static str {
        match (self, kind) {
            (Self::Upper, InputKind::Rssi) => "RSSI",
            _ => kind.name(),
        }
    }
}

/// What a client may do with an input.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum InputAction {
    /// One reading as the reply.
    Read,
    /// Readings as events from now on.
    Subscribe,
    /// No more readings as events.
    Unsubscribe,
}

impl InputAction {
    /// The name on the wire.
    pub fn name(self) -> &'static str {
        match self {
            Self::Read => "Read",
            Self::Subscribe => "Subscribe",
            Self::Unsubscribe => "Unsubscribe",
        }
    }

    /// The action with this name, also all in lower case, as some peers write it.
    pub fn from_name(name: &str) -> Option<Self> {
        match name {
            "Read" | "read" => Some(Self::Read),
            "Subscribe" | "subscribe" => Some(Self::Subscribe),
            "Unsubscribe" | "unsubscribe" => Some(Self::Unsubscribe),
            _ => None,
        }
    }
}

/// The actions an input supports. Whatever can be subscribed can be unsubscribed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct InputCommands {
    /// [`InputAction::Read`] works.
    pub read: bool,
    /// [`InputAction::Subscribe`] and [`InputAction::Unsubscribe`] work.
    pub subscribe: bool,
}

impl InputCommands {
    /// Whether `action` is supported.
    pub fn allow(self, action: InputAction) -> bool {
        match action {
            InputAction::Read => self.read,
            InputAction::Subscribe | InputAction::Unsubscribe => self.subscribe,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_is_found_by_its_name_and_rssi_in_both_spellings() {
        for kind in InputKind::ALL {
            assert_eq!(InputKind::from_name(kind.name()), Some((kind, RssiSpelling::Camel)));
        }
        assert_eq!(InputKind::from_name("RSSI"), Some((InputKind::Rssi, RssiSpelling::Upper)));
        assert_eq!(InputKind::from_name("battery"), None);
    }

    #[test]
    fn unsubscribing_is_allowed_where_subscribing_is() {
        let commands = InputCommands { read: false, subscribe: true };
        assert!(commands.allow(InputAction::Subscribe) && commands.allow(InputAction::Unsubscribe));
        assert!(!commands.allow(InputAction::Read));
    }
}

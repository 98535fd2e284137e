//! What a person decided about their own devices: who may connect, under which index and name, and how far an output may
//! go. Pure; where it is kept is the program's affair.

mod tuning;

pub(crate) use tuning::{Tuned, Tuning, tune};

use buttplug_core::{DeviceIndex, FeatureIndex, OutputKind};
use buttplug_protocols::sighting::BusKind;
use std::collections::BTreeSet;
use std::time::Duration;

/// What makes hardware the same again.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct DeviceIdentity {
    /// The bus it is on.
    pub bus: BusKind,
    /// The id of the protocol it speaks.
    pub protocol: String,
    /// What it told of its model, if anything.
    pub identifier: Option<String>,
    /// Where it is on its bus.
    pub address: String,
}

/// A device that the server has met, connected or not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KnownDevice {
    /// What makes it the same again.
    pub identity: DeviceIdentity,
    /// Its index.
    pub index: DeviceIndex,
    /// Its model's name.
    pub name: String,
}

/// What a person decided about one device. What is left out is as it would be without.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DeviceConfiguration {
    /// Where the device is on its bus. Upper and lower case are the same.
    pub address: String,
    /// Its bus; none for any.
    pub bus: Option<BusKind>,
    /// The id of its protocol; none for any.
    pub protocol: Option<String>,
    /// Its identifier; none for any.
    pub identifier: Option<String>,
    /// Its index. One that another device has before it is not taken from that.
    pub index: Option<DeviceIndex>,
    /// What clients shall show instead of the model's name.
    pub display_name: Option<String>,
    /// It may connect, and nothing may that is not allowed.
    pub allow: bool,
    /// It may not connect, whatever else is said.
    pub deny: bool,
    /// The least time between writes.
    pub message_gap: Option<Duration>,
    /// How long an output may run on what it was told last, positions excepted; none for what counts for all devices.
    pub max_run: Option<Duration>,
    /// Its outputs.
    pub outputs: Vec<OutputConfiguration>,
    /// Of these kinds clients see only what is named in `outputs`: something was decided about others, but it is not known
    /// what, or about which.
    pub only_named: Vec<OutputKind>,
}

/// What a person decided about one output.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OutputConfiguration {
    /// The feature.
    pub feature: FeatureIndex,
    /// The kind of output.
    pub kind: OutputKind,
    /// How far it may go, in the hardware's steps. Clients see the range without what lies below the lower end: asked for
    /// their first step the device does one more than that end; for a position, their 0 is that end.
    pub limit: Option<(u32, u32)>,
    /// Clients do not see it. It is stopped with the others.
    pub disabled: bool,
    /// For positions: the other way round.
    pub reverse: bool,
    /// For timed positions: the shortest and the longest time in milliseconds. Others are moved to the nearest of these.
    pub duration_ms: Option<(u32, u32)>,
}

impl OutputConfiguration {
    /// An output as it is without.
    pub fn new(feature: FeatureIndex, kind: OutputKind) -> Self {
        Self { feature, kind, limit: None, disabled: false, reverse: false, duration_ms: None }
    }
}

/// What a person decided about their devices.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct UserConfiguration {
    /// Device by device. Of several that fit a device equally well the first counts.
    pub devices: Vec<DeviceConfiguration>,
    /// How long an output may run on what it was told last, positions excepted: a client that has frozen renews nothing.
    /// For all devices about which nothing else is said; none for ever.
    pub max_run: Option<Duration>,
}

impl DeviceConfiguration {
    fn is_at(&self, address: &str) -> bool {
        self.address.eq_ignore_ascii_case(address)
    }

    /// How much this says about the device; `None`: it is about another.
    pub fn fits(&self, device: &DeviceIdentity) -> Option<usize> {
        let is = |asked: Option<bool>| asked.map_or(Some(0), |same| same.then_some(1));
        let identifier = self.identifier.as_deref();
        let fits = [
            is(self.bus.map(|bus| bus == device.bus))?,
            is(self.protocol.as_ref().map(|protocol| *protocol == device.protocol))?,
            is(identifier.map(|identifier| Some(identifier) == device.identifier.as_deref()))?,
        ];
        self.is_at(&device.address).then(|| fits.iter().sum())
    }
}

impl UserConfiguration {
    /// Why hardware with this address may not connect, for people. `None`: it may.
    pub(crate) fn refusal(&self, address: &str) -> Option<&'static str> {
        let here = || self.devices.iter().filter(|device| device.is_at(address));
        if here().any(|device| device.deny) {
            return Some("your configuration denies it");
        }
        let welcome = here().any(|device| device.allow) || self.devices.iter().all(|device| !device.allow);
        (!welcome).then_some("your configuration allows others only")
    }

    /// Whether hardware with this address is to be let go if it is connected.
    pub(crate) fn denies(&self, address: &str) -> bool {
        self.devices.iter().any(|device| device.deny && device.is_at(address))
    }

    /// What was decided about a device.
    pub(crate) fn device(&self, device: &DeviceIdentity) -> Option<&DeviceConfiguration> {
        let mut best: Option<(usize, &DeviceConfiguration)> = None;
        for configuration in &self.devices {
            if let Some(fits) = configuration.fits(device) {
                if best.is_none_or(|(most, _)| fits > most) {
                    best = Some((fits, configuration));
                }
            }
        }
        best.map(|(_, configuration)| configuration)
    }

    /// The indexes that are given out here.
    pub(crate) fn indexes(&self) -> BTreeSet<DeviceIndex> {
        self.devices.iter().filter_map(|device| device.index).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(address: &str) -> DeviceConfiguration {
        DeviceConfiguration { address: address.into(), ..DeviceConfiguration::default() }
    }

    fn configuration(devices: &[DeviceConfiguration]) -> UserConfiguration {
        UserConfiguration { devices: devices.to_vec(), ..UserConfiguration::default() }
    }

    fn lovense(address: &str) -> DeviceIdentity {
        DeviceIdentity {
            bus: BusKind::Bluetooth,
            protocol: "lovense".into(),
            identifier: Some("P".into()),
            address: address.into(),
        }
    }

    #[test]
    fn deny_wins_over_allow_and_one_that_is_allowed_keeps_all_others_out() {
        let denied = DeviceConfiguration { deny: true, ..at("aa") };
        let allowed = DeviceConfiguration { allow: true, ..at("aa") };
        assert_eq!(configuration(&[]).refusal("aa"), None);
        assert_eq!(configuration(&[at("bb")]).refusal("aa"), None);
        let both = configuration(&[allowed.clone(), denied.clone()]);
        assert_eq!(both.refusal("AA"), Some("your configuration denies it"));
        assert!(both.denies("aA") && !both.denies("bb"));
        assert_eq!(configuration(&[denied]).refusal("bb"), None);
        let only = configuration(&[allowed]);
        assert_eq!(only.refusal("aa"), None);
        assert_eq!(only.refusal("bb"), Some("your configuration allows others only"));
    }

    #[test]
    fn what_says_most_about_a_device_counts_and_among_equals_the_first() {
        let named = |name: &str, device: DeviceConfiguration| DeviceConfiguration {
            display_name: Some(name.into()),
            ..device
        };
        let protocol = DeviceConfiguration { protocol: Some("lovense".into()), ..at("aa") };
        let identifier = DeviceConfiguration { identifier: Some("P".into()), ..protocol.clone() };
        let other = DeviceConfiguration { identifier: Some("W".into()), ..protocol.clone() };
        let devices = configuration(&[
            named("any", at("aa")),
            named("protocol", protocol),
            named("again", at("aa")),
            named("other", other),
            named("identifier", identifier),
            named("elsewhere", DeviceConfiguration { bus: Some(BusKind::Serial), ..at("aa") }),
        ]);
        let name =
            |device: DeviceIdentity| devices.device(&device).and_then(|found| found.display_name.clone());
        assert_eq!(name(lovense("AA")).as_deref(), Some("identifier"));
        assert_eq!(name(DeviceIdentity { identifier: None, ..lovense("aa") }).as_deref(), Some("protocol"));
        assert_eq!(
            name(DeviceIdentity { protocol: "wevibe".into(), ..lovense("aa") }).as_deref(),
            Some("any")
        );
        assert_eq!(name(lovense("bb")), None);
    }
}

//! What is said about one device.

use super::address::bare;
use super::json::{Object, field, list, object, text};
use super::models::OwnModel;
use super::outputs::Together;
use super::published::Published;
use crate::user::own::MAX_GAP;
use buttplug_core::{DeviceIndex, FeatureIndex};
use buttplug_protocols::catalogue::Catalogue;
use buttplug_protocols::sighting::Uuid;
use buttplug_server::configuration::DeviceConfiguration;
use serde_json::Value;
use std::time::Duration;

/// Reads an entry; none if it names no device. What can't be applied goes to `reasons`, and the rest counts all the same.
pub(super) fn device(
    entry: &Value,
    catalogue: &Catalogue,
    own: &[OwnModel],
    reasons: &mut Vec<String>,
) -> Option<DeviceConfiguration> {
    let identity = entry.as_object().and_then(|entry| object(entry, "identifier"));
    let Some((identity, address)) =
        identity.and_then(|identity| Some((identity, text(identity, "address")?)))
    else {
        reasons.push("it has no address".into());
        return None;
    };
    let empty = Object::new();
    let config = entry.as_object().and_then(|entry| object(entry, "config")).unwrap_or(&empty);
    let owned = |name| text(identity, name).map(str::to_owned);
    let mut device = DeviceConfiguration {
        address: bare(address),
        protocol: owned("protocol"),
        identifier: owned("identifier"),
        ..DeviceConfiguration::default()
    };
    // Generation 2 has them among the rest.
    options(&mut device, object(config, "user_config").unwrap_or(config), reasons);
    outputs(&mut device, config, catalogue, own, reasons);
    Some(device)
}

/// Reads an entry of the first generation, which knows devices by their addresses.
pub(super) fn device_at(address: &str, entry: &Value, reasons: &mut Vec<String>) -> DeviceConfiguration {
    let mut device = DeviceConfiguration { address: bare(address), ..DeviceConfiguration::default() };
    match entry.as_object() {
        Some(entry) => options(&mut device, entry, reasons),
        None => reasons.push("it is not understood".into()),
    }
    device
}

/// Reads the options that are about the whole device.
fn options(device: &mut DeviceConfiguration, options: &Object, reasons: &mut Vec<String>) {
    // What is there and no plain `false` is meant: both keep devices out.
    let is_set = |name| field(options, name).is_some_and(|value| value.as_bool() != Some(false));
    device.allow = is_set("allow");
    device.deny = is_set("deny");
    let mut number = |name| {
        let value = field(options, name)?;
        let number = value.as_u64().and_then(|number| u32::try_from(number).ok());
        if number.is_none() {
            reasons.push(format!("its {name} is not understood"));
        }
        number
    };
    device.index = number("index").map(DeviceIndex);
    device.message_gap = number("message_gap_ms").map(|ms| Duration::from_millis(ms.into()).min(MAX_GAP));
    device.display_name = text(options, "display_name").filter(|name| !name.is_empty()).map(str::to_owned);
}

/// Reads what is said about the outputs of the device's model.
fn outputs(
    device: &mut DeviceConfiguration,
    config: &Object,
    catalogue: &Catalogue,
    own: &[OwnModel],
    reasons: &mut Vec<String>,
) {
    let mut all = match object(config, "messages") {
        Some(messages) => Together::of_messages(messages, reasons),
        None => Vec::new(),
    };
    if field(config, "features").is_some_and(|features| !features.is_array()) {
        reasons.push("its features are no list".into());
    }
    all.push(Together::of_features(list(config, "features"), reasons));
    let protocol = device.protocol.as_deref().unwrap_or_default();
    let model = catalogue.protocol(protocol).and_then(|known| known.model(device.identifier.as_deref()));
    let name = model.as_ref().map(|model| model.name.as_str());
    let base = text(config, "base_id").and_then(|id| id.parse().ok());
    let own = base.and_then(|base| own.iter().find(|own| own.protocol == protocol && own.id == Some(base)));
    let published = base.and_then(|base| Published::with_id(protocol, base, name));
    let feature = |id: Uuid| -> Option<FeatureIndex> {
        match own {
            Some(own) => own.feature(id),
            None => published.as_ref()?.feature(id),
        }
    };
    let Some(model) = &model else {
        if all.iter().any(Together::wants_something) {
            reasons.push(
                "its model is unknown: what is said about outputs counts for features in their order".into(),
            );
        }
        for together in &all {
            together.decide_without_model(feature, &mut device.outputs);
        }
        return;
    };
    for together in &all {
        together.decide(model, feature, &mut device.outputs, reasons);
    }
}

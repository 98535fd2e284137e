//! What is new to a parent: the difference between what it has been told and what is. Pure. A parent who comes late has
//! been told nothing, so one rule is enough for all.

use super::message::{Advertised, Created, Device, Failure, Identifier, News};
use buttplug_server::{Present, PresentDevice};
use std::sync::Arc;

/// How far the engine is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) enum Stage {
    /// Nothing is known.
    #[default]
    Unknown,
    /// It starts, or serves without a server for clients.
    Starting,
    /// The server for clients is there, and is announced on the network, or is not.
    Created(Option<Advertised>),
    /// It has ended.
    Ended,
}

/// Everything that is told, at one moment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Picture {
    pub(super) stage: Stage,
    pub(super) failure: Option<Failure>,
    pub(super) present: Arc<Present>,
}

/// What leads from one picture to the other, in the order in which it is told.
pub(super) fn between(told: &Picture, now: &Picture) -> Vec<News> {
    let mut news = Vec::new();
    if told.stage == Stage::Unknown && now.stage != Stage::Unknown {
        news.push(News::EngineStarted {});
    }
    if let (Stage::Unknown | Stage::Starting, Stage::Created(advertised)) = (&told.stage, &now.stage) {
        news.push(News::EngineServerCreated(Created { advertised: advertised.clone() }));
    }
    if let (None, Some(failure)) = (&told.failure, &now.failure) {
        news.push(News::EngineError(failure.clone()));
    }
    let (before, after) = (&*told.present, &*now.present);
    let gone = before.devices.keys().filter(|index| !after.devices.contains_key(index));
    news.extend(gone.map(|index| News::DeviceDisconnected { index: index.0 }));
    let left = before.clients.keys().filter(|number| !after.clients.contains_key(number));
    news.extend(left.map(|_| News::ClientDisconnected {}));
    for (index, device) in &after.devices {
        // Parents take a device that they know already for the same with other properties.
        if before.devices.get(index) != Some(device) {
            news.push(News::DeviceConnected(describe(index.0, device)));
        }
    }
    let came = after.clients.iter().filter(|(number, _)| !before.clients.contains_key(number));
    news.extend(came.map(|(_, name)| News::ClientConnected { client_name: name.to_string() }));
    if told.stage != Stage::Ended && now.stage == Stage::Ended {
        news.push(News::EngineStopped {});
    }
    news
}

fn describe(index: u32, device: &PresentDevice) -> Device {
    let identity = &device.identity;
    Device {
        name: device.name.clone(),
        index,
        identifier: Identifier {
            address: identity.address.clone(),
            protocol: identity.protocol.clone(),
            identifier: identity.identifier.clone(),
        },
        address: identity.address.clone(),
        display_name: device.display_name.clone(),
        needs_keepalive: device.needs_keepalive,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use buttplug_core::DeviceIndex;
    use buttplug_protocols::sighting::BusKind;
    use buttplug_server::configuration::DeviceIdentity;

    fn device(name: &str) -> Arc<PresentDevice> {
        let identity = DeviceIdentity {
            bus: BusKind::Simulated,
            protocol: "p".into(),
            identifier: None,
            address: "a".into(),
        };
        let (name, display_name) = (name.into(), None);
        Arc::new(PresentDevice { name, display_name, identity, needs_keepalive: false })
    }

    fn picture(stage: Stage, devices: &[(u32, &str)], clients: &[(u64, &str)]) -> Picture {
        let devices = devices.iter().map(|(index, name)| (DeviceIndex(*index), device(name))).collect();
        let clients = clients.iter().map(|(number, name)| (*number, (*name).into())).collect();
        Picture { stage, failure: None, present: Arc::new(Present { devices, clients }) }
    }

    /// The names of what is told, with what tells one from the other.
    fn told(from: &Picture, to: &Picture) -> String {
        let word = |news: &News| match news {
            News::DeviceConnected(device) => format!("+{}:{}", device.index, device.name),
            News::DeviceDisconnected { index } => format!("-{index}"),
            News::ClientConnected { client_name } => format!("+{client_name}"),
            News::ClientDisconnected {} => "-client".into(),
            News::EngineStarted {} => "started".into(),
            News::EngineServerCreated(_) => "created".into(),
            News::EngineError(_) => "error".into(),
            News::EngineStopped {} => "stopped".into(),
            News::EngineVersion { .. } => "version".into(),
        };
        between(from, to).iter().map(word).collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn a_parent_is_told_what_changes_and_one_who_comes_late_what_holds() {
        let nothing = Picture::default();
        let starting = picture(Stage::Starting, &[], &[]);
        let created = picture(Stage::Created(None), &[], &[]);
        let busy = picture(Stage::Created(None), &[(0, "x"), (3, "y")], &[(1, "game"), (2, "player")]);
        let later = picture(Stage::Created(None), &[(0, "z"), (4, "y")], &[(2, "player"), (5, "game")]);
        let rest_alone = picture(Stage::Starting, &[(0, "x")], &[(1, "REST")]);
        let ended = picture(Stage::Ended, &[], &[]);
        for (from, to, expected) in [
            (&nothing, &starting, "started"),
            (&starting, &created, "created"),
            (&created, &created, ""),
            (&created, &busy, "+0:x +3:y +game +player"),
            (&busy, &later, "-3 -client +0:z +4:y +game"),
            (&later, &ended, "-0 -4 -client -client stopped"),
            (&nothing, &busy, "started created +0:x +3:y +game +player"),
            (&nothing, &ended, "started stopped"),
            (&nothing, &rest_alone, "started +0:x +REST"),
            (&rest_alone, &ended, "-0 -client stopped"),
        ] {
            assert_eq!(told(from, to), expected);
        }
    }

    #[test]
    fn a_start_that_fails_is_told_once() {
        let failed = |stage| Picture { failure: Some(Failure::new("no", None)), ..picture(stage, &[], &[]) };
        let starting = picture(Stage::Starting, &[], &[]);
        assert_eq!(told(&starting, &failed(Stage::Starting)), "error");
        assert_eq!(told(&failed(Stage::Starting), &failed(Stage::Ended)), "stopped");
        assert_eq!(told(&Picture::default(), &failed(Stage::Ended)), "started error stopped");
    }
}

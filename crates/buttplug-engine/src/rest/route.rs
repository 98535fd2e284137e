//! What can be asked for: one table, from which requests are routed and the OpenAPI document is written. Does nothing.

use super::problem::Problem;
use buttplug_core::limits::quoted;
use buttplug_core::{DeviceIndex, FeatureIndex, InputKind, OutputKind};
use hyper::Method;

/// What a request asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Action {
    StartScanning,
    StopScanning,
    Devices,
    StopAll,
    Device,
    StopDevice,
    Features,
    Feature,
    StopFeature,
    Output,
    Input,
    Events,
    Health,
    Metrics,
    OpenApi,
}

/// A way of asking.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verb {
    /// Also answers `HEAD`.
    Get,
    Put,
    Post,
}

impl Verb {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Get => "GET",
            Self::Put => "PUT",
            Self::Post => "POST",
        }
    }

    fn takes(self, method: &Method) -> bool {
        method.as_str() == self.name() || (self == Self::Get && *method == Method::HEAD)
    }
}

/// One line of the table.
#[derive(Debug)]
pub(crate) struct Route {
    /// Names in braces stand for one part of the path each.
    pub(crate) path: &'static str,
    pub(crate) verbs: &'static [Verb],
    pub(crate) action: Action,
}

const fn route(path: &'static str, verbs: &'static [Verb], action: Action) -> Route {
    Route { path, verbs, action }
}

/// All there is. The first path that fits counts, so `stop` comes before an index.
///
/// What changes something by `GET`, or reads by `PUT`, does so because programs that were written for earlier engines
/// ask like that.
pub(crate) const ROUTES: &[Route] = {
    use Verb::{Get, Post, Put};
    &[
        route("/api/v1/start-scanning", &[Post, Get], Action::StartScanning),
        route("/api/v1/stop-scanning", &[Post, Get], Action::StopScanning),
        route("/api/v1/devices", &[Get], Action::Devices),
        route("/api/v1/devices/stop", &[Put, Post], Action::StopAll),
        route("/api/v1/devices/{device}", &[Get], Action::Device),
        route("/api/v1/devices/{device}/stop", &[Put, Post], Action::StopDevice),
        route("/api/v1/devices/{device}/outputs/{output}", &[Put], Action::Output),
        route("/api/v1/devices/{device}/outputs/{output}/{level}", &[Put], Action::Output),
        route("/api/v1/devices/{device}/features", &[Get], Action::Features),
        route("/api/v1/devices/{device}/features/{feature}", &[Get, Put], Action::Feature),
        route("/api/v1/devices/{device}/features/{feature}/", &[Get, Put], Action::Feature),
        route("/api/v1/devices/{device}/features/{feature}/stop", &[Put, Post], Action::StopFeature),
        route("/api/v1/devices/{device}/features/{feature}/outputs/{output}", &[Put], Action::Output),
        route("/api/v1/devices/{device}/features/{feature}/outputs/{output}/{level}", &[Put], Action::Output),
        route("/api/v1/devices/{device}/features/{feature}/inputs/{input}", &[Get], Action::Input),
        route("/api/v1/events", &[Get], Action::Events),
        route("/healthz", &[Get], Action::Health),
        route("/metrics", &[Get], Action::Metrics),
        route("/openapi.json", &[Get], Action::OpenApi),
    ]
};

impl Route {
    /// The names in the path.
    pub(crate) fn parameters(&self) -> impl Iterator<Item = &'static str> {
        self.path.split('/').filter_map(parameter)
    }

    /// The methods, as the header `Allow` has them.
    pub(crate) fn allow(&self) -> String {
        let mut names: Vec<&str> = self.verbs.iter().map(|verb| verb.name()).collect();
        if self.verbs.contains(&Verb::Get) {
            names.push("HEAD");
        }
        names.join(",")
    }

    fn fits<'p>(&self, path: &'p str) -> Option<Captured<'p>> {
        let (mut pattern, mut parts) = (self.path.split('/'), path.split('/'));
        let mut captured = Captured(Vec::new());
        loop {
            match (pattern.next(), parts.next()) {
                (None, None) => return Some(captured),
                (Some(expected), Some(part)) => match parameter(expected) {
                    Some(name) if !part.is_empty() => captured.0.push((name, part)),
                    Some(_) => return None,
                    None if expected == part => {}
                    None => return None,
                },
                _ => return None,
            }
        }
    }
}

fn parameter(part: &'static str) -> Option<&'static str> {
    part.strip_prefix('{')?.strip_suffix('}')
}

/// Finds what a request asks for.
///
/// # Errors
/// No such path, or not by this method.
pub(crate) fn find<'p>(method: &Method, path: &'p str) -> Result<(Action, Captured<'p>), Problem> {
    let (route, captured) = at(path)?;
    if !route.verbs.iter().any(|verb| verb.takes(method)) {
        return Err(Problem::WrongMethod { allow: route.allow() });
    }
    Ok((route.action, captured))
}

/// Finds the line for a path, whatever the method.
///
/// # Errors
/// No such path.
pub(crate) fn at(path: &str) -> Result<(&'static Route, Captured<'_>), Problem> {
    let fitting = ROUTES.iter().find_map(|route| Some((route, route.fits(path)?)));
    fitting.ok_or_else(|| Problem::NoSuchPath(quoted(path)))
}

/// The parts of a path that have names.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Captured<'p>(Vec<(&'static str, &'p str)>);

impl Captured<'_> {
    fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(captured, _)| *captured == name).map(|(_, part)| *part)
    }

    fn index(&self, name: &str, what: &'static str) -> Option<Result<u32, Problem>> {
        let part = self.get(name)?;
        Some(part.parse().map_err(|_| Problem::BadIndex { what, value: quoted(part) }))
    }

    pub(crate) fn device(&self) -> Result<DeviceIndex, Problem> {
        self.index("device", "index of a device").unwrap_or(Ok(0)).map(DeviceIndex)
    }

    /// `None`: the path is about the whole device.
    pub(crate) fn feature(&self) -> Result<Option<FeatureIndex>, Problem> {
        self.index("feature", "index of a feature").transpose().map(|index| index.map(FeatureIndex))
    }

    pub(crate) fn output(&self) -> Result<OutputKind, Problem> {
        let name = self.get("output").unwrap_or_default();
        OutputKind::from_name(name).ok_or_else(|| Problem::NoSuchOutputKind(quoted(name)))
    }

    pub(crate) fn input(&self) -> Result<InputKind, Problem> {
        let name = self.get("input").unwrap_or_default();
        let kind = InputKind::from_name(name).map(|(kind, _)| kind);
        kind.ok_or_else(|| Problem::NoSuchInputKind(quoted(name)))
    }

    /// A fraction of the range; whether it fits the output is found out there.
    pub(crate) fn level(&self) -> Result<Option<f64>, Problem> {
        let level = self.get("level");
        level.map(|text| text.parse().map_err(|_| Problem::BadLevel(quoted(text)))).transpose()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(method: Method, path: &str, expected: Result<Action, &str>) {
        let found = find(&method, path).map(|(action, _)| action);
        let found = found.map_err(|problem| match problem {
            Problem::WrongMethod { allow } => allow,
            problem => problem.kind().1.to_owned(),
        });
        assert_eq!(found, expected.map_err(str::to_owned), "{method} {path}");
    }

    #[test]
    fn every_path_leads_to_its_action_by_its_methods_only() {
        for (path, action) in [
            ("/api/v1/devices", Action::Devices),
            ("/api/v1/devices/7", Action::Device),
            ("/api/v1/devices/7/features/0", Action::Feature),
            ("/api/v1/devices/7/features/0/", Action::Feature),
            ("/api/v1/start-scanning", Action::StartScanning),
            ("/healthz", Action::Health),
        ] {
            check(Method::GET, path, Ok(action));
            check(Method::HEAD, path, Ok(action));
        }
        check(Method::PUT, "/api/v1/devices/stop", Ok(Action::StopAll));
        check(Method::POST, "/api/v1/devices/3/stop", Ok(Action::StopDevice));
        check(Method::PUT, "/api/v1/devices/3/features/1/outputs/Vibrate/0.5", Ok(Action::Output));
        check(Method::PUT, "/api/v1/devices/3/features/1/", Ok(Action::Feature));
        check(Method::GET, "/api/v1/devices/stop", Err("PUT,POST"));
        check(Method::OPTIONS, "/api/v1/start-scanning", Err("POST,GET,HEAD"));
        check(Method::DELETE, "/api/v1/devices/0", Err("GET,HEAD"));
    }

    #[test]
    fn other_paths_lead_nowhere() {
        for path in [
            "",
            "/",
            "*",
            "/api/v1",
            "/api/v1/",
            "/api/v1/devices/",
            "/api/v1/devices/0/",
            "/api/v1/devices//features",
            "/api/v1/devices/0/outputs",
            "/api/v1/devices/0/outputs/Vibrate/",
            "/api/v1/devices/0/outputs/Vibrate/0.5/",
            "//healthz",
        ] {
            check(Method::GET, path, Err("no-such-path"));
        }
    }

    #[test]
    fn the_parts_of_a_path_are_read_strictly() {
        let captured = |path| at(path).unwrap().1;
        let full = captured("/api/v1/devices/3/features/1/outputs/Rotate/-0.5");
        assert_eq!((full.device(), full.feature()), (Ok(DeviceIndex(3)), Ok(Some(FeatureIndex(1)))));
        assert_eq!((full.output(), full.level()), (Ok(OutputKind::Rotate), Ok(Some(-0.5))));
        for index in ["abc", "-1", "1.0", "4294967296", "%31", "0x1"] {
            let path = format!("/api/v1/devices/{index}");
            assert!(matches!(at(&path).unwrap().1.device(), Err(Problem::BadIndex { .. })), "{index}");
        }
        let odd = captured("/api/v1/devices/0/outputs/vibrate/abc");
        assert_eq!(odd.output(), Err(Problem::NoSuchOutputKind("vibrate".into())));
        assert_eq!(odd.level(), Err(Problem::BadLevel("abc".into())));
    }
}

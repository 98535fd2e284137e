//! The API as an OpenAPI document, written from the table of routes, so that it says what is served and nothing else.

use super::answer::JSON;
use super::lease::{LONGEST_LEASE, SHORTEST_LEASE};
use super::metrics;
use super::route::{Action, ROUTES, Route, Verb};
use buttplug_core::{InputKind, OutputKind};
use serde_json::{Map, Value, json};

/// The document.
pub(crate) fn document() -> Value {
    let paths: Map<String, Value> =
        ROUTES.iter().map(|route| (route.path.to_owned(), operations(route))).collect();
    json!({
        "openapi": "3.0.3",
        "info": {
            "title": "Buttplug REST API",
            "description": "Finds and drives haptic devices. For programs and pages of the machine that it runs on.",
            "version": env!("CARGO_PKG_VERSION"),
            "license": {"name": "BSD-3-Clause"},
        },
        "paths": paths,
        "components": {
            "schemas": schemas(),
            "securitySchemes": {
                "bearer": {"type": "http", "scheme": "bearer"},
                "token": {"type": "apiKey", "in": "query", "name": "token"},
            },
        },
        // Nothing is needed unless the program was started with a token.
        "security": [{}, {"bearer": []}, {"token": []}],
    })
}

fn operations(route: &Route) -> Value {
    let one = |verb: &Verb| (verb.name().to_lowercase(), operation(route, *verb));
    Value::Object(route.verbs.iter().map(one).collect())
}

fn operation(route: &Route, verb: Verb) -> Value {
    let Told { id, summary, answer, problems } = tell(route.action);
    let mut responses = Map::from_iter([(String::from("200"), answer)]);
    let usual = [401, 403];
    for status in usual.iter().chain(problems) {
        responses.insert(status.to_string(), problem(*status));
    }
    let mut parameters: Vec<Value> = route.parameters().map(in_path).collect();
    parameters.extend(in_query(route.action));
    let mut operation = json!({
        "operationId": operation_id(id, route, verb),
        "summary": summary,
        "parameters": parameters,
        "responses": responses,
    });
    if let Some(body) = body(route) {
        operation["requestBody"] = body;
    }
    operation
}

/// Each path and method has a name of its own: the first that does something has the plain one.
fn operation_id(id: &str, route: &Route, verb: Verb) -> String {
    let mut first = String::from(id);
    let same = ROUTES.iter().filter(|other| other.action == route.action);
    for (number, (path, other)) in
        same.flat_map(|other| other.verbs.iter().map(|verb| (other.path, *verb))).enumerate()
    {
        if (path, other) == (route.path, verb) && number > 0 {
            first.push_str(&(number + 1).to_string());
        }
    }
    first
}

/// What there is to say about an action.
struct Told {
    id: &'static str,
    summary: &'static str,
    answer: Value,
    /// What may go wrong, beside what may always.
    problems: &'static [u16],
}

fn tell(action: Action) -> Told {
    const NO_SERVER: &[u16] = &[503];
    const NO_DEVICE: &[u16] = &[400, 404, 503];
    let told = |id, summary, answer, problems| Told { id, summary, answer, problems };
    match action {
        Action::StartScanning => told("startScanning", "Begins to look for devices.", done(), NO_SERVER),
        Action::StopScanning => told("stopScanning", "Ends the search.", done(), NO_SERVER),
        Action::Devices => {
            told("listDevices", "The connected devices by their indexes.", of(by_index("Device")), NO_SERVER)
        }
        Action::StopAll => told("stopAllDevices", "Stops every device, whoever drives it.", done(), &[]),
        Action::Device => told("getDevice", "One device.", of(reference("Device")), NO_DEVICE),
        Action::StopDevice => told("stopDevice", "Stops one device.", done(), &[400, 404]),
        Action::Features => told(
            "listFeatures",
            "The features of a device by their indexes.",
            of(by_index("Feature")),
            NO_DEVICE,
        ),
        Action::Feature => told("getFeature", "One feature.", of(reference("Feature")), NO_DEVICE),
        Action::StopFeature => told("stopFeature", "Stops one feature.", done(), &[400, 404]),
        Action::Output => told(
            "setOutput",
            "Sets an output of a feature, or of all features of the device that have it. Answered when it is accepted; \
             the device follows as fast as it can.",
            done(),
            &[400, 404, 408, 409, 413, 503, 504],
        ),
        Action::Input => {
            told("readInput", "Reads an input.", of(reference("Reading")), &[400, 404, 409, 503, 504])
        }
        Action::Events => told(
            "listenToEvents",
            "What happens, as server-sent events: first Snapshot, with the devices as in the list; then DeviceAdded and \
             DeviceChanged with a device, DeviceRemoved with its index and name, ScanningFinished, Error and \
             ServerDisconnect, which is the last.",
            with("text/event-stream", json!({"type": "string"})),
            NO_SERVER,
        ),
        Action::Health => {
            told("getHealth", "Whether devices can be driven.", of(reference("Health")), NO_SERVER)
        }
        Action::Metrics => told(
            "getMetrics",
            "Numbers for Prometheus.",
            with(metrics::CONTENT_TYPE, json!({"type": "string"})),
            &[],
        ),
        Action::OpenApi => told("getOpenApi", "This document.", of(json!({"type": "object"})), &[]),
    }
}

fn in_path(name: &str) -> Value {
    let index = || json!({"type": "integer", "format": "int64", "minimum": 0, "maximum": u32::MAX});
    let (description, schema) = match name {
        "device" => ("The index of a device.", index()),
        "feature" => ("The index of a feature of the device.", index()),
        "output" => {
            ("The kind of output.", json!({"type": "string", "enum": OutputKind::ALL.map(OutputKind::name)}))
        }
        "input" => {
            ("The kind of input.", json!({"type": "string", "enum": InputKind::ALL.map(InputKind::name)}))
        }
        _ => (
            "A fraction of the output's range; below 0 only where the range goes below 0.",
            json!({"type": "number", "minimum": -1, "maximum": 1}),
        ),
    };
    json!({"name": name, "in": "path", "required": true, "description": description, "schema": schema})
}

fn in_query(action: Action) -> Option<Value> {
    match action {
        Action::Output => Some(json!({
            "name": "lease",
            "in": "query",
            "description": "Milliseconds after which the feature is stopped unless its output is set again.",
            "schema": {
                "type": "integer",
                "minimum": u64::try_from(SHORTEST_LEASE.as_millis()).unwrap_or(0),
                "maximum": u64::try_from(LONGEST_LEASE.as_millis()).unwrap_or(0),
            },
        })),
        Action::Events => Some(json!({
            "name": "format",
            "in": "query",
            "description": "The words of earlier engines in place of JSON, and no snapshot.",
            "schema": {"type": "string", "enum": ["text"]},
        })),
        _ => None,
    }
}

fn body(route: &Route) -> Option<Value> {
    let has_level = route.parameters().any(|name| name == "level");
    let schema = if has_level { "Duration" } else { "Output" };
    (route.action == Action::Output)
        .then(|| json!({"required": !has_level, "content": {JSON: {"schema": reference(schema)}}}))
}

fn done() -> Value {
    json!({"description": "Done."})
}

fn of(schema: Value) -> Value {
    with(JSON, schema)
}

fn with(content_type: &str, schema: Value) -> Value {
    json!({"description": "Here it is.", "content": {content_type: {"schema": schema}}})
}

fn problem(status: u16) -> Value {
    let description = match status {
        400 => "The request makes no sense, or asks for more than the range.",
        401 => "The program was started with a token, and this is not it, or none.",
        403 => "Asked by a web page that nobody has allowed, or by a name that is not this machine's.",
        404 => "There is no such device, feature, output or input.",
        408 => "The body did not come in time.",
        409 => "The device can't do it, or did not.",
        413 => "The body is too large.",
        503 => "Not now: the server is ending, the machine is about to sleep, or too much is under way.",
        _ => "The device did not answer in time.",
    };
    json!({"description": description, "content": {JSON: {"schema": reference("Problem")}}})
}

fn reference(name: &str) -> Value {
    json!({"$ref": format!("#/components/schemas/{name}")})
}

fn by_index(name: &str) -> Value {
    json!({"type": "object", "additionalProperties": reference(name)})
}

fn schemas() -> Value {
    let text = || json!({"type": "string"});
    let index = || json!({"type": "integer", "minimum": 0});
    let range = || json!({"type": "array", "items": {"type": "integer"}, "minItems": 2, "maxItems": 2});
    let object = |properties: Value, required: Value| json!({"type": "object", "properties": properties, "required": required});
    let duration = || json!({"type": "integer", "minimum": 0, "description": "Milliseconds."});
    json!({
        "Device": object(
            json!({
                "index": index(),
                "name": text(),
                "display_name": {"type": "string", "nullable": true},
                "features": by_index("Feature"),
            }),
            json!(["index", "name", "display_name", "features"]),
        ),
        "Feature": object(
            json!({
                "FeatureIndex": index(),
                "FeatureDescription": text(),
                "Output": {"type": "object", "additionalProperties": reference("OutputRanges")},
                "Input": {"type": "object", "additionalProperties": reference("InputRanges")},
            }),
            json!(["FeatureIndex", "FeatureDescription"]),
        ),
        "OutputRanges": object(json!({"Value": range(), "Duration": range()}), json!(["Value"])),
        "InputRanges": object(
            json!({
                "Value": {"type": "array", "items": range()},
                "Command": {"type": "array", "items": {"type": "string", "enum": ["Read", "Subscribe"]}},
            }),
            json!(["Value", "Command"]),
        ),
        "Output": object(
            json!({
                "value": {"type": "integer", "description": "In steps of the output's range."},
                "duration": duration(),
            }),
            json!(["value"]),
        ),
        "Duration": object(json!({"duration": duration()}), json!(["duration"])),
        "Reading": object(json!({"value": {"type": "integer"}}), json!(["value"])),
        "Health": object(json!({"status": {"type": "string", "enum": ["ok"]}}), json!(["status"])),
        "Problem": object(
            json!({"error": object(json!({"code": text(), "message": text()}), json!(["code", "message"]))}),
            json!(["error"]),
        ),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;
    use std::path::Path;

    #[test]
    fn the_document_in_docs_is_this_one() {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/openapi.json");
        let text = serde_json::to_string_pretty(&document()).unwrap() + "\n";
        let before = std::fs::read_to_string(&path).unwrap_or_default();
        if before != text {
            std::fs::write(&path, text).unwrap();
            panic!("docs/openapi.json was out of date and has been written anew; look at the difference");
        }
    }

    fn references(value: &Value, found: &mut Vec<String>) {
        match value {
            Value::Object(object) => {
                found.extend(object.get("$ref").and_then(Value::as_str).map(str::to_owned));
                object.values().for_each(|value| references(value, found));
            }
            Value::Array(array) => array.iter().for_each(|value| references(value, found)),
            _ => {}
        }
    }

    #[test]
    fn whatever_it_refers_to_is_in_it() {
        let (document, mut found) = (document(), Vec::new());
        references(&document, &mut found);
        for reference in found {
            assert!(document.pointer(&reference[1..]).is_some(), "{reference}");
        }
    }

    #[test]
    fn every_operation_has_a_name_of_its_own_and_says_what_is_in_its_path() {
        let document = document();
        let mut names = HashSet::new();
        for (path, operations) in document["paths"].as_object().unwrap() {
            for operation in operations.as_object().unwrap().values() {
                let name = operation["operationId"].as_str().unwrap();
                assert!(names.insert(name.to_owned()), "{name}");
                let parameters = operation["parameters"].as_array().unwrap();
                let in_path = parameters.iter().filter(|parameter| parameter["in"] == "path");
                assert_eq!(in_path.count(), path.matches('{').count(), "{path}");
            }
        }
    }
}

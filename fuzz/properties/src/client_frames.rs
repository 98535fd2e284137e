//! Frames of both sides, read and written: what is read is bounded, every element counts once, and what is written is
//! read back as the same.

use buttplug_core::limits::MAX_MESSAGES_PER_FRAME;
use buttplug_core::message::json::{
    self, BadMessage, parse_client_frame, parse_client_message, parse_server_frame, split_frame,
};
use buttplug_core::message::{ClientMessage, MessageId, ServerContent, ServerMessage};
use std::sync::Arc;

/// Characters of an error's text, the peer's own words in it included.
const MAX_ERROR_CHARS: usize = 500;

/// Reads `data` as a frame of a client and as one of a server.
pub fn hold(data: &[u8]) {
    client_frame(data);
    server_frame(data);
}

fn client_frame(data: &[u8]) {
    let mut read = Vec::new();
    parse_client_frame(data, &mut read);
    assert!(read.len() <= MAX_MESSAGES_PER_FRAME, "{} messages in a frame", read.len());
    // No connection brings anything but text.
    if std::str::from_utf8(data).is_ok() {
        assert_eq!(read, element_by_element(data), "one pass and a look at each element read the same");
    }
    for parsed in &read {
        match parsed {
            Ok(message) => written_client_message_is_read_back(message),
            Err(bad) => bad_message_is_answered(bad),
        }
    }
}

/// The slower way to read a frame of a client.
fn element_by_element(data: &[u8]) -> Vec<Result<ClientMessage, BadMessage>> {
    match split_frame(data) {
        Ok(elements) => elements
            .into_iter()
            .map(|element| element.and_then(|element| parse_client_message(&element)))
            .collect(),
        Err(error) => vec![Err(BadMessage::frame(error))],
    }
}

fn written_client_message_is_read_back(message: &ClientMessage) {
    assert_ne!(message.id, MessageId::EVENT);
    let mut text = Vec::new();
    json::write_client_message(message, &mut text);
    let mut again = Vec::new();
    parse_client_frame(&text, &mut again);
    assert_eq!(again, [Ok(message.clone())], "{}", String::from_utf8_lossy(&text));
}

fn bad_message_is_answered(bad: &BadMessage) {
    let answer = ServerMessage::error(bad.id, &bad.error);
    let ServerContent::Error(error) = &answer.content else { panic!("{answer:?}") };
    let length = error.message.chars().count();
    assert!((1..=MAX_ERROR_CHARS).contains(&length), "an error of {length} characters: {}", error.message);
    written_server_message_is_read_back(&answer);
}

fn server_frame(data: &[u8]) {
    let mut read = Vec::new();
    let Ok(report) = parse_server_frame(data, &mut read) else { return };
    for skipped in &report.skipped {
        let length = skipped.chars().count();
        assert!(length <= MAX_ERROR_CHARS, "a report of {length} characters: {skipped}");
    }
    for message in read {
        written_server_message_is_read_back(&without_unknown_names(message));
    }
}

fn written_server_message_is_read_back(message: &ServerMessage) {
    let mut text = Vec::new();
    json::write_server_message(message, &mut text);
    let mut again = Vec::new();
    let report = parse_server_frame(&text, &mut again).expect("what was written is read");
    let shown = String::from_utf8_lossy(&text);
    assert_eq!((again.as_slice(), report.skipped.len()), (&[message.clone()][..], 0), "{shown}");
}

/// Names that mean nothing here are kept for logs, and not written.
fn without_unknown_names(mut message: ServerMessage) -> ServerMessage {
    if let ServerContent::DeviceList(devices) = &mut message.content {
        for feature in devices.iter_mut().flat_map(|device| &mut Arc::make_mut(device).features) {
            feature.unknown_outputs.clear();
            feature.unknown_inputs.clear();
        }
    }
    message
}

//! What btleplug and the system say when something fails, in the few sorts that make a difference. BlueZ says most of it
//! in words.

use crate::radio::RadioError;

/// What a call about an adapter or hardware failed with.
pub(super) fn radio_error(error: btleplug::Error) -> RadioError {
    match error {
        btleplug::Error::NotConnected | btleplug::Error::DeviceNotFound => RadioError::NotConnected,
        btleplug::Error::PermissionDenied => RadioError::NotAllowed,
        other => in_words(&other.to_string()),
    }
}

/// BlueZ's and D-Bus's own words.
pub(super) fn in_words(text: &str) -> RadioError {
    // The hardware or its adapter is gone, or the service with both of them.
    const GONE: &[&str] = &[
        "Not connected",
        "Not Connected",
        "UnknownObject",
        "doesn't exist",
        "was not provided by any .service files",
        "does not have an owner",
        "Message recipient disconnected",
    ];
    // An answer of the hardware. BlueZ has words for some and a number for the others; with neither it speaks of an
    // operation that it has ended itself.
    const REFUSED: &[&str] = &[
        "ATT error",
        "Read not permitted",
        "Write not permitted",
        "Not Authorized",
        "Not paired",
        "Invalid offset",
        "Invalid Length",
        "Operation is not supported",
        "ProtocolError",
    ];
    if GONE.iter().any(|words| text.contains(words)) {
        RadioError::NotConnected
    } else if REFUSED.iter().any(|words| text.contains(words)) {
        RadioError::Refused(text.to_owned())
    } else {
        RadioError::Failed(text.to_owned())
    }
}

/// Why the system does not answer, and what to do about it.
pub(super) fn no_service(error: btleplug::Error) -> RadioError {
    let error = match error {
        btleplug::Error::PermissionDenied => return RadioError::NotAllowed,
        other => other.to_string(),
    };
    let says = |words: &[&str]| words.iter().any(|words| error.contains(words));
    if says(&["was not provided by any .service files", "does not have an owner", "ServiceUnknown"]) {
        let what =
            "the system's Bluetooth service does not run; start bluetoothd (systemctl start bluetooth)";
        RadioError::NoService(what.into())
    } else if says(&["No such file or directory", "Connection refused", "isconnected"]) {
        let what =
            format!("the system's D-Bus can't be reached ({error}); in a container, hand in /run/dbus");
        RadioError::NoService(what)
    } else {
        // It may be busy.
        RadioError::Failed(error)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_end_of_a_link_is_known_by_its_words() {
        for text in ["Not connected", "Method \"WriteValue\" … interface doesn't exist", "UnknownObject"] {
            assert_eq!(in_words(text), RadioError::NotConnected, "{text}");
        }
    }

    #[test]
    fn what_the_hardware_refuses_is_told_from_what_never_reached_it() {
        for text in [
            "Operation failed with ATT error: 0x0e",
            "Read not permitted",
            "Runtime Error: The operation couldn’t be completed. (ATT error 15.)",
            "The operation is not supported: ProtocolError",
            "Not paired",
            "Invalid offset",
            "Invalid Length",
            "Operation is not supported",
        ] {
            assert_eq!(in_words(text), RadioError::Refused(text.into()));
        }
        for text in ["Operation failed", "In Progress", "Did not receive a reply"] {
            assert_eq!(in_words(text), RadioError::Failed(text.into()));
        }
    }

    #[test]
    fn a_service_that_is_missing_is_told_from_one_that_is_busy() {
        let said = |text: &str| no_service(btleplug::Error::RuntimeError(text.into()));
        for (text, advice) in [
            ("The name org.bluez was not provided by any .service files", "systemctl start bluetooth"),
            (
                "Failed to connect to socket /run/dbus/system_bus_socket: No such file or directory",
                "/run/dbus",
            ),
            ("Connection was disconnected before a reply was received", "/run/dbus"),
        ] {
            let RadioError::NoService(words) = said(text) else { panic!("{text}") };
            assert!(words.contains(advice), "{words}");
        }
        assert!(matches!(said("Did not receive a reply"), RadioError::Failed(_)));
        assert_eq!(no_service(btleplug::Error::PermissionDenied), RadioError::NotAllowed);
    }
}

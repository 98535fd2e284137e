//! The demonstration proves what it shows.

mod program;

use program::{Ended, run};

#[tokio::test]
async fn the_demonstration_ends_in_order_and_says_what_it_proved() {
    let Ended { code, stdout, stderr } = run(&["demo"]).await;
    assert_eq!(code, Some(0), "{stdout}\n{stderr}");
    assert_eq!(stderr, "");
    assert!(!stdout.contains('\x1b'), "plain lines into a pipe: {stdout}");
    for part in ["Vibrate", "Rotate", "HwPositionWithDuration", "Pressure", "battery", "Proved"] {
        assert!(stdout.contains(part), "{part} is missing in\n{stdout}");
    }
}

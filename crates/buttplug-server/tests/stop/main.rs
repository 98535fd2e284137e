//! Stop is sacred: it overtakes everything, always writes, reaches all devices at once, and happens on every way to end.

mod command;
mod ends;
mod movement;
#[path = "../rig/mod.rs"]
mod rig;

const STOP: &str = r#"[{"StopCmd":{"Id":40}}]"#;
const OK: &str = r#"[{"Ok":{"Id":40}}]"#;

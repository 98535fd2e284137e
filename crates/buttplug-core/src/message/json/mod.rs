//! Frames: JSON text to messages and back.
//!
//! A frame is parsed once, straight into types. Only a frame with something wrong in it is looked at again, element
//! by element, so that its good messages work and each bad one gets an error of its own. What a client may send is
//! read strictly where a mistake could move a device, and kindly elsewhere: unknown fields are ignored, `10.0` is 10.
//! What a server sends is read kindly throughout: what is not known here is skipped.

mod command;
mod elements;
mod id;
mod numbers;
mod object;
mod parse_client;
mod parse_server;
mod write_client;
mod write_server;

#[cfg(test)]
mod tests;

pub use elements::{BadMessage, Element, check_frame, split_frame, split_frame_within};
pub use numbers::Whole;
pub use object::Object;
pub use parse_client::{parse_client_frame, parse_client_frame_within, parse_client_message};
pub use parse_server::{ServerFrameReport, parse_server_frame};
pub use write_client::write_client_message;
pub use write_server::write_server_message;

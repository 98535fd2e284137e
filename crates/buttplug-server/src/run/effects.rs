//! What a session's state machine wants done: outputs set, inputs asked, devices stopped, and the answers.

use super::{End, MAX_PENDING_STOPS, PendingRead, Runner, wait_for_all};
use crate::device::{DeviceHandle, RequestFailure, read_reply, request_error};
use crate::server::Phase;
use crate::session::Effect;
use crate::version::{Outgoing, ReadingForm};
use buttplug_core::limits::quoted;
use buttplug_core::message::{InputCmd, OutputCmd, ServerContent, ServerMessage, StopCmd, StopScope};
use buttplug_core::{ButtplugError, DeviceError, DeviceIndex, InputAction, MessageId, UnknownError};
use buttplug_protocols::protocol::Input;
use futures_util::FutureExt;
use std::sync::Arc;
use tokio::sync::watch;
use tracing::info;

/// Does what moves devices, unless they may not be moved now. The phase can't change meanwhile: whoever changes it stops all
/// devices then, and would miss one that is set in motion just behind the question.
fn while_serving<T>(phase: &watch::Receiver<Phase>, moves: impl FnOnce() -> T) -> Result<T, UnknownError> {
    let phase = phase.borrow();
    match *phase {
        Phase::Serving => Ok(moves()),
        Phase::Resting => Err(UnknownError::Resting),
        Phase::Stopping | Phase::Closing => Err(UnknownError::ShuttingDown),
    }
}

impl Runner {
    pub(super) fn carry_out_one(&mut self, effect: Effect) {
        match effect {
            Effect::End { last_words, reason } => self.end = Some(End::Closed { last_words, reason }),
            Effect::Stop(id, cmd) => self.stop(id, &cmd),
            Effect::Reply(message) => self.say(message),
            Effect::Output(id, cmd) => self.output(id, &cmd),
            Effect::Outputs(id, device, cmds) => self.outputs(id, device, &cmds),
            Effect::Input(id, cmd, form) => self.input(id, cmd, form),
            Effect::ListDevices(id) => {
                let devices = self.surroundings.registry.list().descriptions();
                self.say(ServerMessage { id, content: ServerContent::DeviceList(devices) });
            }
            Effect::Scan(wanted) => self.surroundings.scan_requests.set(self.id, wanted),
            Effect::Opened { client_name, version } => {
                let roll = self.surroundings.registry.roll();
                let name = quoted(&client_name);
                self.present = Some(roll.client_came(self.id, &name));
                info!(client = self.id.0, name, peer = self.peer, version, "client introduced itself");
            }
        }
    }

    fn stop(&mut self, id: MessageId, cmd: &StopCmd) {
        let (devices, feature) = match cmd.scope {
            StopScope::All => (self.surroundings.registry.all(), None),
            StopScope::Device(device) => match self.device(device) {
                Ok(device) => (vec![device], None),
                Err(error) => return self.fail(id, &error.into()),
            },
            StopScope::Feature(device, feature) => match self.device(device) {
                Ok(device) => (vec![device], Some(feature)),
                Err(error) => return self.fail(id, &error.into()),
            },
        };
        let mut written = Vec::new();
        if cmd.outputs {
            for device in &devices {
                match device.stop(feature, self.now) {
                    Ok(waiter) => written.push(waiter),
                    Err(error) => return self.fail(id, &error.into()),
                }
            }
        }
        if cmd.inputs {
            for device in &devices {
                device.unsubscribe_all(self.id, feature);
            }
        }
        if written.is_empty() || self.pending_stops.len() >= MAX_PENDING_STOPS {
            return self.say(ServerMessage::ok(id));
        }
        let reply = async move {
            wait_for_all(written).await;
            ServerMessage::ok(id).into()
        };
        self.pending_stops.push(reply.boxed());
    }

    fn output(&mut self, id: MessageId, cmd: &OutputCmd) {
        let set = self.move_device(cmd.device, |device| device.set(cmd, self.id, self.now));
        self.answer_output(id, set);
    }

    fn outputs(&mut self, id: MessageId, device: DeviceIndex, cmds: &[OutputCmd]) {
        let set = self.move_device(device, |device| device.set_all(cmds, self.id, self.now));
        self.answer_output(id, set);
    }

    /// Sets outputs of a device, if devices may be moved now.
    fn move_device(
        &self,
        device: DeviceIndex,
        set: impl FnOnce(&DeviceHandle) -> Result<bool, DeviceError>,
    ) -> Result<(bool, DeviceHandle), ButtplugError> {
        while_serving(&self.surroundings.phase, || {
            let device = self.device(device)?;
            Ok((set(&device)?, device))
        })?
    }

    fn answer_output(&mut self, id: MessageId, set: Result<(bool, DeviceHandle), ButtplugError>) {
        match set {
            Ok((changed, device)) => {
                if changed && !self.touched.last().is_some_and(|last| last.is(&device)) {
                    self.touched.push(device);
                }
                self.say(ServerMessage::ok(id));
            }
            Err(error) => self.fail(id, &error),
        }
    }

    fn input(&mut self, id: MessageId, cmd: InputCmd, form: Option<ReadingForm>) {
        let device = match self.device(cmd.device) {
            Ok(device) => device,
            Err(error) => return self.fail(id, &error.into()),
        };
        let description = Arc::clone(device.description());
        let limit = self.surroundings.limits.max_pending_reads;
        if self.pending_reads.len() >= limit {
            let name = description.name.clone();
            return self.fail(id, &DeviceError::Busy { device: description.index, name, limit }.into());
        }
        if cmd.action == InputAction::Subscribe && !self.may_subscribe(&cmd) {
            let limit = self.surroundings.limits.max_subscriptions;
            let (device, name) = (description.index, description.name.clone());
            return self.fail(id, &DeviceError::TooManySubscriptions { device, name, limit }.into());
        }
        let fail = move |failure| {
            Outgoing::from(ServerMessage::error(id, &request_error(&description, failure).into()))
        };
        let reply = if cmd.action == InputAction::Read {
            device.read(&cmd).map(|answer| {
                async move {
                    match (answer.await.unwrap_or(Err(RequestFailure::Gone)), form) {
                        (Ok(value), Some(form)) => form.reply(id, cmd.device, value),
                        (Ok(value), None) => {
                            let content = ServerContent::InputReading(read_reply(&cmd, value));
                            ServerMessage { id, content }.into()
                        }
                        (Err(failure), _) => fail(failure),
                    }
                }
                .boxed()
            })
        } else {
            device.subscribe(&cmd, self.id, &self.readings).map(|answer| {
                async move {
                    match answer.await.unwrap_or(Err(RequestFailure::Gone)) {
                        Ok(()) => ServerMessage::ok(id).into(),
                        Err(failure) => fail(failure),
                    }
                }
                .boxed()
            })
        };
        match reply {
            Ok(reply) => self.pending_reads.push(PendingRead { id, reply }),
            Err(error) => self.fail(id, &error.into()),
        }
    }

    /// Whether the client may have this subscription too, which counts from now on.
    fn may_subscribe(&mut self, cmd: &InputCmd) -> bool {
        let wanted = (cmd.device, Input { feature: cmd.feature, kind: cmd.kind });
        let limit = self.surroundings.limits.max_subscriptions;
        if self.subscribed.len() >= limit && !self.subscribed.contains(&wanted) {
            let (registry, client) = (&self.surroundings.registry, self.id);
            self.subscribed.retain(|(device, input)| {
                registry.get(*device).is_some_and(|device| device.is_subscribed(client, *input))
            });
            if self.subscribed.len() >= limit {
                return false;
            }
        }
        self.subscribed.insert(wanted);
        true
    }

    fn device(&self, index: DeviceIndex) -> Result<DeviceHandle, DeviceError> {
        self.surroundings.registry.get(index).ok_or(DeviceError::NoSuchDevice { device: index })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::mpsc::{RecvTimeoutError, channel};
    use std::thread;
    use std::time::Duration;

    #[test]
    fn nobody_gets_to_say_that_devices_rest_while_one_is_being_set_in_motion() {
        let (says, phase) = watch::channel(Phase::Serving);
        let (said, hears) = channel();
        let moved = while_serving(&phase, || {
            thread::spawn(move || {
                says.send_replace(Phase::Resting);
                said.send(()).unwrap();
            });
            hears.recv_timeout(Duration::from_millis(200))
        });
        assert_eq!(moved, Ok(Err(RecvTimeoutError::Timeout)), "it has to wait");
        hears.recv().unwrap();
        assert_eq!(while_serving(&phase, || ()), Err(UnknownError::Resting));
    }

    #[test]
    fn no_device_is_set_in_motion_once_the_server_ends() {
        for phase in [Phase::Stopping, Phase::Closing] {
            let (_says, phase) = watch::channel(phase);
            assert_eq!(while_serving(&phase, || ()), Err(UnknownError::ShuttingDown));
        }
    }
}

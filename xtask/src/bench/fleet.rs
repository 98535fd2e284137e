//! Devices that dial in, speak Lovense and count what they are told. They stand for hardware elsewhere, so they must cost
//! next to nothing here: one thread sweeps over all of them a hundred times a second.

use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::JoinHandle;
use std::time::Duration;

use super::socket::{Kind, Socket};
use crate::engine::DEVICE_IDENTIFIER;
use crate::run::{Context as _, Outcome};

/// Between two sweeps. Far below any timeout, far above the cost of a sweep.
const SWEEP: Duration = Duration::from_millis(10);

/// All devices. Dropping it hangs up.
pub(crate) struct Fleet {
    size: usize,
    orders: Option<Sender<Order>>,
    sweeper: Option<JoinHandle<()>>,
}

/// What the sweeping thread can be told.
enum Order {
    Join(Box<Device>),
    /// Hand back the device that came first.
    Lend(Sender<Box<Device>>),
    /// Say how many writes came since the last such question, and how many devices were lost.
    Count(Sender<Count>),
}

/// What the devices saw since they were last asked.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Count {
    pub(crate) writes: u64,
    lost: u64,
}

/// One device.
pub(crate) struct Device {
    pub(crate) socket: Socket,
    /// What it answers to `DeviceType;`.
    answer: String,
}

impl Device {
    fn dial_in(port: u16, number: usize) -> Outcome<Self> {
        let address = format!("0082059A{number:04X}");
        let mut socket = Socket::connect(port)?;
        socket.send_text(&format!(
            r#"{{"identifier":"{DEVICE_IDENTIFIER}","address":"{address}","version":0}}"#
        ))?;
        let mut device = Self { socket, answer: format!("Z:11:{address};") };
        // The question for its type is the engine's first word; answered here, the next one can dial in.
        let asked = device.socket.next(|question| question == b"DeviceType;")?;
        if !asked {
            return Err("the engine did not ask a device for its type".to_owned());
        }
        device.socket.send(Kind::Binary, device.answer.as_bytes())?;
        Ok(device)
    }

    /// Takes what has come and answers questions. Returns the number of commands.
    fn sweep(&mut self) -> Outcome<u64> {
        let mut commands = 0;
        let mut asked = false;
        self.socket.sweep(|write| {
            if write == b"DeviceType;" {
                asked = true;
            } else {
                commands += 1;
            }
        })?;
        if asked {
            self.socket.send(Kind::Binary, self.answer.as_bytes())?;
        }
        Ok(commands)
    }
}

impl Fleet {
    pub(crate) fn new() -> Self {
        let (orders, received) = channel();
        let sweeper = std::thread::spawn(move || sweep(&received));
        Self { size: 0, orders: Some(orders), sweeper: Some(sweeper) }
    }

    /// Lets devices dial in, one after another, until there are this many.
    pub(crate) fn grow_to(&mut self, size: usize, port: u16) -> Outcome {
        while self.size < size {
            let device = Device::dial_in(port, self.size).context(&format!("device {}", self.size))?;
            device.socket.set_nonblocking(true)?;
            self.order(Order::Join(Box::new(device)))?;
            self.size += 1;
        }
        Ok(())
    }

    /// Takes the first device out of the sweep, for someone who wants to read it himself, blocking.
    pub(crate) fn borrow(&mut self) -> Outcome<Box<Device>> {
        let (sender, lent) = channel();
        self.order(Order::Lend(sender))?;
        let device = lent.recv().context("no device to lend")?;
        device.socket.set_nonblocking(false)?;
        Ok(device)
    }

    pub(crate) fn give_back(&mut self, device: Box<Device>) {
        // If either fails, the next question to the fleet fails too.
        let _ = device.socket.set_nonblocking(true);
        let _ = self.order(Order::Join(device));
    }

    /// How many writes came since the last question.
    pub(crate) fn count(&mut self) -> Outcome<Count> {
        let (sender, counted) = channel();
        self.order(Order::Count(sender))?;
        let count = counted.recv().context("the fleet is gone")?;
        if count.lost > 0 { Err(format!("{} devices were disconnected", count.lost)) } else { Ok(count) }
    }

    /// An error if a device was lost on the way.
    pub(crate) fn still_there(&mut self) -> Outcome {
        self.count().map(|_| ())
    }

    fn order(&self, order: Order) -> Outcome {
        let orders = self.orders.as_ref().ok_or("the fleet is gone")?;
        orders.send(order).context("the fleet is gone")
    }
}

impl Drop for Fleet {
    fn drop(&mut self) {
        self.orders = None;
        if let Some(sweeper) = self.sweeper.take() {
            let _ = sweeper.join();
        }
    }
}

/// The thread: until nobody gives orders any more.
fn sweep(orders: &Receiver<Order>) {
    let mut devices: Vec<Box<Device>> = Vec::new();
    let mut count = Count::default();
    loop {
        std::thread::sleep(SWEEP);
        devices.retain_mut(|device| match device.sweep() {
            Ok(writes) => {
                count.writes += writes;
                true
            }
            Err(_) => {
                count.lost += 1;
                false
            }
        });
        loop {
            match orders.try_recv() {
                Ok(Order::Join(device)) => devices.push(device),
                Ok(Order::Lend(to)) if !devices.is_empty() => drop(to.send(devices.remove(0))),
                // Dropping the sender tells that there is none.
                Ok(Order::Lend(_)) => {}
                Ok(Order::Count(to)) => drop(to.send(std::mem::take(&mut count))),
                Err(std::sync::mpsc::TryRecvError::Empty) => break,
                Err(std::sync::mpsc::TryRecvError::Disconnected) => return,
            }
        }
    }
}

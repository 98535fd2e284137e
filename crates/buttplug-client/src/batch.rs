//! Several outputs at once: collected without a check, checked together, sent together. What an output means is
//! `output.rs`'s affair.

use crate::device::Device;
use crate::error::Error;
use crate::feature::Feature;
use crate::link::Link;
use crate::output::Output;
use buttplug_core::message::ClientRequest;
use std::sync::Arc;

/// Outputs of several features and devices, to be set at the same time.
///
/// Either all are valid or nothing is sent. What is sent leaves together, in the order of the calls, so that a server
/// that gathers what arrives together sets a whole pattern with one write per device. A batch may be run any number of
/// times; each time it is checked anew.
///
/// ```
/// use buttplug_client::{Batch, Output, Value, core::OutputKind};
///
#[doc = include_str!("../doc/simulated.md")]
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), buttplug_client::Error> {
/// # let (client, device) = simulated().await?;
/// let motors = device.features_with_output(OutputKind::Vibrate);
/// let strength = |fraction| Output::new(OutputKind::Vibrate, Value::Fraction(fraction));
///
/// let pattern = Batch::new().feature(&motors[0], strength(0.2)).feature(&motors[1], strength(0.8));
/// pattern.run().await?;
///
/// // The second is too much, so the first is not sent either.
/// let too_much = Batch::new().feature(&motors[0], strength(0.1)).feature(&motors[1], strength(1.1));
/// assert!(too_much.run().await.is_err());
/// # client.disconnect().await;
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug, Default)]
#[must_use = "nothing is sent until the batch is run"]
pub struct Batch {
    orders: Vec<Order>,
}

#[derive(Clone, Debug)]
enum Order {
    Device(Device, Output),
    Feature(Feature, Output),
}

impl Batch {
    /// An empty one.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds an output of one feature. Of several values for the same output the last counts.
    pub fn feature(mut self, feature: &Feature, output: Output) -> Self {
        self.orders.push(Order::Feature(feature.clone(), output));
        self
    }

    /// Adds an output of every feature of a device that has it.
    pub fn device(mut self, device: &Device, output: Output) -> Self {
        self.orders.push(Order::Device(device.clone(), output));
        self
    }

    /// Checks everything, then sends everything, then waits for all replies. Without anything in it does nothing.
    ///
    /// # Errors
    /// Nothing is sent if it is one of these, of the first that fails: [`Error::Invalid`], [`Error::Gone`],
    /// [`Error::SeveralConnections`], or [`Error::Busy`] if the messages are more than
    /// [`MAX_REQUESTS_IN_FLIGHT`](crate::MAX_REQUESTS_IN_FLIGHT) together with those on their way. Else the connection,
    /// the server or the time limit, of several failures the first in the order of the batch.
    pub async fn run(&self) -> Result<(), Error> {
        let mut requests = Vec::with_capacity(self.orders.len());
        let mut link = None;
        for order in &self.orders {
            requests.extend(order.requests()?);
            let own = order.link();
            if !Arc::ptr_eq(link.get_or_insert(own), own) {
                return Err(Error::SeveralConnections);
            }
        }
        match link {
            Some(link) => link.perform_all(requests).await,
            None => Ok(()),
        }
    }
}

impl Order {
    fn requests(&self) -> Result<Vec<ClientRequest>, Error> {
        match self {
            Self::Device(device, output) => device.output_requests(output),
            Self::Feature(feature, output) => Ok(vec![feature.output_request(output)?]),
        }
    }

    fn link(&self) -> &Arc<Link> {
        match self {
            Self::Device(device, _) => device.link(),
            Self::Feature(feature, _) => feature.device().link(),
        }
    }
}

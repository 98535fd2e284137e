//! A queue with one reader that never holds up its writer. What is dropped when it is full, the buffer decides.

use std::sync::Mutex;
use std::task::{Context, Poll, Waker};

/// What waits in a mailbox, bounded by its own rule.
pub(crate) trait Buffer: Default {
    type Item;

    fn push(&mut self, item: Self::Item);
    fn pop(&mut self) -> Option<Self::Item>;
}

#[derive(Debug, Default)]
pub(crate) struct Mailbox<B> {
    state: Mutex<State<B>>,
}

#[derive(Debug, Default)]
struct State<B> {
    buffer: B,
    closed: bool,
    reader: Option<Waker>,
}

impl<B: Buffer> Mailbox<B> {
    /// Appends, unless the mailbox is closed.
    pub(crate) fn push(&self, item: B::Item) {
        let reader = {
            let mut state = crate::lock(&self.state);
            if state.closed {
                return;
            }
            state.buffer.push(item);
            state.reader.take()
        };
        // Outside the lock: a waker may run anything.
        reader.into_iter().for_each(Waker::wake);
    }

    /// Nothing more comes; what is there can still be read.
    pub(crate) fn close(&self) {
        let reader = {
            let mut state = crate::lock(&self.state);
            state.closed = true;
            state.reader.take()
        };
        reader.into_iter().for_each(Waker::wake);
    }

    pub(crate) fn is_closed(&self) -> bool {
        crate::lock(&self.state).closed
    }

    pub(crate) fn poll_next(&self, context: &mut Context<'_>) -> Poll<Option<B::Item>> {
        let mut state = crate::lock(&self.state);
        if let Some(item) = state.buffer.pop() {
            return Poll::Ready(Some(item));
        }
        if state.closed {
            return Poll::Ready(None);
        }
        state.reader = Some(context.waker().clone());
        Poll::Pending
    }
}

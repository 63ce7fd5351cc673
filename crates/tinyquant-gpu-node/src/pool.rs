//! The thread that works with devices, one for all environments of the process.

use crate::error::Failure;
use std::sync::mpsc::{Sender, channel};
use std::sync::{Mutex, PoisonError};
use std::thread::Builder;
use tinyquant_codec::ErrorCode;

/// A job; it must not unwind.
pub(crate) type Job = Box<dyn FnOnce() + Send>;

/// Where jobs go; the thread starts with the first one.
static QUEUE: Mutex<Option<Sender<Job>>> = Mutex::new(None);

/// Queues a job. Jobs run one after another, in the order they came.
pub(crate) fn submit(job: Job) -> Result<(), Failure> {
    let refused = |reason: String| {
        Failure::new(
            ErrorCode::Limit,
            format!("could not start the thread of the GPU backend: {reason}"),
        )
    };
    let mut queue = QUEUE.lock().unwrap_or_else(PoisonError::into_inner);
    let sender = if let Some(sender) = &*queue {
        sender
    } else {
        let (sender, receiver) = channel::<Job>();
        Builder::new()
            .name("tinyquant-gpu".to_owned())
            .spawn(move || receiver.into_iter().for_each(|job| job()))
            .map_err(|error| refused(error.to_string()))?;
        queue.insert(sender)
    };
    sender
        .send(job)
        .map_err(|_| refused("it has ended".to_owned()))
}

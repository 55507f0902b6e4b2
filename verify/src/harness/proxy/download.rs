//! The body of an answer on its way to the client, and with it the entry of its exchange: when it is dropped, at its end or
//! because the client went away, the exchange is recorded.

use std::{
    convert::Infallible,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

use hyper::body::{Body, Bytes, Frame, Incoming, SizeHint};

use super::{
    entry::Entry,
    pace::Pace,
    table::Claim,
    wire::{Ending, Fate},
};

/// Where an answer's body comes from.
#[derive(Debug)]
pub(super) enum Source {
    /// The proxy itself.
    Whole(Option<Bytes>),
    /// The server behind.
    Behind(Incoming),
}

impl Source {
    fn poll_next(&mut self, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        match self {
            Self::Whole(bytes) => Poll::Ready(bytes.take().map(|bytes| Ok(Frame::data(bytes)))),
            Self::Behind(incoming) => Pin::new(incoming).poll_frame(context),
        }
    }

    fn is_end(&self) -> bool {
        match self {
            Self::Whole(bytes) => bytes.as_ref().is_none_or(Bytes::is_empty),
            Self::Behind(incoming) => incoming.is_end_stream(),
        }
    }
}

/// What is done to an answer's body at a place in it.
pub(super) struct Tamper {
    pub(super) claim: Claim,
    pub(super) way: Way,
    /// How many bytes pass before it.
    pub(super) left_bytes: u64,
}

/// The ways of tampering.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Way {
    Truncate,
    Corrupt,
}

/// An answer's body as the client gets it.
pub(super) struct Download {
    pub(super) source: Source,
    pub(super) entry: Entry,
    pub(super) fate: Arc<Fate>,
    pub(super) pace: Option<Pace>,
    pub(super) tamper: Option<Tamper>,
    /// Whether the connection is to end before anything more.
    pub(super) ended: bool,
}

impl Download {
    /// Does what is to be done to these bytes.
    fn tampered(&mut self, bytes: Bytes) -> Bytes {
        let Some(mut tamper) = self.tamper.take() else { return bytes };
        let place = usize::try_from(tamper.left_bytes).unwrap_or(usize::MAX);
        if bytes.len() <= place {
            tamper.left_bytes -= bytes.len() as u64;
            self.tamper = Some(tamper);
            return bytes;
        }
        self.entry.fire(&mut tamper.claim);
        match tamper.way {
            Way::Truncate => {
                self.ended = true;
                bytes.slice(..place)
            }
            Way::Corrupt => {
                let mut bytes = bytes.to_vec();
                bytes[place] ^= 1;
                bytes.into()
            }
        }
    }
}

impl Body for Download {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let this = self.get_mut();
        loop {
            if let Some(pace) = &mut this.pace
                && let Some(piece) = ready!(pace.poll_piece(context))
            {
                this.entry.count(&piece);
                return Poll::Ready(Some(Ok(Frame::data(piece))));
            }
            if this.ended {
                this.fate.plan(Ending::Cut);
                return Poll::Pending;
            }
            let bytes = match ready!(this.source.poll_next(context)).transpose() {
                Ok(None) => return Poll::Ready(None),
                Ok(Some(frame)) => match frame.into_data() {
                    Ok(bytes) => this.tampered(bytes),
                    Err(trailers) => return Poll::Ready(Some(Ok(trailers))),
                },
                Err(error) => {
                    this.entry.trouble(&format!("an answer from behind broke off: {error}"));
                    this.ended = true;
                    continue;
                }
            };
            match &mut this.pace {
                Some(pace) => pace.put(bytes),
                None if bytes.is_empty() => {}
                None => {
                    this.entry.count(&bytes);
                    return Poll::Ready(Some(Ok(Frame::data(bytes))));
                }
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        !self.ended && self.pace.as_ref().is_none_or(Pace::is_empty) && self.source.is_end()
    }

    fn size_hint(&self) -> SizeHint {
        match &self.source {
            Source::Whole(bytes) => SizeHint::with_exact(bytes.as_ref().map_or(0, Bytes::len) as u64),
            Source::Behind(incoming) => incoming.size_hint(),
        }
    }
}

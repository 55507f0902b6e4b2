//! The body of an answer on its way to the client, and with it the record of its exchange: when it is dropped, at its end or
//! because the client went away, the exchange is recorded.

use std::{
    pin::Pin,
    task::{Context, Poll, ready},
};

use http_body_util::{Either, Full};
use hyper::body::{Body, Bytes, Frame, Incoming, SizeHint};

use super::exchange::PendingExchange;

/// Where an answer's body comes from: the proxy itself, or upstream.
pub(super) type Source = Either<Full<Bytes>, Incoming>;

/// An answer's body as the client gets it.
pub(super) struct ResponseBody {
    pub(super) source: Source,
    pub(super) exchange: PendingExchange,
}

impl Body for ResponseBody {
    type Data = Bytes;
    type Error = <Source as Body>::Error;

    fn poll_frame(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        let this = self.get_mut();
        let frame = ready!(Pin::new(&mut this.source).poll_frame(context));
        match &frame {
            Some(Ok(frame)) => this.exchange.record.received += frame.data_ref().map_or(0, Bytes::len) as u64,
            Some(Err(error)) => this.exchange.state.trouble(&format!("an answer from upstream broke off: {error}")),
            None => {}
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.source.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.source.size_hint()
    }
}

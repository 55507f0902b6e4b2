//! A connection that can be ended at an exact place: when everything that was written before is out, and nothing after it.
//!
//! hyper flushes a connection in every turn. So whoever plans an end from within a turn (a service, a body that
//! then gives no more) knows that the bytes before it are on their way when the flush has come through.

use std::{
    future::poll_fn,
    io,
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll},
};

use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::TcpStream,
};
use tokio_rustls::server::TlsStream;

/// How a connection ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ending {
    /// It is closed: the other side reads the end of the stream (FIN), without TLS's farewell.
    Cut,
    /// It is reset: the other side gets an error (RST).
    Reset,
}

#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum Plan {
    #[default]
    None,
    Planned(Ending),
    Due(Ending),
}

/// What becomes of a connection. Nothing, mostly.
#[derive(Debug, Default)]
pub(super) struct Fate(Mutex<Plan>);

impl Fate {
    /// Plans its end, once. Call it from within the connection's own task, and give it nothing more to write.
    pub(super) fn plan(&self, ending: Ending) {
        let mut plan = self.lock();
        if *plan == Plan::None {
            *plan = Plan::Planned(ending);
        }
    }

    fn flushed(&self) {
        let mut plan = self.lock();
        if let Plan::Planned(ending) = *plan {
            *plan = Plan::Due(ending);
        }
    }

    fn is_planned(&self) -> bool {
        matches!(*self.lock(), Plan::Planned(_))
    }

    fn due(&self) -> Option<Ending> {
        match *self.lock() {
            Plan::Due(ending) => Some(ending),
            _ => None,
        }
    }

    fn lock(&self) -> MutexGuard<'_, Plan> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What has a TCP connection at its bottom.
pub(super) trait Transport: AsyncRead + AsyncWrite + Unpin + Send + 'static {
    /// The connection itself.
    fn tcp(&self) -> &TcpStream;
}

impl Transport for TcpStream {
    fn tcp(&self) -> &TcpStream {
        self
    }
}

impl Transport for TlsStream<TcpStream> {
    fn tcp(&self) -> &TcpStream {
        self.get_ref().0
    }
}

/// A connection with a fate.
#[derive(Debug)]
pub(super) struct Wire<T> {
    transport: T,
    fate: Arc<Fate>,
    reader: Reader,
}

/// What becomes of bytes that the other side does not want.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Reader {
    /// That it does not want them is an error.
    Wants,
    /// It may have answered already, and its answer is still to be read.
    MayHaveAnswered,
    /// It reads nothing more: all is thrown away.
    Deaf,
}

impl<T: Transport> Wire<T> {
    /// A connection to a client.
    pub(super) const fn to_client(transport: T, fate: Arc<Fate>) -> Self {
        Self { transport, fate, reader: Reader::Wants }
    }

    /// A connection to a server, which may answer and close before it has read all of a request.
    pub(super) const fn to_server(transport: T, fate: Arc<Fate>) -> Self {
        Self { transport, fate, reader: Reader::MayHaveAnswered }
    }

    /// Writes, if anybody is there to read.
    fn poll_written(
        &mut self,
        length: usize,
        write: impl FnOnce(Pin<&mut T>) -> Poll<io::Result<usize>>,
    ) -> Poll<io::Result<usize>> {
        if self.reader == Reader::Deaf {
            return Poll::Ready(Ok(length));
        }
        let written = write(Pin::new(&mut self.transport));
        if matches!(written, Poll::Ready(Err(_))) && self.reader == Reader::MayHaveAnswered {
            self.reader = Reader::Deaf;
            return Poll::Ready(Ok(length));
        }
        written
    }

    /// Ends it.
    pub(super) fn end(self, ending: Ending) -> io::Result<()> {
        match ending {
            Ending::Cut => Ok(()),
            Ending::Reset => self.transport.tcp().set_zero_linger(),
        }
    }
}

/// Drives a connection of hyper's until it has ended or its end is due, which is then told.
pub(super) async fn drive<C>(connection: &mut C, fate: &Fate) -> Option<Ending>
where
    C: Future<Output = hyper::Result<()>> + Unpin,
{
    let mut asked_to_flush = false;
    poll_fn(|context| {
        let ended = Pin::new(&mut *connection).poll(context).is_ready();
        match fate.due() {
            Some(ending) => return Poll::Ready(Some(ending)),
            // What goes wrong on a connection is told by the exchange that it happens to.
            None if ended => return Poll::Ready(None),
            None => {}
        }
        // hyper flushes in every turn, but the end may have been planned behind this turn's flush.
        if fate.is_planned() && !asked_to_flush {
            asked_to_flush = true;
            context.waker().wake_by_ref();
        }
        Poll::Pending
    })
    .await
}

impl<T: Transport> AsyncRead for Wire<T> {
    fn poll_read(mut self: Pin<&mut Self>, context: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.transport).poll_read(context, buf)
    }
}

impl<T: Transport> AsyncWrite for Wire<T> {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        self.poll_written(buf.len(), |transport| transport.poll_write(context, buf))
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let length = bufs.iter().map(|buf| buf.len()).sum();
        self.poll_written(length, |transport| transport.poll_write_vectored(context, bufs))
    }

    fn is_write_vectored(&self) -> bool {
        self.transport.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let flushed = Pin::new(&mut self.transport).poll_flush(context);
        if matches!(flushed, Poll::Ready(Ok(()))) {
            self.fate.flushed();
        }
        flushed
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.transport).poll_shutdown(context)
    }
}

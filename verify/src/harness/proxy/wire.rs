//! A connection that can be ended at an exact place: when everything that was written before is out, and nothing after it.
//!
//! hyper ends every turn of a connection by flushing it. So whoever plans an end from within a turn (a service, a body that
//! then gives no more) knows that the bytes before it are on their way when the flush has come through.

use std::{
    future::poll_fn,
    io,
    pin::Pin,
    sync::{Mutex, PoisonError},
    task::{Context, Poll},
};

use std::sync::Arc;

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
    /// Plans its end. Call it from within the connection's own task, and give it nothing more to write.
    pub(super) fn plan(&self, ending: Ending) {
        *self.lock() = Plan::Planned(ending);
    }

    fn flushed(&self) {
        let mut plan = self.lock();
        if let Plan::Planned(ending) = *plan {
            *plan = Plan::Due(ending);
        }
    }

    fn due(&self) -> Option<Ending> {
        match *self.lock() {
            Plan::Due(ending) => Some(ending),
            _ => None,
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Plan> {
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
}

impl<T: Transport> Wire<T> {
    pub(super) fn new(transport: T, fate: Arc<Fate>) -> Self {
        Self { transport, fate }
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
    poll_fn(|context| {
        let ended = Pin::new(&mut *connection).poll(context).is_ready();
        match fate.due() {
            Some(ending) => Poll::Ready(Some(ending)),
            // What goes wrong on a connection is told by the exchange that it happens to.
            None if ended => Poll::Ready(None),
            None => Poll::Pending,
        }
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
        Pin::new(&mut self.transport).poll_write(context, buf)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.transport).poll_write_vectored(context, bufs)
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

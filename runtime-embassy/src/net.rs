//! TCP by embassy-net: name look-up, the addresses in turn, and what each failure means to the machine.

use crate::connector::{Connector, Conversation};
use core::fmt;
use embassy_net::{IpAddress, Stack, dns::DnsQueryType, tcp::TcpSocket};
use embassy_time::{Duration, with_timeout};
use embedded_io_async::{ErrorType, Write};
use skytether_core::{
    io::{Cause, Pipe},
    link::TlsIdentity,
};

/// How long one address may take while others are left to try. The machine limits the whole.
const EACH_ADDRESS: Duration = Duration::from_secs(5);

/// How long a reset may take to leave.
const RESET: Duration = Duration::from_millis(20);

/// Opens plain TCP connections, one at a time, without Nagle's delay. The name is looked up anew for each attempt; while
/// the network has no address yet, opening waits. It refuses endpoints that want TLS: those are for
/// [`Tls`](crate::Tls), or another connector that stands on this one.
///
/// `receive` and `send` are the socket's own windows: 4 KiB each are a good size. embassy-net must be given a seed that
/// is another one at each start, or local ports repeat.
pub struct Net<'s> {
    stack: Stack<'s>,
    receive: &'s mut [u8],
    send: &'s mut [u8],
}

impl<'s> Net<'s> {
    /// Connections of this stack, through these buffers.
    pub fn new(stack: Stack<'s>, receive: &'s mut [u8], send: &'s mut [u8]) -> Self {
        Self { stack, receive, send }
    }
}

impl Connector for Net<'_> {
    async fn open<T: Conversation>(&mut self, pipe: &Pipe, talk: T) -> Cause {
        let Pipe::Net(endpoint) = pipe else {
            return Cause::Unsupported("a serial line, only TCP");
        };
        if endpoint.tls != TlsIdentity::Plain {
            return Cause::Unsupported("TLS by itself: put a connector for TLS on this one");
        }
        if endpoint.path.is_some() {
            return Cause::Unsupported("WebSocket");
        }
        self.stack.wait_config_up().await;
        let Ok(addresses) = self.stack.dns_query(&endpoint.host, DnsQueryType::A).await else {
            return Cause::Resolve;
        };
        if addresses.is_empty() {
            return Cause::Resolve;
        }
        let mut socket = TcpSocket::new(self.stack, self.receive, self.send);
        socket.set_nagle_enabled(false);
        let last = addresses.len().saturating_sub(1);
        for (index, address) in addresses.into_iter().enumerate() {
            if connect(&mut socket, address, endpoint.port, index == last).await {
                let (reader, writer) = socket.split();
                let cause = talk.hold(reader, Prompt(writer)).await;
                say_good_bye(&mut socket, cause).await;
                return cause;
            }
            socket.abort();
        }
        Cause::Unreachable
    }
}

/// Ends our side, and waits for the peer to have heard what was sent last; the driver limits it. A pipe that broke is
/// only let go.
async fn say_good_bye(socket: &mut TcpSocket<'_>, cause: Cause) {
    if cause == Cause::Asked {
        socket.close();
        let _ = socket.flush().await;
    } else {
        socket.abort();
        // The stack has to send the reset before the socket is gone; without a link there is no waiting for it.
        let _ = with_timeout(RESET, socket.flush()).await;
    }
}

async fn connect(socket: &mut TcpSocket<'_>, address: IpAddress, port: u16, is_last: bool) -> bool {
    let attempt = socket.connect((address, port));
    if is_last {
        attempt.await.is_ok()
    } else {
        with_timeout(EACH_ADDRESS, attempt).await.is_ok_and(|done| done.is_ok())
    }
}

impl fmt::Debug for Net<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Net").finish_non_exhaustive()
    }
}

/// A writer whose bytes leave at once: the stack sends what it holds, and its own flush would wait for the peer's word.
struct Prompt<W>(W);

impl<W: ErrorType> ErrorType for Prompt<W> {
    type Error = W::Error;
}

impl<W: Write> Write for Prompt<W> {
    async fn write(&mut self, bytes: &[u8]) -> Result<usize, W::Error> {
        self.0.write(bytes).await
    }

    async fn flush(&mut self) -> Result<(), W::Error> {
        Ok(())
    }
}

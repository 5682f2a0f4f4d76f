//! How HTTP exchanges are made: each has a pipe of its own beside the machine's, with the filter of `skytether-std` on
//! it.
//!
//! Nothing of it runs by itself: bytes are read when the driver looks and there is room for them, so that a server can
//! be no faster than the machine, or than the disk that a slot is on.

use crate::{
    connector::Connector as _,
    line::Line,
    net::{Net, NetStream},
    platform::{Platform, Timer as _},
};
use core::{
    task::{Context, Poll},
    time::Duration,
};
use skytether_core::io::{Cause, Exchange, ExchangeId, Pipe};
use skytether_std::{
    http::{Http, News, Told},
    options::Options,
    tls::Tls,
};
use std::collections::VecDeque;

/// The exchanges under way. Dropping one drops its connection.
pub(crate) struct Exchanges<P: Platform> {
    net: Net<P>,
    tls: Tls,
    open_limit: Duration,
    read_buffer: usize,
    under_way: Vec<Running<P>>,
    /// Those that could not even begin.
    refused: VecDeque<(ExchangeId, Cause)>,
    /// Whose turn it is: none keeps the others waiting.
    turn: usize,
}

struct Running<P: Platform> {
    http: Http,
    line: Line<NetStream, P::Timer>,
    timer: P::Timer,
    open_limit: Duration,
    /// The server takes nothing more. It may have heard enough: its answer is waited for.
    deaf: bool,
}

impl<P: Platform> Exchanges<P> {
    pub(crate) fn new(options: &Options) -> Self {
        let tls = options.tls.clone().unwrap_or_default();
        Self {
            net: Net::new(tls.clone(), options.websocket_message),
            tls,
            open_limit: options.exchange_open,
            read_buffer: options.read_buffer,
            under_way: Vec::new(),
            refused: VecDeque::new(),
            turn: 0,
        }
    }

    pub(crate) fn begin(&mut self, id: ExchangeId, exchange: Exchange) {
        match Http::new(id, exchange, &self.tls) {
            Ok(http) => {
                let pipe = Pipe::Net(http.endpoint().clone());
                let mut line = Line::new(self.read_buffer, None);
                line.open(&pipe, self.net.open(&pipe));
                self.under_way.push(Running {
                    http,
                    line,
                    timer: P::Timer::start(),
                    open_limit: self.open_limit,
                    deaf: false,
                });
            }
            Err(cause) => self.refused.push_back((id, cause)),
        }
    }

    /// Ends an exchange at once; nothing more is told of it.
    pub(crate) fn cancel(&mut self, id: ExchangeId) {
        self.under_way.retain(|running| running.http.id() != id);
        self.refused.retain(|(refused, _)| *refused != id);
    }

    /// The store has answered for a chunk, or failed; whether the machine is to hear of it.
    pub(crate) fn kept(&mut self, id: ExchangeId, failed: bool) -> bool {
        let Some(running) = self.under_way.iter_mut().find(|running| running.http.id() == id) else {
            return false;
        };
        running.http.kept();
        if failed {
            self.cancel(id);
        }
        true
    }

    /// The next news of any exchange.
    pub(crate) fn poll_news(&mut self, cx: &mut Context<'_>) -> Poll<(ExchangeId, News)> {
        if let Some((id, cause)) = self.refused.pop_front() {
            return Poll::Ready((id, News::Told(Told::Failed(cause))));
        }
        for _ in 0..self.under_way.len() {
            self.turn = self.turn.checked_add(1).filter(|turn| *turn < self.under_way.len()).unwrap_or(0);
            let Some(running) = self.under_way.get_mut(self.turn) else { break };
            let Poll::Ready(news) = running.poll_news(cx) else { continue };
            let id = running.http.id();
            if matches!(&news, News::Told(told) if told.is_last()) {
                self.cancel(id);
            }
            return Poll::Ready((id, news));
        }
        Poll::Pending
    }
}

impl<P: Platform> Running<P> {
    fn poll_news(&mut self, cx: &mut Context<'_>) -> Poll<News> {
        loop {
            if let Some(news) = self.http.next() {
                return Poll::Ready(news);
            }
            if !self.moved(cx) {
                return Poll::Pending;
            }
        }
    }

    /// Moves bytes on, once; false where nothing can be done now.
    fn moved(&mut self, cx: &mut Context<'_>) -> bool {
        if !self.line.is_open() {
            match self.line.poll_opened(cx) {
                Poll::Ready(Ok(())) => {}
                Poll::Ready(Err(cause)) => self.http.end(cause),
                Poll::Pending if self.timer.poll_at(cx, self.open_limit).is_ready() => {
                    self.http.end(Cause::OpenTimeout);
                }
                Poll::Pending => return false,
            }
            return true;
        }
        let mut wrote = false;
        if !self.deaf
            && let Poll::Ready(outcome) = self.line.poll_write(cx, self.http.transmit())
        {
            wrote = true;
            match outcome {
                Ok(len) => self.http.sent(len),
                Err(_) => self.deaf = true,
            }
        }
        if !self.http.wants_bytes() {
            return wrote;
        }
        match self.line.poll_read(cx) {
            Poll::Ready(Ok(())) => {
                self.http.receive(self.line.unread());
                self.line.keep(0);
            }
            Poll::Ready(Err(cause)) => self.http.end(cause),
            Poll::Pending => return wrote,
        }
        true
    }
}

//! How are HTTP exchanges made? Each has a pipe of its own beside the machine's, with the filter of `skytether-std` on
//! it.
//!
//! The driver's thread moves them on in its turns; what blocks does so in the threads of the pipe, which read no further
//! than two buffers ahead. So a server can be no faster than the machine, or than the disk that a slot is on.

use crate::{
    bell::Bell,
    clock,
    duplex::Sizes,
    line::Line,
    pipe::{Net, bye},
};
use core::time::Duration;
use skytether_core::io::{Cause, Exchange, ExchangeId, Pipe};
use skytether_std::{
    http::{Http, News, Told},
    options::Options,
    tls::Tls,
};
use std::{collections::VecDeque, thread::JoinHandle, time::Instant};

/// The exchanges under way. Dropping them ends their connections, and waits for their threads.
pub(crate) struct Exchanges {
    net: Net,
    tls: Tls,
    open_limit: Duration,
    sizes: Sizes,
    under_way: Vec<Running>,
    /// Those that could not even begin.
    refused: VecDeque<(ExchangeId, Cause)>,
    /// Whose turn it is: none keeps the others waiting.
    turn: usize,
    /// Threads that wait for the ends of old connections.
    leaving: Vec<JoinHandle<()>>,
    bell: Bell,
}

struct Running {
    http: Http,
    line: Line<Net>,
    begun: Instant,
    open_limit: Duration,
    open: bool,
}

impl Exchanges {
    pub(crate) fn new(options: &Options, bell: Bell) -> Self {
        let tls = options.tls.clone().unwrap_or_default();
        Self {
            net: Net::new(tls.clone(), options.websocket_message),
            tls,
            open_limit: options.exchange_open,
            sizes: Sizes::of(options),
            under_way: Vec::new(),
            refused: VecDeque::new(),
            turn: 0,
            leaving: Vec::new(),
            bell,
        }
    }

    pub(crate) fn begin(&mut self, id: ExchangeId, exchange: Exchange) {
        match Http::new(id, exchange, &self.tls) {
            Ok(http) => {
                let mut line = Line::new(self.net.clone(), self.sizes, None, &self.bell);
                line.open(&Pipe::Net(http.endpoint().clone()));
                let (begun, open_limit) = (clock::real(), self.open_limit);
                self.under_way.push(Running { http, line, begun, open_limit, open: false });
            }
            Err(cause) => {
                self.refused.push_back((id, cause));
                self.bell.ring();
            }
        }
    }

    /// Ends an exchange at once; nothing more is told of it.
    pub(crate) fn cancel(&mut self, id: ExchangeId) {
        self.refused.retain(|(refused, _)| *refused != id);
        if let Some(running) = self.take(id) {
            running.line.abort();
            self.let_go(running.line);
        }
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
    pub(crate) fn news(&mut self) -> Option<(ExchangeId, News)> {
        if let Some((id, cause)) = self.refused.pop_front() {
            return Some((id, News::Told(Told::Failed(cause))));
        }
        for _ in 0..self.under_way.len() {
            self.turn = self.turn.checked_add(1).filter(|turn| *turn < self.under_way.len()).unwrap_or(0);
            let Some(running) = self.under_way.get_mut(self.turn) else { break };
            let Some(news) = running.news() else { continue };
            let id = running.http.id();
            match &news {
                News::Told(Told::Failed(_)) => self.cancel(id),
                // In order: a server may hear that it was understood.
                News::Told(Told::End) => {
                    if let Some(running) = self.take(id) {
                        self.let_go(running.line);
                    }
                }
                News::Told(Told::Head(_) | Told::Chunk(_)) | News::Keep(_) => {}
            }
            return Some((id, news));
        }
        None
    }

    /// How long until one that is being opened has taken too long.
    pub(crate) fn patience(&self) -> Option<Duration> {
        let opening = self.under_way.iter().filter(|running| !running.open);
        opening.map(|running| running.open_limit.saturating_sub(running.begun.elapsed())).min()
    }

    fn take(&mut self, id: ExchangeId) -> Option<Running> {
        let place = self.under_way.iter().position(|running| running.http.id() == id)?;
        Some(self.under_way.swap_remove(place))
    }

    /// Drops a connection where its end holds no one up.
    fn let_go(&mut self, line: Line<Net>) {
        self.leaving.retain(|leaving| !leaving.is_finished());
        // Where the system gives no thread, it is dropped here.
        self.leaving.extend(bye(move || drop(line)));
    }
}

impl Drop for Exchanges {
    fn drop(&mut self) {
        for running in core::mem::take(&mut self.under_way) {
            running.line.abort();
            self.let_go(running.line);
        }
        for leaving in self.leaving.drain(..) {
            let _ = leaving.join();
        }
    }
}

impl Running {
    fn news(&mut self) -> Option<News> {
        loop {
            if let Some(news) = self.http.next() {
                return Some(news);
            }
            if !self.moved() {
                return None;
            }
        }
    }

    /// Moves bytes on, once; false where nothing can be done now.
    fn moved(&mut self) -> bool {
        if !self.open {
            match self.line.opened() {
                Some(Ok(())) => self.open = true,
                Some(Err(cause)) => self.http.end(cause),
                None if self.begun.elapsed() >= self.open_limit => self.http.end(Cause::OpenTimeout),
                None => return false,
            }
            return true;
        }
        // A server that has heard enough answers and closes: what it said is read.
        let wrote = self.line.write(self.http.transmit());
        self.http.sent(wrote.unwrap_or(0));
        if !self.http.wants_bytes() {
            return wrote.is_some();
        }
        match self.line.read() {
            None => return wrote.is_some(),
            Some(Ok(())) => {
                self.http.receive(self.line.unread());
                self.line.keep(0);
            }
            Some(Err(cause)) => self.http.end(cause),
        }
        true
    }
}

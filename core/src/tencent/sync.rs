//! How one question for the time runs: subscribe, ask, judge the answer, unsubscribe (§3.7, §7).
//!
//! No token ties an answer to its request, so one question runs at a time. The request does not wait for the SUBACK.
//! 5 s without an answer: asked once more; 5 s later it has timed out. It lives and dies with its connection.

use super::{
    limits,
    time::{REQUEST, ServerTimes, Time, TimeError},
    topic::{Service, Topic, Whose},
};
use crate::{
    cloud::Cx,
    io::{Cause, Deadline, Failure, Instant, Rejected, Tag},
    link::{Lane, Publish, QoS},
};

/// What the question leads to.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Outcome {
    /// It is over.
    Done(Tag, Result<Time, Failure>),
    /// An answer that cannot be true; the question stays open.
    Disbelieved(TimeError),
}

/// The question under way, if there is one.
#[derive(Debug, Default)]
pub(super) struct TimeSync {
    running: Option<Running>,
}

#[derive(Clone, Copy, Debug)]
struct Running {
    command: Tag,
    subscribe: Tag,
    granted: bool,
    publish: Tag,
    sent: Instant,
    until: Instant,
    retried: bool,
}

impl TimeSync {
    /// Begins a question for `command`.
    ///
    /// # Errors
    /// [`Rejected::Full`] while another runs; what the link says, such as `Offline`.
    pub(super) fn start(&mut self, cx: &mut Cx<'_>, me: Whose<'_>, command: Tag) -> Result<(), Rejected> {
        if self.running.is_some() {
            return Err(Rejected::Full);
        }
        let subscribe = subscribe(cx, me)?;
        // A link that takes the one and not the other must not keep the one.
        let publish = ask(cx, me).inspect_err(|_| unsubscribe(cx, me))?;
        self.running = Some(Running {
            command,
            subscribe,
            granted: false,
            publish,
            sent: cx.now,
            until: cx.now.after(limits::ANSWER),
            retried: false,
        });
        Ok(())
    }

    /// Whether this is the tag of a packet of the open question.
    pub(super) fn owns(&self, tag: Tag) -> bool {
        self.running.is_some_and(|running| running.subscribe == tag || running.publish == tag)
    }

    /// The SUBACK came, perhaps after the answer. A refusal ends the question: no answer would reach us.
    pub(super) fn granted(&mut self, qos: Option<QoS>) -> Option<Outcome> {
        if qos.is_none() {
            return self.end(Err(Failure::Refused(0x80)));
        }
        self.running.as_mut()?.granted = true;
        None
    }

    /// The request has left for the pipe: from here the way is measured, not from the queue.
    pub(super) fn delivered(&mut self, now: Instant) {
        if let Some(running) = self.running.as_mut() {
            running.sent = now;
        }
    }

    /// The link gave one of our packets up. Its own time limit counts for nothing here, ours does.
    pub(super) fn failed(&mut self, cx: &mut Cx<'_>, me: Whose<'_>, failure: Failure) -> Option<Outcome> {
        match failure {
            Failure::TimedOut => return None,
            // The subscription went with its connection; an UNSUBSCRIBE would wait for the next one.
            Failure::Lost | Failure::Closed => {}
            Failure::Expired | Failure::Dropped | Failure::Refused(_) | Failure::Storage => unsubscribe(cx, me),
        }
        self.end(Err(failure))
    }

    /// A message on the result topic. Ignored when no question is open, or when it answers another kind.
    pub(super) fn answer(&mut self, cx: &mut Cx<'_>, me: Whose<'_>, payload: &[u8]) -> Option<Outcome> {
        let sent = self.running?.sent;
        let judged = match ServerTimes::parse(payload) {
            Ok(None) => return None,
            Ok(Some(times)) => times.judge(sent, cx.now, cx.wall),
            Err(error) => Err(error),
        };
        match judged {
            Ok(time) => {
                unsubscribe(cx, me);
                self.end(Ok(time))
            }
            Err(error) => Some(Outcome::Disbelieved(error)),
        }
    }

    /// Time has passed.
    pub(super) fn tick(&mut self, cx: &mut Cx<'_>, me: Whose<'_>) -> Option<Outcome> {
        let running = self.running.as_mut().filter(|running| running.until <= cx.now)?;
        if !running.retried && running.retry(cx, me).is_ok() {
            return None;
        }
        unsubscribe(cx, me);
        self.end(Err(Failure::TimedOut))
    }

    /// The connection is gone, and the question with it.
    pub(super) fn down(&mut self, cause: Cause) -> Option<Outcome> {
        self.end(Err(if cause == Cause::Asked { Failure::Closed } else { Failure::Lost }))
    }

    pub(super) fn deadline(&self) -> Option<Deadline> {
        self.running.map(|running| Deadline { at: running.until, why: "time answer" })
    }

    fn end(&mut self, result: Result<Time, Failure>) -> Option<Outcome> {
        self.running.take().map(|running| Outcome::Done(running.command, result))
    }
}

impl Running {
    fn retry(&mut self, cx: &mut Cx<'_>, me: Whose<'_>) -> Result<(), Rejected> {
        if !self.granted {
            self.subscribe = subscribe(cx, me)?;
        }
        self.publish = ask(cx, me)?;
        self.sent = cx.now;
        self.until = cx.now.after(limits::ANSWER);
        self.retried = true;
        Ok(())
    }
}

fn subscribe(cx: &mut Cx<'_>, me: Whose<'_>) -> Result<Tag, Rejected> {
    let tag = cx.tag();
    let filter = Topic::Service(Service::TimeDown, me).pieces();
    cx.link.subscribe(cx.now, tag, Lane::Setup, &filter, QoS::AtMostOnce)?;
    Ok(tag)
}

fn ask(cx: &mut Cx<'_>, me: Whose<'_>) -> Result<Tag, Rejected> {
    let tag = cx.tag();
    let topic = Topic::Service(Service::TimeUp, me).pieces();
    let (lane, payload, qos) = (Lane::Setup, REQUEST, QoS::AtMostOnce);
    cx.link.publish(cx.now, Publish { tag, lane, topic: &topic, payload, qos, retain: false, ttl: None })?;
    Ok(tag)
}

/// Where the link refuses, nothing is lost: a stray answer is ignored, and the subscription ends with the connection.
fn unsubscribe(cx: &mut Cx<'_>, me: Whose<'_>) {
    let tag = cx.tag();
    let filter = Topic::Service(Service::TimeDown, me).pieces();
    let _ = cx.link.unsubscribe(cx.now, tag, &filter);
}

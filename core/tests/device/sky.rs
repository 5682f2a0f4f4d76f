//! What a cloud is at its smallest: it says what it heard, and does what its commands tell it.

use skytether_core::{
    backoff::Backoff,
    cloud::{Cloud, Cx, Dial, Fatal, Heard, Out},
    io::{Action, Deadline, Failure, Instant, Key, Rejected, Tag},
    link::{Connect, Endpoint, Lane, Notice, Publish, QoS},
};
use std::time::Duration;

#[derive(Clone, Debug, Default)]
pub struct Sky {
    pub backoff: Backoff,
    /// Says what it heard, whatever that is.
    pub chatty: bool,
    /// Says nothing of messages, but answers each with an action.
    pub acts: bool,
    /// Asks for a filter when the connection is up and is ready when it is granted, and says so again at messages.
    pub needs: bool,
    /// Redials when it hears this.
    pub redials_at: Option<&'static str>,
    /// Cannot dial without the wall time.
    pub needs_wall: bool,
    /// Cannot dial without this.
    pub waits: bool,
    pub gives_up: bool,
    /// Ticked from then on, every so often.
    pub ticks: Option<(Instant, Duration)>,
    /// A deadline that never moves.
    pub stubborn: bool,
    pub dials: u32,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Order {
    Publish,
    /// Never answered by link or cloud.
    Hold,
    /// Wrong, always.
    Nonsense,
    Redial,
    /// One action.
    Act,
}

impl Sky {
    fn say(&self, cx: &mut Cx<'_>, what: String) -> Option<Out<String, &'static str>> {
        if self.redials_at.is_some_and(|at| what.starts_with(at)) {
            cx.redial();
        }
        self.chatty.then_some(Out::Event(what))
    }
}

impl Cloud for Sky {
    type Command = Order;
    type Event = String;
    type Answer = &'static str;

    fn dial(&mut self, cx: &mut Cx<'_>) -> Dial {
        self.dials += 1;
        if self.gives_up {
            return Dial::GiveUp(Fatal::Invalid("no name"));
        }
        if self.waits {
            return Dial::Wait;
        }
        if self.needs_wall && cx.wall.is_none() {
            cx.act(Action::AskWall);
            return Dial::Wait;
        }
        Dial::Go(Endpoint::tcp("sky", 1883), Connect::default())
    }

    fn command(&mut self, cx: &mut Cx<'_>, tag: Tag, command: &Order) -> Result<(), Rejected> {
        match command {
            Order::Publish => {
                let (lane, qos, topic, payload) = (Lane::App, QoS::AtLeastOnce, &["t"][..], &b"p"[..]);
                cx.link.publish(cx.now, Publish { tag, lane, topic, payload, qos, retain: false, ttl: None })?;
            }
            Order::Hold => {}
            Order::Nonsense => return Err(Rejected::Invalid("nonsense")),
            Order::Redial => cx.redial(),
            Order::Act => cx.act(Action::Delete(Key::Ota)),
        }
        Ok(())
    }

    fn hear(&mut self, cx: &mut Cx<'_>, heard: Heard<'_>) -> Option<Out<String, &'static str>> {
        match heard {
            Heard::Link(Notice::Delivered(tag)) => return Some(Out::Done(tag, Ok("delivered"))),
            Heard::Link(Notice::Failed(tag, failure)) => return Some(Out::Done(tag, Err(failure))),
            Heard::Link(Notice::Granted(tag, _)) => {
                cx.ready();
                return self.say(cx, format!("granted {}", tag.0));
            }
            Heard::Link(Notice::Up { .. }) if self.needs => {
                let tag = cx.tag();
                let asked = cx.link.subscribe(cx.now, tag, Lane::Setup, &["t"], QoS::AtMostOnce);
                assert_eq!(asked, Ok(()), "a link that is up takes a subscription");
                return self.say(cx, "up".into());
            }
            Heard::Link(Notice::Up { .. }) => {
                cx.ready();
                return self.say(cx, "up".into());
            }
            Heard::Link(Notice::Message(_)) if self.acts => {
                cx.act(Action::AskWall);
                cx.act(Action::Delete(Key::Ota));
                cx.degraded();
            }
            Heard::Link(Notice::Message(message)) => {
                if self.needs {
                    cx.ready();
                }
                return Some(Out::Event(format!("message on {}", message.topic)));
            }
            Heard::Link(Notice::Down(cause)) => return self.say(cx, format!("down: {cause}")),
            Heard::Link(Notice::Note(note)) => return self.say(cx, format!("note: {note}")),
            Heard::Link(Notice::Unsubscribed(_) | Notice::Wall(_)) => panic!("never told by this link, or as Wall"),
            Heard::Reply(id, _) => return self.say(cx, format!("reply {}", id.0)),
            Heard::Stored(key, _) => return self.say(cx, format!("stored {key}")),
            Heard::Loaded(key, _) => {
                self.waits = false;
                return self.say(cx, format!("loaded {key}"));
            }
            Heard::Written(slot, at, _) => return self.say(cx, format!("written {} {at}", slot.0)),
            Heard::Wall => return self.say(cx, format!("wall {}", cx.wall.map_or(0, |wall| wall.0))),
            Heard::Tick => {
                if let Some((at, every)) = &mut self.ticks {
                    *at = at.after(*every);
                }
                return self.say(cx, format!("tick, wall {:?}", cx.wall.map(|wall| wall.0)));
            }
        }
        None
    }

    fn deadline(&self) -> Option<Deadline> {
        if self.stubborn {
            return Some(Deadline { at: Instant::ZERO, why: "stubborn" });
        }
        self.ticks.map(|(at, _)| Deadline { at, why: "tick" })
    }

    fn backoff(&self) -> Backoff {
        self.backoff
    }
}

/// A command that ended without success because the device was closed.
pub const CLOSED: Result<&'static str, Failure> = Err(Failure::Closed);

//! What an ordinary MQTT broker is as a cloud: an endpoint, a CONNECT, and topics that mean nothing to us.
//!
//! It is ready as soon as the broker accepts it. What the application subscribed to is asked again by the link whenever
//! the broker has lost it.
//!
//! # One exchange
//!
//! | direction | packet | meaning |
//! |---|---|---|
//! | ▶ | SUBSCRIBE, id 1, `home/+` at QoS 1 | [`Command::Subscribe`] |
//! | ◀ | SUBACK, id 1, granted QoS 0 | [`Answer::Subscribed`] |
//! | ◀ | PUBLISH, `home/lamp`, `on` | [`Event::Message`] |
//! | ▶ | SUBSCRIBE, id 2, `secret/#` at QoS 0 | [`Command::Subscribe`] |
//! | ◀ | SUBACK, id 2, 0x80 | [`Failure::Refused`](crate::io::Failure::Refused) with 0x80 |
//! | ▶ | UNSUBSCRIBE, id 3, `home/+` | [`Command::Unsubscribe`] |
//! | ◀ | UNSUBACK, id 3 | [`Answer::Unsubscribed`] |
//!
//! ```
//! use skytether_core::{
//!     device::{Config, Device, Event},
//!     io::{Failure, Input, Instant, Machine, Step},
//!     link::{Connect, Endpoint, QoS},
//!     mqtt::session::{Options, Session},
//!     plain::{self, Answer, Command, Plain},
//! };
//!
//! let connect = Connect { client_id: "panel".into(), clean_session: true, ..Connect::default() };
//! let cloud = Plain::new(plain::Config { endpoint: Endpoint::tcp("broker.example", 1883), connect });
//! let now = Instant::ZERO;
//! let mut device = Device::new(Session::new(Options::default()), cloud, Config::default(), [7; 32], now);
//!
//! /// What one input leads to: bytes for the broker, and what the application hears.
//! type Panel = Device<Session, Plain>;
//! fn give(device: &mut Panel, mut input: Input<'_>) -> (Vec<u8>, Vec<Step<Event<plain::Event>, Answer>>) {
//!     let mut heard = Vec::new();
//!     loop {
//!         match device.step(Instant::ZERO, &mut input) {
//!             Step::Idle => break,
//!             Step::Act(_) => {}
//!             step => heard.push(step),
//!         }
//!     }
//!     let bytes = device.transmit().to_vec();
//!     device.step(Instant::ZERO, &mut Input::Sent(bytes.len()));
//!     (bytes, heard)
//! }
//! for input in [Input::Tick, Input::Opened, Input::Bytes(b"\x20\x02\0\0")] {
//!     give(&mut device, input);
//! }
//!
//! let home = device.command(now, &Command::Subscribe { filter: "home/+".into(), qos: QoS::AtLeastOnce })?;
//! assert_eq!(give(&mut device, Input::Tick).0, b"\x82\x0b\0\x01\0\x06home/+\x01");
//! let (_, heard) = give(&mut device, Input::Bytes(b"\x90\x03\0\x01\0"));
//! assert_eq!(heard, [Step::Done(home, Ok(Answer::Subscribed(QoS::AtMostOnce)))]);
//!
//! let (_, heard) = give(&mut device, Input::Bytes(b"\x30\x0d\0\x09home/lampon"));
//! let [Step::Event(Event::Cloud(plain::Event::Message(message)))] = &heard[..] else { panic!() };
//! assert_eq!((message.topic(), message.payload()), ("home/lamp", &b"on"[..]));
//!
//! let secret = device.command(now, &Command::Subscribe { filter: "secret/#".into(), qos: QoS::AtMostOnce })?;
//! assert_eq!(give(&mut device, Input::Tick).0, b"\x82\x0d\0\x02\0\x08secret/#\0");
//! let (_, heard) = give(&mut device, Input::Bytes(b"\x90\x03\0\x02\x80"));
//! assert_eq!(heard, [Step::Done(secret, Err(Failure::Refused(0x80)))]);
//!
//! let bye = device.command(now, &Command::Unsubscribe { filter: "home/+".into() })?;
//! assert_eq!(give(&mut device, Input::Tick).0, b"\xa2\x0a\0\x03\0\x06home/+");
//! let (_, heard) = give(&mut device, Input::Bytes(b"\xb0\x02\0\x03"));
//! assert_eq!(heard, [Step::Done(bye, Ok(Answer::Unsubscribed))]);
//! # Ok::<(), skytether_core::io::Rejected>(())
//! ```

mod client;

pub use client::{Answer, Command, Config, Event, Plain};

//! Tencent Cloud IoT Hub: what a device says there and what it hears.
//!
//! [`Tencent`] is the cloud of a [`Device`](crate::device::Device); [`Config`] says which device it is and where it
//! connects, and comes from a [`device_info.json`](device_info) or from [`Config::new`]. Underneath, and usable alone:
//! [`credentials`] signs, [`topic`] knows every topic, [`time`] does the arithmetic of the clock, [`endpoint`] knows
//! the hosts, [`limits`] the platform's bounds: give the session its rate of messages, as below.
//!
//! One exchange, as in the log of the platform's own document (`▶` from the device, `◀` from the platform):
//!
//! ```text
//! ▶ CONNECT      client id DOORPRD9A1door1, user name DOORPRD9A1door1;12010126;{connid};2147483647,
//!                password {64 hex digits};hmacsha256, keep alive 60, clean session
//! ◀ CONNACK      0
//! ▶ SUBSCRIBE  1 $sys/operation/result/DOORPRD9A1/door1, QoS 0
//! ▶ PUBLISH      $sys/operation/DOORPRD9A1/door1, QoS 0, 37 bytes, without waiting for the SUBACK
//! ◀ SUBACK     1 QoS 0
//! ◀ PUBLISH      $sys/operation/result/DOORPRD9A1/door1, QoS 0, 82 bytes
//! ▶ UNSUBSCRIBE 2
//! ◀ UNSUBACK   2
//! ```
//!
//! The same with this crate, byte for byte where it matters:
//!
//! ```
//! use skytether_core::{
//!     device::{self, Device},
//!     io::{Input, Instant, Machine, Step, UnixMillis},
//!     mqtt::session::{Options, Session},
//!     queue::Rate,
//!     tencent::{Answer, Command, Config, Tencent, device_info::DeviceInfo, limits},
//! };
//!
//! type Door = Device<Session, Tencent>;
//!
//! /// What a driver does with one input; gives what came out, and what went into the pipe.
//! fn give(door: &mut Door, now: u64, mut input: Input<'_>) -> (Vec<Step<<Door as Machine>::Event, Answer>>, Vec<u8>) {
//!     let mut steps = Vec::new();
//!     loop {
//!         match door.step(Instant(now), &mut input) {
//!             Step::Idle => break,
//!             step => steps.push(step),
//!         }
//!     }
//!     let mut bytes = Vec::new();
//!     while !door.transmit().is_empty() {
//!         let len = door.transmit().len();
//!         bytes.extend_from_slice(door.transmit());
//!         let sent = &mut Input::Sent(len);
//!         while door.step(Instant(now), sent) != Step::Idle {}
//!     }
//!     (steps, bytes)
//! }
//!
//! let file = br#"{"auth_mode":"KEY","productId":"DOORPRD9A1","deviceName":"door1",
//!                 "key_deviceinfo":{"deviceSecret":"JTTi3h3sJP7atMACZrVbqQ=="}}"#;
//! let cloud = Tencent::new(Config::from(&DeviceInfo::parse(file)?))?;
//! let rate = Some(Rate { per_second: limits::MESSAGES_UP_PER_SECOND, burst: limits::MESSAGES_UP_PER_SECOND });
//! let (link, seed) = (Session::new(Options { rate, ..Options::default() }), [7; 32]);
//! let mut door = Device::new(link, cloud, device::Config::default(), seed, Instant(0));
//!
//! // The device dials after a moment of its own choice, and introduces itself.
//! let at = loop {
//!     let at = door.deadline().expect("it means to dial").at.0;
//!     if give(&mut door, at, Input::Tick).0.iter().any(|step| matches!(step, Step::Act(_))) {
//!         break at;
//!     }
//! };
//! let (_, connect) = give(&mut door, at, Input::Opened);
//! assert!(connect.windows(26).any(|part| part == b"\x00\x0fDOORPRD9A1door1\x00\x29DOORPRD"));
//! assert!(connect.ends_with(b";hmacsha256"));
//! let (steps, _) = give(&mut door, at + 80, Input::Bytes(b"\x20\x02\x00\x00"));
//! assert!(steps.contains(&Step::Event(device::Event::Ready)));
//!
//! // SUBSCRIBE and PUBLISH leave together.
//! let tag = door.command(Instant(at + 100), &Command::SyncTime)?;
//! let (_, sent) = give(&mut door, at + 100, Input::Tick);
//! let subscribe = b"\x82\x2b\x00\x01\x00\x26$sys/operation/result/DOORPRD9A1/door1\x00";
//! let publish = b"\x30\x46\x00\x1f$sys/operation/DOORPRD9A1/door1{\"type\": \"get\", \"resource\": [\"time\"]}";
//! assert_eq!(sent, [&subscribe[..], publish].concat());
//!
//! // SUBACK, then the answer 230 ms after the request: UNSUBSCRIBE follows, and the command is done.
//! give(&mut door, at + 200, Input::Bytes(b"\x90\x03\x00\x01\x00"));
//! let answer = br#"{"ntptime1":1626419622610,"ntptime2":1626419622610,"time":1626419622,"type":"get"}"#;
//! let topic = b"$sys/operation/result/DOORPRD9A1/door1";
//! let message = [&b"\x30\x7a\x00\x26"[..], topic, answer].concat();
//! let (steps, sent) = give(&mut door, at + 330, Input::Bytes(&message));
//! assert_eq!(sent, [&b"\xa2\x2a\x00\x02\x00\x26"[..], topic].concat());
//! let [Step::Done(done, Ok(Answer::Time(time)))] = &steps[..] else { panic!("{steps:?}") };
//! assert_eq!(*done, tag);
//! assert_eq!(time.now, UnixMillis(1_626_419_622_725));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod client;
mod config;
pub mod credentials;
pub mod device_info;
pub mod endpoint;
pub mod identity;
pub mod limits;
mod sync;
pub mod time;
pub mod topic;

pub use client::{Answer, Command, Event, Tencent, UserTopic};
pub use config::{Config, Proof};

//! The application of the demo: a board with a thermometer and LEDs on Azure IoT Central, as a pure machine.
//!
//! It does what the device of Microchip's document does, in the words of the model
//! `dtmi:com:Microchip:WBZ451_Curiosity;1`: telemetry `temperature`; the read-only property `ipAddress`; the writable
//! properties `telemetryInterval`, `rgb_led_blue`, `rgb_led_green`, `rgb_led_red` and `led_user`; the commands `reboot` and
//! `sendMsg`. It knows neither link nor runtime: the command-line tool runs it over MQTT and over a modem, the firmware
//! example on bare metal.
//!
//! ```
//! use core::time::Duration;
//! use serde_json::{Map, json};
//! use skytether_board::{Board, Do, MODEL};
//! use skytether_core::time::Instant;
//!
//! let mut board = Board::new(MODEL, Some("192.0.2.7"));
//! board.start(Instant(0));
//! // The desired properties as the cloud has them: the interval is taken over and acknowledged.
//! board.desired(Instant(100), 7, json!({"telemetryInterval": 5}).as_object().unwrap());
//! let Some(Do::Acknowledge(acks)) = board.next(Instant(100)) else { panic!() };
//! assert_eq!(acks[0].ad.as_deref(), Some("telemetryInterval set to: 5"));
//! assert_eq!(board.interval(), Duration::from_secs(5));
//! // A command, and its answer.
//! let (status, payload) = board.call("reboot", Some(&json!({"delay": "PT5S"})));
//! assert_eq!((status, payload), (200, json!({"status": "Success", "delay": 5})));
//! assert_eq!(board.next(Instant(200)), Some(Do::Restart(Duration::from_secs(5))));
//! ```
#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;

mod board;
mod led;

pub use board::{Board, Do, INTERVAL, INTERVALS, MODEL};

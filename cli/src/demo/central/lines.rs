//! What passes between a host and its modem, line by line: for the log, without what is secret.

use super::device::Address;
use crate::log::{Log, Verbosity};
use skytether_tokio::{Tap, Tapped};
use std::sync::PoisonError;

/// Longest line that is shown; the rest is left out.
const SHOWN: usize = 600;
/// Commands whose last parameter is secret: the Wi-Fi passphrase, the MQTT password, the key's password.
const SECRET: [&str; 3] = ["AT+WSTAC=3,", "AT+MQTTC=5,", "AT+TLSC=1,4,"];

/// The log of one serial line.
pub(super) struct SerialLog {
    who: String,
    log: Log,
    address: Address,
    sent: Vec<u8>,
    heard: Vec<u8>,
}

impl SerialLog {
    /// A log under the name `who`. Where the modem tells its address, that goes to `address`.
    pub(super) fn new(who: &str, log: &Log, address: Address) -> Self {
        Self { who: who.to_owned(), log: log.clone(), address, sent: Vec::new(), heard: Vec::new() }
    }

    /// What a driver calls.
    #[allow(
        clippy::wildcard_enum_match_arm,
        reason = "whatever else happens to the line, a line that was begun is over"
    )]
    pub(super) fn tap(mut self) -> Tap {
        Box::new(move |tapped| match tapped {
            Tapped::In(bytes) => {
                for line in cut(&mut self.heard, bytes) {
                    self.hear(&line);
                }
            }
            Tapped::Out(bytes) => {
                for line in cut(&mut self.sent, bytes) {
                    self.show("▶", &hidden(&line));
                }
            }
            _ => {
                self.sent.clear();
                self.heard.clear();
            }
        })
    }

    fn hear(&self, line: &str) {
        let line = line.trim_start_matches(['\r', '>', ' ']);
        // Firmware leaves the association id before the address out, the manual has it.
        if let Some((_, rest)) = line.strip_prefix("+WSTAAIP:").and_then(|rest| rest.split_once('"'))
            && let Some((address, _)) = rest.split_once('"')
        {
            *self.address.lock().unwrap_or_else(PoisonError::into_inner) = Some(address.to_owned());
        }
        // The echo of a command is a line as well.
        self.show("◀", &hidden(line));
    }

    fn show(&self, direction: &str, line: &str) {
        if !line.is_empty() && self.log.shows(Verbosity::Packets) {
            self.log.line(&self.who, format_args!("{direction} {line}"));
        }
    }
}

/// The whole lines that `bytes` complete.
fn cut(begun: &mut Vec<u8>, bytes: &[u8]) -> Vec<String> {
    let mut lines = Vec::new();
    for byte in bytes {
        match byte {
            b'\n' => {
                let line = String::from_utf8_lossy(begun).trim_end_matches('\r').to_owned();
                begun.clear();
                lines.push(line);
            }
            _ if begun.len() < SHOWN => begun.push(*byte),
            _ => {}
        }
    }
    lines
}

/// A line without the secret that it sets.
fn hidden(line: &str) -> String {
    match SECRET.into_iter().find(|command| line.starts_with(command)) {
        Some(command) => format!("{command}***"),
        None => line.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_come_whole_whatever_the_pieces() {
        let mut begun = Vec::new();
        assert!(cut(&mut begun, b"+WS").is_empty());
        assert_eq!(cut(&mut begun, b"TA:0\r\nOK\r\n>"), ["+WSTA:0", "OK"]);
        assert_eq!(cut(&mut begun, b"\r+MQTTCONN:1\r\n"), [">\r+MQTTCONN:1"]);
        assert!(cut(&mut begun, &[b'x'; 10_000]).is_empty());
        assert_eq!(begun.len(), SHOWN);
    }

    #[test]
    fn secrets_are_not_shown() {
        assert_eq!(hidden("AT+WSTAC=3,\"pass word\""), "AT+WSTAC=3,***");
        assert_eq!(hidden("AT+MQTTC=5,\"SharedAccessSignature sr=…\""), "AT+MQTTC=5,***");
        assert_eq!(hidden("AT+MQTTC=3,\"dev-7\""), "AT+MQTTC=3,\"dev-7\"");
    }
}

//! Commands about TCP sockets.

use super::{Outcome, Then, bytes, number, small, text};
use crate::modem::{
    Modem,
    grammar::Value,
    print,
    raw::{Purpose, Raw},
    trouble::Trouble,
};
use skytether_core::time::Instant;

/// TCP, in `AT+SOCKO`; UDP is not simulated.
const TCP: u8 = 2;

/// Bytes of one write or read.
const PIECE: usize = 1500;

impl Modem {
    pub(super) fn socket_command(&mut self, now: Instant, name: &str, params: &[Value]) -> Outcome {
        match (name, params) {
            ("SOCKO", [protocol]) => {
                if small(protocol)? != TCP {
                    return Err(Trouble::SocketProtocol);
                }
                let id = self.sockets.add()?;
                self.console.info(now, &format!("+SOCKO:{id}"));
            }
            ("SOCKBR", [id, host, port]) => {
                let (id, host) = (number(id)?, text(host)?);
                let port = u16::try_from(number(port)?).map_err(|_| Trouble::InvalidParameter)?;
                if self.station.network().is_none() {
                    return Err(Trouble::NotJoined);
                }
                let tls = self.sockets.set_of(id).and_then(|set| self.tls_set(set, &host));
                let until = now.after(self.config.times.network);
                self.sockets.connect(until, &mut self.net, id, host, port, tls)?;
            }
            ("SOCKTLS", [id, set]) => {
                let (id, set) = (number(id)?, number(set)?);
                if !self.tables.tlsc.contains_key(&set) {
                    return Err(Trouble::SocketTls);
                }
                self.sockets.encrypt(id, set)?;
                self.console.info(now, &format!("+SOCKTLS:{id}"));
            }
            ("SOCKWR", [id, len]) => {
                let (id, len) = (number(id)?, length(len)?);
                if !self.sockets.ids().contains(&id) {
                    return Err(Trouble::NoSuchSocket);
                }
                return Ok(Then::Raw(Raw::new(Purpose::Socket(id), len)));
            }
            ("SOCKWR", [id, len, data]) => {
                let (id, len, data) = (number(id)?, length(len)?, bytes(data)?);
                if len != data.len() {
                    return Err(Trouble::LengthMismatch);
                }
                self.sockets.write(&mut self.net, id, data)?;
            }
            ("SOCKRD", [id, mode, most]) => {
                let (id, mode, most) = (number(id)?, small(mode)?, length(most)?);
                let read = self.sockets.read(id, most)?;
                match mode {
                    1 => {
                        let printed = print::bytes(self.config.dialect, &read);
                        self.console.info(now, &format!("+SOCKRD:{id},{},{printed}", read.len()));
                    }
                    2 => self.console.binary(now, &format!("+SOCKRD:{id},{}", read.len()), &read),
                    _ => return Err(Trouble::InvalidParameter),
                }
            }
            ("SOCKCL", [id]) => self.sockets.close(&mut self.net, number(id)?)?,
            _ => return Err(Trouble::ParameterCount),
        }
        Ok(Then::Ok)
    }
}

fn length(value: &Value) -> Result<usize, Trouble> {
    let len = usize::try_from(number(value)?).map_err(|_| Trouble::InvalidParameter)?;
    if len > PIECE { Err(Trouble::LengthMismatch) } else { Ok(len) }
}

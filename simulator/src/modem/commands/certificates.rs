//! Commands about TLS: its sets, certificates that are loaded and shown.

use super::{Outcome, Then, bytes, number, small};
use crate::modem::{
    Modem,
    config::Dialect,
    grammar::Value,
    print,
    raw::{Purpose, Raw},
    tables::Tables,
    trouble::Trouble,
};
use skytether_core::time::Instant;

/// Bytes of a certificate that is loaded.
const CERTIFICATE: u32 = 1500;

impl Modem {
    /// `AT+TLSC=<set>[,<id>[,<value>]]`
    pub(super) fn tlsc(&mut self, now: Instant, params: &[Value]) -> Outcome {
        let Some((set, rest)) = params.split_first() else { return Err(Trouble::ParameterCount) };
        let set = number(set)?;
        let mut table = self.tables.tlsc.get(&set).cloned().ok_or(Trouble::AccessFailed)?;
        if self.config.dialect == Dialect::Rnwf && rest == [Value::Number(0), Value::Number(0)] {
            let fresh = Tables::new(Dialect::Rnwf, &self.config.device_id);
            self.tables.tlsc.extend(fresh.tlsc.get(&set).map(|table| (set, table.clone())));
            return Ok(Then::Ok);
        }
        match rest {
            [] => {
                for id in table.ids() {
                    let value = table.show(self.config.dialect, id)?;
                    self.console.info(now, &format!("+TLSC:{id},{value}"));
                }
            }
            [id] => {
                let id = number(id)?;
                let value = table.show(self.config.dialect, id)?;
                self.console.info(now, &format!("+TLSC:{id},{value}"));
            }
            [id, value] => {
                table.set(number(id)?, value)?;
                self.tables.tlsc.insert(set, table);
            }
            _ => return Err(Trouble::ParameterCount),
        }
        Ok(Then::Ok)
    }

    /// The bytes have come: PEM or DER.
    pub(super) fn load(&mut self, now: Instant, bytes: &[u8]) {
        let der = match bytes.first() {
            Some(b'-') => {
                pem_rfc7468::decode_vec(bytes).ok().filter(|(label, _)| *label == "CERTIFICATE").map(|of| of.1)
            }
            Some(_) => Some(bytes.to_vec()),
            None => None,
        };
        let der = der.filter(|der| is_one_sequence(der));
        let loaded = der.is_some();
        if loaded {
            self.loaded = der;
        }
        self.console.event(now, format!("+LOADCERT:{}", u8::from(!loaded)));
    }

    /// `AT+READCERT=<1 device, 2 root, 3 loaded, 4 signer>`
    pub(super) fn readcert(&mut self, now: Instant, params: &[Value]) -> Outcome {
        let [which] = params else { return Err(Trouble::ParameterCount) };
        let which = small(which)?;
        let held = &self.config.certificates;
        let bytes = match which {
            1 => &held.device[..],
            2 => &held.root[..],
            3 => self.loaded.as_deref().unwrap_or_default(),
            4 => &held.signer[..],
            _ => return Err(Trouble::InvalidParameter),
        };
        if bytes.is_empty() {
            return Err(Trouble::General);
        }
        // This firmware has a space there.
        let space = if self.config.dialect == Dialect::AnyCloud { " " } else { "" };
        let printed = print::bytes(self.config.dialect, bytes);
        self.console.info(now, &format!("+READCERT:{which},{space}{},{printed}", bytes.len()));
        Ok(Then::Ok)
    }
}

/// `AT+LOADCERT=<len>,"<name>"`, then the bytes.
pub(super) fn loadcert(params: &[Value]) -> Outcome {
    let [len, name] = params else { return Err(Trouble::ParameterCount) };
    let len = number(len)?;
    bytes(name)?;
    if len > CERTIFICATE {
        return Err(Trouble::InvalidParameter);
    }
    let len = usize::try_from(len).map_err(|_| Trouble::InvalidParameter)?;
    Ok(Then::Raw(Raw::new(Purpose::Certificate, len)))
}

/// Whether the bytes are one SEQUENCE of DER, whole and with nothing behind it: what a certificate is from outside.
fn is_one_sequence(der: &[u8]) -> bool {
    let Some((0x30, rest)) = der.split_first().map(|(tag, rest)| (*tag, rest)) else { return false };
    let Some((first, rest)) = rest.split_first() else { return false };
    match first {
        0..=0x7F => usize::from(*first) == rest.len(),
        0x81..=0x84 => {
            let count = usize::from(first & 0x7F);
            let Some((len, body)) = rest.split_at_checked(count) else { return false };
            len.iter().fold(0, |len, byte| len << 8 | usize::from(*byte)) == body.len()
        }
        _ => false,
    }
}

//! What each command does: the way from a line to its handler.

mod basic;
mod certificates;
mod mqtt;
mod sockets;
mod wifi;

use certificates::loadcert;

use super::{
    Modem,
    config::Dialect,
    grammar::{self, Form, Value},
    raw::{Ended, Purpose, Raw},
    settings::Settings,
    trouble::Trouble,
};
use skytether_core::time::Instant;

/// What follows a command that was understood.
enum Then {
    /// Its final result.
    Ok,
    /// Nothing: the modem is gone.
    Gone,
    /// Raw bytes, then its final result.
    Raw(Raw),
}

type Outcome = Result<Then, Trouble>;

impl Modem {
    /// Does what a line says.
    pub(super) fn execute(&mut self, now: Instant, line: &[u8]) {
        self.console.begins();
        let outcome = grammar::parse(self.config.dialect, line).and_then(|command| self.run(now, &command));
        match outcome {
            Ok(Then::Ok) => self.finish(now, Ok(()), false),
            Ok(Then::Gone) => self.console.ends_silently(),
            Ok(Then::Raw(raw)) => {
                self.console.binary_prompt(now);
                self.raw = Some(raw);
            }
            Err(trouble) => self.finish(now, Err(trouble), false),
        }
    }

    /// The raw bytes of a command have come.
    pub(super) fn raw_ended(&mut self, now: Instant, ended: &Ended) {
        self.raw = None;
        match &ended.purpose {
            Purpose::Certificate => {
                self.finish(now, Ok(()), true);
                self.load(now, &ended.bytes);
            }
            Purpose::Socket(id) => {
                let written = self.sockets.write(&mut self.net, *id, &ended.bytes);
                self.finish(now, written, true);
            }
        }
    }

    fn run(&mut self, now: Instant, command: &grammar::Command) -> Outcome {
        for (letter, ampersand, number) in &command.basics {
            self.basic(*letter, *ampersand, *number)?;
        }
        match &command.extended {
            None => Ok(Then::Ok),
            Some((name, form)) => self.extended(now, name, form),
        }
    }

    fn extended(&mut self, now: Instant, name: &str, form: &Form) -> Outcome {
        if !KNOWN.contains(&name) || (RNWF_ONLY.contains(&name) && self.config.dialect == Dialect::AnyCloud) {
            return Err(Trouble::UnknownCommand);
        }
        let params = match (form, self.config.dialect) {
            (Form::Help, Dialect::AnyCloud) => {
                self.console.info(now, &format!("AT+{name}: see the command reference of the firmware"));
                return Ok(Then::Ok);
            }
            (Form::Help, Dialect::Rnwf) => return Err(Trouble::InvalidCommand),
            (Form::Ask, _) => &[][..],
            (Form::Set(params), _) => params,
        };
        match name {
            "GMI" | "GMM" | "GMR" => self.identify(now, name, params),
            "IPR" => self.baud_command(now, params),
            "RST" => {
                none(params)?;
                self.reset(now);
                Ok(Then::Gone)
            }
            "INFO" => {
                self.console.info(now, "tasks: app, net, tls, mqtt");
                Ok(Then::Ok)
            }
            "TIME" => self.time(now, params),
            "CFG" => self.table(now, "+CFG", |modem| &mut modem.tables.cfg, params),
            "SNTPC" => self.table(now, "+SNTPC", |modem| &mut modem.tables.sntpc, params),
            "NETIFC" => self.netifc(now, params),
            "WSTAC" => self.wstac(now, params),
            "WSTA" => self.wsta(now, params),
            "WSCNA" | "WSCNP" => self.scan(params),
            "MQTTC" => self.mqttc(now, params),
            "MQTTCONN" => self.mqttconn(now, params),
            "MQTTDISCONN" => self.mqttdisconn(params),
            "MQTTSUB" => self.mqttsub(now, params),
            "MQTTUNSUB" => self.mqttunsub(now, params),
            "MQTTPUB" => self.mqttpub(now, params),
            "MQTTSUBLST" => self.mqttsublst(now, params),
            "MQTTSUBRD" => self.mqttsubrd(now, params),
            "TLSC" => self.tlsc(now, params),
            "LOADCERT" => loadcert(params),
            "READCERT" => self.readcert(now, params),
            _ => self.socket_command(now, name, params),
        }
    }

    /// A command that shows and sets numbered parameters: all, one, or a new value of one.
    fn table(
        &mut self,
        now: Instant,
        name: &str,
        table: impl Fn(&mut Self) -> &mut Settings,
        params: &[Value],
    ) -> Outcome {
        let dialect = self.config.dialect;
        match params {
            [] => {
                for id in table(self).ids() {
                    let value = table(self).show(dialect, id)?;
                    self.console.info(now, &format!("{name}:{id},{value}"));
                }
            }
            [Value::Number(id)] => {
                let id = u32::try_from(*id).map_err(|_| Trouble::AccessFailed)?;
                let value = table(self).show(dialect, id)?;
                self.console.info(now, &format!("{name}:{id},{value}"));
            }
            [Value::Number(id), value] => {
                let id = u32::try_from(*id).map_err(|_| Trouble::AccessFailed)?;
                table(self).set(id, value)?;
            }
            [_] | [_, _] => return Err(Trouble::AccessFailed),
            _ => return Err(Trouble::ParameterCount),
        }
        Ok(Then::Ok)
    }
}

/// The extended commands that are simulated.
const KNOWN: [&str; 31] = [
    "GMI",
    "GMM",
    "GMR",
    "IPR",
    "RST",
    "INFO",
    "TIME",
    "CFG",
    "SNTPC",
    "NETIFC",
    "WSTAC",
    "WSTA",
    "WSCNA",
    "WSCNP",
    "MQTTC",
    "MQTTCONN",
    "MQTTDISCONN",
    "MQTTSUB",
    "MQTTUNSUB",
    "MQTTPUB",
    "MQTTSUBLST",
    "MQTTSUBRD",
    "TLSC",
    "LOADCERT",
    "READCERT",
    "SOCKO",
    "SOCKBR",
    "SOCKTLS",
    "SOCKWR",
    "SOCKRD",
    "SOCKCL",
];

/// Those of them that only RNWF has.
const RNWF_ONLY: [&str; 4] = ["SNTPC", "NETIFC", "MQTTSUBLST", "MQTTSUBRD"];

/// No parameters.
fn none(params: &[Value]) -> Result<(), Trouble> {
    if params.is_empty() { Ok(()) } else { Err(Trouble::ParameterCount) }
}

/// A small number, as flags, levels and operations are.
fn small(value: &Value) -> Result<u8, Trouble> {
    match value {
        Value::Number(number) => u8::try_from(*number).map_err(|_| Trouble::InvalidParameter),
        Value::Part(..) | Value::Bytes(_) => Err(Trouble::InvalidParameter),
    }
}

/// A number.
fn number(value: &Value) -> Result<u32, Trouble> {
    match value {
        Value::Number(number) => u32::try_from(*number).map_err(|_| Trouble::InvalidParameter),
        Value::Part(..) | Value::Bytes(_) => Err(Trouble::InvalidParameter),
    }
}

/// A string.
fn bytes(value: &Value) -> Result<&[u8], Trouble> {
    match value {
        Value::Bytes(bytes) => Ok(bytes),
        Value::Number(_) | Value::Part(..) => Err(Trouble::InvalidParameter),
    }
}

/// A string of UTF-8.
fn text(value: &Value) -> Result<String, Trouble> {
    String::from_utf8(bytes(value)?.to_vec()).map_err(|_| Trouble::InvalidParameter)
}

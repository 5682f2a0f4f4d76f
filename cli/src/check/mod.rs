//! Which step to a cloud fails? Each is taken by itself, on one connection, and told with its time.

mod wire;

use crate::{
    exit::Failure,
    log::Log,
    meaning::explain,
    target::{Target, rng},
};
use core::{fmt, future::Future, net::SocketAddr, time::Duration};
use skytether_core::{
    io::{Cause, TlsFault, UnixMillis},
    link::{Connect, Endpoint, TlsIdentity},
    mqtt::codec,
};
use tokio::{
    net::{TcpStream, lookup_host},
    time::{Instant, timeout},
};
use wire::Wire;

/// A step to a cloud.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[allow(clippy::exhaustive_enums, reason = "the steps of a connection, each with an exit code")]
pub enum Step {
    /// The name becomes addresses.
    Dns,
    /// One of them accepts a connection.
    Tcp,
    /// Both sides agree on encryption, and the server proves who it is.
    Tls,
    /// The server upgrades to a WebSocket.
    WebSocket,
    /// The cloud answers CONNECT.
    Mqtt,
}

impl Step {
    /// The exit code of a check that fails here; a refusal has the code of refusals.
    pub fn code(self) -> u8 {
        match self {
            Self::Dns => 10,
            Self::Tcp => 11,
            Self::Tls => 12,
            Self::WebSocket => 13,
            Self::Mqtt => 14,
        }
    }
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Dns => "DNS",
            Self::Tcp => "TCP",
            Self::Tls => "TLS",
            Self::WebSocket => "WebSocket",
            Self::Mqtt => "CONNACK",
        })
    }
}

/// Why a step failed: in words, and what to look at.
struct Fault {
    why: String,
    hint: Option<String>,
}

impl Fault {
    fn new(why: impl fmt::Display, hint: Option<&str>) -> Self {
        Self { why: why.to_string(), hint: hint.map(str::to_owned) }
    }
}

/// Takes every step, each within `patience`, and says good-bye. A device that is connected with the same identity
/// loses its connection by this.
///
/// # Errors
/// [`Failure::Step`] names the step that failed, [`Failure::Refused`] the code of CONNACK.
pub async fn check(target: &Target, patience: Duration, log: &Log) -> Result<(), Failure> {
    let endpoint = target.endpoint()?;
    log.say(format_args!("{endpoint}, as {:?}", target.introduction(&mut rng()?, wall()).client_id));
    let check = Check { target, endpoint, patience, log };
    check.all().await
}

struct Check<'c> {
    target: &'c Target,
    endpoint: Endpoint,
    patience: Duration,
    log: &'c Log,
}

impl Check<'_> {
    async fn all(&self) -> Result<(), Failure> {
        let addresses = self.step(Step::Dns, self.resolve()).await?;
        let mut wire = self.step(Step::Tcp, self.connect(&addresses)).await?;
        if self.endpoint.tls != TlsIdentity::Plain {
            wire = self.step(Step::Tls, self.encrypt(wire)).await?;
        }
        if self.endpoint.path.is_some() {
            wire = self.step(Step::WebSocket, self.upgrade(wire)).await?;
        }
        let connect = self.target.introduction(&mut rng()?, wall());
        let Answer(answer) = self.step(Step::Mqtt, self.introduce(&mut wire, &connect)).await?;
        let Some(refusal) = answer.refusal else {
            self.log.say("All is well.");
            return Ok(());
        };
        let (meaning, check) = explain(self.target.dialect().platform(), refusal);
        Err(Failure::Refused { who: self.target.who(), code: refusal.code(), meaning, check })
    }

    /// Takes one step and tells how it went.
    async fn step<T: Told>(&self, step: Step, taken: impl Future<Output = Result<T, Fault>>) -> Result<T, Failure> {
        let begun = Instant::now();
        let late = format!("no answer within {} s", self.patience.as_secs_f32());
        let ended = timeout(self.patience, taken)
            .await
            .unwrap_or_else(|_| Err(Fault::new(late, (step == Step::Mqtt).then_some(SILENT))));
        let time = begun.elapsed().as_millis();
        match ended {
            Ok(done) => {
                let word = if done.is_fault() { "failed" } else { "ok" };
                self.log.say(format_args!("{step:<9}  {word:<6}  {time:>5} ms  {}", done.told()));
                Ok(done)
            }
            Err(Fault { why, hint }) => {
                self.log.say(format_args!("{step:<9}  failed  {time:>5} ms  {why}"));
                Err(Failure::Step { step, why: hint.map_or_else(|| why.clone(), |hint| format!("{why}; {hint}")) })
            }
        }
    }

    async fn resolve(&self) -> Result<Addresses, Fault> {
        let host = self.endpoint.host.as_str();
        let name = host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(host);
        let found = lookup_host((name, self.endpoint.port)).await;
        let found = found.map_err(|error| Fault::new(format_args!("{host}: {error}"), Some(NO_NAME)))?;
        let found: Vec<SocketAddr> = found.collect();
        if found.is_empty() {
            return Err(Fault::new(format_args!("{host} has no address"), Some(NO_NAME)));
        }
        Ok(Addresses(found))
    }

    async fn connect(&self, addresses: &Addresses) -> Result<Wire, Fault> {
        let mut refused = Vec::new();
        for address in &addresses.0 {
            match TcpStream::connect(address).await.and_then(|stream| stream.set_nodelay(true).map(|()| stream)) {
                Ok(stream) => return Ok(Wire::new(stream, address.to_string())),
                Err(error) => refused.push(format!("{address}: {error}")),
            }
        }
        Err(Fault::new(refused.join("; "), Some("check host and port, and that nothing in between blocks them")))
    }

    async fn encrypt(&self, wire: Wire) -> Result<Wire, Fault> {
        wire.encrypt(self.target.tls(), &self.endpoint).await.map_err(|cause| Fault::new(cause, hint(cause)))
    }

    async fn upgrade(&self, wire: Wire) -> Result<Wire, Fault> {
        wire.upgrade(&self.endpoint).await.map_err(|cause| Fault::new(cause, hint(cause)))
    }

    async fn introduce(&self, wire: &mut Wire, connect: &Connect) -> Result<Answer, Fault> {
        let mut packet = Vec::new();
        codec::connect_append(&mut packet, connect).map_err(|error| Fault::new(format_args!("{error:?}"), None))?;
        let answered = async {
            wire.send(&packet).await?;
            wire.connack().await
        };
        let answer = answered.await.map_err(|cause| Fault::new(cause, hint(cause)))?;
        if answer.refusal.is_none() {
            // Whoever has hung up by now needs no farewell.
            let _ = wire.farewell().await;
        }
        Ok(Answer(answer))
    }
}

const NO_NAME: &str = "check the host name, and that this machine can resolve names";
const SILENT: &str = "something listens there, but it does not answer CONNECT: is it this transport's port?";

/// What to look at.
#[allow(clippy::wildcard_enum_match_arm, reason = "most causes say enough themselves")]
fn hint(cause: Cause) -> Option<&'static str> {
    Some(match cause {
        Cause::Tls(TlsFault::UnknownIssuer) => "give the CA that signed it with --ca",
        Cause::Tls(TlsFault::WrongHost) => "connect by a name that the certificate is for, with --host",
        Cause::Tls(TlsFault::ClientCertificateRequired) => "give one with --cert and --key",
        Cause::Tls(TlsFault::NotTls) => "is it the port of another transport?",
        Cause::Upgrade(101) | Cause::WebSocket(_) => "is MQTT over WebSocket served there?",
        Cause::Upgrade(_) => "check the path, and that MQTT over WebSocket is served there",
        Cause::Malformed(_) | Cause::Protocol(_) => "is it an MQTT broker, and the port of this transport?",
        Cause::Lost => "the server hung up: is it the port of this transport?",
        _ => return None,
    })
}

/// What a step that was taken is told by.
trait Told {
    fn told(&self) -> String;

    /// Whether the answer is a refusal.
    fn is_fault(&self) -> bool {
        false
    }
}

struct Addresses(Vec<SocketAddr>);

impl Told for Addresses {
    fn told(&self) -> String {
        let text: Vec<String> = self.0.iter().map(|address| address.ip().to_string()).collect();
        text.join(", ")
    }
}

impl Told for Wire {
    fn told(&self) -> String {
        self.about().to_owned()
    }
}

struct Answer(codec::ConnAck);

impl Told for Answer {
    fn told(&self) -> String {
        match self.0.refusal {
            None => format!("accepted (0), session present {}", u8::from(self.0.session_present)),
            Some(refusal) => refusal.to_string(),
        }
    }

    fn is_fault(&self) -> bool {
        self.0.refusal.is_some()
    }
}

/// The wall time, for signatures that expire.
fn wall() -> UnixMillis {
    skytether_std::clock::wall().unwrap_or(UnixMillis(0))
}

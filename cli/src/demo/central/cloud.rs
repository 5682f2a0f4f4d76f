//! What does Azure do in the story? Provisioning, a hub, and somebody at the portal who writes a property and restarts the
//! board.

use crate::{demo::pace::Stage, exit::Failure, log::Verbosity, target::seed};
use core::{fmt::Display, future::Future, net::SocketAddr, time::Duration};
use serde_json::{Value, json};
use skytether_board::INTERVAL;
use skytether_core::azure::endpoint::PROVISIONING;
use skytether_simulator::{
    azure::{
        self as simulated, AzureCloud, EnrollmentConfig, HubConfig, Identity, Issuer, Member, Outcome, Proof,
        PropertyState, ProvisioningConfig, Template, Terms,
    },
    broker::policy::{At, Outbox},
    server::{
        self, Listeners, Server,
        tls::{Acceptor, Authority, Issued},
    },
};
use tokio::{
    sync::oneshot,
    task::JoinHandle,
    time::{sleep, timeout},
};

/// The device id, which is the common name of its certificate.
pub(super) const DEVICE: &str = "sn0123FE0CF960432D01";
/// The id scope of the provisioning instance.
pub(super) const SCOPE: &str = "0ne00ABCDEF";
/// The hub that is assigned.
pub(super) const HUB: &str = "iotc-524cd5bf-f583-46a6-9ac4-873783da764e.azure-devices.net";
/// Times that the device hears `assigning` before it hears where to go.
const POLLS: u32 = 1;
/// How often the portal looks.
const LOOK: Duration = Duration::from_millis(20);
/// How long the network may take for anything, beside the time of the story.
const PATIENCE: Duration = Duration::from_secs(30);

/// The cloud, and the portal.
pub(super) struct Central {
    server: Server<AzureCloud>,
    authority: Authority,
    device: Issued,
    identity: Identity,
    narrator: Option<JoinHandle<()>>,
}

impl Central {
    /// Starts the cloud on 127.0.0.1; `port` 0 takes a free one.
    pub(super) async fn start(stage: &Stage, port: u16) -> Result<Self, Failure> {
        let broken = |why: &dyn Display| Failure::Start(format!("the simulated cloud cannot start: {why}"));
        let authority = Authority::new("skytether demo CA").map_err(|error| broken(&error))?;
        let device = authority.device(DEVICE).map_err(|error| broken(&error))?;
        let certificate =
            authority.server(&["127.0.0.1", "localhost", PROVISIONING, HUB]).map_err(|error| broken(&error))?;
        let issuer = Issuer::parse(&authority.pem()).ok_or_else(|| broken(&"its authority cannot be read"))?;
        let config = simulated::Config {
            provisioning: ProvisioningConfig {
                id_scope: SCOPE.to_owned(),
                polls: POLLS,
                enrollments: vec![EnrollmentConfig {
                    registration_id: DEVICE.to_owned(),
                    device_id: None,
                    proof: Proof::Authority(issuer),
                    terms: Terms::default(),
                }],
                ..ProvisioningConfig::default()
            },
            hubs: vec![HubConfig { name: HUB.to_owned(), ..HubConfig::default() }],
            templates: vec![Template::wbz451_curiosity()],
        };
        let cloud = AzureCloud::new(&config, seed()?).map_err(|error| broken(&error))?;
        let listeners = Listeners {
            tls: Some(SocketAddr::from(([127, 0, 0, 1], port))),
            acceptor: Some(Acceptor::deciding_later(&certificate, &[&authority]).map_err(|error| broken(&error))?),
            ..Listeners::default()
        };
        let server = Server::listen(cloud, server::Config::default(), listeners);
        let server = server.await.map_err(|error| broken(&error))?;
        let log = stage.log().clone();
        let narrator = log
            .shows(Verbosity::Cloud)
            .then(|| tokio::spawn(crate::demo::cloud::narrate(server.handle().trace(), log.clone())));
        let identity = Identity::device(HUB, DEVICE);
        Ok(Self { server, authority, device, identity, narrator })
    }

    /// Where it listens.
    pub(super) fn addr(&self) -> SocketAddr {
        self.server.addr()
    }

    /// The authority that the cloud's certificate is of, as PEM text.
    pub(super) fn authority(&self) -> String {
        self.authority.pem()
    }

    /// The device's certificate and key.
    pub(super) fn device(&self) -> &Issued {
        &self.device
    }

    /// Closes every connection and ends.
    pub(super) async fn stop(self) {
        self.server.stop().await;
        if let Some(narrator) = self.narrator {
            // It ends with the server's trace.
            let _ = narrator.await;
        }
    }

    /// Plays the part of whoever sits at the portal.
    pub(super) async fn attend(&self, stage: &Stage) -> Result<(), Failure> {
        let say = |text: &dyn Display| stage.log().line("IoT Central", text);
        self.hear(stage, 2, INTERVAL, "the first temperatures").await?;

        self.write(stage, "telemetryInterval", json!(5)).await?;
        self.hear(stage, 2, INTERVAL, "temperatures in the new interval").await?;
        self.write(stage, "led_user", json!(1)).await?;

        let (tell, told) = oneshot::channel();
        say(&"calls reboot {\"delay\":\"PT5S\"}");
        self.act(|cloud, at, out, identity| {
            let call = cloud.command(at, identity, (&Member::from("reboot"), br#"{"delay":"PT5S"}"#), out);
            call.map(|call| {
                cloud.notify(call, move |outcome| {
                    // Whoever waited may have gone.
                    let _ = tell.send(outcome);
                });
            })
        })
        .await?
        .map_err(|error| broken_off(&format_args!("reboot could not be called: {error}")))?;
        match in_time(stage, Duration::ZERO, "the answer to reboot", told).await? {
            Ok(Outcome::Answered { status: 200, payload }) => {
                say(&format_args!("reboot is answered: 200 {}", String::from_utf8_lossy(&payload)));
            }
            Ok(other) => return Err(broken_off(&format_args!("reboot ended in {other:?}"))),
            Err(_) => return Err(broken_off(&"reboot was forgotten")),
        }
        // What was under way before the restart does not count.
        self.gone(stage).await?;
        while self.telemetry().await?.is_some() {}
        self.hear(stage, 1, Duration::from_secs(30), "a temperature after the restart").await?;
        let assigned = self.act(|cloud, _, _, _| cloud.registration(DEVICE).map(|known| known.assignments)).await?;
        if assigned != Some(1) {
            return Err(broken_off(&"the board asked for a hub again instead of going to the one it remembers"));
        }
        say(&"the board is back, by the assignment that it remembered");
        Ok(())
    }

    /// Waits for so many messages, `interval` apart in the story.
    async fn hear(&self, stage: &Stage, count: usize, interval: Duration, what: &str) -> Result<(), Failure> {
        for _ in 0..count {
            let body = in_time(stage, interval * 2, what, async {
                loop {
                    match self.telemetry().await {
                        Ok(None) => sleep(LOOK).await,
                        other => break other,
                    }
                }
            });
            if let Some(body) = body.await?? {
                stage.log().line("IoT Central", format_args!("hears {}", String::from_utf8_lossy(&body)));
            }
        }
        Ok(())
    }

    /// Writes a property, and waits until the board has accepted it.
    async fn write(&self, stage: &Stage, name: &'static str, value: Value) -> Result<(), Failure> {
        let say = |text: &dyn Display| stage.log().line("IoT Central", text);
        let written = value.clone();
        let version = self
            .act(move |cloud, _, out, identity| cloud.write_property(identity, &Member::from(name), written, out))
            .await?
            .map_err(|error| broken_off(&format_args!("{name} could not be written: {error}")))?;
        say(&format_args!("writes {name} {value}, version {version}"));
        let mut shown = None;
        in_time(stage, Duration::ZERO, "an acknowledgement", async {
            loop {
                let found =
                    self.act(move |cloud, _, _, identity| cloud.property(identity, &Member::from(name))).await?;
                if found != shown {
                    match &found {
                        Some(PropertyState::Pending) => say(&format_args!("{name}: pending")),
                        Some(PropertyState::InProgress) => say(&format_args!("{name}: in progress")),
                        Some(PropertyState::Accepted { value, ad }) => {
                            let words = ad.as_deref().unwrap_or_default();
                            say(&format_args!("{name}: accepted, {value} ({words})"));
                            return Ok(());
                        }
                        Some(PropertyState::Refused { ac, .. }) => {
                            return Err(broken_off(&format_args!("{name} was refused with {ac}")));
                        }
                        None => {}
                    }
                    shown = found;
                }
                sleep(LOOK).await;
            }
        })
        .await?
    }

    /// Waits until the device has disconnected.
    async fn gone(&self, stage: &Stage) -> Result<(), Failure> {
        in_time(stage, Duration::ZERO, "the restart", async {
            while self.act(|cloud, _, _, identity| cloud.is_connected(identity)).await? {
                sleep(LOOK).await;
            }
            Ok(())
        })
        .await?
    }

    async fn telemetry(&self) -> Result<Option<Vec<u8>>, Failure> {
        self.act(|cloud, _, _, _| cloud.take_telemetry().map(|message| message.body)).await
    }

    /// Lets the cloud's application do something.
    async fn act<R: Send + 'static>(
        &self,
        act: impl FnOnce(&mut AzureCloud, At, &mut Outbox, &Identity) -> R + Send + 'static,
    ) -> Result<R, Failure> {
        let identity = self.identity.clone();
        let done = self
            .server
            .handle()
            .with_broker(move |broker, now| broker.act(now, |cloud, at, out| act(cloud, at, out, &identity)));
        done.await.map_err(|stopped| broken_off(&stopped))
    }
}

/// Waits for `work`: the story's time for it, and what the network may take.
async fn in_time<T>(stage: &Stage, story: Duration, what: &str, work: impl Future<Output = T>) -> Result<T, Failure> {
    let limit = stage.speed().real(story).saturating_add(PATIENCE);
    timeout(limit, work)
        .await
        .map_err(|_| broken_off(&format_args!("{what} did not come within {} s", limit.as_secs())))
}

fn broken_off(why: &dyn Display) -> Failure {
    Failure::Start(format!("the story breaks off: {why}"))
}

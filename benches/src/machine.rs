//! How is one of our devices brought to life without a driver?

use skytether_core::{
    device::{Config, Device, Event},
    io::{Input, Instant, Machine as _, Step},
    limits::Limits,
    link::{Connect, Endpoint},
    mqtt::session::{Options, Session},
    plain::{self, Answer, Plain},
};

/// The device that is measured: our session, an ordinary broker.
pub type Panel = Device<Session, Plain>;

/// Nothing here depends on time.
pub const NOW: Instant = Instant(1);

/// How a client introduces itself.
pub fn connect() -> Connect {
    Connect { client_id: "bench".into(), keep_alive: 60, clean_session: true, ..Connect::default() }
}

/// A device that has not dialled yet.
pub fn device(endpoint: Endpoint) -> Panel {
    let cloud = Plain::new(plain::Config { endpoint, connect: connect() });
    // As many in flight as rumqttc allows by default.
    let limits = Limits { inflight: 100, ..Limits::default() };
    Device::new(
        Session::new(Options { limits, ..Options::default() }),
        cloud,
        Config::default(),
        [7; 32],
        Instant::ZERO,
    )
}

/// A device that is connected.
pub fn connected() -> Panel {
    let mut device = device(Endpoint::tcp("bench", 1883));
    for input in [Input::Tick, Input::Opened, Input::Bytes(&[0x20, 2, 0, 0])] {
        give(&mut device, input, |_| {});
        sent(&mut device);
    }
    device
}

/// Gives an input and shows every step that follows.
pub fn give(device: &mut Panel, mut input: Input<'_>, mut each: impl FnMut(Step<Event<plain::Event>, Answer>)) {
    loop {
        match device.step(NOW, &mut input) {
            Step::Idle => return,
            step => each(step),
        }
    }
}

/// Takes everything that waits for the pipe.
pub fn sent(device: &mut Panel) -> usize {
    let mut all = 0;
    loop {
        let len = device.transmit().len();
        if len == 0 {
            return all;
        }
        all += len;
        give(device, Input::Sent(len), |_| {});
    }
}

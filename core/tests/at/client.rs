//! The modem in its own words, without lanes: what is told of each thing asked.

use skytether_core::{
    at::{Client, Dialect, Event, Timers, Tls},
    io::Instant,
    link::{Connect, Endpoint},
};

const NOW: Instant = Instant(5);

/// Takes what waits and lets the module say this; what is told.
fn say(client: &mut Client, mut said: &[u8]) -> Vec<String> {
    client.sent(NOW, client.transmit().len());
    let (mut scratch, mut told) = (Vec::new(), Vec::new());
    loop {
        let (used, event) = client.read(NOW, said, &mut scratch);
        said = &said[used..];
        if used == 0 && event.is_none() && said.is_empty() {
            return told;
        }
        told.extend(event.map(|event| format!("{event:?}")));
    }
}

#[test]
fn the_end_that_follows_a_refusal_is_no_news_and_the_next_one_is() {
    let mut client = Client::new(Dialect::AnyCloud, Timers::default(), 500);
    client.connect(NOW, &Endpoint::tcp("h", 1883), &Connect::default(), &Tls::default()).unwrap();
    assert_eq!(say(&mut client, b"+MQTTCONN:0\r\nOK\r\n"), [""; 0]);
    while client.transmit() != b"AT+MQTTCONN=0\r\n" {
        assert_eq!(say(&mut client, b"OK\r\n"), [""; 0]);
    }
    let refused = say(&mut client, b"OK\r\n\r+MQTTCONNACK:1,1\r\n>\r+MQTTCONN:0\r\n>");
    assert_eq!(refused, [format!("{:?}", Event::Refused(1))]);
    assert_eq!(say(&mut client, b"\r+MQTTCONN:0\r\n>"), [format!("{:?}", Event::Disconnected)]);
}

#[test]
fn the_family_follows_from_how_the_model_is_printed() {
    // RNWF11 has the name of AnyCloud's modules, behind a colon.
    for (said, family) in [
        (&b"+GMM=\"PIC32MZW1\"\r\n"[..], "AnyCloud"),
        (b"+GMM:\"PIC32MZW1\"\r\n", "Rnwf"),
        (b"+GMM:\"RNWF02\"\r\n", "Rnwf"),
        (b"+GMM:\"something\"\r\n", "AnyCloud"),
    ] {
        let mut rig = crate::rig::Rig::new(skytether_core::at::Options::default());
        rig.open();
        rig.tx();
        rig.rx(b"ATE0\r\nOK\r\n");
        rig.tx();
        rig.rx(b"OK\r\n");
        assert_eq!(rig.tx(), "AT+GMM\r\n");
        rig.rx(said);
        rig.rx(b"OK\r\n");
        assert_eq!(format!("{:?}", rig.modem.dialect()), family);
    }
}

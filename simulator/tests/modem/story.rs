//! Whole sessions as the vendor's demo and the manual show them.

use crate::bench::{Bench, config};
use skytether_core::{
    link::{Connect, Message, QoS},
    secret::Secret,
};
use skytether_simulator::{
    broker::policy::{At, Denial, Limits, Outbox, Peer, Policy, Verdict},
    modem::{Config, Network, Tls},
};

/// A cloud that answers a publish as it is told to, and remembers who came.
#[derive(Default)]
struct Cloud {
    answers: Vec<(&'static str, String, String)>,
    came: Vec<Connect>,
}

impl Policy for Cloud {
    type Identity = ();

    fn limits(&self) -> Limits {
        Limits::default()
    }

    fn authenticate(&mut self, _: At, connect: &Connect, _: &Peer) -> Result<(), Denial> {
        self.came.push(connect.clone());
        Ok(())
    }

    fn may_subscribe(&mut self, _: At, (): &(), _: &str, qos: QoS) -> Option<QoS> {
        Some(qos)
    }

    fn may_publish(&mut self, _: At, (): &(), _: &Message<'_>) -> Verdict {
        Verdict::AcceptSilently
    }

    fn on_publish(&mut self, _: At, (): &(), message: &Message<'_>, out: &mut Outbox) {
        for (prefix, topic, payload) in &self.answers {
            if message.topic.starts_with(prefix) {
                out.publish(topic.as_str(), payload.as_bytes(), QoS::AtMostOnce);
            }
        }
    }
}

#[allow(clippy::too_many_lines, reason = "a transcript, line by line")]
/// What the vendor's demo sends, and what the module prints, one command at a time.
#[test]
fn the_vendors_demo_reads_what_the_module_printed() {
    let operation = "4.65f62b2644c85bb1.331ffb1b-35e2-4b5a-9e68-f1fa7d5efc33";
    let twin = r#"{"desired":{"telemetryInterval":5,"led_user":3,"$version":101},"reported":{"telemetryInterval":{"ac":200,"av":101,"ad":"telemetryInterval set to: 5","value":5},"$version":145}}"#;
    let cloud = Cloud {
        answers: vec![
            (
                "$dps/registrations/PUT/",
                "$dps/registrations/res/202/?$rid=&retry-after=3".to_owned(),
                format!(r#"{{"operationId":"{operation}","status":"assigning"}}"#),
            ),
            (
                "$dps/registrations/GET/",
                "$dps/registrations/res/202/?$rid=2&retry-after=3".to_owned(),
                format!(
                    r#"{{"operationId":"{operation}","status":"assigning","registrationState":{{"registrationId":"sn0123FE0CF960432D01","status":"assigning"}}}}"#
                ),
            ),
            ("$iothub/twin/GET/", "$iothub/twin/res/200/?$rid=4".to_owned(), twin.to_owned()),
            ("$iothub/twin/PATCH/", "$iothub/methods/POST/reboot/?$rid=1".to_owned(), r#"{"delay":"PT5S"}"#.to_owned()),
        ],
        ..Cloud::default()
    };
    let network = Network {
        bssid: "5C:76:95:1B:D9:2F".to_owned(),
        channel: 6,
        address: "10.0.0.156".to_owned(),
        ..Network::protected("your_SSID", *b"your_PASSPHRASE")
    };
    let mut bench = Bench::with(cloud, Config { networks: vec![network], ..config() });
    assert_eq!(bench.said(), "\r\nOK\r\n>");
    let mut step = |line: &str, answer: &str, then: &str| {
        let mut said = bench.ask(line);
        bench.run(3000);
        said += &bench.said();
        assert_eq!(said, format!("{line}\r\n{answer}\r\n>{then}"));
    };
    let set = |step: &mut dyn FnMut(&str, &str, &str), lines: &[&str]| {
        for line in lines {
            step(line, "OK", "");
        }
    };
    step("ATE1", "OK", "");
    step("AT+WSTA", "+WSTA:0\r\nOK", "");
    set(
        &mut step,
        &[
            "AT+WSTAC=1,\"your_SSID\"",
            "AT+WSTAC=2,3",
            "AT+WSTAC=3,\"your_PASSPHRASE\"",
            "AT+WSTAC=4,255",
            "AT+WSTAC=12,\"pool.ntp.org\"",
            "AT+WSTAC=13,1",
        ],
    );
    step("AT+WSTA=1", "OK", "\r+WSTALU:\"5C:76:95:1B:D9:2F\",6\r\n>\r+WSTAAIP:\"10.0.0.156\"\r\n>");
    step("AT+MQTTCONN", "+MQTTCONN:0\r\nOK", "");
    set(
        &mut step,
        &[
            "AT+MQTTC=1,\"global.azure-devices-provisioning.net",
            "AT+MQTTC=2,8883",
            "AT+MQTTC=3,\"your_DEVICE_ID\"",
            "AT+MQTTC=4,\"your_ID_SCOPE/registrations/your_DEVICE_ID/api-version=2019-03-31\"",
            "AT+MQTTC=7,1",
        ],
    );
    step("AT+MQTTCONN=1", "OK", "\r+MQTTCONNACK:0,0\r\n>\r+MQTTCONN:1\r\n>");
    step("AT+MQTTSUB=\"$dps/registrations/res/#\",0", "OK", "\r+MQTTSUB:0\r\n>");
    step(
        "AT+MQTTPUB=0,0,0,\"$dps/registrations/PUT/iotdps-register/?rid=1\",\"{\\\"payload\\\" : {\\\"modelId\\\" : \\\"dtmi:com:Microchip:WBZ451_Curiosity;1\\\"}}\"",
        "OK",
        "\r+MQTTPUB:47,\"$dps/registrations/res/202/?$rid=&retry-after=3\",94,\"{\"operationId\":\"4.65f62b2644c85bb1.331ffb1b-35e2-4b5a-9e68-f1fa7d5efc33\",\"status\":\"assigning\"}\"\r\n>",
    );
    step(
        "AT+MQTTPUB=0,0,0,\"$dps/registrations/GET/iotdps-get-operationstatus/?$rid=2&operationId=4.65f62b2644c85bb1.331ffb1b-35e2-4b5a-9e68-f1fa7d5efc33\",\"\"",
        "OK",
        "\r+MQTTPUB:48,\"$dps/registrations/res/202/?$rid=2&retry-after=3\",177,\"{\"operationId\":\"4.65f62b2644c85bb1.331ffb1b-35e2-4b5a-9e68-f1fa7d5efc33\",\"status\":\"assigning\",\"registrationState\":{\"registrationId\":\"sn0123FE0CF960432D01\",\"status\":\"assigning\"}}\"\r\n>",
    );
    step("AT+MQTTDISCONN", "OK", "\r+MQTTCONN:0\r\n>");
    set(
        &mut step,
        &[
            "AT+MQTTC=1,\"hub.azure-devices.net\"",
            "AT+MQTTC=4,\"hub.azure-devices.net/your_DEVICE_ID/?api-version=2021-04-12\"",
        ],
    );
    step("AT+MQTTCONN=1", "OK", "\r+MQTTCONNACK:0,0\r\n>\r+MQTTCONN:1\r\n>");
    for filter in ["$iothub/methods/POST/#", "$iothub/twin/res/#", "$iothub/twin/PATCH/properties/desired/#"] {
        step(&format!("AT+MQTTSUB=\"{filter}\",1"), "OK", "\r+MQTTSUB:0\r\n>");
    }
    let printed = format!("\r+MQTTPUB:28,\"$iothub/twin/res/200/?$rid=4\",{},\"{twin}\"\r\n>", twin.len());
    step("AT+MQTTPUB=0,0,0,\"$iothub/twin/GET/?$rid=4\",\"\"", "OK", &printed);
    step(
        "AT+MQTTPUB=0,0,0,\"$iothub/twin/PATCH/properties/reported/?rid=8\",\"{\\\"telemetryInterval\\\" : {\\\"ac\\\" : 200, \\\"av\\\" : 105, \\\"ad\\\" : \\\"telemetryInterval set to: 5\\\", \\\"value\\\" : 5}}\"",
        "OK",
        "\r+MQTTPUB:35,\"$iothub/methods/POST/reboot/?$rid=1\",16,\"{\"delay\":\"PT5S\"}\"\r\n>",
    );
    step(
        "AT+MQTTPUB=0,0,0,\"$iothub/methods/res/200/?$rid=1\",\"{\\\"status\\\" : \\\"Success\\\", \\\"delay\\\" : 5}\"",
        "OK",
        "",
    );

    let tls = |name: &str| Some(Tls { server_name: name.to_owned(), ..Tls::default() });
    let (dps, hub) = ("global.azure-devices-provisioning.net", "hub.azure-devices.net");
    assert_eq!(bench.opened, [(dps.to_owned(), 8883, tls(dps)), (hub.to_owned(), 8883, tls(hub))]);
    let came = &bench.broker.policy().came;
    let names: Vec<_> = came.iter().map(|connect| connect.user_name.as_deref().unwrap()).collect();
    let expected = [
        "your_ID_SCOPE/registrations/your_DEVICE_ID/api-version=2019-03-31",
        "hub.azure-devices.net/your_DEVICE_ID/?api-version=2021-04-12",
    ];
    assert_eq!(names, expected);
    for connect in came {
        assert_eq!((&*connect.client_id, connect.clean_session, connect.keep_alive), ("your_DEVICE_ID", true, 60));
        assert_eq!(connect.password, Some(Secret::default()), "of no bytes, but there");
    }
}

/// The same without echo: lines alone.
#[test]
fn without_echo_the_stream_is_only_lines() {
    let mut bench = Bench::with(Cloud::default(), config());
    bench.said();
    bench.broker.policy_mut().answers = vec![(
        "$dps/registrations/PUT/",
        "$dps/registrations/res/202/?$rid=1&retry-after=3".to_owned(),
        r#"{"operationId":"4.ab.cd","status":"assigning"}"#.to_owned(),
    )];
    let mut step = |line: &str, answer: &str, then: &str| {
        let mut said = bench.ask(line);
        bench.run(3000);
        said += &bench.said();
        assert_eq!(said, format!("{answer}{then}"), "after {line}");
    };
    step("ATE0", "ATE0\r\nOK\r\n", "");
    step("AT+WSTA", "+WSTA:0\r\nOK\r\n", "");
    for line in [
        "AT+WSTAC=1,\"lab\"",
        "AT+WSTAC=2,3",
        "AT+WSTAC=3,\"pass word\"",
        "AT+WSTAC=4,255",
        "AT+WSTAC=12,\"pool.ntp.org\"",
        "AT+WSTAC=13,1",
    ] {
        step(line, "OK\r\n", "");
    }
    step("AT+WSTA=1", "OK\r\n", "\r+WSTALU:\"02:00:00:00:00:01\",11\r\n\r+WSTAAIP:\"192.0.2.7\"\r\n");
    step("AT+MQTTCONN", "+MQTTCONN:0\r\nOK\r\n", "");
    for line in [
        "AT+MQTTC=1,\"global.azure-devices-provisioning.net\"",
        "AT+MQTTC=2,8883",
        "AT+MQTTC=3,\"dev-7\"",
        "AT+MQTTC=4,\"0ne00000001/registrations/dev-7/api-version=2019-03-31\"",
        "AT+MQTTC=7,1",
    ] {
        step(line, "OK\r\n", "");
    }
    step("AT+MQTTCONN=1", "OK\r\n", "\r+MQTTCONNACK:0,0\r\n\r+MQTTCONN:1\r\n");
    step("AT+MQTTSUB=\"$dps/registrations/res/#\",1", "OK\r\n", "\r+MQTTSUB:0\r\n");
    step(
        r#"AT+MQTTPUB=0,1,0,"$dps/registrations/PUT/iotdps-register/?$rid=1","{\"registrationId\":\"dev-7\"}""#,
        "OK\r\n",
        "\r+MQTTPUBACC\r\n\r+MQTTPUB:48,\"$dps/registrations/res/202/?$rid=1&retry-after=3\",46,\"{\"operationId\":\"4.ab.cd\",\"status\":\"assigning\"}\"\r\n",
    );
    step("AT+MQTTDISCONN", "OK\r\n", "\r+MQTTCONN:0\r\n");
}

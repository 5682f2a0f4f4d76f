//! How a file gets into a hub's storage, request by request.

use crate::rig::{HUB, KEY, LATER, OTHER, cloud, dev, token};
use crate::support::Bench;
use serde_json::{Value, json};
use skytether_simulator::{
    azure::{AzureCloud, Upload},
    http::{Request, Response},
};

fn sends(bench: &mut Bench<AzureCloud>, method: &str, target: &str, headers: &[(&str, &str)], body: &[u8]) -> Response {
    let headers = headers.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    let (method, target) = (method.to_owned(), target.to_owned());
    let request = Request { method, target, headers, body: body.to_vec(), ..Request::default() };
    bench.act(|cloud, at, _| cloud.http(at, &request))
}

fn post(bench: &mut Bench<AzureCloud>, path: &str, token: &str, body: &Value) -> Response {
    let target = format!("/devices/dev-7/files{path}?api-version=2021-04-12");
    sends(bench, "POST", &target, &[("host", HUB), ("authorization", token)], body.to_string().as_bytes())
}

fn own() -> String {
    token(&format!("{HUB}/devices/dev-7"), KEY, LATER)
}

/// Where to put a file, and its correlation id.
fn begun(bench: &mut Bench<AzureCloud>, name: &str) -> (String, String) {
    let answer = post(bench, "", &own(), &json!({ "blobName": name }));
    assert_eq!(answer.status, 200);
    let told: Value = serde_json::from_slice(&answer.body).unwrap();
    let [container, blob, sas] = ["containerName", "blobName", "sasToken"].map(|name| told[name].as_str().unwrap());
    assert_eq!(blob, format!("dev-7/{name}"));
    (format!("/{container}/{blob}{sas}"), told["correlationId"].as_str().unwrap().to_owned())
}

fn notified(bench: &mut Bench<AzureCloud>, correlation: &str, success: bool) -> u16 {
    let body =
        json!({"correlationId": correlation, "isSuccess": success, "statusCode": 200, "statusDescription": "ok"});
    post(bench, "/notifications", &own(), &body).status
}

const BLOB: [(&str, &str); 1] = [("x-ms-blob-type", "BlockBlob")];

#[test]
fn a_file_is_put_whole_and_told() {
    let mut bench = cloud();
    let (target, correlation) = begun(&mut bench, "logs/a.bin");
    assert_eq!(sends(&mut bench, "PUT", &target, &[], b"x").status, 400, "the type of the blob is missing");
    assert_eq!(sends(&mut bench, "PUT", &target.replace("sig=", "sig=0"), &BLOB, b"x").status, 403);
    assert_eq!(sends(&mut bench, "PUT", &target.replace("a.bin", "b.bin"), &BLOB, b"x").status, 403);
    assert_eq!(sends(&mut bench, "PUT", &target, &BLOB, b"content").status, 201);
    assert_eq!(notified(&mut bench, &correlation, true), 204);
    assert_eq!(notified(&mut bench, &correlation, true), 404, "it is over");
    assert_eq!(sends(&mut bench, "PUT", &target, &BLOB, b"late").status, 403);
    let expected = Upload {
        identity: dev(),
        blob: "dev-7/logs/a.bin".to_owned(),
        content: Some(b"content".to_vec()),
        success: true,
        status: 200,
        description: "ok".to_owned(),
    };
    assert_eq!(bench.broker.policy_mut().take_upload(), Some(expected));
}

#[test]
fn a_file_is_put_in_blocks_in_the_order_of_the_list() {
    let mut bench = cloud();
    let (target, correlation) = begun(&mut bench, "big");
    for (id, content) in [("Mg%3D%3D", "world"), ("MQ%3D%3D", "hello ")] {
        let target = format!("{target}&comp=block&blockid={id}");
        assert_eq!(sends(&mut bench, "PUT", &target, &[], content.as_bytes()).status, 201);
    }
    let list = |ids: [&str; 2]| {
        let ids = ids.join("</Latest><Latest>");
        format!("<?xml version=\"1.0\" encoding=\"utf-8\"?><BlockList><Latest>{ids}</Latest></BlockList>")
    };
    let target = format!("{target}&comp=blocklist");
    assert_eq!(sends(&mut bench, "PUT", &target, &[], list(["MQ==", "Mw=="]).as_bytes()).status, 400);
    assert_eq!(sends(&mut bench, "PUT", &target, &[], list(["MQ==", "Mg=="]).as_bytes()).status, 201);
    assert_eq!(notified(&mut bench, &correlation, true), 204);
    assert_eq!(bench.broker.policy_mut().take_upload().unwrap().content.unwrap(), b"hello world");
}

#[test]
fn who_does_not_prove_itself_or_asks_for_nonsense_is_refused() {
    let mut bench = cloud();
    let name = json!({ "blobName": "a" });
    for (what, token) in [
        ("nothing", String::new()),
        ("another key", token(&format!("{HUB}/devices/dev-7"), "d3JvbmcgYnV0IGxvbmcgZW5vdWdo", LATER)),
        ("another hub", token(&format!("{OTHER}/devices/dev-7"), KEY, LATER)),
        ("expired", token(&format!("{HUB}/devices/dev-7"), KEY, 1)),
    ] {
        assert_eq!(post(&mut bench, "", &token, &name).status, 401, "{what}");
    }
    let own_token = own();
    let gateway = [("host", "127.0.0.1:8443"), ("authorization", own_token.as_str())];
    let target = "/devices/dev-7/files?api-version=2021-04-12";
    assert_eq!(sends(&mut bench, "POST", target, &gateway, name.to_string().as_bytes()).status, 200, "by a gateway");
    let without = "/devices/dev-7/files";
    assert_eq!(sends(&mut bench, "POST", without, &gateway, name.to_string().as_bytes()).status, 400);
    for body in [json!({}), json!({"blobName": ""}), json!({"blobName": "x".repeat(1025)}), json!([])] {
        assert_eq!(post(&mut bench, "", &own(), &body).status, 400, "{body}");
    }
    assert_eq!(notified(&mut bench, "nothing", true), 404);
    bench.act(|cloud, _, out| cloud.disable(&dev(), true, out)).unwrap();
    assert_eq!(post(&mut bench, "", &own(), &name).status, 401, "disabled");
}

#[test]
fn ten_uploads_of_a_device_are_the_most_and_one_that_failed_makes_room() {
    let mut bench = cloud();
    let (_, first) = begun(&mut bench, "f0");
    for n in 1..10 {
        begun(&mut bench, &format!("f{n}"));
    }
    let eleventh = json!({ "blobName": "f10" });
    let refused = post(&mut bench, "", &own(), &eleventh);
    let error: Value = serde_json::from_slice(&refused.body).unwrap();
    assert_eq!((refused.status, &error["errorCode"]), (403, &json!(403_006)));
    assert_eq!(notified(&mut bench, &first, false), 204);
    let failed = bench.broker.policy_mut().take_upload().unwrap();
    assert_eq!((failed.success, failed.content), (false, None));
    assert_eq!(post(&mut bench, "", &own(), &eleventh).status, 200);
}

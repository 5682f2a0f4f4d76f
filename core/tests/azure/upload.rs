//! How files get into the storage of a hub, whatever hub, storage and network answer.

use crate::rig::{Rig, Said, WALL, at_hub, provisioning};
use serde_json::{Value, json};
use skytether_core::{
    azure::{
        Answer, Command, Event, Proof,
        identity::ModuleId,
        upload::{BlockCall, Content, Upload, UploadFault, Uploaded},
    },
    device,
    http::UrlFault,
    io::{Action, Cause, Exchange, ExchangeId, Head, Input, Machine as _, Method, Rejected, Reply, Sink, Tag},
};

const BLOB: &str = "https://acme.blob.core.windows.net/files/pump-7/logs/a.bin?sv=1&sig=a%2Fb";

fn upload(bytes: &'static [u8]) -> Command {
    Command::Upload(Upload { blob: "logs/a.bin".into(), content: Content::Whole(bytes.into()) })
}

fn in_blocks(len: u64) -> Command {
    Command::Upload(Upload { blob: "logs/a.bin".into(), content: Content::Blocks(len) })
}

fn grant() -> Value {
    json!({
        "correlationId": "c-1",
        "hostName": "acme.blob.core.windows.net",
        "containerName": "files",
        "blobName": "pump-7/logs/a.bin",
        "sasToken": "?sv=1&sig=a%2Fb",
    })
}

/// The one request that waits for an answer.
#[track_caller]
fn asked(rig: &mut Rig) -> (ExchangeId, Exchange) {
    let mut asked = requests(rig);
    assert_eq!(asked.len(), 1, "{asked:?} {:?}", rig.said);
    asked.remove(0)
}

fn requests(rig: &mut Rig) -> Vec<(ExchangeId, Exchange)> {
    let mut asked = Vec::new();
    rig.said.retain(|said| match said {
        Said::Act(Action::Exchange(id, exchange)) => {
            asked.push((*id, (**exchange).clone()));
            false
        }
        _ => true,
    });
    asked
}

fn answer(rig: &mut Rig, id: ExchangeId, status: u16, body: &str) {
    rig.give(Input::Reply(id, Reply::Head(Head { status, ..Head::default() })));
    for part in body.as_bytes().chunks(7) {
        rig.give(Input::Reply(id, Reply::Chunk(part)));
    }
    rig.give(Input::Reply(id, Reply::End));
}

/// Answers the one request, and gives what it was.
#[track_caller]
fn say(rig: &mut Rig, status: u16, body: &str) -> Exchange {
    let (id, exchange) = asked(rig);
    answer(rig, id, status, body);
    exchange
}

/// Lets time pass until the next request.
#[track_caller]
fn next(rig: &mut Rig) {
    for _ in 0..100 {
        if rig.said.iter().any(|said| matches!(said, Said::Act(Action::Exchange(..)))) {
            return;
        }
        let deadline = rig.device.deadline().expect("it waits for something").at;
        rig.live_until(deadline.0.max(rig.now.0));
    }
    panic!("no request: {:?}", rig.said);
}

fn end(rig: &mut Rig, tag: Tag) -> Option<Uploaded> {
    let is = |said: &Said| matches!(said, Said::Done(done, _) if *done == tag);
    let at = rig.said.iter().position(is)?;
    assert_eq!(rig.said.iter().filter(|said| is(said)).count(), 1, "it ends once");
    let Said::Done(_, Ok(Answer::Uploaded(uploaded))) = rig.said.remove(at) else { panic!() };
    Some(uploaded)
}

fn wanted(rig: &mut Rig) -> Option<BlockCall> {
    let is = |said: &Said| matches!(said, Said::Event(device::Event::Cloud(Event::UploadBlock(_))));
    let at = rig.said.iter().position(is)?;
    let Said::Event(device::Event::Cloud(Event::UploadBlock(call))) = rig.said.remove(at) else { panic!() };
    Some(call)
}

fn body(exchange: &Exchange) -> Value {
    serde_json::from_slice(&exchange.body).unwrap()
}

fn names(exchange: &Exchange) -> Vec<&str> {
    exchange.headers.iter().map(|(name, _)| name.as_str()).collect()
}

#[test]
fn a_file_takes_three_requests_as_the_platforms_page_has_them() {
    let mut rig = Rig::ready(at_hub());
    let tag = rig.command(&upload(b"hello")).unwrap();

    let first = say(&mut rig, 200, &grant().to_string());
    assert_eq!(first.method, Method::Post);
    assert_eq!(first.url, "https://hub-1.azure-devices.net/devices/pump-7/files?api-version=2021-04-12");
    assert_eq!(first.body, br#"{"blobName":"logs/a.bin"}"#);
    assert_eq!(names(&first), ["Authorization", "Content-Type"]);
    let expiry = WALL / 1000 + 600;
    let token = &first.headers[0].1;
    assert!(token.starts_with("SharedAccessSignature sr=hub-1.azure-devices.net%2Fdevices%2Fpump-7&sig="), "{token}");
    assert!(token.ends_with(&format!("&se={expiry}")), "{token}");
    assert!(!first.certificate);
    assert!(matches!(first.sink, Sink::Memory(8192)));

    let second = say(&mut rig, 201, "");
    assert_eq!((second.method, second.url.as_str(), &second.body[..]), (Method::Put, BLOB, &b"hello"[..]));
    assert_eq!(second.headers, [("x-ms-blob-type".to_owned(), "BlockBlob".to_owned())]);
    assert!(!second.certificate);

    let third = say(&mut rig, 204, "");
    assert_eq!(third.url, "https://hub-1.azure-devices.net/devices/pump-7/files/notifications?api-version=2021-04-12");
    assert_eq!(third.body, br#"{"correlationId":"c-1","isSuccess":true,"statusCode":200,"statusDescription":"ok"}"#);
    assert_eq!(names(&third), ["Authorization", "Content-Type"]);
    let uploaded = end(&mut rig, tag).unwrap();
    assert_eq!((uploaded.blob.as_deref(), uploaded.fault, uploaded.notified), (Some("pump-7/logs/a.bin"), None, true));
}

#[test]
fn a_certificate_takes_the_tokens_place_at_the_hub_and_is_not_shown_to_the_storage() {
    let mut config = at_hub();
    config.proof = Proof::Certificate;
    let mut rig = Rig::ready(config);
    rig.command(&upload(b"x")).unwrap();
    let first = say(&mut rig, 200, &grant().to_string());
    let second = say(&mut rig, 201, "");
    let third = say(&mut rig, 204, "");
    assert_eq!([first.certificate, second.certificate, third.certificate], [true, false, true]);
    assert_eq!(names(&first), ["Content-Type"]);
    assert!(!names(&second).contains(&"Authorization"));
}

#[test]
fn a_large_file_goes_in_blocks_that_the_application_gives() {
    const BLOCK: u64 = 128 * 1024;
    let mut rig = Rig::ready(at_hub());
    let tag = rig.command(&in_blocks(2 * BLOCK + 5)).unwrap();
    say(&mut rig, 200, &grant().to_string());
    for (n, id) in ["MDAwMDAw", "MDAwMDAx", "MDAwMDAy"].iter().enumerate() {
        let call = wanted(&mut rig).unwrap();
        let n = n as u64;
        let length = usize::try_from(BLOCK.min(5 + (2 - n) * BLOCK)).unwrap();
        assert_eq!((call.upload, call.offset, call.length), (tag, n * BLOCK, length));
        assert_eq!(requests(&mut rig), []);
        rig.command(&call.answer(vec![b'a' + u8::try_from(n).unwrap(); length])).unwrap();
        // The storage has no time, and then it has.
        let throttled = say(&mut rig, 503, "");
        next(&mut rig);
        let block = say(&mut rig, 201, "");
        assert_eq!(throttled, block);
        assert_eq!(block.url, format!("{BLOB}&comp=block&blockid={id}"));
        assert_eq!(block.body.len(), length);
        assert!(block.headers.is_empty());
    }
    let list = say(&mut rig, 201, "");
    assert_eq!(list.url, format!("{BLOB}&comp=blocklist"));
    assert_eq!(
        String::from_utf8(list.body).unwrap(),
        "<?xml version=\"1.0\" encoding=\"utf-8\"?><BlockList><Latest>MDAwMDAw</Latest><Latest>MDAwMDAx</Latest>\
         <Latest>MDAwMDAy</Latest></BlockList>"
    );
    say(&mut rig, 204, "");
    assert_eq!(end(&mut rig, tag).unwrap().fault, None);
}

#[test]
fn a_block_is_taken_once_where_and_as_long_as_it_was_asked_for() {
    let mut rig = Rig::ready(at_hub());
    rig.command(&in_blocks(10)).unwrap();
    say(&mut rig, 200, &grant().to_string());
    let call = wanted(&mut rig).unwrap();
    assert!(matches!(rig.command(&call.clone().answer(vec![0; 9])), Err(Rejected::Invalid(_))));
    rig.command(&call.clone().answer(vec![0; 10])).unwrap();
    assert!(matches!(rig.command(&call.clone().answer(vec![0; 10])), Err(Rejected::Invalid(_))));
    say(&mut rig, 201, "");
    assert!(matches!(rig.command(&call.clone().answer(vec![0; 10])), Err(Rejected::Invalid(_))));
    say(&mut rig, 201, "");
    say(&mut rig, 204, "");
    assert!(matches!(rig.command(&call.abandon()), Err(Rejected::Invalid(_))));
}

/// What goes wrong, with which upload, and what the application and the hub are told.
type Trouble<'a> = (&'a dyn Fn(&mut Rig), Command, UploadFault, u16);

#[test]
fn the_hub_is_told_of_a_failed_upload_too() {
    // What the storage says, and what the hub is told.
    let abandon = |rig: &mut Rig| {
        let call = wanted(rig).unwrap();
        rig.command(&call.abandon()).unwrap();
    };
    let wait = |rig: &mut Rig| {
        wanted(rig).unwrap();
        rig.live_until(300_000);
    };
    let refuse = |rig: &mut Rig| {
        say(rig, 403, "no");
    };
    let broken = |rig: &mut Rig| {
        for _ in 0..5 {
            next(rig);
            let (id, _) = asked(rig);
            rig.give(Input::Reply(id, Reply::Failed(Cause::Lost)));
        }
    };
    let silent = |rig: &mut Rig| {
        for _ in 0..5 {
            next(rig);
            asked(rig);
        }
    };
    let troubles: [Trouble<'_>; 5] = [
        (&refuse, upload(b"x"), UploadFault::NotStored(403), 403),
        (&broken, upload(b"x"), UploadFault::Broken(Cause::Lost), 500),
        (&silent, upload(b"x"), UploadFault::Silent, 500),
        (&abandon, in_blocks(9), UploadFault::Abandoned, 500),
        (&wait, in_blocks(9), UploadFault::Abandoned, 500),
    ];
    for (trouble, command, fault, status) in troubles {
        let mut rig = Rig::ready(at_hub());
        let tag = rig.command(&command).unwrap();
        say(&mut rig, 200, &grant().to_string());
        trouble(&mut rig);
        next(&mut rig);
        let told = say(&mut rig, 204, "");
        assert!(told.url.contains("/notifications?"), "{fault}");
        let told = body(&told);
        assert_eq!(
            (&told["correlationId"], &told["isSuccess"], &told["statusCode"]),
            (&json!("c-1"), &json!(false), &json!(status))
        );
        assert_eq!(told["statusDescription"], fault.to_string());
        let uploaded = end(&mut rig, tag).unwrap();
        assert_eq!((uploaded.fault, uploaded.notified), (Some(fault), true));
    }
}

#[test]
fn a_grant_that_is_refused_needs_no_farewell_and_one_that_cannot_be_used_does() {
    let mut rig = Rig::ready(at_hub());
    let tag = rig.command(&upload(b"x")).unwrap();
    say(&mut rig, 403, r#"{"errorCode":403006}"#);
    assert_eq!(requests(&mut rig), []);
    let uploaded = end(&mut rig, tag).unwrap();
    assert_eq!((uploaded.blob, uploaded.fault, uploaded.notified), (None, Some(UploadFault::Refused(403)), false));

    let mut plain = grant();
    plain["hostName"] = json!("evil.example@x");
    let mut config = at_hub();
    config.files.rules.hosts.push(".blob.core.windows.net".into());
    let mut foreign = grant();
    foreign["hostName"] = json!("evil.example");
    for (grant, url) in [(plain, None), (foreign, Some(UrlFault::NotAllowed))] {
        let mut rig = Rig::ready(config.clone());
        let tag = rig.command(&upload(b"x")).unwrap();
        say(&mut rig, 200, &grant.to_string());
        let told = say(&mut rig, 204, "");
        assert_eq!(body(&told)["isSuccess"], false);
        let fault = end(&mut rig, tag).unwrap().fault.unwrap();
        assert!(matches!((fault, url), (UploadFault::Grant(_), None)) || url.map(UploadFault::Url) == Some(fault));
    }
    for body in ["", "[]", "{}", "\u{0}", &"[".repeat(9000)] {
        let mut rig = Rig::ready(at_hub());
        let tag = rig.command(&upload(b"x")).unwrap();
        say(&mut rig, 200, body);
        assert!(matches!(end(&mut rig, tag).unwrap().fault, Some(UploadFault::Grant(_))), "{body}");
    }
}

#[test]
fn r_103_no_redirect_is_followed() {
    let mut rig = Rig::ready(at_hub());
    let tag = rig.command(&upload(b"x")).unwrap();
    say(&mut rig, 200, &grant().to_string());
    let (id, _) = asked(&mut rig);
    let head = Head { status: 307, location: Some("https://evil.example/"), ..Head::default() };
    rig.give(Input::Reply(id, Reply::Head(head)));
    rig.give(Input::Reply(id, Reply::End));
    let told = say(&mut rig, 204, "");
    assert!(told.url.starts_with("https://hub-1."));
    assert_eq!(end(&mut rig, tag).unwrap().fault, Some(UploadFault::NotStored(307)));
}

#[test]
fn throttling_is_waited_out_and_an_expired_token_is_signed_anew_once() {
    let mut rig = Rig::ready(at_hub());
    let tag = rig.command(&upload(b"x")).unwrap();
    let (id, _) = asked(&mut rig);
    rig.give(Input::Reply(id, Reply::Head(Head { status: 429, retry_after: Some(20), ..Head::default() })));
    rig.give(Input::Reply(id, Reply::End));
    let now = rig.now.0;
    rig.live_until(now + 19_999);
    assert_eq!(requests(&mut rig), []);
    rig.live_until(now + 20_000);
    say(&mut rig, 200, &grant().to_string());
    say(&mut rig, 201, "");
    let old = say(&mut rig, 401, "");
    next(&mut rig);
    let new = say(&mut rig, 401, "");
    assert_eq!(old.url, new.url);
    let uploaded = end(&mut rig, tag).unwrap();
    assert_eq!((uploaded.fault, uploaded.notified), (None, false), "the file is stored, and the hub does not know");
}

#[test]
fn four_uploads_run_at_once_and_each_ends_by_itself() {
    let mut rig = Rig::ready(at_hub());
    let tags: Vec<_> = (0..4).map(|_| rig.command(&upload(b"x")).unwrap()).collect();
    assert_eq!(rig.command(&upload(b"x")), Err(Rejected::Full));
    let asked = requests(&mut rig);
    assert_eq!(asked.len(), 4);
    for ((id, _), tag) in asked.into_iter().zip(&tags).rev() {
        answer(&mut rig, id, 404, "");
        assert!(end(&mut rig, *tag).is_some());
    }
    rig.command(&upload(b"x")).unwrap();
}

#[test]
fn r_75_what_cannot_be_uploaded_is_refused_by_name() {
    let mut rig = Rig::ready(at_hub());
    let named = |blob: &str| Command::Upload(Upload { blob: blob.into(), content: Content::Whole(b"x".into()) });
    for blob in ["", "/a", "a/", "a//b", ".", "a/../b", "a.", "a\\b", "a\n", &"x".repeat(1025)] {
        assert!(matches!(rig.command(&named(blob)), Err(Rejected::Invalid(_))), "{blob}");
    }
    for content in
        [Content::Whole(vec![0; 1024 * 1024 + 1].into()), Content::Blocks(0), Content::Blocks(512 * 1024 * 1024 + 1)]
    {
        let command = Command::Upload(Upload { blob: "a".into(), content });
        assert!(matches!(rig.command(&command), Err(Rejected::Invalid(_))));
    }
    let mut module = at_hub();
    let skytether_core::azure::Route::Hub { whom, .. } = &mut module.route else { panic!() };
    whom.module = Some(ModuleId::new("m").unwrap());
    let mut rig = Rig::new(module);
    assert!(matches!(rig.command(&upload(b"x")), Err(Rejected::Unsupported(_))));
    let mut rig = Rig::new(provisioning());
    assert_eq!(rig.command(&upload(b"x")), Err(Rejected::Offline));
}

#[test]
fn an_upload_needs_the_time_and_no_connection() {
    let mut rig = Rig::new(at_hub());
    rig.wall = None;
    let tag = rig.command(&upload(b"x")).unwrap();
    assert_eq!(requests(&mut rig), []);
    rig.give(Input::Wall(skytether_core::io::UnixMillis(WALL)));
    say(&mut rig, 200, &grant().to_string());
    assert!(!rig.dials() || end(&mut rig, tag).is_none());

    let mut rig = Rig::new(at_hub());
    rig.wall = None;
    let tag = rig.command(&upload(b"x")).unwrap();
    rig.live_until(60_000);
    assert_eq!(end(&mut rig, tag).unwrap().fault, Some(UploadFault::NoTime));
}

#[test]
fn a_local_simulator_stands_in_for_the_hubs_origin() {
    let mut config = at_hub();
    config.files.origin = Some("http://127.0.0.1:8080".into());
    let mut rig = Rig::ready(config);
    rig.command(&upload(b"x")).unwrap();
    assert_eq!(asked(&mut rig).1.url, "http://127.0.0.1:8080/devices/pump-7/files?api-version=2021-04-12");
}

#[test]
fn an_answer_without_end_is_read_to_its_bound() {
    let mut rig = Rig::ready(at_hub());
    let tag = rig.command(&upload(b"x")).unwrap();
    let (id, _) = asked(&mut rig);
    rig.give(Input::Reply(id, Reply::Head(Head { status: 200, ..Head::default() })));
    for _ in 0..1000 {
        rig.give(Input::Reply(id, Reply::Chunk(&[b' '; 1000])));
    }
    rig.give(Input::Reply(id, Reply::End));
    assert!(matches!(end(&mut rig, tag).unwrap().fault, Some(UploadFault::Grant(_))));
}

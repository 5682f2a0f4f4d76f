//! HTTP exchanges by reqwless: what a machine is told of servers good and bad, and where the bytes go.
#![cfg(feature = "http")]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::std_instead_of_alloc,
    clippy::std_instead_of_core,
    clippy::wildcard_enum_match_arm,
    clippy::disallowed_methods,
    unreachable_pub,
    reason = "tests fail by panicking, and wait for the real world"
)]

#[path = "support/real.rs"]
mod real;
#[path = "support/sim.rs"]
mod sim;
#[path = "support/wires.rs"]
mod wires;

use embassy_sync::blocking_mutex::raw::NoopRawMutex;
use real::{PATIENCE, Tcp, real, wall};
use skytether_core::io::{Action, Exchange, ExchangeId, Key, Method, Sink, Slot, StoreFailed};
use skytether_embassy::{Buffers, Channels, Http, NoStore, Runner, Store};
use skytether_testing::script::{Script, Told};
use std::sync::{Arc, Mutex};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpListener,
    task::spawn_local,
    time::timeout,
};
use wires::{Wires, leak};
use zeroize::Zeroizing;

/// Keeps what is written to slot 2.
#[derive(Clone, Default)]
struct File(Arc<Mutex<Vec<u8>>>);

impl Store for File {
    async fn load(&mut self, key: &Key) -> Result<Option<Zeroizing<Vec<u8>>>, StoreFailed> {
        NoStore.load(key).await
    }

    async fn store(&mut self, key: &Key, value: &[u8]) -> Result<(), StoreFailed> {
        NoStore.store(key, value).await
    }

    async fn delete(&mut self, key: &Key) -> Result<(), StoreFailed> {
        NoStore.delete(key).await
    }

    async fn write(&mut self, slot: Slot, at: u64, bytes: &[u8]) -> Result<(), StoreFailed> {
        let mut file = self.0.lock().unwrap();
        if slot != Slot(2) || usize::try_from(at).unwrap() > 2000 {
            return Err(StoreFailed);
        }
        let at = usize::try_from(at).unwrap();
        file.resize(at, b'.');
        file.extend_from_slice(bytes);
        Ok(())
    }
}

fn get(sink: Sink) -> Exchange {
    Exchange {
        method: Method::Get,
        url: String::new(),
        headers: vec![("X-Test".into(), "yes".into())],
        range: None,
        certificate: false,
        body: Vec::new(),
        sink,
    }
}

/// Makes one exchange with a server that answers with `answer` and ends; what it heard, and what the machine was told.
async fn exchange(mut exchange: Exchange, path: &str, answer: Vec<u8>, file: File) -> (String, Vec<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    if exchange.url.is_empty() {
        exchange.url = format!("http://127.0.0.1:{port}{path}");
    }
    let server = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut heard = Vec::new();
        while !heard.windows(4).any(|part| part == b"\r\n\r\n") || heard.ends_with(b"more") {
            let mut bytes = [0; 1024];
            let len = stream.read(&mut bytes).await.unwrap();
            assert!(len > 0, "it ended early");
            heard.extend_from_slice(&bytes[..len]);
        }
        // A device that has heard enough may be gone.
        let _ = stream.write_all(&answer).await;
        let _ = stream.shutdown().await;
        let mut rest = Vec::new();
        let _ = stream.read_to_end(&mut rest).await;
        heard.extend_from_slice(&rest);
        String::from_utf8(heard).unwrap()
    });
    let first = vec![Action::Exchange(ExchangeId(7), Box::new(exchange))];
    let machine = Script { first, ..Script::new() };
    let channels: &'static Channels<NoopRawMutex, Script, 2, 4> = Box::leak(Box::default());
    let buffers = Buffers { read: leak(64), write: leak(64) };
    let mut runner = Runner::new(machine, Wires::default(), channels, wall(), buffers)
        .with_store(file)
        .with_web(Http::new(Tcp, leak(512), leak(100)));
    let task = spawn_local(async move { runner.run().await });
    let mut events = channels.events();
    let mut told = Vec::new();
    while !told.last().is_some_and(|last: &String| last == "End" || last.starts_with("Failed")) {
        if let Some(Told::Heard(text)) = timeout(PATIENCE, events.next()).await.expect("news in time") {
            let text = text.strip_prefix("Reply(ExchangeId(7), ").and_then(|rest| rest.strip_suffix(')'));
            told.extend(text.map(str::to_owned));
        }
    }
    channels.handle().close();
    timeout(PATIENCE, task).await.expect("it closes in time").unwrap();
    server.abort();
    (server.await.unwrap_or_default(), told)
}

/// The bodies of the chunks together.
fn body(told: &[String]) -> Vec<u8> {
    let chunks = told.iter().filter_map(|text| text.strip_prefix("Chunk([")?.strip_suffix("])"));
    chunks.flat_map(|chunk| chunk.split(", ")).map(|byte| byte.parse().unwrap()).collect()
}

fn answer(head: &str, body: &[u8]) -> Vec<u8> {
    [head.replace('\n', "\r\n").as_bytes(), b"\r\n\r\n", body].concat()
}

#[test]
fn an_answer_comes_in_chunks_with_the_head_that_decides() {
    real(async {
        let body_sent: Vec<u8> = (0..=255).cycle().take(1000).collect();
        let head = "HTTP/1.1 200 OK\nContent-Length: 1000\nETag: \"v1\"\nRetry-After: 7";
        let (_, told) = exchange(get(Sink::Memory(1000)), "/a?b=c", answer(head, &body_sent), File::default()).await;
        let expected = "Head(Head { status: 200, length: Some(1000), first: None, total: None, etag: Some(\"\\\"v1\\\"\"), \
                        location: None, retry_after: Some(7) })";
        assert_eq!(told[0], expected);
        assert_eq!(body(&told), body_sent);
        assert_eq!(told.last().unwrap(), "End");
    });
}

#[test]
fn chunked_answers_and_those_that_end_with_the_connection_are_whole_too() {
    real(async {
        let chunked = answer("HTTP/1.1 200 OK\nTransfer-Encoding: chunked", b"5\r\nhello\r\n6\r\n world\r\n0\r\n\r\n");
        let (_, told) = exchange(get(Sink::Memory(100)), "/", chunked, File::default()).await;
        assert_eq!((body(&told).as_slice(), told.last().unwrap().as_str()), (&b"hello world"[..], "End"));
        let (_, told) =
            exchange(get(Sink::Memory(100)), "/", answer("HTTP/1.1 200 OK", b"to the end"), File::default()).await;
        assert_eq!((body(&told).as_slice(), told.last().unwrap().as_str()), (&b"to the end"[..], "End"));
        let (_, told) =
            exchange(get(Sink::Memory(0)), "/", answer("HTTP/1.1 204 No Content", b""), File::default()).await;
        assert_eq!(told.last().unwrap(), "End");
    });
}

#[test]
fn r_103_a_redirect_is_told_and_not_followed() {
    real(async {
        let head = "HTTP/1.1 302 Found\nLocation: https://elsewhere.test/x\nContent-Length: 0";
        let (_, told) = exchange(get(Sink::Memory(10)), "/", answer(head, b""), File::default()).await;
        assert!(told[0].contains("status: 302") && told[0].contains("https://elsewhere.test/x"), "{told:?}");
        assert_eq!(told[1], "End");
    });
}

#[test]
fn r_100_a_resumed_download_continues_in_its_slot_and_nothing_else_touches_it() {
    real(async {
        let file = File::default();
        let wanted = Exchange { range: Some(5), ..get(Sink::Slot(Slot(2))) };
        let head = "HTTP/1.1 206 Partial Content\nContent-Length: 5\nContent-Range: bytes 5-9/10";
        let (_, told) = exchange(wanted.clone(), "/image", answer(head, b"56789"), file.clone()).await;
        assert!(told[0].contains("first: Some(5), total: Some(10)"), "{told:?}");
        assert_eq!(file.0.lock().unwrap().as_slice(), b".....56789");
        let other = "HTTP/1.1 206 Partial Content\nContent-Length: 5\nContent-Range: bytes 4-8/10";
        for (head, end) in [
            ("HTTP/1.1 200 OK\nContent-Length: 5", "Failed(Http(\"it sent the whole instead of the range"),
            (other, "Failed(Http(\"it sent another range than was asked for"),
            ("HTTP/1.1 404 Not Found\nContent-Length: 5", "End"),
        ] {
            let (_, told) = exchange(wanted.clone(), "/image", answer(head, b"wrong"), file.clone()).await;
            assert!(told.len() == 2 && told[1].starts_with(end), "{told:?}");
        }
        assert_eq!(file.0.lock().unwrap().as_slice(), b".....56789");
        let whole = answer("HTTP/1.1 200 OK\nContent-Length: 4", b"anew");
        let (_, told) = exchange(get(Sink::Slot(Slot(2))), "/image", whole, file.clone()).await;
        assert_eq!((told.last().unwrap().as_str(), file.0.lock().unwrap().as_slice()), ("End", &b"anew"[..]));
    });
}

#[test]
fn what_goes_wrong_is_named() {
    real(async {
        let file = File::default;
        let long = |len: usize| answer(&format!("HTTP/1.1 200 OK\nContent-Length: {len}"), &vec![b'x'; len]);
        let (_, told) = exchange(get(Sink::Memory(150)), "/", long(151), file()).await;
        assert_eq!(told.last().unwrap(), "Failed(TooLarge { len: 151, max: 150 })");
        let cut_off = answer("HTTP/1.1 200 OK\nContent-Length: 100", b"not all of it");
        let (_, told) = exchange(get(Sink::Memory(1000)), "/", cut_off, file()).await;
        assert_eq!(told.last().unwrap(), "Failed(Lost)");
        let (_, told) = exchange(get(Sink::Memory(10)), "/", b"SSH-2.0-nonsense\r\n\r\n".to_vec(), file()).await;
        assert_eq!(told, ["Failed(Http(\"its answer is no HTTP\"))"]);
        let long_head = answer(&format!("HTTP/1.1 200 OK\nX: {}", "y".repeat(600)), b"");
        let (_, told) = exchange(get(Sink::Memory(10)), "/", long_head, file()).await;
        assert_eq!(told, ["Failed(Http(\"the head of its answer is too long\"))"]);
        let more = answer("HTTP/1.1 200 OK\nContent-Length: 300", &[b'x'; 900]);
        let (_, told) = exchange(get(Sink::Memory(1000)), "/", more, file()).await;
        assert!(
            told.last().unwrap() == "End" && body(&told).len() == 300 || told.last().unwrap().starts_with("Failed")
        );
        let (_, told) = exchange(get(Sink::Slot(Slot(9))), "/", long(10), file()).await;
        assert_eq!(told.last().unwrap(), "Failed(Storage(\"the slot could not be written\"))");
        for url in ["http://a b/", "ftp://x/", "http://x/\r\nEvil: 1", "nothing"] {
            let wanted = Exchange { url: url.into(), ..get(Sink::Memory(1)) };
            let (_, told) = exchange(wanted, "/", Vec::new(), file()).await;
            assert!(told[0].starts_with("Failed(Unsupported("), "{url}: {told:?}");
        }
        let wanted = Exchange { headers: vec![("A".into(), "b\r\nC: d".into())], ..get(Sink::Memory(1)) };
        let (_, told) = exchange(wanted, "/", Vec::new(), file()).await;
        assert_eq!(told, ["Failed(Unsupported(\"a header with a line break\"))"]);
    });
}

#[test]
fn a_request_says_what_was_asked() {
    real(async {
        let wanted =
            Exchange { method: Method::Put, range: Some(9), body: b"the body".to_vec(), ..get(Sink::Memory(10)) };
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let server = tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut heard = vec![0; 1024];
            let mut len = 0;
            while !heard[..len].ends_with(b"the body") {
                let more = stream.read(&mut heard[len..]).await.unwrap();
                assert!(more > 0, "the body comes");
                len += more;
            }
            stream.write_all(b"HTTP/1.1 201 Created\r\nContent-Length: 0\r\n\r\n").await.unwrap();
            String::from_utf8(heard[..len].to_vec()).unwrap()
        });
        let wanted = Exchange { url: format!("http://127.0.0.1:{port}/put?q=1"), ..wanted };
        let (_, told) = exchange(wanted, "/", Vec::new(), File::default()).await;
        assert!(told[0].contains("status: 201"), "{told:?}");
        let heard = server.await.unwrap();
        assert!(heard.starts_with("PUT /put?q=1 HTTP/1.1\r\n"), "{heard}");
        for line in [
            format!("Host: 127.0.0.1:{port}"),
            "X-Test: yes".into(),
            "Range: bytes=9-".into(),
            "Content-Length: 8".into(),
        ] {
            assert!(heard.contains(&format!("\r\n{line}\r\n")), "{line} is not in {heard}");
        }
    });
}

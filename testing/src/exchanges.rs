//! What every driver must do with HTTP exchanges: one list, run against each of them.
#![allow(missing_docs, reason = "a scenario's name says what must hold")]
#![allow(clippy::wildcard_enum_match_arm, reason = "what a scenario does not expect fails it")]

use crate::{
    drive::{PATIENCE, Running, Runtime, until},
    fetcher::{Fetcher, Head, Heard, begin, get},
    files::{Files, Request, answer, good, image},
    negatives,
    pki::Pki,
    server::{Server, wait_for_end},
};
use skytether_core::io::{Action, Cause, Exchange, ExchangeId, Method, Sink, TlsFault};
use skytether_std::{
    options::Options,
    tls::{ClientIdentity, Tls},
};
use std::{
    io::Write as _,
    net::Shutdown,
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

/// Makes a test of each scenario of [`exchanges`](crate::exchanges) for one runtime.
#[macro_export]
macro_rules! exchange_tests {
    ($runtime:ty) => {
        $crate::tests_of!(
            exchanges, $runtime;
            a_body_comes_whole_behind_its_head,
            a_range_is_asked_for_and_its_place_is_told,
            a_body_over_its_bound_fails_with_both_numbers,
            r_101_a_body_that_is_cut_off_fails_and_one_until_the_end_is_whole,
            r_103_a_redirect_is_told_and_not_followed,
            a_cancelled_transfer_ends_and_nothing_more_is_told,
            a_body_is_sent_and_the_answer_to_half_of_it_is_heard,
            a_slow_server_is_heard_byte_by_byte,
            a_server_can_be_no_faster_than_the_application,
            exchanges_under_way_together_do_not_wait_for_each_other,
            a_connection_that_cannot_be_opened_says_why_in_time,
            a_url_that_is_none_fails_before_anything_is_sent,
            https_trusts_the_given_ca_alone,
            r_147_every_https_server_that_must_not_be_talked_to_is_named,
            r_147_an_answer_of_tls_that_is_cut_off_is_no_whole_one,
            a_client_certificate_is_shown_only_where_the_exchange_says_so,
            r_145_a_device_closes_at_once_though_an_exchange_is_under_way,
            r_140_dropping_the_driver_ends_its_exchanges,
        );
    };
}

/// Makes a test of each function of a list.
#[macro_export]
macro_rules! tests_of {
    ($list:ident, $runtime:ty; $($name:ident),* $(,)?) => {
        $(
            #[test]
            fn $name() {
                $crate::$list::$name::<$runtime>();
            }
        )*
    };
}

const ONE: ExchangeId = ExchangeId(1);

type Device = Box<dyn Running<Fetcher>>;

fn device<R: Runtime>() -> Device {
    R::start(Fetcher::new(), Options::default())
}

fn next(device: &mut Device) -> Heard {
    device.next(PATIENCE).expect("an answer in time")
}

/// All that is told of one exchange, chunks joined.
fn whole(device: &mut Device, exchange: Exchange) -> (Option<Head>, Vec<u8>, Result<(), Cause>) {
    device.send(begin(1, exchange));
    let (mut head, mut body) = (None, Vec::new());
    loop {
        match next(device) {
            Heard::Head(ONE, told) => assert_eq!(head.replace(told), None, "two heads"),
            Heard::Chunk(ONE, bytes) => {
                assert!(head.is_some(), "a chunk before the head");
                body.extend(bytes);
            }
            Heard::End(ONE) => return (head, body, Ok(())),
            Heard::Failed(ONE, cause) => return (head, body, Err(cause)),
            other => panic!("{other:?}"),
        }
    }
}

/// How one exchange ends, by a device of its own.
fn outcome<R: Runtime>(exchange: Exchange, options: Options) -> Result<u16, Cause> {
    let mut device = R::start(Fetcher::new(), options);
    let (head, _, end) = whole(&mut device, exchange);
    device.close();
    end.map(|()| head.unwrap().status)
}

fn trusting(pki: &Pki) -> Options {
    Options { tls: Some(Tls::from_ca_file(pki.ca()).unwrap()), ..Options::default() }
}

pub fn a_body_comes_whole_behind_its_head<R: Runtime>() {
    let file = image(300_000);
    let files = Files::saying(good(&file, "\"v1\""));
    let mut device = device::<R>();
    let (head, body, end) = whole(&mut device, get(files.url(), Sink::Memory(file.len())));
    let expected = Head { status: 200, length: Some(300_000), etag: Some("\"v1\"".into()), ..Head::default() };
    assert_eq!((head, end), (Some(expected), Ok(())));
    assert!(body == file);
    // And again on the same device: nothing is left of the one before.
    let (_, body, end) = whole(&mut device, get(files.url(), Sink::Memory(file.len())));
    assert!(end.is_ok() && body == file);
    assert_eq!(files.requests()[0].header("host"), Some(format!("127.0.0.1:{}", files.server.port).as_str()));
    device.close();
}

pub fn a_range_is_asked_for_and_its_place_is_told<R: Runtime>() {
    let file = image(1000);
    let files = Files::saying(good(&file, "\"v2\""));
    let mut device = device::<R>();
    for (if_range, status, first) in [("\"v2\"", 206, Some(600)), ("\"v1\"", 200, None)] {
        let headers = vec![("If-Range".into(), if_range.into())];
        let asked = Exchange { range: Some(600), headers, ..get(files.url(), Sink::Memory(1000)) };
        let (head, body, end) = whole(&mut device, asked);
        let head = head.unwrap();
        assert_eq!((head.status, head.first, head.total, end), (status, first, first.and(Some(1000)), Ok(())));
        let from = first.map_or(0, |_| 600);
        assert!(body == file[from..]);
    }
    let (head, _, end) = whole(&mut device, Exchange { range: Some(1000), ..get(files.url(), Sink::Memory(1000)) });
    assert_eq!(
        (head.unwrap(), end),
        (Head { status: 416, length: Some(0), total: Some(1000), ..Head::default() }, Ok(()))
    );
    device.close();
}

pub fn a_body_over_its_bound_fails_with_both_numbers<R: Runtime>() {
    let announced = Files::saying(|_| answer("200 OK", "", &[b'x'; 1001]));
    let over = Err(Cause::TooLarge { len: 1001, max: 1000 });
    assert_eq!(outcome::<R>(get(announced.url(), Sink::Memory(1000)), Options::default()), over);
    assert_eq!(outcome::<R>(get(announced.url(), Sink::Memory(1001)), Options::default()), Ok(200));
    let chunked = Files::start(|_, pipe| {
        pipe.write_all(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")?;
        loop {
            pipe.write_all(b"64\r\n")?;
            pipe.write_all(&[b'x'; 100])?;
            pipe.write_all(b"\r\n")?;
        }
    });
    let failed = outcome::<R>(get(chunked.url(), Sink::Memory(100_000)), Options::default());
    assert!(matches!(failed, Err(Cause::TooLarge { len: 100_001.., max: 100_000 })), "{failed:?}");
    until("the transfer goes on", || chunked.ended() == 1);
}

pub fn r_101_a_body_that_is_cut_off_fails_and_one_until_the_end_is_whole<R: Runtime>() {
    let cases: [(&[u8], Result<u16, Cause>); 5] = [
        (b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhello", Err(Cause::Lost)),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n", Err(Cause::Lost)),
        (b"HTTP/1.1 200 OK\r\nContent-Le", Err(Cause::Lost)),
        (b"SSH-2.0-OpenSSH_9.6\r\n", Err(Cause::Http("its answer is no HTTP"))),
        (b"HTTP/1.0 200 OK\r\n\r\nhello", Ok(200)),
    ];
    for (said, expected) in cases {
        let files = Files::hanging_up(move |_| said.to_vec());
        let found = outcome::<R>(get(files.url(), Sink::Memory(100)), Options::default());
        assert_eq!(found, expected, "{}", String::from_utf8_lossy(said));
    }
}

pub fn r_103_a_redirect_is_told_and_not_followed<R: Runtime>() {
    let files =
        Files::saying(|_| answer("302 Found", "Location: https://else.invalid/x?y\r\nRetry-After: 7\r\n", b"there"));
    let mut device = device::<R>();
    let (head, body, end) = whole(&mut device, get(files.url(), Sink::Memory(10)));
    let head = head.unwrap();
    assert_eq!((head.status, head.location.as_deref()), (302, Some("https://else.invalid/x?y")));
    assert_eq!((head.retry_after, body.as_slice(), end), (Some(7), b"there".as_slice(), Ok(())));
    assert_eq!(files.server.connections(), 1);
    device.close();
}

/// A server that never ends, and its body's pace.
fn endless() -> Files {
    Files::start(|_, pipe| {
        pipe.write_all(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")?;
        let chunk = [b"4000\r\n".as_slice(), &[b'x'; 0x4000], b"\r\n"].concat();
        loop {
            pipe.write_all(&chunk)?;
        }
    })
}

pub fn a_cancelled_transfer_ends_and_nothing_more_is_told<R: Runtime>() {
    let files = endless();
    for at_head in [true, false] {
        let react = move |heard: &Heard| match heard {
            Heard::Head(ONE, _) if at_head => vec![Action::Cancel(ONE)],
            Heard::Chunk(ONE, _) if !at_head => vec![Action::Cancel(ONE)],
            _ => Vec::new(),
        };
        let mut device = R::start(Fetcher::reacting(Box::new(react)), Options::default());
        let ended = files.ended();
        device.send(begin(1, get(files.url(), Sink::Memory(usize::MAX))));
        assert!(matches!(next(&mut device), Heard::Head(..)));
        if !at_head {
            assert!(matches!(next(&mut device), Heard::Chunk(..)));
        }
        until("the transfer goes on", || files.ended() == ended + 1);
        assert_eq!(device.next(Duration::from_millis(50)), None);
        // One that has not begun to be answered, and one that is unknown.
        let silent = negatives::silent();
        device.send(begin(2, get(format!("http://127.0.0.1:{}/", silent.port), Sink::Memory(1))));
        device.send(Action::Cancel(ExchangeId(2)));
        device.send(Action::Cancel(ExchangeId(3)));
        assert_eq!(device.next(Duration::from_millis(50)), None);
        device.close();
    }
}

pub fn a_body_is_sent_and_the_answer_to_half_of_it_is_heard<R: Runtime>() {
    let body = image(1_000_000);
    let files = Files::saying(|request| answer("201 Created", "", request.body.len().to_string().as_bytes()));
    let mut device = device::<R>();
    let headers = vec![("x-ms-blob-type".into(), "BlockBlob".into())];
    let put = Exchange { method: Method::Put, body: body.clone(), headers, ..get(files.url(), Sink::Memory(100)) };
    let (head, said, end) = whole(&mut device, put.clone());
    assert_eq!((head.unwrap().status, said.as_slice(), end), (201, b"1000000".as_slice(), Ok(())));
    let requests = files.requests();
    assert!(requests[0].head.starts_with("PUT /file HTTP/1.1\r\n") && requests[0].body == body);
    assert_eq!(requests[0].header("x-ms-blob-type"), Some("BlockBlob"));
    // A server that has heard enough: it answers, and reads on until the client is gone.
    let early = Files::saying(|_| answer("413 Content Too Large", "", b""));
    let put = Exchange { url: format!("{}/unread", early.url()), body: image(8_000_000), ..put };
    let (head, _, end) = whole(&mut device, put.clone());
    assert_eq!((head.unwrap().status, end), (413, Ok(())));
    // One that answers and closes at once: what it said is heard though sending broke.
    let rude = Files::hanging_up(|_| answer("413 Content Too Large", "", b""));
    let put = Exchange { url: format!("{}/unread", rude.url()), ..put };
    assert_eq!(whole(&mut device, put).0.unwrap().status, 413);
    device.close();
}

pub fn a_slow_server_is_heard_byte_by_byte<R: Runtime>() {
    let files = Files::start(|_, pipe| {
        for byte in answer("200 OK", "", b"slow") {
            pipe.write_all(&[byte])?;
            pipe.flush()?;
            std::thread::sleep(Duration::from_millis(2));
        }
        Ok(())
    });
    let mut device = device::<R>();
    let (head, body, end) = whole(&mut device, get(files.url(), Sink::Memory(4)));
    assert_eq!((head.unwrap().status, body.as_slice(), end), (200, b"slow".as_slice(), Ok(())));
    device.close();
}

pub fn a_server_can_be_no_faster_than_the_application<R: Runtime>() {
    let files = endless();
    let mut device = R::start(Fetcher::new(), Options { events: 2, ..Options::default() });
    device.send(begin(1, get(files.url(), Sink::Memory(usize::MAX))));
    assert!(matches!(next(&mut device), Heard::Head(..)));
    let mut before = 0;
    until("it never stands still", || {
        std::thread::sleep(Duration::from_millis(300));
        core::mem::replace(&mut before, files.written()) == files.written()
    });
    // It goes on as soon as someone listens.
    let mut heard = 0;
    while heard < before {
        let Heard::Chunk(_, bytes) = next(&mut device) else { panic!("no chunk") };
        heard += bytes.len();
    }
    until("it does not go on", || files.written() > before);
    drop(files);
    device.abandon();
}

pub fn exchanges_under_way_together_do_not_wait_for_each_other<R: Runtime>() {
    let silent = Files::start(|_, pipe| wait_for_end(&mut Box::new(pipe)));
    let endless = endless();
    let file = image(100_000);
    let files = Files::saying(good(&file, "\"v1\""));
    let mut device = device::<R>();
    device.send(begin(7, get(silent.url(), Sink::Memory(1))));
    device.send(begin(8, get(endless.url(), Sink::Memory(usize::MAX))));
    device.send(begin(9, get(files.url(), Sink::Memory(file.len()))));
    let (mut body, mut other) = (Vec::new(), 0);
    loop {
        match next(&mut device) {
            Heard::Chunk(ExchangeId(9), bytes) => body.extend(bytes),
            Heard::End(ExchangeId(9)) => break,
            Heard::Chunk(ExchangeId(8), bytes) => other += bytes.len(),
            Heard::Head(ExchangeId(8 | 9), _) => {}
            heard => panic!("{heard:?}"),
        }
    }
    assert!(body == file);
    while other < 1_000_000 {
        if let Heard::Chunk(ExchangeId(8), bytes) = next(&mut device) {
            other += bytes.len();
        }
    }
    device.close();
}

pub fn a_connection_that_cannot_be_opened_says_why_in_time<R: Runtime>() {
    let closed = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let asked = |url: String| outcome::<R>(get(url, Sink::Memory(1)), Options::default());
    assert_eq!(asked(format!("http://127.0.0.1:{closed}/")), Err(Cause::Unreachable));
    assert_eq!(asked("http://no-such-host.invalid/".into()), Err(Cause::Resolve));
    // A server that takes the connection and never speaks TLS.
    let silent = negatives::silent();
    let options = Options { exchange_open: Duration::from_millis(200), ..trusting(&Pki::new()) };
    let begin = Instant::now();
    let url = format!("https://localhost:{}/", silent.port);
    assert_eq!(outcome::<R>(get(url, Sink::Memory(1)), options), Err(Cause::OpenTimeout));
    assert!(begin.elapsed() >= Duration::from_millis(200) && begin.elapsed() < PATIENCE / 4, "{:?}", begin.elapsed());
}

pub fn a_url_that_is_none_fails_before_anything_is_sent<R: Runtime>() {
    let mut device = device::<R>();
    for url in ["", "ftp://127.0.0.1/", "http://me:secret@127.0.0.1/", "/file"] {
        let (head, _, end) = whole(&mut device, get(url, Sink::Memory(1)));
        assert!(head.is_none() && matches!(end, Err(Cause::Unsupported(_))), "{url}: {end:?}");
    }
    device.close();
}

pub fn https_trusts_the_given_ca_alone<R: Runtime>() {
    let pki = Pki::new();
    let file = image(200_000);
    let serve = good(&file, "\"v1\"");
    let files = Files::tls(&pki.server, None, move |request, pipe| pipe.write_all(&serve(request)));
    let mut device = R::start(Fetcher::new(), trusting(&pki));
    let (_, body, end) = whole(&mut device, get(files.https(), Sink::Memory(file.len())));
    assert!(end.is_ok() && body == file);
    device.close();
    let other = Options { tls: Some(Tls::from_ca_file(pki.other_ca()).unwrap()), ..Options::default() };
    let unknown = Err(Cause::Tls(TlsFault::UnknownIssuer));
    assert_eq!(outcome::<R>(get(files.https(), Sink::Memory(1)), other), unknown);
}

pub fn r_147_every_https_server_that_must_not_be_talked_to_is_named<R: Runtime>() {
    let pki = Pki::new();
    for bad in negatives::tls_servers(&pki) {
        // What such a server says once TLS stands is MQTT: that case has a server of its own below.
        if bad.cause == Cause::Truncated {
            continue;
        }
        let url = format!("https://{}:{}/file", bad.endpoint.host, bad.endpoint.port);
        let found = outcome::<R>(get(url, Sink::Memory(100)), trusting(&pki));
        assert_eq!(found, Err(bad.cause), "{}", bad.name);
        assert_eq!(bad.server.connections(), 1, "{}", bad.name);
    }
}

pub fn r_147_an_answer_of_tls_that_is_cut_off_is_no_whole_one<R: Runtime>() {
    let pki = Pki::new();
    let cut = |said: &'static [u8]| {
        Server::tls(&pki.server, None, move |stream| {
            let mut request = [0; 4];
            std::io::Read::read_exact(stream, &mut request)?;
            stream.write_all(said)?;
            stream.flush()?;
            stream.sock.shutdown(Shutdown::Write)?;
            wait_for_end(&mut stream.sock)
        })
    };
    for (said, expected) in [
        (b"HTTP/1.0 200 OK\r\n\r\nhello".as_slice(), Err(Cause::Truncated)),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhello", Err(Cause::Truncated)),
        // All of it came: nothing is missing.
        (b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello", Ok(200)),
    ] {
        let server = cut(said);
        let url = format!("https://localhost:{}/", server.port);
        assert_eq!(outcome::<R>(get(url, Sink::Memory(100)), trusting(&pki)), expected);
    }
}

pub fn a_client_certificate_is_shown_only_where_the_exchange_says_so<R: Runtime>() {
    let pki = Pki::new();
    let serve = |_: &Request, pipe: &mut dyn crate::files::Pipe| pipe.write_all(&answer("200 OK", "", b""));
    let wanting = Files::tls(&pki.server, Some(&pki.ca()), serve);
    let indifferent = Files::tls(&pki.server, None, serve);
    let asked = |files: &Files, tls: Tls, certificate| {
        let exchange = Exchange { certificate, ..get(files.https(), Sink::Memory(1)) };
        outcome::<R>(exchange, Options { tls: Some(tls), ..Options::default() })
    };
    let without = || Tls::from_ca_file(pki.ca()).unwrap();
    let with = || {
        let client = ClientIdentity::from_files(&pki.client.certificate, &pki.client.key).unwrap();
        without().with_client(client)
    };
    let required = Err(Cause::Tls(TlsFault::ClientCertificateRequired));
    assert_eq!(asked(&wanting, with(), true), Ok(200));
    assert_eq!(asked(&wanting, with(), false), required);
    assert_eq!(asked(&wanting, without(), true), required);
    // A device that has none is no worse off where none is wanted.
    assert_eq!(asked(&indifferent, without(), true), Ok(200));
    assert_eq!(asked(&indifferent, with(), true), Ok(200));
}

pub fn r_145_a_device_closes_at_once_though_an_exchange_is_under_way<R: Runtime>() {
    let (silent, endless) = (Files::start(|_, pipe| wait_for_end(&mut Box::new(pipe))), endless());
    let mut device = device::<R>();
    device.send(begin(1, get(silent.url(), Sink::Memory(1))));
    device.send(begin(2, get(endless.url(), Sink::Memory(usize::MAX))));
    assert!(matches!(next(&mut device), Heard::Head(..)));
    until("no request", || silent.requests().len() == 1);
    let begin = Instant::now();
    device.close();
    // Whoever waits for an exchange waits for ever: this is the time of a loaded machine.
    assert!(begin.elapsed() < Duration::from_secs(10), "{:?}", begin.elapsed());
    until("a connection is left over", || silent.ended() + endless.ended() == 2);
}

pub fn r_140_dropping_the_driver_ends_its_exchanges<R: Runtime>() {
    let heads = Arc::new(Mutex::new(0));
    let endless = endless();
    for _ in 0..3 {
        let counted = Arc::clone(&heads);
        let react = move |heard: &Heard| {
            *counted.lock().unwrap() += usize::from(matches!(heard, Heard::Head(..)));
            Vec::new()
        };
        let device = R::start(Fetcher::reacting(Box::new(react)), Options::default());
        let before = *heads.lock().unwrap();
        device.send(begin(1, get(endless.url(), Sink::Memory(usize::MAX))));
        until("no answer", || *heads.lock().unwrap() > before);
        device.abandon();
    }
    until("a connection is left over", || endless.ended() == 3);
}

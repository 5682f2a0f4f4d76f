//! The filter by itself: what it says to a server, and what it makes of an answer in whatever pieces it comes.

use super::*;
use crate::job::Finished;
use skytether_core::io::Method;

fn exchange(sink: Sink) -> Exchange {
    Exchange {
        method: Method::Get,
        url: "http://files.example:8080/image?token=x".into(),
        headers: Vec::new(),
        range: None,
        certificate: false,
        body: Vec::new(),
        sink,
    }
}

fn http(exchange: Exchange) -> Http {
    Http::new(ExchangeId(1), exchange, &Tls::default()).unwrap()
}

fn request(exchange: Exchange) -> String {
    String::from_utf8(http(exchange).transmit().to_vec()).unwrap()
}

/// What is told of an answer that comes in pieces of `size` bytes and then ends as `end` says; slots are answered at
/// once. Chunks are joined.
fn told(exchange: Exchange, answer: &[u8], size: usize, end: Option<Cause>) -> Vec<String> {
    let mut http = http(exchange);
    let (mut said, mut chunks) = (Vec::new(), String::new());
    let mut pieces = answer.chunks(size);
    loop {
        while let Some(news) = http.next() {
            let (text, last) = match news {
                News::Told(Told::Chunk(bytes)) => {
                    chunks += &String::from_utf8_lossy(&bytes);
                    continue;
                }
                News::Told(told) => (format!("{told:?}"), told.is_last()),
                News::Keep(Job::Keep { at, bytes, first, .. }) => {
                    assert!(http.next().is_none(), "it goes on before the slot is safe");
                    http.kept();
                    let text = String::from_utf8_lossy(&bytes);
                    chunks.extend([format!("[{at}{}:", if first { "!" } else { "" }).as_str(), &text, "]"]);
                    continue;
                }
                News::Keep(_) => panic!("another job"),
            };
            if !chunks.is_empty() {
                said.push(core::mem::take(&mut chunks));
            }
            said.push(text);
            if last {
                assert!(http.next().is_none(), "something after the last");
                return said;
            }
        }
        match pieces.next() {
            Some(piece) => {
                assert!(http.wants_bytes());
                http.receive(piece);
            }
            None => match end {
                Some(cause) if http.ended.is_none() => http.end(cause),
                _ => {
                    said.push(chunks);
                    return said;
                }
            },
        }
    }
}

#[test]
fn a_request_names_its_range_and_asks_for_the_bytes_as_they_are() {
    let version = env!("CARGO_PKG_VERSION");
    let mut asked = exchange(Sink::Memory(10));
    asked.range = Some(500);
    asked.headers = vec![
        ("If-Range".into(), "\"abc\"".into()),
        ("Range".into(), "bytes=0-1".into()),
        ("Connection".into(), "keep-alive".into()),
        ("Expect".into(), "100-continue".into()),
        ("Transfer-Encoding".into(), "chunked".into()),
    ];
    assert_eq!(
        request(asked),
        format!(
            "GET /image?token=x HTTP/1.1\r\nhost: files.example:8080\r\nif-range: \"abc\"\r\nconnection: close\r\n\
             accept-encoding: identity\r\nuser-agent: skytether/{version}\r\nrange: bytes=500-\r\n\r\n"
        )
    );
}

#[test]
fn a_body_follows_its_head_and_an_empty_one_has_a_length_too() {
    let mut put = exchange(Sink::Memory(10));
    (put.method, put.body) = (Method::Put, b"hello".to_vec());
    put.headers = vec![("User-Agent".into(), "me".into()), ("Content-Length".into(), "99".into())];
    let mut http = http(put.clone());
    let mut sent = Vec::new();
    while !http.transmit().is_empty() {
        sent.push(http.transmit()[0]);
        http.sent(1);
    }
    let sent = String::from_utf8(sent).unwrap();
    assert!(sent.starts_with("PUT /image?token=x HTTP/1.1\r\n"), "{sent}");
    assert!(sent.contains("user-agent: me\r\n") && sent.contains("content-length: 5\r\n"), "{sent}");
    assert!(sent.ends_with("\r\n\r\nhello"), "{sent}");
    (put.method, put.body) = (Method::Post, Vec::new());
    assert!(request(put).contains("content-length: 0\r\n"));
}

#[test]
fn the_url_says_where_to_connect() {
    let endpoint = |url: &str| {
        let asked = Exchange { url: url.into(), ..exchange(Sink::Memory(1)) };
        Http::new(ExchangeId(1), asked, &Tls::default()).map(|http| http.endpoint().to_string())
    };
    assert_eq!(endpoint("http://a.b/c").as_deref(), Ok("tcp://a.b:80"));
    assert_eq!(endpoint("https://a.b").as_deref(), Ok("tls://a.b:443"));
    assert_eq!(endpoint("https://[::1]:8443/x").as_deref(), Ok("tls://[::1]:8443"));
    for bad in
        ["", "/x", "ftp://a/b", "http://", "http:///x", "http://a b/", "http://a:0/", "https://me:pw@a.b/", "a.b"]
    {
        assert!(matches!(endpoint(bad), Err(Cause::Unsupported(_))), "{bad}");
    }
    for header in [("a b", "c"), ("a", "b\r\nc: d"), ("", "x")] {
        let asked = Exchange { headers: vec![(header.0.into(), header.1.into())], ..exchange(Sink::Memory(1)) };
        assert!(Http::new(ExchangeId(1), asked, &Tls::default()).is_err(), "{header:?}");
    }
}

#[test]
fn r_2_an_answer_says_the_same_in_whatever_pieces_it_comes() {
    let answers: [(&[u8], &[&str]); 5] = [
        (b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nETag: \"v1\"\r\n\r\nhello", &["hello", "End"]),
        (b"HTTP/1.1 103 Early\r\nLink: x\r\n\r\nHTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok", &["ok", "End"]),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nhel\r\n2;x=y\r\nlo\r\n0\r\n\r\n", &["hello", "End"]),
        (b"HTTP/1.1 204 No Content\r\n\r\n", &["End"]),
        (b"HTTP/1.1 302 Found\nLocation: https://else/where\nContent-Length: 2\n\nno", &["no", "End"]),
    ];
    for (answer, rest) in answers {
        for size in [1, 2, 3, 7, 1000] {
            let said = told(exchange(Sink::Memory(100)), answer, size, None);
            assert!(said[0].starts_with("Head("), "{said:?}");
            assert_eq!(said[1..], *rest, "{size}");
        }
    }
}

#[test]
fn a_head_shows_what_decides_over_the_body() {
    let answer =
        b"HTTP/1.1 206 Partial\r\nContent-Range: bytes 500-999/1000\r\nContent-Length: 500\r\nETag: \"v2\"\r\n\
        Retry-After: 120\r\nLocation: ../x\r\n\r\n";
    let mut http = http(Exchange { range: Some(500), ..exchange(Sink::Memory(1000)) });
    http.receive(answer);
    let Some(News::Told(told)) = http.next() else { panic!("no head") };
    let Input::Reply(_, Reply::Head(head)) = told.input(http.id()) else { panic!("{told:?}") };
    assert_eq!((head.status, head.length, head.first, head.total), (206, Some(500), Some(500), Some(1000)));
    assert_eq!((head.etag, head.location, head.retry_after), (Some("\"v2\""), Some("../x"), Some(120)));
    let mut http = self::http(exchange(Sink::Memory(1000)));
    http.receive(b"HTTP/1.1 503 Busy\r\nRetry-After: Fri, 31 Dec 1999 23:59:59 GMT\r\nContent-Length: 0\r\n\r\n");
    let Some(News::Told(Told::Head(answer))) = http.next() else { panic!("no head") };
    assert_eq!(answer, Answer { status: 503, length: Some(0), ..Answer::default() });
}

#[test]
fn r_101_a_body_that_ends_early_is_no_whole_one() {
    let short = b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhello".as_slice();
    let chunks = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n".as_slice();
    let head = b"HTTP/1.1 200 O".as_slice();
    for (answer, cause) in [(short, Cause::Lost), (short, Cause::Truncated), (chunks, Cause::Lost), (head, Cause::Lost)]
    {
        let said = told(exchange(Sink::Memory(100)), answer, 4, Some(cause));
        assert_eq!(said.last().unwrap(), &format!("Failed({cause:?})"));
    }
    // Without a length the end of the connection is that of the body, but only where it came in order.
    let until_close = b"HTTP/1.0 200 OK\r\n\r\nhello".as_slice();
    assert_eq!(told(exchange(Sink::Memory(9)), until_close, 4, Some(Cause::Lost))[1..], ["hello", "End"]);
    assert_eq!(
        told(exchange(Sink::Memory(9)), until_close, 4, Some(Cause::Truncated))[1..],
        ["hello", "Failed(Truncated)"]
    );
}

#[test]
fn r_4_a_body_over_its_bound_ends_the_exchange() {
    let announced = b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nhello!".as_slice();
    let said = told(exchange(Sink::Memory(5)), announced, 1, None);
    assert_eq!(said[1..], ["Failed(TooLarge { len: 6, max: 5 })"]);
    let chunked = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n1\r\n!\r\n0\r\n\r\n".as_slice();
    let said = told(exchange(Sink::Memory(5)), chunked, 1, None);
    assert_eq!(said[1..], ["hello", "Failed(TooLarge { len: 6, max: 5 })"]);
    let mut http = http(exchange(Sink::Memory(usize::MAX)));
    http.receive(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n");
    while http.wants_bytes() {
        http.receive(&[b'x'; 1000]);
    }
    assert!(http.incoming.len() < CHUNK + 1000 + HEAD);
}

#[test]
fn a_slot_gets_the_body_where_it_belongs_and_no_other_page() {
    let whole = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello".as_slice();
    let part = b"HTTP/1.1 206 P\r\nContent-Range: bytes 3-4/5\r\nContent-Length: 2\r\n\r\nlo".as_slice();
    let lost = b"HTTP/1.1 404 Not Found\r\nContent-Length: 4\r\n\r\ngone".as_slice();
    let ranged = |range| Exchange { range, ..exchange(Sink::Slot(Slot(1))) };
    let after = |range, answer: &[u8]| told(ranged(range), answer, 1000, None)[1..].to_vec();
    assert_eq!(after(None, whole), ["[0!:][0:hello]", "End"]);
    // The whole came in place of a part: what the slot holds stays.
    assert_eq!(after(Some(3), whole), ["Failed(Http(\"it sent the whole instead of the range that was asked for\"))"]);
    assert_eq!(after(Some(3), part), ["[3!:][3:lo]", "End"]);
    for range in [None, Some(0), Some(2), Some(4)] {
        assert_eq!(after(range, part), ["Failed(Http(\"it sent another range than was asked for\"))"], "{range:?}");
    }
    assert_eq!(after(None, lost), ["End"]);
}

#[test]
fn bytes_go_on_coming_while_a_slot_is_written_and_then_make_one_chunk() {
    let mut http = http(exchange(Sink::Slot(Slot(1))));
    http.receive(b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nab");
    assert!(matches!(http.next(), Some(News::Told(Told::Head(_)))));
    assert!(matches!(http.next(), Some(News::Keep(Job::Keep { first: true, .. }))));
    assert!(http.wants_bytes() && http.next().is_none());
    http.receive(b"cd");
    http.receive(b"ef");
    http.kept();
    let Some(News::Keep(Job::Keep { bytes, .. })) = http.next() else { panic!("no chunk") };
    assert_eq!(bytes, b"abcdef");
    assert!(matches!(Finished::Kept(http.id(), Ok(bytes)).input(), Input::Reply(_, Reply::Chunk(b"abcdef"))));
}

#[test]
fn what_is_no_http_or_too_long_is_said_so() {
    let many = [b"HTTP/1.1 200 OK\r\n".as_slice(), &b"x: y\r\n".repeat(200), b"\r\n"].concat();
    let long = [b"HTTP/1.1 200 OK\r\nx: ".as_slice(), &vec![b'y'; HEAD]].concat();
    let interim = b"HTTP/1.1 103 Early\r\nx: y\r\n\r\n".repeat(HEAD / 20);
    let cases: [(&[u8], &str); 8] = [
        (b"SSH-2.0-OpenSSH", "its answer is no HTTP"),
        (b"HTTP/2 200\r\n\r\n", "its answer is no HTTP"),
        (b"HTTP/1.1 abc\r\n\r\n", "the head of its answer is malformed"),
        (
            b"HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n",
            "the length of its answer is no number, or there are two of it",
        ),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", "a malformed chunk"),
        (&many, "the head of its answer has too many lines"),
        (&long, "the head of its answer is too long"),
        (&interim, "the head of its answer is too long"),
    ];
    for (answer, why) in cases {
        for size in [1, 10_000] {
            let said = told(exchange(Sink::Memory(100)), answer, size, None);
            assert_eq!(said.last().unwrap(), &format!("{:?}", Told::Failed(Cause::Http(why))), "{size}");
        }
    }
}

#[test]
fn nothing_of_a_request_is_printed() {
    let secret = Exchange { url: "https://a.b/?sig=hunter2".into(), ..exchange(Sink::Memory(1)) };
    assert!(!format!("{:?}", http(secret)).contains("hunter2"));
}

proptest::proptest! {
    #[test]
    fn r_1_r_4_no_answer_panics_or_is_held_beyond_its_bound(
        kind in 0_usize..4,
        changes in proptest::collection::vec((proptest::prelude::any::<usize>(), proptest::prelude::any::<u8>()), 0..6),
        tail in proptest::collection::vec(proptest::prelude::any::<u8>(), 0..300),
        size in 1_usize..400,
        slot in proptest::prelude::any::<bool>(),
        range in proptest::option::of(0_u64..9),
    ) {
        let begin: [&[u8]; 4] = [
            b"HTTP/1.1 200 OK\r\nContent-Length: 120\r\nETag: \"v\"\r\n\r\n",
            b"HTTP/1.1 206 P\r\nContent-Range: bytes 3-122/123\r\nContent-Length: 120\r\n\r\n",
            b"HTTP/1.1 103 E\r\n\r\nHTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
            b"HTTP/1.0 302 Found\r\nLocation: x\r\n\r\n",
        ];
        let mut answer = [begin[kind], &tail].concat();
        for (place, byte) in changes {
            let place = place % answer.len();
            answer[place] ^= byte;
        }
        let sink = if slot { Sink::Slot(Slot(0)) } else { Sink::Memory(100) };
        let mut http = http(Exchange { range, ..exchange(sink) });
        let (mut pieces, mut told, mut last) = (answer.chunks(size), 0, false);
        for _ in 0..2000 {
            match http.next() {
                Some(News::Keep(_)) => http.kept(),
                Some(News::Told(Told::Chunk(bytes))) => told += bytes.len(),
                Some(News::Told(told)) => {
                    proptest::prop_assert!(!last, "something after the last");
                    last = told.is_last();
                }
                None => match pieces.next() {
                    Some(piece) if http.wants_bytes() => http.receive(piece),
                    _ => http.end(Cause::Lost),
                },
            }
            proptest::prop_assert!(told <= 100 && http.incoming.len() < CHUNK + size);
        }
        proptest::prop_assert!(last, "it never ends");
    }
}

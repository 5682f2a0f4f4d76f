//! Where requests go, and what they carry there.

use crate::{
    rig::{Order, Rig, content, job},
    server::Turn,
};
use skytether_core::{
    download::{Fault, Options},
    http::{Rules, UrlFault},
    io::{Exchange, Method},
};

const LEN: usize = 10;

fn tokens(exchange: &Exchange) -> bool {
    exchange.headers.iter().any(|(name, _)| name == "Authorization")
}

fn with(rules: Rules, url: &str, turns: impl IntoIterator<Item = Turn>) -> Rig {
    let mut rig = Rig::new(Options { rules, checkpoint: 1, ..Options::default() }, content(LEN), 3);
    rig.server.turns.extend(turns);
    let mut job = job(&content(LEN));
    job.url = url.into();
    rig.order(&Order::Start(job));
    rig
}

#[test]
fn a_request_asks_for_the_plain_bytes_with_the_clouds_headers() {
    let mut rig = Rig::fetching(LEN, []);
    rig.succeeds();
    let asked = &rig.server.asked[0];
    assert_eq!((asked.method, asked.body.len(), asked.certificate), (Method::Get, 0, true));
    assert_eq!(asked.url, "https://files.example/image?sig=secret");
    let headers = [("Authorization", "secret"), ("Accept-Encoding", "identity")].map(|(a, b)| (a.into(), b.into()));
    assert_eq!(asked.headers, headers);
}

#[test]
fn r_103_a_url_that_is_not_allowed_is_never_asked() {
    let listed = || Rules { hosts: vec!["files.example".into()], ..Rules::default() };
    for (rules, url, fault) in [
        (Rules::default(), "http://files.example/a", UrlFault::PlainHttp),
        (Rules::default(), "https://user:word@files.example/a", UrlFault::UserInfo),
        (Rules::default(), "files.example/a", UrlFault::Malformed),
        (listed(), "https://evil.example/a", UrlFault::NotAllowed),
    ] {
        let mut rig = with(rules, url, []);
        rig.fails(Fault::Url(fault));
        assert_eq!(rig.ranges(), []);
    }
    let plain = Rules { plain_http: true, ..Rules::default() };
    with(plain, "http://files.example/a", []).succeeds();
    with(listed(), "https://files.example/a", []).succeeds();
}

#[test]
fn r_103_a_redirect_is_followed_without_what_was_meant_for_the_first_host() {
    for status in [301, 302, 303, 307, 308] {
        let turns = [Turn::Redirect(status, Some("/b")), Turn::Redirect(status, Some("https://cdn.example/c"))];
        let mut rig = with(Rules::default(), "https://files.example/a", turns);
        rig.succeeds();
        let asked: Vec<_> =
            rig.server.asked.iter().map(|asked| (asked.url.as_str(), tokens(asked), asked.certificate)).collect();
        assert_eq!(
            asked,
            [
                ("https://files.example/a", true, true),
                ("https://files.example/b", true, true),
                ("https://cdn.example/c", false, false),
            ]
        );
    }
}

#[test]
fn r_103_a_redirect_keeps_the_range_and_a_later_request_starts_from_the_first_url() {
    let away = || Turn::Redirect(302, Some("https://cdn.example/c"));
    let mut rig = with(Rules::default(), "https://files.example/a", [away(), Turn::Break(4), away()]);
    rig.succeeds();
    let asked: Vec<_> = rig.server.asked.iter().map(|asked| (asked.url.as_str(), asked.range)).collect();
    assert_eq!(
        asked,
        [
            ("https://files.example/a", None),
            ("https://cdn.example/c", None),
            ("https://files.example/a", Some(4)),
            ("https://cdn.example/c", Some(4)),
        ]
    );
    assert!(rig.server.asked[3].headers.iter().any(|(name, _)| name == "If-Range"));
}

#[test]
fn r_103_redirects_that_are_not_allowed_end_the_download() {
    for (location, fault) in [
        (Some("http://files.example/a"), UrlFault::Downgrade),
        (Some("https://user@files.example/a"), UrlFault::UserInfo),
        (Some("https://evil.example/a"), UrlFault::NotAllowed),
        (None, UrlFault::NoLocation),
    ] {
        let rules = Rules { hosts: vec!["files.example".into()], plain_http: true };
        let mut rig = with(rules, "https://files.example/a", [Turn::Redirect(302, location)]);
        rig.fails(Fault::Url(fault));
        assert_eq!(rig.ranges().len(), 1);
    }
    let mut rig = with(Rules::default(), "https://files.example/a", (0..9).map(|_| Turn::Redirect(302, Some("/b"))));
    rig.fails(Fault::Url(UrlFault::TooManyRedirects));
    assert_eq!(rig.ranges().len(), 4);
}

#[test]
fn a_slot_gets_nothing_of_an_answer_that_is_no_content() {
    let mut rig = Rig::fetching(LEN, [Turn::Break(3), Turn::Status(503, None), Turn::Status(404, None)]);
    rig.fails(Fault::Status(404));
    assert_eq!(rig.slot, content(LEN)[..3]);
}

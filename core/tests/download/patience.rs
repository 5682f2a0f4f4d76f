//! How long a download waits, for what, and how much it says meanwhile.

use crate::{
    rig::{Order, Rig, content, eager, job},
    server::{Head, Part, Turn},
};
use core::time::Duration;
use skytether_core::{
    download::{Fault, News, Options},
    io::{Cause, Instant, Machine as _, TlsFault},
};

const LEN: usize = 40;

/// Whether `rig` is silent until `at` and then makes its next request.
#[track_caller]
fn asks_next_at(rig: &mut Rig, earliest: u64, latest: u64) {
    let asked = rig.server.asked.len();
    while rig.server.asked.len() == asked {
        assert!(rig.turn());
    }
    assert!((earliest..=latest).contains(&rig.now.0), "{:?}", rig.now);
}

#[test]
fn r_108_silence_of_60_s_breaks_a_request_off() {
    let mut rig = Rig::fetching(LEN, [Turn::Mute, Turn::Silent(10)]);
    asks_next_at(&mut rig, 0, 0);
    asks_next_at(&mut rig, 60_250, 61_000);
    let now = rig.now.0;
    asks_next_at(&mut rig, now + 60_250, now + 62_000);
    assert_eq!(rig.server.asked[2].range, Some(10));
    rig.succeeds();
}

#[test]
fn r_108_each_chunk_winds_the_stall_timer_up() {
    let mut rig = Rig::fetching(LEN, [Turn::Silent(10)]);
    while rig.slot.len() < 3 {
        rig.turn();
    }
    rig.now = Instant(59_999);
    while rig.slot.len() < 6 {
        rig.turn();
    }
    let deadline = rig.device.deadline().unwrap();
    assert_eq!((deadline.at, deadline.why), (Instant(119_999), "download stall"));
}

#[test]
fn r_108_the_whole_has_a_limit_that_outlives_restarts() {
    let options = || Options { overall: Duration::from_mins(10), attempts: u32::MAX, ..eager() };
    let fetch = |rig: &mut Rig| rig.order(&Order::Start(job(&content(LEN))));
    let mut rig = Rig::new(options(), content(LEN), 3);
    rig.server.turns.extend((0..1000).map(|_| Turn::Mute));
    fetch(&mut rig);
    rig.fails(Fault::TooSlow);
    assert_eq!(rig.now, Instant(600_000));

    let mut rig = Rig::new(options(), content(LEN), 3);
    rig.server.turns.extend((0..1000).map(|_| Turn::Mute));
    fetch(&mut rig);
    while rig.now.0 < 400_000 {
        rig.turn();
    }
    rig.power_cut(true);
    fetch(&mut rig);
    rig.fails(Fault::TooSlow);
    assert!((60_000..=300_000).contains(&rig.now.0), "{:?}", rig.now);
}

#[test]
fn throttling_and_server_errors_are_tried_again_and_retry_after_is_honoured() {
    for status in [408, 429, 500, 502, 503, 504] {
        let mut rig = Rig::fetching(LEN, [Turn::Status(status, Some(30)), Turn::Status(status, None)]);
        asks_next_at(&mut rig, 0, 0);
        asks_next_at(&mut rig, 30_000, 30_000);
        asks_next_at(&mut rig, 30_250, 32_000);
        rig.succeeds();
    }
    for status in [400, 401, 403, 404, 410, 100, 204, 304, 999] {
        let mut rig = Rig::fetching(LEN, [Turn::Status(status, None)]);
        let fault = Fault::Status(status);
        if status < 500 { rig.fails(fault) } else { rig.succeeds() }
    }
}

#[test]
fn r_40_a_server_that_never_serves_is_given_up_after_ten_requests() {
    for (turn, fault) in [
        (Turn::Refuse(Cause::Unreachable), Fault::Broken(Cause::Unreachable)),
        (Turn::Refuse(Cause::Tls(TlsFault::Expired)), Fault::Broken(Cause::Tls(TlsFault::Expired))),
        (Turn::Status(503, None), Fault::Status(503)),
        (Turn::Mute, Fault::Stalled),
        (Turn::Break(0), Fault::Broken(Cause::Lost)),
    ] {
        let mut rig = Rig::fetching(LEN, (0..100).map(|_| turn.clone()));
        rig.fails(fault);
        assert_eq!(rig.server.asked.len(), 10, "{turn:?}");
    }
    let mut rig = Rig::fetching(LEN, (0..LEN).map(|_| Turn::Break(1)));
    rig.succeeds();
}

#[test]
fn what_another_try_cannot_mend_is_not_tried_again() {
    let cause = Cause::Unsupported("HTTP exchanges");
    for (cause, fault) in [(cause, Fault::Broken(cause)), (Cause::Storage("full"), Fault::Storage)] {
        let mut rig = Rig::fetching(LEN, [Turn::Refuse(cause)]);
        rig.fails(fault);
        assert_eq!(rig.server.asked.len(), 1);
    }
}

#[test]
fn r_109_progress_is_told_twenty_times_at_most_when_it_is_quick() {
    let content = content(10_000);
    let job = job(&content);
    let mut rig = Rig::new(Options::default(), content, 7);
    rig.order(&Order::Start(job));
    rig.succeeds();
    let told: Vec<_> = rig.news.iter().filter(|news| matches!(news, News::Progress { .. })).collect();
    assert!((15..=20).contains(&told.len()), "{told:?}");
    assert!(matches!(told[0], News::Progress { done: 500..=510, total: Some(10_000) }), "{told:?}");
}

#[test]
fn parts_of_an_answer_that_come_out_of_order_break_it_off() {
    let head = || Part::Head(Head { status: 200, length: Some(40), ..Head::default() });
    for parts in [
        vec![Part::End],
        vec![Part::Chunk(content(LEN))],
        vec![head(), head()],
        vec![head(), Part::Chunk(content(LEN)[..5].to_vec()), head()],
    ] {
        let mut rig = Rig::fetching(LEN, [Turn::Parts(parts.clone())]);
        rig.succeeds();
        assert_eq!(rig.server.asked.len(), 2, "{parts:?}");
    }
}

#[test]
fn r_108_a_refused_url_is_renewed_where_the_cloud_can() {
    let mut job = job(&content(LEN));
    job.renewable = true;
    let mut rig = Rig::new(eager(), content(LEN), 3);
    rig.server.turns.extend([Turn::Break(10), Turn::Status(403, None)]);
    rig.order(&Order::Start(job));
    assert_eq!(rig.run(), Some(News::UrlRefused(403)));
    rig.order(&Order::Renew("https://files.example/image?sig=new"));
    rig.succeeds();
    let last = rig.server.asked.last().unwrap();
    assert_eq!((last.url.as_str(), last.range), ("https://files.example/image?sig=new", Some(10)));
}

#[test]
fn r_108_a_url_is_renewed_three_times_at_most_and_not_waited_for_beyond_the_limit() {
    let mut job = job(&content(LEN));
    job.renewable = true;
    let mut rig = Rig::new(eager(), content(LEN), 3);
    rig.server.turns.extend((0..9).map(|_| Turn::Status(401, None)));
    rig.order(&Order::Start(job.clone()));
    for _ in 0..3 {
        assert_eq!(rig.run(), Some(News::UrlRefused(401)));
        rig.order(&Order::Start(job.clone()));
    }
    rig.fails(Fault::Status(401));
    rig.order(&Order::Start(job));
    assert_eq!(rig.run(), Some(News::UrlRefused(401)));
    rig.fails(Fault::TooSlow);
    assert_eq!(rig.now, Instant(24 * 3_600_000));
}

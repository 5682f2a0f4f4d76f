//! Content that is not what was expected.

use crate::{
    rig::{Order, Rig, content, job},
    server::Turn,
};
use skytether_core::{
    download::{Digest, Fault, News},
    io::{Machine as _, StoreFailed},
};

const LEN: usize = 40;

/// Each with what brings it about on a request for a range, and what is said when it never ends.
fn wrong() -> [(Turn, Fault); 8] {
    [
        (Turn::Wrong, Fault::Digest),
        (Turn::Short(1), Fault::Short { expected: 40, came: 39 }),
        (Turn::Long, Fault::Long),
        (Turn::Tells(41), Fault::Size { expected: 40, told: 41 }),
        (Turn::Tells(39), Fault::Size { expected: 40, told: 39 }),
        (Turn::Whole, Fault::NoRange),
        (Turn::First(9), Fault::NoRange),
        (Turn::Tag(Some("\"v2\"")), Fault::Changed),
    ]
}

#[test]
fn r_101_wrong_content_is_discarded_and_fetched_from_the_start() {
    for (turn, _) in wrong() {
        let mut rig = Rig::fetching(LEN, [Turn::Break(10), turn.clone()]);
        rig.succeeds();
        assert_eq!(rig.ranges(), [None, Some(10), None], "{turn:?}");
    }
}

#[test]
fn r_101_content_that_is_wrong_for_the_fourth_time_is_given_up() {
    for (turn, fault) in wrong() {
        let turns = (0..10).flat_map(|_| [Turn::Break(10), turn.clone()]);
        let mut rig = Rig::fetching(LEN, turns);
        rig.fails(fault);
        let starts = rig.ranges().iter().filter(|range| range.is_none()).count();
        assert_eq!(starts, 4, "{turn:?}");
        assert_eq!(rig.record, None, "nothing of it is kept");
    }
}

#[test]
fn r_101_a_restart_of_the_device_gives_no_more_tries() {
    let mut rig = Rig::fetching(LEN, (0..10).map(|_| Turn::Wrong));
    while rig.server.asked.len() < 3 {
        assert!(rig.turn());
    }
    rig.power_cut(false);
    rig.order(&Order::Start(job(&content(LEN))));
    rig.fails(Fault::Digest);
    assert!(rig.server.asked.len() <= 5, "{:?}", rig.ranges());
}

#[test]
fn r_101_a_head_that_tells_nothing_is_judged_by_the_body() {
    let mut rig = Rig::fetching(LEN, [Turn::TellsNothing]);
    rig.succeeds();
    let mut job = job(&content(LEN));
    job.size = None;
    let mut rig = Rig::new(crate::rig::eager(), content(LEN), 3);
    rig.server.turns.extend([Turn::TellsNothing]);
    rig.order(&Order::Start(job));
    rig.succeeds();
}

#[test]
fn r_101_the_length_that_the_first_head_told_binds_the_second() {
    let mut job = job(&content(LEN));
    (job.size, job.digest) = (None, None);
    let mut rig = Rig::new(crate::rig::eager(), content(LEN), 3);
    rig.server.turns.extend([Turn::Break(10), Turn::Tells(41)]);
    rig.order(&Order::Start(job));
    rig.succeeds();
    assert_eq!(rig.ranges(), [None, Some(10), None]);
}

#[test]
fn r_101_an_entity_tag_that_went_missing_or_is_weak_proves_nothing_against_the_content() {
    let mut rig = Rig::fetching(LEN, [Turn::Break(10), Turn::Tag(None)]);
    rig.succeeds();
    assert_eq!(rig.ranges(), [None, Some(10)]);
    let mut rig = Rig::fetching(LEN, [Turn::Parts(vec![])]);
    rig.server.turns.clear();
    rig.server.turns.extend([Turn::Tag(Some("W/\"v1\"")), Turn::Good]);
    rig.succeeds();
    for tag in ["v1", "\"a b\"", "\"\r\nX: y\"", "\""] {
        let mut rig = Rig::new(crate::rig::eager(), content(LEN), 3);
        let mut head = crate::server::Head { status: 200, length: Some(40), ..Default::default() };
        head.etag = Some(tag);
        let parts = [crate::server::Part::Head(head), crate::server::Part::Chunk(content(LEN)[..7].to_vec())];
        let failed = crate::server::Part::Failed(skytether_core::io::Cause::Lost);
        rig.server.turns.push_back(Turn::Parts(parts.into_iter().chain([failed]).collect()));
        rig.order(&Order::Start(job(&content(LEN))));
        rig.succeeds();
        let again = &rig.server.asked[1];
        assert_eq!(again.range, Some(7));
        assert!(again.headers.iter().all(|(name, _)| name != "If-Range"), "{tag}");
    }
}

#[test]
fn a_server_may_serve_a_range_in_parts_of_its_own() {
    let mut rig = Rig::fetching(LEN, [Turn::Break(10), Turn::Part(10), Turn::Part(10)]);
    rig.succeeds();
    assert_eq!(rig.ranges(), [None, Some(10), Some(20), Some(30)]);
    let mut rig = Rig::fetching(LEN, [Turn::Break(10), Turn::Part(0)]);
    rig.succeeds();
    assert_eq!(rig.ranges(), [None, Some(10), None], "a part of nothing leads nowhere");
}

#[test]
fn an_empty_file_is_a_file() {
    let mut rig = Rig::fetching(0, []);
    rig.succeeds();
    assert_eq!(rig.ranges(), [None]);
}

#[test]
fn each_kind_of_digest_is_held_against_the_content() {
    let content = content(LEN);
    let sha1 = <sha1::Sha1 as sha2::Digest>::digest(&content).into();
    let md5 = <md5::Md5 as sha2::Digest>::digest(&content).into();
    for (good, bad) in [
        (Digest::Sha1(sha1), Digest::Sha1([0; 20])),
        (Digest::Md5(md5), Digest::Md5([0; 16])),
        (job(&content).digest.unwrap(), Digest::Sha256([0; 32])),
    ] {
        for (digest, end) in [(good, News::Ready), (bad, News::Failed(Fault::Digest))] {
            let mut job = job(&content);
            job.digest = Some(digest);
            let mut rig = Rig::new(crate::rig::eager(), content.clone(), 3);
            rig.server.turns.extend([Turn::Break(5), Turn::Break(6)]);
            rig.order(&Order::Start(job));
            assert_eq!(rig.run(), Some(end), "{digest:?}");
        }
    }
}

fn judging() -> Rig {
    let mut job = job(&content(LEN));
    job.judged = true;
    let mut rig = Rig::new(crate::rig::eager(), content(LEN), 3);
    rig.order(&Order::Start(job));
    assert_eq!(rig.run(), Some(News::Judge));
    rig
}

#[test]
fn r_102_the_applications_verdict_is_final() {
    let mut rig = judging();
    rig.order(&Order::Verdict(false));
    rig.fails(Fault::Rejected);
    assert_eq!(rig.record, None);
    rig.order(&Order::Verdict(true));
    assert_eq!(rig.rejected.len(), 1, "there is nothing left to judge");

    let mut rig = judging();
    rig.order(&Order::Verdict(true));
    rig.succeeds();
    rig.order(&Order::Verdict(false));
    assert_eq!(rig.rejected.len(), 1);
}

#[test]
fn r_102_the_verdict_has_no_time_limit_and_is_asked_again_after_a_restart() {
    let mut rig = judging();
    assert_eq!(rig.device.deadline(), None);
    rig.power_cut(false);
    let mut job = job(&content(LEN));
    job.judged = true;
    rig.order(&Order::Start(job));
    assert_eq!(rig.run(), Some(News::Judge));
    assert_eq!(rig.server.asked.len(), 1, "it is not fetched again");
    rig.order(&Order::Verdict(true));
    rig.succeeds();
}

#[test]
fn r_100_nothing_is_ready_that_the_store_could_not_keep() {
    for judged in [false, true] {
        let mut job = job(&content(LEN));
        job.judged = judged;
        let mut rig = Rig::new(crate::rig::eager(), content(LEN), 3);
        rig.order(&Order::Start(job));
        rig.turn();
        rig.broken_store = true;
        assert_eq!(rig.run(), Some(News::Failed(Fault::Storage)));
        assert!(!rig.news.contains(&News::Judge));
    }
    let mut rig = Rig::new(crate::rig::eager(), content(LEN), 3);
    rig.order(&Order::Open);
    rig.turn();
    rig.broken_store = true;
    rig.order(&Order::Note(vec![1]));
    while rig.turn() {}
    assert_eq!(rig.news.last(), Some(&News::Noted(Err(StoreFailed))));
}

#[test]
fn r_106_content_without_room_is_refused_before_the_first_request() {
    let mut job = job(&content(LEN));
    job.room = Some(39);
    let mut rig = Rig::new(crate::rig::eager(), content(LEN), 3);
    rig.order(&Order::Start(job.clone()));
    rig.fails(Fault::NoRoom { size: 40, room: 39 });
    assert_eq!(rig.ranges(), []);
    // Where the cloud does not tell the size, the head does; where that does not either, the body.
    job.size = None;
    for (turn, size) in [(Turn::Good, 40), (Turn::TellsNothing, 40)] {
        let from_head = matches!(turn, Turn::Good);
        rig.server.turns.push_back(turn);
        rig.order(&Order::Start(job.clone()));
        rig.fails(Fault::NoRoom { size, room: 39 });
        assert!(!from_head || rig.slot.is_empty(), "what the head tells is enough");
    }
    job.room = Some(40);
    rig.order(&Order::Start(job));
    rig.succeeds();
}

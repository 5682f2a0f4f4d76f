//! Breaks of the connection and of the power, everywhere.

use crate::{
    rig::{Order, Rig, content, eager, job},
    server::Turn,
};
use skytether_core::download::{News, Options};

const LEN: usize = 40;

#[test]
fn r_100_a_break_at_every_byte_goes_on_from_there() {
    for at in 0..=LEN {
        let mut rig = Rig::fetching(LEN, [Turn::Break(at)]);
        rig.succeeds();
        let expected = match at {
            0 => vec![None, None],
            // All had come before it broke: there is nothing left to ask for.
            LEN => vec![None],
            at => vec![None, Some(at as u64)],
        };
        assert_eq!(rig.ranges(), expected);
        let again = rig.server.asked.last().unwrap();
        let if_range = again.headers.iter().find(|(name, _)| name == "If-Range").map(|(_, tag)| tag.as_str());
        assert_eq!(if_range, (at > 0 && at < LEN).then_some("\"v1\""));
    }
}

#[test]
fn r_100_breaks_one_after_the_other_cost_no_byte_twice() {
    let mut rig = Rig::fetching(LEN, (0..LEN).map(|_| Turn::Break(1)));
    rig.succeeds();
    let expected: Vec<_> = (0..LEN as u64).map(|at| (at > 0).then_some(at)).collect();
    assert_eq!(rig.ranges(), expected);
}

/// One download with the power going after `cut` turns; whether it came that far.
fn cut_once(cut: usize, lucky: bool, slow_store: bool, judged: bool, checkpoint: u64) -> bool {
    let content = content(LEN);
    let mut job = job(&content);
    job.judged = judged;
    let options = Options { checkpoint, ..eager() };
    let mut rig = Rig::new(options, content, 3);
    rig.server.turns.extend([Turn::Break(9), Turn::Wrong, Turn::Break(20), Turn::Whole]);
    rig.slow_store = slow_store;
    rig.order(&Order::Start(job.clone()));
    let mut judged_once = false;
    for turn in 0..cut {
        if rig.news.contains(&News::Ready) {
            return false;
        }
        if rig.news.contains(&News::Judge) && !judged_once {
            rig.holds();
            rig.order(&Order::Verdict(true));
            judged_once = true;
        }
        assert!(rig.turn(), "{turn}");
    }
    let was_ready = rig.news.contains(&News::Ready);
    rig.power_cut(lucky);
    rig.server.turns.clear();
    let asked = rig.server.asked.len();
    rig.order(&Order::Start(job));
    let mut end = rig.run();
    if end == Some(News::Judge) {
        assert!(judged && !was_ready);
        rig.holds();
        rig.order(&Order::Verdict(true));
        end = rig.run();
    }
    assert_eq!(end, Some(News::Ready), "cut after {cut} turns: {:?}", rig.news);
    rig.holds();
    if was_ready {
        assert_eq!(rig.server.asked.len(), asked, "what is ready is not fetched again");
    }
    true
}

#[test]
fn r_100_a_power_cut_at_any_point_loses_nothing_and_lets_nothing_wrong_through() {
    for (judged, checkpoint) in [(false, 1), (true, 1), (true, 16)] {
        for slow_store in [false, true] {
            for lucky in [false, true] {
                let cuts = (0..10_000).take_while(|cut| cut_once(*cut, lucky, slow_store, judged, checkpoint)).count();
                assert!(cuts > 50, "{cuts}");
            }
        }
    }
}

#[test]
fn r_100_power_cuts_in_a_row_get_on_and_end() {
    for every in 3..30 {
        let content = content(LEN);
        let job = job(&content);
        let mut rig = Rig::new(eager(), content, 3);
        let mut cuts = 0;
        'life: while cuts < 100 {
            rig.order(&Order::Start(job.clone()));
            for _ in 0..every {
                assert!(rig.turn());
                if rig.news.contains(&News::Ready) {
                    break 'life;
                }
            }
            rig.power_cut(cuts % 2 == 0);
            cuts += 1;
        }
        // Load, record, head and first chunk take four turns: with fewer, no byte is ever noted.
        assert!(every < 6 || cuts < 50, "{every}: {cuts}");
        if cuts < 100 {
            rig.holds();
        }
    }
}

/// Where it is not so, a power cut leaves a record of the old content over the start of the new one.
#[test]
fn r_100_a_slot_is_written_from_its_start_only_once_the_record_says_that_it_holds_nothing() {
    let mut rig = Rig::fetching(LEN, [Turn::Break(9), Turn::Wrong, Turn::Whole]);
    rig.slow_store = true;
    rig.succeeds();
    assert_eq!(rig.ranges(), [None, Some(9), None]);
    let mut rig = Rig::fetching(LEN, []);
    rig.turn();
    assert_eq!(rig.ranges(), [], "the record is being written");
    rig.broken_store = true;
    rig.fails(skytether_core::download::Fault::Storage);
    assert_eq!(rig.ranges(), []);
}

#[test]
fn r_96_the_record_is_written_about_70_times_at_most() {
    let content = content(1_000_000);
    let job = job(&content);
    let mut rig = Rig::new(Options::default(), content, 1000);
    rig.order(&Order::Start(job));
    rig.succeeds();
    assert!((10..=20).contains(&rig.writes), "{}", rig.writes);
    let content = content_of_one_chunk();
    let mut rig = Rig::new(eager(), content.clone(), 100);
    rig.order(&Order::Start(self::job(&content)));
    rig.succeeds();
    assert!((60..=70).contains(&rig.writes), "{}", rig.writes);
}

fn content_of_one_chunk() -> Vec<u8> {
    content(100_000)
}

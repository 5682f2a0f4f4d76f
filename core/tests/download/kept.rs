//! What is kept between jobs and between lives.

use crate::{
    rig::{Order, Rig, content, eager, job},
    server::Turn,
};
use skytether_core::{
    download::{Fault, Job, News},
    io::{Machine as _, Rejected},
};

const LEN: usize = 40;

fn rest(rig: &mut Rig) {
    while rig.turn() {}
}

#[test]
fn r_105_the_same_job_again_changes_nothing_and_another_is_refused() {
    let mut rig = Rig::fetching(LEN, [Turn::Break(10)]);
    rig.order(&Order::Start(job(&content(LEN))));
    while rig.server.asked.is_empty() {
        rig.turn();
    }
    rig.order(&Order::Start(job(&content(LEN))));
    assert_eq!((rig.server.asked.len(), rig.rejected.len()), (1, 0));
    let others: [fn(&mut Job); 3] = [|job| job.id = "other".into(), |job| job.size = Some(41), |job| job.digest = None];
    for change in others {
        let mut other = job(&content(LEN));
        change(&mut other);
        rig.order(&Order::Start(other));
        assert_eq!(rig.rejected.pop(), Some(Rejected::Full));
    }
    rig.succeeds();
    assert_eq!(rig.ranges(), [None, Some(10)]);
}

#[test]
fn r_105_the_same_job_from_another_url_goes_on_there() {
    let mut rig = Rig::fetching(LEN, [Turn::Break(10)]);
    while rig.server.asked.is_empty() {
        rig.turn();
    }
    let mut again = job(&content(LEN));
    again.url = "https://files.example/image?sig=new".into();
    rig.order(&Order::Start(again));
    rig.succeeds();
    assert_eq!(rig.server.asked[1].url, "https://files.example/image?sig=new");
    assert_eq!(rig.server.asked[1].range, Some(10));
}

#[test]
fn another_job_after_a_restart_takes_nothing_from_the_record() {
    let others: [fn(&mut Job); 3] = [|job| job.id = "other".into(), |job| job.digest = None, |job| job.size = None];
    for (n, change) in others.into_iter().enumerate() {
        let mut rig = Rig::fetching(LEN, [Turn::Silent(10)]);
        while rig.device.deadline().is_none_or(|deadline| deadline.why != "download stall") || rig.writes < 4 {
            rig.turn();
        }
        rig.power_cut(true);
        let mut other = job(&content(LEN));
        change(&mut other);
        rig.order(&Order::Start(other));
        rig.succeeds();
        // A job that tells no size may be the one that was begun.
        assert_eq!(rig.server.asked[1].range.is_some(), n == 2);
    }
}

#[test]
fn what_is_ready_stays_ready_until_it_is_released() {
    let mut rig = Rig::fetching(LEN, []);
    rig.succeeds();
    rest(&mut rig);
    rig.power_cut(false);
    rig.order(&Order::Open);
    rest(&mut rig);
    assert_eq!(rig.news, [News::Opened { job: Some("job".into()), note: vec![] }]);
    rig.order(&Order::Start(job(&content(LEN))));
    rig.succeeds();
    assert_eq!(rig.server.asked.len(), 1);
    rig.order(&Order::Release);
    rest(&mut rig);
    assert_eq!(rig.record, None);
    rig.order(&Order::Start(job(&content(LEN))));
    rig.succeeds();
    assert_eq!(rig.server.asked.len(), 2);
}

#[test]
fn r_108_a_cancelled_download_leaves_nothing() {
    for turns in 0..30 {
        let mut rig = Rig::fetching(LEN, [Turn::Break(10)]);
        for _ in 0..turns {
            rig.turn();
        }
        rig.order(&Order::Cancel);
        rig.fails(Fault::Cancelled);
        assert_eq!(rig.record, None);
        let asked = rig.server.asked.len();
        rest(&mut rig);
        assert_eq!(rig.server.asked.len(), asked);
        rig.order(&Order::Start(job(&content(LEN))));
        rig.succeeds();
    }
}

#[test]
fn a_note_is_stored_beside_the_download_and_outlives_it() {
    let mut rig = Rig::fetching(LEN, [Turn::Break(10)]);
    rig.turn();
    rig.order(&Order::Note(b"installing".to_vec()));
    rig.succeeds();
    assert!(rig.news.contains(&News::Noted(Ok(()))));
    rig.order(&Order::Release);
    rest(&mut rig);
    rig.power_cut(false);
    rig.order(&Order::Open);
    rest(&mut rig);
    assert_eq!(rig.news, [News::Opened { job: None, note: b"installing".to_vec() }]);
    rig.order(&Order::Note(vec![]));
    rest(&mut rig);
    assert_eq!(rig.record, None);
    rig.order(&Order::Note(vec![0; 4097]));
    assert_eq!(rig.rejected.len(), 1);
}

#[test]
fn a_note_that_is_said_to_be_stored_is_the_latest_one() {
    let mut rig = Rig::new(eager(), content(LEN), 3);
    rig.order(&Order::Open);
    rest(&mut rig);
    rig.order(&Order::Note(vec![1]));
    rig.order(&Order::Note(vec![2]));
    rig.turn();
    assert!(!rig.news.contains(&News::Noted(Ok(()))), "the first is stored, the second is not yet");
    rest(&mut rig);
    assert_eq!(rig.news.iter().filter(|news| **news == News::Noted(Ok(()))).count(), 1);
}

#[test]
fn r_91_r_93_r_94_r_95_a_record_that_cannot_be_used_is_left_untouched_until_it_is_forgotten() {
    let sealed = |rig: &mut Rig| {
        rig.order(&Order::Start(job(&content(LEN))));
        while rig.record.is_none() {
            rig.turn();
        }
        rig.record.clone().unwrap()
    };
    let good = sealed(&mut Rig::new(eager(), content(LEN), 3));
    let mut newer = good.clone();
    newer[4] += 1;
    let mut damaged = good.clone();
    *damaged.last_mut().unwrap() ^= 1;
    let mut foreign = good.clone();
    // "cloud/pump-7" becomes "cloud/pump-8", with a sound checksum.
    foreign[26] = b'8';
    let crc = crc32fast::hash(&foreign[13..]).to_be_bytes();
    foreign[9..13].copy_from_slice(&crc);
    for (record, why) in [
        (newer, "the record of the download is of another version"),
        (good[..good.len() - 1].to_vec(), "the record of the download is cut off"),
        (damaged, "the record of the download is damaged"),
        (foreign, "the record of the download belongs to another device"),
    ] {
        let mut rig = Rig::new(eager(), content(LEN), 3);
        rig.record = Some(record.clone());
        rig.order(&Order::Start(job(&content(LEN))));
        rest(&mut rig);
        assert_eq!(rig.news, [News::Unusable(why), News::Failed(Fault::Storage)]);
        rig.order(&Order::Start(job(&content(LEN))));
        rig.order(&Order::Note(vec![1]));
        assert_eq!(rig.rejected[0], Rejected::Invalid(why));
        assert_eq!(rig.rejected.len(), 2);
        rest(&mut rig);
        assert_eq!((&rig.record, rig.server.asked.len()), (&Some(record), 0));
        rig.order(&Order::Forget);
        rest(&mut rig);
        assert_eq!(rig.news.last(), Some(&News::Opened { job: None, note: vec![] }));
        rig.hush();
        rig.order(&Order::Start(job(&content(LEN))));
        rig.succeeds();
    }
}

#[test]
fn r_90_without_a_store_there_is_no_download() {
    let mut rig = Rig::new(eager(), content(LEN), 3);
    rig.broken_store = true;
    rig.order(&Order::Start(job(&content(LEN))));
    rest(&mut rig);
    assert_eq!(rig.news, [News::Unusable("the store could not be read"), News::Failed(Fault::Storage)]);
    assert_eq!(rig.server.asked.len(), 0);
}

#[test]
fn a_job_needs_a_name_of_128_bytes_at_most() {
    for (len, good) in [(0, false), (1, true), (128, true), (129, false)] {
        let mut rig = Rig::new(eager(), content(LEN), 3);
        let mut job = job(&content(LEN));
        job.id = "x".repeat(len);
        rig.order(&Order::Start(job));
        assert_eq!(rig.rejected.is_empty(), good, "{len}");
    }
}

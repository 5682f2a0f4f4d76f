//! When a token is renewed, and what is told of one that cannot be: by the wall clock, whatever it does.

use super::event::Event;
use crate::{
    io::{Deadline, Instant, UnixMillis},
    rng::Rng,
    time::millis,
};
use core::time::Duration;

/// A token is renewed this long before its end at the latest, and one that cannot be is told of.
pub(super) const AHEAD: Duration = Duration::from_mins(2);
/// How long a renewal waits for messages that are not acknowledged yet.
pub(super) const PATIENCE: Duration = Duration::from_secs(10);

/// The token of the connection that there is.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct TokenClock {
    plan: Plan,
    /// The wall time as it was last told, and when.
    wall: Option<(UnixMillis, Instant)>,
}

#[derive(Clone, Copy, Debug, Default)]
enum Plan {
    /// A certificate, no connection, or all is told.
    #[default]
    Nothing,
    /// A new one is made then.
    Renew(UnixMillis),
    /// It has been due since then, and messages are under way.
    Overdue(Instant),
    /// Its end is announced 2 min ahead.
    Announce(u64),
    /// Its end is told.
    End(u64),
}

/// What the clock says.
#[derive(Debug)]
pub(super) enum Due {
    Nothing,
    /// Connect anew.
    Renew,
    Tell(Event),
}

impl TokenClock {
    /// A token made at `wall` for `life` is used.
    pub(super) fn signed(&mut self, now: Instant, wall: UnixMillis, life: Duration, rng: &mut Rng) {
        let share = millis(life) / 5 * 4;
        let last = share.min(millis(life.saturating_sub(AHEAD)));
        // Up to 5 % earlier, so that a fleet does not renew at once; never later.
        let early = rng.up_to(last / 20);
        self.plan = Plan::Renew(wall.after(Duration::from_millis(last.saturating_sub(early))));
        self.wall = Some((wall, now));
    }

    /// A token that ends at `expiry` and cannot be renewed is used.
    pub(super) fn fixed(&mut self, expiry: u64) {
        if !matches!(self.plan, Plan::End(_) | Plan::Announce(_)) {
            self.plan = Plan::Announce(expiry);
        }
    }

    /// No token is used any more. What is told of a fixed one goes on without a connection.
    pub(super) fn unused(&mut self) {
        if matches!(self.plan, Plan::Renew(_) | Plan::Overdue(_)) {
            self.plan = Plan::Nothing;
        }
    }

    /// The wall time was told, or stepped.
    pub(super) fn wall(&mut self, now: Instant, wall: Option<UnixMillis>) {
        self.wall = wall.map(|wall| (wall, now));
    }

    /// What is due. `quiet`: no message waits for its acknowledgement.
    pub(super) fn due(&mut self, now: Instant, quiet: bool) -> Due {
        if let Plan::Overdue(since) = self.plan {
            let renew = quiet || since.after(PATIENCE) <= now;
            if renew {
                self.plan = Plan::Nothing;
            }
            return if renew { Due::Renew } else { Due::Nothing };
        }
        if self.at().is_none_or(|at| at > now) {
            return Due::Nothing;
        }
        match self.plan {
            Plan::Renew(_) => {
                self.plan = Plan::Overdue(now);
                self.due(now, quiet)
            }
            Plan::Announce(expiry) => {
                self.plan = Plan::End(expiry);
                // One that is over already needs no warning.
                if self.at().is_some_and(|end| end <= now) {
                    self.due(now, quiet)
                } else {
                    tell(Event::TokenExpiring { expiry })
                }
            }
            Plan::End(expiry) => {
                self.plan = Plan::Nothing;
                tell(Event::TokenExpired { expiry })
            }
            Plan::Nothing | Plan::Overdue(_) => Due::Nothing,
        }
    }

    /// When to ask [`TokenClock::due`].
    pub(super) fn deadline(&self) -> Option<Deadline> {
        Some(Deadline { at: self.at()?, why: "token" })
    }

    fn at(&self) -> Option<Instant> {
        let wall = match self.plan {
            Plan::Nothing => return None,
            Plan::Overdue(since) => return Some(since.after(PATIENCE)),
            Plan::Renew(at) => at,
            Plan::Announce(expiry) => UnixMillis(expiry.saturating_mul(1000).saturating_sub(millis(AHEAD))),
            Plan::End(expiry) => UnixMillis(expiry.saturating_mul(1000)),
        };
        let (told, at) = self.wall?;
        let until = Duration::from_millis(wall.0.saturating_sub(told.0));
        Some(at.after(until)).filter(|at| at.0 < u64::MAX)
    }
}

fn tell(event: Event) -> Due {
    Due::Tell(event)
}

#[cfg(test)]
mod tests {
    use super::*;

    const WALL: UnixMillis = UnixMillis(1_700_000_000_000);

    fn signed(life: Duration) -> TokenClock {
        let mut clock = TokenClock::default();
        clock.signed(Instant(1000), WALL, life, &mut Rng::new([7; 32]));
        clock
    }

    #[test]
    fn r_60_a_token_is_renewed_in_the_last_twentieth_before_four_fifths_of_its_life() {
        let mut moments = alloc::collections::BTreeSet::new();
        for seed in 0..50 {
            let mut clock = TokenClock::default();
            clock.signed(Instant(1000), WALL, Duration::from_hours(1), &mut Rng::new([seed; 32]));
            let at = clock.deadline().unwrap().at.0 - 1000;
            assert!((2_736_000..=2_880_000).contains(&at), "{at}");
            moments.insert(at);
        }
        assert!(moments.len() > 40, "a fleet does not renew at once");
    }

    #[test]
    fn a_short_token_is_renewed_2_minutes_before_its_end() {
        let at = signed(Duration::from_mins(5)).deadline().unwrap().at.0 - 1000;
        assert!((171_000..=180_000).contains(&at), "{at}");
    }

    #[test]
    fn r_53_a_step_of_the_wall_clock_moves_the_renewal() {
        let mut clock = signed(Duration::from_hours(1));
        let before = clock.deadline().unwrap().at;
        clock.wall(Instant(2000), Some(WALL.after(Duration::from_mins(10))));
        let after = clock.deadline().unwrap().at;
        assert_eq!(before.since(after), Duration::from_secs(599));
        clock.wall(Instant(3000), Some(WALL.after(Duration::from_hours(24))));
        assert!(matches!(clock.due(Instant(3000), true), Due::Renew));
    }

    #[test]
    fn a_renewal_waits_10_s_for_what_is_not_acknowledged() {
        let mut clock = signed(Duration::from_hours(1));
        let at = clock.deadline().unwrap().at;
        assert!(matches!(clock.due(Instant(at.0 - 1), false), Due::Nothing));
        assert!(matches!(clock.due(at, false), Due::Nothing));
        assert_eq!(clock.deadline().unwrap().at, at.after(PATIENCE));
        let mut patient = clock;
        assert!(matches!(patient.due(Instant(at.0 + 1), true), Due::Renew));
        assert!(matches!(clock.due(at.after(PATIENCE), false), Due::Renew));
        assert!(clock.deadline().is_none());
    }

    #[test]
    fn a_fixed_tokens_end_is_told_twice() {
        let mut clock = TokenClock::default();
        clock.fixed(1_700_003_600);
        assert!(clock.deadline().is_none(), "the time is not known");
        clock.wall(Instant(0), Some(WALL));
        assert_eq!(clock.deadline().unwrap().at, Instant(3_480_000));
        assert!(matches!(
            clock.due(Instant(3_480_000), true),
            Due::Tell(Event::TokenExpiring { expiry: 1_700_003_600 })
        ));
        clock.fixed(1_700_003_600);
        assert!(matches!(clock.due(Instant(3_600_000), true), Due::Tell(Event::TokenExpired { .. })));
        assert!(clock.deadline().is_none());
    }

    #[test]
    fn a_fixed_token_that_is_over_is_told_once() {
        let mut clock = TokenClock::default();
        clock.fixed(1_600_000_000);
        clock.wall(Instant(0), Some(WALL));
        assert!(matches!(clock.due(Instant(0), true), Due::Tell(Event::TokenExpired { .. })));
        clock.fixed(1_600_000_000);
        assert!(matches!(clock.due(Instant(0), true), Due::Tell(Event::TokenExpired { .. })), "told at each new dial");
    }
}

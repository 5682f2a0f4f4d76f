//! Which packet id comes next: up by one, skipping those in use, never 0 (MQTT 2.3.1).

use crate::mqtt::codec::PacketId;
use alloc::vec::Vec;

/// Hands out packet ids.
///
/// Ids in use lie behind `next`, save where the count has wrapped; so after one look at all of them, the distance to
/// the nearest one ahead tells how many ids can be handed out without looking again.
#[derive(Debug)]
pub(super) struct Ids {
    next: u16,
    clear: u16,
}

impl Ids {
    pub(super) fn new(first: u16) -> Self {
        Self { next: first.max(1), clear: 0 }
    }

    /// The id that would be tried next.
    pub(super) fn next(&self) -> u16 {
        self.next
    }

    /// Takes an id that none of `used` is, which is asked for now and then; `None` when all 65,535 are.
    #[inline]
    pub(super) fn take<U: Iterator<Item = u16>>(&mut self, used: impl FnOnce() -> U) -> Option<PacketId> {
        if self.clear == 0 {
            self.look(used())?;
        }
        let id = PacketId::new(self.next)?;
        self.next = self.next.checked_add(1).unwrap_or(1);
        self.clear = self.clear.saturating_sub(1);
        Some(id)
    }

    /// Ids came into use that `take` did not hand out (a restored session): look anew.
    pub(super) fn restart(&mut self, next: u16) {
        *self = Self::new(next);
    }

    /// Moves `next` to the nearest free id and counts the free ones from there. Looks once in a full turn at most, so
    /// that handing out ids costs nothing in the long run.
    #[cold]
    fn look(&mut self, used: impl Iterator<Item = u16>) -> Option<()> {
        let mut ahead: Vec<u16> = used.map(|id| self.ahead(id)).collect();
        ahead.sort_unstable();
        let mut taken = 0;
        let mut end = u16::MAX;
        for distance in ahead {
            if distance == taken {
                taken += 1;
            } else if distance > taken {
                end = distance;
                break;
            }
        }
        if taken == u16::MAX {
            return None;
        }
        self.next = self.at(taken);
        self.clear = end - taken;
        Some(())
    }

    /// The id that lies `distance` steps ahead.
    fn at(&self, distance: u16) -> u16 {
        self.next.checked_add(distance).unwrap_or_else(|| distance - (u16::MAX - self.next))
    }

    /// How many steps ahead of `next` an id lies, in the circle of 1 to 65,535.
    fn ahead(&self, id: u16) -> u16 {
        if id >= self.next { id - self.next } else { (u16::MAX - self.next).saturating_add(id) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn take(ids: &mut Ids, used: &[u16]) -> Option<u16> {
        ids.take(|| used.iter().copied()).map(PacketId::get)
    }

    #[test]
    fn r_7_ids_go_up_by_one_and_wrap_to_one_past_those_in_use() {
        let mut ids = Ids::new(65_534);
        assert_eq!(take(&mut ids, &[1, 2, 4]), Some(65_534));
        assert_eq!(take(&mut ids, &[1, 2, 4, 65_534]), Some(65_535));
        assert_eq!(take(&mut ids, &[1, 2, 4, 65_534, 65_535]), Some(3));
        assert_eq!(take(&mut ids, &[1, 2, 3, 4, 65_534, 65_535]), Some(5));
    }

    #[test]
    fn r_7_all_ids_in_use_holds_back() {
        let mut ids = Ids::new(9);
        let mut used = Vec::new();
        while let Some(id) = take(&mut ids, &used) {
            assert!(id != 0, "0 is no packet id");
            used.push(id);
        }
        assert_eq!(used.len(), 65_535);
        used.sort_unstable();
        used.dedup();
        assert_eq!(used.len(), 65_535);
        used.retain(|id| *id != 700);
        assert_eq!(take(&mut ids, &used), Some(700));
    }
}

//! Which ids requests of ours carry: one counter for provisioning and hub, so that no late answer finds another request.

/// The counter of request ids: 1, 2, 3, … and after 2^32 − 1 again 1.
#[derive(Debug, Default)]
pub struct Rids(u32);

impl Rids {
    /// The next id; never 0, and none twice within 2^32 − 1 requests.
    #[allow(clippy::should_implement_trait, reason = "it never ends, and is no iterator")]
    pub fn next(&mut self) -> u32 {
        self.0 = self.0.checked_add(1).unwrap_or(1);
        self.0
    }
}

#[cfg(test)]
mod tests {
    use super::Rids;

    #[test]
    fn r_79_ids_count_up_from_1_and_pass_over_0() {
        let mut rids = Rids::default();
        assert_eq!([rids.next(), rids.next()], [1, 2]);
        let mut rids = Rids(u32::MAX);
        assert_eq!(rids.next(), 1);
    }
}

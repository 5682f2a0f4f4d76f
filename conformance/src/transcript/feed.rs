//! In which pieces do bytes come in and go out? The ways in which every case is run.

use skytether_core::rng::Rng;
use std::fmt;

/// Pieces of one direction.
#[derive(Clone, Debug)]
enum Pieces {
    Whole,
    Single,
    Random(Box<Rng>),
}

impl Pieces {
    fn next(&mut self, len: usize) -> usize {
        match self {
            Self::Whole => len,
            Self::Single => 1,
            // Short pieces find more: they end inside headers.
            Self::Random(rng) => {
                let most = if rng.up_to(3) == 0 { len } else { len.min(7) };
                usize::try_from(rng.up_to(u64::try_from(most).unwrap_or(1).max(1) - 1)).unwrap_or(0) + 1
            }
        }
    }
}

/// One way to run a case.
#[derive(Clone, Debug)]
pub(super) struct Feed {
    name: &'static str,
    seed: Option<u8>,
    received: Pieces,
    sent: Pieces,
}

impl Feed {
    /// Every way, the plainest first.
    pub(super) fn all() -> Vec<Self> {
        let feed = |name, received, sent| Self { name, seed: None, received, sent };
        let mut all = vec![
            feed("RX and TX whole", Pieces::Whole, Pieces::Whole),
            feed("RX byte by byte", Pieces::Single, Pieces::Whole),
            feed("TX byte by byte", Pieces::Whole, Pieces::Single),
            feed("RX and TX byte by byte", Pieces::Single, Pieces::Single),
        ];
        all.extend((1..=4).map(|seed| {
            let random = Pieces::Random(Box::new(Rng::new([seed; 32])));
            let sent = if seed % 2 == 0 { Pieces::Single } else { Pieces::Whole };
            Self { name: "RX in random pieces", seed: Some(seed), received: random, sent }
        }));
        all
    }

    /// How many of `len` bytes come in at once; at least one.
    pub(super) fn piece(&mut self, len: usize) -> usize {
        self.received.next(len)
    }

    /// How many of `len` bytes the pipe takes at once; at least one.
    pub(super) fn sent(&mut self, len: usize) -> usize {
        self.sent.next(len)
    }
}

impl fmt::Display for Feed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name)?;
        self.seed.map_or(Ok(()), |seed| write!(f, ", seed {seed}"))
    }
}

#[cfg(test)]
mod tests {
    use super::Feed;

    #[test]
    fn pieces_are_never_empty_and_never_too_long() {
        for mut feed in Feed::all() {
            for len in [1, 2, 3, 10, 1000] {
                for _ in 0..50 {
                    assert!((1..=len).contains(&feed.piece(len)) && (1..=len).contains(&feed.sent(len)));
                }
            }
        }
    }
}

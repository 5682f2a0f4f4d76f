//! Which lights has the board, and which values may they have?

/// A light, and its writable property.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Led {
    /// The property's name.
    pub(crate) name: &'static str,
    /// What it may be set to.
    pub(crate) values: &'static [u64],
    /// What it is at the start.
    pub(crate) first: u64,
}

/// Off and full duty in the model's words; on and off in those of the board itself.
const COLOUR: &[u64] = &[0, 100, 1, 2];

/// On, off, blinking.
const USER: &[u64] = &[1, 2, 3];

/// The lights, in the order in which the board tells of them.
pub(crate) const LEDS: [Led; 4] = [
    Led { name: "rgb_led_blue", values: COLOUR, first: 1 },
    Led { name: "rgb_led_green", values: COLOUR, first: 2 },
    Led { name: "rgb_led_red", values: COLOUR, first: 1 },
    Led { name: "led_user", values: USER, first: 3 },
];

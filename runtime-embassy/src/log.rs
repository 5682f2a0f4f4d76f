//! Where the driver says what it does: to defmt on bare metal with the feature of that name, else nowhere.
//!
//! On a host the feature compiles to nothing, since defmt's global logger exists on microcontrollers only.

/// Says what happened, as `defmt::debug!`.
macro_rules! debug {
    ($text:literal $(, $value:expr)* $(,)?) => {{
        #[cfg(all(feature = "defmt", target_os = "none"))]
        defmt::debug!($text $(, defmt::Display2Format(&$value))*);
        #[cfg(not(all(feature = "defmt", target_os = "none")))]
        {
            $(let _ = &$value;)*
        }
    }};
}

/// Says what went wrong, as `defmt::warn!`.
macro_rules! problem {
    ($text:literal $(, $value:expr)* $(,)?) => {{
        #[cfg(all(feature = "defmt", target_os = "none"))]
        defmt::warn!($text $(, defmt::Display2Format(&$value))*);
        #[cfg(not(all(feature = "defmt", target_os = "none")))]
        {
            $(let _ = &$value;)*
        }
    }};
}

pub(crate) use {debug, problem};

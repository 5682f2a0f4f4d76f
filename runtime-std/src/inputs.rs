//! Which inputs speak of the one pipe?

use skytether_core::io::Input;

/// Whether an input speaks of the pipe that was open until now, its end excepted.
pub fn is_of_pipe(input: &Input<'_>) -> bool {
    matches!(input, Input::Opened | Input::Bytes(_) | Input::Sent(_))
}

/// Whether an input tells the end of the pipe.
pub fn is_end(input: &Input<'_>) -> bool {
    matches!(input, Input::Closed(_))
}

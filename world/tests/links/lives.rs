//! Whole lives over modems.

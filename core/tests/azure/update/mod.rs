//! How a device takes updates from the platform, whatever platform, files, application and power do.

mod cancel;
mod flow;
mod sky;
mod trouble;

//! What is the same on every cloud? So far: the file that says which cloud a device belongs to, and how it gets there.

pub mod profile;

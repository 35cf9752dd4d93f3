//! The cash server: takes dictionaries from the back office and brings them to tills, takes sales from tills.

pub mod dictionary;
pub mod exchange;
pub mod intake;
pub mod network;
pub mod packages;
pub mod rest;
pub mod sales;
pub mod settings;
pub mod store;
pub mod web;

//! Strangers: no client here is ours. The distribution's `sqlite3`, `curl`, and Python with its
//! AMQP and gRPC meet what real daemons make and serve, with nothing but the docs. Who changes a
//! face changes its page of the docs, or a test here fails.
//!
//! Daemons and the broker are started by the kit; each script stands beside the test that runs it.
//! `./dev test` installs the programs.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod attach;
mod backups;
mod broker;
mod databases;
mod first_hour;
mod held_loads;
mod http;
mod login;
mod mail;
mod many_tills;
mod packages;
mod rogue;
mod rogue_services;
mod sales_service;
#[path = "../it/support.rs"]
#[allow(dead_code)] // what other scenarios need
mod support;
mod tls;
mod tls_till;
mod tools;

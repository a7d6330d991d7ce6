//! The product's tests, against the real router and a real database: SQLite,
//! or PostgreSQL where `TESSERA_TEST_POSTGRES` names the folder of its socket.

#![allow(
    clippy::expect_used,
    clippy::unwrap_used,
    clippy::too_many_lines,
    missing_debug_implementations,
    reason = "tests"
)]

mod access_rules;
mod api;
mod api_bodies;
mod audit_coverage;
mod audit_log;
mod collation;
mod command_line;
mod delegation;
mod faults;
mod federation;
mod first_run;
mod guard;
mod harness;
mod house;
mod imports;
mod lifecycle;
mod lists;
mod logs;
mod memory;
mod mount;
mod nodes;
mod oauth;
mod one_time_pages;
mod page_sources;
mod pages;
mod panics;
mod plans;
mod privilege_gain;
mod protections;
mod protocols;
mod quotas;
mod refusals;
mod search;
mod search_results;
mod selected_rows;
mod server;
mod service_accounts;
mod service_token_form;
mod settings;
mod shown_access;
mod sign_in;
mod sorted_lists;
mod statements;
mod teams;
mod terraform;
mod text_input;
mod token_lookup;
mod tokens;
mod usage;
mod write_proofs;

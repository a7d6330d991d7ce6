//! Tessera: a self-hosted console for machine accounts. Modules may import only
//! from lower layers; a test defines the layers and enforces this
//! (`tests/suite/imports.rs`).

pub mod access;
pub mod access_explorer;
pub mod account;
pub mod api_reference;
pub mod app;
pub mod audit;
pub mod audit_log;
pub mod authn;
pub mod callers;
pub mod cleanup;
pub mod cli;
pub mod config;
pub mod directory;
pub mod grants;
pub mod identity_providers;
pub mod organizations;
pub mod overview;
pub mod people;
pub mod permission_sets;
pub mod platform;
pub mod principals;
pub mod projects;
pub mod protocols;
pub mod quotas;
pub mod search;
pub mod service_accounts;
pub mod service_tokens;
pub mod services;
pub mod sign_in;
pub mod state;
pub mod styleguide;
pub mod teams;
pub mod tokens;
pub mod ui;
pub mod usage;
pub mod verification;

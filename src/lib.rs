//! Tessera: a self-hosted console for machine accounts. Modules in the order
//! in which they may use one another; a test holds them to it.

pub mod access;
pub mod app;
pub mod audit;
pub mod cli;
pub mod config;
pub mod filters;
pub mod grants;
pub mod identity;
pub mod identity_providers;
pub mod organizations;
pub mod people;
pub mod platform;
pub mod service_accounts;
pub mod shell;
pub mod sign_in;
pub mod teams;
pub mod tokens;

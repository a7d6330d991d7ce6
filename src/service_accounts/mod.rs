//! Service accounts: machine users of the organization or of one team.
//!
//! An account authenticates with API keys (`keys`) or with an external identity (federated). Its keys are
//! tokens whose lifecycle is in [`crate::tokens`]; its role and grants decide what it can do. A deleted
//! account keeps its row, so that the audit log can refer to it.

pub mod access_pages;
pub mod actions;
pub mod api;
pub mod form;
pub mod key_selection_pages;
pub mod keys;
pub mod model;
pub mod pages;
pub mod selection_pages;
pub mod store;
pub mod token_pages;

//! Who may do what. Pure rules: loaded facts in, a decision out; no I/O, no
//! HTTP, no SQL.

mod addresses;
mod built_in;
mod decide;
mod give;
mod permission;
mod permission_set;
mod permit;
mod policy;
mod subject;
mod visibility;

pub use addresses::Addresses;
pub use decide::{
    Decision, Refusal, Via, accounts_seen, anywhere, decide, effective, holds_groups, reaches_organization,
};
pub use give::{Gift, may_give};
pub use permission::{Level, Permission, Permissions, Resource, Verb};
pub use permission_set::{PermissionSet, Sets, built_in, built_in_sets};
pub use permit::{Guarded, Permit, may, require, require_gift, see};
pub use policy::{LifetimeRule, PLANS, Policy};
pub use subject::{Grant, Home, Kind, Projects, Source, Subject, TeamRole, TokenKind};
pub use visibility::{ProjectFacts, Reach, Target, TeamFacts, Visibility, Who, reaches};

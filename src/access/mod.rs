//! Who may do what. Pure rules: loaded facts in, a decision out; no I/O, no
//! HTTP, no SQL.

mod addresses;
mod built_in;
mod catalog;
mod decide;
mod delegation;
mod permission;
mod permission_set;
mod permit;
mod policy;
mod subject;
mod visibility;

pub use addresses::IpAllowList;
pub use catalog::{Sets, built_in, built_in_sets};
pub use decide::{
    Decision, Refusal, Via, accounts_seen, anywhere, decide, effective, holds_groups, knows_team,
    reaches_organization,
};
pub use delegation::{
    Places, ProjectChange, can_give_account_role, can_give_person_role, can_give_token_grant,
    ensure_holds_set, gained,
};
pub use permission::{Level, Permission, Permissions, Resource, Verb};
pub use permission_set::PermissionSet;
pub use permit::{
    Authorized, Guarded, Permit, System, SystemReason, authorize, authorize_read, authorize_write, can_write,
};
pub use policy::{LifetimeRule, PLANS, Policy};
pub use subject::{
    AccountOwner, Grant, GrantSource, Kind, PrincipalId, Projects, Subject, TeamRole, TokenKind,
};
pub use visibility::{Audience, ProjectFacts, Target, TeamFacts, Visibility, reaches};

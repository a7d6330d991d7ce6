//! The access rules: who may do what. `decide` is the only function that makes
//! a decision; `delegation` compares what principals hold before and after a
//! change; `permit` turns a decision into the proof that a write needs.
//!
//! Everything here is pure. The callers load the principal (`principals`) and
//! the object, and pass them in. There is no I/O, no HTTP and no SQL.

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
    AllowedBy, Decision, Refusal, allowed, can_manage_teams, can_see_team, decide, effective_permissions,
    permissions_held_anywhere, reaches_unrestricted_projects, visible_service_accounts,
};
pub use delegation::{
    ProbeScope, ProjectChange, can_give_account_role, can_give_person_role, can_give_token_grant,
    ensure_holds_set, find_privilege_gain,
};
pub use permission::{Level, Permission, Permissions, Resource, Verb};
pub use permission_set::PermissionSet;
pub use permit::{
    Authorized, Guarded, Permit, System, SystemReason, authorize, authorize_read, authorize_write, can_write,
};
pub use policy::{LifetimeRule, PLANS, Policy};
pub use subject::{
    AccountScope, Grant, GrantSource, Kind, PrincipalId, Projects, Subject, TeamRole, TokenKind,
};
pub use visibility::{Audience, ProjectFacts, Target, TeamFacts, Visibility, can_be_named, reaches_project};

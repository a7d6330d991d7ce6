//! Proofs that a write may happen. A statement that writes takes one
//! ([`WriteProof`]), so a forgotten check does not compile. A [`Permit`] comes
//! from a decision about the thing that is written; [`System`] names the reason
//! of a write that nobody asks for, or whose right is proved in another way.
//! Only this module makes them; a test scans the sources for that.

use std::ops::Deref;

use super::decide::{Decision, Refusal, decide};
use super::permission::{Permission, Resource};
use super::subject::Subject;
use super::visibility::Target;
use crate::platform::db::WriteProof;
use crate::platform::{Error, Result};

/// A thing that the rules know as a target.
pub trait Guarded {
    /// How the rules see it.
    fn target(&self) -> Target;
    /// The resource of the permissions that it asks for.
    const RESOURCE: Resource;
}

/// Proof that the caller may write this very thing.
#[derive(Debug)]
pub struct Permit<T>(T);

impl<T> Deref for Permit<T> {
    type Target = T;
    fn deref(&self) -> &T {
        &self.0
    }
}

impl<T> Permit<T> {
    /// The thing, the proof spent.
    pub fn into_inner(self) -> T {
        self.0
    }
}

/// A [`Permit`] or [`System`] proof without the thing that it is about, for values
/// that carry their proof along.
#[derive(Clone, Copy, Debug)]
pub struct Authorized(());

impl<T: Sync> WriteProof for Permit<T> {}
impl WriteProof for Authorized {}
impl WriteProof for System {}

impl<T> From<&Permit<T>> for Authorized {
    fn from(_: &Permit<T>) -> Self {
        Self(())
    }
}

impl From<System> for Authorized {
    fn from(_: System) -> Self {
        Self(())
    }
}

/// Proof for a write that no caller is authorized for. A test lists which files
/// may make it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct System(());

/// Why the product writes without a caller's permission.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum SystemReason {
    /// What has expired is deleted.
    Expiry,
    /// The use of tokens is counted.
    Usage,
    /// Sessions, known networks, and the limits on attempts to sign in.
    SignIn,
    /// Events of the audit log and outcomes of idempotent requests.
    AuditLog,
    /// The first owner and their organization: the set-up code was proved.
    FirstRun,
    /// Whoever creates an organization becomes its owner.
    NewOrganization,
    /// Whoever accepts an invitation joins as it says: its code was proved.
    Invitation,
    /// Whoever presents a token may revoke it, and renew a key where its account
    /// allows that.
    PresentedToken,
    /// A token or an external identity that was verified is exchanged.
    TokenExchange,
    /// A new value waits for the page that shows it once.
    OneTimeSecret,
    /// Lists are kept searchable.
    SearchIndex,
    /// The demo makes up how things were used.
    Demo,
}

impl System {
    /// Proof for this reason, which readers and the test find where it is made.
    #[must_use]
    pub const fn new(_: SystemReason) -> Self {
        Self(())
    }
}

/// Decides a write, and gives the permit for it.
///
/// # Errors
/// [`Error::NotFound`] when the caller may not see the thing,
/// [`Error::Forbidden`] when it may see but not write it.
pub fn authorize_write<T: Guarded>(subject: &Subject, thing: T) -> Result<Permit<T>> {
    authorize(subject, T::RESOURCE.write(), &thing.target())?;
    Ok(Permit(thing))
}

/// Decides a read.
///
/// # Errors
/// As [`authorize_write`].
pub fn authorize_read<T: Guarded>(subject: &Subject, thing: T) -> Result<T> {
    authorize(subject, T::RESOURCE.read(), &thing.target())?;
    Ok(thing)
}

/// Whether the caller may write the thing: for the buttons of a page.
pub fn can_write<T: Guarded>(subject: &Subject, thing: &T) -> bool {
    decide(subject, T::RESOURCE.write(), &thing.target()).is_allowed()
}

/// Decides about a target that is no stored thing. The one place where a
/// decision becomes an answer: hidden is 404, refused 403.
///
/// # Errors
/// As [`authorize_write`].
pub fn authorize(subject: &Subject, permission: Permission, target: &Target) -> Result<()> {
    match decide(subject, permission, target) {
        Decision::Allowed(_) => Ok(()),
        Decision::Refused(refusal) => Err(refusal.into()),
        Decision::Hidden => Err(Error::NotFound),
    }
}

impl From<Refusal> for Error {
    fn from(refusal: Refusal) -> Self {
        Self::Forbidden(refusal.to_string())
    }
}

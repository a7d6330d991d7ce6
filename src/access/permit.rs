//! Permits: proofs that a write was decided. Only this module makes them, and
//! the functions that write take them, so a forgotten check does not compile.

use std::ops::Deref;

use super::decide::{Decision, Refusal, decide};
use super::permission::{Permission, Resource};
use super::subject::Subject;
use super::visibility::Target;
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

//! The permission sets that an organization has: the built-in ones and its own.

use std::sync::Arc;

use super::built_in::SETS;
use super::permission_set::PermissionSet;
use crate::platform::text::choose_of_organization;

/// All built-in sets, in the order in which lists show them.
#[must_use]
pub fn built_in_sets() -> &'static [PermissionSet] {
    SETS
}

/// The built-in set of this slug.
#[must_use]
pub fn built_in(slug: &str) -> Option<&'static PermissionSet> {
    SETS.iter().find(|set| set.slug == slug)
}

/// The permission sets of one organization: the built-in ones and its own.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Sets(Arc<Vec<PermissionSet>>);

impl Sets {
    /// With these beside the built-in ones.
    #[must_use]
    pub fn with(own: Vec<PermissionSet>) -> Self {
        Self(Arc::new(own))
    }

    /// The set of this slug.
    #[must_use]
    pub fn find(&self, slug: &str) -> Option<&PermissionSet> {
        self.all().find(|set| set.slug == slug)
    }

    /// All, the built-in ones first.
    pub fn all(&self) -> impl Iterator<Item = &PermissionSet> {
        SETS.iter().chain(self.0.iter())
    }

    /// The name that people see, or the slug of a set that is gone.
    #[must_use]
    pub fn name(&self, slug: &str) -> String {
        self.find(slug).map_or_else(|| slug.to_owned(), |set| set.name.to_string())
    }

    /// Checks the slug of a set, as a role or in a grant.
    ///
    /// # Errors
    /// A sentence for the person who typed it.
    pub fn check(&self, slug: &str) -> Result<PermissionSet, String> {
        self.find(slug.trim()).cloned().ok_or_else(|| choose_of_organization("permission set"))
    }
}

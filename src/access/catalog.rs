//! The catalog of permission sets of an organization: the built-in sets, which
//! every organization has, and the sets that its owners created. Roles and
//! grants name a set by its slug; the catalog resolves the slug.

use std::sync::Arc;

use super::built_in::SETS;
use super::permission_set::PermissionSet;
use crate::platform::text::choose_of_organization;

/// All built-in sets, in display order.
#[must_use]
pub fn built_in_sets() -> &'static [PermissionSet] {
    SETS
}

/// The built-in set with this slug.
#[must_use]
pub fn built_in(slug: &str) -> Option<&'static PermissionSet> {
    SETS.iter().find(|set| set.slug == slug)
}

/// The permission sets of one organization. Only its custom sets are stored
/// here; the built-in ones are added on access. Cheap to clone.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Sets(Arc<Vec<PermissionSet>>);

impl Sets {
    /// The catalog with these custom sets next to the built-in ones.
    #[must_use]
    pub fn with(own: Vec<PermissionSet>) -> Self {
        Self(Arc::new(own))
    }

    /// The set with this slug.
    #[must_use]
    pub fn find(&self, slug: &str) -> Option<&PermissionSet> {
        self.all().find(|set| set.slug == slug)
    }

    /// All sets, the built-in ones first.
    pub fn all(&self) -> impl Iterator<Item = &PermissionSet> {
        SETS.iter().chain(self.0.iter())
    }

    /// The display name of the set, or the slug if the set no longer exists.
    #[must_use]
    pub fn name(&self, slug: &str) -> String {
        self.find(slug).map_or_else(|| slug.to_owned(), |set| set.name.to_string())
    }

    /// The set that an input names as a role or in a grant. Surrounding white
    /// space is ignored.
    ///
    /// # Errors
    /// The message for the form or API field, if there is no such set.
    pub fn check(&self, slug: &str) -> Result<PermissionSet, String> {
        self.find(slug.trim()).cloned().ok_or_else(|| choose_of_organization("permission set"))
    }
}

//! The cache of verification: loaded data about tokens, principals,
//! organizations and memberships. Each entry has the data version
//! (`platform::db::invalidation`) under which it was loaded, and is not used
//! once that version is outdated.
//!
//! The cache contains no decisions: expiry, IP allow-lists and permissions are
//! checked for every request.

use std::hash::Hash;
use std::sync::Arc;

use axum::http::HeaderValue;
use quick_cache::sync::{Cache, DefaultLifecycle};
use quick_cache::{DefaultHashBuilder, OptionsBuilder, UnitWeighter};
use serde_json::value::RawValue;

use super::batch_loader::BatchLoader;
use super::principal::{MachinePrincipal, SecretFacts, TokenFacts};
use super::token_format::TokenHash;
use crate::access::{Permissions, ProjectFacts};
use crate::platform::db::{DataVersion, Invalidations, Snapshot};
use crate::platform::id::{OrganizationId, PersonId};
use crate::platform::{Error, Result, Timestamp};
use crate::principals::{Membership, OrganizationFacts};

/// The largest number of cached tokens: about 30 MB.
const MAX_TOKENS: u64 = 100_000;
/// The largest number of cached machine principals: accounts, teams, service
/// tokens and organizations.
const MAX_PRINCIPALS: u64 = 20_000;
/// The largest number of cached encodings of permissions, a few kilobytes each.
const MAX_PERMISSION_SETS: usize = 500;
/// The largest number of entries in each of the other caches.
const MAX_OTHERS: u64 = 20_000;

/// A cache for one kind of data. When it is full, rarely used entries are
/// evicted.
pub struct FactCache<K, V>(Cache<K, (DataVersion, Arc<V>)>);

impl<K, V> std::fmt::Debug for FactCache<K, V> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("FactCache")
    }
}

impl<K: Eq + Hash + Clone, V> FactCache<K, V> {
    fn new(capacity: u64) -> Self {
        let options = OptionsBuilder::new()
            .estimated_items_capacity(usize::try_from(capacity).unwrap_or(1000))
            .weight_capacity(capacity)
            .build();
        let options = options.unwrap_or_else(|_| unreachable!("both are given"));
        let hasher = DefaultHashBuilder::default();
        Self(Cache::with_options(options, UnitWeighter, hasher, DefaultLifecycle::default()))
    }

    /// The cached value, if its data version is still current.
    #[must_use]
    pub fn get(&self, invalidations: &Invalidations, key: &K, now: Timestamp) -> Option<Arc<V>> {
        let (version, value) = self.0.get(key)?;
        invalidations.is_current(&version, now).then_some(value)
    }

    /// Stores a value. `version` is `None` if the data changed while it was
    /// loaded; then nothing is stored.
    pub fn put(&self, key: K, version: Option<DataVersion>, value: &Arc<V>) {
        if let Some(version) = version {
            self.0.insert(key, (version, value.clone()));
        }
    }

    /// The cached value, or the result of `read`, which is then stored. A change
    /// in the organization `scope` invalidates the entry. `snapshot` must have
    /// been taken before the first data for the value was read.
    ///
    /// # Errors
    /// Those of `read`.
    pub async fn get_or_load(
        &self,
        invalidations: &Invalidations,
        key: K,
        scope: OrganizationId,
        (snapshot, now): (Snapshot, Timestamp),
        read: impl Future<Output = Result<V>>,
    ) -> Result<Arc<V>> {
        if let Some(known) = self.get(invalidations, &key, now) {
            return Ok(known);
        }
        let value = Arc::new(read.await?);
        self.put(key, invalidations.version(snapshot, &[scope.into()]), &value);
        Ok(value)
    }
}

/// All caches of one process.
#[derive(Debug)]
pub struct VerificationCache {
    /// Loads tokens that are not cached.
    pub(super) loader: BatchLoader,
    /// Tokens by the hash of their value.
    pub(super) tokens: FactCache<TokenHash, TokenFacts>,
    /// Machine principals by the number of their id, without its prefix.
    pub(super) machines: FactCache<u128, MachinePrincipal>,
    /// Organizations. All machine principals of an organization share one entry.
    pub(super) organizations: FactCache<OrganizationId, OrganizationFacts>,
    /// Services by the hash of their secret.
    pub(super) services: FactCache<TokenHash, SecretFacts>,
    /// A person's membership, by the slug or id with which the request named the
    /// organization.
    pub(crate) memberships: FactCache<(PersonId, String), Membership>,
    /// All memberships of a person.
    person_memberships: FactCache<PersonId, Vec<Membership>>,
    /// Encoded permissions, which depend on nothing else.
    encoded: Cache<Permissions, Arc<EncodedPermissions>>,
    /// Projects by organization and the slug or id that the request used.
    pub projects: FactCache<(OrganizationId, String), ProjectFacts>,
}

impl Default for VerificationCache {
    fn default() -> Self {
        Self {
            loader: BatchLoader::default(),
            tokens: FactCache::new(MAX_TOKENS),
            machines: FactCache::new(MAX_PRINCIPALS),
            organizations: FactCache::new(MAX_OTHERS),
            services: FactCache::new(MAX_OTHERS),
            memberships: FactCache::new(MAX_OTHERS),
            person_memberships: FactCache::new(MAX_OTHERS),
            encoded: Cache::new(MAX_PERMISSION_SETS),
            projects: FactCache::new(MAX_OTHERS),
        }
    }
}

/// Permissions in the forms in which responses contain them.
#[derive(Debug)]
pub struct EncodedPermissions {
    /// As a JSON array.
    pub list: Box<RawValue>,
    /// As the value of OAuth's `scope`, separated by spaces.
    pub scope: HeaderValue,
}

impl VerificationCache {
    /// The encoded forms of permissions, from the cache if possible.
    ///
    /// # Errors
    /// [`Error::Internal`] if a permission is not valid in JSON or in a header,
    /// which does not happen.
    pub fn encoded_permissions(&self, permissions: Permissions) -> Result<Arc<EncodedPermissions>> {
        if let Some(encoded) = self.encoded.get(&permissions) {
            return Ok(encoded);
        }
        let list = serde_json::value::to_raw_value(&permissions).map_err(Error::internal)?;
        let scope = HeaderValue::try_from(permissions.scope()).map_err(Error::internal)?;
        let encoded = Arc::new(EncodedPermissions { list, scope });
        self.encoded.insert(permissions, encoded.clone());
        Ok(encoded)
    }

    /// The cached memberships of a person, or the result of `read`, which is then
    /// stored.
    ///
    /// # Errors
    /// Those of `read`.
    pub async fn all_memberships(
        &self,
        invalidations: &Invalidations,
        person: PersonId,
        now: Timestamp,
        read: impl Future<Output = Result<Vec<Membership>>>,
    ) -> Result<Arc<Vec<Membership>>> {
        if let Some(known) = self.person_memberships.get(invalidations, &person, now) {
            return Ok(known);
        }
        let snapshot = invalidations.snapshot();
        let memberships = Arc::new(read.await?);
        // The person can join any organization, so a change in any of them invalidates the entry.
        self.person_memberships.put(person, invalidations.version_of_all(snapshot), &memberships);
        Ok(memberships)
    }
}

//! What verification remembers: facts that were read, each under the stamp of
//! what could change them. Nothing here decides anything: ends, addresses and
//! rights are looked at anew for every request.

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
use crate::principals::Membership;
use crate::principals::OrganizationFacts;

/// So many tokens are remembered: about 30 MB when full.
const MAX_TOKENS: u64 = 100_000;
/// So many principals: accounts, teams, service tokens, organizations.
const MAX_PRINCIPALS: u64 = 20_000;
/// So many sets of permissions: each a few kilobytes.
const MAX_PERMISSION_SETS: usize = 500;
/// So many of the rest, each.
const MAX_OTHERS: u64 = 20_000;

/// One kind of facts, by key. Remembers at most so many; what is asked for
/// often stays.
pub struct FactCache<K, V>(Cache<K, (DataVersion, Arc<V>)>);

impl<K, V> std::fmt::Debug for FactCache<K, V> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("FactCache")
    }
}

impl<K: Eq + Hash + Clone, V> FactCache<K, V> {
    fn new(most: u64) -> Self {
        let options = OptionsBuilder::new()
            .estimated_items_capacity(usize::try_from(most).unwrap_or(1000))
            .weight_capacity(most)
            .build();
        let options = options.unwrap_or_else(|_| unreachable!("both are given"));
        let hasher = DefaultHashBuilder::default();
        Self(Cache::with_options(options, UnitWeighter, hasher, DefaultLifecycle::default()))
    }

    /// What is remembered and still holds.
    #[must_use]
    pub fn get(&self, invalidations: &Invalidations, key: &K, now: Timestamp) -> Option<Arc<V>> {
        let (version, value) = self.0.get(key)?;
        invalidations.is_current(&version, now).then_some(value)
    }

    /// Remembers it, where nothing changed since it began to be read.
    pub fn put(&self, key: K, version: Option<DataVersion>, value: &Arc<V>) {
        if let Some(version) = version {
            self.0.insert(key, (version, value.clone()));
        }
    }

    /// What is remembered, or what `read` finds, remembered from then on.
    /// `scope`: whose changes it depends on; `snapshot`: taken before the first
    /// fact was read that goes into it.
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

/// The memory of one node.
#[derive(Debug)]
pub struct VerificationCache {
    /// Where what is not remembered is looked up.
    pub(super) loader: BatchLoader,
    /// By the hash of a token's value.
    pub(super) tokens: FactCache<TokenHash, TokenFacts>,
    /// By a principal's id, without its prefix.
    pub(super) machines: FactCache<u128, MachinePrincipal>,
    /// What every principal of an organization shares.
    pub(super) organizations: FactCache<OrganizationId, OrganizationFacts>,
    /// By the hash of a service's secret.
    pub(super) services: FactCache<TokenHash, SecretFacts>,
    /// A person's place in an organization, by the name that it was asked for by.
    pub(crate) memberships: FactCache<(PersonId, String), Membership>,
    /// All memberships of a person.
    homes: FactCache<PersonId, Vec<Membership>>,
    /// Permissions as they are written.
    words: Cache<Permissions, Arc<EncodedPermissions>>,
    /// A project, by organization and the name that it was asked for by.
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
            homes: FactCache::new(MAX_OTHERS),
            words: Cache::new(MAX_PERMISSION_SETS),
            projects: FactCache::new(MAX_OTHERS),
        }
    }
}

/// Permissions as answers write them: the same few sets of them, for all tokens.
#[derive(Debug)]
pub struct EncodedPermissions {
    /// As a list.
    pub list: Box<RawValue>,
    /// As OAuth's `scope`.
    pub scope: HeaderValue,
}

impl VerificationCache {
    /// Permissions as they are written.
    ///
    /// # Errors
    /// None that can happen: words of permissions are plain.
    pub fn encoded_permissions(&self, permissions: Permissions) -> Result<Arc<EncodedPermissions>> {
        if let Some(words) = self.words.get(&permissions) {
            return Ok(words);
        }
        let list = serde_json::value::to_raw_value(&permissions).map_err(Error::internal)?;
        let scope = HeaderValue::try_from(permissions.scope()).map_err(Error::internal)?;
        let words = Arc::new(EncodedPermissions { list, scope });
        self.words.insert(permissions, words.clone());
        Ok(words)
    }

    /// All memberships of a person, or what `read` finds.
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
        if let Some(known) = self.homes.get(invalidations, &person, now) {
            return Ok(known);
        }
        let snapshot = invalidations.snapshot();
        let home = Arc::new(read.await?);
        // Any other organization may take them in.
        self.homes.put(person, invalidations.version_of_all(snapshot), &home);
        Ok(home)
    }
}

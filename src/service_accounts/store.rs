//! SQL for service accounts, and their entries in the search index.
//!
//! Every statement ignores deleted accounts. Statements that write take a permit and are called by `actions`
//! only.

use super::model::{
    AccountCreation, Authentication, Credential, ServiceAccount, ValidAccount, ValidAccountEdit,
};
use crate::access::{Permit, PrincipalId};
use crate::audit::Change;
use crate::platform::clock::{EXPIRES_SOON, UNUSED_AFTER};
use crate::platform::db::{Source, Statement, WriteProof};
use crate::platform::id::{IdentityProviderId, OrganizationId, PersonId, ServiceAccountId, TeamId};
use crate::platform::search::{
    self, Entry, EntryComparison, Place, Search, SearchableList, Sorting, StoredEntry,
};
use crate::platform::text::{MOST, casefold, taken};
use crate::platform::web::pagination::{Cursor, PageRequest, Sort, keyset};
use crate::platform::web::query_filter::ListFilter;
use crate::platform::{Db, Error, Result, Timestamp, Tx, sql};
use crate::principals::Effect;
use crate::quotas::{Quota, ensure_room};

/// Filters of a list. An empty filter matches every row.
#[derive(Clone, Debug, Default)]
pub struct Filter {
    /// Text to search for in name, UID and description.
    pub search: String,
    /// `organization` or `team`.
    pub scope: String,
    /// Slug of a team; matches the accounts that belong to it.
    pub team: String,
    /// `active`, `disabled`, `expired`, `expiring` (active, and the account or one of its keys expires within
    /// 14 days) or `unused` (active, and not used for 90 days).
    pub status: String,
}

impl ListFilter for Filter {
    fn fields(&self) -> Vec<(&'static str, &str)> {
        vec![
            ("q", self.search.as_str()),
            ("scope", self.scope.as_str()),
            ("team", self.team.as_str()),
            ("status", self.status.as_str()),
        ]
    }
}

impl Filter {
    /// Whether no filter is set.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        [&self.search, &self.scope, &self.team, &self.status].into_iter().all(String::is_empty)
    }
}

/// Text of a SELECT of [`ServiceAccount`]s from `$from`, with teams, identity provider and key summary.
/// `$most` limits the count of keys (` LIMIT …` or empty); `$now` is the placeholder of the current time.
macro_rules! accounts_where {
    ($from:literal, $most:literal, $now:literal, $rest:literal) => {
        concat!(
            "SELECT a.id, a.organization_id, a.name, a.description, a.comment, a.scope, a.team_id, \
                own.slug AS team, own.name AS team_name, own.visibility = 'secret' AS team_is_secret, \
                a.default_team_id, usual.slug AS default_team, usual.name AS default_team_name, \
                usual.visibility = 'secret' AS default_team_is_secret, \
                a.role, a.expires_at, a.disabled_at, a.created_at, a.created_by_name, a.created_by, a.version, \
                a.allowed_addresses, a.self_rotation, a.authentication, a.identity_provider_id, \
                idp.name AS identity_provider, a.identity_subject, a.identity_conditions, \
                (SELECT COUNT(*) FROM (SELECT 1 AS one FROM tokens t WHERE t.service_account_id = a.id \
                    AND t.kind = 'service_account' AND t.revoked_at IS NULL",
            $most,
            ") counted) AS keys, \
                (SELECT MIN(t.expires_at) FROM tokens t WHERE t.service_account_id = a.id AND t.kind = 'service_account' \
                    AND t.revoked_at IS NULL \
                    AND t.expires_at > ",
            $now,
            ") AS next_end, \
                a.last_used_at, a.last_used_address \
             FROM ",
            $from,
            " LEFT JOIN teams own ON own.id = a.team_id \
             LEFT JOIN teams usual ON usual.id = a.default_team_id \
             LEFT JOIN identity_providers idp ON idp.id = a.identity_provider_id \
             WHERE a.deleted_at IS NULL AND ",
            $rest
        )
    };
}

/// Text of the list's SELECT: accounts from `$from` that match `$whose` and the remaining filters.
macro_rules! accounts_listed {
    ($from:literal, $whose:literal) => {
        concat!(
            accounts_where!($from, " LIMIT 21", "$4", $whose),
            " AND ($7 OR EXISTS (SELECT 1 FROM team_members m WHERE m.team_id = a.team_id AND m.person_id = $8)) \
             AND ($9 = '' OR a.scope = $9) \
             AND ($10 = '' OR $10 = CASE WHEN a.disabled_at IS NOT NULL THEN 'disabled' \
                    WHEN a.expires_at <= $4 THEN 'expired' ELSE 'active' END \
                OR ($10 = 'unused' AND a.disabled_at IS NULL AND (a.expires_at IS NULL OR a.expires_at > $4) \
                    AND COALESCE(a.last_used_at, a.created_at) < $12) \
                OR ($10 = 'expiring' AND a.disabled_at IS NULL AND (a.expires_at IS NULL OR a.expires_at > $4) \
                    AND (a.expires_at <= $11 OR EXISTS (SELECT 1 FROM tokens k WHERE k.service_account_id = a.id \
                        AND k.kind = 'service_account' AND k.revoked_at IS NULL AND k.expires_at > $4 \
                        AND k.expires_at <= $11))))"
        )
    };
}

/// The statement for a page of the list in the order that the page asks for. An index supports each order of
/// an organization's accounts. `few` keeps the database from reading these indexes if another one finds the
/// few accounts of `$whose`. `$name` is the column of the name or, if that other index is not in its order, an
/// expression that no index supports.
macro_rules! accounts_sorted {
    (few $page:ident, $name:literal, $from:literal, $whose:literal) => {
        match $page.order().0 {
            "created" => keyset!($page, accounts_listed!($from, $whose), sorted number "+a.created_at", "a.id"),
            "last_used" => {
                keyset!($page, accounts_listed!($from, $whose), sorted number "+COALESCE(a.last_used_at, 0)", "a.id")
            }
            _ => keyset!($page, accounts_listed!($from, $whose), sorted $name, "a.id"),
        }
    };
    ($page:ident, $from:literal, $whose:literal) => {
        match $page.order().0 {
            "created" => keyset!($page, accounts_listed!($from, $whose), sorted number "a.created_at", "a.id"),
            "last_used" => {
                keyset!($page, accounts_listed!($from, $whose), sorted number "COALESCE(a.last_used_at, 0)", "a.id")
            }
            _ => keyset!($page, accounts_listed!($from, $whose), sorted "a.name_folded", "a.id"),
        }
    };
}

/// The statement for the accounts of this status. Those of a rare status are found through an index of their
/// own, without reading all accounts.
async fn select_by_status(
    db: &Db,
    organization: OrganizationId,
    status: &str,
    page: &PageRequest,
    now: Timestamp,
) -> Result<Statement> {
    Ok(match status {
        "disabled" => accounts_sorted!(
            few page,
            "a.name_folded",
            "service_accounts a",
            "a.organization_id = $5 AND $6 = '' AND a.disabled_at IS NOT NULL"
        ),
        "expired" => accounts_sorted!(
            few page,
            "a.name_folded",
            "service_accounts a",
            "a.organization_id = $5 AND $6 = '' AND a.expires_at <= $4 AND a.disabled_at IS NULL"
        ),
        "unused" if are_few(db, organization, now, "unused").await? => accounts_sorted!(
            few page,
            "COALESCE(a.name_folded, '')",
            "service_accounts a",
            "$6 = '' AND a.organization_id = $5 AND COALESCE(a.last_used_at, a.created_at) < $12"
        ),
        "expiring" if are_few(db, organization, now, "expiring").await? => accounts_sorted!(
            few page,
            "COALESCE(a.name_folded, '')",
            "(SELECT e.id FROM service_accounts e WHERE e.organization_id = $5 AND e.deleted_at IS NULL \
                AND e.expires_at > $4 AND e.expires_at <= $11 \
              UNION SELECT k.service_account_id FROM tokens k WHERE k.organization_id = $5 \
                AND k.revoked_at IS NULL AND k.kind <> 'access' AND k.kind = 'service_account' \
                AND k.expires_at > $4 AND k.expires_at <= $11) soon CROSS JOIN service_accounts a",
            "$6 = '' AND a.organization_id = $5 AND a.id = soon.id"
        ),
        _ => accounts_sorted!(page, "service_accounts a", "a.organization_id = $5 AND $6 = ''"),
    })
}

/// So many accounts are read first and then sorted. Of more, the list is read in its order until enough match.
const FEW: i64 = 200;

/// Whether the accounts of this status, unused or expiring, are few.
async fn are_few(db: &Db, organization: OrganizationId, now: Timestamp, status: &str) -> Result<bool> {
    let statement = if status == "unused" {
        sql("SELECT COUNT(*) FROM (SELECT 1 AS one FROM service_accounts a WHERE a.organization_id = $1 \
             AND a.deleted_at IS NULL AND COALESCE(a.last_used_at, a.created_at) < $3 LIMIT $2) counted")
        .bind(organization)
        .bind(FEW + 1)
        .bind(now.minus(UNUSED_AFTER))
    } else {
        sql("SELECT (SELECT COUNT(*) FROM (SELECT 1 AS one FROM tokens k WHERE k.organization_id = $1 \
                AND k.revoked_at IS NULL AND k.kind <> 'access' AND k.kind = 'service_account' \
                AND k.expires_at > $3 AND k.expires_at <= $4 LIMIT $2) counted) \
             + (SELECT COUNT(*) FROM (SELECT 1 AS one FROM service_accounts a WHERE a.organization_id = $1 \
                AND a.deleted_at IS NULL AND a.expires_at > $3 AND a.expires_at <= $4 LIMIT $2) counted)")
        .bind(organization)
        .bind(FEW + 1)
        .bind(now)
        .bind(now.plus(EXPIRES_SOON))
    };
    let (count,): (i64,) = statement.one(db).await?;
    Ok(count <= FEW)
}

/// The columns by which the list can be sorted.
pub const COLUMNS: &[Sort] =
    &[Sort::ascending("name"), Sort::descending("created"), Sort::descending("last_used")];

/// The cursor of an account in a list with this order.
pub(super) fn cursor(page: &PageRequest, account: &ServiceAccount) -> Cursor {
    let key = match page.order().0 {
        "created" => account.created_at.micros().to_string(),
        "last_used" => account.last_used_at.map_or(0, Timestamp::micros).to_string(),
        _ => casefold(&account.name),
    };
    Cursor { key, id: account.id.to_string() }
}

/// A page of accounts. `seen_by` restricts it to the accounts of this person's teams; `None` lists all.
///
/// # Errors
/// Returns an error if the database fails.
pub async fn list(
    db: &Db,
    organization: OrganizationId,
    seen_by: Option<PersonId>,
    filter: &Filter,
    page: &PageRequest,
    now: Timestamp,
) -> Result<Vec<ServiceAccount>> {
    let bound = |statement: Statement| {
        statement
            .bind(now)
            .bind(organization)
            .bind(&filter.team)
            .bind(seen_by.is_none())
            .bind(seen_by)
            .bind(&filter.scope)
            .bind(&filter.status)
            .bind(now.plus(EXPIRES_SOON))
            .bind(now.minus(UNUSED_AFTER))
    };
    // A complete UID is searched without its prefix, because the index stores it that way.
    let typed = filter.search.trim();
    let text = typed.to_lowercase().parse::<ServiceAccountId>().map_or(typed, |_| without_prefix(typed));
    let search = Search::read(db, organization, ServiceAccount::LIST, text).await?;
    let sorting = match &search {
        Some(search) if !page.is_by_name() => {
            Some(search.sorting(db, organization, ServiceAccount::LIST).await?)
        }
        _ => None,
    };
    let statement = match (search, sorting) {
        // The entries of the index are in the order of the names.
        (Some(Search::Indexed { gram, pattern }), None) => bound(keyset!(
            page,
            accounts_listed!(
                "search_grams g CROSS JOIN search_texts s CROSS JOIN service_accounts a",
                "a.organization_id = $5 AND g.organization_id = $5 AND g.list = 'service_accounts' AND g.gram = $13 \
                    AND s.organization_id = g.organization_id AND s.list = g.list AND s.sort_key = g.sort_key \
                    AND s.entry_id = g.entry_id AND a.id = g.entry_id AND s.content LIKE $14 ESCAPE '\\' \
                    AND ($6 = '' OR own.slug = $6)"
            ),
            ascending "g.sort_key", "g.entry_id"
        ))
        .bind(gram)
        .bind(pattern),
        // Few entries are read first and sorted then.
        (Some(Search::Indexed { gram, pattern }), Some(Sorting::MatchesFirst)) => bound(accounts_sorted!(
            page,
            "search_grams g CROSS JOIN search_texts s CROSS JOIN service_accounts a",
            "a.organization_id = $5 AND g.organization_id = $5 AND g.list = 'service_accounts' AND g.gram = $13 \
                AND s.organization_id = g.organization_id AND s.list = g.list AND s.sort_key = g.sort_key \
                AND s.entry_id = g.entry_id AND a.id = g.entry_id AND s.content LIKE $14 ESCAPE '\\' \
                AND ($6 = '' OR own.slug = $6)"
        ))
        .bind(gram)
        .bind(pattern),
        (Some(Search::Short { pattern }), None) => bound(keyset!(
            page,
            accounts_listed!(
                "search_texts s JOIN service_accounts a ON a.id = s.entry_id",
                "a.organization_id = $5 AND s.organization_id = $5 AND s.list = 'service_accounts' AND s.content LIKE $13 ESCAPE '\\' \
                    AND ($6 = '' OR own.slug = $6)"
            ),
            ascending "s.sort_key", "s.entry_id"
        ))
        .bind(pattern),
        // If there are many, the list is read in its order until enough of them are found.
        (Some(Search::Indexed { pattern, .. } | Search::Short { pattern }), _) => bound(accounts_sorted!(
            page,
            "service_accounts a CROSS JOIN search_texts s",
            "a.organization_id = $5 AND s.organization_id = a.organization_id AND s.list = 'service_accounts' \
                AND s.entry_id = a.id AND s.content LIKE $13 ESCAPE '\\' AND ($6 = '' OR own.slug = $6)"
        ))
        .bind(pattern),
        // The accounts of one team are found through the index of the team.
        (None, _) if !filter.team.is_empty() => bound(accounts_sorted!(
            page,
            "service_accounts a",
            "a.team_id = (SELECT id FROM teams WHERE organization_id = $5 AND slug = $6)"
        )),
        (None, _) => bound(select_by_status(db, organization, &filter.status, page, now).await?),
    };
    Ok(statement.all(db).await?)
}

/// The number of accounts of each status. Each count stops after [`MOST`].
#[derive(Clone, Copy, Debug, sqlx::FromRow)]
pub struct Counts {
    /// All accounts.
    pub total: i64,
    /// Tokens of any kind that expire soon. Only if they are at most [`MOST`], `expiring` is complete.
    pub expiring_tokens: i64,
    /// Active accounts that expire soon, or with a key that does.
    pub expiring: i64,
    /// Active accounts that were not used for a long time.
    pub unused: i64,
    /// Disabled accounts.
    pub disabled: i64,
    /// Accounts that have expired and are not disabled.
    pub expired: i64,
}

/// Text of a SELECT of [`Counts`]. `$whose` is the condition for the accounts that are counted, and `$key` the
/// one for the keys that are looked at.
macro_rules! accounts_counted {
    ($whose:literal, $key:literal) => {
        concat!(
            "SELECT (SELECT COUNT(*) FROM (SELECT 1 AS one FROM service_accounts a WHERE ",
            $whose,
            " LIMIT $2) counted) AS total, \
             (SELECT COUNT(*) FROM (SELECT 1 AS one FROM tokens k WHERE k.organization_id = $1 \
                AND k.revoked_at IS NULL AND k.kind <> 'access' AND k.expires_at > $3 AND k.expires_at <= $4 \
                LIMIT $2) counted) AS expiring_tokens, \
             (SELECT COUNT(*) FROM (SELECT a.id FROM service_accounts a WHERE ",
            $whose,
            " AND a.disabled_at IS NULL AND a.expires_at > $3 AND a.expires_at <= $4 \
                UNION SELECT a.id FROM (SELECT k.service_account_id, k.kind FROM tokens k \
                    WHERE k.organization_id = $1 AND k.revoked_at IS NULL AND k.kind <> 'access' \
                    AND k.expires_at > $3 AND k.expires_at <= $4 ORDER BY k.expires_at, k.id LIMIT $2) soon \
                    JOIN service_accounts a ON a.id = soon.service_account_id WHERE soon.kind = 'service_account' \
                    AND a.disabled_at IS NULL AND (a.expires_at IS NULL OR a.expires_at > $3) AND ",
            $key,
            " LIMIT $2) counted) AS expiring, \
             (SELECT COUNT(*) FROM (SELECT 1 AS one FROM service_accounts a WHERE ",
            $whose,
            " AND a.disabled_at IS NULL AND (a.expires_at IS NULL OR a.expires_at > $3) \
                AND COALESCE(a.last_used_at, a.created_at) < $5 LIMIT $2) counted) AS unused, \
             (SELECT COUNT(*) FROM (SELECT 1 AS one FROM service_accounts a WHERE ",
            $whose,
            " AND a.disabled_at IS NOT NULL LIMIT $2) counted) AS disabled, \
             (SELECT COUNT(*) FROM (SELECT 1 AS one FROM service_accounts a WHERE ",
            $whose,
            " AND a.disabled_at IS NULL AND a.expires_at <= $3 LIMIT $2) counted) AS expired"
        )
    };
}

/// Counts the accounts of each status. `seen_by` restricts them to the accounts of this person's teams.
///
/// # Errors
/// Returns an error if the database fails.
pub(super) async fn count(
    db: &Db,
    organization: OrganizationId,
    seen_by: Option<PersonId>,
    now: Timestamp,
) -> Result<Counts> {
    let bound = |statement: Statement| {
        let statement = statement.bind(organization).bind(MOST + 1);
        statement.bind(now).bind(now.plus(EXPIRES_SOON)).bind(now.minus(UNUSED_AFTER))
    };
    let statement = match seen_by {
        None => bound(sql(accounts_counted!(
            "a.organization_id = $1 AND a.deleted_at IS NULL",
            "a.deleted_at IS NULL"
        ))),
        Some(person) => bound(sql(accounts_counted!(
            "a.organization_id = $1 AND a.deleted_at IS NULL \
             AND a.team_id IN (SELECT m.team_id FROM team_members m WHERE m.person_id = $6)",
            "a.deleted_at IS NULL AND a.team_id IN (SELECT m.team_id FROM team_members m WHERE m.person_id = $6)"
        )))
        .bind(person),
    };
    Ok(statement.one(db).await?)
}

#[derive(sqlx::FromRow)]
struct SearchRow {
    organization_id: OrganizationId,
    id: ServiceAccountId,
    name: String,
    description: String,
    sort_key: Option<String>,
    content: Option<String>,
}

/// The UID without the prefix that names its kind.
fn without_prefix(id: &str) -> &str {
    id.split_once('_').map_or(id, |(_, rest)| rest)
}

impl SearchRow {
    fn indexed(self) -> EntryComparison {
        let (name, id) = (casefold(&self.name), self.id.to_string());
        // The prefix is not indexed, because every account has it.
        let texts = [name.as_str(), without_prefix(&id), &self.description];
        let entry = Entry::new(self.organization_id, ServiceAccount::LIST, &id, &name, &texts);
        EntryComparison { entry, stored: StoredEntry::from_columns(self.sort_key, self.content) }
    }
}

/// Text of a SELECT of accounts with their entries in the search index.
macro_rules! accounts_indexed {
    ($rest:literal) => {
        concat!(
            "SELECT a.organization_id, a.id, a.name, a.description, s.sort_key, s.content \
             FROM service_accounts a LEFT JOIN search_texts s ON s.organization_id = a.organization_id \
                AND s.list = 'service_accounts' AND s.entry_id = a.id WHERE a.deleted_at IS NULL AND ",
            $rest
        )
    };
}

impl SearchableList for ServiceAccount {
    const LIST: &'static str = "service_accounts";

    async fn some(db: &Db, after: &Place) -> Result<Vec<EntryComparison>> {
        let found: Vec<SearchRow> =
            sql(accounts_indexed!("a.id > $1 ORDER BY a.id LIMIT 100")).bind(&after.id).all(db).await?;
        Ok(found.into_iter().map(SearchRow::indexed).collect())
    }

    async fn renew(tx: &mut Tx, proof: &impl WriteProof, id: &str) -> Result<()> {
        let found: Option<SearchRow> =
            sql(accounts_indexed!("a.id = $1")).bind(id).optional(&mut *tx).await?;
        match found {
            Some(found) => search::put(tx, proof, &found.indexed()).await,
            None => Ok(()),
        }
    }
}

/// Finds an account of the organization by its UID.
///
/// # Errors
/// [`Error::NotFound`], or an error of the database.
pub async fn find(
    source: impl Into<Source<'_>>,
    organization: OrganizationId,
    named: &str,
    now: Timestamp,
) -> Result<ServiceAccount> {
    let account: Option<ServiceAccount> =
        sql(accounts_where!("service_accounts a", "", "$1", "a.organization_id = $2 AND a.id = $3"))
            .bind(now)
            .bind(organization)
            .bind(named)
            .optional(source)
            .await?;
    account.ok_or(Error::NotFound)
}

/// The accounts of an identity provider that can match a JWT: those with this subject and those that are
/// identified by conditions alone. At most 500.
///
/// # Errors
/// Returns an error if the database fails.
pub async fn federated(
    db: &Db,
    provider: IdentityProviderId,
    subject: &str,
    now: Timestamp,
) -> Result<Vec<ServiceAccount>> {
    Ok(sql(accounts_where!(
        "service_accounts a",
        "",
        "$1",
        "a.identity_provider_id = $2 AND (a.identity_subject = $3 OR a.identity_subject IS NULL) \
         ORDER BY a.id LIMIT 500"
    ))
    .bind(now)
    .bind(provider)
    .bind(subject)
    .all(db)
    .await?)
}

/// The stored form of a federated identity; without a provider for an account with API keys.
#[derive(Clone, Debug, Default)]
pub(super) struct IdentityBinding {
    pub(super) provider: Option<IdentityProviderId>,
    pub(super) subject: Option<String>,
    pub(super) conditions: String,
}

/// Inserts an account that belongs to the owner in the permit, and its entry in the search index.
pub(super) async fn insert(
    change: &mut Change<'_>,
    organization: OrganizationId,
    id: ServiceAccountId,
    creation: &Permit<AccountCreation>,
    (account, binding): (&ValidAccount, &IdentityBinding),
    default_team: Option<TeamId>,
) -> Result<()> {
    ensure_room(change, Quota::ServiceAccount(organization)).await?;
    let actor = change.actor();
    let team = if let crate::access::AccountScope::Team(team) = creation.scope { Some(team) } else { None };
    let statement = sql(
        "INSERT INTO service_accounts (id, organization_id, name, name_folded, description, comment, scope, \
            team_id, default_team_id, role, expires_at, created_by, created_by_name, created_at, version, \
            allowed_addresses, self_rotation, authentication, identity_provider_id, identity_subject, \
            identity_conditions) \
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, 0, $15, $16, $17, $18, $19, $20)",
    )
    .bind(id)
    .bind(organization)
    .bind(&account.name)
    .bind(casefold(&account.name))
    .bind(&account.description)
    .bind(&account.comment)
    .bind(account.scope)
    .bind(team)
    .bind(default_team)
    .bind(&account.role)
    .bind(account.expires_at)
    .bind(actor.id.clone())
    .bind(actor.name.clone())
    .bind(change.now)
    .bind(account.allowed_addresses.lines())
    .bind(account.self_rotation)
    .bind(match account.credential {
        Credential::Key(_) => Authentication::ApiKey,
        Credential::Federated(_) => Authentication::Federated,
    })
    .bind(binding.provider)
    .bind(binding.subject.as_deref())
    .bind(&binding.conditions);
    let effect = Effect::Principal(PrincipalId::ServiceAccount(id));
    change.write_unique(creation, effect, statement, name_is_taken).await?;
    ServiceAccount::renew(change.tx(), creation, &id.to_string()).await
}

fn name_is_taken(error: sqlx::Error) -> Error {
    Error::unique(error, "name", &taken("name", "service account of this organization"))
}

/// Writes an edit if the row still has the version that was read, and returns false otherwise. `into` is the
/// team that the account moves to; `None` keeps its owner.
pub(super) async fn update(
    change: &mut Change<'_>,
    account: &Permit<ServiceAccount>,
    edit: &ValidAccountEdit,
    default_team: Option<TeamId>,
    into: Option<TeamId>,
    binding: &IdentityBinding,
) -> Result<bool> {
    let statement =
        sql("UPDATE service_accounts SET name = $1, name_folded = $2, description = $3, comment = $4, \
            role = $5, expires_at = $6, \
            default_team_id = CASE WHEN $7 = '' THEN COALESCE($8, default_team_id) ELSE NULL END, \
            scope = CASE WHEN $7 = '' THEN scope ELSE 'team' END, \
            team_id = CASE WHEN $7 = '' THEN team_id ELSE $7 END, \
            allowed_addresses = $9, self_rotation = $10, identity_provider_id = $11, identity_subject = $12, \
            identity_conditions = $13, version = version + 1 \
         WHERE id = $14 AND version = $15 AND deleted_at IS NULL")
        .bind(&edit.name)
        .bind(casefold(&edit.name))
        .bind(&edit.description)
        .bind(&edit.comment)
        .bind(&edit.role)
        .bind(edit.expires_at)
        .bind(into.map(|team| team.to_string()).unwrap_or_default())
        .bind(default_team)
        .bind(edit.allowed_addresses.lines())
        .bind(edit.self_rotation)
        .bind(binding.provider)
        .bind(binding.subject.as_deref())
        .bind(&binding.conditions)
        .bind(account.id)
        .bind(account.version);
    let rows = change.write_unique(account, edit.effect(account), statement, name_is_taken).await?;
    ServiceAccount::renew(change.tx(), account, &account.id.to_string()).await?;
    Ok(rows == 1)
}

/// Disables an account (`at` is `Some`) or enables it.
pub(super) async fn set_disabled(
    change: &mut Change<'_>,
    account: &Permit<ServiceAccount>,
    at: Option<Timestamp>,
) -> Result<()> {
    let statement = sql("UPDATE service_accounts SET disabled_at = $1, version = version + 1 WHERE id = $2");
    // Enabling gives everybody who has a key of the account its access again.
    let effect = match at {
        Some(_) => Effect::None,
        None => Effect::Credential(PrincipalId::ServiceAccount(account.id), None),
    };
    change.write(account, effect, statement.bind(at).bind(account.id)).await?;
    Ok(())
}

/// Marks an account as deleted, removes it from the search index and revokes its tokens. Returns the number
/// of revoked tokens. The row stays for the audit log.
pub(super) async fn delete(tx: &mut Tx, account: &Permit<ServiceAccount>, now: Timestamp) -> Result<u64> {
    sql("UPDATE service_accounts SET deleted_at = $1 WHERE id = $2 AND deleted_at IS NULL")
        .bind(now)
        .bind(account.id)
        .execute(&mut *tx, account)
        .await?;
    sql("DELETE FROM grants WHERE principal_id = $1").bind(account.id).execute(&mut *tx, account).await?;
    search::erase(tx, account, account.organization_id, ServiceAccount::LIST, &account.id).await?;
    Ok(sql("UPDATE tokens SET revoked_at = $1 WHERE service_account_id = $2 AND revoked_at IS NULL")
        .bind(now)
        .bind(account.id)
        .execute(tx, account)
        .await?)
}

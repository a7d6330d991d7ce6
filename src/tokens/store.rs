//! SQL for tokens and their values.
//!
//! A row of `tokens` has one or two rows in `token_values`: the current value (`stops_at` is null) and,
//! during an overlap, the old value. Only hashes of values are stored. Statements that write take a write
//! proof, so only the lifecycle and authorized sections can call them.

use super::access_token_grant::AccessTokenGrant;
use super::model::{Holder, NewToken, Status, Token};
use crate::access::{Authorized, PrincipalId, System};
use crate::audit::Change;
use crate::platform::db::Source;
use crate::platform::id::{
    IdentityProviderId, OrganizationId, PersonId, ServiceAccountId, ServiceId, TeamId, TokenId,
};
use crate::platform::web::pagination::{PageRequest, keyset};
use crate::platform::{Context, Db, Error, Result, Timestamp, Tx, sql};
use crate::principals::Effect;
use crate::quotas::{Quota, ensure_room};
use crate::usage::model::Days;
use crate::verification::{PlainToken, TokenHash};

/// Text of a SELECT of tokens with the columns of [`Token`], among them the hints of the current value (`v`) and
/// the old value (`p`). `$more` is empty or further columns that begin with a comma; `$joins` is empty or further
/// tables; `$rest` is the WHERE condition and what follows it.
macro_rules! tokens_with {
    ($more:literal, $rest:expr) => {
        tokens_with!($more, "", $rest)
    };
    ($more:literal, $joins:literal, $rest:expr) => {
        concat!(
            "SELECT t.id, t.kind, t.organization_id, t.service_account_id, t.person_id, t.team_id, t.service_id, \
                t.name, t.description, t.allowed_addresses, t.permissions, v.hint, t.created_by_name, t.created_by, \
                t.created_at, t.regenerated_at, t.regenerated_by_name, t.expires_at, t.revoked_at, t.last_used_at, t.last_used_address, \
                t.last_used_agent, t.last_used_service, t.version, p.hint AS previous_hint, \
                p.stops_at AS previous_stops_at, p.last_used_at AS previous_last_used_at",
            $more,
            " FROM tokens t \
             LEFT JOIN token_values v ON v.token_id = t.id AND v.stops_at IS NULL \
             LEFT JOIN token_values p ON p.token_id = t.id AND p.stops_at IS NOT NULL ",
            $joins,
            " WHERE ",
            $rest
        )
    };
}
pub(crate) use tokens_with;

/// Text of a SELECT of [`Token`]s.
macro_rules! tokens_where {
    ($rest:literal) => {
        tokens_with!("", $rest)
    };
}

/// Inserts a token without a value, if the quota of its holder allows it. A holder that can have only one
/// token and already has one results in `Error::Conflict`.
pub(super) async fn insert(
    change: &mut Change<'_>,
    id: TokenId,
    holder: Holder,
    token: &NewToken,
) -> Result<()> {
    if let Some(quota) = holder.quota() {
        ensure_room(change, quota).await?;
    }
    let actor = change.actor();
    let statement = sql("INSERT INTO tokens (id, kind, organization_id, service_account_id, person_id, team_id, service_id, name, \
            description, allowed_addresses, permissions, created_by, created_by_name, created_at, regenerated_at, \
            expires_at, parent_id, version) \
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $14, $15, $16, 0)")
    .bind(id)
    .bind(holder.kind())
    .bind(holder.organization())
    .bind(holder.account())
    .bind(holder.person())
    .bind(holder.team())
    .bind(holder.service())
    .bind(&token.name)
    .bind(&token.description)
    .bind(token.allowed_addresses.lines())
    .bind(token.permissions.map(crate::principals::format_permissions))
    .bind(actor.id.clone())
    .bind(actor.name.clone())
    .bind(change.now)
    .bind(token.expires_at)
    .bind(token.parent);
    change
        .write_unique(&holder.proof(), holder.effect(id, token.permissions), statement, |error| {
            Error::unique(error, "", "There is already a token. Regenerate it if its value is lost.")
        })
        .await?;
    Ok(())
}

/// Inserts the hash of a new current value. `effect` is the access that somebody with the value gains.
pub(super) async fn insert_value(
    change: &mut Change<'_>,
    proof: Authorized,
    effect: Effect,
    id: TokenId,
    value: &PlainToken,
) -> Result<()> {
    let statement = sql("INSERT INTO token_values (hash, token_id, hint) VALUES ($1, $2, $3)");
    let statement = statement.bind(value.hash()).bind(id).bind(value.hint().to_string());
    change.write(&proof, effect, statement).await?;
    Ok(())
}

/// Sets the new expiry and the time of regeneration. The update locks the row, so that of two concurrent
/// regenerations the second waits. Returns false if the token is revoked.
pub(super) async fn renew(
    change: &mut Change<'_>,
    proof: Authorized,
    effect: Effect,
    id: TokenId,
    expires_at: Option<Timestamp>,
) -> Result<bool> {
    let statement = sql("UPDATE tokens SET regenerated_at = $1, regenerated_by_name = $2, expires_at = $3 \
             WHERE id = $4 AND revoked_at IS NULL");
    let by = change.actor().name.clone();
    let statement = statement.bind(change.now).bind(by).bind(expires_at).bind(id);
    Ok(change.write(&proof, effect, statement).await? == 1)
}

/// Writes a later expiry. Returns false if the token is revoked or has expired.
pub(super) async fn extend(
    change: &mut Change<'_>,
    proof: Authorized,
    token: &Token,
    expires_at: Option<Timestamp>,
) -> Result<bool> {
    let statement = sql("UPDATE tokens SET expires_at = $1, version = version + 1 \
         WHERE id = $2 AND revoked_at IS NULL AND (expires_at IS NULL OR expires_at > $3)");
    let statement = statement.bind(expires_at).bind(token.id).bind(change.now);
    Ok(change.write(&proof, token.effect(), statement).await? == 1)
}

/// Whether `value` is the current value of the token. The token's row is locked, so that a concurrent
/// rotation waits until this one is committed.
pub(super) async fn lock_current(tx: &mut Tx, id: TokenId, value: TokenHash) -> Result<bool> {
    sql("UPDATE tokens SET version = version WHERE id = $1").bind(id).lock(&mut *tx).await?;
    let row: Option<(TokenId,)> =
        sql("SELECT token_id FROM token_values WHERE hash = $1 AND token_id = $2 AND stops_at IS NULL")
            .bind(value)
            .bind(id)
            .optional(tx)
            .await?;
    Ok(row.is_some())
}

/// Revokes the unrevoked tokens that descend from a token (personal tokens created with it, access tokens
/// narrowed from it). Returns their number.
pub(super) async fn revoke_created_with(
    tx: &mut Tx,
    proof: Authorized,
    id: TokenId,
    now: Timestamp,
) -> Result<u64> {
    Ok(sql("WITH RECURSIVE narrowed (id) AS (SELECT id FROM tokens WHERE parent_id = $2 \
            UNION SELECT t.id FROM tokens t JOIN narrowed n ON t.parent_id = n.id) \
         UPDATE tokens SET revoked_at = $1 WHERE id IN (SELECT id FROM narrowed) AND revoked_at IS NULL")
    .bind(now)
    .bind(id)
    .execute(tx, &proof)
    .await?)
}

/// Deletes the old value, if there is one. Returns the number of deleted values.
pub(super) async fn end_overlap(tx: &mut Tx, proof: Authorized, id: TokenId) -> Result<u64> {
    Ok(sql("DELETE FROM token_values WHERE token_id = $1 AND stops_at IS NOT NULL")
        .bind(id)
        .execute(tx, &proof)
        .await?)
}

/// Turns the current value into the old value, which works until `stops_at`. The last use of the token
/// becomes that of the old value.
pub(super) async fn start_overlap(
    tx: &mut Tx,
    proof: Authorized,
    id: TokenId,
    stops_at: Timestamp,
) -> Result<()> {
    sql("UPDATE token_values SET stops_at = $1, last_used_at = (SELECT last_used_at FROM tokens WHERE id = $2) \
         WHERE token_id = $2 AND stops_at IS NULL")
        .bind(stops_at)
        .bind(id)
        .execute(tx, &proof)
        .await?;
    Ok(())
}

/// Revokes a token and all tokens that descend from it. Returns false if it was already revoked.
pub(super) async fn revoke(tx: &mut Tx, proof: Authorized, id: TokenId, now: Timestamp) -> Result<bool> {
    let touched = sql("UPDATE tokens SET revoked_at = $1 WHERE id = $2 AND revoked_at IS NULL")
        .bind(now)
        .bind(id)
        .execute(&mut *tx, &proof)
        .await?;
    revoke_created_with(tx, proof, id, now).await?;
    Ok(touched == 1)
}

/// Inserts an access token, if the quota for its source token or its federated account allows it.
pub(super) async fn insert_access_token(
    change: &mut Change<'_>,
    proof: System,
    id: TokenId,
    of: &AccessTokenGrant,
    token: &NewToken,
) -> Result<()> {
    let quota = match (of.source, of.account) {
        (Some((source, _)), _) => Some(Quota::AccessTokenOf(source)),
        (None, account) => account.map(Quota::FederatedAccessToken),
    };
    if let Some(quota) = quota {
        ensure_room(change, quota).await?;
    }
    let actor = change.actor();
    let statement = sql("INSERT INTO tokens (id, kind, organization_id, service_account_id, person_id, team_id, acts_as, source_id, \
            source_value, parent_id, name, description, allowed_addresses, permissions, created_by, created_by_name, \
            created_at, regenerated_at, expires_at, version) \
         VALUES ($1, 'access', $2, $3, $4, $5, $6, $7, $8, $9, $10, '', '', $11, $12, $13, $14, $14, $15, 0)")
    .bind(id)
    .bind(of.organization)
    .bind(of.account)
    .bind(of.person)
    .bind(of.team)
    .bind(of.acts_as)
    .bind(of.source.map(|(source, _)| source))
    .bind(of.source.map(|(_, value)| value))
    .bind(of.parent)
    .bind(&token.name)
    .bind(token.permissions.map(crate::principals::format_permissions))
    .bind(actor.id.clone())
    .bind(actor.name.clone())
    .bind(change.now)
    .bind(token.expires_at);
    change.write(&proof, of.effect(id, token.permissions), statement).await?;
    Ok(())
}

/// A token that was found by one of its values.
#[derive(Debug)]
pub struct FoundToken {
    /// The token.
    pub token: Token,
    /// Whether the value is the old one, which works until its overlap ends.
    pub is_old_value: bool,
}

/// Finds the active token of a value that still works: the current value, or the old one in its overlap.
///
/// # Errors
/// Returns an error if the database fails.
pub async fn find_by_value(tx: &mut Tx, value: &PlainToken, now: Timestamp) -> Result<Option<FoundToken>> {
    let found: Option<(TokenId, Option<Timestamp>)> =
        sql("SELECT token_id, stops_at FROM token_values WHERE hash = $1")
            .bind(value.hash())
            .optional(&mut *tx)
            .await?;
    let Some((id, stops_at)) = found.filter(|(_, stops_at)| stops_at.is_none_or(|end| end > now)) else {
        return Ok(None);
    };
    let token = find(tx, id).await?.filter(|token| token.status(now) == Status::Active);
    Ok(token.map(|token| FoundToken { token, is_old_value: stops_at.is_some() }))
}

/// Locks an access token while another one is narrowed from it, so that a concurrent revocation waits and
/// also revokes the new one. Returns false if the token is revoked.
///
/// # Errors
/// Returns an error if the database fails.
pub async fn lock_token(tx: &mut Tx, id: TokenId) -> Result<bool> {
    let rows = sql("UPDATE tokens SET version = version WHERE id = $1 AND revoked_at IS NULL")
        .bind(id)
        .lock(tx)
        .await?;
    Ok(rows == 1)
}

/// Locks a service account and its identity provider while an external identity is exchanged. Returns false
/// if one of them was changed, disabled or deleted since it was read.
pub(super) async fn lock_identity(
    tx: &mut Tx,
    (account, account_version): (ServiceAccountId, i64),
    (provider, provider_version): (IdentityProviderId, i64),
) -> Result<bool> {
    let accounts = sql("UPDATE service_accounts SET version = version WHERE id = $1 AND version = $2 \
         AND deleted_at IS NULL AND disabled_at IS NULL")
    .bind(account)
    .bind(account_version)
    .lock(&mut *tx)
    .await?;
    let providers = sql("UPDATE identity_providers SET version = version WHERE id = $1 AND version = $2")
        .bind(provider)
        .bind(provider_version)
        .lock(tx)
        .await?;
    Ok(accounts == 1 && providers == 1)
}

/// Revokes the access tokens of a federated account whose external identity was changed. Returns their
/// number.
///
/// # Errors
/// Returns an error if the database fails.
pub async fn end_federated(
    tx: &mut Tx,
    proof: Authorized,
    account: ServiceAccountId,
    now: Timestamp,
) -> Result<u64> {
    Ok(sql("UPDATE tokens SET revoked_at = $1 WHERE service_account_id = $2 AND kind = 'access' \
            AND revoked_at IS NULL")
    .bind(now)
    .bind(account)
    .execute(tx, &proof)
    .await?)
}

/// The valid access tokens of an account, newest first, at most 100.
///
/// # Errors
/// Returns an error if the database fails.
pub async fn list_access_tokens(db: &Db, account: ServiceAccountId, now: Timestamp) -> Result<Vec<Token>> {
    Ok(sql(tokens_where!(
        "t.service_account_id = $1 AND t.kind = 'access' AND t.revoked_at IS NULL AND t.expires_at > $2 \
         ORDER BY t.id DESC LIMIT 100"
    ))
    .bind(account)
    .bind(now)
    .all(db)
    .await?)
}

/// Writes name, description and allowed IP ranges if the row still has the version of `token`. Returns false
/// otherwise.
pub(super) async fn update_details(
    change: &mut Change<'_>,
    proof: Authorized,
    token: &Token,
    to: &NewToken,
) -> Result<bool> {
    let statement =
        sql("UPDATE tokens SET name = $1, description = $2, allowed_addresses = $3, version = version + 1 \
         WHERE id = $4 AND version = $5")
        .bind(&to.name)
        .bind(&to.description)
        .bind(to.allowed_addresses.lines())
        .bind(token.id)
        .bind(token.version);
    let is_elsewhere = to.allowed_addresses.lines() != token.allowed_addresses;
    let effect = if is_elsewhere { token.effect() } else { Effect::None };
    Ok(change.write(&proof, effect, statement).await? == 1)
}

/// A page of a service account's keys, newest first. `revoked` includes revoked ones.
///
/// # Errors
/// Returns an error if the database fails.
pub async fn of_account(
    db: &Db,
    account: ServiceAccountId,
    revoked: bool,
    page: &PageRequest,
) -> Result<Vec<Token>> {
    // The predicate matches an index of unrevoked rows, so revoked rows are not read.
    let statement = if revoked {
        keyset!(page, tokens_where!("t.service_account_id = $3 AND t.kind = 'service_account'"), descending "t.id")
    } else {
        keyset!(
            page,
            tokens_where!(
                "t.service_account_id = $3 AND t.kind = 'service_account' AND t.revoked_at IS NULL"
            ),
            descending "t.id"
        )
    };
    Ok(statement.bind(account).all(db).await?)
}

/// Whether a service account has revoked keys.
///
/// # Errors
/// Returns an error if the database fails.
pub async fn has_revoked(db: &Db, account: ServiceAccountId) -> Result<bool> {
    let one: Option<(TokenId,)> = sql("SELECT id FROM tokens WHERE service_account_id = $1 \
            AND kind = 'service_account' AND revoked_at IS NOT NULL LIMIT 1")
    .bind(account)
    .optional(db)
    .await?;
    Ok(one.is_some())
}

/// The oldest key of a service account, which was created together with it.
///
/// # Errors
/// Returns an error if the database fails.
pub async fn find_first_key(tx: &mut Tx, account: ServiceAccountId) -> Result<Option<TokenId>> {
    let row: Option<(TokenId,)> =
        sql("SELECT id FROM tokens WHERE service_account_id = $1 AND kind = 'service_account' ORDER BY id LIMIT 1")
            .bind(account)
            .optional(tx)
            .await?;
    Ok(row.map(|(id,)| id))
}

/// The unrevoked token of a team. It can be expired.
///
/// # Errors
/// Returns an error if the database fails.
pub async fn of_team(source: impl Into<Source<'_>>, team: TeamId) -> Result<Option<Token>> {
    Ok(sql(tokens_where!("t.team_id = $1 AND t.kind = 'team' AND t.revoked_at IS NULL"))
        .bind(team)
        .optional(source)
        .await?)
}

/// The unrevoked token of an organization. It can be expired.
///
/// # Errors
/// Returns an error if the database fails.
pub async fn of_organization(
    source: impl Into<Source<'_>>,
    organization: OrganizationId,
) -> Result<Option<Token>> {
    Ok(sql(tokens_where!("t.organization_id = $1 AND t.kind = 'organization' AND t.revoked_at IS NULL"))
        .bind(organization)
        .optional(source)
        .await?)
}

/// All secrets of a service, including revoked ones, oldest first.
///
/// # Errors
/// Returns an error if the database fails.
pub async fn of_service(source: impl Into<Source<'_>>, service: ServiceId) -> Result<Vec<Token>> {
    Ok(sql(tokens_where!("t.service_id = $1 ORDER BY t.id")).bind(service).all(source).await?)
}

/// A page of a person's personal tokens, newest first. `dead` includes revoked and expired ones.
///
/// # Errors
/// Returns an error if the database fails.
pub async fn of_person(
    db: &Db,
    person: PersonId,
    (now, dead): (Timestamp, bool),
    page: &PageRequest,
) -> Result<Vec<Token>> {
    Ok(keyset!(
        page,
        tokens_where!(
            "t.person_id = $3 AND t.kind = 'personal' \
             AND ($4 OR (t.revoked_at IS NULL AND (t.expires_at IS NULL OR t.expires_at > $5)))"
        ),
        descending "t.id"
    )
    .bind(person)
    .bind(dead)
    .bind(now)
    .all(db)
    .await?)
}

/// Finds a token of any kind by its id. The organization is not checked.
///
/// # Errors
/// Returns an error if the database fails.
pub async fn find(source: impl Into<Source<'_>>, id: TokenId) -> Result<Option<Token>> {
    Ok(sql(tokens_where!("t.id = $1")).bind(id).optional(source).await?)
}

/// Requests of a service account that were attributed to one person and team in the last 30 days.
#[derive(Clone, Debug, sqlx::FromRow)]
pub struct Attributed {
    /// Username of the person.
    pub username: String,
    /// Team of the requests.
    pub team: String,
    /// Number of requests.
    pub calls: i64,
    /// Time of the last request.
    pub last_at: Timestamp,
}

/// The attributions of an account in the last 30 days, latest first, at most 50.
///
/// # Errors
/// Returns an error if the database fails.
pub async fn attributed(context: &Context, account: ServiceAccountId) -> Result<Vec<Attributed>> {
    Ok(sql("SELECT username, team, CAST(SUM(calls) AS BIGINT) AS calls, MAX(last_at) AS last_at FROM attributions \
         WHERE service_account_id = $1 AND day >= $2 GROUP BY username, team \
         ORDER BY MAX(last_at) DESC, username LIMIT 50")
    .bind(account)
    .bind(Days::recent(context.clock.now()).from)
    .all(&context.db)
    .await?)
}

/// Whether a team or the organization still has a token that is active at `now`. For every other principal,
/// the result is true.
///
/// # Errors
/// Returns an error if the database fails.
pub async fn has_active_token(
    tx: &mut Tx,
    organization: OrganizationId,
    principal: PrincipalId,
    now: Timestamp,
) -> Result<bool> {
    let token = match principal {
        PrincipalId::Organization => of_organization(tx, organization).await?,
        PrincipalId::Team(team) => of_team(tx, team).await?,
        _ => return Ok(true),
    };
    Ok(token.is_some_and(|token| token.status(now) == Status::Active))
}

//! Loads what verification needs to know about a token and its principal if it
//! is not in the cache, and stores it there with the version of the data on
//! which it depends.

use std::sync::Arc;

use super::batch_loader::TokenRow;
use super::principal::{MachinePrincipal, PersonNames, Principal, PrincipalKind, TokenFacts};
use super::token_format::{PlainToken, TokenHash};
use super::verifier::Verifier;
use crate::access::{AccountScope, IpAllowList, Permissions, TokenKind};
use crate::platform::db::{Dependency, Snapshot};
use crate::platform::id::{OrganizationId, TeamId, TokenId};
use crate::platform::{Error, Result, Timestamp, sql};
use crate::principals;

#[derive(sqlx::FromRow)]
struct SourceRow {
    name: String,
    expires_at: Option<Timestamp>,
    stops_at: Option<Timestamp>,
    allowed_addresses: String,
}

#[derive(sqlx::FromRow)]
struct AccountRow {
    name: String,
    role: String,
    expires_at: Option<Timestamp>,
    allowed_addresses: String,
    disabled_at: Option<Timestamp>,
    deleted_at: Option<Timestamp>,
    team_id: Option<TeamId>,
    team_slug: Option<String>,
    default_team_slug: Option<String>,
}

/// Loads a token by its value and stores it in the cache. Returns `None` if the
/// value is unknown, or its token, source or principal is revoked, disabled or
/// deleted. The caller checks the expiry.
pub(super) async fn load_token(
    verifier: &Verifier,
    value: &PlainToken,
    hash: TokenHash,
    now: Timestamp,
) -> Result<Option<Arc<TokenFacts>>> {
    let (snapshot, row) = verifier.cache.loader.find(&verifier.context.db, hash).await?;
    let Some(row) = row else { return Ok(None) };
    let source_hash = row.source_value.as_deref().and_then(TokenHash::from_stored);
    let (source, source_row) = match (row.source_id, source_hash) {
        (Some(id), Some(value)) => {
            let Some(source_row) = load_source(verifier, id, value).await? else { return Ok(None) };
            (Some(Box::new((id, value))), Some(source_row))
        }
        (None, None) => (None, None),
        _ => return Ok(None),
    };
    let acts_as = row.acts_as.unwrap_or(value.kind());
    let narrowed = row.permissions.as_deref().map(principals::parse_permissions);
    let principal =
        load_principal(verifier, acts_as, &row, source_row.as_ref(), narrowed, (snapshot, now)).await?;
    let Some(principal) = principal else { return Ok(None) };
    let (scope, own_end, own_list) = match &principal {
        Principal::Person { id, .. } => (Dependency::from(*id), None, None),
        Principal::Machine(machine) if machine.is_inactive => return Ok(None),
        Principal::Machine(machine) => {
            (machine.organization.id.into(), machine.expires_at, machine.addresses.clone())
        }
    };
    // A change of this token or its source invalidates this entry only, not those of other tokens.
    let scopes = [scope, row.token_id.into(), row.source_id.unwrap_or(row.token_id).into()];
    let version = verifier.context.db.invalidations().version(snapshot, &scopes);
    let (source_end, source_stop) =
        source_row.as_ref().map_or((None, None), |source_row| (source_row.expires_at, source_row.stops_at));
    let ends = [row.stops_at, row.expires_at, own_end, source_end, source_stop];
    let lists =
        [&row.allowed_addresses].into_iter().chain(source_row.as_ref().map(|it| &it.allowed_addresses));
    let mut addresses =
        lists.filter_map(|list| parse_allow_list(list).transpose()).collect::<Result<Vec<_>>>()?;
    addresses.extend(own_list);
    let facts = Arc::new(TokenFacts {
        token: row.token_id,
        acts_as,
        source,
        expires_at: ends.into_iter().flatten().min(),
        issued_at: row.regenerated_at,
        narrowed,
        is_old: row.stops_at.is_some(),
        addresses: addresses.into(),
        principal,
    });
    verifier.cache.tokens.put(hash, version, &facts);
    Ok(Some(facts))
}

/// Parses a stored IP allow-list; `None` if it allows every address.
fn parse_allow_list(stored: &str) -> Result<Option<IpAllowList>> {
    let list = if stored.is_empty() { return Ok(None) } else { IpAllowList::parse(stored) };
    list.map(Some).map_err(Error::internal)
}

/// Loads the token for which an access token was exchanged, if it is not revoked
/// and the exchanged value of it still exists.
async fn load_source(verifier: &Verifier, id: TokenId, value: TokenHash) -> Result<Option<SourceRow>> {
    Ok(sql("SELECT t.name, t.expires_at, v.stops_at, t.allowed_addresses \
         FROM tokens t JOIN token_values v ON v.hash = $2 WHERE t.id = $1 AND t.revoked_at IS NULL")
    .bind(id)
    .bind(value)
    .optional(&verifier.context.db)
    .await?)
}

async fn load_principal(
    verifier: &Verifier,
    token: TokenKind,
    row: &TokenRow,
    source_row: Option<&SourceRow>,
    narrowed: Option<Permissions>,
    at: (Snapshot, Timestamp),
) -> Result<Option<Principal>> {
    if let Some(id) = row.person_id {
        let names: Option<(String, String)> = sql("SELECT name, username FROM people WHERE id = $1")
            .bind(id)
            .optional(&verifier.context.db)
            .await?;
        let names = names.map(|(name, username)| Arc::new(PersonNames { name, username }));
        return Ok(names.map(|names| Principal::Person { id, names }));
    }
    let Some(organization) = row.organization_id else { return Ok(None) };
    let id = match (token, row.service_account_id, row.team_id) {
        (TokenKind::ServiceAccount, Some(id), _) => id.number(),
        (TokenKind::Team, _, Some(id)) => id.number(),
        (TokenKind::Organization, ..) => organization.number(),
        (TokenKind::ServiceToken, ..) => row.source_id.unwrap_or(row.token_id).number(),
        _ => return Ok(None),
    };
    let read = Box::pin(load_machine_principal(verifier, token, organization, row, source_row, at));
    let machine = match verifier
        .cache
        .machines
        .get_or_load(verifier.context.db.invalidations(), id, organization, at, read)
        .await
    {
        Ok(machine) => machine,
        Err(Error::NotFound) => return Ok(None),
        Err(error) => return Err(error),
    };
    Ok(Some(Principal::Machine(if narrowed.is_some() {
        let mut narrow = MachinePrincipal::clone(&machine);
        Arc::make_mut(&mut narrow.subject).narrowed = narrowed;
        Arc::new(narrow)
    } else {
        machine
    })))
}

/// Loads the program that a token acts as (an account, a team, an organization or a service token) with its
/// grants. `at` is when the loading began: the cache entries that it creates are as old as that.
async fn load_machine_principal(
    verifier: &Verifier,
    token: TokenKind,
    organization: OrganizationId,
    row: &TokenRow,
    source_row: Option<&SourceRow>,
    at: (Snapshot, Timestamp),
) -> Result<MachinePrincipal> {
    let db = &verifier.context.db;
    let read = Box::pin(principals::load_organization(db, organization));
    // All machine principals of an organization share one entry of the cache.
    let organization = verifier
        .cache
        .organizations
        .get_or_load(db.invalidations(), organization, organization, at, read)
        .await?;
    let base = |kind, id: String, name: String, subject| MachinePrincipal {
        kind,
        id,
        name,
        organization: organization.clone(),
        team: None,
        default_team: None,
        subject: Arc::new(subject),
        is_inactive: false,
        expires_at: None,
        addresses: None,
    };
    match (token, row.service_account_id, row.team_id) {
        (TokenKind::ServiceAccount, Some(id), _) => {
            let account: Option<AccountRow> =
                sql("SELECT a.name, a.role, a.expires_at, a.allowed_addresses, a.disabled_at, a.deleted_at, a.team_id, \
                        own.slug AS team_slug, usual.slug AS default_team_slug \
                     FROM service_accounts a LEFT JOIN teams own ON own.id = a.team_id \
                     LEFT JOIN teams usual ON usual.id = a.default_team_id WHERE a.id = $1")
                .bind(id)
                .optional(db)
                .await?;
            let account = account.ok_or(Error::NotFound)?;
            let scope = account.team_id.map_or(AccountScope::Organization, AccountScope::Team);
            let subject =
                principals::load_account_subject(db, &organization, id, scope, &account.role).await?;
            Ok(MachinePrincipal {
                team: account.team_slug.map(Arc::from),
                default_team: account.default_team_slug.map(Arc::from),
                is_inactive: account.disabled_at.is_some() || account.deleted_at.is_some(),
                expires_at: account.expires_at,
                addresses: parse_allow_list(&account.allowed_addresses)?,
                ..base(PrincipalKind::ServiceAccount, id.to_string(), account.name, subject)
            })
        }
        (TokenKind::Team, _, Some(id)) => {
            let team: Option<(String, String, String)> =
                sql("SELECT slug, name, role FROM teams WHERE id = $1").bind(id).optional(db).await?;
            let (slug, name, role) = team.ok_or(Error::NotFound)?;
            let subject = principals::load_team_subject(db, &organization, id, &role).await?;
            let team = Some(slug.into());
            Ok(MachinePrincipal { team, ..base(PrincipalKind::Team, id.to_string(), name, subject) })
        }
        (TokenKind::Organization, ..) => {
            let (id, name) = (organization.id.to_string(), organization.name.clone());
            Ok(base(PrincipalKind::Organization, id, name, principals::organization_subject()))
        }
        _ => {
            let id = row.source_id.unwrap_or(row.token_id);
            let subject = principals::load_service_token_subject(db, &organization, id).await?;
            let name = source_row.map_or(&row.name, |source_row| &source_row.name).clone();
            Ok(base(PrincipalKind::ServiceToken, id.to_string(), name, subject))
        }
    }
}

//! Operations on personal tokens, called by `token_pages` and `api`.
//!
//! Personal tokens work in all organizations of their person, so the strictest policy of these organizations
//! applies. A token that is created with another token never exceeds or outlives that token.

use crate::access::{IpAllowList, LifetimeRule, Permissions, Permit, Policy, TokenKind};
use crate::audit::{Actor, Change};
use crate::directory::own_account::OwnAccount;
use crate::platform::id::{PersonId, TokenId};
use crate::platform::web::pagination::{Cursor, Page, PageRequest};
use crate::platform::{Error, Result, Timestamp, ValidationErrors};
use crate::principals::load_memberships;
use crate::state::AppState;
use crate::tokens::lifecycle::{self, Issued};
use crate::tokens::model::{Lifetime, Renewal, Token, TokenInput};
use crate::tokens::one_time_secret::SecretDelivery;
use crate::tokens::store;

/// Limits of a new token: those of the token that creates it. A session sets no limits.
#[derive(Clone, Debug, Default)]
pub struct Bounds {
    /// Latest expiry of the new token. `None` for no limit.
    pub expires_at: Option<Timestamp>,
    /// Permissions that the new token can carry at most. `None` for no limit.
    pub permissions: Option<Permissions>,
    /// IP ranges of the creating token and its ancestors. The ranges of the new token must be within each of
    /// them.
    pub addresses: Vec<IpAllowList>,
    /// The token that creates the new one. Revoking it revokes the new token too.
    pub parent: Option<TokenId>,
}

/// What the organizations of a person allow for personal tokens.
#[derive(Debug)]
pub struct PersonalTokenPolicy {
    /// For each lifetime, the strictest of the organizations that allow personal tokens.
    pub policy: Policy,
    /// The names of the organizations that do not allow them.
    pub closed_organizations: Vec<String>,
}

/// Loads what the person's organizations allow for personal tokens.
///
/// # Errors
/// Returns an error if the database fails.
pub async fn load_policy(app: &AppState, person: PersonId) -> Result<PersonalTokenPolicy> {
    let (mut rule, mut closed) = (LifetimeRule::default(), Vec::new());
    for place in load_memberships(&app.context.db, person, None).await? {
        let policy = &place.organization.policy;
        if !policy.personal_tokens {
            closed.push(place.organization.name);
            continue;
        }
        let own = policy.lifetime(TokenKind::Personal);
        let least = |a: Option<u32>, b: Option<u32>| a.into_iter().chain(b).min();
        rule.max_days = least(rule.max_days, own.max_days);
        rule.default_days = least(rule.default_days, own.default_days);
    }
    let mut policy = Policy::default();
    policy.lifetimes.insert(TokenKind::Personal, rule);
    Ok(PersonalTokenPolicy { policy, closed_organizations: closed })
}

/// A page of the person's tokens, newest first. `dead` includes revoked and expired ones.
///
/// # Errors
/// Returns an error if the database fails.
pub async fn list(app: &AppState, person: PersonId, dead: bool, page: &PageRequest) -> Result<Page<Token>> {
    let rows = store::of_person(&app.context.db, person, (app.context.clock.now(), dead), page).await?;
    Ok(page.into_page(rows, |token| Cursor::from_id(token.id)))
}

/// Returns one of the person's tokens.
///
/// # Errors
/// [`Error::NotFound`] if it does not exist or belongs to somebody else.
pub async fn get(app: &AppState, person: PersonId, id: &str) -> Result<Token> {
    let id: TokenId = id.parse().map_err(|_| Error::NotFound)?;
    let token = store::find(&app.context.db, id).await?;
    token.filter(|token| token.person_id == Some(person)).ok_or(Error::NotFound)
}

/// Creates a token within `bounds`.
///
/// # Errors
/// [`Error::Invalid`] for invalid fields or fields outside `bounds`; [`Error::Unauthenticated`] if the
/// creating token was revoked in the meantime.
pub async fn create(
    app: &AppState,
    actor: &Actor,
    owner: &Permit<OwnAccount>,
    input: &TokenInput,
    bounds: Bounds,
    delivery: &SecretDelivery,
) -> Result<Issued> {
    let person = owner.0;
    let policy = load_policy(app, person).await?.policy;
    let mut change = Change::begin(&app.context, actor, None).await?;
    change.no_invalidation();
    let mut errors = ValidationErrors::default();
    let token = input.check(&mut errors, (&policy, TokenKind::Personal), change.now);
    let Some(mut token) = token.filter(|_| errors.is_empty()) else { return Err(Error::Invalid(errors)) };
    if let Some(parent) = bounds.parent
        && !store::lock_token(change.tx(), parent).await?
    {
        return Err(Error::Unauthenticated { presented: true });
    }
    token.parent = bounds.parent;
    if let Some(bound) = bounds.expires_at {
        if input.lifetime == Lifetime::Usual {
            token.expires_at = Some(token.expires_at.map_or(bound, |end| end.min(bound)));
        } else if token.expires_at.is_none_or(|end| end > bound) {
            let message = format!(
                "Choose an expiry of {} at the latest. The token that creates this one expires then.",
                bound.rfc3339()
            );
            return Err(Error::Invalid(ValidationErrors::one("expires_at", message)));
        }
    }
    if let Some(bound) = bounds.permissions {
        let asked = token.permissions.unwrap_or(bound);
        if !bound.contains_all(asked) {
            let message = "Choose only permissions that the token that creates this one has.";
            return Err(Error::Invalid(ValidationErrors::one("permissions", message)));
        }
        token.permissions = Some(asked);
    }
    for bound in &bounds.addresses {
        if token.allowed_addresses.is_empty() {
            token.allowed_addresses = bound.clone();
        } else if !token.allowed_addresses.is_within(bound) {
            let message = "Enter only ranges within those of the token that creates this one.";
            return Err(Error::Invalid(ValidationErrors::one("allowed_addresses", message)));
        }
    }
    let issued = lifecycle::issue(&mut change, owner.into(), &token, delivery).await?;
    if !issued.is_repeat() {
        change.done().await?;
    }
    Ok(issued)
}

/// Begins a change of one of the person's tokens.
async fn begin<'a>(
    app: &'a AppState,
    actor: &'a Actor,
    owner: &Permit<OwnAccount>,
    id: &str,
) -> Result<(Change<'a>, Token)> {
    let token = get(app, owner.0, id).await?;
    let mut change = Change::begin(&app.context, actor, None).await?;
    change.invalidates_person(owner.0);
    Ok((change, token))
}

/// Regenerates one of the person's tokens.
///
/// # Errors
/// [`Error::NotFound`], [`Error::Invalid`], or [`Error::Conflict`] for a revoked token.
pub async fn regenerate(
    app: &AppState,
    actor: &Actor,
    owner: &Permit<OwnAccount>,
    id: &str,
    renewal: &Renewal,
    delivery: &SecretDelivery,
) -> Result<Issued> {
    let policy = load_policy(app, owner.0).await?.policy;
    let (mut change, token) = begin(app, actor, owner, id).await?;
    let issued = lifecycle::regenerate(&mut change, owner.into(), &token, renewal, &policy, delivery).await?;
    change.done().await?;
    Ok(issued)
}

/// Revokes one of the person's tokens, and those that were created with it.
///
/// # Errors
/// [`Error::NotFound`] or [`Error::Conflict`].
pub async fn revoke(app: &AppState, actor: &Actor, owner: &Permit<OwnAccount>, id: &str) -> Result<Token> {
    let (change, token) = begin(app, actor, owner, id).await?;
    lifecycle::revoke(change, owner.into(), &token).await?;
    Ok(token)
}

/// Ends the overlap: the old value stops working at once.
///
/// # Errors
/// [`Error::NotFound`] or [`Error::Conflict`].
pub async fn end_overlap(
    app: &AppState,
    actor: &Actor,
    owner: &Permit<OwnAccount>,
    id: &str,
) -> Result<Token> {
    let (change, token) = begin(app, actor, owner, id).await?;
    lifecycle::end_overlap(change, owner.into(), &token).await?;
    Ok(token)
}

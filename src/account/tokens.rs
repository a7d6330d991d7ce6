//! A person's own tokens.

use crate::access::{IpAllowList, LifetimeRule, Permissions, Permit, Policy, TokenKind};
use crate::audit::{Actor, Change};
use crate::directory::own_account::OwnAccount;
use crate::platform::id::{PersonId, TokenId};
use crate::platform::web::pagination::{Cursor, Page, PageRequest};
use crate::platform::{Error, Result, Timestamp, ValidationErrors};
use crate::principals::memberships;
use crate::state::AppState;
use crate::tokens::lifecycle::{self, Issued};
use crate::tokens::model::{Lifetime, Renewal, Token, TokenInput};
use crate::tokens::one_time_secret::SecretDelivery;
use crate::tokens::store;

/// With what a new token is made: a session sets no bounds, a token its own.
#[derive(Clone, Debug, Default)]
pub struct Bounds {
    /// The new one ends by then.
    pub expires_at: Option<Timestamp>,
    /// The new one carries no more than these.
    pub permissions: Option<Permissions>,
    /// The new one is taken only from where each of these lets in.
    pub addresses: Vec<IpAllowList>,
    /// The new one ends with this token.
    pub parent: Option<TokenId>,
}

/// What the person's organizations allow together: the strictest of each.
/// Those that take no personal tokens have no say; their names are told.
///
/// # Errors
/// When the database cannot.
pub async fn policy(app: &AppState, person: PersonId) -> Result<(Policy, Vec<String>)> {
    let (mut rule, mut closed) = (LifetimeRule::default(), Vec::new());
    for place in memberships(&app.context.db, person, None).await? {
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
    Ok((policy, closed))
}

/// The person's tokens, the newest first; dead ones where asked for.
///
/// # Errors
/// When the database cannot.
pub async fn list(app: &AppState, person: PersonId, dead: bool, page: &PageRequest) -> Result<Page<Token>> {
    let rows = store::of_person(&app.context.db, person, (app.context.clock.now(), dead), page).await?;
    Ok(page.into_page(rows, |token| Cursor::of_id(token.id)))
}

/// One of the person's tokens.
///
/// # Errors
/// [`Error::NotFound`] for anybody else's.
pub async fn get(app: &AppState, person: PersonId, id: &str) -> Result<Token> {
    let id: TokenId = id.parse().map_err(|_| Error::NotFound)?;
    let token = store::find(&app.context.db, id).await?;
    token.filter(|token| token.person_id == Some(person)).ok_or(Error::NotFound)
}

/// Makes a token. One that is made with a token never outlives or exceeds it.
///
/// # Errors
/// [`Error::Invalid`].
pub async fn create(
    app: &AppState,
    actor: &Actor,
    owner: &Permit<OwnAccount>,
    input: &TokenInput,
    bounds: Bounds,
    delivery: &SecretDelivery,
) -> Result<Issued> {
    let person = owner.0;
    let (policy, _) = policy(app, person).await?;
    let mut change = Change::begin(&app.context, actor, None).await?;
    change.no_invalidation();
    let mut mistakes = ValidationErrors::default();
    let token = input.check(&mut mistakes, (&policy, TokenKind::Personal), change.now);
    let Some(mut token) = token.filter(|_| mistakes.is_empty()) else { return Err(Error::Invalid(mistakes)) };
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
        if !bound.include(asked) {
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

/// Gives one of the person's tokens a new value.
///
/// # Errors
/// [`Error::NotFound`], [`Error::Invalid`], [`Error::Conflict`].
pub async fn regenerate(
    app: &AppState,
    actor: &Actor,
    owner: &Permit<OwnAccount>,
    id: &str,
    renewal: &Renewal,
    delivery: &SecretDelivery,
) -> Result<Issued> {
    let person = owner.0;
    let token = get(app, person, id).await?;
    let (policy, _) = policy(app, person).await?;
    let mut change = Change::begin(&app.context, actor, None).await?;
    change.invalidates_person(person);
    let issued = lifecycle::regenerate(&mut change, owner.into(), &token, renewal, &policy, delivery).await?;
    change.done().await?;
    Ok(issued)
}

/// Ends one of the person's tokens.
///
/// # Errors
/// [`Error::NotFound`], [`Error::Conflict`].
pub async fn revoke(app: &AppState, actor: &Actor, owner: &Permit<OwnAccount>, id: &str) -> Result<Token> {
    let person = owner.0;
    let token = get(app, person, id).await?;
    let mut change = Change::begin(&app.context, actor, None).await?;
    change.invalidates_person(person);
    lifecycle::revoke(change, owner.into(), &token).await?;
    Ok(token)
}

/// Stops the value before, which lived on beside its successor.
///
/// # Errors
/// [`Error::NotFound`], [`Error::Conflict`].
pub async fn stop_old(app: &AppState, actor: &Actor, owner: &Permit<OwnAccount>, id: &str) -> Result<Token> {
    let person = owner.0;
    let token = get(app, person, id).await?;
    let mut change = Change::begin(&app.context, actor, None).await?;
    change.invalidates_person(person);
    lifecycle::stop_old(change, owner.into(), &token).await?;
    Ok(token)
}

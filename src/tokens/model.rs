//! Types of tokens, their owners and their forms, with the checks of lifetimes and overlaps. No I/O.
//!
//! The lifecycle and the pages of all sections use these types. A lifetime is accepted only if it ends in the
//! future and within the maximum that the organization's policy sets for the kind of token.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::access::{
    Authorized, Guarded, IpAllowList, Permissions, Permit, Policy, PrincipalId, System, SystemReason,
    TokenKind,
};
use crate::platform::clock::DAY;
use crate::platform::id::{OrganizationId, PersonId, ServiceAccountId, ServiceId, TeamId, TokenId};
use crate::platform::secret::RevealedSecret;
use crate::platform::text::{multiline_text, name, string_enum};
use crate::platform::web::nullable::present;
use crate::platform::{Error, Result, Timestamp, ValidationErrors};
use crate::principals::{self, Effect};
use crate::quotas::Quota;
use crate::verification::VerifiedToken;

string_enum! {
    /// Status of a token at a point in time.
    Status {
        /// The token is neither expired nor revoked. Its principal can still be disabled.
        Active = "active",
        /// The time in `expires_at` has passed.
        Expired = "expired",
        /// Somebody revoked the token. A revoked token is never valid again and takes precedence over
        /// `Expired`.
        Revoked = "revoked",
    }
}

string_enum! {
    /// How long the old value keeps working after a regeneration.
    Overlap {
        /// One hour.
        Hour = "1h",
        /// 24 hours.
        Day = "24h",
        /// Seven days.
        Week = "7d",
    }
}

impl Overlap {
    /// The overlap as a duration.
    #[must_use]
    pub fn duration(self) -> Duration {
        match self {
            Self::Hour => Duration::from_secs(3600),
            Self::Day => DAY,
            Self::Week => 7 * DAY,
        }
    }
}

/// A row of `tokens` with the hints of its current and its old value. It never contains a value or a hash.
#[derive(Clone, Debug, sqlx::FromRow)]
pub struct Token {
    /// Id, which stays the same when the token is regenerated.
    pub id: TokenId,
    /// Kind, which determines the prefix of the value and the principal that the token acts as.
    pub kind: TokenKind,
    /// The organization of the token. `None` for a personal token and for an access token of a person.
    pub organization_id: Option<OrganizationId>,
    /// The service account that the token acts as (keys and access tokens); otherwise `None`.
    pub service_account_id: Option<ServiceAccountId>,
    /// The person that the token acts as (personal tokens and access tokens); otherwise `None`.
    pub person_id: Option<PersonId>,
    /// The team that the token acts as (team tokens and access tokens); otherwise `None`.
    pub team_id: Option<TeamId>,
    /// The service that the secret belongs to (service secrets); otherwise `None`.
    pub service_id: Option<ServiceId>,
    /// Display name, 1 to 255 characters.
    pub name: String,
    /// Description, at most 500 characters; may be empty.
    pub description: String,
    /// IP ranges (CIDR) from which the token can be used, one per line. Empty means any IP address.
    pub allowed_addresses: String,
    /// The stored permissions that the token is narrowed to. `None` means all permissions of its principal.
    pub permissions: Option<String>,
    /// Prefix and last four characters of the current value. `None` if the token has no value.
    pub hint: Option<String>,
    /// Name of the creator at the time of creation.
    pub created_by_name: String,
    /// Id of the creator; empty if it is unknown.
    pub created_by: String,
    /// Time of creation.
    pub created_at: Timestamp,
    /// Time at which the current value was created.
    pub regenerated_at: Timestamp,
    /// Name of whoever regenerated the token last. `None` if it has its first value.
    pub regenerated_by_name: Option<String>,
    /// End of the token. `None` means that it does not expire.
    pub expires_at: Option<Timestamp>,
    /// Time of the revocation; `None` while the token is not revoked.
    pub revoked_at: Option<Timestamp>,
    /// Last use of the token, accurate to a minute; `None` if it was never used.
    pub last_used_at: Option<Timestamp>,
    /// IP address of the last use.
    pub last_used_address: Option<String>,
    /// Start of the `User-Agent` header of the last use.
    pub last_used_agent: Option<String>,
    /// Name of the service that verified the token at the last use. `None` if it was used at Tessera itself.
    pub last_used_service: Option<String>,
    /// Version for optimistic locking; increases with every edit.
    pub version: i64,
    /// Hint of the old value during an overlap. It stays set after the overlap until the row is deleted; see
    /// [`Token::overlaps`].
    pub previous_hint: Option<String>,
    /// End of the overlap.
    pub previous_stops_at: Option<Timestamp>,
    /// Last use of the old value.
    pub previous_last_used_at: Option<Timestamp>,
}

impl Token {
    /// The status at the time `now`.
    #[must_use]
    pub fn status(&self, now: Timestamp) -> Status {
        if self.revoked_at.is_some() {
            Status::Revoked
        } else if self.expires_at.is_some_and(|end| end <= now) {
            Status::Expired
        } else {
            Status::Active
        }
    }

    /// The effect of giving somebody a new value of this token: they gain what its principal holds, within
    /// the permissions that the token is narrowed to. A service secret gives no access.
    #[must_use]
    pub fn effect(&self) -> Effect {
        let principal = match self.kind {
            TokenKind::ServiceSecret => return Effect::None,
            TokenKind::Organization => Some(PrincipalId::Organization),
            TokenKind::ServiceToken => Some(PrincipalId::ServiceToken(self.id)),
            TokenKind::ServiceAccount | TokenKind::Team | TokenKind::Personal | TokenKind::Access => self
                .service_account_id
                .map(PrincipalId::ServiceAccount)
                .or(self.team_id.map(PrincipalId::Team))
                .or(self.person_id.map(PrincipalId::Person)),
        };
        let limit = self.permissions.as_deref().map(principals::parse_permissions);
        principal.map_or(Effect::None, |principal| Effect::Credential(principal, limit))
    }

    /// The status at the time of the page (`Layout::now`), for templates. Without a time, the status at
    /// creation.
    #[must_use]
    pub fn status_at(&self, now: &Option<Timestamp>) -> Status {
        self.status(now.unwrap_or(self.created_at))
    }

    /// Why the token cannot get a later expiry at `now`; `None` if it can.
    #[must_use]
    pub fn why_not_extend(&self, now: Timestamp) -> Option<&'static str> {
        match self.status(now) {
            Status::Revoked => Some("It is revoked. Create a new one."),
            Status::Expired => {
                Some("It has expired. Regenerate it, so that an old copy of the value stays useless.")
            }
            Status::Active if self.expires_at.is_none() => Some("It never expires."),
            Status::Active => None,
        }
    }

    /// The overlap that fits the use of the token at `now`, as the form submits it: programs that call every day
    /// need less time than those that call once in a while. Without any use, none.
    #[must_use]
    pub fn suggested_overlap(&self, now: &Option<Timestamp>) -> &'static str {
        match (self.last_used_at, now) {
            (Some(at), Some(now)) if now.since(at) <= DAY => "24h",
            (Some(_), _) => "7d",
            (None, _) => "",
        }
    }

    /// Whether the old value still works at `now`: the token is active, and the overlap has not ended.
    #[must_use]
    pub fn overlaps(&self, now: Timestamp) -> bool {
        self.status(now) == Status::Active && self.previous_stops_at.is_some_and(|end| end > now)
    }

    /// Hint and end of the old value if it still works at the time of the page; for templates.
    #[must_use]
    pub fn previous(&self, now: &Option<Timestamp>) -> Option<(String, Timestamp)> {
        let now = (*now)?;
        self.previous_hint.clone().zip(self.previous_stops_at).filter(|_| self.overlaps(now))
    }

    /// The token as API responses show it, without its value.
    #[must_use]
    pub fn view(&self, now: Timestamp) -> TokenView {
        TokenView {
            id: self.id,
            kind: self.kind,
            name: self.name.clone(),
            hint: self.hint.clone(),
            status: self.status(now),
            created_at: self.created_at,
            created_by: self.created_by_name.clone(),
            created_by_id: Some(self.created_by.clone()).filter(|id| !id.is_empty()),
            regenerated_at: Some(self.regenerated_at).filter(|at| *at > self.created_at),
            regenerated_by: self.regenerated_by_name.clone(),
            expires_at: self.expires_at,
            last_used_at: self.last_used_at,
            last_used_address: self.last_used_address.clone(),
            last_used_agent: self.last_used_agent.clone(),
            last_used_service: self.last_used_service.clone(),
            allowed_addresses: self.allowed_addresses.lines().map(str::to_owned).collect(),
            permissions: self.permissions.as_deref().map(principals::parse_permissions),
            previous: self.overlaps(now).then(|| PreviousView {
                hint: self.previous_hint.clone(),
                stops_at: self.previous_stops_at,
                last_used_at: self.previous_last_used_at,
            }),
            token: None,
        }
    }
}

/// A token in API responses.
#[derive(Clone, Debug, Serialize, schemars::JsonSchema)]
pub struct TokenView {
    id: TokenId,
    kind: TokenKind,
    name: String,
    hint: Option<String>,
    status: Status,
    created_at: Timestamp,
    created_by: String,
    created_by_id: Option<String>,
    /// When the current value was created by a regeneration; `null` if it is the first value.
    regenerated_at: Option<Timestamp>,
    regenerated_by: Option<String>,
    expires_at: Option<Timestamp>,
    last_used_at: Option<Timestamp>,
    last_used_address: Option<String>,
    last_used_agent: Option<String>,
    last_used_service: Option<String>,
    allowed_addresses: Vec<String>,
    permissions: Option<Permissions>,
    previous: Option<PreviousView>,
    /// The value. It is present only in the response that creates it, and `null` if the request repeats an
    /// earlier one with the same idempotency key.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub token: Option<Option<RevealedSecret>>,
}

#[derive(Clone, Debug, Serialize, schemars::JsonSchema)]
struct PreviousView {
    hint: Option<String>,
    stops_at: Option<Timestamp>,
    last_used_at: Option<Timestamp>,
}

/// The object that a token belongs to, with the ids that the row stores.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum TokenOwner {
    /// A service account, which has keys.
    Account(OrganizationId, ServiceAccountId),
    /// A team, which has at most one team token.
    Team(OrganizationId, TeamId),
    /// The organization, which has at most one organization token.
    Organization(OrganizationId),
    /// A service token, which acts as itself within this organization.
    ServiceToken(OrganizationId),
    /// A person, who has personal tokens.
    Person(PersonId),
    /// A registered service, which has at most two secrets.
    Service(OrganizationId, ServiceId),
}

/// Implemented by objects that can have tokens. A [`Permit`] for such an object converts into a [`Holder`].
pub trait TokenHolder: Guarded {
    /// The owner under which the object's tokens are stored.
    fn owner(&self) -> TokenOwner;
}

/// The owner of a token, with the proof that the caller is allowed to manage its tokens. It is created from a
/// permit for the owner, or from the key that rotates itself. All functions of the lifecycle require it.
#[derive(Clone, Copy, Debug)]
pub struct Holder {
    owner: TokenOwner,
    proof: Authorized,
}

impl<T: TokenHolder> From<&Permit<T>> for Holder {
    fn from(permit: &Permit<T>) -> Self {
        Self { owner: TokenHolder::owner(&**permit), proof: permit.into() }
    }
}

impl Holder {
    /// The holder for a key that rotates itself. `None` unless `token` is the presented token and a service
    /// account key.
    #[must_use]
    pub fn for_self_rotation(verified: &VerifiedToken, token: &Token) -> Option<Self> {
        let account = token.organization_id.zip(token.service_account_id)?;
        (verified.facts().token == token.id && token.kind == TokenKind::ServiceAccount).then_some(Self {
            owner: TokenOwner::Account(account.0, account.1),
            proof: System::new(SystemReason::PresentedToken).into(),
        })
    }

    /// The owner of the tokens.
    #[must_use]
    pub const fn owner(self) -> TokenOwner {
        self.owner
    }

    /// The write proof for the rows of the tokens.
    pub(super) const fn proof(self) -> Authorized {
        self.proof
    }

    /// The kind of token that this owner has.
    #[must_use]
    pub const fn kind(self) -> TokenKind {
        match self.owner {
            TokenOwner::Account(..) => TokenKind::ServiceAccount,
            TokenOwner::Team(..) => TokenKind::Team,
            TokenOwner::Organization(_) => TokenKind::Organization,
            TokenOwner::ServiceToken(_) => TokenKind::ServiceToken,
            TokenOwner::Person(_) => TokenKind::Personal,
            TokenOwner::Service(..) => TokenKind::ServiceSecret,
        }
    }

    /// The effect of issuing a token of this owner that is limited to `permissions`. `token` is the id of the
    /// new token, which is the principal if it is a service token.
    pub(super) const fn effect(self, token: TokenId, permissions: Option<Permissions>) -> Effect {
        let principal = match self.owner {
            TokenOwner::Account(_, id) => PrincipalId::ServiceAccount(id),
            TokenOwner::Team(_, id) => PrincipalId::Team(id),
            TokenOwner::Organization(_) => PrincipalId::Organization,
            TokenOwner::ServiceToken(_) => PrincipalId::ServiceToken(token),
            TokenOwner::Person(id) => PrincipalId::Person(id),
            // A service secret only allows verification and gives no access.
            TokenOwner::Service(..) => return Effect::None,
        };
        Effect::Credential(principal, permissions)
    }

    /// The quota that limits the number of tokens. `None` for a team and the organization (one token,
    /// enforced by an index) and for a service (two secrets, checked by its section).
    pub(super) const fn quota(self) -> Option<Quota> {
        match self.owner {
            TokenOwner::Account(_, id) => Some(Quota::Key(id)),
            TokenOwner::ServiceToken(organization) => Some(Quota::ServiceToken(organization)),
            TokenOwner::Person(id) => Some(Quota::PersonalToken(id)),
            TokenOwner::Team(..) | TokenOwner::Organization(_) | TokenOwner::Service(..) => None,
        }
    }

    pub(super) const fn organization(self) -> Option<OrganizationId> {
        match self.owner {
            TokenOwner::Account(id, _)
            | TokenOwner::Team(id, _)
            | TokenOwner::Organization(id)
            | TokenOwner::ServiceToken(id)
            | TokenOwner::Service(id, _) => Some(id),
            TokenOwner::Person(_) => None,
        }
    }

    pub(super) const fn account(self) -> Option<ServiceAccountId> {
        if let TokenOwner::Account(_, id) = self.owner { Some(id) } else { None }
    }

    pub(super) const fn team(self) -> Option<TeamId> {
        if let TokenOwner::Team(_, id) = self.owner { Some(id) } else { None }
    }

    pub(super) const fn person(self) -> Option<PersonId> {
        if let TokenOwner::Person(id) = self.owner { Some(id) } else { None }
    }

    pub(super) const fn service(self) -> Option<ServiceId> {
        if let TokenOwner::Service(_, id) = self.owner { Some(id) } else { None }
    }
}

/// The checked fields of a token that will be created.
#[derive(Clone, Debug, Default)]
pub struct NewToken {
    /// Display name, 1 to 255 characters.
    pub name: String,
    /// Description, at most 500 characters; may be empty.
    pub description: String,
    /// End of the token. `None` means that it does not expire.
    pub expires_at: Option<Timestamp>,
    /// IP ranges from which the token can be used. Empty means any IP address.
    pub allowed_addresses: IpAllowList,
    /// Permissions to narrow the token to. `None` means all permissions of its principal.
    pub permissions: Option<Permissions>,
    /// The personal token that created this one. Revoking the parent revokes this token too.
    pub parent: Option<TokenId>,
}

/// The fields of a token that will be created, as submitted by a form or the API.
#[derive(Clone, Debug, Default)]
pub struct TokenInput {
    /// Name, not yet trimmed or checked.
    pub name: String,
    /// Description, not yet checked.
    pub description: String,
    /// The selected lifetime.
    pub lifetime: Lifetime,
    /// IP ranges (CIDR), separated by spaces, commas or lines.
    pub allowed_addresses: String,
    /// Permissions to narrow the token to. `None` means all permissions of its principal.
    pub permissions: Option<Permissions>,
}

impl TokenInput {
    /// Checks every field under the policy for a kind of token. `None` if a field is invalid; `errors` then
    /// contains the messages.
    pub fn check(
        &self,
        errors: &mut ValidationErrors,
        of: (&Policy, TokenKind),
        now: Timestamp,
    ) -> Option<NewToken> {
        self.check_under(errors, "", of, now)
    }

    /// As [`Self::check`], for a token inside a larger form whose field names begin with `prefix`.
    pub fn check_under(
        &self,
        errors: &mut ValidationErrors,
        prefix: &str,
        of: (&Policy, TokenKind),
        now: Timestamp,
    ) -> Option<NewToken> {
        let field = |field: &str| format!("{prefix}{field}");
        let name = errors.check(&field("name"), name(&self.name));
        let description =
            errors.check(&field("description"), multiline_text("description", &self.description, 500));
        let expires_at = check_lifetime(errors, &field("expires_at"), &self.lifetime, of, now);
        let addresses =
            errors.check(&field("allowed_addresses"), IpAllowList::parse(&self.allowed_addresses));
        Some(NewToken {
            name: name?,
            description: description?,
            expires_at: expires_at?,
            allowed_addresses: addresses?,
            permissions: self.permissions,
            parent: None,
        })
    }
}

/// The fields of a regeneration, as submitted by a form or the API.
#[derive(Clone, Debug, Default)]
pub struct Renewal {
    /// New lifetime. [`Lifetime::Usual`] repeats the span between the last regeneration and the expiry,
    /// within the policy's maximum.
    pub lifetime: Lifetime,
    /// How long the old value keeps working: a value of [`Overlap`], or empty or `none` for no overlap.
    pub overlap: String,
}

impl Renewal {
    /// Checks both fields for a token of this kind. Returns the new end and the overlap.
    ///
    /// # Errors
    /// [`Error::Invalid`] with a message for every invalid field.
    pub fn check(
        &self,
        token: &Token,
        policy: &Policy,
        kind: TokenKind,
        now: Timestamp,
    ) -> Result<(Option<Timestamp>, Option<Overlap>)> {
        let mut errors = ValidationErrors::default();
        let end = match (&self.lifetime, token.expires_at) {
            (Lifetime::Usual, Some(end)) => {
                let same = now.plus(end.since(token.regenerated_at)).min(Timestamp::LAST);
                let most = policy.lifetime(kind).max_days.map(|days| now.plus(days * DAY));
                Some(Some(most.map_or(same, |most| same.min(most))))
            }
            (Lifetime::Usual, None) if policy.lifetime(kind).max_days.is_none() => Some(None),
            (chosen, _) => check_lifetime(&mut errors, "expires_at", chosen, (policy, kind), now),
        };
        let overlap = match self.overlap.trim() {
            "" | "none" => Some(None),
            word => errors.check("overlap", word.parse::<Overlap>()).map(Some),
        };
        match (end, overlap) {
            (Some(end), Some(overlap)) => Ok((end, overlap)),
            _ => Err(Error::Invalid(errors)),
        }
    }
}

/// JSON body of a regeneration.
#[derive(Clone, Debug, Default, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RenewalBody {
    /// New end of the token; `null` for no end, if the policy allows that. Left out, the token gets the same
    /// lifetime as before.
    #[serde(default, deserialize_with = "present")]
    #[schemars(with = "Option<Timestamp>")]
    pub expires_at: Option<Option<Timestamp>>,
    /// How long the old value keeps working: `1h`, `24h` or `7d`. Left out, it stops immediately.
    pub overlap: Option<Overlap>,
}

impl From<RenewalBody> for Renewal {
    fn from(body: RenewalBody) -> Self {
        Self {
            lifetime: body.expires_at.into(),
            overlap: body.overlap.map(|overlap| overlap.to_string()).unwrap_or_default(),
        }
    }
}

/// A lifetime as it was selected in a form or sent to the API.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub enum Lifetime {
    /// Nothing was selected: the default applies (see [`check_lifetime`] and [`Renewal`]).
    #[default]
    Usual,
    /// No expiry.
    Endless,
    /// Expires at this moment.
    Until(Timestamp),
    /// Expires at the end of a day. If the policy's maximum ends during that day, it expires at the maximum.
    UntilDay(Timestamp),
    /// The input is not a lifetime. Contains the error message for the field.
    Wrong(String),
}

/// Converts a JSON field: left out is `Usual`, `null` is `Endless`, and a time is `Until`.
impl From<Option<Option<Timestamp>>> for Lifetime {
    fn from(end: Option<Option<Timestamp>>) -> Self {
        end.map_or(Self::Usual, |end| end.map_or(Self::Endless, Self::Until))
    }
}

/// Checks a lifetime: it must end in the future, and within the maximum that the policy sets for this kind of
/// token. [`Lifetime::Usual`] is the policy's default, otherwise its maximum, otherwise no expiry.
///
/// Returns `None` if the lifetime is invalid and `Some(None)` if it has no expiry.
pub fn check_lifetime(
    errors: &mut ValidationErrors,
    field: &str,
    lifetime: &Lifetime,
    (policy, kind): (&Policy, TokenKind),
    now: Timestamp,
) -> Option<Option<Timestamp>> {
    let rule = policy.lifetime(kind);
    let most = rule.max_days.map(|days| now.plus(days * DAY));
    let wrong = match lifetime {
        Lifetime::Usual => {
            let usual = rule.default_days.or(rule.max_days).map(|days| now.plus(days * DAY));
            return Some(usual.map(|usual| most.map_or(usual, |most| usual.min(most))));
        }
        Lifetime::Endless if most.is_none() => return Some(None),
        Lifetime::Until(end) if *end > now && most.is_none_or(|most| *end <= most) => {
            return Some(Some(*end));
        }
        // The form accepts the last allowed day, although that day ends after the last allowed moment.
        Lifetime::UntilDay(end) if *end > now && most.is_none_or(|most| *end < most.plus(DAY)) => {
            return Some(Some(most.map_or(*end, |most| most.min(*end))));
        }
        Lifetime::Until(end) | Lifetime::UntilDay(end) if *end <= now => {
            "Choose an expiry date in the future.".to_owned()
        }
        Lifetime::Endless | Lifetime::Until(_) | Lifetime::UntilDay(_) => {
            format!(
                "Choose an expiry date at most {} days from now. The policy of the organization allows no more.",
                rule.max_days.unwrap_or(0)
            )
        }
        Lifetime::Wrong(message) => message.clone(),
    };
    errors.add(field, wrong);
    None
}

/// Checks a lifetime to which no policy applies, such as that of a service account. Returns the same as
/// [`check_lifetime`].
pub fn check_end(
    errors: &mut ValidationErrors,
    field: &str,
    lifetime: &Lifetime,
    now: Timestamp,
) -> Option<Option<Timestamp>> {
    check_lifetime(errors, field, lifetime, (&Policy::default(), TokenKind::Access), now)
}

/// One option of a lifetime select.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct LifetimeChoice {
    /// Submitted value: a number of days, `date` or `none`.
    pub value: String,
    /// Label, including the resulting date.
    pub text: String,
}

/// Lifetimes in days that every form offers, if the policy allows them.
const DAYS: [u32; 5] = [7, 30, 60, 90, 365];

/// The options of a lifetime select: the standard ones and those of the policy, up to its maximum.
#[must_use]
pub fn choices(policy: &Policy, kind: TokenKind, now: Timestamp) -> Vec<LifetimeChoice> {
    let rule = policy.lifetime(kind);
    let mut days: Vec<u32> = DAYS.into_iter().chain(rule.default_days).chain(rule.max_days).collect();
    days.retain(|days| rule.max_days.is_none_or(|most| *days <= most));
    days.sort_unstable();
    days.dedup();
    let mut all = Vec::new();
    let mut add = |value: String, text: String| all.push(LifetimeChoice { value, text });
    for days in days {
        let plural = if days == 1 { "day" } else { "days" };
        add(days.to_string(), format!("{days} {plural}, until {}", now.plus(days * DAY).day()));
    }
    add("date".to_owned(), "Custom date".to_owned());
    if rule.max_days.is_none() {
        add("none".to_owned(), "Never expires".to_owned());
    }
    all
}

/// The preselected option: the policy's default or 90 days, but at most the policy's maximum.
#[must_use]
pub fn usual(policy: &Policy, kind: TokenKind) -> String {
    let rule = policy.lifetime(kind);
    let days = rule.default_days.unwrap_or(90);
    rule.max_days.map_or(days, |most| days.min(most)).to_string()
}

/// Reads the fields of a lifetime select and the date input beside it. Anything but an option or a date
/// results in [`Lifetime::Wrong`].
#[must_use]
pub fn chosen(choice: &str, date: &str, now: Timestamp) -> Lifetime {
    match choice {
        "" | "same" => Lifetime::Usual,
        "none" => Lifetime::Endless,
        "date" => match Timestamp::parse_end_of_day(date) {
            Ok(end) => Lifetime::UntilDay(end),
            Err(message) => Lifetime::Wrong(message),
        },
        days => match days.parse::<u32>() {
            Ok(days) if days > 0 && days <= 3650 => Lifetime::Until(now.plus(days * DAY)),
            _ => Lifetime::Wrong("Choose one of the lifetimes in the list.".to_owned()),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::access::LifetimeRule;

    fn now() -> Timestamp {
        Timestamp::parse("2027-01-01T00:00:00Z").expect("a time")
    }

    #[test]
    fn the_policy_caps_a_lifetime_and_gives_the_usual_one() {
        let mut policy = Policy::default();
        let check = |policy: &Policy, lifetime: Lifetime| {
            let mut errors = ValidationErrors::default();
            check_lifetime(&mut errors, "expires_at", &lifetime, (policy, TokenKind::Team), now())
        };
        let days = |days: u32| now().plus(days * DAY);
        assert_eq!(check(&policy, Lifetime::Usual), Some(None));
        assert_eq!(check(&policy, Lifetime::Endless), Some(None));
        assert_eq!(check(&policy, Lifetime::Until(days(4000))), Some(Some(days(4000))));
        assert_eq!(check(&policy, Lifetime::Until(now())), None);
        let rule = LifetimeRule { default_days: Some(30), max_days: Some(60) };
        policy.lifetimes.insert(TokenKind::Team, rule);
        assert_eq!(check(&policy, Lifetime::Usual), Some(Some(days(30))));
        assert_eq!(check(&policy, Lifetime::Endless), None);
        assert_eq!(check(&policy, Lifetime::Until(days(60))), Some(Some(days(60))));
        assert_eq!(check(&policy, Lifetime::Until(days(60).plus(std::time::Duration::from_micros(1)))), None);
        let late = days(60).plus(DAY / 2);
        assert_eq!(check(&policy, Lifetime::UntilDay(late)), Some(Some(days(60))));
        assert_eq!(check(&policy, Lifetime::UntilDay(days(62))), None);
        let offered: Vec<String> =
            choices(&policy, TokenKind::Team, now()).into_iter().map(|choice| choice.value).collect();
        assert_eq!(offered, ["7", "30", "60", "date"]);
        assert_eq!(usual(&policy, TokenKind::Team), "30");
        assert_eq!(usual(&policy, TokenKind::Personal), "90");
    }

    #[test]
    fn a_choice_that_was_not_offered_is_no_lifetime() {
        for bad in ["-1", "0", "x", "99999"] {
            assert!(matches!(chosen(bad, "", now()), Lifetime::Wrong(_)), "{bad}");
        }
        assert!(matches!(chosen("date", "soon", now()), Lifetime::Wrong(_)));
        assert_eq!(chosen("", "", now()), Lifetime::Usual);
    }
}

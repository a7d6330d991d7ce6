//! What a token is.

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
    /// How a token stands.
    Status {
        /// It works.
        Active = "active",
        /// Its time is over.
        Expired = "expired",
        /// Somebody ended it.
        Revoked = "revoked",
    }
}

string_enum! {
    /// How long the old value lives on after a regeneration.
    Overlap {
        /// One hour.
        Hour = "1h",
        /// A day.
        Day = "24h",
        /// A week.
        Week = "7d",
    }
}

impl Overlap {
    /// As a span of time.
    #[must_use]
    pub fn duration(self) -> Duration {
        match self {
            Self::Hour => Duration::from_secs(3600),
            Self::Day => DAY,
            Self::Week => 7 * DAY,
        }
    }
}

/// A token, as it is listed: never its value.
#[derive(Clone, Debug, sqlx::FromRow)]
pub struct Token {
    /// Its id, kept through regenerations.
    pub id: TokenId,
    /// Its kind.
    pub kind: TokenKind,
    /// The organization that it works in; none for a personal token.
    pub organization_id: Option<OrganizationId>,
    /// The account that it is a key of.
    pub service_account_id: Option<ServiceAccountId>,
    /// The person that it acts as.
    pub person_id: Option<PersonId>,
    /// The team that it acts as.
    pub team_id: Option<TeamId>,
    /// The service that it is a secret of.
    pub service_id: Option<ServiceId>,
    /// Its name.
    pub name: String,
    /// What it is for.
    pub description: String,
    /// From where it may be used, a range a line; from anywhere when empty.
    pub allowed_addresses: String,
    /// The permissions that it is narrowed to.
    pub permissions: Option<String>,
    /// Prefix and last four of the value in force.
    pub hint: Option<String>,
    /// Who made it.
    pub created_by_name: String,
    /// The id of who made it; empty where nobody is known.
    pub created_by: String,
    /// When it was made.
    pub created_at: Timestamp,
    /// When the value in force was made.
    pub regenerated_at: Timestamp,
    /// When it ends.
    pub expires_at: Option<Timestamp>,
    /// When it was revoked.
    pub revoked_at: Option<Timestamp>,
    /// When it was last used.
    pub last_used_at: Option<Timestamp>,
    /// From where.
    pub last_used_address: Option<String>,
    /// By what program: the start of its `User-Agent`.
    pub last_used_agent: Option<String>,
    /// The service that asked about it; none where it was used here.
    pub last_used_service: Option<String>,
    /// Counts its edits.
    pub version: i64,
    /// The value before, while it lives on.
    pub previous_hint: Option<String>,
    /// When that one stops.
    pub previous_stops_at: Option<Timestamp>,
    /// When that one was last used.
    pub previous_last_used_at: Option<Timestamp>,
}

impl Token {
    /// How it stands at `now`.
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

    /// What it means that a value of it can be used by somebody new.
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
        let limit = self.permissions.as_deref().map(principals::permissions);
        principal.map_or(Effect::None, |principal| Effect::Credential(principal, limit))
    }

    /// How it stands on a page that knows the time.
    #[must_use]
    pub fn standing(&self, now: &Option<Timestamp>) -> Status {
        self.status(now.unwrap_or(self.created_at))
    }

    /// Whether the value before still works at `now`.
    #[must_use]
    pub fn overlaps(&self, now: Timestamp) -> bool {
        self.revoked_at.is_none() && self.previous_stops_at.is_some_and(|end| end > now)
    }

    /// The value before, while it still works on a page that knows the time.
    #[must_use]
    pub fn previous(&self, now: &Option<Timestamp>) -> Option<(String, Timestamp)> {
        let now = (*now)?;
        self.previous_hint.clone().zip(self.previous_stops_at).filter(|_| self.overlaps(now))
    }

    /// As JSON.
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
            expires_at: self.expires_at,
            last_used_at: self.last_used_at,
            last_used_address: self.last_used_address.clone(),
            last_used_agent: self.last_used_agent.clone(),
            last_used_service: self.last_used_service.clone(),
            allowed_addresses: self.allowed_addresses.lines().map(str::to_owned).collect(),
            permissions: self.permissions.as_deref().map(principals::permissions),
            previous: self.overlaps(now).then(|| PreviousView {
                hint: self.previous_hint.clone(),
                stops_at: self.previous_stops_at,
                last_used_at: self.previous_last_used_at,
            }),
            token: None,
        }
    }
}

/// A token as the API shows it.
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
    expires_at: Option<Timestamp>,
    last_used_at: Option<Timestamp>,
    last_used_address: Option<String>,
    last_used_agent: Option<String>,
    last_used_service: Option<String>,
    allowed_addresses: Vec<String>,
    permissions: Option<Permissions>,
    previous: Option<PreviousView>,
    /// The value, in the one answer that makes it; `null` in a replay.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub token: Option<Option<RevealedSecret>>,
}

#[derive(Clone, Debug, Serialize, schemars::JsonSchema)]
struct PreviousView {
    hint: Option<String>,
    stops_at: Option<Timestamp>,
    last_used_at: Option<Timestamp>,
}

/// The owner of a token.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum TokenOwner {
    /// A service account's: its keys.
    Account(OrganizationId, ServiceAccountId),
    /// A team's.
    Team(OrganizationId, TeamId),
    /// The organization's own.
    Organization(OrganizationId),
    /// Its own: a service token.
    Itself(OrganizationId),
    /// A person's.
    Person(PersonId),
    /// A registered service's: its secrets.
    Service(OrganizationId, ServiceId),
}

/// Things that hold tokens.
pub trait HoldsTokens: Guarded {
    /// The owner of its tokens.
    fn owner(&self) -> TokenOwner;
}

/// The owner of a token with the proof that it may be managed: made from a permit on
/// the owner, or by the key that renews itself.
#[derive(Clone, Copy, Debug)]
pub struct Holder {
    owner: TokenOwner,
    proof: Authorized,
}

impl<T: HoldsTokens> From<&Permit<T>> for Holder {
    fn from(permit: &Permit<T>) -> Self {
        Self { owner: HoldsTokens::owner(&**permit), proof: permit.into() }
    }
}

impl Holder {
    /// The token that a program presented, to renew itself with; service account
    /// keys only.
    #[must_use]
    pub fn itself(bearer: &VerifiedToken, token: &Token) -> Option<Self> {
        let account = token.organization_id.zip(token.service_account_id)?;
        (bearer.token == token.id && token.kind == TokenKind::ServiceAccount).then_some(Self {
            owner: TokenOwner::Account(account.0, account.1),
            proof: System::new(SystemReason::PresentedToken).into(),
        })
    }

    /// The owner of its tokens.
    #[must_use]
    pub const fn owner(self) -> TokenOwner {
        self.owner
    }

    /// The proof that its tokens may be managed.
    pub(super) const fn proof(self) -> Authorized {
        self.proof
    }

    /// The kind of the tokens that it holds.
    #[must_use]
    pub const fn kind(self) -> TokenKind {
        match self.owner {
            TokenOwner::Account(..) => TokenKind::ServiceAccount,
            TokenOwner::Team(..) => TokenKind::Team,
            TokenOwner::Organization(_) => TokenKind::Organization,
            TokenOwner::Itself(_) => TokenKind::ServiceToken,
            TokenOwner::Person(_) => TokenKind::Personal,
            TokenOwner::Service(..) => TokenKind::ServiceSecret,
        }
    }

    /// What it means that a token of it is issued, limited to `permissions`.
    pub(super) const fn effect(self, token: TokenId, permissions: Option<Permissions>) -> Effect {
        let principal = match self.owner {
            TokenOwner::Account(_, id) => PrincipalId::ServiceAccount(id),
            TokenOwner::Team(_, id) => PrincipalId::Team(id),
            TokenOwner::Organization(_) => PrincipalId::Organization,
            TokenOwner::Itself(_) => PrincipalId::ServiceToken(token),
            TokenOwner::Person(id) => PrincipalId::Person(id),
            // It verifies tokens and has no access.
            TokenOwner::Service(..) => return Effect::None,
        };
        Effect::Credential(principal, permissions)
    }

    /// What limits how many of them there are. A team and the organization have
    /// one token, a service two secrets.
    pub(super) const fn quota(self) -> Option<Quota> {
        match self.owner {
            TokenOwner::Account(_, id) => Some(Quota::Key(id)),
            TokenOwner::Itself(organization) => Some(Quota::ServiceToken(organization)),
            TokenOwner::Person(id) => Some(Quota::PersonalToken(id)),
            TokenOwner::Team(..) | TokenOwner::Organization(_) | TokenOwner::Service(..) => None,
        }
    }

    pub(super) const fn organization(self) -> Option<OrganizationId> {
        match self.owner {
            TokenOwner::Account(id, _)
            | TokenOwner::Team(id, _)
            | TokenOwner::Organization(id)
            | TokenOwner::Itself(id)
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

/// A token to be made, its fields checked.
#[derive(Clone, Debug, Default)]
pub struct NewToken {
    /// Its name.
    pub name: String,
    /// What it is for.
    pub description: String,
    /// When it ends.
    pub expires_at: Option<Timestamp>,
    /// From where it may be used.
    pub allowed_addresses: IpAllowList,
    /// What it is narrowed to.
    pub permissions: Option<Permissions>,
    /// The token that it is created with, and ends with.
    pub parent: Option<TokenId>,
}

/// A token to be made, as typed or sent.
#[derive(Clone, Debug, Default)]
pub struct TokenInput {
    /// Its name.
    pub name: String,
    /// What it is for.
    pub description: String,
    /// When it ends.
    pub lifetime: Lifetime,
    /// From where it may be used: ranges, separated by spaces, commas or lines.
    pub allowed_addresses: String,
    /// What it is narrowed to.
    pub permissions: Option<Permissions>,
}

impl TokenInput {
    /// Checks every field.
    pub fn check(
        &self,
        mistakes: &mut ValidationErrors,
        of: (&Policy, TokenKind),
        now: Timestamp,
    ) -> Option<NewToken> {
        self.check_under(mistakes, "", of, now)
    }

    /// Checks every field of a token inside a larger form, whose names begin
    /// with `prefix`.
    pub fn check_under(
        &self,
        mistakes: &mut ValidationErrors,
        prefix: &str,
        of: (&Policy, TokenKind),
        now: Timestamp,
    ) -> Option<NewToken> {
        let field = |field: &str| format!("{prefix}{field}");
        let name = mistakes.check(&field("name"), name(&self.name));
        let description =
            mistakes.check(&field("description"), multiline_text("description", &self.description, 500));
        let expires_at = check_lifetime(mistakes, &field("expires_at"), &self.lifetime, of, now);
        let addresses =
            mistakes.check(&field("allowed_addresses"), IpAllowList::parse(&self.allowed_addresses));
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

/// What a regeneration sets.
#[derive(Clone, Debug, Default)]
pub struct Renewal {
    /// A new end; without one the new value lasts as long as the old one was made for.
    pub lifetime: Lifetime,
    /// How long the old value lives on: a word of [`Overlap`], or nothing.
    pub overlap: String,
}

impl Renewal {
    /// Checks both fields for a token of this kind.
    ///
    /// # Errors
    /// [`Error::Invalid`] with all that is wrong.
    pub fn check(
        &self,
        token: &Token,
        policy: &Policy,
        kind: TokenKind,
        now: Timestamp,
    ) -> Result<(Option<Timestamp>, Option<Overlap>)> {
        let mut mistakes = ValidationErrors::default();
        let end = match (&self.lifetime, token.expires_at) {
            (Lifetime::Usual, Some(end)) => {
                let same = now.plus(end.since(token.regenerated_at)).min(Timestamp::LAST);
                let most = policy.lifetime(kind).max_days.map(|days| now.plus(days * DAY));
                Some(Some(most.map_or(same, |most| same.min(most))))
            }
            (Lifetime::Usual, None) if policy.lifetime(kind).max_days.is_none() => Some(None),
            (chosen, _) => check_lifetime(&mut mistakes, "expires_at", chosen, (policy, kind), now),
        };
        let overlap = match self.overlap.trim() {
            "" | "none" => Some(None),
            word => mistakes.check("overlap", word.parse::<Overlap>()).map(Some),
        };
        match (end, overlap) {
            (Some(end), Some(overlap)) => Ok((end, overlap)),
            _ => Err(Error::Invalid(mistakes)),
        }
    }
}

/// A renewal as the API takes it.
#[derive(Clone, Debug, Default, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RenewalBody {
    /// A new end; `null` for none, where the policy allows that.
    #[serde(default, deserialize_with = "present")]
    #[schemars(with = "Option<Timestamp>")]
    pub expires_at: Option<Option<Timestamp>>,
    /// `1h`, `24h` or `7d`.
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

/// A lifetime as it was chosen.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub enum Lifetime {
    /// Nothing was said: the usual one.
    #[default]
    Usual,
    /// No end.
    Endless,
    /// Until this moment.
    Until(Timestamp),
    /// Until the end of a day, or as far into it as the policy allows.
    UntilDay(Timestamp),
    /// What was typed is no lifetime, and why.
    Wrong(String),
}

/// As JSON says it: a field that is left out, `null`, or a moment.
impl From<Option<Option<Timestamp>>> for Lifetime {
    fn from(end: Option<Option<Timestamp>>) -> Self {
        end.map_or(Self::Usual, |end| end.map_or(Self::Endless, Self::Until))
    }
}

/// Checks a lifetime: it must lie ahead, and within what the policy allows for
/// this kind of token. The usual one is the policy's default, else no end,
/// else the most that is allowed.
pub fn check_lifetime(
    mistakes: &mut ValidationErrors,
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
        // The last day that is allowed can be chosen, though it ends after the last moment.
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
    mistakes.add(field, wrong);
    None
}

/// Checks an end without a policy (of an account): it must lie ahead.
pub fn check_end(
    mistakes: &mut ValidationErrors,
    field: &str,
    lifetime: &Lifetime,
    now: Timestamp,
) -> Option<Option<Timestamp>> {
    check_lifetime(mistakes, field, lifetime, (&Policy::default(), TokenKind::Access), now)
}

/// One choice of a lifetime select.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct LifetimeChoice {
    /// What the form sends.
    pub value: String,
    /// What the person reads: the resulting date is spelled out.
    pub text: String,
}

const DAYS: [u32; 5] = [7, 30, 60, 90, 365];

/// The choices of a lifetime select, capped by the policy.
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
    add("date".to_owned(), "Until a date".to_owned());
    if rule.max_days.is_none() {
        add("none".to_owned(), "No end".to_owned());
    }
    all
}

/// The choice that a form starts with: the policy's default, else 90 days,
/// else the most that is allowed.
#[must_use]
pub fn usual(policy: &Policy, kind: TokenKind) -> String {
    let rule = policy.lifetime(kind);
    let days = rule.default_days.unwrap_or(90);
    rule.max_days.map_or(days, |most| days.min(most)).to_string()
}

/// Reads a lifetime select and the date beside it.
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
            let mut mistakes = ValidationErrors::default();
            check_lifetime(&mut mistakes, "expires_at", &lifetime, (policy, TokenKind::Team), now())
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

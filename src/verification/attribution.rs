//! For whom a service account works, and in which team: named by the request,
//! believed only of people of the team that it is for. Neither changes access.

use std::sync::Arc;

use axum::http::{HeaderMap, HeaderName};

use super::principal::{Principal, VerifiedToken};
use crate::access::{Kind, Subject, can_see_team};
use crate::platform::id::{OrganizationId, TeamId};
use crate::platform::text::{casefold, string_enum};
use crate::platform::{Db, Result, sql};

/// What a request says of itself.
#[derive(Clone, Debug, Default)]
pub struct AttributionClaim {
    /// The person for whom the caller works: a username or an address.
    pub on_behalf_of: Option<String>,
    /// The team that the request is for: a slug or an id.
    pub team: Option<String>,
}

const ON_BEHALF_OF: HeaderName = HeaderName::from_static("tessera-on-behalf-of");
const FOR_TEAM: HeaderName = HeaderName::from_static("tessera-for-team");

impl AttributionClaim {
    /// Of the headers `Tessera-On-Behalf-Of` and `Tessera-For-Team`.
    #[must_use]
    pub fn of(headers: &HeaderMap) -> Self {
        let text = |name| headers.get(name).and_then(|value| value.to_str().ok()).map(str::to_owned);
        Self { on_behalf_of: text(&ON_BEHALF_OF), team: text(&FOR_TEAM) }
    }
}

string_enum! {
    /// What came of naming a person.
    AttributionOutcome {
        /// They belong to the team: they are told and written down.
        Applied = "applied",
        /// They do not, or nobody has that name.
        Ignored = "ignored",
    }
}

/// A person who is named.
#[derive(Clone, PartialEq, Eq, Debug, sqlx::FromRow, serde::Serialize, schemars::JsonSchema)]
pub struct AttributedPerson {
    /// Their username.
    pub username: String,
    /// Their address.
    pub email: String,
}

/// The team that a request is for, and for whom it is made.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Attribution {
    /// The team's slug.
    pub team: Option<Arc<str>>,
    /// What came of naming a person; nothing where nobody was named.
    pub outcome: Option<AttributionOutcome>,
    /// The person, where it was applied.
    pub person: Option<AttributedPerson>,
}

impl Attribution {
    /// The person and the team, where somebody is attributed: for counting.
    #[must_use]
    pub fn usage_key(&self) -> Option<(&str, &str)> {
        let person = self.person.as_ref()?;
        Some((&person.username, self.team.as_deref().unwrap_or_default()))
    }
}

/// Settles what a request claims, in an organization. Without a named team an
/// organization-scoped account works in its default team; a team's own account
/// and token always work in their team.
///
/// # Errors
/// When the database cannot.
pub async fn attribute(
    db: &Db,
    organization: OrganizationId,
    (bearer, subject): (&VerifiedToken, &Subject),
    claimed: &AttributionClaim,
) -> Result<Attribution> {
    let (own, usual, is_account) = match &bearer.principal {
        Principal::Machine(machine) => (
            machine.team.as_ref(),
            machine.default_team.as_ref(),
            matches!(machine.subject.kind, Kind::ServiceAccount { .. }),
        ),
        Principal::Person { .. } => (None, None, false),
    };
    let team = match filled(&claimed.team) {
        Some(named) if own.is_none() => {
            let usual = usual.map(|slug| &**slug);
            Box::pin(team(db, organization, subject, usual, named)).await?.map(Arc::from)
        }
        _ => own.or(usual).cloned(),
    };
    let person = match (filled(&claimed.on_behalf_of), &team) {
        (None, _) => return Ok(Attribution { team, ..Attribution::default() }),
        (Some(name), Some(team)) if is_account => Box::pin(member(db, organization, team, name)).await?,
        _ => None,
    };
    let outcome = if person.is_some() { AttributionOutcome::Applied } else { AttributionOutcome::Ignored };
    Ok(Attribution { team, outcome: Some(outcome), person })
}

fn filled(text: &Option<String>) -> Option<&str> {
    text.as_deref().map(str::trim).filter(|text| !text.is_empty())
}

/// The slug of a team by slug or id: one that the caller may know of, for a
/// person one of their own. Any other is as good as unknown.
async fn team(
    db: &Db,
    organization: OrganizationId,
    subject: &Subject,
    usual: Option<&str>,
    named: &str,
) -> Result<Option<String>> {
    let row: Option<(TeamId, String, bool)> =
        sql("SELECT id, slug, visibility = 'secret' AS secret FROM teams \
         WHERE organization_id = $1 AND (slug = $2 OR id = $2)")
        .bind(organization)
        .bind(named)
        .optional(db)
        .await?;
    let known = |(id, slug, secret): &(TeamId, String, bool)| {
        let own = subject.role_in_team(*id).is_some() || usual == Some(slug.as_str());
        own || (!subject.is_person() && can_see_team(subject, *id, *secret))
    };
    Ok(row.filter(known).map(|(_, slug, _)| slug))
}

/// The person of this username or address (the username wins), if they belong
/// to the team.
async fn member(
    db: &Db,
    organization: OrganizationId,
    team: &str,
    named: &str,
) -> Result<Option<AttributedPerson>> {
    Ok(sql("SELECT p.username, p.email FROM people p \
         JOIN team_members m ON m.person_id = p.id JOIN teams t ON t.id = m.team_id \
         WHERE t.organization_id = $1 AND t.slug = $2 AND (p.username = $3 OR p.email_folded = $3) \
         ORDER BY CASE WHEN p.username = $3 THEN 0 ELSE 1 END LIMIT 1")
    .bind(organization)
    .bind(team)
    .bind(casefold(named))
    .optional(db)
    .await?)
}

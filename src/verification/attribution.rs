//! Attribution: the person on whose behalf a service account makes a request,
//! and the team that the request is for. The request names both. A person is
//! accepted only if they are a member of the team. Attribution is recorded in
//! the audit log and in usage; it never changes access.

use std::sync::Arc;

use axum::http::{HeaderMap, HeaderName};

use super::principal::{Principal, VerifiedToken};
use crate::access::{Kind, Subject, can_see_team};
use crate::platform::id::{OrganizationId, TeamId};
use crate::platform::text::{casefold, string_enum};
use crate::platform::{Db, Result, sql};

/// The unverified attribution that a request states.
#[derive(Clone, Debug, Default)]
pub struct AttributionClaim {
    /// The username or email address of the person.
    pub on_behalf_of: Option<String>,
    /// The slug or id of the team that the request is for.
    pub team: Option<String>,
}

const ON_BEHALF_OF: HeaderName = HeaderName::from_static("tessera-on-behalf-of");
const FOR_TEAM: HeaderName = HeaderName::from_static("tessera-for-team");

impl AttributionClaim {
    /// Reads the headers `Tessera-On-Behalf-Of` and `Tessera-For-Team`.
    #[must_use]
    pub fn from_headers(headers: &HeaderMap) -> Self {
        let text = |name| headers.get(name).and_then(|value| value.to_str().ok()).map(str::to_owned);
        Self { on_behalf_of: text(&ON_BEHALF_OF), team: text(&FOR_TEAM) }
    }
}

string_enum! {
    /// Whether the named person was accepted.
    AttributionOutcome {
        /// The person is a member of the team. The request is attributed.
        Applied = "applied",
        /// The person is not a member of the team, or does not exist.
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

/// The verified attribution of a request.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Attribution {
    /// The slug of the team that the request is for.
    pub team: Option<Arc<str>>,
    /// Whether the named person was accepted; `None` if nobody was named.
    pub outcome: Option<AttributionOutcome>,
    /// The person, if the outcome is `Applied`.
    pub person: Option<AttributedPerson>,
}

impl Attribution {
    /// The username and the team's slug for counting attributed requests; `None`
    /// if no person was accepted.
    #[must_use]
    pub fn usage_key(&self) -> Option<(&str, &str)> {
        let person = self.person.as_ref()?;
        Some((&person.username, self.team.as_deref().unwrap_or_default()))
    }
}

/// Verifies the attribution that a request states. If it names no team, an
/// organization-scoped account works in its default team. A team-scoped account
/// and a team token always work in their own team.
///
/// # Errors
/// When the database cannot.
pub async fn attribute(
    db: &Db,
    organization: OrganizationId,
    (verified, subject): (&VerifiedToken, &Subject),
    claimed: &AttributionClaim,
) -> Result<Attribution> {
    let (own, default_team, is_account) = match &verified.facts().principal {
        Principal::Machine(machine) => (
            machine.team.as_ref(),
            machine.default_team.as_ref(),
            matches!(machine.subject.kind, Kind::ServiceAccount { .. }),
        ),
        Principal::Person { .. } => (None, None, false),
    };
    let team = match non_empty(&claimed.team) {
        Some(named) if own.is_none() => {
            let default_team = default_team.map(|slug| &**slug);
            Box::pin(find_team(db, organization, subject, default_team, named)).await?.map(Arc::from)
        }
        _ => own.or(default_team).cloned(),
    };
    let person = match (non_empty(&claimed.on_behalf_of), &team) {
        (None, _) => return Ok(Attribution { team, ..Attribution::default() }),
        (Some(name), Some(team)) if is_account => {
            Box::pin(find_team_member(db, organization, team, name)).await?
        }
        _ => None,
    };
    let outcome = if person.is_some() { AttributionOutcome::Applied } else { AttributionOutcome::Ignored };
    Ok(Attribution { team, outcome: Some(outcome), person })
}

fn non_empty(text: &Option<String>) -> Option<&str> {
    text.as_deref().map(str::trim).filter(|text| !text.is_empty())
}

/// The slug of the team with this slug or id, if the caller may name it: a
/// person one of their own teams, a machine principal any team that it can see.
/// Other teams are treated as unknown.
async fn find_team(
    db: &Db,
    organization: OrganizationId,
    subject: &Subject,
    default_team: Option<&str>,
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
        let own = subject.role_in_team(*id).is_some() || default_team == Some(slug.as_str());
        own || (!subject.is_person() && can_see_team(subject, *id, *secret))
    };
    Ok(row.filter(known).map(|(_, slug, _)| slug))
}

/// The person with this username or email address (the username takes
/// precedence), if they are a member of the team.
async fn find_team_member(
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

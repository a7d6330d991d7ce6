//! For whom a service account works: named by the request, believed only of
//! people of the team that the request is for. It never changes access.

use serde_json::{Value, json};

use crate::identity::App;
use crate::identity::service::ServiceCaller;
use crate::platform::text::fold;
use crate::platform::{Result, sql};

/// What came of naming a person.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Attribution {
    /// They belong to the team: their username and address.
    Applied(String, String),
    /// They do not, or there is nobody of that name.
    Ignored,
}

impl Attribution {
    /// As the answers say it.
    #[must_use]
    pub const fn word(&self) -> &'static str {
        match self {
            Self::Applied(..) => "applied",
            Self::Ignored => "ignored",
        }
    }

    /// The person, where it was applied.
    #[must_use]
    pub fn person(&self) -> Value {
        match self {
            Self::Applied(username, email) => json!({ "username": username, "email": email }),
            Self::Ignored => Value::Null,
        }
    }
}

/// The slug of a team of the service's organization, by slug or id.
pub(super) async fn team(app: &App, service: &ServiceCaller, named: &str) -> Result<Option<String>> {
    let row: Option<(String,)> =
        sql("SELECT slug FROM teams WHERE organization_id = $1 AND (slug = $2 OR id = $2)")
            .bind(service.organization.id)
            .bind(named)
            .optional(&app.db)
            .await?;
    Ok(row.map(|(slug,)| slug))
}

/// The person of this username or address (the username wins), if they belong
/// to the team.
pub(super) async fn of(
    app: &App,
    service: &ServiceCaller,
    team: Option<&str>,
    named: &str,
) -> Result<Attribution> {
    let row: Option<(String, String)> = sql("SELECT p.username, p.email FROM people p \
         JOIN team_members m ON m.person_id = p.id JOIN teams t ON t.id = m.team_id \
         WHERE t.organization_id = $1 AND t.slug = $2 AND (p.username = $3 OR p.email_folded = $3) \
         ORDER BY CASE WHEN p.username = $3 THEN 0 ELSE 1 END LIMIT 1")
    .bind(service.organization.id)
    .bind(team.unwrap_or_default())
    .bind(fold(named))
    .optional(&app.db)
    .await?;
    Ok(row.map_or(Attribution::Ignored, |(username, email)| Attribution::Applied(username, email)))
}

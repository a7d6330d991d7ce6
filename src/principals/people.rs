//! Loads people as principals: in one organization, or in all organizations
//! that they belong to. A person holds their role, the grants of their teams and
//! the grants that name them.

use std::collections::HashMap;

use super::grants::{grant_scope, resolve_grant};
use super::organization::{OrganizationFacts, OrganizationRow, SetRow};
use crate::access::{GrantSource, Kind, PermissionSet, Projects, Sets, Subject, TeamRole};
use crate::platform::id::{OrganizationId, PersonId, ProjectId, TeamId};
use crate::platform::{Result, db, sql};

/// A person's membership of an organization, with the access that comes with
/// it.
#[derive(Clone, Debug)]
pub struct Membership {
    /// The organization.
    pub organization: OrganizationFacts,
    /// The person as a subject in this organization.
    pub subject: Subject,
}

#[derive(sqlx::FromRow)]
struct MembershipRow {
    #[sqlx(flatten)]
    organization: OrganizationRow,
    role: String,
}

#[derive(sqlx::FromRow)]
struct TeamRow {
    organization_id: OrganizationId,
    team_id: TeamId,
    slug: String,
    team_set: String,
    role: TeamRole,
    is_owners: bool,
}

#[derive(sqlx::FromRow)]
struct GrantRow {
    organization_id: OrganizationId,
    permission_set: String,
    project_id: Option<ProjectId>,
    team: Option<String>,
}

#[derive(sqlx::FromRow)]
struct OwnedSetRow {
    organization_id: OrganizationId,
    #[sqlx(flatten)]
    set: SetRow,
}

/// Loads the memberships of a person, sorted by the organization's name: the
/// one in the organization with this slug or id, or all. This takes four
/// statements, however many memberships there are.
///
/// # Errors
/// When the database cannot.
pub async fn load_memberships<'a>(
    source: impl Into<db::Source<'a>>,
    person: PersonId,
    named: Option<&str>,
) -> Result<Vec<Membership>> {
    let mut source = source.into();
    let named = named.unwrap_or_default();
    let rows: Vec<MembershipRow> = sql("SELECT o.id AS organization_id, o.slug AS organization_slug, \
            o.name AS organization_name, o.policy, m.role \
         FROM memberships m JOIN organizations o ON o.id = m.organization_id \
         WHERE m.person_id = $1 AND ($2 = '' OR o.slug = $2 OR o.id = $2) ORDER BY o.name, o.id")
    .bind(person)
    .bind(named)
    .all(source.reborrow())
    .await?;
    if rows.is_empty() {
        return Ok(Vec::new());
    }
    // If there is only one membership, the other statements read nothing of other organizations.
    let only = match rows.as_slice() {
        [row] => row.organization.organization_id.to_string(),
        _ => String::new(),
    };
    let sets: Vec<OwnedSetRow> =
        sql("SELECT s.organization_id, s.slug, s.name, s.description, s.level, s.permissions \
         FROM memberships m JOIN permission_sets s ON s.organization_id = m.organization_id \
         WHERE m.person_id = $1 AND ($2 = '' OR m.organization_id = $2) ORDER BY s.slug")
        .bind(person)
        .bind(&only)
        .all(source.reborrow())
        .await?;
    let teams: Vec<TeamRow> =
        sql("SELECT t.organization_id, t.id AS team_id, t.slug, t.role AS team_set, tm.role, \
            t.is_owners \
         FROM team_members tm JOIN teams t ON t.id = tm.team_id WHERE tm.person_id = $1 \
            AND ($2 = '' OR t.organization_id = $2)")
        .bind(person)
        .bind(&only)
        .all(source.reborrow())
        .await?;
    let grants: Vec<GrantRow> = sql("SELECT g.organization_id, g.permission_set, g.project_id, NULL AS team FROM grants g \
         WHERE g.principal_id = $1 AND ($2 = '' OR g.organization_id = $2) \
         UNION ALL SELECT g.organization_id, g.permission_set, g.project_id, t.slug AS team FROM team_members m \
         JOIN teams t ON t.id = m.team_id JOIN grants g ON g.principal_id = t.id \
         WHERE m.person_id = $1 AND ($2 = '' OR t.organization_id = $2)")
    .bind(person)
    .bind(&only)
    .all(source)
    .await?;
    let mut sets_of: HashMap<OrganizationId, Vec<PermissionSet>> = HashMap::new();
    for row in sets {
        sets_of.entry(row.organization_id).or_default().push(row.set.into());
    }
    let mut memberships = Vec::with_capacity(rows.len());
    let mut index = HashMap::with_capacity(rows.len());
    for row in rows {
        let sets = Sets::with(sets_of.remove(&row.organization.organization_id).unwrap_or_default());
        let organization = row.organization.with_sets(sets)?;
        let kind = Kind::Person { id: person, owner: false, teams: Vec::new() };
        index.insert(organization.id, memberships.len());
        let grants = Vec::new();
        memberships
            .push((row.role, Membership { organization, subject: Subject { kind, grants, narrowed: None } }));
    }
    for row in grants {
        let Some((_, Membership { organization, subject })) =
            index.get(&row.organization_id).and_then(|at| memberships.get_mut(*at))
        else {
            continue;
        };
        let source = row.team.map_or(GrantSource::Named, GrantSource::Team);
        subject.grants.extend(resolve_grant(
            &organization.sets,
            &row.permission_set,
            grant_scope(row.project_id),
            source,
        ));
    }
    for (role, Membership { organization, subject }) in &mut memberships {
        subject.grants.extend(resolve_grant(&organization.sets, role, Projects::All, GrantSource::Role));
    }
    for row in teams {
        let Some((_, Membership { organization, subject })) =
            index.get(&row.organization_id).and_then(|at| memberships.get_mut(*at))
        else {
            continue;
        };
        if let Kind::Person { owner, teams, .. } = &mut subject.kind {
            *owner |= row.is_owners;
            teams.push((row.team_id, row.role));
        }
        let grant =
            resolve_grant(&organization.sets, &row.team_set, Projects::All, GrantSource::Team(row.slug));
        subject.grants.extend(grant);
    }
    Ok(memberships.into_iter().map(|(_, membership)| membership).collect())
}

/// Loads a person as a subject in an organization; `None` if the person is not
/// a member.
///
/// # Errors
/// When the database cannot.
pub async fn load_member_subject<'a>(
    source: impl Into<db::Source<'a>>,
    organization: &OrganizationFacts,
    person: PersonId,
) -> Result<Option<Subject>> {
    let membership = load_memberships(source, person, Some(&organization.id.to_string())).await?.pop();
    Ok(membership.map(|membership| membership.subject))
}

//! The check for privilege gain, which every change passes at commit.
//!
//! A change records the effects of its writes. The principals that an effect
//! concerns are loaded before the write and again at commit, both inside the
//! transaction. What they gained must be something that the caller could do
//! when the change began. Owners can do everything, so nothing is loaded for
//! them.

use std::collections::HashMap;

use super::event::{Actor, ActorKind};
use crate::access::{
    Grant, GrantSource, Kind, PermissionSet, Permissions, PrincipalId, ProbeScope, ProjectChange,
    ProjectFacts, Projects, Refusal, Subject, ensure_holds_set, find_privilege_gain,
};
use crate::platform::id::{OrganizationId, PersonId, ProjectId, ServiceAccountId, TokenId};
use crate::platform::{Error, Result, Timestamp, Tx, sql};
use crate::principals::{
    self, Affected, Effect, OrganizationFacts, load_affected, load_probe_scope, load_representatives,
    load_subject,
};

/// Who must hold the access that a change grants.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Authority {
    /// The actor of the change.
    Actor,
    /// This principal, on whose behalf the change is made (the inviter when an
    /// invitation is accepted).
    Principal(PrincipalId),
    /// Nobody: the product itself makes the change, and no check is done.
    System,
}

/// The recorded effects of a change, and the caller with which they are
/// compared.
#[derive(Debug)]
pub(super) struct Privileges {
    authority: Authority,
    caller: Option<(OrganizationFacts, Subject)>,
    recorded: Vec<(Effect, Affected)>,
}

impl Privileges {
    pub(super) const fn new(authority: Authority) -> Self {
        Self { authority, caller: None, recorded: Vec::new() }
    }

    pub(super) async fn load_caller(
        &mut self,
        tx: &mut Tx,
        actor: &Actor,
        organization: OrganizationId,
        now: Timestamp,
    ) -> Result<(OrganizationFacts, Subject)> {
        if let Some(known) = &self.caller {
            return Ok(known.clone());
        }
        // Changes of one organization follow one another, so that what is read here stays true.
        sql("UPDATE organizations SET version = version WHERE id = $1")
            .bind(organization)
            .lock(&mut *tx)
            .await?;
        let facts = principals::load_organization(&mut *tx, organization).await?;
        let (principal, narrowed) = match self.authority {
            Authority::Principal(principal) => (principal, None),
            _ => (principal_of(actor)?, load_token_permissions(tx, actor, now).await?),
        };
        let gone =
            if actor.token.is_some() { Error::Unauthenticated { presented: true } } else { Error::NotFound };
        let subject = load_subject(&mut *tx, &facts, principal).await?.ok_or(gone.clone())?;
        if let PrincipalId::ServiceAccount(id) = principal
            && !is_active(tx, id, now).await?
        {
            return Err(gone);
        }
        let caller = (facts, Subject { narrowed, ..subject });
        self.caller = Some(caller.clone());
        Ok(caller)
    }

    /// Records an effect before its write, with what the affected principals
    /// hold at this moment. Credentials for the caller's own principal are
    /// checked here at once.
    pub(super) async fn record(
        &mut self,
        tx: &mut Tx,
        (actor, organization, now): (&Actor, Option<OrganizationId>, Timestamp),
        effect: Effect,
    ) -> Result<()> {
        if effect == Effect::None || self.authority == Authority::System {
            return Ok(());
        }
        if let Effect::Credential(principal, limit) = &effect
            && self.authority == Authority::Actor
            && principal_of(actor).is_ok_and(|own| own == *principal)
        {
            return ensure_own_credential(load_token_permissions(tx, actor, now).await?, *limit);
        }
        if self.recorded.iter().any(|(known, _)| *known == effect) {
            return Ok(());
        }
        let organization =
            organization.ok_or_else(|| Error::internal("an effect outside of an organization"))?;
        let (facts, caller) = self.load_caller(tx, actor, organization, now).await?;
        if caller.holds_everything() {
            return Ok(());
        }
        let before = load_affected(tx, &facts, &effect).await?;
        self.recorded.push((effect, before));
        Ok(())
    }

    pub(super) async fn verify(&mut self, tx: &mut Tx) -> Result<()> {
        let Some((facts, caller)) = &self.caller else { return Ok(()) };
        if self.recorded.is_empty() {
            return Ok(());
        }
        // Sets as they are now: one that the change edits gives what it will give.
        let now = OrganizationFacts {
            sets: principals::load_permission_sets(&mut *tx, facts.id).await?,
            ..facts.clone()
        };
        let recorded = std::mem::take(&mut self.recorded);
        let edited: Edited =
            recorded.iter().filter_map(|(_, before)| before.project).map(|was| (was.id, was)).collect();
        for (effect, before) in recorded {
            if let Some(refusal) =
                find_refusal(tx, (facts, &now), caller, (&effect, &before), &edited).await?
            {
                return Err(refusal.into());
            }
        }
        Ok(())
    }
}

/// The projects that a change edits, as they were.
type Edited = HashMap<ProjectId, ProjectFacts>;

/// Finds what an effect grants that the caller does not hold.
async fn find_refusal(
    tx: &mut Tx,
    (was, now): (&OrganizationFacts, &OrganizationFacts),
    caller: &Subject,
    (effect, before): (&Effect, &Affected),
    edited: &Edited,
) -> Result<Option<Refusal>> {
    match effect {
        Effect::None => return Ok(None),
        Effect::Invitation(role, teams) => {
            let load_invitee = load_invitee(tx, now, role, teams).await?;
            return find_gain(tx, (None, &load_invitee), caller, edited).await;
        }
        Effect::Credential(principal, limit) => {
            let Some(subject) = load_subject(&mut *tx, now, *principal).await? else { return Ok(None) };
            return find_gain(tx, (None, &Subject { narrowed: *limit, ..subject }), caller, edited).await;
        }
        Effect::PermissionSet(slug, added) => {
            if let Some(set) = now.sets.find(slug) {
                let added = PermissionSet { permissions: *added, ..set.clone() };
                if let Err(refusal) = ensure_holds_set(caller, &added) {
                    return Ok(Some(refusal));
                }
            }
        }
        Effect::Project(_) => return find_project_refusal(tx, (was, now), caller, before).await,
        Effect::Principal(_) | Effect::IdentityProvider(_) => {}
    }
    let is_credential = matches!(effect, Effect::IdentityProvider(_));
    let mut after = load_affected(tx, now, effect).await?;
    for (principal, subject) in after.subjects.drain(..) {
        let Some(subject) = subject else { continue };
        let known = before.subjects.iter().find(|(id, _)| *id == principal);
        let held = known.and_then(|(_, held)| held.as_ref()).filter(|_| !is_credential);
        // A new team owns no projects yet, so its reach inside its own projects grants nothing.
        let own_team_is_new = held.is_none() && matches!(subject.kind, Kind::Team(_));
        let subject = if own_team_is_new { without_team(subject) } else { subject };
        if let Some(refusal) = find_gain(tx, (held, &subject), caller, edited).await? {
            return Ok(Some(refusal));
        }
    }
    Ok(None)
}

/// Finds a permission on an edited project that principals gain by the edit and
/// that the caller does not hold. Examples stand for all who could have access to
/// it by a role.
async fn find_project_refusal(
    tx: &mut Tx,
    (was, now): (&OrganizationFacts, &OrganizationFacts),
    caller: &Subject,
    before: &Affected,
) -> Result<Option<Refusal>> {
    let Some(project) = before.project else { return Ok(None) };
    let after = load_affected(tx, now, &Effect::Project(project.id)).await?.project;
    let change = ProjectChange { before: Some(project), after };
    let mut teams = vec![project.team];
    teams.extend(after.map(|after| after.team).filter(|team| *team != project.team));
    let mut subjects = load_representatives(&mut *tx, was, &teams).await?;
    subjects.extend(before.subjects.iter().filter_map(|(_, subject)| subject.clone()));
    for subject in &subjects {
        let places = ProbeScope { teams: Vec::new(), projects: vec![change] };
        if let Some(refusal) = find_privilege_gain((Some(subject), subject), caller, &places) {
            return Ok(Some(refusal));
        }
    }
    Ok(None)
}

async fn find_gain(
    tx: &mut Tx,
    (before, after): (Option<&Subject>, &Subject),
    caller: &Subject,
    edited: &Edited,
) -> Result<Option<Refusal>> {
    let mut places = load_probe_scope(tx, after).await?;
    for place in &mut places.projects {
        let was = place.after.and_then(|is| edited.get(&is.id));
        place.before = was.copied().or(place.before);
    }
    Ok(find_privilege_gain((before, after), caller, &places))
}

/// The subject that a person will be after accepting an invitation.
async fn load_invitee(
    tx: &mut Tx,
    facts: &OrganizationFacts,
    role: &str,
    teams: &[(crate::platform::id::TeamId, crate::access::TeamRole)],
) -> Result<Subject> {
    let role = facts.sets.find(role).map(|set| Grant {
        set: set.clone(),
        projects: Projects::All,
        source: GrantSource::Role,
    });
    let mut grants: Vec<Grant> = role.into_iter().collect();
    let mut owner = false;
    for (team, _) in teams {
        if let Some(subject) = load_subject(&mut *tx, facts, PrincipalId::Team(*team)).await? {
            grants.extend(subject.grants);
        }
        let row: Option<(bool,)> =
            sql("SELECT is_owners FROM teams WHERE id = $1").bind(*team).optional(&mut *tx).await?;
        owner |= row == Some((true,));
    }
    let kind = Kind::Person { id: PersonId::sample(u128::MAX), owner, teams: teams.to_vec() };
    Ok(Subject { kind, grants, narrowed: None })
}

fn without_team(subject: Subject) -> Subject {
    let kind = Kind::Person { id: PersonId::sample(u128::MAX), owner: false, teams: Vec::new() };
    Subject { kind, ..subject }
}

/// Checks a credential that a principal creates for itself: it may carry no
/// more permissions than the credential of the request.
fn ensure_own_credential(own: Option<Permissions>, limit: Option<Permissions>) -> Result<()> {
    let Some(own) = own else { return Ok(()) };
    let more = limit.unwrap_or(Permissions::ALL).without(own);
    match more.strongest().next() {
        Some(permission) => Err(Refusal::Delegation(permission).into()),
        None => Ok(()),
    }
}

fn principal_of(actor: &Actor) -> Result<PrincipalId> {
    let known = match actor.kind {
        ActorKind::Person => actor.id.parse().map(PrincipalId::Person),
        ActorKind::ServiceAccount => actor.id.parse().map(PrincipalId::ServiceAccount),
        ActorKind::Team => actor.id.parse().map(PrincipalId::Team),
        ActorKind::ServiceToken => actor.id.parse::<TokenId>().map(PrincipalId::ServiceToken),
        ActorKind::Organization => Ok(PrincipalId::Organization),
        ActorKind::Operator | ActorKind::Nobody => Err(crate::platform::id::NotAnId),
    };
    known.map_err(|_| Error::internal("a change that gives access has no caller"))
}

async fn is_active(tx: &mut Tx, account: ServiceAccountId, now: Timestamp) -> Result<bool> {
    let row: Option<(i64,)> = sql("SELECT CAST(1 AS BIGINT) AS one FROM service_accounts WHERE id = $1 \
         AND disabled_at IS NULL AND deleted_at IS NULL AND (expires_at IS NULL OR expires_at > $2)")
    .bind(account)
    .bind(now)
    .optional(tx)
    .await?;
    Ok(row.is_some())
}

/// Loads the permissions to which the caller's token is narrowed; `None` for no
/// narrowing or no token. Refuses a token that has ended in the meantime.
async fn load_token_permissions(tx: &mut Tx, actor: &Actor, now: Timestamp) -> Result<Option<Permissions>> {
    let Some(token) = actor.token else { return Ok(None) };
    let row: Option<(Option<String>,)> =
        sql("SELECT t.permissions FROM tokens t LEFT JOIN tokens s ON s.id = t.source_id \
         WHERE t.id = $1 AND t.revoked_at IS NULL AND s.revoked_at IS NULL \
            AND (t.expires_at IS NULL OR t.expires_at > $2)")
        .bind(token)
        .bind(now)
        .optional(tx)
        .await?;
    let (permissions,) = row.ok_or(Error::Unauthenticated { presented: true })?;
    Ok(permissions.as_deref().map(principals::parse_permissions))
}

//! The types of an audit event: who did what to which object, through which
//! channel and from which IP address, with the values before and after. Events
//! never contain a secret.

use std::net::IpAddr;

use serde_json::Value;

use crate::platform::Timestamp;
use crate::platform::id::{EventId, PersonId, TokenId};
use crate::platform::text::string_enum;
use crate::platform::web::{IdempotencyKey, RequestContext};

string_enum! {
    /// The kind of principal that acted.
    ActorKind {
        /// A person.
        Person = "person",
        /// A service account.
        ServiceAccount = "service_account",
        /// A team, by its token.
        Team = "team",
        /// The organization, by its token.
        Organization = "organization",
        /// A service token.
        ServiceToken = "service_token",
        /// Whoever runs the installation, on its command line.
        Operator = "operator",
        /// A caller without valid credentials.
        Nobody = "nobody",
    }
}

string_enum! {
    /// The interface that the actor used.
    Channel {
        /// The pages.
        Console = "console",
        /// The JSON API and the protocols (OAuth, verification).
        Api = "api",
        /// The command line.
        CommandLine = "cli",
    }
}

string_enum! {
    /// What was done. The value is the kind of object, a dot and what happened to it.
    Action {
        /// An organization was made.
        OrganizationCreated = "organization.created",
        /// A person signed in.
        SignedIn = "person.signed_in",
        /// A sign-in was refused.
        SignInRefused = "person.sign_in_refused",
        /// A person signed out.
        SignedOut = "person.signed_out",
        /// A person was invited.
        InvitationCreated = "invitation.created",
        /// What an invitation gives was changed.
        InvitationEdited = "invitation.edited",
        /// An invitation was taken back.
        InvitationRevoked = "invitation.revoked",
        /// A person joined by an invitation.
        InvitationAccepted = "invitation.accepted",
        /// A team was made.
        TeamCreated = "team.created",
        /// A team was edited.
        TeamEdited = "team.edited",
        /// A team was deleted.
        TeamDeleted = "team.deleted",
        /// A person was added to a team, or their team role changed.
        TeamMemberSet = "team.member_set",
        /// A person was removed from a team.
        TeamMemberRemoved = "team.member_removed",
        /// A project was made.
        ProjectCreated = "project.created",
        /// A project was edited.
        ProjectEdited = "project.edited",
        /// A project was deleted.
        ProjectDeleted = "project.deleted",
        /// Somebody was named in a project.
        ProjectGrantSet = "project.grant_set",
        /// Somebody is named in a project no longer.
        ProjectGrantRemoved = "project.grant_removed",
        /// A permission set was made.
        PermissionSetCreated = "permission_set.created",
        /// A permission set was edited.
        PermissionSetEdited = "permission_set.edited",
        /// A permission set was deleted.
        PermissionSetDeleted = "permission_set.deleted",
        /// A service token was made.
        ServiceTokenCreated = "service_token.created",
        /// A service token was edited.
        ServiceTokenEdited = "service_token.edited",
        /// The organization's name or policies were changed.
        OrganizationEdited = "organization.edited",
        /// An organization was deleted.
        OrganizationDeleted = "organization.deleted",
        /// A person's role in the organization was changed.
        PersonEdited = "person.edited",
        /// A person was removed from the organization.
        PersonRemoved = "person.removed",
        /// A person changed their own profile.
        ProfileEdited = "person.profile_edited",
        /// A person changed their password.
        PasswordChanged = "person.password_changed",
        /// A person's sessions were ended.
        SessionsEnded = "person.sessions_ended",
        /// What a person had made was handed over to another.
        HandedOver = "person.handed_over",
        /// A service was registered.
        ServiceCreated = "service.created",
        /// A service was edited.
        ServiceEdited = "service.edited",
        /// A service was deleted.
        ServiceDeleted = "service.deleted",
        /// An identity provider was added.
        IdentityProviderCreated = "identity_provider.created",
        /// An identity provider was edited.
        IdentityProviderEdited = "identity_provider.edited",
        /// An identity provider was removed.
        IdentityProviderDeleted = "identity_provider.deleted",
        /// A service account was made.
        ServiceAccountCreated = "service_account.created",
        /// A service account was edited.
        ServiceAccountEdited = "service_account.edited",
        /// A service account was disabled.
        ServiceAccountDisabled = "service_account.disabled",
        /// A service account was enabled.
        ServiceAccountEnabled = "service_account.enabled",
        /// A service account was deleted.
        ServiceAccountDeleted = "service_account.deleted",
        /// A team's token was generated or regenerated.
        TeamTokenGenerated = "team_token.generated",
        /// The organization token was generated or regenerated.
        OrganizationTokenGenerated = "organization_token.generated",
        /// A token was made.
        TokenCreated = "token.created",
        /// A token's name or addresses were changed.
        TokenEdited = "token.edited",
        /// A token got a later expiry.
        TokenExtended = "token.extended",
        /// A token got a new value.
        TokenRegenerated = "token.regenerated",
        /// A value that lived on beside its successor was stopped.
        TokenOverlapEnded = "token.overlap_ended",
        /// A token was revoked.
        TokenRevoked = "token.revoked",
        /// A new secret was shown on its page.
        SecretShown = "secret.shown",
        /// A token was presented that works no longer.
        TokenRefused = "token.refused",
        /// A token or an external identity was exchanged for an access token.
        AccessTokenIssued = "access_token.issued",
    }
}

impl Action {
    /// The part of a sentence between the actor and the target: `created the team`.
    #[must_use]
    pub fn verb_phrase(self) -> String {
        let phrase = match self {
            Self::SignedIn => "signed in as",
            Self::SignedOut => "signed out as",
            Self::SignInRefused => "failed to sign in as",
            Self::AccessTokenIssued => "created an access token for",
            Self::TeamMemberSet => "added or changed a member of the team",
            Self::TeamMemberRemoved => "removed a member from the team",
            Self::ProjectGrantSet => "granted access to the project",
            Self::ProjectGrantRemoved => "removed access to the project",
            Self::InvitationAccepted => "accepted the invitation for",
            Self::TeamTokenGenerated => "generated the API token of the team",
            Self::OrganizationTokenGenerated => "generated the API token of the organization",
            Self::ProfileEdited => "edited the profile of",
            Self::PasswordChanged => "changed the password of",
            Self::SessionsEnded => "ended the sessions of",
            Self::HandedOver => "transferred the objects created by",
            Self::TokenOverlapEnded => "stopped the old value of the token",
            Self::TokenRefused => "was refused with the token",
            Self::SecretShown => "was shown the new value of",
            _ => {
                let (object, verb) = self.word().split_once('.').unwrap_or((self.word(), "changed"));
                return format!("{verb} the {}", object.replace('_', " "));
            }
        };
        phrase.to_owned()
    }
}

/// Who makes a change, with the data of the request that the log records.
#[derive(Clone, Debug)]
pub struct Actor {
    /// The kind of actor.
    pub kind: ActorKind,
    /// The principal's id with its prefix; empty for operators and for callers
    /// without credentials.
    pub id: String,
    /// The actor's name at the time of the change.
    pub name: String,
    /// The token that authenticated the request; `None` in a session.
    pub token: Option<TokenId>,
    /// The interface that the request used.
    pub through: Channel,
    /// The client's IP address, if it is known.
    pub address: Option<IpAddr>,
    /// The request's id, as in the process log and in `X-Request-Id`.
    pub request_id: String,
    /// The username of the person to whom the request is attributed.
    pub on_behalf_of: Option<String>,
    /// The slug of the team that the request named.
    pub for_team: Option<String>,
    /// The request's idempotency key: a second request with this key does not
    /// repeat the change.
    pub idempotency_key: Option<IdempotencyKey>,
}

impl Actor {
    /// A visitor of the console who is not signed in.
    #[must_use]
    pub fn anonymous(request: &RequestContext, name: &str) -> Self {
        Self::new(request, Channel::Console, ActorKind::Nobody, String::new(), name.to_owned())
    }

    /// A signed-in person in the console.
    #[must_use]
    pub fn person(request: &RequestContext, id: PersonId, name: &str) -> Self {
        Self::new(request, Channel::Console, ActorKind::Person, id.to_string(), name.to_owned())
    }

    /// A principal that uses the API or a protocol.
    #[must_use]
    pub fn program(request: &RequestContext, kind: ActorKind, id: String, name: String) -> Self {
        Self::new(request, Channel::Api, kind, id, name)
    }

    /// Whoever runs the installation, on its command line.
    #[must_use]
    pub fn operator(name: String) -> Self {
        let nowhere = RequestContext::default();
        Self {
            request_id: String::new(),
            ..Self::new(&nowhere, Channel::CommandLine, ActorKind::Operator, String::new(), name)
        }
    }

    fn new(request: &RequestContext, through: Channel, kind: ActorKind, id: String, name: String) -> Self {
        Self {
            kind,
            id,
            name,
            token: None,
            through,
            address: request.ip,
            request_id: request.request_id.to_string(),
            on_behalf_of: None,
            for_team: None,
            idempotency_key: request.idempotency_key.clone(),
        }
    }
}

/// What a change did to one object. [`Actor`] says who made the change.
#[derive(Clone, Debug)]
pub struct Event {
    /// What was done.
    pub action: Action,
    /// The kind of the object: `team`, `service_account`, …
    pub target_kind: &'static str,
    /// The object's id with its prefix.
    pub target_id: String,
    /// The object's name at the time of the change.
    pub target_name: String,
    /// The changed values before the change. Never a secret.
    pub before: Option<Value>,
    /// The changed values after the change. Never a secret.
    pub after: Option<Value>,
}

impl Event {
    /// An event about an object, without values before and after.
    #[must_use]
    pub fn new(
        action: Action,
        target_kind: &'static str,
        id: impl std::fmt::Display,
        name: impl Into<String>,
    ) -> Self {
        Self {
            action,
            target_kind,
            target_id: id.to_string(),
            target_name: name.into(),
            before: None,
            after: None,
        }
    }

    /// Sets the values before the change.
    #[must_use]
    pub fn before(mut self, before: Value) -> Self {
        self.before = Some(before);
        self
    }

    /// Sets the values after the change.
    #[must_use]
    pub fn after(mut self, after: Value) -> Self {
        self.after = Some(after);
        self
    }
}

/// A stored event, as short lists of recent activity show it.
#[derive(Clone, Debug, sqlx::FromRow)]
pub struct EventSummary {
    /// Sorts by time.
    pub id: EventId,
    /// When the change was committed.
    pub at: Timestamp,
    /// The actor's name at the time of the event.
    pub actor_name: String,
    /// The username of the person to whom the request was attributed.
    pub on_behalf_of: Option<String>,
    /// What was done.
    pub action: Action,
    /// The kind of the object: `team`, `service_account`, …
    pub target_kind: String,
    /// The object's name at the time of the event.
    pub target_name: String,
}

#[cfg(test)]
mod tests {
    use super::Action;

    #[test]
    fn every_action_reads_as_a_sentence() {
        let verbs = [
            "accepted",
            "added",
            "changed",
            "created",
            "deleted",
            "disabled",
            "edited",
            "enabled",
            "ended",
            "extended",
            "generated",
            "failed",
            "granted",
            "regenerated",
            "removed",
            "revoked",
            "set",
            "signed",
            "stopped",
            "transferred",
            "was",
        ];
        for action in Action::ALL {
            let phrase = action.verb_phrase();
            let verb = phrase.split(' ').next().unwrap_or_default();
            assert!(verbs.contains(&verb) && !phrase.contains('_'), "{action}: {phrase}");
        }
        assert_eq!(Action::TeamMemberRemoved.verb_phrase(), "removed a member from the team");
        assert_eq!(Action::IdentityProviderCreated.verb_phrase(), "created the identity provider");
    }
}

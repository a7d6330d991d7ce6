//! The API that every token can use for itself: look up its identity (`whoami`), revoke itself, and, for
//! service account keys, rotate itself.
//!
//! `whoami` is on the fast path, because programs call it often.

use std::borrow::Cow;

use axum::extract::{FromRequestParts, State};
use axum::http::StatusCode;
use axum::http::request::Parts;
use axum::response::Response;
use serde::Serialize;
use serde_json::value::RawValue;

use crate::access::{Permissions, Subject, TokenKind, effective_permissions};
use crate::audit::Change;
use crate::callers::{all_memberships, ensure_personal_tokens_allowed};
use crate::platform::id::TokenId;
use crate::platform::web::operation::{Api, delete, direct, post};
use crate::platform::web::{Json, json_response};
use crate::platform::{Error, Result, Timestamp, ValidationErrors};
use crate::principals::Membership;
use crate::service_accounts::store as accounts;
use crate::state::AppState;
use crate::tokens::api::issued;
use crate::tokens::model::{Holder, Lifetime, Overlap, Renewal, RenewalBody, TokenView};
use crate::tokens::one_time_secret::SecretDelivery;
use crate::tokens::{lifecycle, store};
use crate::verification::attribution::{
    AttributedPerson, Attribution, AttributionClaim, AttributionOutcome, attribute,
};
use crate::verification::principal::{Principal, PrincipalKind};
use crate::verification::token_format::Hint;
use crate::verification::usage::Check;
use crate::verification::{VerifiedToken, verify_request};

/// The API operations of a token on itself.
pub fn routes() -> Api<AppState> {
    Api::of("Itself", "What any token may ask: who it is, to end, and to be renewed.")
        .with(
            direct("whoAmI", "/whoami", whoami, "Whose token this is, and what it may do")
                .note(
                    "`permissions` are those for all projects and in the organization; grants in single projects come \
                     on top. With a person's token of several organizations `organization` is null and `organizations` lists them. \
                     `Tessera-For-Team` names the team that the request is for, `Tessera-On-Behalf-Of` a person.",
                )
                .gives::<WhoAmI<'_>>(),
        )
        .with(
            delete("revokeItself", "/token", revoke, "The token revokes itself")
                .note("Any kind may, at any time. It stays listed as revoked."),
        )
        .with(
            post("rotateItself", "/token/rotate", rotate, "A service account key gives itself a new value")
                .note(
                    "Only where its account allows it. The old value works for one more hour unless `overlap` asks for \
                     another span, so that a lost answer is no outage.",
                )
                .only(&["service_account"])
                .takes::<RenewalBody>()
                .makes::<TokenView>(),
        )
}

/// The identity of a token, as the token looks it up.
#[derive(Clone, Debug, Serialize, schemars::JsonSchema)]
struct WhoAmI<'a> {
    id: Cow<'a, str>,
    kind: PrincipalKind,
    name: &'a str,
    organization: Option<&'a str>,
    team: Option<&'a str>,
    default_team: Option<&'a str>,
    #[schemars(with = "Permissions")]
    permissions: &'a RawValue,
    token: OwnToken,
    attributed_to: Option<AttributedPerson>,
    attribution: Option<AttributionOutcome>,
    /// The organizations that a personal token can be used in and the permissions in each. Only if there are
    /// several.
    #[serde(skip_serializing_if = "Option::is_none")]
    organizations: Option<Vec<OwnOrganization<'a>>>,
}

/// An organization that a personal token can be used in.
#[derive(Clone, Debug, Serialize, schemars::JsonSchema)]
struct OwnOrganization<'a> {
    slug: &'a str,
    name: &'a str,
    permissions: Permissions,
}

#[derive(Clone, Debug, Serialize, schemars::JsonSchema)]
struct OwnToken {
    id: TokenId,
    kind: TokenKind,
    #[schemars(with = "String")]
    hint: Hint,
    expires_at: Option<Timestamp>,
}

/// The verified token and the requested attribution, extracted without copying the request.
struct Asker {
    verified: VerifiedToken,
    claimed: AttributionClaim,
}

impl FromRequestParts<AppState> for Asker {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, app: &AppState) -> Result<Self> {
        Ok(Self {
            verified: verify_request(&app.verifier, parts).await?,
            claimed: AttributionClaim::from_headers(&parts.headers),
        })
    }
}

async fn whoami(State(app): State<AppState>, Asker { verified, claimed }: Asker) -> Result<Response> {
    // A personal token works in all organizations of its person. If there is exactly one, the response names
    // it.
    let places = match &verified.facts().principal {
        Principal::Person { id, .. } => Some(all_memberships(&app, *id).await?),
        Principal::Machine(_) => None,
    };
    let all = places.as_deref().map_or(&[][..], Vec::as_slice);
    let place = if let [only] = all { Some(only) } else { None };
    if let Some(place) = place {
        ensure_personal_tokens_allowed(&place.organization, &verified.request)?;
    }
    let narrowed =
        place.map(|place| Subject { narrowed: verified.facts().narrowed, ..place.subject.clone() });
    let (known, default_team) = match &verified.facts().principal {
        Principal::Machine(machine) => {
            (Some((&*machine.organization, &*machine.subject)), machine.default_team.as_deref())
        }
        Principal::Person { .. } => (place.map(|place| &place.organization).zip(narrowed.as_ref()), None),
    };
    let (attribution, permissions) = match known {
        Some((organization, subject)) => {
            let settled = attribute(&app.context.db, organization.id, (&verified, subject), &claimed).await?;
            (settled, effective_permissions(subject))
        }
        None => (Attribution::default(), Permissions::NONE),
    };
    app.verifier.usage.record(&verified, None, Check::VALID, attribution.usage_key());
    json_response(&WhoAmI {
        id: verified.facts().principal.id(),
        kind: verified.facts().principal.kind(),
        name: verified.facts().principal.name(),
        organization: known.map(|(organization, _)| organization.slug.as_str()),
        team: attribution.team.as_deref(),
        default_team,
        permissions: &app.verifier.cache.encoded_permissions(permissions)?.list,
        token: OwnToken {
            id: verified.facts().token,
            kind: verified.kind,
            hint: verified.hint,
            expires_at: verified.facts().expires_at,
        },
        attributed_to: attribution.person,
        attribution: attribution.outcome,
        organizations: (all.len() > 1).then(|| several(all, &verified)),
    })
}

/// The organizations whose policy allows personal tokens from the request's IP address.
fn several<'a>(all: &'a [Membership], verified: &VerifiedToken) -> Vec<OwnOrganization<'a>> {
    let open = all
        .iter()
        .filter(|place| ensure_personal_tokens_allowed(&place.organization, &verified.request).is_ok());
    open.map(|place| OwnOrganization {
        slug: &place.organization.slug,
        name: &place.organization.name,
        permissions: effective_permissions(&Subject {
            narrowed: verified.facts().narrowed,
            ..place.subject.clone()
        }),
    })
    .collect()
}

async fn revoke(State(app): State<AppState>, verified: VerifiedToken) -> Result<StatusCode> {
    let organization = match &verified.facts().principal {
        Principal::Machine(machine) => Some(machine.organization.id),
        Principal::Person { .. } => None,
    };
    let actor = verified.actor();
    let mut change = Change::begin(&app.context, &actor, organization).await?;
    if let Principal::Person { id, .. } = &verified.facts().principal {
        change.invalidates_person(*id);
    }
    let token = store::find(change.tx(), verified.facts().token).await?.ok_or(Error::NotFound)?;
    lifecycle::revoke_presented(change, &token, verified.facts().is_old).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Rotates the presented service account key, if its account allows that. The old value works for one more
/// hour by default, so that a lost response does not cause an outage.
async fn rotate(
    State(app): State<AppState>,
    verified: VerifiedToken,
    Json(body): Json<RenewalBody>,
) -> Result<Response> {
    let no = "Use an API key whose service account allows self-rotation.";
    let Principal::Machine(machine) = &verified.facts().principal else {
        return Err(Error::Forbidden(no.to_owned()));
    };
    let actor = verified.actor();
    let mut change = Change::begin(&app.context, &actor, Some(machine.organization.id)).await?;
    change.invalidates_token(verified.facts().token);
    let token = store::find(change.tx(), verified.facts().token).await?.ok_or(Error::NotFound)?;
    let now = change.now;
    let allowed = match token.service_account_id {
        Some(id) => {
            let account = accounts::find(change.tx(), machine.organization.id, &id.to_string(), now).await?;
            account.self_rotation
        }
        None => false,
    };
    let holder = Holder::for_self_rotation(&verified, &token).filter(|_| allowed);
    let holder = holder.ok_or_else(|| Error::Forbidden(no.to_owned()))?;
    let mut renewal = Renewal::from(body);
    if renewal.overlap.is_empty() {
        renewal.overlap = Overlap::Hour.to_string();
    }
    // A key cannot extend its own lifetime.
    let most = token.expires_at.map(|end| now.plus(end.since(token.regenerated_at)));
    let is_longer = |most: Timestamp| match &renewal.lifetime {
        Lifetime::Until(end) | Lifetime::UntilDay(end) => *end > most,
        Lifetime::Endless => true,
        Lifetime::Usual | Lifetime::Wrong(_) => false,
    };
    if let Some(most) = most.filter(|most| is_longer(*most)) {
        let message = format!(
            "Choose an expiry of {} at the latest. A key cannot extend its own lifetime.",
            most.rfc3339()
        );
        return Err(Error::Invalid(ValidationErrors::one("expires_at", message)));
    }
    let policy = &machine.organization.policy;
    let (presented, delivery) = ((holder, verified.value), SecretDelivery::Answer);
    let made = lifecycle::rotate(&mut change, presented, &token, &renewal, policy, &delivery).await?;
    if made.is_repeat() {
        // The connection is released before `issued` asks for another one.
        drop(change);
    } else {
        change.done().await?;
    }
    issued(&app, &made).await
}

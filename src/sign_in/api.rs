//! What every token may ask: who it is, and to be revoked.

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::{delete, get, post};
use axum::{Json as Answer, Router};
use serde_json::{Value, json};

use crate::access::{Permissions, effective};
use crate::audit::Change;
use crate::identity::bearer::Principal;
use crate::identity::caller::{admits_personal_token, memberships};
use crate::identity::reveal::Delivery;
use crate::identity::{App, Bearer};
use crate::platform::web::Json;
use crate::platform::{Error, Result};
use crate::service_accounts::store as accounts;
use crate::tokens::api::issued;
use crate::tokens::model::{Holder, Overlap, Renewal, RenewalBody};
use crate::tokens::{lifecycle, store};

/// The routes of this section.
pub fn routes() -> Router<App> {
    Router::new()
        .route("/whoami", get(whoami))
        .route("/token", delete(revoke))
        .route("/token/rotate", post(rotate))
}

async fn whoami(State(app): State<App>, bearer: Bearer) -> Result<Response> {
    let (organization, team, default_team, permissions) = match &bearer.principal {
        Principal::Machine(machine) => {
            let slug = Some(machine.organization.slug.clone());
            (slug, machine.team.clone(), machine.default_team.clone(), effective(&machine.subject))
        }
        // A person acts in every organization that they belong to: where it is one, that one is told.
        Principal::Person { id, .. } => match memberships(&app, *id, None).await?.as_mut_slice() {
            [one] => {
                admits_personal_token(&one.organization, &bearer.request)?;
                one.subject.narrowed = bearer.narrowed;
                (Some(one.organization.slug.clone()), None, None, effective(&one.subject))
            }
            _ => (None, None, None, Permissions::NONE),
        },
    };
    Ok(Answer(json!({
        "id": bearer.principal.id(),
        "kind": bearer.principal.kind(),
        "name": bearer.principal.name(),
        "organization": organization,
        "team": team,
        "default_team": default_team,
        "permissions": permissions,
        "token": { "id": bearer.token, "kind": bearer.kind, "hint": bearer.hint, "expires_at": bearer.expires_at },
        "attributed_to": Value::Null,
        "attribution": Value::Null,
    }))
    .into_response())
}

async fn revoke(State(app): State<App>, bearer: Bearer) -> Result<StatusCode> {
    let organization = match &bearer.principal {
        Principal::Machine(machine) => Some(machine.organization.id),
        Principal::Person { .. } => None,
    };
    let actor = bearer.actor();
    let change = Change::begin(&app, &actor, organization).await?;
    let token = store::find(&app.db, bearer.token).await?.ok_or(Error::NotFound)?;
    lifecycle::revoke(change, &token).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// A key renews itself where its account allows it. The old value lives on for
/// an hour unless asked otherwise, so that a lost answer is no outage.
async fn rotate(State(app): State<App>, bearer: Bearer, Json(body): Json<RenewalBody>) -> Result<Response> {
    let no = "Only a service account key can renew itself, and only where its account allows it.";
    let Principal::Machine(machine) = &bearer.principal else { return Err(Error::Forbidden(no.to_owned())) };
    let actor = bearer.actor();
    let mut change = Change::begin(&app, &actor, Some(machine.organization.id)).await?;
    let token = store::find(change.tx(), bearer.token).await?.ok_or(Error::NotFound)?;
    let now = change.now;
    let allowed = match token.service_account_id {
        Some(id) => {
            let account = accounts::find(change.tx(), machine.organization.id, &id.to_string(), now).await?;
            account.self_rotation
        }
        None => false,
    };
    let holder = Holder::itself(&bearer, &token).filter(|_| allowed);
    let holder = holder.ok_or_else(|| Error::Forbidden(no.to_owned()))?;
    let mut renewal = Renewal::from(body);
    if renewal.overlap.is_empty() {
        renewal.overlap = Overlap::Hour.to_string();
    }
    let policy = &machine.organization.policy;
    let made =
        lifecycle::regenerate(&mut change, holder, &token, &renewal, policy, &Delivery::Answer).await?;
    change.done().await?;
    issued(&app, &made).await
}

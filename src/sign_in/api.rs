//! What every token may ask: who it is, and to be revoked.

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::{delete, get};
use axum::{Json as Answer, Router};
use serde_json::{Value, json};

use crate::access::{Permissions, effective};
use crate::audit::Change;
use crate::identity::bearer::Principal;
use crate::identity::caller::{admits_personal_token, memberships};
use crate::identity::{App, Bearer};
use crate::platform::{Error, Result};
use crate::tokens::{lifecycle, store};

/// The routes of this section.
pub fn routes() -> Router<App> {
    Router::new().route("/whoami", get(whoami)).route("/token", delete(revoke))
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

//! Access evaluation (OpenID AuthZEN Authorization API 1.0): one evaluation, a batch of evaluations, and the
//! metadata.
//!
//! A service authenticates with its secret and asks whether a token or a principal has a permission on the
//! organization or a project. The response is always a decision with a reason; malformed requests get 400.

use axum::extract::State;
use axum::http::Method;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json as Answer, Router};
use serde::Deserialize;
use serde_json::{Value, json};

use super::verified::{self, VerificationQuery, Verified};
use crate::access::{Decision, Permission, Subject, Target, decide};
use crate::callers::AuthenticatedService;
use crate::platform::server::FastPath;
use crate::platform::web::Json;
use crate::platform::{Error, Result};
use crate::state::AppState;
use crate::verification::PlainToken;
use crate::verification::attribution::{Attribution, AttributionClaim};
use crate::verification::principal::ServiceCaller;
use crate::verification::usage::Check;

/// The router of this protocol's endpoints.
pub fn routes() -> FastPath<AppState> {
    FastPath::default().route("/access/v1/evaluation", Method::POST, one).route(
        "/access/v1/evaluations",
        Method::POST,
        several,
    )
}

/// The router of the metadata, which is public.
pub fn metadata_route() -> Router<AppState> {
    Router::new().route("/.well-known/authzen-configuration", get(metadata))
}

/// A subject or resource: its type and id.
#[derive(Clone, Debug, Default, Deserialize)]
struct AttributedPerson {
    #[serde(default)]
    r#type: String,
    #[serde(default)]
    id: String,
}

#[derive(Clone, Debug, Default, Deserialize)]
struct Act {
    #[serde(default)]
    name: String,
}

/// Context of a request. Unknown fields are ignored, as the protocol requires.
#[derive(Clone, Debug, Default, Deserialize)]
struct Context {
    on_behalf_of: Option<String>,
    team: Option<String>,
    client_address: Option<String>,
}

/// One evaluation. In a batch, missing fields are taken from the batch itself.
#[derive(Clone, Debug, Default, Deserialize)]
struct Evaluation {
    subject: Option<AttributedPerson>,
    action: Option<Act>,
    resource: Option<AttributedPerson>,
    context: Option<Context>,
}

#[derive(Clone, Debug, Default, Deserialize)]
struct Options {
    #[serde(default)]
    evaluations_semantic: String,
}

#[derive(Clone, Debug, Default, Deserialize)]
struct Batch {
    #[serde(flatten)]
    whole: Evaluation,
    #[serde(default)]
    evaluations: Vec<Evaluation>,
    #[serde(default)]
    options: Options,
}

/// Maximum number of evaluations in one request.
const MOST: usize = 100;

async fn metadata(State(app): State<AppState>) -> Response {
    let base = &app.context.config.public_url;
    Answer(json!({
        "policy_decision_point": base,
        "access_evaluation_endpoint": format!("{base}/access/v1/evaluation"),
        "access_evaluations_endpoint": format!("{base}/access/v1/evaluations"),
    }))
    .into_response()
}

async fn one(
    State(app): State<AppState>,
    AuthenticatedService(service): AuthenticatedService,
    question: Result<Json<Evaluation>>,
) -> Result<Response> {
    let Json(question) = question.map_err(malformed)?;
    Ok(Answer(evaluate(&app, &service, &question).await?).into_response())
}

/// The protocol requires 400 for a malformed request, where the rest of the API responds with 422.
fn malformed(error: Error) -> Error {
    match error {
        Error::Invalid(errors) => Error::Malformed(errors.to_string()),
        other => other,
    }
}

async fn several(
    State(app): State<AppState>,
    AuthenticatedService(service): AuthenticatedService,
    batch: Result<Json<Batch>>,
) -> Result<Response> {
    let Json(batch) = batch.map_err(malformed)?;
    if batch.evaluations.is_empty() {
        return Ok(Answer(evaluate(&app, &service, &batch.whole).await?).into_response());
    }
    if batch.evaluations.len() > MOST {
        return Err(Error::Malformed(format!("evaluations: Send at most {MOST} evaluations.")));
    }
    let stop = match batch.options.evaluations_semantic.as_str() {
        "" | "execute_all" => None,
        "deny_on_first_deny" => Some(false),
        "permit_on_first_permit" => Some(true),
        _ => {
            return Err(Error::Malformed(
                "options.evaluations_semantic: Use execute_all, deny_on_first_deny or permit_on_first_permit."
                    .to_owned(),
            ));
        }
    };
    let mut answers = Vec::new();
    for question in batch.evaluations {
        let whole = &batch.whole;
        let question = Evaluation {
            subject: question.subject.or_else(|| whole.subject.clone()),
            action: question.action.or_else(|| whole.action.clone()),
            resource: question.resource.or_else(|| whole.resource.clone()),
            context: question.context.or_else(|| whole.context.clone()),
        };
        let answer = match evaluate(&app, &service, &question).await {
            // One malformed evaluation gets a negative decision, so that the others are still evaluated.
            Err(Error::Malformed(text)) => no(text),
            other => other?,
        };
        let decision = answer["decision"] == json!(true);
        answers.push(answer);
        if stop == Some(decision) {
            break;
        }
    }
    Ok(Answer(json!({ "evaluations": answers })).into_response())
}

fn no(reason: impl Into<String>) -> Value {
    json!({ "decision": false, "context": { "reason": reason.into(), "via": null } })
}

async fn evaluate(app: &AppState, service: &ServiceCaller, question: &Evaluation) -> Result<Value> {
    let missing = |field: &str| Error::Malformed(format!("Send {field}."));
    let subject = question.subject.as_ref().filter(|it| !it.r#type.is_empty() && !it.id.is_empty());
    let subject = subject.ok_or_else(|| missing("“subject” with “type” and “id”"))?;
    let action = question
        .action
        .as_ref()
        .filter(|it| !it.name.is_empty())
        .ok_or_else(|| missing("“action” with “name”"))?;
    let resource = question.resource.as_ref().filter(|it| !it.r#type.is_empty() && !it.id.is_empty());
    let resource = resource.ok_or_else(|| missing("“resource” with “type” and “id”"))?;
    let context = question.context.clone().unwrap_or_default();
    let permission = match action.name.parse::<Permission>() {
        Ok(permission) => permission,
        Err(message) => return Ok(no(message)),
    };
    let Some(asked) = subject_of(app, service, subject, context).await? else {
        return Ok(no("The token or principal is not valid for this service."));
    };
    let target = match resource.r#type.as_str() {
        "organization" if service.organization.is_named(&resource.id) => Target::Organization,
        "project" => match verified::project(app, service, &resource.id).await {
            Ok(project) => Target::Project(project),
            Err(Error::NotFound) => {
                asked.record(app, service, Check::unknown_project(permission));
                return Ok(no("The resource does not exist, or the subject does not have access to it."));
            }
            Err(error) => return Err(error),
        },
        _ => {
            asked.record(app, service, Check::unknown_project(permission));
            return Ok(no("The resource does not exist, or the subject does not have access to it."));
        }
    };
    let decision = decide(asked.subject(), permission, &target);
    asked.record(app, service, Check::decided(permission, &target, &decision));
    let mut answer = answer(&decision);
    if let Asked::Token(Verified { attribution: Attribution { team, outcome, person }, .. }) = &asked {
        answer["context"]["team"] = json!(team);
        answer["context"]["attributed_to"] = json!(person);
        answer["context"]["attribution"] = json!(outcome);
    }
    Ok(answer)
}

fn answer(decision: &Decision<'_>) -> Value {
    match decision {
        Decision::Allowed(_) => json!({
            "decision": true,
            "context": { "reason": crate::access_explorer::actions::reason(decision), "via": via(decision) },
        }),
        Decision::Refused(refusal) => no(refusal.to_string()),
        Decision::Hidden => no("The resource does not exist, or the subject does not have access to it."),
    }
}

/// The rule or permission set that allowed the access, as the response names it. `None` if it was not
/// allowed.
fn via(decision: &Decision<'_>) -> Option<String> {
    use crate::access::AllowedBy;
    let Decision::Allowed(via) = decision else { return None };
    Some(match via {
        AllowedBy::Owner => "owner".to_owned(),
        AllowedBy::OrganizationToken => "organization_token".to_owned(),
        AllowedBy::Grant(grant) => format!("permission_set:{}", grant.set.slug),
        AllowedBy::TeamAdmin => "team_admin".to_owned(),
        AllowedBy::TeamMember => "team".to_owned(),
        AllowedBy::OrganizationMember => "member".to_owned(),
        AllowedBy::OwnObject => "itself".to_owned(),
    })
}

/// The subject of an evaluation.
enum Asked {
    /// The principal of a token, whose use is recorded.
    Token(Verified),
    /// A principal that was named without a token.
    Principal(Subject),
}

impl Asked {
    fn subject(&self) -> &Subject {
        match self {
            Self::Token(verified) => &verified.subject,
            Self::Principal(subject) => subject,
        }
    }

    fn record(&self, app: &AppState, service: &ServiceCaller, check: Check) {
        if let Self::Token(verified) = self {
            verified.record(app, service, check);
        }
    }
}

/// Loads the subject of an evaluation: the principal of a token that the service accepts, or a principal of
/// the service's organization, by id. `None` if there is no such active subject.
async fn subject_of(
    app: &AppState,
    service: &ServiceCaller,
    named: &AttributedPerson,
    context: Context,
) -> Result<Option<Asked>> {
    if named.r#type == "token" {
        let question = VerificationQuery {
            token: PlainToken::parse(named.id.trim()),
            claimed: AttributionClaim { on_behalf_of: context.on_behalf_of, team: context.team },
            // An IP address that cannot be parsed counts as unknown.
            address: context.client_address.and_then(|text| text.parse().ok()),
            agent: None,
        };
        return Ok(verified::verify(app, service, question).await?.map(Asked::Token));
    }
    let found = Box::pin(verified::principal(app, service, &named.r#type, &named.id)).await?;
    Ok(found.map(Asked::Principal))
}

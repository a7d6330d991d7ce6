//! The console page of the access explorer: a form with principal, project and permission, and the answers.
//!
//! The handler calls `actions` and renders a template. The question is in the query, so that it can be
//! linked.

use askama::Template;
use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use axum::routing::get;

use super::actions::{self, Answer, ExploredPrincipal};
use crate::access::{Permission, Resource};
use crate::callers::ConsoleCaller;
use crate::platform::web::pagination::PageRequest;
use crate::platform::web::{Query, html};
use crate::platform::{Error, Result, ValidationErrors};
use crate::projects::actions as projects;
use crate::projects::model::Project;
use crate::projects::store::Filter;
use crate::state::AppState;
use crate::ui::{Layout, Paths, filters, refused};

/// The router of this section's endpoints.
pub fn routes() -> Router<AppState> {
    Router::new().route(Paths::pattern().access_explorer().as_ref(), get(show_explorer))
}

#[derive(Template)]
#[template(path = "access_explorer/explore.html")]
struct ExplorePage {
    layout: Layout,
    who: String,
    what: String,
    place: String,
    resources: Vec<Resource>,
    projects: Vec<Project>,
    asked: Option<(ExploredPrincipal, Option<Project>, Vec<Answer>)>,
}

async fn show_explorer(
    State(app): State<AppState>,
    caller: ConsoleCaller,
    Query(query): Query,
) -> Result<Response> {
    let (who, what, place) = (query.text("who"), query.text("what"), query.text("where"));
    let asked = if query.has("who") { Some(ask(&app, &caller, &who, &what, &place).await) } else { None };
    let (status, asked, errors) = match asked.transpose() {
        Ok(asked) => (StatusCode::OK, asked, ValidationErrors::default()),
        Err(error) => {
            let (status, errors) = refused(error)?;
            (status, None, errors)
        }
    };
    let projects =
        projects::list(&app.context, &caller.member, &Filter::default(), &PageRequest::choices()).await?.rows;
    let layout = Layout::of(&app, &caller, "Access explorer", "Access explorer").await?;
    let resources: Vec<Resource> = Resource::grantable().collect();
    Ok(html(
        status,
        &ExplorePage { layout: layout.with_errors(errors), who, what, place, resources, projects, asked },
    ))
}

async fn ask(
    app: &AppState,
    caller: &ConsoleCaller,
    who: &str,
    what: &str,
    place: &str,
) -> Result<(ExploredPrincipal, Option<Project>, Vec<Answer>)> {
    let what: Option<Permission> = match what.trim() {
        "" => None,
        word => Some(word.parse().map_err(|message| Error::Invalid(ValidationErrors::one("what", message)))?),
    };
    let who = actions::who(&app.context, &caller.member, who).await?;
    let project = actions::place(&app.context, &caller.member, place).await?;
    let answers = actions::ask(&who, what, project.as_ref());
    Ok((who, project, answers))
}

//! Console pages of identity providers: the list and the forms.
//!
//! The handlers parse the request, call `actions` and render a template.

use askama::Template;
use axum::Router;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::Response;
use axum::routing::get;

use super::actions;
use super::model::{IdentityProvider, IdentityProviders, NewProvider, ProviderEdit};
use crate::access::{authorize_write, can_write};
use crate::authn::session::flash;
use crate::callers::ConsoleCaller;
use crate::platform::web::{Form, ItemPath, html, redirect};
use crate::platform::{Result, ValidationErrors};
use crate::state::AppState;
use crate::ui::{ConsolePath, Layout, Paths, filters, paths, refused, render};

const SECTION: &str = "Identity providers";

/// The router of this section's endpoints.
pub fn routes() -> Router<AppState> {
    let paths = Paths::pattern();
    let all = paths.identity_providers();
    let one = paths.identity_provider("{idp}");
    Router::new()
        .route(all.as_ref(), get(show_list).post(create))
        .route(all.creation().as_ref(), get(show_new_form))
        .route(one.as_ref(), get(show_edit_form).post(save))
        .route(one.delete().as_ref(), get(confirm_delete).post(delete))
}

#[derive(Template)]
#[template(path = "identity_providers/list.html")]
struct ListPage {
    layout: Layout,
    providers: Vec<IdentityProvider>,
    may_manage: bool,
}

#[derive(Template)]
#[template(path = "identity_providers/form.html")]
struct FormPage {
    layout: Layout,
    form: NewProvider,
    version: String,
    provider: Option<IdentityProvider>,
    action: ConsolePath,
    may_manage: bool,
}

#[derive(Template)]
#[template(path = "identity_providers/delete.html")]
struct DeletePage {
    layout: Layout,
    provider: IdentityProvider,
}

async fn show_list(State(app): State<AppState>, caller: ConsoleCaller) -> Result<Response> {
    let providers = actions::list(&app, &caller.member).await?;
    let may_manage = can_write(&caller.member.subject, &IdentityProviders);
    let layout = Layout::of(&app, &caller, SECTION, "Identity providers").await?;
    Ok(render(&ListPage { layout, providers, may_manage }))
}

fn read(form: &Form) -> NewProvider {
    NewProvider { name: form.text("name"), issuer: form.text("issuer"), audience: form.text("audience") }
}

async fn render_form(
    app: &AppState,
    caller: &ConsoleCaller,
    status: StatusCode,
    (form, version): (NewProvider, String),
    provider: Option<IdentityProvider>,
    errors: ValidationErrors,
) -> Result<Response> {
    let title = provider.as_ref().map_or_else(|| "New identity provider".to_owned(), |it| it.name.clone());
    let layout = Layout::of(app, caller, SECTION, title).await?;
    let may_manage = can_write(&caller.member.subject, &IdentityProviders);
    let all = paths(caller).identity_providers();
    let action = provider.as_ref().map_or(all, |it| paths(caller).identity_provider(it.id));
    Ok(html(
        status,
        &FormPage { layout: layout.with_errors(errors), form, version, provider, action, may_manage },
    ))
}

async fn show_new_form(State(app): State<AppState>, caller: ConsoleCaller) -> Result<Response> {
    authorize_write(&caller.member.subject, IdentityProviders)?;
    let form = NewProvider { audience: app.context.config.public_url.clone(), ..NewProvider::default() };
    render_form(&app, &caller, StatusCode::OK, (form, String::new()), None, ValidationErrors::default()).await
}

async fn create(State(app): State<AppState>, caller: ConsoleCaller, form: Form) -> Result<Response> {
    let input = read(&form);
    match actions::create(&app, &caller.member, &input).await {
        Ok(made) => {
            let text = format!("Identity provider {} created. Tessera fetched its keys.", made.name);
            flash(&caller.signed_in.session, text).await?;
            Ok(redirect(paths(&caller).identity_providers()))
        }
        Err(error) => {
            let (status, errors) = refused(error)?;
            authorize_write(&caller.member.subject, IdentityProviders)?;
            render_form(&app, &caller, status, (input, String::new()), None, errors).await
        }
    }
}

async fn show_edit_form(
    State(app): State<AppState>,
    caller: ConsoleCaller,
    Path((_, idp)): ItemPath,
) -> Result<Response> {
    let provider = actions::get(&app, &caller.member, &idp).await?;
    let form = ProviderEdit::default().over(&provider);
    let version = provider.version.to_string();
    render_form(&app, &caller, StatusCode::OK, (form, version), Some(provider), ValidationErrors::default())
        .await
}

async fn save(
    State(app): State<AppState>,
    caller: ConsoleCaller,
    Path((_, idp)): ItemPath,
    form: Form,
) -> Result<Response> {
    let provider = actions::get(&app, &caller.member, &idp).await?;
    let (typed, version) = (read(&form), form.text("version"));
    let input = ProviderEdit {
        name: Some(typed.name.clone()),
        issuer: Some(typed.issuer.clone()),
        audience: Some(typed.audience.clone()),
    };
    match actions::edit(&app, &caller.member, &idp, &input, version.parse().ok()).await {
        Ok(after) => {
            flash(&caller.signed_in.session, format!("Identity provider {} saved.", after.name)).await?;
            Ok(redirect(paths(&caller).identity_providers()))
        }
        Err(error) => {
            let (status, errors) = refused(error)?;
            render_form(&app, &caller, status, (typed, version), Some(provider), errors).await
        }
    }
}

async fn confirm_delete(
    State(app): State<AppState>,
    caller: ConsoleCaller,
    Path((_, idp)): ItemPath,
) -> Result<Response> {
    render_delete(&app, &caller, StatusCode::OK, &idp, ValidationErrors::default()).await
}

async fn render_delete(
    app: &AppState,
    caller: &ConsoleCaller,
    status: StatusCode,
    idp: &str,
    errors: ValidationErrors,
) -> Result<Response> {
    authorize_write(&caller.member.subject, IdentityProviders)?;
    let provider = actions::get(app, &caller.member, idp).await?;
    let layout = Layout::of(app, caller, SECTION, format!("Delete {}?", provider.name)).await?;
    Ok(html(status, &DeletePage { layout: layout.with_errors(errors), provider }))
}

async fn delete(
    State(app): State<AppState>,
    caller: ConsoleCaller,
    Path((_, idp)): ItemPath,
) -> Result<Response> {
    match actions::delete(&app, &caller.member, &idp).await {
        Ok(was) => {
            flash(&caller.signed_in.session, format!("Identity provider {} deleted.", was.name)).await?;
            Ok(redirect(paths(&caller).identity_providers()))
        }
        Err(error) => {
            let (status, errors) = refused(error)?;
            render_delete(&app, &caller, status, &idp, errors).await
        }
    }
}

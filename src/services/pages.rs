//! Console pages of services: the list, the forms, and the pages to show and revoke a secret.
//!
//! The handlers parse the request, call `actions` and render a template.

use askama::Template;
use axum::Router;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::Response;
use axum::routing::{get, post};

use super::actions;
use super::model::{NewService, Service, ServiceEdit, Services};
use super::store::COLUMNS;
use crate::access::{TokenKind, authorize_write, can_write};
use crate::authn::session::flash;
use crate::callers::ConsoleCaller;
use crate::platform::web::pagination::{Page, PageRequest};
use crate::platform::web::query_filter::SearchFilter;
use crate::platform::web::{Form, ItemPath, PartPath, Query, html, redirect};
use crate::platform::{Error, Result, ValidationErrors};
use crate::state::AppState;
use crate::tokens::model::Token;
use crate::tokens::one_time_secret::SecretDelivery;
use crate::tokens::pages::{Confirmation, RevealTexts, ask_end, reveal_route, show_service_secret};
use crate::ui::charts::CallsChart;
use crate::ui::{Layout, ListState, Paths, filters, paths, refused, render};
use crate::usage::model::Days;
use crate::usage::store as usage;

const SECTION: &str = "Services";

/// The router of this section's endpoints.
pub fn routes() -> Router<AppState> {
    let paths = Paths::pattern();
    let all = paths.services();
    let one = paths.service("{svc}");
    Router::new()
        .route(all.as_ref(), get(show_list).post(create))
        .route(all.creation().as_ref(), get(show_new_form))
        .route(one.as_ref(), get(show_service).post(save_settings))
        .route(one.delete().as_ref(), get(confirm_delete).post(delete))
        .route(one.secrets().as_ref(), post(add_secret))
        .route(one.secret("{tok}").reveal().as_ref(), reveal_route(reveal))
        .route(one.secret("{tok}").revoke().as_ref(), get(confirm_revoke).post(revoke_secret))
}

#[derive(Template)]
#[template(path = "services/list.html")]
struct ListPage {
    layout: Layout,
    list: ListState,
    search: SearchFilter,
    page: Page<Service>,
    may_manage: bool,
}

/// The submitted form values, shown again after an error.
#[derive(Clone, Debug, Default)]
struct ServiceForm {
    name: String,
    kinds: Vec<String>,
    disabled: bool,
    version: String,
}

impl ServiceForm {
    fn read(form: &Form) -> Self {
        Self {
            name: form.text("name"),
            kinds: form.all("accepted_kinds").map(str::to_owned).collect(),
            disabled: form.has("disabled"),
            version: form.text("version"),
        }
    }

    fn accepts(&self, kind: &TokenKind) -> bool {
        self.kinds.iter().any(|word| word == kind.word())
    }
}

#[derive(Template)]
#[template(path = "services/new.html")]
struct NewPage {
    layout: Layout,
    form: ServiceForm,
    kinds: &'static [TokenKind],
}

#[derive(Template)]
#[template(path = "services/show.html")]
struct ShowPage {
    layout: Layout,
    service: Service,
    chart: CallsChart,
    secrets: Vec<Token>,
    form: ServiceForm,
    kinds: &'static [TokenKind],
    may_manage: bool,
}

#[derive(Template)]
#[template(path = "services/delete.html")]
struct DeletePage {
    layout: Layout,
    service: Service,
}

async fn show_list(
    State(app): State<AppState>,
    caller: ConsoleCaller,
    Query(query): Query,
) -> Result<Response> {
    let search = SearchFilter(query.text("q"));
    let which = PageRequest::for_console(&query)?.sorted(&query, COLUMNS)?;
    let page = actions::list(&app.context, &caller.member, &search.0, &which).await?;
    let list = ListState::new(&search, &which, COLUMNS, ("service", "services"));
    let may_manage = can_write(&caller.member.subject, &Services);
    let layout = Layout::of(&app, &caller, SECTION, "Services").await?;
    Ok(render(&ListPage { layout, list, search, page, may_manage }))
}

async fn show_new_form(State(app): State<AppState>, caller: ConsoleCaller) -> Result<Response> {
    let kinds = TokenKind::PRESENTED.iter().map(|kind| kind.word().to_owned()).collect();
    let form = ServiceForm { kinds, ..ServiceForm::default() };
    render_new(&app, &caller, StatusCode::OK, form, ValidationErrors::default()).await
}

async fn render_new(
    app: &AppState,
    caller: &ConsoleCaller,
    status: StatusCode,
    form: ServiceForm,
    errors: ValidationErrors,
) -> Result<Response> {
    authorize_write(&caller.member.subject, Services)?;
    let layout = Layout::of(app, caller, SECTION, "New service").await?;
    Ok(html(status, &NewPage { layout: layout.with_errors(errors), form, kinds: TokenKind::PRESENTED }))
}

async fn create(State(app): State<AppState>, caller: ConsoleCaller, form: Form) -> Result<Response> {
    let typed = ServiceForm::read(&form);
    let delivery = SecretDelivery::page(&caller.signed_in.session)?;
    let input = NewService { name: typed.name.clone(), accepted_kinds: Some(typed.kinds.clone()) };
    match actions::create(&app.context, &caller.member, &input, &delivery).await {
        Ok((service, issued)) => Ok(redirect(paths(&caller).service(service.id).secret(issued.id).reveal())),
        Err(error) => {
            let (status, errors) = refused(error)?;
            render_new(&app, &caller, status, typed, errors).await
        }
    }
}

async fn show_service(
    State(app): State<AppState>,
    caller: ConsoleCaller,
    Path((_, id)): ItemPath,
) -> Result<Response> {
    render_show(&app, &caller, StatusCode::OK, &id, None, ValidationErrors::default()).await
}

async fn render_show(
    app: &AppState,
    caller: &ConsoleCaller,
    status: StatusCode,
    id: &str,
    form: Option<ServiceForm>,
    errors: ValidationErrors,
) -> Result<Response> {
    let layout = Layout::of(app, caller, SECTION, "").await?.with_errors(errors);
    render_with(app, caller, layout, status, id, form).await
}

/// Renders the page of a service in this layout, whose title becomes the name of the service.
async fn render_with(
    app: &AppState,
    caller: &ConsoleCaller,
    layout: Layout,
    status: StatusCode,
    id: &str,
    form: Option<ServiceForm>,
) -> Result<Response> {
    let (service, secrets) = actions::get(&app.context, &caller.member, id).await?;
    let form = form.unwrap_or_else(|| ServiceForm {
        name: service.name.clone(),
        kinds: service.kinds().iter().map(|kind| kind.word().to_owned()).collect(),
        disabled: service.disabled_at.is_some(),
        version: service.version.to_string(),
    });
    let may_manage = can_write(&caller.member.subject, &Services);
    let layout = Layout { title: service.name.clone(), ..layout };
    let days = Days::recent(app.context.clock.now());
    let history = usage::history(&app.context.db, service.id, days).await?;
    let chart = CallsChart::new("Checks in the last 30 days", history);
    let kinds = TokenKind::PRESENTED;
    Ok(html(status, &ShowPage { layout, service, chart, secrets, form, kinds, may_manage }))
}

async fn save_settings(
    State(app): State<AppState>,
    caller: ConsoleCaller,
    Path((_, id)): ItemPath,
    form: Form,
) -> Result<Response> {
    let typed = ServiceForm::read(&form);
    let input = ServiceEdit {
        name: Some(typed.name.clone()),
        accepted_kinds: Some(typed.kinds.clone()),
        status: Some(if typed.disabled { "disabled" } else { "active" }.to_owned()),
    };
    match actions::edit(&app.context, &caller.member, &id, &input, typed.version.parse().ok()).await {
        Ok(service) => {
            flash(&caller.signed_in.session, format!("Service {} saved.", service.name)).await?;
            Ok(redirect(paths(&caller).service(service.id)))
        }
        Err(error) => {
            let (status, errors) = refused(error)?;
            render_show(&app, &caller, status, &id, Some(typed), errors).await
        }
    }
}

async fn add_secret(
    State(app): State<AppState>,
    caller: ConsoleCaller,
    Path((_, id)): ItemPath,
) -> Result<Response> {
    let delivery = SecretDelivery::page(&caller.signed_in.session)?;
    match actions::add_secret(&app.context, &caller.member, &id, &delivery).await {
        Ok((service, issued)) => Ok(redirect(paths(&caller).service(service.id).secret(issued.id).reveal())),
        Err(error) => {
            let (status, errors) = refused(error)?;
            render_show(&app, &caller, status, &id, None, errors).await
        }
    }
}

async fn secret_of(
    app: &AppState,
    caller: &ConsoleCaller,
    id: &str,
    secret: &str,
) -> Result<(Service, Token)> {
    authorize_write(&caller.member.subject, Services)?;
    let (service, secrets) = actions::get(&app.context, &caller.member, id).await?;
    let secret = secrets.into_iter().find(|each| each.id.to_string() == secret).ok_or(Error::NotFound)?;
    Ok((service, secret))
}

async fn reveal(
    State(app): State<AppState>,
    caller: ConsoleCaller,
    Path((_, id, secret)): PartPath,
) -> Result<Response> {
    let (service, secret) = secret_of(&app, &caller, &id, &secret).await?;
    let kinds = service.kinds();
    let accepts = if kinds.len() == TokenKind::PRESENTED.len() {
        "every kind of token".to_owned()
    } else {
        kinds.iter().map(|kind| kind.title()).collect::<Vec<_>>().join(", ")
    };
    let back = paths(&caller).service(service.id);
    let texts = RevealTexts {
        what: "Service secret",
        name: service.name,
        facts: vec![("Service", service.id.to_string()), ("Accepts", accepts)],
        regenerate: back.clone(),
        done: back,
    };
    let layout = Layout::of(&app, &caller, SECTION, "").await?;
    let shown = show_service_secret(&app, (&caller).into(), layout, &secret, texts).await?;
    let page = render_with(&app, &caller, shown.layout.clone(), StatusCode::OK, &id, None).await;
    Ok(shown.over(page, &app.context))
}

async fn confirm_revoke(
    State(app): State<AppState>,
    caller: ConsoleCaller,
    Path((_, id, secret)): PartPath,
) -> Result<Response> {
    let (service, secret) = secret_of(&app, &caller, &id, &secret).await?;
    let back = paths(&caller).service(service.id);
    let layout =
        Layout::of(&app, &caller, SECTION, format!("Revoke this secret of {}?", service.name)).await?;
    let question = Confirmation {
        action: back.secret(secret.id).revoke(),
        back: (service.name, back),
        button: "Revoke secret",
        token: secret,
    };
    ask_end(&app, layout, StatusCode::OK, question, ValidationErrors::default()).await
}

async fn revoke_secret(
    State(app): State<AppState>,
    caller: ConsoleCaller,
    Path((_, id, secret)): PartPath,
) -> Result<Response> {
    actions::revoke_secret(&app.context, &caller.member, &id, &secret).await?;
    flash(&caller.signed_in.session, "The secret is revoked.").await?;
    Ok(redirect(paths(&caller).service(&id)))
}

async fn confirm_delete(
    State(app): State<AppState>,
    caller: ConsoleCaller,
    Path((_, id)): ItemPath,
) -> Result<Response> {
    render_delete(&app, &caller, StatusCode::OK, &id, ValidationErrors::default()).await
}

async fn render_delete(
    app: &AppState,
    caller: &ConsoleCaller,
    status: StatusCode,
    id: &str,
    errors: ValidationErrors,
) -> Result<Response> {
    authorize_write(&caller.member.subject, Services)?;
    let (service, _) = actions::get(&app.context, &caller.member, id).await?;
    let layout = Layout::of(app, caller, SECTION, format!("Delete {}?", service.name)).await?;
    Ok(html(status, &DeletePage { layout: layout.with_errors(errors), service }))
}

async fn delete(
    State(app): State<AppState>,
    caller: ConsoleCaller,
    Path((_, id)): ItemPath,
    form: Form,
) -> Result<Response> {
    match actions::delete(&app.context, &caller.member, &id, Some(&form.text("confirm"))).await {
        Ok(service) => {
            flash(&caller.signed_in.session, format!("Service {} deleted.", service.name)).await?;
            Ok(redirect(paths(&caller).services()))
        }
        Err(error) => {
            let (status, errors) = refused(error)?;
            render_delete(&app, &caller, status, &id, errors).await
        }
    }
}

//! Console pages of service tokens: the list, the form, and the pages to show, regenerate and revoke a token.
//!
//! The handlers parse the request, call `actions` and render a template.

use askama::Template;
use axum::Router;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::Response;
use axum::routing::{get, post};

use super::actions;
use super::form::{Choices, ServiceTokenForm};
use super::model::{GrantInput, ServiceTokenRow, ServiceTokens};
use super::store::Filter;
use crate::access::{Sets, TokenKind, authorize_write, can_write};
use crate::authn::session::flash;
use crate::callers::ConsoleCaller;
use crate::platform::web::pagination::{Page, PageRequest};
use crate::platform::web::{Form, ItemPath, Query, html, redirect};
use crate::platform::{Result, ValidationErrors};
use crate::state::AppState;
use crate::tokens::model::{Lifetime, LifetimeChoice, Renewal, Token, choices, usual};
use crate::tokens::one_time_secret::SecretDelivery;
use crate::tokens::pages::{
    Confirmation, RevealTexts, ask_regenerate, expiry_fact, renewal, reveal_route, show,
};
use crate::tokens::selection::{self, SelectedAction, SelectedFrom, TokenOperations};
use crate::ui::{
    ConsolePath, Layout, ListState, Paths, SavedFilter, filters, paths, refused, render, selected,
};

const SECTION: &str = "Service tokens";

/// The router of this section's endpoints.
pub fn routes() -> Router<AppState> {
    let paths = Paths::pattern();
    let all = paths.service_tokens();
    let one = paths.service_token("{tok}");
    Router::new()
        .route(all.as_ref(), get(show_list).post(create))
        .route(all.creation().as_ref(), get(show_new_form))
        .route(all.selected().as_ref(), get(confirm_selected).post(change_selected))
        .route(all.selected().results().as_ref(), reveal_route(show_results))
        .route(one.as_ref(), get(show_edit_form).post(save))
        .route(one.reveal().as_ref(), reveal_route(reveal))
        .route(one.regenerate().as_ref(), get(confirm_regenerate).post(regenerate))
        .route(one.stop_old().as_ref(), post(end_overlap))
}

#[derive(Template)]
#[template(path = "service_tokens/list.html")]
struct ListPage {
    layout: Layout,
    filter: Filter,
    list: ListState,
    page: Page<ServiceTokenRow>,
    sets: Sets,
    may_manage: bool,
}

#[derive(Template)]
#[template(path = "service_tokens/form.html")]
struct FormPage {
    layout: Layout,
    form: ServiceTokenForm,
    choices: Choices,
    lifetimes: Vec<LifetimeChoice>,
    /// The token that is edited. `None` for a new one.
    token: Option<ServiceTokenRow>,
    may_manage: bool,
}

impl ListPage {
    fn set_name(&self, slug: &str) -> String {
        self.sets.name(slug)
    }
}

async fn show_list(
    State(app): State<AppState>,
    caller: ConsoleCaller,
    Query(query): Query,
) -> Result<Response> {
    let layout = Layout::of(&app, &caller, SECTION, SECTION).await?;
    render_list(&app, &caller, layout, &query).await
}

async fn render_list(
    app: &AppState,
    caller: &ConsoleCaller,
    layout: Layout,
    query: &Form,
) -> Result<Response> {
    let filter = Filter {
        search: query.text("q"),
        status: query.text("status"),
        set: query.text("permission_set"),
        project: query.text("project"),
    };
    // The form with the filter keeps the order, which another filter may not have.
    let mut which = PageRequest::for_console(query)?;
    if filter.is_of_unrevoked() {
        which = which.sorted(query, filter.columns())?;
    }
    let (page, counts) = tokio::try_join!(
        actions::list(&app.context, &caller.member, &filter, &which),
        actions::count(&app.context, &caller.member),
    )?;
    let list = ListState::new(&filter, &which, filter.columns(), ("token", "tokens")).with_saved(vec![
        SavedFilter { label: "Active", ..SavedFilter::all(counts.active) },
        SavedFilter::of("Expiring in 14 days", "status", "expiring", counts.expiring).warning(),
        SavedFilter::of("Unused for 90 days", "status", "unused", counts.unused),
        SavedFilter::of("Never expire", "status", "endless", counts.endless),
        SavedFilter::of("Expired", "status", "expired", counts.expired),
    ]);
    let may_manage = can_write(&caller.member.subject, &ServiceTokens(caller.member.organization.id));
    let sets = caller.member.organization.sets.clone();
    Ok(render(&ListPage { layout, filter, list, page, sets, may_manage }))
}

async fn show_new_form(
    State(app): State<AppState>,
    caller: ConsoleCaller,
    Query(query): Query,
) -> Result<Response> {
    authorize_write(&caller.member.subject, ServiceTokens(caller.member.organization.id))?;
    let fresh = ServiceTokenForm {
        lifetime: usual(&caller.member.organization.policy, TokenKind::ServiceToken),
        grants: vec![GrantInput::default()],
        nonce: Layout::nonce(&app),
        ..ServiceTokenForm::default()
    };
    // A token that replaces another one starts with its values.
    let form = match query.filled("from") {
        None => fresh,
        Some(from) => {
            let was = ServiceTokenForm::of(&actions::get(&app.context, &caller.member, &from).await?);
            ServiceTokenForm { lifetime: fresh.lifetime, nonce: fresh.nonce, ..was }
        }
    };
    render_form(&app, &caller, StatusCode::OK, form, None, ValidationErrors::default()).await
}

async fn render_form(
    app: &AppState,
    caller: &ConsoleCaller,
    status: StatusCode,
    form: ServiceTokenForm,
    token: Option<ServiceTokenRow>,
    errors: ValidationErrors,
) -> Result<Response> {
    let choices_of = Choices::of(app, &caller.member, &form.grants).await?;
    let title =
        token.as_ref().map_or_else(|| "New service token".to_owned(), |token| token.token.name.clone());
    let page = FormPage {
        layout: Layout::of(app, caller, SECTION, title).await?.with_errors(errors),
        form,
        choices: choices_of,
        lifetimes: choices(
            &caller.member.organization.policy,
            TokenKind::ServiceToken,
            app.context.clock.now(),
        ),
        token,
        may_manage: can_write(&caller.member.subject, &ServiceTokens(caller.member.organization.id)),
    };
    Ok(html(status, &page))
}

async fn create(State(app): State<AppState>, caller: ConsoleCaller, form: Form) -> Result<Response> {
    let caller = caller.submitting(&form);
    let mut typed = ServiceTokenForm::read(&form);
    if typed.rearranged(&form) {
        authorize_write(&caller.member.subject, ServiceTokens(caller.member.organization.id))?;
        return render_form(&app, &caller, StatusCode::OK, typed, None, ValidationErrors::default()).await;
    }
    let delivery = SecretDelivery::page(&caller.signed_in.session)?;
    let input = typed.new_token(app.context.clock.now());
    match actions::create(&app.context, &caller.member, &input, &delivery).await {
        Ok(made) => Ok(redirect(paths(&caller).service_token(made.id).reveal())),
        Err(error) => {
            let (status, errors) = refused(error)?;
            render_form(&app, &caller, status, typed, None, errors).await
        }
    }
}

async fn show_edit_form(
    State(app): State<AppState>,
    caller: ConsoleCaller,
    Path((_, id)): ItemPath,
) -> Result<Response> {
    let token = actions::get(&app.context, &caller.member, &id).await?;
    let form = ServiceTokenForm::of(&token);
    render_form(&app, &caller, StatusCode::OK, form, Some(token), ValidationErrors::default()).await
}

async fn save(
    State(app): State<AppState>,
    caller: ConsoleCaller,
    Path((_, id)): ItemPath,
    form: Form,
) -> Result<Response> {
    let token = actions::get(&app.context, &caller.member, &id).await?;
    let mut typed = ServiceTokenForm::read(&form);
    if typed.rearranged(&form) {
        authorize_write(&caller.member.subject, ServiceTokens(caller.member.organization.id))?;
        return render_form(&app, &caller, StatusCode::OK, typed, Some(token), ValidationErrors::default())
            .await;
    }
    match actions::edit(&app.context, &caller.member, &id, &typed.edit(), None).await {
        Ok(token) => {
            flash(&caller.signed_in.session, format!("Service token {} saved.", token.token.name)).await?;
            Ok(redirect(paths(&caller).service_token(token.token.id)))
        }
        Err(error) => {
            let (status, errors) = refused(error)?;
            render_form(&app, &caller, status, typed, Some(token), errors).await
        }
    }
}

async fn reveal(
    State(app): State<AppState>,
    caller: ConsoleCaller,
    Path((_, id)): ItemPath,
) -> Result<Response> {
    let listed = actions::get(&app.context, &caller.member, &id).await?;
    let form = ServiceTokenForm::of(&listed);
    let choices = Choices::of(&app, &caller.member, &form.grants).await?;
    let token = listed.token;
    let texts = RevealTexts {
        what: "Service token",
        name: token.name.clone(),
        facts: vec![("Access", form.sentence(&choices)), expiry_fact(token.expires_at)],
        done: paths(&caller).service_tokens(),
        regenerate: paths(&caller).service_token(token.id).regenerate(),
    };
    let layout = Layout::of(&app, &caller, SECTION, SECTION).await?;
    let shown = show(&app, (&caller).into(), layout, &token, texts).await?;
    let list = render_list(&app, &caller, shown.layout.clone(), &Form::default()).await;
    Ok(shown.over(list, &app.context))
}

async fn question(app: &AppState, caller: &ConsoleCaller, id: &str) -> Result<(Layout, Confirmation)> {
    authorize_write(&caller.member.subject, ServiceTokens(caller.member.organization.id))?;
    let token = actions::get(&app.context, &caller.member, id).await?.token;
    let layout = Layout::of(app, caller, SECTION, format!("Regenerate token for {}?", token.name)).await?;
    let question = Confirmation {
        action: paths(caller).service_token(token.id).regenerate(),
        back: (token.name.clone(), paths(caller).service_token(token.id)),
        button: "Regenerate token",
        token,
    };
    Ok((layout, question))
}

async fn confirm_regenerate(
    State(app): State<AppState>,
    caller: ConsoleCaller,
    Path((_, id)): ItemPath,
) -> Result<Response> {
    let (layout, question) = question(&app, &caller, &id).await?;
    let with = (&caller.member.organization.policy, &Form::default());
    Ok(ask_regenerate(layout, StatusCode::OK, question, with, ValidationErrors::default()))
}

async fn regenerate(
    State(app): State<AppState>,
    caller: ConsoleCaller,
    Path((_, id)): ItemPath,
    form: Form,
) -> Result<Response> {
    let (layout, question) = question(&app, &caller, &id).await?;
    let delivery = SecretDelivery::page(&caller.signed_in.session)?;
    match actions::regenerate(
        &app.context,
        &caller.member,
        &id,
        &renewal(&form, app.context.clock.now()),
        &delivery,
    )
    .await
    {
        Ok(issued) => Ok(redirect(paths(&caller).service_token(issued.id).reveal())),
        Err(error) => {
            let (status, errors) = refused(error)?;
            Ok(ask_regenerate(layout, status, question, (&caller.member.organization.policy, &form), errors))
        }
    }
}

async fn end_overlap(
    State(app): State<AppState>,
    caller: ConsoleCaller,
    Path((_, id)): ItemPath,
) -> Result<Response> {
    let token = actions::end_overlap(&app.context, &caller.member, &id).await?;
    let text = format!("The old value of {} has stopped.", token.token.name);
    flash(&caller.signed_in.session, text).await?;
    Ok(redirect(paths(&caller).service_token(&id)))
}

/// The list from which tokens are selected.
fn selected_from(caller: &ConsoleCaller) -> SelectedFrom {
    let list = paths(caller).service_tokens();
    SelectedFrom {
        section: SECTION,
        kind: TokenKind::ServiceToken,
        nouns: ("token", "tokens"),
        back: "Service tokens".to_owned(),
        selected: list.selected(),
        list,
    }
}

async fn load_selected(app: &AppState, caller: &ConsoleCaller, form: &Form) -> Result<Vec<Token>> {
    authorize_write(&caller.member.subject, ServiceTokens(caller.member.organization.id))?;
    let mut tokens = Vec::new();
    for id in selected(form, "token") {
        tokens.push(actions::get(&app.context, &caller.member, &id).await?.token);
    }
    Ok(tokens)
}

async fn confirm_selected(
    State(app): State<AppState>,
    caller: ConsoleCaller,
    Query(query): Query,
) -> Result<Response> {
    let tokens = load_selected(&app, &caller, &query).await?;
    let action = SelectedAction::read(&query)?;
    let as_asked = (StatusCode::OK, ValidationErrors::default());
    selection::ask(&app, &caller, (selected_from(&caller), action, tokens), &Form::default(), as_asked).await
}

/// The operations on service tokens, for [`selection::change`].
struct Operations<'a> {
    app: &'a AppState,
    caller: &'a ConsoleCaller,
}

impl TokenOperations for Operations<'_> {
    async fn regenerate(&self, token: &Token, renewal: &Renewal) -> Result<()> {
        let delivery = SecretDelivery::page(&self.caller.signed_in.session)?;
        let (context, caller) = (&self.app.context, &self.caller.member);
        actions::regenerate(context, caller, &token.id.to_string(), renewal, &delivery).await.map(drop)
    }

    async fn extend(&self, token: &Token, lifetime: &Lifetime) -> Result<()> {
        let (context, caller) = (&self.app.context, &self.caller.member);
        actions::extend(context, caller, &token.id.to_string(), lifetime).await.map(drop)
    }

    async fn revoke(&self, token: &Token) -> Result<()> {
        actions::revoke(&self.app.context, &self.caller.member, &token.id.to_string()).await.map(drop)
    }

    fn reveal(&self, token: &Token) -> ConsolePath {
        paths(self.caller).service_token(token.id).reveal()
    }
}

async fn change_selected(State(app): State<AppState>, caller: ConsoleCaller, form: Form) -> Result<Response> {
    let tokens = load_selected(&app, &caller, &form).await?;
    let action = SelectedAction::read(&form)?;
    let operations = Operations { app: &app, caller: &caller };
    selection::change(&app, &caller, (selected_from(&caller), action, tokens), &form, &operations).await
}

async fn show_results(State(app): State<AppState>, caller: ConsoleCaller) -> Result<Response> {
    authorize_write(&caller.member.subject, ServiceTokens(caller.member.organization.id))?;
    selection::results(&app, &caller, &selected_from(&caller)).await
}

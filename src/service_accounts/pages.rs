//! Service accounts for people.

use askama::Template;
use axum::Router;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::Response;
use axum::routing::{get, post};

use super::actions;
use super::form::{Choices, Typed};
use super::model::{Renewal, ServiceAccount, Status};
use super::store::Filter;
use crate::access::{built_in, may, require};
use crate::filters;
use crate::identity::reveal::Delivery;
use crate::identity::session::flash;
use crate::identity::{App, ConsoleCaller};
use crate::platform::id::TokenId;
use crate::platform::web::paging::{Page, Slice};
use crate::platform::web::{Form, Query, html, redirect};
use crate::platform::{Error, Mistakes, Result, Timestamp};
use crate::shell::{Shell, page, refused};
use crate::tokens::model::{LIFETIMES, Status as KeyStatus, Token, chosen};
use crate::tokens::pages::{About, show};

const SECTION: &str = "Service accounts";
type Named = Path<(String, String)>;
type Keyed = Path<(String, String, String)>;

/// The routes of this section.
pub fn routes() -> Router<App> {
    let all = "/orgs/{org}/settings/service-accounts";
    let one = "/orgs/{org}/settings/service-accounts/{id}";
    Router::new()
        .route(all, get(list).post(create))
        .route(&format!("{all}/new"), get(new))
        .route(one, get(home))
        .route(&format!("{one}/tokens"), get(tokens).post(add_key))
        .route(&format!("{one}/settings"), get(settings).post(save))
        .route(&format!("{one}/regenerate"), get(ask_regenerate).post(regenerate))
        .route(&format!("{one}/disable"), post(disable))
        .route(&format!("{one}/enable"), post(enable))
        .route(&format!("{one}/delete"), get(ask_delete).post(delete))
        .route(&format!("{one}/tokens/{{tok}}/reveal"), get(reveal))
        .route(&format!("{one}/tokens/{{tok}}/revoke"), get(ask_revoke).post(revoke))
        .route(&format!("{one}/tokens/{{tok}}/stop-old"), post(stop_old))
}

fn address(caller: &ConsoleCaller, rest: &str) -> String {
    format!("/orgs/{}/settings/service-accounts{rest}", caller.organization.slug)
}

#[derive(Template)]
#[template(path = "service_accounts/list.html")]
struct ListPage {
    shell: Shell,
    filter: Filter,
    slice: Slice<ServiceAccount>,
    may_create: bool,
}

#[derive(Template)]
#[template(path = "service_accounts/new.html")]
struct NewPage {
    shell: Shell,
    form: Typed,
    choices: Choices,
    lifetimes: &'static [(&'static str, &'static str)],
    mistakes: Mistakes,
}

#[derive(Template)]
#[template(path = "service_accounts/tokens.html")]
struct TokensPage {
    shell: Shell,
    account: ServiceAccount,
    status: Status,
    keys: Vec<(Token, KeyStatus)>,
    may_manage: bool,
    lifetimes: &'static [(&'static str, &'static str)],
    typed: String,
    mistakes: Mistakes,
}

#[derive(Template)]
#[template(path = "service_accounts/settings.html")]
struct SettingsPage {
    shell: Shell,
    account: ServiceAccount,
    status: Status,
    form: Typed,
    choices: Choices,
    lifetimes: &'static [(&'static str, &'static str)],
    may_manage: bool,
    mistakes: Mistakes,
}

#[derive(Template)]
#[template(path = "service_accounts/regenerate.html")]
struct RegeneratePage {
    shell: Shell,
    account: ServiceAccount,
    keys: Vec<Token>,
    lifetimes: &'static [(&'static str, &'static str)],
    chosen: String,
    mistakes: Mistakes,
}

#[derive(Template)]
#[template(path = "service_accounts/delete.html")]
struct DeletePage {
    shell: Shell,
    account: ServiceAccount,
    mistakes: Mistakes,
}

#[derive(Template)]
#[template(path = "service_accounts/revoke.html")]
struct RevokePage {
    shell: Shell,
    account: ServiceAccount,
    key: Token,
}

async fn list(State(app): State<App>, caller: ConsoleCaller, query: Query) -> Result<Response> {
    let filter = Filter {
        search: query.text("q"),
        scope: query.text("scope"),
        team: query.text("team"),
        status: query.text("status"),
    };
    let slice = actions::list(&app, &caller, &filter, &Page::of_console(&query)?).await?;
    let may_create = Choices::of(&app, &caller, None).await?.any();
    let shell = Shell::of(&app, &caller, SECTION, "Service accounts").await?;
    Ok(page(&ListPage { shell, filter, slice, may_create }))
}

async fn new(State(app): State<App>, caller: ConsoleCaller, query: Query) -> Result<Response> {
    let choices = Choices::of(&app, &caller, None).await?;
    let scope = if choices.organization && !query.has("team") { "organization" } else { "team" };
    let form = Typed {
        scope: scope.to_owned(),
        team: query.text("team"),
        role: "member".to_owned(),
        key_lifetime: "90".to_owned(),
        nonce: Shell::nonce(&app),
        ..Typed::default()
    };
    if !choices.any() {
        return Err(Error::Forbidden(
            "Owners make service accounts of the organization, team admins those of their team. Ask one of them."
                .to_owned(),
        ));
    }
    new_page(&app, &caller, StatusCode::OK, form, Mistakes::default()).await
}

async fn new_page(
    app: &App,
    caller: &ConsoleCaller,
    status: StatusCode,
    form: Typed,
    mistakes: Mistakes,
) -> Result<Response> {
    let choices = Choices::of(app, caller, None).await?;
    let shell = Shell::of(app, caller, SECTION, "New service account").await?;
    Ok(html(status, &NewPage { shell, form, choices, lifetimes: LIFETIMES, mistakes }))
}

async fn create(State(app): State<App>, caller: ConsoleCaller, form: Form) -> Result<Response> {
    let typed = Typed::read(&form);
    let delivery = Delivery::page(&caller.signed_in.session)?;
    let input = typed.new_account(app.clock.now());
    match actions::create(&app, &caller, &input, Some(&typed.nonce), &delivery).await {
        Ok(made) => Ok(to_reveal(&caller, &made.account, made.key)),
        Err(error) => {
            let (status, mistakes) = refused(error)?;
            new_page(&app, &caller, status, typed, mistakes).await
        }
    }
}

fn to_reveal(caller: &ConsoleCaller, account: &ServiceAccount, key: TokenId) -> Response {
    redirect(&address(caller, &format!("/{}/tokens/{key}/reveal", account.id)))
}

async fn reveal(
    State(app): State<App>,
    caller: ConsoleCaller,
    Path((_, id, key)): Keyed,
) -> Result<Response> {
    let (account, keys) = actions::with_keys(&app, &caller, &id).await?;
    let key = keys.iter().find(|each| each.id.to_string() == key).ok_or(Error::NotFound)?;
    let place = match (&account.team_name, &account.default_team_name) {
        (Some(team), _) => format!("the team {team}"),
        (None, Some(team)) => format!("the organization; by default in the team {team}"),
        (None, None) => "the organization".to_owned(),
    };
    let role = built_in(&account.role)
        .map_or_else(|| account.role.clone(), |set| format!("{}: {}", set.name, set.description));
    let about = About {
        section: SECTION,
        what: "API key",
        name: account.name.clone(),
        facts: vec![
            ("UID", account.id.to_string()),
            ("Works in", place),
            ("Role", role),
            ("Stops", key.expires_at.map_or_else(|| "Never".to_owned(), Timestamp::minute)),
        ],
        done: address(&caller, ""),
        regenerate: address(&caller, &format!("/{}/regenerate?key={}", account.id, key.id)),
    };
    show(&app, &caller, key.id, about).await
}

async fn home(caller: ConsoleCaller, Path((_, id)): Named) -> Response {
    redirect(&address(&caller, &format!("/{id}/tokens")))
}

async fn tokens(State(app): State<App>, caller: ConsoleCaller, Path((_, id)): Named) -> Result<Response> {
    tokens_page(&app, &caller, StatusCode::OK, &id, String::new(), Mistakes::default()).await
}

async fn tokens_page(
    app: &App,
    caller: &ConsoleCaller,
    status: StatusCode,
    id: &str,
    typed: String,
    mistakes: Mistakes,
) -> Result<Response> {
    let (account, keys) = actions::with_keys(app, caller, id).await?;
    let now = app.clock.now();
    let keys = keys.into_iter().map(|key| (key.clone(), key.status(now))).collect();
    let may_manage = may(&caller.subject, &account);
    let shell = Shell::of(app, caller, SECTION, account.name.clone()).await?;
    let standing = account.status(now);
    let page = TokensPage {
        shell,
        status: standing,
        account,
        keys,
        may_manage,
        lifetimes: LIFETIMES,
        typed,
        mistakes,
    };
    Ok(html(status, &page))
}

async fn add_key(
    State(app): State<App>,
    caller: ConsoleCaller,
    Path((_, id)): Named,
    form: Form,
) -> Result<Response> {
    let name = form.text("name");
    let delivery = Delivery::page(&caller.signed_in.session)?;
    let end = chosen(&form.text("lifetime"), &form.text("lifetime_date"), app.clock.now());
    let done = match end {
        Ok(expires_at) => {
            let renewal = Renewal { expires_at, overlap: None };
            actions::add_key(&app, &caller, &id, &name, &renewal, &delivery).await
        }
        Err(message) => Err(Error::Invalid(Mistakes::one("expires_at", message))),
    };
    match done {
        Ok((account, issued)) => Ok(to_reveal(&caller, &account, issued.id)),
        Err(error) => {
            let (status, mistakes) = refused(error)?;
            tokens_page(&app, &caller, status, &id, name, mistakes).await
        }
    }
}

async fn settings(State(app): State<App>, caller: ConsoleCaller, Path((_, id)): Named) -> Result<Response> {
    let account = actions::get(&app, &caller, &id).await?;
    let form = Typed::of(&account);
    settings_page(&app, &caller, StatusCode::OK, account, form, Mistakes::default()).await
}

async fn settings_page(
    app: &App,
    caller: &ConsoleCaller,
    status: StatusCode,
    account: ServiceAccount,
    form: Typed,
    mistakes: Mistakes,
) -> Result<Response> {
    let mut choices = Choices::of(app, caller, Some(account.home())).await?;
    // Its own role stays choosable for who may edit the rest but not give the role.
    if let Some(own) = built_in(&account.role).filter(|own| !choices.roles.contains(own)) {
        choices.roles.insert(0, own);
    }
    let may_manage = may(&caller.subject, &account);
    let shell = Shell::of(app, caller, SECTION, format!("{} settings", account.name)).await?;
    let standing = account.status(app.clock.now());
    let page = SettingsPage {
        shell,
        status: standing,
        account,
        form,
        choices,
        lifetimes: LIFETIMES,
        may_manage,
        mistakes,
    };
    Ok(html(status, &page))
}

async fn save(
    State(app): State<App>,
    caller: ConsoleCaller,
    Path((_, id)): Named,
    form: Form,
) -> Result<Response> {
    let typed = Typed::read(&form);
    let account = actions::get(&app, &caller, &id).await?;
    match actions::edit(&app, &caller, &id, &typed.edit(&account, app.clock.now())).await {
        Ok(account) => {
            flash(&caller.signed_in.session, format!("{} saved.", account.name)).await?;
            Ok(redirect(&address(&caller, &format!("/{}/settings", account.id))))
        }
        Err(error) => {
            let (status, mistakes) = refused(error)?;
            settings_page(&app, &caller, status, account, typed, mistakes).await
        }
    }
}

async fn ask_regenerate(
    State(app): State<App>,
    caller: ConsoleCaller,
    Path((_, id)): Named,
    query: Query,
) -> Result<Response> {
    regenerate_page(&app, &caller, StatusCode::OK, &id, query.text("key"), Mistakes::default()).await
}

async fn regenerate_page(
    app: &App,
    caller: &ConsoleCaller,
    status: StatusCode,
    id: &str,
    chosen: String,
    mistakes: Mistakes,
) -> Result<Response> {
    let (account, keys) = actions::with_keys(app, caller, id).await?;
    let account = require(&caller.subject, account)?.into_inner();
    let keys: Vec<Token> = actions::living(&keys).into_iter().cloned().collect();
    let chosen = if chosen.is_empty() {
        keys.first().map(|key| key.id.to_string()).unwrap_or_default()
    } else {
        chosen
    };
    let shell = Shell::of(app, caller, SECTION, format!("Regenerate token for {}?", account.name)).await?;
    Ok(html(status, &RegeneratePage { shell, account, keys, lifetimes: LIFETIMES, chosen, mistakes }))
}

async fn regenerate(
    State(app): State<App>,
    caller: ConsoleCaller,
    Path((_, id)): Named,
    form: Form,
) -> Result<Response> {
    let key = form.text("key");
    let delivery = Delivery::page(&caller.signed_in.session)?;
    let end = match form.text("lifetime").as_str() {
        "same" => Ok(None),
        choice => chosen(choice, &form.text("lifetime_date"), app.clock.now()),
    };
    let done = match end {
        Ok(expires_at) => {
            let renewal = Renewal { expires_at, overlap: form.filled("overlap") };
            actions::regenerate(&app, &caller, &id, &key, &renewal, &delivery).await
        }
        Err(message) => Err(Error::Invalid(Mistakes::one("expires_at", message))),
    };
    match done {
        Ok((account, issued)) => Ok(to_reveal(&caller, &account, issued.id)),
        Err(error) => {
            let (status, mistakes) = refused(error)?;
            regenerate_page(&app, &caller, status, &id, key, mistakes).await
        }
    }
}

async fn disable(State(app): State<App>, caller: ConsoleCaller, Path((_, id)): Named) -> Result<Response> {
    let account = actions::disable(&app, &caller, &id).await?;
    flash(
        &caller.signed_in.session,
        format!("{} is disabled. Its keys are refused from now on.", account.name),
    )
    .await?;
    Ok(redirect(&address(&caller, &format!("/{}/settings", account.id))))
}

async fn enable(State(app): State<App>, caller: ConsoleCaller, Path((_, id)): Named) -> Result<Response> {
    let account = actions::enable(&app, &caller, &id).await?;
    flash(&caller.signed_in.session, format!("{} is enabled. Its keys work again.", account.name)).await?;
    Ok(redirect(&address(&caller, &format!("/{}/settings", account.id))))
}

async fn ask_delete(State(app): State<App>, caller: ConsoleCaller, Path((_, id)): Named) -> Result<Response> {
    let account = actions::get(&app, &caller, &id).await?;
    delete_page(&app, &caller, StatusCode::OK, account, Mistakes::default()).await
}

async fn delete_page(
    app: &App,
    caller: &ConsoleCaller,
    status: StatusCode,
    account: ServiceAccount,
    mistakes: Mistakes,
) -> Result<Response> {
    let account = require(&caller.subject, account)?.into_inner();
    let shell = Shell::of(app, caller, SECTION, format!("Delete {}?", account.name)).await?;
    Ok(html(status, &DeletePage { shell, account, mistakes }))
}

async fn delete(
    State(app): State<App>,
    caller: ConsoleCaller,
    Path((_, id)): Named,
    form: Form,
) -> Result<Response> {
    match actions::delete(&app, &caller, &id, Some(&form.text("confirm"))).await {
        Ok(account) => {
            flash(
                &caller.signed_in.session,
                format!("{} is deleted, and its keys are revoked.", account.name),
            )
            .await?;
            Ok(redirect(&address(&caller, "")))
        }
        Err(error) => {
            let (status, mistakes) = refused(error)?;
            let account = actions::get(&app, &caller, &id).await?;
            delete_page(&app, &caller, status, account, mistakes).await
        }
    }
}

async fn ask_revoke(
    State(app): State<App>,
    caller: ConsoleCaller,
    Path((_, id, key)): Keyed,
) -> Result<Response> {
    let (account, keys) = actions::with_keys(&app, &caller, &id).await?;
    let account = require(&caller.subject, account)?.into_inner();
    let key = keys.into_iter().find(|each| each.id.to_string() == key).ok_or(Error::NotFound)?;
    let shell = Shell::of(&app, &caller, SECTION, format!("Revoke {}?", key.name)).await?;
    Ok(page(&RevokePage { shell, account, key }))
}

async fn revoke(
    State(app): State<App>,
    caller: ConsoleCaller,
    Path((_, id, key)): Keyed,
) -> Result<Response> {
    let token = actions::revoke(&app, &caller, &id, &key).await?;
    flash(&caller.signed_in.session, format!("Key {} is revoked.", token.name)).await?;
    Ok(redirect(&address(&caller, &format!("/{id}/tokens"))))
}

async fn stop_old(
    State(app): State<App>,
    caller: ConsoleCaller,
    Path((_, id, key)): Keyed,
) -> Result<Response> {
    let token = actions::stop_old(&app, &caller, &id, &key).await?;
    flash(&caller.signed_in.session, format!("The old value of {} has stopped.", token.name)).await?;
    Ok(redirect(&address(&caller, &format!("/{id}/tokens"))))
}

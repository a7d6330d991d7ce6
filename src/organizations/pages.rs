//! The page *General* with the name and policy of an organization, and the pages to create and delete one.
//!
//! The handlers parse the request, call `actions` and render a template.

use std::collections::BTreeMap;

use askama::Template;
use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use axum::routing::get;

use super::actions;
use super::model::{
    AddressLimits, NewOrganization, Organization, OrganizationDeletion, Settings, SettingsEdit,
};
use crate::access::{
    IpAllowList, LifetimeRule, PLANS, PermissionSet, Policy, TokenKind, authorize_write, can_write,
};
use crate::authn::session::flash;
use crate::callers::{ConsoleCaller, SignedIn};
use crate::platform::text::count;
use crate::platform::web::{Form, RequestContext, html, redirect};
use crate::platform::{Error, Result, ValidationErrors};
use crate::state::AppState;
use crate::ui::{Layout, Paths, filters, paths, refused, render};

const SECTION: &str = "General";

/// The router of these endpoints.
pub fn routes() -> Router<AppState> {
    let paths = Paths::pattern();
    Router::new()
        .route(Paths::new_organization().as_ref(), get(show_new_form).post(create))
        .route(paths.overview().settings().as_ref(), get(redirect_to_general))
        .route(paths.general().as_ref(), get(show_general).post(save_settings))
        .route(paths.general().delete().as_ref(), get(confirm_delete).post(delete))
}

/// The kinds of token whose lifetimes a policy can limit.
const LIMITED: [TokenKind; 5] = [
    TokenKind::Organization,
    TokenKind::Team,
    TokenKind::ServiceAccount,
    TokenKind::ServiceToken,
    TokenKind::Personal,
];

/// The submitted lifetimes of one kind of token, in days.
#[derive(Clone, Debug)]
struct Line {
    kind: TokenKind,
    default: String,
    most: String,
}

/// A choice of a lifetime in the policy.
struct DaysChoice {
    /// The submitted value: a number of days, or empty for none.
    value: String,
    /// The label.
    text: String,
    is_selected: bool,
}

/// The lifetimes, in days, that the form offers. A policy can have others, which the API sets.
const PRESETS: [u32; 7] = [7, 30, 60, 90, 180, 365, 730];

impl Line {
    /// The choices for the default.
    fn default_choices(&self) -> Vec<DaysChoice> {
        DaysChoice::all(&self.default, "No default")
    }

    /// The choices for the maximum.
    fn max_choices(&self) -> Vec<DaysChoice> {
        DaysChoice::all(&self.most, "No maximum")
    }
}

impl DaysChoice {
    /// The choices of a select whose value is `current`; `none` is the label of the choice without a lifetime.
    fn all(current: &str, none: &str) -> Vec<Self> {
        let current = current.trim();
        let mut all: Vec<String> = PRESETS.iter().map(ToString::to_string).collect();
        if !current.is_empty() && !all.iter().any(|days| days == current) {
            all.push(current.to_owned());
        }
        all.sort_by_key(|days| days.parse::<u32>().unwrap_or(u32::MAX));
        let choice = |value: String| {
            let unit = if value == "1" { "day" } else { "days" };
            let text = if value.is_empty() { none.to_owned() } else { format!("{value} {unit}") };
            Self { is_selected: value == current, value, text }
        };
        std::iter::once(String::new()).chain(all).map(choice).collect()
    }
}

/// The submitted form values, shown again after an error.
#[derive(Clone, Debug, Default)]
struct GeneralForm {
    name: String,
    lines: Vec<Line>,
    personal_tokens: bool,
    team_admins: bool,
    /// Index of a plan, or `own` for an individual selection.
    plan: String,
    sets: Vec<String>,
    allowed: String,
    blocked: String,
    version: String,
}

impl GeneralForm {
    fn of(organization: &Organization, policy: &Policy) -> Self {
        let days = |days: Option<u32>| days.map(|days| days.to_string()).unwrap_or_default();
        let line = |kind: TokenKind| {
            let rule = policy.lifetime(kind);
            Line { kind, default: days(rule.default_days), most: days(rule.max_days) }
        };
        let same = |sets: Option<&[&str]>| match (sets, &policy.service_token_sets) {
            (None, None) => true,
            (Some(plan), Some(own)) => plan.iter().copied().eq(own.iter().map(String::as_str)),
            _ => false,
        };
        let plan = PLANS.iter().position(|(_, sets)| same(*sets));
        Self {
            name: organization.name.clone(),
            lines: LIMITED.into_iter().map(line).collect(),
            personal_tokens: policy.personal_tokens,
            team_admins: policy.team_admins_create_accounts,
            plan: plan.map_or_else(|| "own".to_owned(), |plan| plan.to_string()),
            sets: policy.service_token_sets.clone().unwrap_or_default(),
            allowed: policy.allowed_addresses.lines(),
            blocked: policy.blocked_addresses.lines(),
            version: organization.version.to_string(),
        }
    }

    fn read(form: &Form) -> Self {
        let line = |kind: TokenKind| Line {
            kind,
            default: form.text(&format!("default_{kind}")),
            most: form.text(&format!("max_{kind}")),
        };
        Self {
            name: form.text("name"),
            lines: LIMITED.into_iter().map(line).collect(),
            personal_tokens: form.has("personal_tokens"),
            team_admins: form.has("team_admins"),
            plan: form.text("plan"),
            sets: form.all("set").map(str::to_owned).collect(),
            allowed: form.text("allowed_addresses"),
            blocked: form.text("blocked_addresses"),
            version: form.text("version"),
        }
    }

    /// Whether the permission set with this slug is selected.
    fn carries(&self, slug: &str) -> bool {
        self.sets.iter().any(|each| each == slug)
    }

    /// Converts the form into a policy. Adds an error for every invalid field.
    fn policy(&self, errors: &mut ValidationErrors) -> Policy {
        let mut policy = Policy {
            personal_tokens: self.personal_tokens,
            team_admins_create_accounts: self.team_admins,
            ..Policy::default()
        };
        for line in &self.lines {
            let mut days = |which: &str, text: &str| match text.trim() {
                "" => None,
                text => errors.check(
                    &format!("policy.lifetimes.{}.{which}", line.kind),
                    text.parse::<u32>().map_err(|_| actions::lifetime_days(line.kind, which)),
                ),
            };
            let rule = LifetimeRule {
                default_days: days("default_days", &line.default),
                max_days: days("max_days", &line.most),
            };
            if rule != LifetimeRule::default() {
                policy.lifetimes.insert(line.kind, rule);
            }
        }
        let plan = self.plan.parse::<usize>().ok().and_then(|plan| PLANS.get(plan));
        policy.service_token_sets = match plan {
            Some((_, sets)) => sets.map(|sets| sets.iter().map(|slug| (*slug).to_owned()).collect()),
            None => Some(self.sets.clone()),
        };
        let mut ranges =
            |field: &str, text: &str| errors.check(field, IpAllowList::parse(text)).unwrap_or_default();
        policy.allowed_addresses = ranges("policy.allowed_addresses", &self.allowed);
        policy.blocked_addresses = ranges("policy.blocked_addresses", &self.blocked);
        policy
    }
}

#[derive(Template)]
#[template(path = "organizations/general.html")]
struct GeneralPage {
    layout: Layout,
    form: GeneralForm,
    /// How many active tokens of each kind live longer than the policy allows now.
    beyond: BTreeMap<TokenKind, i64>,
    sets: Vec<PermissionSet>,
    may_edit: bool,
    may_delete: bool,
}

impl GeneralPage {
    /// How many tokens of this kind live longer than the maximum, in a sentence; `None` without any.
    fn beyond_text(&self, kind: TokenKind) -> Option<String> {
        let tokens = *self.beyond.get(&kind)?;
        match tokens {
            0 => None,
            1 => Some("1 active token lives longer than the maximum.".to_owned()),
            _ => Some(format!("{} active tokens live longer than the maximum.", count(tokens))),
        }
    }
}

#[derive(Template)]
#[template(path = "organizations/delete.html")]
struct DeletePage {
    layout: Layout,
}

#[derive(Template)]
#[template(path = "organizations/new.html")]
struct NewPage {
    layout: Layout,
    form: NewOrganization,
}

async fn redirect_to_general(caller: ConsoleCaller) -> Response {
    redirect(paths(&caller).general())
}

async fn show_general(State(app): State<AppState>, caller: ConsoleCaller) -> Result<Response> {
    actions::see_policies(&caller.member)?;
    let organization = actions::get(&app.context, &caller.member).await?;
    let form = GeneralForm::of(&organization, &caller.member.organization.policy);
    render_general(&app, &caller, StatusCode::OK, form, ValidationErrors::default()).await
}

async fn render_general(
    app: &AppState,
    caller: &ConsoleCaller,
    status: StatusCode,
    form: GeneralForm,
    errors: ValidationErrors,
) -> Result<Response> {
    let page = GeneralPage {
        layout: Layout::of(app, caller, SECTION, "General").await?.with_errors(errors),
        form,
        beyond: actions::count_tokens_beyond_policy(&app.context, &caller.member).await?,
        sets: caller.member.organization.sets.all().cloned().collect(),
        may_edit: can_write(&caller.member.subject, &Settings)
            || can_write(&caller.member.subject, &AddressLimits),
        may_delete: can_write(&caller.member.subject, &OrganizationDeletion),
    };
    Ok(html(status, &page))
}

async fn save_settings(State(app): State<AppState>, caller: ConsoleCaller, form: Form) -> Result<Response> {
    let typed = GeneralForm::read(&form);
    let mut errors = ValidationErrors::default();
    let policy = typed.policy(&mut errors);
    let done = if errors.is_empty() {
        let input = SettingsEdit { name: Some(typed.name.clone()), policy: Some(policy) };
        actions::edit(&app.context, &caller.member, &input, typed.version.parse().ok()).await
    } else if can_write(&caller.member.subject, &Settings)
        || can_write(&caller.member.subject, &AddressLimits)
    {
        Err(Error::Invalid(errors))
    } else {
        Err(authorize_write(&caller.member.subject, Settings).map_or_else(|error| error, |_| Error::NotFound))
    };
    match done {
        Ok(_) => {
            flash(&caller.signed_in.session, "The settings are saved.").await?;
            Ok(redirect(paths(&caller).general()))
        }
        Err(error) => {
            let (status, errors) = refused(error)?;
            render_general(&app, &caller, status, typed, errors).await
        }
    }
}

async fn confirm_delete(State(app): State<AppState>, caller: ConsoleCaller) -> Result<Response> {
    render_delete(&app, &caller, StatusCode::OK, ValidationErrors::default()).await
}

async fn render_delete(
    app: &AppState,
    caller: &ConsoleCaller,
    status: StatusCode,
    errors: ValidationErrors,
) -> Result<Response> {
    authorize_write(&caller.member.subject, OrganizationDeletion)?;
    let layout =
        Layout::of(app, caller, SECTION, format!("Delete {}?", caller.member.organization.name)).await?;
    Ok(html(status, &DeletePage { layout: layout.with_errors(errors) }))
}

async fn delete(State(app): State<AppState>, caller: ConsoleCaller, form: Form) -> Result<Response> {
    match actions::delete(&app.context, &caller.member, Some(&form.text("confirm"))).await {
        Ok(()) => {
            let text = format!("The organization {} is deleted.", caller.member.organization.name);
            flash(&caller.signed_in.session, text).await?;
            Ok(redirect("/"))
        }
        Err(error) => {
            let (status, errors) = refused(error)?;
            render_delete(&app, &caller, status, errors).await
        }
    }
}

async fn show_new_form(State(app): State<AppState>, signed_in: SignedIn) -> Result<Response> {
    let layout = Layout::personal(&app, &signed_in, "New organization").await?;
    Ok(render(&NewPage { layout, form: NewOrganization::default() }))
}

async fn create(
    State(app): State<AppState>,
    request: RequestContext,
    signed_in: SignedIn,
    form: Form,
) -> Result<Response> {
    let input = NewOrganization { slug: form.text("slug"), name: form.text("name") };
    let actor = signed_in.actor(&request);
    match actions::create(&app, &actor, signed_in.person.id, &input).await {
        Ok(made) => Ok(redirect(Paths::of(&made.slug).overview())),
        Err(error) => {
            let (status, errors) = refused(error)?;
            let layout = Layout::personal(&app, &signed_in, "New organization").await?;
            Ok(html(status, &NewPage { layout: layout.with_errors(errors), form: input }))
        }
    }
}

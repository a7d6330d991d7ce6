//! The layout around every page of the console: the signed-in person, the
//! organization, the sidebar, and the message of the previous request. The
//! sidebar shows only the links that the person may open.

use axum::http::StatusCode;
use axum::response::Response;

use super::dialog::Dialog;
use super::paths::{ConsolePath, Paths};
use crate::access::{Resource, Sets, effective_permissions};
use crate::authn::session::{Theme, take_flash};
use crate::callers::{ConsoleCaller, SignedIn};
use crate::config::OrganizationCreation;
use crate::platform::web::html;
use crate::platform::{Error, Result, Timestamp, ValidationErrors};
use crate::state::AppState;

/// A link in the sidebar.
#[derive(Clone, Debug)]
pub struct NavLink {
    /// The text of the link.
    pub label: &'static str,
    /// The id of the icon in the sprite.
    pub icon: &'static str,
    /// The path of the page.
    pub path: fn(&Paths) -> ConsolePath,
    /// Who sees the link: those who may open it.
    pub shown: Shown,
}

/// Links of the sidebar with a common heading.
#[derive(Clone, Debug)]
pub struct NavGroup {
    /// The heading; empty for the first links.
    pub title: &'static str,
    /// The links that the person may open.
    pub links: Vec<NavLink>,
}

/// Who sees a link.
#[derive(Clone, Copy, Debug)]
pub enum Shown {
    /// All members of the organization.
    Everyone,
    /// Members who hold the read permission for this resource.
    Readers(Resource),
    /// Owners.
    Owners,
}

const fn link(
    label: &'static str,
    icon: &'static str,
    path: fn(&Paths) -> ConsolePath,
    shown: Shown,
) -> NavLink {
    NavLink { label, icon, path, shown }
}

/// The sidebar of an organization: headings and their links.
pub const NAV: &[(&str, &[NavLink])] = &[
    ("", &[link("Overview", "layout-dashboard", Paths::overview, Shown::Everyone)]),
    (
        "Identities",
        &[
            link("Teams", "users", Paths::teams, Shown::Everyone),
            link("People", "contact", Paths::people, Shown::Everyone),
            link("Service accounts", "bot", Paths::service_accounts, Shown::Everyone),
        ],
    ),
    (
        "Credentials",
        &[
            link("All tokens", "layers", Paths::tokens, Shown::Readers(Resource::Settings)),
            link(
                "Service tokens",
                "key-round",
                Paths::service_tokens,
                Shown::Readers(Resource::ServiceTokens),
            ),
            link("API token", "building-2", Paths::organization_token, Shown::Owners),
        ],
    ),
    (
        "Access",
        &[
            link("Projects", "folder", Paths::projects, Shown::Everyone),
            link("Permission sets", "shield-check", Paths::permission_sets, Shown::Everyone),
            link("Access explorer", "telescope", Paths::access_explorer, Shown::Everyone),
        ],
    ),
    (
        "Organization",
        &[
            link("Services", "server", Paths::services, Shown::Readers(Resource::Services)),
            link(
                "Identity providers",
                "fingerprint-pattern",
                Paths::identity_providers,
                Shown::Readers(Resource::IdentityProviders),
            ),
            link("Audit log", "scroll-text", Paths::audit_log, Shown::Readers(Resource::AuditLogs)),
            link("General", "settings-2", Paths::general, Shown::Readers(Resource::Settings)),
        ],
    ),
];

/// The sidebar of a person's own account.
pub const ACCOUNT: &[NavLink] = &[
    link("Profile", "user", |_| Paths::profile(), Shown::Everyone),
    link("Password", "lock", |_| Paths::password(), Shown::Everyone),
    link("Sessions", "monitor-smartphone", |_| Paths::sessions(), Shown::Everyone),
    link("Personal tokens", "key", |_| Paths::personal_tokens(), Shown::Everyone),
];

/// The data that the layout shows around a page.
#[derive(Clone, Debug, Default)]
pub struct Layout {
    /// The title and the heading of the page.
    pub title: String,
    /// The label of the active link in the sidebar.
    pub section: &'static str,
    /// The organization's slug; empty on pages without an organization.
    pub slug: String,
    /// The organization's name; empty on pages without an organization.
    pub organization: String,
    /// The paths of the organization's pages.
    pub paths: Paths,
    /// The permission sets of the organization, for their names.
    pub sets: Sets,
    /// The slugs and names of the person's other organizations.
    pub others: Vec<(String, String)>,
    /// The person's display name.
    pub person: String,
    /// The person's email address.
    pub email: String,
    /// The message that the previous request left for this page.
    pub flash: Option<String>,
    /// What is wrong with the form that was submitted. The title of the page
    /// begins with `Error:` then, and a summary stands above the form.
    pub errors: ValidationErrors,
    /// The theme that the person chose; `None` to follow the system.
    pub theme: Option<Theme>,
    /// The current time, to which relative times refer.
    pub now: Option<Timestamp>,
    /// The URL of the installation, for examples.
    pub public_url: String,
    /// The links in the sidebar that the person may open.
    pub nav: Vec<NavGroup>,
    /// Whether the person may create organizations.
    pub creates_organizations: bool,
    /// The dialog over the page. The page behind it is inert.
    pub dialog: Option<Dialog>,
}

impl Layout {
    /// The layout of a page in an organization.
    ///
    /// # Errors
    /// When the database cannot.
    pub async fn of(
        app: &AppState,
        caller: &ConsoleCaller,
        section: &'static str,
        title: impl Into<String>,
    ) -> Result<Self> {
        let mut layout = Self::personal(app, &caller.signed_in, title).await?;
        layout.section = section;
        layout.slug.clone_from(&caller.member.organization.slug);
        layout.paths = Paths::of(&caller.member.organization.slug);
        layout.organization.clone_from(&caller.member.organization.name);
        layout.sets = caller.member.organization.sets.clone();
        let held = effective_permissions(&caller.member.subject);
        let can_open = |link: &&NavLink| match link.shown {
            Shown::Everyone => true,
            Shown::Readers(resource) => held.has(resource.read()),
            Shown::Owners => caller.member.subject.is_owner(),
        };
        let groups = NAV.iter().map(|(title, links)| NavGroup {
            title,
            links: links.iter().filter(can_open).cloned().collect(),
        });
        layout.nav = groups.filter(|group| !group.links.is_empty()).collect();
        layout.others.retain(|(slug, _)| *slug != caller.member.organization.slug);
        Ok(layout)
    }

    /// The layout of a page that belongs to no organization, without a sidebar.
    ///
    /// # Errors
    /// When the database cannot.
    pub async fn personal(app: &AppState, signed_in: &SignedIn, title: impl Into<String>) -> Result<Self> {
        Ok(Self {
            title: title.into(),
            others: signed_in.organizations.clone(),
            person: signed_in.person.name.clone(),
            email: signed_in.person.email.clone(),
            flash: take_flash(&signed_in.session).await?,
            theme: signed_in.theme,
            now: Some(app.context.clock.now()),
            public_url: app.context.config.public_url.clone(),
            creates_organizations: match app.context.config.organization_creation {
                OrganizationCreation::Anyone => true,
                OrganizationCreation::Administrators => app.founder().await? == Some(signed_in.person.id),
            },
            ..Self::default()
        })
    }

    /// The layout of a page of the person's own account. The link with the label
    /// `title` is the active one.
    ///
    /// # Errors
    /// When the database cannot.
    pub async fn account(app: &AppState, signed_in: &SignedIn, title: impl Into<String>) -> Result<Self> {
        let mut layout = Self::personal(app, signed_in, title).await?;
        let own = ACCOUNT.iter().find(|link| link.label == layout.title);
        layout.section = own.map_or("Account", |link| link.label);
        layout.nav = vec![NavGroup { title: "", links: ACCOUNT.to_vec() }];
        Ok(layout)
    }

    /// The same layout for a form that was refused.
    #[must_use]
    pub fn with_errors(self, errors: ValidationErrors) -> Self {
        Self { errors, ..self }
    }

    /// The name of the permission set with this slug.
    #[must_use]
    pub fn set_name(&self, slug: impl AsRef<str>) -> String {
        self.sets.name(slug.as_ref())
    }

    /// The theme that the person chose, or `system`.
    #[must_use]
    pub fn theme_word(&self) -> &'static str {
        self.theme.map_or("system", Theme::word)
    }

    /// The first letters of the person's first and last name.
    #[must_use]
    pub fn initials(&self) -> String {
        initials_of(&self.person)
    }

    /// A moment relative to now: `3 min ago`, `in 9 days`.
    #[must_use]
    pub fn ago(&self, at: &Timestamp) -> String {
        self.now.map_or_else(|| at.minute(), |now| at.relative(now))
    }

    /// Whether a moment is in the past.
    #[must_use]
    pub fn passed(&self, at: &Timestamp) -> bool {
        self.now.is_some_and(|now| *at <= now)
    }

    /// Whether a moment is in the future, within [`EXPIRES_SOON`](crate::platform::clock::EXPIRES_SOON).
    #[must_use]
    pub fn soon(&self, at: &Timestamp) -> bool {
        self.now.is_some_and(|now| *at > now && *at <= now.plus(crate::platform::clock::EXPIRES_SOON))
    }

    /// A new idempotency key for a form, so that submitting it twice has the
    /// effect of submitting it once.
    #[must_use]
    pub fn nonce(app: &AppState) -> String {
        app.context.random.characters(b"0123456789abcdefghijklmnopqrstuvwxyz", 24)
    }
}

/// The first letters of the first and the last word of a name.
#[must_use]
pub fn initials_of(name: &str) -> String {
    let mut words = name.split_whitespace().filter_map(|word| word.chars().next());
    let first = words.next();
    first.into_iter().chain(words.next_back()).flat_map(char::to_uppercase).collect()
}

/// Converts an error of an action to the status and the messages with which the
/// form is shown again.
///
/// # Errors
/// Errors that the form cannot show, unchanged.
pub fn refused(error: Error) -> Result<(StatusCode, ValidationErrors)> {
    match error {
        Error::Invalid(errors) | Error::Conflict(errors) => Ok((StatusCode::UNPROCESSABLE_ENTITY, errors)),
        Error::Stale(text) => Ok((StatusCode::UNPROCESSABLE_ENTITY, ValidationErrors::one("", text))),
        Error::Forbidden(reason) => Ok((StatusCode::FORBIDDEN, ValidationErrors::one("", reason))),
        other => Err(other),
    }
}

/// A page with status 200.
pub fn render(template: &impl askama::Template) -> Response {
    html(StatusCode::OK, template)
}

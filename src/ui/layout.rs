//! The frame of every page of the console: who is signed in, where they are,
//! where they can go.

use axum::http::StatusCode;
use axum::response::Response;

use crate::access::{Resource, effective_permissions};
use crate::authn::session::{Theme, take_flash};
use crate::callers::ConsoleCaller;
use crate::callers::SignedIn;
use crate::config::OrganizationCreation;
use crate::platform::web::html;
use crate::platform::{Error, Result, Timestamp, ValidationErrors};
use crate::state::AppState;

/// A link of the sidebar.
#[derive(Clone, Debug)]
pub struct NavLink {
    /// The heading that it opens, where it opens one.
    pub group: Option<&'static str>,
    /// What it says.
    pub label: &'static str,
    /// Its icon.
    pub icon: &'static str,
    /// The last part of its address.
    pub path: &'static str,
    /// Whom it is shown to: those who may open it.
    pub shown: Shown,
}

/// Whom a link is shown to.
#[derive(Clone, Copy, Debug)]
pub enum Shown {
    /// Everyone of the organization.
    Everyone,
    /// Who holds the permission to read this in the organization.
    Readers(Resource),
    /// Owners.
    Owners,
}

const fn link(label: &'static str, icon: &'static str, path: &'static str, shown: Shown) -> NavLink {
    NavLink { group: None, label, icon, path, shown }
}

/// The sidebar, in its order.
pub const NAV: &[NavLink] = &[
    link("Overview", "layout-dashboard", "", Shown::Everyone),
    NavLink { group: Some("Who"), ..link("Teams", "users", "/settings/teams", Shown::Everyone) },
    link("People", "contact", "/settings/people", Shown::Everyone),
    link("Service accounts", "bot", "/settings/service-accounts", Shown::Everyone),
    link("Service tokens", "key-round", "/settings/service-tokens", Shown::Readers(Resource::ServiceTokens)),
    link("API token", "building-2", "/settings/api-token", Shown::Owners),
    NavLink { group: Some("What"), ..link("Projects", "folder", "/settings/projects", Shown::Everyone) },
    link("Permission sets", "shield-check", "/settings/permission-sets", Shown::Everyone),
    link("Access explorer", "telescope", "/settings/access-explorer", Shown::Everyone),
    link("Services", "server", "/settings/services", Shown::Readers(Resource::Services)),
    link(
        "Identity providers",
        "fingerprint-pattern",
        "/settings/identity-providers",
        Shown::Readers(Resource::IdentityProviders),
    ),
    NavLink {
        group: Some("Organization"),
        ..link("General", "settings-2", "/settings/general", Shown::Readers(Resource::Settings))
    },
    link("Audit log", "scroll-text", "/settings/audit-log", Shown::Readers(Resource::AuditLogs)),
];

/// The sidebar of a person's own account.
pub const ACCOUNT: &[NavLink] = &[
    link("Profile", "user", "/account/profile", Shown::Everyone),
    link("Password", "lock", "/account/password", Shown::Everyone),
    link("Sessions", "monitor-smartphone", "/account/sessions", Shown::Everyone),
    link("Personal tokens", "key", "/account/tokens", Shown::Everyone),
];

/// What the layout shows around a page.
#[derive(Clone, Debug, Default)]
pub struct Layout {
    /// The page's own title; `Error: ` goes before it where there are mistakes.
    pub title: String,
    /// The label of its link in the sidebar.
    pub section: &'static str,
    /// The organization's slug.
    pub slug: String,
    /// The organization's name.
    pub organization: String,
    /// The person's other organizations: slug and name.
    pub others: Vec<(String, String)>,
    /// The person's name.
    pub person: String,
    /// Their email address.
    pub email: String,
    /// What the page before left to say.
    pub flash: Option<String>,
    /// The theme that they chose.
    pub theme: Option<Theme>,
    /// Now, for relative times.
    pub now: Option<Timestamp>,
    /// The address people use, for examples.
    pub public_url: String,
    /// The links of the sidebar that the person may open.
    pub nav: Vec<NavLink>,
    /// Whether the person may create organizations.
    pub creates_organizations: bool,
}

impl Layout {
    /// Around a page of an organization.
    ///
    /// # Errors
    /// When the database cannot.
    pub async fn of(
        app: &AppState,
        caller: &ConsoleCaller,
        section: &'static str,
        title: impl Into<String>,
    ) -> Result<Self> {
        let mut shell = Self::personal(app, &caller.signed_in, title).await?;
        shell.section = section;
        shell.slug.clone_from(&caller.organization.slug);
        shell.organization.clone_from(&caller.organization.name);
        let held = effective_permissions(&caller.subject);
        let opens = |link: &&NavLink| match link.shown {
            Shown::Everyone => true,
            Shown::Readers(resource) => held.has(resource.read()),
            Shown::Owners => caller.subject.is_owner(),
        };
        shell.nav = NAV.iter().filter(opens).cloned().collect();
        shell.others.retain(|(slug, _)| *slug != caller.organization.slug);
        Ok(shell)
    }

    /// Around a page that belongs to the person alone.
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

    /// Around a page of the person's own account; its title is its section.
    ///
    /// # Errors
    /// When the database cannot.
    pub async fn account(app: &AppState, signed_in: &SignedIn, title: impl Into<String>) -> Result<Self> {
        let mut shell = Self::personal(app, signed_in, title).await?;
        let own = ACCOUNT.iter().find(|link| link.label == shell.title);
        shell.section = own.map_or("Account", |link| link.label);
        shell.nav = ACCOUNT.to_vec();
        Ok(shell)
    }

    /// What the addresses of the sidebar begin with.
    #[must_use]
    pub fn root(&self) -> String {
        if self.slug.is_empty() { String::new() } else { format!("/orgs/{}", self.slug) }
    }

    /// The first letters of the person's first and last name.
    #[must_use]
    pub fn initials(&self) -> String {
        let mut words = self.person.split_whitespace().filter_map(|word| word.chars().next());
        let first = words.next();
        first.into_iter().chain(words.next_back()).flat_map(char::to_uppercase).collect()
    }

    /// `3 min ago`, `in 9 days`.
    #[must_use]
    pub fn ago(&self, at: &Timestamp) -> String {
        self.now.map_or_else(|| at.minute(), |now| at.relative(now))
    }

    /// Whether a moment has passed.
    #[must_use]
    pub fn passed(&self, at: &Timestamp) -> bool {
        self.now.is_some_and(|now| *at <= now)
    }

    /// Whether a moment lies within the next fourteen days.
    #[must_use]
    pub fn soon(&self, at: &Timestamp) -> bool {
        self.now.is_some_and(|now| *at > now && *at <= now.plus(14 * crate::platform::clock::DAY))
    }

    /// The nonce of a form, so that its second submit finds the first's outcome.
    #[must_use]
    pub fn nonce(app: &AppState) -> String {
        app.context.random.characters(b"0123456789abcdefghijklmnopqrstuvwxyz", 24)
    }
}

/// What a form shows after a refusal: the status and the mistakes. Errors that
/// are not about the form go on as they are.
///
/// # Errors
/// Those.
pub fn refused(error: Error) -> Result<(StatusCode, ValidationErrors)> {
    match error {
        Error::Invalid(mistakes) | Error::Conflict(mistakes) => {
            Ok((StatusCode::UNPROCESSABLE_ENTITY, mistakes))
        }
        Error::Stale(text) => Ok((StatusCode::UNPROCESSABLE_ENTITY, ValidationErrors::one("", text))),
        Error::Forbidden(reason) => Ok((StatusCode::FORBIDDEN, ValidationErrors::one("", reason))),
        other => Err(other),
    }
}

/// A page of 200.
pub fn page(template: &impl askama::Template) -> Response {
    html(StatusCode::OK, template)
}

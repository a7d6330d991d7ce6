//! The frame of every page of the console: who is signed in, where they are,
//! where they can go.

use axum::http::StatusCode;
use axum::response::Response;

use crate::identity::caller::memberships;
use crate::identity::session::{SignedIn, Theme, take_flash};
use crate::identity::{App, ConsoleCaller};
use crate::platform::web::html;
use crate::platform::{Error, Mistakes, Result, Timestamp};

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
}

/// The sidebar, in its order.
pub const NAV: &[NavLink] = &[
    NavLink { group: None, label: "Overview", icon: "layout-dashboard", path: "" },
    NavLink { group: Some("Who"), label: "Teams", icon: "users", path: "/settings/teams" },
    NavLink { group: None, label: "People", icon: "contact", path: "/settings/people" },
    NavLink { group: None, label: "Service accounts", icon: "bot", path: "/settings/service-accounts" },
];

/// What the layout shows around a page.
#[derive(Clone, Debug, Default)]
pub struct Shell {
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
}

impl Shell {
    /// Around a page of an organization.
    ///
    /// # Errors
    /// When the database cannot.
    pub async fn of(
        app: &App,
        caller: &ConsoleCaller,
        section: &'static str,
        title: impl Into<String>,
    ) -> Result<Self> {
        let mut shell = Self::personal(app, &caller.signed_in, title).await?;
        shell.section = section;
        shell.slug.clone_from(&caller.organization.slug);
        shell.organization.clone_from(&caller.organization.name);
        shell.others.retain(|(slug, _)| *slug != caller.organization.slug);
        Ok(shell)
    }

    /// Around a page that belongs to the person alone.
    ///
    /// # Errors
    /// When the database cannot.
    pub async fn personal(app: &App, signed_in: &SignedIn, title: impl Into<String>) -> Result<Self> {
        let others = memberships(app, signed_in.person.id, None).await?;
        Ok(Self {
            title: title.into(),
            others: others
                .into_iter()
                .map(|place| (place.organization.slug, place.organization.name))
                .collect(),
            person: signed_in.person.name.clone(),
            email: signed_in.person.email.clone(),
            flash: take_flash(&signed_in.session).await?,
            theme: signed_in.theme,
            now: Some(app.clock.now()),
            public_url: app.config.public_url.clone(),
            ..Self::default()
        })
    }

    /// The links of the sidebar.
    #[must_use]
    pub fn nav(&self) -> &'static [NavLink] {
        if self.slug.is_empty() { &[] } else { NAV }
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
    pub fn nonce(app: &App) -> String {
        app.random.characters(b"0123456789abcdefghijklmnopqrstuvwxyz", 24)
    }
}

/// What a form shows after a refusal: the status and the mistakes. Errors that
/// are not about the form go on as they are.
///
/// # Errors
/// Those.
pub fn refused(error: Error) -> Result<(StatusCode, Mistakes)> {
    match error {
        Error::Invalid(mistakes) | Error::Conflict(mistakes) => {
            Ok((StatusCode::UNPROCESSABLE_ENTITY, mistakes))
        }
        Error::Forbidden(reason) => Ok((StatusCode::FORBIDDEN, Mistakes::one("", reason))),
        other => Err(other),
    }
}

/// A page of 200.
pub fn page(template: &impl askama::Template) -> Response {
    html(StatusCode::OK, template)
}

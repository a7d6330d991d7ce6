//! The page with every component of the console in every state, for those who change the design. Only the
//! demo has it (`tessera serve --demo`).

use askama::Template;
use axum::Router;
use axum::extract::State;
use axum::response::Response;
use axum::routing::get;

use crate::access::TokenKind;
use crate::platform::clock::DAY;
use crate::platform::web::pagination::{Page, PageRequest, Sort};
use crate::platform::web::query_filter::SearchFilter;
use crate::platform::{Error, Result, ValidationErrors};
use crate::service_accounts::model::Status as AccountStatus;
use crate::state::AppState;
use crate::tokens::model::{LifetimeChoice, Status as TokenStatus, choices};
use crate::ui::{Layout, ListState, SavedFilter, filters, render};

/// The router of this page.
pub fn routes() -> Router<AppState> {
    Router::new().route("/styleguide", get(show))
}

#[derive(Template)]
#[template(path = "styleguide.html")]
struct StyleguidePage {
    layout: Layout,
    list: ListState,
    page: Page<Row>,
    lifetimes: Vec<LifetimeChoice>,
    lifetime: String,
    fine: ValidationErrors,
    wrong: ValidationErrors,
}

/// A row of the example table.
struct Row {
    name: &'static str,
    about: &'static str,
    status: AccountStatus,
}

const COLUMNS: &[Sort] = &[Sort::ascending("name"), Sort::descending("last_used")];

async fn show(State(app): State<AppState>) -> Result<Response> {
    if !app.context.config.is_demo {
        return Err(Error::NotFound);
    }
    let now = app.context.clock.now();
    let filter = SearchFilter("deploy".to_owned());
    let which = PageRequest { sort: COLUMNS.first().copied(), ..PageRequest::first() };
    let saved = vec![
        SavedFilter::all(36),
        SavedFilter::of("Expiring in 14 days", "status", "expiring", 2).warning(),
        SavedFilter::of("Disabled", "status", "disabled", 1),
    ];
    let row = |name, about, status| Row { name, about, status };
    let rows = vec![
        row("ci-deploy", "Deploys every service after review", AccountStatus::Active),
        row(
            "metrics-export",
            "Nightly export to the warehouse, with a description that is too long for its cell",
            AccountStatus::Active,
        ),
        row("old-importer", "Replaced in March", AccountStatus::Disabled),
        row("seasonal", "", AccountStatus::Expired),
    ];
    let mut wrong = ValidationErrors::one("wrong-name", "Enter a name.");
    wrong.add("wrong-lifetime", "Choose an expiry date in the future.");
    let layout = Layout { title: "Style guide".to_owned(), now: Some(now), ..Layout::default() };
    Ok(render(&StyleguidePage {
        layout,
        list: ListState::new(&filter, &which, COLUMNS, ("account", "accounts"))
            .with_saved(saved)
            .selectable(true),
        page: Page {
            rows,
            previous: Some("cursor".to_owned()),
            next: Some("cursor".to_owned()),
            stopped: None,
        },
        lifetimes: choices(&crate::access::Policy::default(), TokenKind::ServiceAccount, now),
        lifetime: "90".to_owned(),
        fine: ValidationErrors::default(),
        wrong,
    }))
}

impl StyleguidePage {
    /// A moment in the near future.
    fn soon(&self) -> crate::platform::Timestamp {
        self.layout.now.unwrap_or(crate::platform::Timestamp::LAST).plus(9 * DAY)
    }
}

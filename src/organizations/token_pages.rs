//! The page *API token* of the organization: what differs from the other pages
//! of [`crate::tokens::single_pages`].

use askama::Template;
use axum::Router;
use axum::http::StatusCode;
use axum::response::Response;

use super::token::{self, OrganizationTokenTarget};
use crate::access::{TokenKind, can_write};
use crate::callers::Caller;
use crate::platform::web::html;
use crate::platform::{Context, Result, ValidationErrors};
use crate::state::AppState;
use crate::tokens::model::{Renewal, Token};
use crate::tokens::one_time_secret::SecretDelivery;
use crate::tokens::pages::Card;
use crate::tokens::single_pages::{self, TokenPages};
use crate::ui::{ConsolePath, Layout, Paths, filters};

/// The router of these endpoints.
pub fn routes() -> Router<AppState> {
    single_pages::routes::<OrganizationToken>(&Paths::pattern().organization_token())
}

#[derive(Template)]
#[template(path = "organizations/api_token.html")]
struct CardPage {
    layout: Layout,
    card: Card,
}

/// An organization and its token.
struct OrganizationToken {
    name: String,
    token: Option<Token>,
}

impl TokenPages for OrganizationToken {
    type PathParams = String;
    const KIND: TokenKind = TokenKind::Organization;
    const SECTION: &'static str = "API token";
    const TOKEN_NAME: &'static str = "Organization token";

    async fn load(context: &Context, caller: &Caller, _: &String) -> Result<Self> {
        let token = token::get(context, caller).await?;
        Ok(Self { name: caller.organization.name.clone(), token })
    }

    async fn generate(
        &self,
        context: &Context,
        caller: &Caller,
        renewal: &Renewal,
        delivery: &SecretDelivery,
    ) -> Result<()> {
        token::generate(context, caller, renewal, delivery).await.map(drop)
    }

    async fn end_overlap(&self, context: &Context, caller: &Caller) -> Result<()> {
        token::end_overlap(context, caller).await
    }

    async fn delete(&self, context: &Context, caller: &Caller) -> Result<()> {
        token::delete(context, caller).await
    }

    fn name(&self) -> &str {
        &self.name
    }

    fn token(&self) -> Option<&Token> {
        self.token.as_ref()
    }

    fn can_manage(&self, caller: &Caller) -> bool {
        can_write(&caller.subject, &OrganizationTokenTarget(caller.organization.id))
    }

    fn who_can_manage(&self) -> &'static str {
        "Owners manage this token."
    }

    fn facts(&self, _: &Caller) -> Vec<(&'static str, String)> {
        vec![
            ("Acts as", format!("the organization {}", self.name)),
            ("Use", "Setting up teams, projects and service accounts".to_owned()),
        ]
    }

    fn path(&self, paths: &Paths) -> ConsolePath {
        paths.organization_token()
    }

    fn title(&self) -> String {
        Self::SECTION.to_owned()
    }

    fn back_label(&self) -> &str {
        Self::SECTION
    }

    fn render(self, status: StatusCode, layout: Layout, card: Card, errors: ValidationErrors) -> Response {
        html(status, &CardPage { layout: layout.with_errors(errors), card })
    }
}

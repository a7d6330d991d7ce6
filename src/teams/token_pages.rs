//! The tab *API token* of a team: what differs from the other pages of
//! [`crate::tokens::single_pages`].

use askama::Template;
use axum::Router;
use axum::http::StatusCode;
use axum::response::Response;

use super::model::Team;
use super::token::{self, TeamTokenTarget};
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
    single_pages::routes::<TeamToken>(&Paths::pattern().team("{team}").api_token())
}

#[derive(Template)]
#[template(path = "teams/api_token.html")]
struct CardPage {
    layout: Layout,
    team: Team,
    card: Card,
}

/// A team and its token.
struct TeamToken {
    team: Team,
    token: Option<Token>,
}

impl TokenPages for TeamToken {
    type PathParams = (String, String);
    const KIND: TokenKind = TokenKind::Team;
    const SECTION: &'static str = "Teams";
    const TOKEN_NAME: &'static str = "Team API token";

    async fn load(context: &Context, caller: &Caller, (_, team): &Self::PathParams) -> Result<Self> {
        let (team, token) = token::get(context, caller, team).await?;
        Ok(Self { team, token })
    }

    async fn generate(
        &self,
        context: &Context,
        caller: &Caller,
        renewal: &Renewal,
        delivery: &SecretDelivery,
    ) -> Result<()> {
        token::generate(context, caller, &self.team.slug, renewal, delivery).await.map(drop)
    }

    async fn end_overlap(&self, context: &Context, caller: &Caller) -> Result<()> {
        token::end_overlap(context, caller, &self.team.slug).await.map(drop)
    }

    async fn delete(&self, context: &Context, caller: &Caller) -> Result<()> {
        token::delete(context, caller, &self.team.slug).await.map(drop)
    }

    fn name(&self) -> &str {
        &self.team.name
    }

    fn token(&self) -> Option<&Token> {
        self.token.as_ref()
    }

    fn can_manage(&self, caller: &Caller) -> bool {
        can_write(&caller.subject, &TeamTokenTarget(caller.organization.id, self.team.clone()))
    }

    fn who_can_manage(&self) -> &'static str {
        if self.team.is_owners {
            "Owners manage this token."
        } else if self.team.members_manage_token {
            "Members of the team manage its token."
        } else {
            "Admins of the team and owners manage its token."
        }
    }

    fn facts(&self, caller: &Caller) -> Vec<(&'static str, String)> {
        let role = caller.organization.sets.name(&self.team.role);
        vec![("Acts as", format!("the team {}", self.team.name)), ("Role", role)]
    }

    fn path(&self, paths: &Paths) -> ConsolePath {
        paths.team(&self.team.slug).api_token()
    }

    fn title(&self) -> String {
        format!("{} – API token", self.team.name)
    }

    fn back_label(&self) -> &str {
        &self.team.name
    }

    fn render(self, status: StatusCode, layout: Layout, card: Card, errors: ValidationErrors) -> Response {
        html(status, &CardPage { layout: layout.with_errors(errors), team: self.team, card })
    }
}

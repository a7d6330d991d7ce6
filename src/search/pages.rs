//! The page with the results of a search, and the part of it that the field in the top bar shows while somebody types.

use askama::Template;
use axum::Router;
use axum::extract::State;
use axum::response::Response;
use axum::routing::get;

use super::actions::{self, Group};
use crate::callers::ConsoleCaller;
use crate::overview::pages::render_lookup;
use crate::platform::Result;
use crate::platform::web::{Form, Query, redirect};
use crate::state::AppState;
use crate::ui::{Layout, Paths, filters, paths, render};
use crate::verification::PlainToken;

/// The longest text that is searched for.
const LONGEST: usize = 200;

/// The router of this section's endpoints.
pub fn routes() -> Router<AppState> {
    Router::new().route(Paths::pattern().search().as_ref(), get(show).post(submit))
}

#[derive(Template)]
#[template(path = "search/page.html")]
struct SearchPage {
    layout: Layout,
    text: String,
    groups: Vec<Group>,
    is_token: bool,
}

/// The results alone.
#[derive(Template)]
#[template(path = "search/results.html")]
struct Results {
    text: String,
    groups: Vec<Group>,
    is_token: bool,
}

async fn show(State(app): State<AppState>, caller: ConsoleCaller, Query(query): Query) -> Result<Response> {
    let text: String = query.text("q").chars().take(LONGEST).collect();
    let layout = Layout::of(&app, &caller, "Search", "Search").await?;
    // A value in a URL is not searched for, and the page does not repeat it, nor a value with a mistake.
    let is_token = PlainToken::is_part_in(&text);
    let text = if is_token { String::new() } else { text };
    let groups = actions::find(&app.context, &caller.member, (&text, &layout.nav), &paths(&caller)).await?;
    if query.has("part") {
        return Ok(render(&Results { text, groups, is_token }));
    }
    Ok(render(&SearchPage { layout, text, groups, is_token }))
}

/// The field in the top bar is posted, so that a token that somebody pastes into it is in no URL.
async fn submit(State(app): State<AppState>, caller: ConsoleCaller, form: Form) -> Result<Response> {
    let text = form.text("q");
    if PlainToken::is_part_in(&text) {
        return render_lookup(&app, &caller, &text).await;
    }
    let text: String = form_urlencoded::byte_serialize(text.as_bytes()).collect();
    Ok(redirect(paths(&caller).search().with_query("q", text)))
}

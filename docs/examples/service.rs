//! A service that takes the tokens of machine accounts, and asks Tessera about each.
//!
//! ```sh
//! export TESSERA_SERVICE_ID=svc_... TESSERA_SERVICE_SECRET=tsrr_...
//! cargo run --example service
//! curl -H "Authorization: Bearer $TOKEN" http://127.0.0.1:9000/runs
//! ```
//!
//! `GET /runs` takes `runs:read` on the project `payments`, `POST /runs` takes `runs:write`.

use std::env::{self, VarError};
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use axum::extract::{ConnectInfo, State};
use axum::http::header::{AUTHORIZATION, CONTENT_TYPE, HeaderMap, WWW_AUTHENTICATE};
use axum::http::{Method, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use serde_json::{Value, json};

const PROJECT: &str = "payments";
const TIMEOUT: Duration = Duration::from_secs(2);

/// How Tessera is asked.
#[derive(Clone)]
struct Tessera {
    client: reqwest::Client,
    url: String,
    id: String,
    secret: String,
}

/// What the caller is told instead of an answer.
struct Refused(StatusCode, Option<String>);

impl IntoResponse for Refused {
    fn into_response(self) -> Response {
        let body = Json(json!({ "status": self.0.as_u16() }));
        match self.1 {
            Some(challenge) => (self.0, [(WWW_AUTHENTICATE, challenge)], body).into_response(),
            None => (self.0, body).into_response(),
        }
    }
}

impl Tessera {
    /// Without a clear answer nobody gets in: 503, never a guess.
    ///
    /// Nothing is remembered between two requests. A token that is revoked, or
    /// an account that is disabled, is then refused with the very next one.
    async fn ask(&self, path: &str, kind: &str, body: String) -> Result<Value, Refused> {
        let unclear = |told: String| {
            eprintln!("{path}: {told}");
            Refused(StatusCode::SERVICE_UNAVAILABLE, None)
        };
        let request = self.client.post(format!("{}{path}", self.url));
        let request = request.basic_auth(&self.id, Some(&self.secret)).header(CONTENT_TYPE, kind);
        let answer = request.body(body).send().await.map_err(|error| unclear(error.to_string()))?;
        // 401: the secret of this service is wrong.
        if answer.status() != StatusCode::OK {
            return Err(unclear(format!("Tessera answered {}", answer.status())));
        }
        let text = answer.bytes().await.map_err(|error| unclear(error.to_string()))?;
        serde_json::from_slice(&text).map_err(|error| unclear(error.to_string()))
    }

    /// Whose token a request carries: the token, and what Tessera says of it.
    async fn caller(&self, headers: &HeaderMap, peer: IpAddr) -> Result<(String, Value), Refused> {
        let mut sent = headers.get_all(AUTHORIZATION).iter();
        let realm = "Bearer realm=\"payments\"";
        let Some(first) = sent.next() else {
            return Err(Refused(StatusCode::UNAUTHORIZED, Some(realm.to_owned())));
        };
        let bad = || Refused(StatusCode::UNAUTHORIZED, Some(format!("{realm}, error=\"invalid_token\"")));
        let (scheme, token) = first.to_str().ok().and_then(|text| text.split_once(' ')).ok_or_else(bad)?;
        if sent.next().is_some() || !scheme.eq_ignore_ascii_case("bearer") {
            return Err(bad());
        }
        let person = headers.get("tessera-on-behalf-of").and_then(|name| name.to_str().ok());
        let about = form_urlencoded::Serializer::new(String::new())
            .append_pair("token", token.trim())
            .append_pair("client_address", &peer.to_string())
            .append_pair("on_behalf_of", person.unwrap_or_default())
            .finish();
        let found = self.ask("/oauth2/introspect", "application/x-www-form-urlencoded", about).await?;
        if found["active"] == json!(true) { Ok((token.trim().to_owned(), found)) } else { Err(bad()) }
    }

    /// Goes on only if the token may do this.
    async fn demand(&self, token: &str, permission: &str, peer: IpAddr) -> Result<(), Refused> {
        let question = json!({
            "subject": { "type": "token", "id": token },
            "action": { "name": permission },
            "resource": { "type": "project", "id": PROJECT },
            "context": { "client_address": peer.to_string() },
        });
        let answer = self.ask("/access/v1/evaluation", "application/json", question.to_string()).await?;
        if answer["decision"] == json!(true) {
            return Ok(());
        }
        let challenge =
            format!("Bearer realm=\"payments\", error=\"insufficient_scope\", scope=\"{permission}\"");
        Err(Refused(StatusCode::FORBIDDEN, Some(challenge)))
    }
}

async fn runs(
    State(tessera): State<Tessera>,
    ConnectInfo(peer): ConnectInfo<SocketAddr>,
    method: Method,
    headers: HeaderMap,
) -> Result<Json<Value>, Refused> {
    let (token, found) = tessera.caller(&headers, peer.ip()).await?;
    let permission = if method == Method::GET { "runs:read" } else { "runs:write" };
    tessera.demand(&token, permission, peer.ip()).await?;
    Ok(Json(json!({ "subject": found["sub"], "for": found["tessera"]["attributed_to"] })))
}

fn setting(name: &str, default: Option<&str>) -> Result<String, String> {
    match (env::var(name), default) {
        (Ok(value), _) => Ok(value),
        (Err(VarError::NotPresent), Some(default)) => Ok(default.to_owned()),
        (Err(error), _) => Err(format!("{name}: {error}")),
    }
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    // This reqwest brings no cryptography of its own.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let redirects = reqwest::redirect::Policy::none();
    let tessera = Tessera {
        client: reqwest::Client::builder().timeout(TIMEOUT).redirect(redirects).build()?,
        url: setting("TESSERA_URL", Some("http://127.0.0.1:8080"))?,
        id: setting("TESSERA_SERVICE_ID", None)?,
        secret: setting("TESSERA_SERVICE_SECRET", None)?,
    };
    let listen = setting("LISTEN", Some("127.0.0.1:9000"))?;
    let app = Router::new().route("/runs", get(runs).post(runs)).with_state(tessera);
    tokio::runtime::Builder::new_multi_thread().enable_all().build()?.block_on(async {
        let listener = tokio::net::TcpListener::bind(listen).await?;
        println!("Payments listens on http://{}", listener.local_addr()?);
        axum::serve(listener, app.into_make_service_with_connect_info::<SocketAddr>()).await?;
        Ok(())
    })
}

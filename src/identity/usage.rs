//! When, from where, through what and for whom tokens were used: gathered in
//! memory, written every few seconds, so that no request waits for a write.

use std::collections::HashMap;
use std::hash::Hash;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};

use super::bearer::{Bearer, Principal};
use super::service::ServiceCaller;
use super::token::TokenHash;
use crate::access::{Kind, TokenKind};
use crate::platform::id::{ServiceAccountId, TokenId};
use crate::platform::{Context, Result, Timestamp, Tx, sql};

/// For how many days calls are counted.
const DAYS: i64 = 30;

/// The last use of a value.
#[derive(Clone, Debug)]
struct Use {
    token: TokenId,
    source: Option<(TokenId, TokenHash)>,
    account: Option<ServiceAccountId>,
    at: Timestamp,
    address: Option<IpAddr>,
    agent: Option<String>,
    service: Option<String>,
}

/// Whose calls are counted: a token's, or an account's, whatever it came with.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
enum Counted {
    Token(TokenId),
    Account(ServiceAccountId),
}

/// What came together since the last flush.
#[derive(Debug, Default)]
struct Gathered {
    uses: HashMap<TokenHash, Use>,
    calls: HashMap<(Counted, Option<IpAddr>), i64>,
    /// Account, username, team: how often, and when last.
    attributed: HashMap<(ServiceAccountId, String, String), (i64, Timestamp)>,
}

/// The uses since the last flush. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub struct Usage(Arc<Mutex<Gathered>>);

impl Usage {
    /// Notes a use of a token: asked about by a service, or here (`None`), and
    /// on behalf of whom, in which team.
    pub fn note(
        &self,
        at: Timestamp,
        bearer: &Bearer,
        service: Option<&ServiceCaller>,
        attributed: Option<(&str, &str)>,
    ) {
        let account = match &bearer.principal {
            Principal::Machine(machine) => match machine.subject.kind {
                Kind::ServiceAccount { id, .. } => Some(id),
                _ => None,
            },
            Principal::Person { .. } => None,
        };
        let address = bearer.request.address;
        let last = Use {
            token: bearer.token,
            source: bearer.source,
            account,
            at,
            address,
            agent: bearer.request.agent.clone(),
            service: service.map(|service| service.name.clone()),
        };
        let mut gathered = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        gathered.uses.insert(bearer.value, last);
        // Calls with an access token count for what it was exchanged for.
        let token = match (bearer.kind, bearer.source) {
            (_, Some((source, _))) => Some(source),
            (TokenKind::Access, None) => None,
            _ => Some(bearer.token),
        };
        for counted in token.map(Counted::Token).into_iter().chain(account.map(Counted::Account)) {
            *gathered.calls.entry((counted, address)).or_default() += 1;
        }
        if let (Some(account), Some((username, team))) = (account, attributed) {
            let key = (account, username.to_owned(), team.to_owned());
            let told = gathered.attributed.entry(key).or_insert((0, at));
            *told = (told.0 + 1, at);
        }
    }

    /// Notes a call of a service with its secret.
    pub fn note_secret(&self, at: Timestamp, value: TokenHash, token: TokenId, address: Option<IpAddr>) {
        let last = Use { token, source: None, account: None, at, address, agent: None, service: None };
        let mut gathered = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        gathered.uses.insert(value, last);
        *gathered.calls.entry((Counted::Token(token), address)).or_default() += 1;
    }

    /// Writes what was gathered. What cannot be written now is kept for the
    /// next time.
    ///
    /// # Errors
    /// When the database cannot.
    pub async fn flush(&self, context: &Context) -> Result<()> {
        let gathered = std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner));
        if gathered.uses.is_empty() {
            return Ok(());
        }
        let written = write(context, &gathered).await;
        if written.is_err() {
            let mut newer = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            for (value, older) in gathered.uses {
                newer.uses.entry(value).or_insert(older);
            }
            add(&mut newer.calls, gathered.calls, |sum, older| *sum += older);
            add(&mut newer.attributed, gathered.attributed, |sum, older| sum.0 += older.0);
        }
        written
    }
}

fn add<K: Eq + Hash, V: Clone>(to: &mut HashMap<K, V>, from: HashMap<K, V>, sum: impl Fn(&mut V, V)) {
    for (key, older) in from {
        to.entry(key).and_modify(|newer| sum(newer, older.clone())).or_insert(older);
    }
}

/// The day of a moment, counted from 1970, UTC.
#[must_use]
pub fn day(at: Timestamp) -> i64 {
    at.micros().div_euclid(86_400_000_000)
}

/// The oldest day whose calls still count.
#[must_use]
pub fn oldest(now: Timestamp) -> i64 {
    day(now) - DAYS
}

/// An address as it is stored; empty where it is not known.
fn stored(address: Option<IpAddr>) -> String {
    address.map(|address| address.to_string()).unwrap_or_default()
}

async fn write(context: &Context, gathered: &Gathered) -> Result<()> {
    let today = day(context.clock.now());
    let mut tx = context.db.begin().await?;
    for (value, last) in &gathered.uses {
        used(&mut tx, *value, last.token, last).await?;
        // Using what it was exchanged into uses a token too.
        if let Some((source, held)) = last.source {
            used(&mut tx, held, source, last).await?;
        }
        if let Some(account) = last.account {
            sql("UPDATE service_accounts SET last_used_at = $1, last_used_address = $2 WHERE id = $3 \
                 AND COALESCE(last_used_at, 0) <= $1")
            .bind(last.at)
            .bind(last.address.map(|address| address.to_string()))
            .bind(account)
            .execute(&mut tx)
            .await?;
        }
    }
    for ((counted, address), calls) in &gathered.calls {
        match counted {
            Counted::Token(token) => {
                sql("INSERT INTO token_calls (token_id, day, address, calls) SELECT id, $2, $3, $4 FROM tokens WHERE id = $1 \
                     ON CONFLICT (token_id, day, address) DO UPDATE SET calls = token_calls.calls + $4")
                .bind(*token)
            }
            Counted::Account(account) => {
                sql("INSERT INTO account_calls (service_account_id, day, address, calls) \
                     SELECT id, $2, $3, $4 FROM service_accounts WHERE id = $1 \
                     ON CONFLICT (service_account_id, day, address) DO UPDATE SET calls = account_calls.calls + $4")
                .bind(*account)
            }
        }
        .bind(today)
        .bind(stored(*address))
        .bind(*calls)
        .execute(&mut tx)
        .await?;
    }
    for ((account, username, team), (calls, last)) in &gathered.attributed {
        sql("INSERT INTO attributions (service_account_id, day, username, team, calls, last_at) \
                SELECT id, $2, $3, $4, $5, $6 FROM service_accounts WHERE id = $1 \
             ON CONFLICT (service_account_id, day, username, team) \
                DO UPDATE SET calls = attributions.calls + $5, last_at = $6")
        .bind(*account)
        .bind(today)
        .bind(username)
        .bind(team)
        .bind(*calls)
        .bind(*last)
        .execute(&mut tx)
        .await?;
    }
    tx.commit().await?;
    Ok(())
}

async fn used(tx: &mut Tx, value: TokenHash, token: TokenId, last: &Use) -> Result<()> {
    sql("UPDATE token_values SET last_used_at = $1 WHERE hash = $2")
        .bind(last.at)
        .bind(value)
        .execute(&mut *tx)
        .await?;
    sql("UPDATE tokens SET last_used_at = $1, last_used_address = $2, last_used_agent = $3, last_used_service = $4 \
         WHERE id = $5 AND COALESCE(last_used_at, 0) <= $1")
    .bind(last.at)
    .bind(last.address.map(|address| address.to_string()))
    .bind(last.agent.clone())
    .bind(last.service.clone())
    .bind(token)
    .execute(tx)
    .await?;
    Ok(())
}

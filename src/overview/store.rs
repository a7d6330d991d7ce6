//! SQL for the overview and the list of all tokens. Access tokens and service secrets are left out.
//!
//! Counts stop at [`MOST`], and a page of the list scans a limited number of rows ([`ScanLimit`]), so both
//! stay fast in organizations with many tokens.

use crate::platform::db::Statement;
use crate::platform::id::{OrganizationId, TokenId};
use crate::platform::text::{MOST, contains_pattern, string_enum};
use crate::platform::web::pagination::{Cursor, PageRequest, ScanLimit, keyset, stop};
use crate::platform::{Db, Result, Timestamp, sql};
use crate::tokens::model::Token;
use crate::tokens::store::tokens_with;
use crate::verification::PlainToken;

string_enum! {
    /// A state of valid tokens that the list can be filtered by.
    State {
        /// Every valid token.
        Live = "live",
        /// The token expires within 14 days.
        Expiring = "expiring",
        /// The token has not been used for 90 days.
        Unused = "unused",
        /// The token does not expire.
        Endless = "endless",
        /// The token was never used.
        NeverUsed = "never_used",
    }
}

/// Number of valid tokens in each state. Each count stops at [`MOST`].
#[derive(Clone, Copy, Debug, sqlx::FromRow)]
pub struct Counts {
    /// All valid tokens.
    pub live: i64,
    /// Tokens that expire within 14 days.
    pub expiring: i64,
    /// Tokens that have not been used for 90 days.
    pub unused: i64,
    /// Tokens that do not expire.
    pub endless: i64,
}

/// Counts the tokens of each state. `soon` is 14 days after `now`, and `long_ago` is 90 days before it.
///
/// # Errors
/// Returns an error if the database fails.
pub async fn counts(
    db: &Db,
    organization: OrganizationId,
    (now, soon, long_ago): (Timestamp, Timestamp, Timestamp),
) -> Result<Counts> {
    let counts: Counts = sql("SELECT \
            (SELECT COUNT(*) FROM (SELECT 1 AS one FROM tokens WHERE organization_id = $1 AND revoked_at IS NULL \
                AND kind <> 'access' AND kind <> 'service_secret' AND expires_at > $2 LIMIT $5) a) AS live, \
            (SELECT COUNT(*) FROM (SELECT 1 AS one FROM tokens WHERE organization_id = $1 AND revoked_at IS NULL \
                AND kind <> 'access' AND kind <> 'service_secret' AND expires_at > $2 AND expires_at <= $3 LIMIT $5) b) AS expiring, \
            (SELECT COUNT(*) FROM (SELECT 1 AS one FROM tokens WHERE organization_id = $1 AND revoked_at IS NULL \
                AND kind <> 'access' AND kind <> 'service_secret' AND (expires_at IS NULL OR expires_at > $2) \
                AND COALESCE(last_used_at, created_at) < $4 LIMIT $5) c) AS unused, \
            (SELECT COUNT(*) FROM (SELECT 1 AS one FROM tokens WHERE organization_id = $1 AND revoked_at IS NULL \
                AND kind <> 'access' AND kind <> 'service_secret' AND expires_at IS NULL LIMIT $5) d) AS endless")
        .bind(organization)
        .bind(now)
        .bind(soon)
        .bind(long_ago)
        .bind(MOST + 1)
        .one(db)
        .await?;
    // The statement counts tokens with and without an expiry separately.
    Ok(Counts { live: counts.live + counts.endless, ..counts })
}

/// A token of any kind, as the list of all tokens shows it.
#[derive(Clone, Debug, sqlx::FromRow)]
pub struct Row {
    /// The token.
    #[sqlx(flatten)]
    pub token: Token,
    /// Name of the service account or team that the token acts as. `None` for other kinds.
    pub holder: Option<String>,
    /// Slug of the team that the token acts as.
    pub team: Option<String>,
    /// Time of the last use or, if the token was never used, of its creation.
    pub used_at: Timestamp,
}

impl Row {
    /// The sort key of a list of this state, for the cursor.
    #[must_use]
    pub fn key(&self, state: State) -> String {
        match state {
            State::Live | State::Endless | State::NeverUsed => String::new(),
            State::Expiring => self.token.expires_at.map(|end| end.micros().to_string()).unwrap_or_default(),
            State::Unused => self.used_at.micros().to_string(),
        }
    }
}

/// Text of a statement about tokens that are not revoked.
macro_rules! tokens_living {
    ($what:literal, $from:literal, $organization:literal, $rest:literal) => {
        concat!(
            "SELECT ",
            $what,
            " FROM tokens t ",
            $from,
            " WHERE t.organization_id = ",
            $organization,
            " AND t.revoked_at IS NULL AND t.kind <> 'access' AND t.kind <> 'service_secret' AND ",
            $rest
        )
    };
}

/// Text of the list's SELECT. `$organization` and `$search` are placeholders; `$rest` is the rest of the
/// condition.
macro_rules! tokens_listed {
    ($organization:literal, $search:literal, $rest:literal) => {
        tokens_with!(
            ", COALESCE(a.name, own.name) AS holder, own.slug AS team, \
                COALESCE(t.last_used_at, t.created_at) AS used_at",
            "LEFT JOIN service_accounts a ON a.id = t.service_account_id LEFT JOIN teams own ON own.id = t.team_id",
            concat!(
                "t.organization_id = ",
                $organization,
                " AND t.revoked_at IS NULL AND t.kind <> 'access' AND t.kind <> 'service_secret' AND ",
                $rest,
                " AND (",
                $search,
                " = '%%' OR LOWER(t.name COLLATE \"default\") LIKE ",
                $search,
                " ESCAPE '\\' OR v.hint LIKE ",
                $search,
                " ESCAPE '\\' OR p.hint LIKE ",
                $search,
                " ESCAPE '\\' OR a.name_folded LIKE ",
                $search,
                " ESCAPE '\\')"
            )
        )
    };
}

/// A page of the valid tokens of the organization, and the range that was scanned for it. `Live` and
/// `Endless` are sorted by age, newest first; `Expiring` by the nearest expiry; `Unused` by the oldest last
/// use.
/// # Errors
/// Returns an error if the database fails.
pub async fn list(
    db: &Db,
    organization: OrganizationId,
    (search, kind, state): (&str, &str, State),
    (now, soon, long_ago): (Timestamp, Timestamp, Timestamp),
    page: &PageRequest,
) -> Result<(Vec<Row>, ScanLimit)> {
    let looked_for = contains_pattern(search);
    let timed = matches!(state, State::Expiring | State::Unused);
    let ids = TokenId::all();
    let mut window = if timed { ScanLimit::timed(page, ids) } else { ScanLimit::newest(page, ids) };
    // Without filters, the newest tokens are mostly valid, so no scan limit is needed. Other lists may have
    // to skip many expired tokens.
    if timed || !(search.is_empty() && kind.is_empty()) {
        let stop = stop(db, organization, (kind, state), (now, soon, long_ago), page, &window).await?;
        window = window.end_at(stop);
    }
    let by_id = |statement: Statement| {
        statement.bind(organization).bind(&window.low.id).bind(&window.high.id).bind(&looked_for).bind(kind)
    };
    let by_moment = |statement: Statement| {
        let statement = statement.bind(organization).bind(window.low.moment()).bind(&window.low.id);
        let statement = statement.bind(window.high.moment()).bind(&window.high.id);
        statement.bind(&looked_for).bind(kind).bind(now)
    };
    let statement = match state {
        State::Live if kind.is_empty() => by_id(keyset!(
            page,
            tokens_listed!(
                "$3",
                "$6",
                "t.id >= $4 AND t.id <= $5 AND $7 = '' AND (t.expires_at IS NULL OR t.expires_at > $8)"
            ),
            descending "t.id"
        ))
        .bind(now),
        // Kinds with few tokens are found through an index of the kind.
        State::Live => by_id(keyset!(
            page,
            tokens_listed!(
                "$3",
                "$6",
                "t.id >= $4 AND t.id <= $5 AND t.kind = $7 AND (t.expires_at IS NULL OR t.expires_at > $8)"
            ),
            descending "t.id"
        ))
        .bind(now),
        State::Endless => by_id(keyset!(
            page,
            tokens_listed!(
                "$3",
                "$6",
                "t.id >= $4 AND t.id <= $5 AND ($7 = '' OR t.kind = $7) AND t.expires_at IS NULL"
            ),
            descending "t.id"
        )),
        State::NeverUsed => by_id(keyset!(
            page,
            tokens_listed!(
                "$3",
                "$6",
                "t.id >= $4 AND t.id <= $5 AND ($7 = '' OR t.kind = $7) AND t.last_used_at IS NULL \
                 AND (t.expires_at IS NULL OR t.expires_at > $8)"
            ),
            descending "t.id"
        ))
        .bind(now),
        State::Expiring => by_moment(keyset!(
            page,
            tokens_listed!(
                "$4",
                "$9",
                "(t.expires_at, t.id) >= ($5, $6) AND (t.expires_at, t.id) <= ($7, $8) \
                 AND ($10 = '' OR t.kind = $10) AND t.expires_at > $11 AND t.expires_at <= $12"
            ),
            ascending number "t.expires_at", "t.id"
        ))
        .bind(soon),
        State::Unused => by_moment(keyset!(
            page,
            tokens_listed!(
                "$4",
                "$9",
                "(COALESCE(t.last_used_at, t.created_at), t.id) >= ($5, $6) \
                 AND (COALESCE(t.last_used_at, t.created_at), t.id) <= ($7, $8) AND ($10 = '' OR t.kind = $10) \
                 AND (t.expires_at IS NULL OR t.expires_at > $11) AND COALESCE(t.last_used_at, t.created_at) < $12"
            ),
            ascending number "COALESCE(t.last_used_at, t.created_at)", "t.id"
        ))
        .bind(long_ago),
    };
    Ok((statement.all(db).await?, window))
}

#[derive(sqlx::FromRow)]
struct Place {
    moment: i64,
    id: TokenId,
}

/// The row at which the scan of a list ends for one page.
async fn stop(
    db: &Db,
    organization: OrganizationId,
    (kind, state): (&str, State),
    (now, soon, long_ago): (Timestamp, Timestamp, Timestamp),
    page: &PageRequest,
    window: &ScanLimit,
) -> Result<Option<Cursor>> {
    let by_id =
        |statement: Statement| statement.bind(organization).bind(&window.low.id).bind(&window.high.id);
    let by_moment = |statement: Statement| {
        let statement = statement.bind(organization).bind(window.low.moment()).bind(&window.low.id);
        statement.bind(window.high.moment()).bind(&window.high.id)
    };
    let statement = match state {
        State::Live if kind.is_empty() => by_id(stop!(
            page,
            tokens_living!("CAST(0 AS BIGINT) AS moment, t.id", "", "$3", "t.id >= $4 AND t.id <= $5"),
            "t.id DESC",
            "t.id"
        )),
        // This index also contains revoked tokens, so they count towards the scan limit.
        State::Live => by_id(stop!(
            page,
            "SELECT CAST(0 AS BIGINT) AS moment, t.id FROM tokens t WHERE t.organization_id = $3 \
             AND t.id >= $4 AND t.id <= $5 AND t.kind = $6",
            "t.id DESC",
            "t.id"
        ))
        .bind(kind),
        State::Endless => by_id(stop!(
            page,
            tokens_living!(
                "CAST(0 AS BIGINT) AS moment, t.id",
                "",
                "$3",
                "t.id >= $4 AND t.id <= $5 AND t.expires_at IS NULL"
            ),
            "t.id DESC",
            "t.id"
        )),
        State::NeverUsed => by_id(stop!(
            page,
            tokens_living!(
                "CAST(0 AS BIGINT) AS moment, t.id",
                "",
                "$3",
                "t.id >= $4 AND t.id <= $5 AND t.last_used_at IS NULL"
            ),
            "t.id DESC",
            "t.id"
        )),
        State::Expiring => by_moment(stop!(
            page,
            tokens_living!(
                "t.expires_at AS moment, t.id",
                "",
                "$3",
                "(t.expires_at, t.id) >= ($4, $5) AND (t.expires_at, t.id) <= ($6, $7) \
                 AND t.expires_at > $8 AND t.expires_at <= $9"
            ),
            "t.expires_at, t.id",
            "t.expires_at DESC, t.id DESC"
        ))
        .bind(now)
        .bind(soon),
        State::Unused => by_moment(stop!(
            page,
            tokens_living!(
                "COALESCE(t.last_used_at, t.created_at) AS moment, t.id",
                "",
                "$3",
                "(COALESCE(t.last_used_at, t.created_at), t.id) >= ($4, $5) \
                 AND (COALESCE(t.last_used_at, t.created_at), t.id) <= ($6, $7) \
                 AND COALESCE(t.last_used_at, t.created_at) < $8"
            ),
            "COALESCE(t.last_used_at, t.created_at), t.id",
            "COALESCE(t.last_used_at, t.created_at) DESC, t.id DESC"
        ))
        .bind(long_ago),
    };
    let place: Option<Place> = statement.optional(db).await?;
    Ok(place.map(|place| Cursor { key: place.moment.to_string(), id: place.id.to_string() }))
}

/// A token that was found by one of its values, with what it belongs to.
#[derive(Clone, Debug, sqlx::FromRow)]
pub struct FoundRow {
    /// The token.
    #[sqlx(flatten)]
    pub token: Token,
    /// Name of the service account, team, service or person.
    pub holder: Option<String>,
    /// Slug of the team.
    pub team: Option<String>,
    /// Username of the person.
    pub username: Option<String>,
    /// When the value stops working, if it is an old one.
    pub value_stops_at: Option<Timestamp>,
    /// Whether it is a secret of a service that is disabled.
    pub is_service_disabled: bool,
}

/// Finds a token of the organization, of one of its services or of one of its people by a value, also one that does
/// not work any more.
///
/// # Errors
/// Returns an error if the database fails.
pub async fn find_by_value(
    db: &Db,
    organization: OrganizationId,
    value: &PlainToken,
) -> Result<Option<FoundRow>> {
    Ok(sql(tokens_with!(
        ", COALESCE(a.name, own.name, s.name, person.name) AS holder, own.slug AS team, person.username, \
            h.stops_at AS value_stops_at, s.disabled_at IS NOT NULL AS is_service_disabled",
        "JOIN token_values h ON h.token_id = t.id LEFT JOIN service_accounts a ON a.id = t.service_account_id \
         LEFT JOIN teams own ON own.id = t.team_id LEFT JOIN services s ON s.id = t.service_id \
         LEFT JOIN people person ON person.id = t.person_id",
        "h.hash = $1 AND (t.organization_id = $2 OR s.organization_id = $2 \
            OR EXISTS (SELECT 1 FROM memberships m WHERE m.person_id = t.person_id AND m.organization_id = $2))"
    ))
    .bind(value.hash())
    .bind(organization)
    .optional(db)
    .await?)
}

/// The active tokens of the organization with a value that ends with these four characters, at most five. Old values
/// count during their overlap. Values are read first, whatever their organization, because few have the same end.
///
/// # Errors
/// Returns an error if the database fails.
pub async fn find_by_end(
    db: &Db,
    organization: OrganizationId,
    end: &str,
    now: Timestamp,
) -> Result<Vec<Row>> {
    let hint = |prefix: &str| format!("{prefix}_…{end}");
    let ids: Vec<(TokenId,)> = sql("SELECT token_id FROM token_values WHERE hint IN ($1, $2, $3, $4) \
         AND (stops_at IS NULL OR stops_at > $5) LIMIT 20")
    .bind(hint("tsra"))
    .bind(hint("tsrs"))
    .bind(hint("tsrt"))
    .bind(hint("tsro"))
    .bind(now)
    .all(db)
    .await?;
    let mut found = Vec::new();
    for (id,) in ids {
        let row: Option<Row> = sql(tokens_with!(
            ", COALESCE(a.name, own.name) AS holder, own.slug AS team, \
                COALESCE(t.last_used_at, t.created_at) AS used_at",
            "LEFT JOIN service_accounts a ON a.id = t.service_account_id LEFT JOIN teams own ON own.id = t.team_id",
            "t.id = $1 AND t.organization_id = $2 AND t.revoked_at IS NULL \
                AND (t.expires_at IS NULL OR t.expires_at > $3)"
        ))
        .bind(id)
        .bind(organization)
        .bind(now)
        .optional(db)
        .await?;
        found.extend(row);
        if found.len() == 5 {
            break;
        }
    }
    Ok(found)
}

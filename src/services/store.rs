//! SQL for services. Their secrets are rows of [`crate::tokens`].
//!
//! Statements that write take a permit and are called by `actions` only.

use super::model::{Service, Services, ValidService};
use crate::access::Permit;
use crate::platform::db::Source;
use crate::platform::id::{OrganizationId, ServiceId};
use crate::platform::text::{casefold, contains_pattern, taken};
use crate::platform::web::pagination::{Cursor, PageRequest, Sort, keyset};
use crate::platform::{Db, Error, Result, Timestamp, Tx, sql};

/// The columns by which the list can be sorted.
pub const COLUMNS: &[Sort] = &[Sort::ascending("name"), Sort::descending("created")];

/// The cursor of a service in a list with this order.
pub(super) fn cursor(page: &PageRequest, service: &Service) -> Cursor {
    let key = match page.order().0 {
        "created" => service.created_at.micros().to_string(),
        _ => casefold(&service.name),
    };
    Cursor { key, id: service.id.to_string() }
}

/// Text of the list's SELECT.
macro_rules! services_listed {
    () => {
        "SELECT s.id, s.organization_id, s.name, s.accepted_kinds, s.disabled_at, s.created_by_name, s.created_at, \
            s.version FROM services s WHERE s.organization_id = $4 AND s.name_folded LIKE $5 ESCAPE '\\'"
    };
}

/// A page of services.
///
/// # Errors
/// Returns an error if the database fails.
pub async fn list(
    db: &Db,
    organization: OrganizationId,
    search: &str,
    page: &PageRequest,
) -> Result<Vec<Service>> {
    let statement = match page.order().0 {
        "created" => keyset!(page, services_listed!(), sorted number "s.created_at", "s.id"),
        _ => keyset!(page, services_listed!(), sorted "s.name_folded", "s.id"),
    };
    Ok(statement.bind(organization).bind(contains_pattern(search)).all(db).await?)
}

/// Finds a service of the organization by its id.
///
/// # Errors
/// [`Error::NotFound`] if there is none, or an error of the database.
pub async fn find(source: impl Into<Source<'_>>, organization: OrganizationId, id: &str) -> Result<Service> {
    let found: Option<Service> = sql(
        "SELECT id, organization_id, name, accepted_kinds, disabled_at, created_by_name, created_at, version \
         FROM services WHERE organization_id = $1 AND id = $2",
    )
    .bind(organization)
    .bind(id)
    .optional(source)
    .await?;
    found.ok_or(Error::NotFound)
}

pub(super) async fn insert(
    tx: &mut Tx,
    permit: &Permit<Services>,
    (organization, id): (OrganizationId, ServiceId),
    service: &ValidService,
    (by, now): (&str, Timestamp),
) -> Result<()> {
    sql("INSERT INTO services (id, organization_id, name, name_folded, accepted_kinds, created_by_name, created_at, version) \
         VALUES ($1, $2, $3, $4, $5, $6, $7, 0)")
    .bind(id)
    .bind(organization)
    .bind(&service.name)
    .bind(casefold(&service.name))
    .bind(&service.accepted_kinds)
    .bind(by)
    .bind(now)
    .execute(tx, permit)
    .await
    .map_err(|error| Error::unique(error, "name", &taken("name", "service")))?;
    Ok(())
}

/// Writes an edit if the row still has the version that was read. Returns false otherwise.
pub(super) async fn update(
    tx: &mut Tx,
    was: &Permit<Service>,
    service: &ValidService,
    disabled_at: Option<Timestamp>,
) -> Result<bool> {
    let rows =
        sql("UPDATE services SET name = $1, name_folded = $2, accepted_kinds = $3, disabled_at = $4, \
            version = version + 1 WHERE id = $5 AND version = $6")
        .bind(&service.name)
        .bind(casefold(&service.name))
        .bind(&service.accepted_kinds)
        .bind(disabled_at)
        .bind(was.id)
        .bind(was.version)
        .execute(tx, was)
        .await
        .map_err(|error| Error::unique(error, "name", &taken("name", "service")))?;
    Ok(rows == 1)
}

pub(super) async fn delete(tx: &mut Tx, service: &Permit<Service>) -> Result<()> {
    sql("DELETE FROM services WHERE id = $1").bind(service.id).execute(tx, service).await?;
    Ok(())
}

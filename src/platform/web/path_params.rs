//! The parameters in the paths of an organization's pages and operations. The
//! first is the organization's slug, which the extractor of the caller checks, so
//! that handlers have no use for it.

use axum::extract::Path;

/// One item: the organization, and the slug or id of the item.
pub type ItemPath = Path<(String, String)>;

/// A part of an item, such as a key of a service account: the organization, the
/// slug or id of the item, and the id of the part.
pub type PartPath = Path<(String, String, String)>;

//! A transaction that ends with its event.

use super::event::{Actor, Event};
use super::store;
use crate::platform::db::Touched;
use crate::platform::id::{OrganizationId, PersonId, TokenId};
use crate::platform::{Context, Error, Result, Timestamp, Tx};

/// A change under way. Dropping it undoes it.
#[derive(Debug)]
pub struct Change<'a> {
    tx: Tx,
    context: &'a Context,
    actor: &'a Actor,
    organization: Option<OrganizationId>,
    told: u8,
    touched: Option<Touched>,
    /// The moment of the change: one for all its rows.
    pub now: Timestamp,
}

impl<'a> Change<'a> {
    /// Begins a change in an organization, or of the installation (`None`).
    ///
    /// # Errors
    /// When the database gives no transaction.
    pub async fn begin(
        context: &'a Context,
        actor: &'a Actor,
        organization: Option<OrganizationId>,
    ) -> Result<Self> {
        let tx = context.db.begin().await?;
        Ok(Self { tx, context, actor, organization, told: 0, touched: None, now: context.clock.now() })
    }

    /// Says that nothing that is remembered depends on this change: it makes a
    /// token that nobody has asked about yet, or only tells of something. Without
    /// it memory forgets what belongs to the organization, or everything where
    /// there is none.
    pub const fn touches_nothing(&mut self) {
        self.touched = Some(Touched::Nothing);
    }

    /// Says that it is about one token alone, which is no access token: its
    /// values, its end, its name, its addresses.
    pub fn touches_token(&mut self, token: TokenId) {
        self.touched = Some(Touched::These(token.into(), None));
    }

    /// Says that it is about a person's own things and nothing else.
    pub fn touches_person(&mut self, person: PersonId) {
        self.touched = Some(Touched::These(person.into(), None));
    }

    fn touched(&self) -> Touched {
        let whole = self.organization.map_or(Touched::Everything, |id| Touched::These(id.into(), None));
        self.touched.unwrap_or(whole)
    }

    /// Says to which organization the change belongs, where it makes one.
    pub fn within(&mut self, organization: OrganizationId) {
        self.organization = Some(organization);
    }

    /// The transaction, for the store.
    pub const fn tx(&mut self) -> &mut Tx {
        &mut self.tx
    }

    /// In which organization it is.
    #[must_use]
    pub const fn organization(&self) -> Option<OrganizationId> {
        self.organization
    }

    /// Who makes the change.
    #[must_use]
    pub const fn actor(&self) -> &Actor {
        self.actor
    }

    /// Clock and randomness, for new ids and values.
    #[must_use]
    pub const fn context(&self) -> &Context {
        self.context
    }

    /// Writes one more event, where a change does several things at once.
    ///
    /// # Errors
    /// When the database cannot.
    pub async fn also(&mut self, event: &Event) -> Result<()> {
        store::append(
            &mut self.tx,
            self.context,
            self.actor,
            self.organization,
            (self.now, self.told),
            event,
        )
        .await?;
        self.told = self.told.saturating_add(1);
        Ok(())
    }

    /// Commits a change whose events were written as it went (a token's own).
    ///
    /// # Errors
    /// When no event was written, or the database cannot; then nothing happened.
    pub async fn done(self) -> Result<()> {
        if self.told == 0 {
            return Err(Error::internal("a change without an event"));
        }
        let touched = self.touched();
        self.context.db.commit(self.tx, touched).await?;
        Ok(())
    }

    /// Writes the event and commits both.
    ///
    /// # Errors
    /// When the database cannot; then nothing happened.
    pub async fn commit(mut self, event: Event) -> Result<()> {
        self.also(&event).await?;
        let touched = self.touched();
        self.context.db.commit(self.tx, touched).await?;
        tracing::info!(
            action = %event.action, target = %event.target_id, actor = %self.actor.id, "changed"
        );
        Ok(())
    }
}

//! A transaction that ends with its event, and that gives nobody access which
//! the caller does not hold. Every write that concerns access goes through
//! [`Change::write`], which takes its effect; `commit` checks all effects
//! against the caller before the event is written.

use super::event::{Actor, ActorKind, Event};
use super::privileges::{Authority, Privileges};
use super::store;
use crate::access::{PrincipalId, Subject};
use crate::platform::db::{InvalidationScope, Statement, WriteProof};
use crate::platform::id::{OrganizationId, PersonId, TokenId};
use crate::platform::{Context, Error, Result, Timestamp, Tx};
use crate::principals::{Effect, OrganizationFacts};

/// Who sees the events of a change that belongs to no organization.
#[derive(Clone, Copy, Debug)]
enum About {
    /// The organizations of whoever makes it.
    Actor,
    /// The organizations of this person.
    Person(PersonId),
    /// Whoever runs the installation, and nobody else.
    Installation,
}

/// A change under way. Dropping it undoes it.
#[derive(Debug)]
pub struct Change<'a> {
    tx: Tx,
    context: &'a Context,
    actor: &'a Actor,
    organization: Option<OrganizationId>,
    told: u8,
    invalidation: Option<InvalidationScope>,
    privileges: Privileges,
    about: About,
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
        let (told, invalidation, now) = (0, None, context.clock.now());
        let privileges = Privileges::new(Authority::Actor);
        let about = About::Actor;
        Ok(Self { tx, context, actor, organization, told, invalidation, privileges, about, now })
    }

    /// Lets this change give access without a caller who holds it: the first
    /// run and a new organization, which have nobody who could, and what an
    /// external identity was proved for.
    pub fn without_caller(&mut self) {
        self.privileges = Privileges::new(Authority::System);
    }

    /// Checks this change against another principal than the one that asks
    /// for it: whoever accepts an invitation acts for whoever made it.
    pub fn on_behalf_of(&mut self, principal: PrincipalId) {
        self.privileges = Privileges::new(Authority::Principal(principal));
    }

    /// The caller as it is inside this transaction, with its organization.
    /// Other changes of the organization wait until this one ends.
    ///
    /// # Errors
    /// [`Error::NotFound`] or [`Error::Unauthenticated`] where it is gone; when
    /// the database cannot.
    pub async fn load_caller(&mut self) -> Result<(OrganizationFacts, Subject)> {
        let organization = self.organization.ok_or(Error::NotFound)?;
        self.privileges.load_caller(&mut self.tx, self.actor, organization, self.now).await
    }

    /// Writes what can give somebody access. What the affected principals hold
    /// is loaded first, and compared when the change commits. Gives the number
    /// of rows that were touched.
    ///
    /// # Errors
    /// As [`Change::affects`]; what the driver says.
    pub async fn write(
        &mut self,
        proof: &impl WriteProof,
        effect: Effect,
        statement: Statement,
    ) -> Result<u64> {
        self.affects(effect).await?;
        Ok(statement.execute(&mut self.tx, proof).await?)
    }

    /// The same, with the driver's own error for a unique constraint.
    ///
    /// # Errors
    /// As [`Change::affects`]; `conflict` makes of the driver's error what it says.
    pub async fn write_unique(
        &mut self,
        proof: &impl WriteProof,
        effect: Effect,
        statement: Statement,
        conflict: impl FnOnce(sqlx::Error) -> Error,
    ) -> Result<u64> {
        self.affects(effect).await?;
        statement.execute(&mut self.tx, proof).await.map_err(conflict)
    }

    /// Records an effect before its write: loads what the affected principals hold
    /// now, which the commit compares with what they hold then.
    ///
    /// # Errors
    /// [`Error::Forbidden`] where it affects more than can be compared; when the
    /// database cannot.
    pub async fn affects(&mut self, effect: Effect) -> Result<()> {
        self.privileges.record(&mut self.tx, (self.actor, self.organization, self.now), effect).await
    }

    /// Says that nothing that is remembered depends on this change: it makes a
    /// token that nobody has asked about yet, or only tells of something. Without
    /// it memory forgets what belongs to the organization, or everything where
    /// there is none.
    pub const fn no_invalidation(&mut self) {
        self.invalidation = Some(InvalidationScope::Nothing);
    }

    /// Says that it is about one token alone, which is no access token: its
    /// values, its end, its name, its addresses.
    pub fn invalidates_token(&mut self, token: TokenId) {
        self.invalidation = Some(InvalidationScope::These(token.into(), None));
    }

    /// Says that it is about a person's own things and nothing else.
    pub fn invalidates_person(&mut self, person: PersonId) {
        self.invalidation = Some(InvalidationScope::These(person.into(), None));
    }

    fn invalidation(&self) -> InvalidationScope {
        let whole = self
            .organization
            .map_or(InvalidationScope::Everything, |id| InvalidationScope::These(id.into(), None));
        self.invalidation.unwrap_or(whole)
    }

    /// Says whom a change is about that belongs to no organization: each of the
    /// person's organizations finds it in its log. Without it they are those of
    /// the person who makes the change.
    pub const fn about_person(&mut self, person: PersonId) {
        self.about = About::Person(person);
    }

    /// Keeps a change that belongs to no organization out of the logs of all.
    pub const fn of_installation(&mut self) {
        self.about = About::Installation;
    }

    /// The logs that an event is written to.
    async fn logs(&mut self) -> Result<Vec<Option<OrganizationId>>> {
        if self.organization.is_some() {
            return Ok(vec![self.organization]);
        }
        let person = match self.about {
            About::Person(person) => Some(person),
            About::Actor if self.actor.kind == ActorKind::Person => self.actor.id.parse().ok(),
            About::Actor | About::Installation => None,
        };
        let mut logs = vec![None];
        if let Some(person) = person {
            logs.extend(store::list_organizations_of(&mut self.tx, person).await?.into_iter().map(Some));
        }
        Ok(logs)
    }

    /// Says to which organization the change belongs, where it makes one.
    pub fn within(&mut self, organization: OrganizationId) {
        self.organization = Some(organization);
    }

    /// The transaction of this change, to pass to the functions of a section's `store`.
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
        for log in self.logs().await? {
            let at = (self.now, self.told);
            store::insert_event(&mut self.tx, self.context, self.actor, log, at, event).await?;
            self.told = self.told.saturating_add(1);
        }
        Ok(())
    }

    /// Refuses a change by which somebody would hold what they did not hold
    /// before, and what the caller does not hold.
    ///
    /// # Errors
    /// [`Error::Forbidden`] with the permission; when the database cannot.
    pub async fn verify(&mut self) -> Result<()> {
        self.privileges.verify(&mut self.tx).await
    }

    /// Commits a change whose events were written as it went (a token's own).
    ///
    /// # Errors
    /// When no event was written, or the database cannot; then nothing happened.
    pub async fn done(mut self) -> Result<()> {
        if self.told == 0 {
            return Err(Error::internal("a change without an event"));
        }
        self.verify().await?;
        let invalidation = self.invalidation();
        self.context.db.commit(self.tx, invalidation).await?;
        Ok(())
    }

    /// Writes the event and commits both.
    ///
    /// # Errors
    /// When the database cannot; then nothing happened.
    pub async fn commit(mut self, event: Event) -> Result<()> {
        self.verify().await?;
        self.also(&event).await?;
        let invalidation = self.invalidation();
        self.context.db.commit(self.tx, invalidation).await?;
        tracing::info!(
            action = %event.action, target = %event.target_id, actor = %self.actor.id, "changed"
        );
        Ok(())
    }
}

//! What each source is doing, as any replica can tell.

use sea_orm::sea_query::Expr;
use sea_orm::{ColumnTrait as _, Condition, EntityTrait as _, QueryFilter as _, Set};
use tripline_kernel::{Timestamp, Uid};

use super::entity::source_status::{ActiveModel, Column, Entity};
use super::{Error, Store, bytes, signed, unsigned};

/// What a source is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum SourceState {
    /// It is connecting.
    Starting,
    /// It receives what happens.
    Running,
    /// It failed and will be run again.
    Failing,
    /// Its owner has paused it.
    Paused,
}

/// What a source is doing, and what it has brought.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct SourceStatus {
    pub(crate) state: SourceState,
    /// Why it is failing, or what it cannot see while it runs; empty otherwise.
    pub(crate) reason: String,
    /// When the state was entered.
    pub(crate) since: Timestamp,
    /// Events brought since the source was made.
    pub(crate) events: u64,
    pub(crate) last_event_at: Option<Timestamp>,
}

impl Store {
    /// The status of a source of this tenant, if it ever had one.
    pub(crate) async fn source_status(
        &self,
        tenant: Uid,
        source: Uid,
    ) -> Result<Option<SourceStatus>, Error> {
        let row = Entity::find().filter(of(tenant, source)).one(&self.db).await?;
        let Some(row) = row else { return Ok(None) };
        let state = match row.state {
            0 => SourceState::Starting,
            1 => SourceState::Running,
            2 => SourceState::Failing,
            3 => SourceState::Paused,
            _ => return Err(Error::Damaged("source status")),
        };
        Ok(Some(SourceStatus {
            state,
            reason: row.reason,
            since: Timestamp::from_micros(row.since),
            events: unsigned(row.events),
            last_event_at: row.last_event_at.map(Timestamp::from_micros),
        }))
    }

    /// Writes the status of a source.
    ///
    /// # Errors
    /// [`Error::Fenced`] when one was written under a later epoch.
    pub(crate) async fn save_source_status(
        &self,
        tenant: Uid,
        source: Uid,
        epoch: u64,
        status: &SourceStatus,
    ) -> Result<(), Error> {
        let state: i16 = match status.state {
            SourceState::Starting => 0,
            SourceState::Running => 1,
            SourceState::Failing => 2,
            SourceState::Paused => 3,
        };
        let last_event_at = status.last_event_at.map(Timestamp::as_micros);
        let updated = Entity::update_many()
            .col_expr(Column::Epoch, Expr::value(signed(epoch)))
            .col_expr(Column::State, Expr::value(state))
            .col_expr(Column::Reason, Expr::value(status.reason.clone()))
            .col_expr(Column::Since, Expr::value(status.since.as_micros()))
            .col_expr(Column::Events, Expr::value(signed(status.events)))
            .col_expr(Column::LastEventAt, Expr::value(last_event_at))
            .filter(of(tenant, source))
            .filter(Column::Epoch.lte(signed(epoch)))
            .exec(&self.db)
            .await?;
        if updated.rows_affected > 0 {
            return Ok(());
        }
        let row = ActiveModel {
            tenant: Set(bytes(tenant)),
            source: Set(bytes(source)),
            epoch: Set(signed(epoch)),
            state: Set(state),
            reason: Set(status.reason.clone()),
            since: Set(status.since.as_micros()),
            events: Set(signed(status.events)),
            last_event_at: Set(last_event_at),
        };
        match Entity::insert(row).exec_without_returning(&self.db).await {
            Ok(_) => Ok(()),
            Err(error) if error.sql_err().is_some() => Err(Error::Fenced),
            Err(error) => Err(error.into()),
        }
    }
}

fn of(tenant: Uid, source: Uid) -> Condition {
    Condition::all().add(Column::Tenant.eq(bytes(tenant))).add(Column::Source.eq(bytes(source)))
}

//! What an error of a database means.

use std::borrow::Cow;

use sea_orm::sqlx::Error as SqlxError;
use sea_orm::sqlx::error::DatabaseError;
use sea_orm::{DbErr, RuntimeErr, SqlxMySqlError, SqlxPostgresError, SqlxSqliteError};
use tripline_kernel::{Classify, ErrorKind};

/// A database did not do what was asked.
#[derive(Debug, Clone, thiserror::Error)]
#[error("the database cannot be used")]
pub struct Error(#[from] pub DbErr);

impl Classify for Error {
    /// [`ErrorKind::Unavailable`] when the same request may succeed later, [`ErrorKind::Internal`] when the request itself was
    /// refused: that is a fault of ours.
    fn kind(&self) -> ErrorKind {
        match &self.0 {
            error if is_away(error) || is_contended(error) || is_full(error) => {
                ErrorKind::Unavailable
            }
            _ => ErrorKind::Internal,
        }
    }

    fn code(&self) -> Cow<'static, str> {
        match self.kind() {
            ErrorKind::Unavailable => "store-unavailable",
            _ => "store-failed",
        }
        .into()
    }

    fn retry_after_seconds(&self) -> Option<u32> {
        (self.kind() == ErrorKind::Unavailable).then_some(1)
    }
}

/// Whether the database could not be reached or is not up, as opposed to having refused what was asked.
#[must_use]
pub fn is_away(error: &DbErr) -> bool {
    match cause(error) {
        Cause::Away => true,
        Cause::Refused(error) => match Code::of(error) {
            Code::Sqlite(_) => false,
            // Too many connections, shutting down, broken or killed connections.
            Code::MySql(code) => {
                matches!(code, 1040 | 1053 | 1077 | 1079 | 1080 | 1152 | 1158..=1161 | 1203 | 1927)
            }
            // Connection exceptions, too many connections, an operator's intervention (57P01: shutdown; 57P03: starting), and a
            // session that was ended because it was idle within a transaction.
            Code::Postgres(code) => {
                code.starts_with("08")
                    || code.starts_with("57P")
                    || matches!(code, "53300" | "25P03")
            }
            Code::Other => false,
        },
        Cause::Other => false,
    }
}

/// Whether another transaction was in the way: a deadlock, a lock held too long. The whole transaction may be tried again.
#[must_use]
pub fn is_contended(error: &DbErr) -> bool {
    let Cause::Refused(error) = cause(error) else { return false };
    match Code::of(error) {
        // BUSY and LOCKED, with whatever extension in the higher bits.
        Code::Sqlite(code) => matches!(code & 0xff, 5 | 6),
        Code::MySql(code) => matches!(code, 1205 | 1213 | 1020),
        Code::Postgres(code) => matches!(code, "40001" | "40P01" | "55P03"),
        Code::Other => false,
    }
}

/// Whether the disk is full, or fails.
fn is_full(error: &DbErr) -> bool {
    let Cause::Refused(error) = cause(error) else { return false };
    match Code::of(error) {
        Code::Sqlite(code) => matches!(code & 0xff, 10 | 13),
        Code::MySql(code) => matches!(code, 1021 | 1114),
        Code::Postgres(code) => code.starts_with("53") || code.starts_with("58"),
        Code::Other => false,
    }
}

enum Cause<'a> {
    Away,
    Refused(&'a dyn DatabaseError),
    Other,
}

fn cause(error: &DbErr) -> Cause<'_> {
    let inner = match error {
        DbErr::ConnectionAcquire(_) => return Cause::Away,
        DbErr::Conn(RuntimeErr::SqlxError(inner))
        | DbErr::Exec(RuntimeErr::SqlxError(inner))
        | DbErr::Query(RuntimeErr::SqlxError(inner)) => inner,
        _ => return Cause::Other,
    };
    match &**inner {
        SqlxError::Database(refused) => Cause::Refused(&**refused),
        SqlxError::Io(_)
        | SqlxError::Tls(_)
        | SqlxError::Protocol(_)
        | SqlxError::PoolTimedOut
        | SqlxError::PoolClosed
        | SqlxError::WorkerCrashed => Cause::Away,
        _ => Cause::Other,
    }
}

enum Code<'a> {
    Sqlite(i64),
    MySql(u16),
    Postgres(&'a str),
    Other,
}

impl<'a> Code<'a> {
    fn of(error: &'a dyn DatabaseError) -> Self {
        if let Some(error) = error.try_downcast_ref::<SqlxMySqlError>() {
            Self::MySql(error.number())
        } else if let Some(error) = error.try_downcast_ref::<SqlxPostgresError>() {
            Self::Postgres(error.code())
        } else if error.try_downcast_ref::<SqlxSqliteError>().is_some() {
            Self::Sqlite(error.code().and_then(|code| code.parse().ok()).unwrap_or(0))
        } else {
            Self::Other
        }
    }
}

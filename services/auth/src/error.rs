//! What can go wrong.

use std::borrow::Cow;

use sea_orm::DbErr;
use tripline_kernel::{Classify, ErrorKind, Uid};
use tripline_signing::InvalidApiKey;

/// What can go wrong in auth.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The API key is nobody's.
    #[error("the API key is not valid")]
    UnknownApiKey,
    /// No rule allows this subject to invoke this function.
    #[error("no rule allows this subject to invoke this function")]
    RuleNotFound,
    /// A revoked relation does not come back.
    #[error("the relation {0} was revoked and cannot be granted again")]
    RelationRevoked(Uid),
    /// The relation belongs to another rule, or another tenant.
    #[error("the relation {0} belongs to another rule")]
    RelationTaken(Uid),
    /// The database did not do what was asked.
    #[error(transparent)]
    Store(#[from] tripline_db::Error),
    /// The administrator's API key, as configured, cannot be one.
    #[error("the administrator's API key cannot be used: {0}")]
    AdminKey(InvalidApiKey),
    /// Connections can no longer be accepted.
    #[error("the gRPC server failed")]
    Serve(#[source] tonic::transport::Error),
}

impl From<DbErr> for Error {
    fn from(error: DbErr) -> Self {
        Self::Store(error.into())
    }
}

impl Classify for Error {
    fn kind(&self) -> ErrorKind {
        match self {
            Self::UnknownApiKey => ErrorKind::Unauthenticated,
            Self::RuleNotFound => ErrorKind::NotFound,
            Self::RelationRevoked(_) | Self::RelationTaken(_) => ErrorKind::Conflict,
            Self::Store(error) => error.kind(),
            Self::AdminKey(_) => ErrorKind::Invalid,
            Self::Serve(_) => ErrorKind::Internal,
        }
    }

    fn code(&self) -> Cow<'static, str> {
        match self {
            Self::UnknownApiKey => "invalid-api-key",
            Self::RuleNotFound => "rule-not-found",
            Self::RelationRevoked(_) => "relation-revoked",
            Self::RelationTaken(_) => "relation-taken",
            Self::Store(error) => return error.code(),
            Self::AdminKey(_) => "bad-api-key",
            Self::Serve(_) => "internal",
        }
        .into()
    }

    fn retry_after_seconds(&self) -> Option<u32> {
        match self {
            Self::Store(error) => error.retry_after_seconds(),
            _ => None,
        }
    }
}

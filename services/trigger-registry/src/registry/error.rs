//! Why a request is not done.

use std::borrow::Cow;

use tripline_kernel::{Classify, ErrorKind, Fault, Name, Timestamp};

use crate::resource::Kind;
use crate::store;

/// Why a request is not done.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    /// There is no such resource.
    #[error("there is no {kind} '{name}'")]
    NotFound { kind: Kind, name: String },
    /// The trigger never had a definition of this revision, or is gone.
    #[error("trigger {trigger} has no revision {revision}")]
    NoRevision { trigger: String, revision: u64 },
    /// The resource was not to exist yet.
    #[error("{kind} '{name}' already exists")]
    Exists { kind: Kind, name: Name },
    /// The resource is not at the revision that was asked for.
    #[error("{kind} '{name}' is not at revision {asked} but {}", at(.found))]
    RevisionMismatch { kind: Kind, name: Name, asked: u64, found: Option<u64> },
    /// The request is wrong in these places.
    #[error("the {kind} is not valid: {}", list(.faults))]
    Invalid { kind: Kind, faults: Vec<Fault> },
    /// The cursor is not one that a list gave out.
    #[error("the cursor is not one that a list has answered with")]
    InvalidCursor,
    /// Triggers go by this source.
    #[error("source '{source_name}' is used by {}", names(.triggers))]
    SourceInUse { source_name: Name, triggers: Vec<Name> },
    /// Sources or triggers are on this bus.
    #[error("bus '{bus}' is used by {}", kinds_and_names(.users))]
    BusInUse { bus: Name, users: Vec<(Kind, Name)> },
    /// Every tenant has a default bus.
    #[error("the bus 'default' cannot be deleted")]
    DefaultBus,
    /// The source of this name is not the trigger's.
    #[error("trigger '{0}' does not go by a source of its own name")]
    NoPair(Name),
    /// The idempotency key came with another request before.
    #[error("the idempotency key was used for another request")]
    KeyReused,
    /// A signing secret before the newest still counts.
    #[error("the signing secret of function '{function}' before the newest counts until {until}")]
    Rotating { function: Name, until: Timestamp },
    /// The trigger is not in force yet.
    #[error("trigger '{0}' is still activating: try again when it is active")]
    Activating(Name),
    /// The trigger is on its way out.
    #[error("trigger '{0}' is being deleted: try again when it is gone")]
    Deleting(Name),
    /// A stored secret was sealed with another master key.
    #[error("a secret of {kind} '{name}' does not open with this master key")]
    Sealed { kind: Kind, name: Name },
    /// The store did not do what was asked.
    #[error(transparent)]
    Store(#[from] store::Error),
}

impl Error {
    pub(crate) fn not_found(kind: Kind, name: &str) -> Self {
        Self::NotFound { kind, name: name.to_owned() }
    }
}

fn at(found: &Option<u64>) -> String {
    found.map_or_else(|| "does not exist".to_owned(), |revision| format!("at {revision}"))
}

fn list(faults: &[Fault]) -> String {
    let one = |fault: &Fault| format!("{}: {}", fault.pointer, fault.detail);
    faults.iter().map(one).collect::<Vec<_>>().join("; ")
}

fn names(names: &[Name]) -> String {
    let quoted: Vec<_> = names.iter().map(|name| format!("'{name}'")).collect();
    format!("the triggers {}", quoted.join(", "))
}

fn kinds_and_names(users: &[(Kind, Name)]) -> String {
    let named = users.iter().map(|(kind, name)| format!("{kind} '{name}'"));
    named.collect::<Vec<_>>().join(", ")
}

impl Classify for Error {
    fn kind(&self) -> ErrorKind {
        match self {
            Self::NotFound { .. } | Self::NoRevision { .. } => ErrorKind::NotFound,
            Self::Exists { .. }
            | Self::SourceInUse { .. }
            | Self::BusInUse { .. }
            | Self::DefaultBus
            | Self::NoPair(_)
            | Self::Rotating { .. }
            | Self::Activating(_)
            | Self::Deleting(_) => ErrorKind::Conflict,
            Self::RevisionMismatch { .. } => ErrorKind::Precondition,
            Self::Invalid { .. } | Self::InvalidCursor | Self::KeyReused => ErrorKind::Invalid,
            Self::Sealed { .. } => ErrorKind::Internal,
            Self::Store(error) => error.kind(),
        }
    }

    fn code(&self) -> Cow<'static, str> {
        match self {
            Self::NotFound { kind: Kind::Bus, .. } => "bus-not-found".into(),
            Self::NotFound { kind: Kind::Function, .. } => "function-not-found".into(),
            Self::NotFound { kind: Kind::Source, .. } => "source-not-found".into(),
            Self::NotFound { kind: Kind::Trigger, .. } => "trigger-not-found".into(),
            Self::NoRevision { .. } => "trigger-revision-not-found".into(),
            Self::Exists { .. } => "already-exists".into(),
            Self::RevisionMismatch { .. } => "revision-mismatch".into(),
            Self::Invalid { kind, faults } => code_of(*kind, faults),
            Self::InvalidCursor => "invalid-cursor".into(),
            Self::SourceInUse { .. } => "source-in-use".into(),
            Self::BusInUse { .. } => "bus-in-use".into(),
            Self::DefaultBus => "default-bus".into(),
            Self::NoPair(_) => "not-a-source-trigger".into(),
            Self::KeyReused => "idempotency-key-reused".into(),
            Self::Rotating { .. } => "rotation-under-way".into(),
            Self::Activating(_) => "trigger-activating".into(),
            Self::Deleting(_) => "trigger-deleting".into(),
            Self::Sealed { .. } => "secret-unreadable".into(),
            Self::Store(error) => error.code(),
        }
    }

    fn faults(&self) -> &[Fault] {
        match self {
            Self::Invalid { faults, .. } => faults,
            _ => &[],
        }
    }

    fn retry_after_seconds(&self) -> Option<u32> {
        match self {
            Self::Store(error) => error.retry_after_seconds(),
            _ => None,
        }
    }
}

/// The code of a fault that says all there is to say, else that of the whole resource.
fn code_of(kind: Kind, faults: &[Fault]) -> Cow<'static, str> {
    const TELLING: [&str; 6] = [
        "partitions-fixed",
        "bus-not-found",
        "source-not-found",
        "function-not-found",
        "unsupported-start",
        "unknown-kind",
    ];
    if let [fault] = faults
        && TELLING.contains(&fault.code.as_ref())
    {
        return fault.code.clone();
    }
    if faults.iter().all(|fault| fault.pointer.starts_with("/pattern")) {
        return "invalid-pattern".into();
    }
    match kind {
        Kind::Bus => "invalid-bus".into(),
        Kind::Function => "invalid-function".into(),
        Kind::Source => "invalid-source".into(),
        Kind::Trigger => "invalid-trigger".into(),
    }
}

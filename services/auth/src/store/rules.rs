//! Rules and the relations that they live by.

use sea_orm::{
    ActiveModelTrait as _, ColumnTrait as _, Condition, ConnectionTrait, DbErr, EntityTrait as _,
    QueryFilter as _, QueryOrder as _, QuerySelect as _, Set,
};
use tripline_event::Subject;
use tripline_kernel::{TenantUid, Uid};

use super::entity::{relation, rule};
use super::{Store, Writing, bytes, from_i64, to_i64, uid};
use crate::Error;
use crate::rule::{Binding, Change, Rule};

/// Most changes that are read at once.
pub(crate) const CHANGES_PAGE: u64 = 500;

impl Store {
    /// Adds a relation to the rule of its binding, and makes the rule if this is its first. Idempotent.
    pub(crate) async fn grant(&self, relation: Uid, binding: Binding) -> Result<Rule, Error> {
        let writing = self.begin_write().await?;
        let existing = relation::Entity::find_by_id(bytes(relation)).one(&writing.tx).await?;
        if let Some(existing) = existing {
            if existing.tenant != bytes(binding.tenant) {
                return Err(Error::RelationTaken(relation));
            }
            if existing.revoked {
                return Err(Error::RelationRevoked(relation));
            }
            if binding_of(&existing)? != Some(binding) {
                return Err(Error::RelationTaken(relation));
            }
            let rule = find(&writing.tx, &binding).await?.filter(|rule| !rule.ended);
            return Ok(rule.map(Change::try_from).transpose()?.ok_or(Error::RuleNotFound)?.rule);
        }
        let (kind, subject) = parts(binding.subject);
        let relation = relation::ActiveModel {
            relation: Set(bytes(relation)),
            tenant: Set(bytes(binding.tenant)),
            subject_kind: Set(Some(kind)),
            subject: Set(Some(bytes(subject))),
            function: Set(Some(bytes(binding.function))),
            revoked: Set(false),
            ended_rule: Set(None),
        };
        relation::Entity::insert(relation).exec_without_returning(&writing.tx).await?;
        let rule = self.rule_in_force(&writing, binding).await?;
        self.commit(writing).await?;
        Ok(rule)
    }

    async fn rule_in_force(&self, writing: &Writing, binding: Binding) -> Result<Rule, Error> {
        let (existing, uid) = (find(&writing.tx, &binding).await?, self.new_uid());
        let began = Rule { uid, binding, revision: writing.revision };
        match existing {
            Some(existing) if !existing.ended => return Ok(Change::try_from(existing)?.rule),
            Some(ended) => {
                let mut rule: rule::ActiveModel = ended.into();
                rule.uid = Set(bytes(uid));
                rule.ended = Set(false);
                rule.revision = Set(to_i64(writing.revision));
                rule.update(&writing.tx).await?;
            }
            None => {
                let (kind, subject) = parts(binding.subject);
                let rule = rule::ActiveModel {
                    tenant: Set(bytes(binding.tenant)),
                    subject_kind: Set(kind),
                    subject: Set(bytes(subject)),
                    function: Set(bytes(binding.function)),
                    uid: Set(bytes(uid)),
                    ended: Set(false),
                    revision: Set(to_i64(writing.revision)),
                };
                rule::Entity::insert(rule).exec_without_returning(&writing.tx).await?;
            }
        }
        Ok(began)
    }

    /// Takes a relation out of its rule, for ever, and answers the rule that ended with it. Idempotent.
    ///
    /// A relation that is not known is marked as well: a grant of it that comes late is refused.
    pub(crate) async fn revoke(
        &self,
        tenant: TenantUid,
        relation: Uid,
    ) -> Result<Option<Uid>, Error> {
        let writing = self.begin_write().await?;
        let existing = relation::Entity::find_by_id(bytes(relation)).one(&writing.tx).await?;
        let ended = match existing {
            Some(existing) if existing.tenant != bytes(tenant) => {
                return Err(Error::RelationTaken(relation));
            }
            Some(existing) if existing.revoked => {
                return Ok(existing.ended_rule.as_deref().map(uid).transpose()?);
            }
            Some(existing) => revoke_known(&writing, existing).await?,
            None => {
                let marked = relation::ActiveModel {
                    relation: Set(bytes(relation)),
                    tenant: Set(bytes(tenant)),
                    subject_kind: Set(None),
                    subject: Set(None),
                    function: Set(None),
                    revoked: Set(true),
                    ended_rule: Set(None),
                };
                relation::Entity::insert(marked).exec_without_returning(&writing.tx).await?;
                None
            }
        };
        self.commit(writing).await?;
        Ok(ended)
    }

    /// The rule in force for a binding.
    pub(crate) async fn rule(&self, binding: &Binding) -> Result<Rule, Error> {
        let rule = find(&self.db, binding).await?.filter(|rule| !rule.ended);
        Ok(rule.map(Change::try_from).transpose()?.ok_or(Error::RuleNotFound)?.rule)
    }

    /// The last change of each binding above `after`, in order of revision, at most [`CHANGES_PAGE`] of them.
    ///
    /// From the beginning (`after` = 0) rules that have ended are left out: whoever begins does not know them.
    pub(crate) async fn changes(&self, after: u64, from_zero: bool) -> Result<Vec<Change>, Error> {
        let mut wanted = Condition::all().add(rule::Column::Revision.gt(to_i64(after)));
        if from_zero {
            wanted = wanted.add(rule::Column::Ended.eq(false));
        }
        let rows = rule::Entity::find()
            .filter(wanted)
            .order_by_asc(rule::Column::Revision)
            .limit(CHANGES_PAGE)
            .all(&self.db)
            .await?;
        Ok(rows.into_iter().map(Change::try_from).collect::<Result<_, _>>()?)
    }
}

/// Revokes a relation that is in its rule, and ends the rule when it was the last.
async fn revoke_known(writing: &Writing, known: relation::Model) -> Result<Option<Uid>, DbErr> {
    let ends = match binding_of(&known)? {
        Some(binding) if !is_needed(writing, &binding, &known.relation).await? => {
            find(&writing.tx, &binding).await?.filter(|rule| !rule.ended)
        }
        Some(_) | None => None,
    };
    let ended = ends.as_ref().map(|rule| rule.uid.clone());
    let mut revoked: relation::ActiveModel = known.into();
    revoked.revoked = Set(true);
    // Kept, so that a revoke whose answer was lost is answered the same again.
    revoked.ended_rule = Set(ended.clone());
    revoked.update(&writing.tx).await?;
    if let Some(rule) = ends {
        let mut rule: rule::ActiveModel = rule.into();
        rule.ended = Set(true);
        rule.revision = Set(to_i64(writing.revision));
        rule.update(&writing.tx).await?;
    }
    ended.as_deref().map(uid).transpose()
}

/// Whether a relation other than this one needs the rule.
async fn is_needed(writing: &Writing, binding: &Binding, but: &[u8]) -> Result<bool, DbErr> {
    let (kind, subject) = parts(binding.subject);
    let other = relation::Entity::find()
        .filter(relation::Column::Tenant.eq(bytes(binding.tenant)))
        .filter(relation::Column::SubjectKind.eq(kind))
        .filter(relation::Column::Subject.eq(bytes(subject)))
        .filter(relation::Column::Function.eq(bytes(binding.function)))
        .filter(relation::Column::Revoked.eq(false))
        .filter(relation::Column::Relation.ne(but))
        .one(&writing.tx)
        .await?;
    Ok(other.is_some())
}

async fn find(db: &impl ConnectionTrait, binding: &Binding) -> Result<Option<rule::Model>, DbErr> {
    let (kind, subject) = parts(binding.subject);
    let key = (bytes(binding.tenant), kind, bytes(subject), bytes(binding.function));
    rule::Entity::find_by_id(key).one(db).await
}

const SOURCE: i16 = 1;
const API_KEY: i16 = 2;
const BUS: i16 = 3;

/// A subject as it is stored.
fn parts(subject: Subject) -> (i16, Uid) {
    match subject {
        Subject::Source(uid) => (SOURCE, uid),
        Subject::ApiKey(uid) => (API_KEY, uid),
        Subject::Bus(uid) => (BUS, uid),
    }
}

fn subject(kind: i16, stored: &[u8]) -> Result<Subject, DbErr> {
    let uid = uid(stored)?;
    match kind {
        SOURCE => Ok(Subject::Source(uid)),
        API_KEY => Ok(Subject::ApiKey(uid)),
        BUS => Ok(Subject::Bus(uid)),
        _ => Err(DbErr::Type("there are three kinds of subjects".to_owned())),
    }
}

fn binding_of(relation: &relation::Model) -> Result<Option<Binding>, DbErr> {
    let (Some(kind), Some(stored), Some(function)) =
        (relation.subject_kind, &relation.subject, &relation.function)
    else {
        return Ok(None);
    };
    let (tenant, function) = (uid(&relation.tenant)?, uid(function)?);
    Ok(Some(Binding { tenant, subject: subject(kind, stored)?, function }))
}

impl TryFrom<rule::Model> for Change {
    type Error = DbErr;

    fn try_from(row: rule::Model) -> Result<Self, DbErr> {
        let binding = Binding {
            tenant: uid(&row.tenant)?,
            subject: subject(row.subject_kind, &row.subject)?,
            function: uid(&row.function)?,
        };
        let rule = Rule { uid: uid(&row.uid)?, binding, revision: from_i64(row.revision)? };
        Ok(Self { rule, ended: row.ended })
    }
}

//! Statements with bound values, for three dialects.

use std::fmt::Write as _;

use sea_orm::{DbBackend, Statement, Value};
use tripline_kernel::{Timestamp, Uid};

/// A statement being put together.
#[derive(Clone)]
pub(super) struct Query {
    backend: DbBackend,
    sql: String,
    values: Vec<Value>,
}

impl Query {
    pub(super) fn new(backend: DbBackend, sql: &str) -> Self {
        Self { backend, sql: sql.to_owned(), values: Vec::new() }
    }

    pub(super) fn text(&mut self, sql: &str) -> &mut Self {
        self.sql.push_str(sql);
        self
    }

    /// Adds a placeholder and its value.
    pub(super) fn bind(&mut self, value: impl Into<Value>) -> &mut Self {
        self.values.push(value.into());
        match self.backend {
            DbBackend::Postgres => {
                write!(self.sql, "${}", self.values.len()).expect("text takes what is written");
            }
            _ => self.sql.push('?'),
        }
        self
    }

    /// Adds `(?, ?, …)`: one placeholder per value.
    pub(super) fn tuple(&mut self, values: impl IntoIterator<Item = Value>) -> &mut Self {
        let mut separator = "(";
        for value in values {
            self.text(separator).bind(value);
            separator = ",";
        }
        self.text(")")
    }

    /// Adds `IN (…)`. The list is filled up to one of a few lengths by repeating its last value, so that few different
    /// statements are prepared.
    pub(super) fn within(&mut self, values: impl ExactSizeIterator<Item = Value>) -> &mut Self {
        let len = values.len();
        debug_assert!(len > 0, "an empty list is no SQL");
        let mut values: Vec<_> = values.collect();
        let padded = LIST_LENGTHS.into_iter().find(|&padded| padded >= len).unwrap_or(len);
        if let Some(last) = values.last().cloned() {
            values.resize(padded, last);
        }
        self.text(" IN ").tuple(values)
    }

    /// Ends an insert with what to do where the row is there already: `columns` are changed to what `change` makes of the
    /// stored and the new value.
    pub(super) fn or_update(
        &mut self,
        key: &str,
        columns: &[&str],
        change: impl Fn(&str, &str) -> String,
    ) -> &mut Self {
        let mysql = self.backend == DbBackend::MySql;
        if mysql {
            self.text(" ON DUPLICATE KEY UPDATE ");
        } else {
            self.text(" ON CONFLICT (").text(key).text(") DO UPDATE SET ");
        }
        for (index, column) in columns.iter().enumerate() {
            let new =
                if mysql { format!("VALUES({column})") } else { format!("excluded.{column}") };
            self.text(if index == 0 { "" } else { "," }).text(column).text("=");
            self.text(&change(column, &new));
        }
        self
    }

    /// How many values it has.
    pub(super) fn len(&self) -> usize {
        self.values.len()
    }

    /// Adds another statement behind this one. For SQLite, which takes several in one text.
    pub(super) fn then(&mut self, next: &Self) -> &mut Self {
        debug_assert_eq!(self.backend, DbBackend::Sqlite, "numbered places would not add up");
        self.values.extend_from_slice(&next.values);
        self.text(";").text(&next.sql)
    }

    /// The statement.
    pub(super) fn build(self) -> Statement {
        Statement::from_sql_and_values(self.backend, self.sql, self.values)
    }
}

/// The lengths that lists are filled up to.
const LIST_LENGTHS: [usize; 6] = [1, 4, 16, 64, 128, 512];

/// Cuts rows into pieces whose lengths are powers of two, so that few different statements are prepared.
pub(super) fn pieces<T>(mut rows: &[T], len_max: usize) -> impl Iterator<Item = &[T]> {
    std::iter::from_fn(move || {
        if rows.is_empty() {
            return None;
        }
        let len = rows.len().min(len_max);
        let (piece, rest) = rows.split_at(1 << len.ilog2());
        rows = rest;
        Some(piece)
    })
}

pub(super) fn uid(uid: Uid) -> Value {
    Value::Bytes(Some(uid.as_bytes().to_vec()))
}

pub(super) fn optional_uid(uid: Option<Uid>) -> Value {
    Value::Bytes(uid.map(|uid| uid.as_bytes().to_vec()))
}

pub(super) fn bytes(bytes: &[u8]) -> Value {
    Value::Bytes(Some(bytes.to_vec()))
}

pub(super) fn time(time: Timestamp) -> Value {
    Value::BigInt(Some(time.as_micros()))
}

pub(super) fn optional_time(time: Option<Timestamp>) -> Value {
    Value::BigInt(time.map(Timestamp::as_micros))
}

pub(super) fn seq(seq: i64) -> Value {
    Value::BigInt(Some(seq))
}

pub(super) fn limit(rows: usize) -> Value {
    Value::BigInt(Some(i64::try_from(rows).unwrap_or(i64::MAX)))
}

#[cfg(test)]
mod tests {
    use super::pieces;

    #[test]
    fn pieces_are_powers_of_two_and_lose_nothing() {
        for len in 0..600_usize {
            let rows: Vec<_> = (0..len).collect();
            let cut: Vec<_> = pieces(&rows, 128).collect();
            assert!(cut.iter().all(|piece| piece.len().is_power_of_two() && piece.len() <= 128));
            assert_eq!(cut.concat(), rows);
        }
    }
}

//! What the command line does with a server.

pub(crate) mod acts;
pub(crate) mod apply;
pub(crate) mod input;
pub(crate) mod invoke;
pub(crate) mod publish;
pub(crate) mod records;
pub(crate) mod resources;
pub(crate) mod rotate;
pub(crate) mod tail;
pub(crate) mod trigger;

use std::io::Write;

use serde_json::Value;

use crate::client::Client;
use crate::failure::Failure;
use crate::output::Format;

/// What every command works with.
pub(crate) struct Session<'o> {
    pub(crate) client: Client,
    pub(crate) format: Format,
    pub(crate) out: &'o mut dyn Write,
}

/// Most items that are asked for at once.
const PAGE_ITEMS_MAX: usize = 500;

impl Session<'_> {
    /// Follows the pages of a list until it ends or there are `items_max`.
    async fn all(
        &self,
        path: &[&str],
        filters: &[(&str, &str)],
        items_max: usize,
    ) -> Result<Vec<Value>, Failure> {
        let mut items = Vec::new();
        let mut cursor = None::<String>;
        loop {
            let limit = PAGE_ITEMS_MAX.min(items_max - items.len()).to_string();
            let mut query = filters.to_vec();
            query.push(("limit", &limit));
            query.extend(cursor.as_deref().map(|cursor| ("cursor", cursor)));
            let mut page = self.client.get(path, &query).await?;
            match page["items"].take() {
                Value::Array(more) => items.extend(more),
                _ => return Err(Failure::Failed("the server's answer is not a list".to_owned())),
            }
            cursor = page["next_cursor"].as_str().map(str::to_owned);
            if cursor.is_none() || items.len() >= items_max {
                items.truncate(items_max);
                return Ok(items);
            }
        }
    }
}

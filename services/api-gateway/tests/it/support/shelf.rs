//! Where the fakes keep resources.

use std::collections::BTreeMap;
use std::sync::Mutex;

use tripline_contracts::pb;

/// Resources by tenant and name.
pub(super) type Shelf<T> = Mutex<BTreeMap<(String, String), T>>;

pub(super) fn at(tenant: &str, name: &str) -> (String, String) {
    (tenant.to_owned(), name.to_owned())
}

/// A page of the tenant's resources; a cursor is the index of the next item.
pub(super) fn page<T: Clone>(shelf: &Shelf<T>, list: &pb::ListRequest) -> (Vec<T>, String) {
    let start: usize = list.cursor.parse().unwrap_or(0);
    let shelf = shelf.lock().unwrap();
    let all = shelf.iter().filter(|((tenant, _), _)| *tenant == list.tenant);
    let all: Vec<_> = all.map(|(_, item)| item.clone()).collect();
    let limit = if list.limit == 0 { 50 } else { list.limit as usize };
    let end = all.len().min(start + limit);
    let next_cursor = if end < all.len() { end.to_string() } else { String::new() };
    (all[start..end].to_vec(), next_cursor)
}

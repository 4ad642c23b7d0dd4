//! The rules of an inventory, for every implementation of it.

use bytes::Bytes;

use super::{
    Change, Entry, INVENTORY_BATCH_MAX, INVENTORY_KEY_BYTES_MAX, INVENTORY_VALUE_BYTES_MAX,
    Inventory,
};

/// Runs the rules against an empty inventory.
///
/// # Panics
/// When one of them is broken.
pub async fn conformance(inventory: &dyn Inventory) {
    keys_are_bytes_in_order(inventory).await;
    pages_follow_one_another(inventory).await;
    what_is_too_much_is_refused(inventory).await;
}

fn set(key: &[u8], value: &[u8]) -> Change {
    Change { key: Bytes::copy_from_slice(key), value: Some(Bytes::copy_from_slice(value)) }
}

fn unset(key: &[u8]) -> Change {
    Change { key: Bytes::copy_from_slice(key), value: None }
}

async fn keys_are_bytes_in_order(inventory: &dyn Inventory) {
    let longest = [0xff; INVENTORY_KEY_BYTES_MAX];
    let keys: [&[u8]; 11] = [
        b"\0",
        b" ",
        b"A",
        b"a",
        b"a\0",
        b"a\0b",
        b"a ",
        b"a/b",
        b"\xc3\xa9",
        b"\xf0\x9f\x9a\x80",
        &longest,
    ];
    let mut shuffled: Vec<_> =
        keys.iter().map(|key| set(key, key.get(..9).unwrap_or(key))).collect();
    shuffled.rotate_left(4);
    inventory.write(&shuffled).await.expect("it takes keys of all bytes");
    let all = inventory.entries(b"").await.expect("it can be read");
    let found: Vec<_> = all.iter().map(|entry| &entry.key[..]).collect();
    assert_eq!(found, keys, "the order is that of bytes, and no two keys are the same");
    let above = inventory.entries(b"a\0b").await.expect("it can be read");
    assert_eq!(above, all[6..], "above a key does not mean from it on");

    let largest = [0xfe; INVENTORY_VALUE_BYTES_MAX];
    let changes = [set(b"a", &largest), unset(b"A"), unset(b"never there"), set(b"b", b"")];
    inventory.write(&changes).await.expect("it takes changes of all kinds");
    let sought: [Bytes; 4] = ["a", "A", "b", "c"].map(Bytes::from);
    let mut found = inventory.find(&sought).await.expect("it can be read");
    found.sort_by(|one, other| one.key.cmp(&other.key));
    let entry = |key: &[u8], value: &[u8]| Entry {
        key: Bytes::copy_from_slice(key),
        value: Bytes::copy_from_slice(value),
    };
    assert_eq!(found, [entry(b"a", &largest), entry(b"b", b"")]);
    assert_eq!(inventory.find(&[]).await.expect("nothing is sought"), []);
    inventory.write(&[]).await.expect("nothing is written");
    inventory.clear().await.expect("it can be cleared");
    assert_eq!(inventory.entries(b"").await.expect("it can be read"), []);
}

async fn pages_follow_one_another(inventory: &dyn Inventory) {
    let keys: Vec<_> = (0..INVENTORY_BATCH_MAX * 5 / 2).map(|n| format!("{n:06}")).collect();
    for part in keys.chunks(INVENTORY_BATCH_MAX) {
        let changes: Vec<_> = part.iter().map(|key| set(key.as_bytes(), b"v")).collect();
        inventory.write(&changes).await.expect("a full batch is taken");
    }
    let (mut found, mut after) = (Vec::new(), Bytes::new());
    loop {
        let page = inventory.entries(&after).await.expect("it can be read");
        let full = page.len() == INVENTORY_BATCH_MAX;
        found.extend(page.into_iter().map(|entry| entry.key));
        after = found.last().cloned().unwrap_or_default();
        if !full {
            break;
        }
    }
    assert_eq!(found, keys, "each entry once");
    let sought: Vec<_> = found.iter().take(INVENTORY_BATCH_MAX).cloned().collect();
    let named = inventory.find(&sought).await.expect("a full batch is found");
    assert_eq!(named.len(), INVENTORY_BATCH_MAX);
    inventory.clear().await.expect("a large one can be cleared");
    assert_eq!(inventory.entries(b"").await.expect("it can be read"), []);
}

async fn what_is_too_much_is_refused(inventory: &dyn Inventory) {
    let too_long = [0; INVENTORY_KEY_BYTES_MAX + 1];
    let too_large = [0; INVENTORY_VALUE_BYTES_MAX + 1];
    let too_many: Vec<_> =
        (0..=INVENTORY_BATCH_MAX).map(|n| set(n.to_string().as_bytes(), b"")).collect();
    for changes in
        [&[set(b"", b"")][..], &[set(&too_long, b"")], &[set(b"a", &too_large)], &too_many]
    {
        assert!(inventory.write(changes).await.is_err(), "more than the limit");
    }
    assert_eq!(
        inventory.entries(b"").await.expect("it can be read"),
        [],
        "and nothing of it is there"
    );
}

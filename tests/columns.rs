//! One attribute of all entries of a partition.

use arraylog::{ArraySpec, Assignment, AttrValue, Attrs, DType, Partition, Store};

fn attrs(pairs: &[(&str, AttrValue)]) -> Attrs {
    pairs.iter().cloned().collect()
}

fn write(part: &Partition, key: &str, pairs: &[(&str, AttrValue)]) {
    let data = [1.0f32, 2.0];
    let arrays = [("t", ArraySpec::from_slice(&data))];
    part.write(key, &arrays, &attrs(pairs)).expect("written");
}

fn amend(part: &Partition, key: &str, attrs: &Attrs, drop_attrs: &[&str], drop: &[&str]) {
    let change = Assignment {
        attrs: attrs.clone(),
        drop_attrs,
        drop,
        ..Assignment::default()
    };
    part.assign(key, &change).expect("amended");
}

fn column(part: &Partition, name: &str) -> Vec<(String, Option<AttrValue>)> {
    let column = part.attr_column(name).expect("a column");
    let pair = column.map(|pair| pair.expect("read"));
    pair.map(|(key, value)| (String::from_utf8(key).expect("text"), value))
        .collect()
}

fn expected(pairs: &[(&str, Option<AttrValue>)]) -> Vec<(String, Option<AttrValue>)> {
    let pairs = pairs.iter().cloned();
    pairs.map(|(key, value)| (key.to_owned(), value)).collect()
}

/// Entries of several structures, a plain value, and attributes of every place: fixed part,
/// slot, body behind the head, extra part.
fn filled(store: &Store) -> Partition {
    let part = store.partition("c", "p").expect("partition");
    let list = |n: i64| AttrValue::List(vec![n.into(), AttrValue::None]);
    let long = "a text that has no room in a slot";
    write(&part, "a", &[("lat", 1.5.into()), ("id", "short".into())]);
    write(
        &part,
        "b",
        &[
            ("l", list(1)),
            ("id", long.into()),
            ("m", list(2)),
            ("lat", 2.5.into()),
        ],
    );
    part.put("v", "plain").expect("stored");
    write(&part, "c", &[("m", list(3))]);
    part
}

#[test]
fn a_column_has_each_key_in_order_with_the_attribute_or_none() {
    let store = Store::memory().expect("store");
    let part = filled(&store);
    let lat = [
        ("a", Some(1.5.into())),
        ("b", Some(2.5.into())),
        ("v", None),
        ("c", None),
    ];
    assert_eq!(column(&part, "lat"), expected(&lat));
    let long = "a text that has no room in a slot";
    let id = [
        ("a", Some("short".into())),
        ("b", Some(long.into())),
        ("v", None),
        ("c", None),
    ];
    assert_eq!(column(&part, "id"), expected(&id));
    assert!(
        column(&part, "none")
            .iter()
            .all(|(_, value)| value.is_none())
    );
    assert!(column(&store.partition("c", "empty").expect("partition"), "lat").is_empty());
}

#[test]
fn it_says_what_all_attributes_of_the_entries_say() {
    let store = Store::memory().expect("store");
    let part = filled(&store);
    let change = Attrs::from_iter([("lat", AttrValue::from(7.5)), ("new", "x".into())]);
    amend(&part, "c", &change, &[], &[]);
    for name in ["lat", "id", "l", "m", "new"] {
        let of_entries = part.entries().expect("entries").map(|entry| {
            let entry = entry.expect("read");
            let one = entry.attr(name).expect("read");
            assert_eq!(one.as_ref(), entry.attrs().expect("read").get(name));
            (String::from_utf8(entry.key().to_vec()).expect("text"), one)
        });
        assert_eq!(column(&part, name), of_entries.collect::<Vec<_>>());
    }
}

#[test]
fn amendments_count_and_a_snapshot_has_its_own() {
    let store = Store::memory().expect("store");
    let part = filled(&store);
    let before = store.snapshot().expect("snapshot");
    let change = Attrs::from_iter([("lat", 9.5.into())]);
    amend(&part, "a", &change, &[], &[]);
    amend(&part, "b", &Attrs::new(), &["lat"], &[]);
    amend(&part, "b", &Attrs::new(), &[], &["t"]);
    part.remove("v").expect("removed");
    let now = [("a", Some(9.5.into())), ("b", None), ("c", None)];
    assert_eq!(column(&part, "lat"), expected(&now));
    let then = before.existing_partition("c", "p").expect("partition");
    let old = [
        ("a", Some(1.5.into())),
        ("b", Some(2.5.into())),
        ("v", None),
        ("c", None),
    ];
    assert_eq!(column(&then, "lat"), expected(&old));
}

#[test]
fn many_keys_say_which_are_absent_and_which_lack_it() {
    let store = Store::memory().expect("store");
    let part = filled(&store);
    let keys = ["c", "absent", "a", "v", "a"];
    let lat = part.attr_many(&keys, "lat").expect("read");
    let one = Some(Some(AttrValue::from(1.5)));
    assert_eq!(lat, [Some(None), None, one.clone(), Some(None), one]);
}

#[test]
fn a_scalar_is_an_element_and_a_list_is_none() {
    let mut elements = Vec::new();
    assert_eq!(
        AttrValue::from(3i16).append_to(&mut elements),
        Some(DType::Int16)
    );
    assert_eq!(
        AttrValue::from("ab").append_to(&mut elements),
        Some(DType::String)
    );
    assert_eq!(AttrValue::List(Vec::new()).append_to(&mut elements), None);
    assert_eq!(elements, [3, 0, b'a', b'b']);
}

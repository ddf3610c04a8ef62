//! `rm --all` and `attrs`: collections and partitions as a whole.

mod support;

use arraylog::{AttrValue, Attrs, Mode, Store};
use support::{Bench, answer, errors, text};

const LINES: &str = r#"{"entry": "a", "arrays": {"t": {"data": [1.5], "attrs": {"units": "K"}}}, "attrs": {"lat": 1.5}}
{"entry": "v", "value": "plain"}
{"entry": "a", "partition": "q", "value": "1"}
{"entry": "a", "collection": "d", "value": "2"}
"#;

fn bench() -> Bench {
    let bench = Bench::new();
    bench.ingest(LINES).success();
    let store = Store::options().mode(Mode::ReadWrite);
    let store = store.open(bench.store()).expect("opens");
    let one = |name: &str, value: AttrValue| -> Attrs { [(name, value)].into_iter().collect() };
    store
        .set_attrs(&one("title", AttrValue::String("a\tb".to_owned())))
        .expect("set");
    store
        .set_collection_attrs("c", &one("n", AttrValue::Int64(3)))
        .expect("set");
    let part = store.existing_partition("c", "p").expect("there");
    let mut attrs = one("qc", AttrValue::Int8(1));
    attrs.set("none", AttrValue::None);
    part.set_attrs(&attrs).expect("set");
    store.close().expect("closed");
    bench
}

#[test]
fn rm_all_drops_a_partition_or_a_collection() {
    let bench = bench();
    let ls = |args: &[&str]| text(&bench.arraylog("ls", args).assert().success());
    let dropped = bench.arraylog("rm", &["c", "p", "--all"]).assert();
    assert_eq!(errors(&dropped.success()), "dropped partition \"p\"\n");
    assert_eq!(ls(&["c"]), "q\n");
    let dropped = bench.arraylog("rm", &["c", "--all"]).assert();
    assert_eq!(errors(&dropped.success()), "dropped collection \"c\"\n");
    assert_eq!(ls(&[]), "d\n");
}

#[test]
fn rm_all_of_what_is_not_there_is_a_finding_unless_that_is_ignored() {
    let bench = bench();
    for (args, said) in [
        (vec!["c", "pp", "--all"], "no partition \"pp\""),
        (vec!["dd", "--all"], "no collection \"dd\""),
    ] {
        let refused = bench.arraylog("rm", &args).assert().code(1);
        assert!(errors(&refused).contains(said), "{}", errors(&refused));
        let mut ignored = bench.arraylog("rm", &args);
        ignored.arg("--ignore-missing").assert().success();
    }
    bench.arraylog("rm", &["", "--all"]).assert().code(2);
    assert_eq!(text(&bench.arraylog("ls", &["c"]).assert()), "p\nq\n");
}

#[test]
fn attrs_of_every_level_are_printed_one_a_line_with_exact_types() {
    let bench = bench();
    let attrs = |args: &[&str]| text(&bench.arraylog("attrs", args).assert().success());
    assert_eq!(attrs(&[]), "name   value\ntitle  \"a\\tb\"\n");
    assert_eq!(attrs(&["c"]), "name  value\nn     3\n");
    assert_eq!(
        attrs(&["c", "p"]),
        "name  value\nqc    {\"$dtype\": \"int8\", \"$data\": 1}\nnone  null\n"
    );
    assert_eq!(attrs(&["c", "p", "a"]), "name  value\nlat   1.5\n");
    assert_eq!(attrs(&["c", "p", "a", "t"]), "name   value\nunits  \"K\"\n");
    assert_eq!(attrs(&["c", "p", "v"]), "");
    assert_eq!(attrs(&["d"]), "");
    assert_eq!(attrs(&["d", "p", "--io", "read"]), "");
}

#[test]
fn attrs_json_names_its_address() {
    let bench = bench();
    let json = |args: &[&str]| {
        let mut command = bench.arraylog("attrs", args);
        answer(&command.arg("--json").assert().success())
    };
    let all = json(&[]);
    assert_eq!(all["attrs"]["title"], "a\tb");
    assert!(all.get("collection").is_none());
    assert_eq!(json(&["d"])["attrs"], serde_json::json!({}));
    let array = json(&["c", "p", "a", "t"]);
    assert_eq!(array["attrs"]["units"], "K");
    let address = ["collection", "partition", "key", "array"].map(|part| &array[part]);
    assert_eq!(address, ["c", "p", "a", "t"]);
}

#[test]
fn attrs_of_what_is_not_there_are_a_finding() {
    let bench = bench();
    for args in [
        &["x"][..],
        &["c", "x"],
        &["c", "p", "x"],
        &["c", "p", "a", "x"],
    ] {
        bench.arraylog("attrs", args).assert().code(1).stdout("");
    }
    let refused = bench.arraylog("attrs", &["c", "p", "v", "t"]).assert();
    refused.code(3);
}

#[test]
fn info_shows_the_attributes_of_store_collection_and_partition() {
    let bench = bench();
    let info = |args: &[&str]| text(&bench.arraylog("info", args).assert().success());
    assert!(info(&[]).contains("\nattrs        {\"title\": \"a\\tb\"}\n"));
    assert!(info(&["c"]).contains("\nattrs        {\"n\": 3}\n"));
    assert!(info(&["c", "p"]).contains("\nattrs        {\"qc\": {\"$dtype\""));
    assert!(!info(&["d"]).contains("attrs"));
    let mut command = bench.arraylog("info", &["c", "p", "--json"]);
    let answer = answer(&command.assert().success());
    assert_eq!(answer["attrs"]["qc"]["$data"], 1);
}

const COLUMN: &str = r#"{"entry": "a", "arrays": {"t": [1]}, "attrs": {"lat": 1.5}}
{"entry": "b\t", "arrays": {"t": [1]}, "attrs": {"lat": {"$dtype": "int8", "$data": 2}}}
{"entry": "v", "value": "plain"}
{"entry": "n", "arrays": {"t": [1]}, "attrs": {"lat": null}}
"#;

#[test]
fn attrs_column_is_one_attribute_of_all_entries() {
    let bench = Bench::new();
    bench.ingest(COLUMN).success();
    let column = |args: &[&str]| {
        let mut all = vec!["c", "p", "--column"];
        all.extend(args);
        text(&bench.arraylog("attrs", &all).assert().success())
    };
    assert_eq!(
        column(&["lat"]),
        "a\t1.5\nb\\t\t{\"$dtype\": \"int8\", \"$data\": 2}\nv\nn\tnull\n"
    );
    assert_eq!(
        column(&["lat", "--json"]),
        "{\"key\":\"a\",\"value\":1.5}\n\
         {\"key\":\"b\\t\",\"value\":{\"$dtype\": \"int8\", \"$data\": 2}}\n\
         {\"key\":\"v\"}\n{\"key\":\"n\",\"value\":null}\n"
    );
    assert_eq!(column(&["absent"]), "a\nb\\t\nv\nn\n");
}

#[test]
fn attrs_column_is_of_a_partition() {
    let bench = Bench::new();
    bench.ingest(COLUMN).success();
    for args in [
        &["c", "--column", "lat"][..],
        &["c", "p", "a", "--column", "lat"],
    ] {
        bench.arraylog("attrs", args).assert().code(2);
    }
    let absent = bench
        .arraylog("attrs", &["c", "pp", "--column", "lat"])
        .assert();
    assert!(errors(&absent.code(1)).contains("no partition \"pp\""));
}

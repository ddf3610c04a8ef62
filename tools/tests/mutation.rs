//! Lines with random damage: the run ends with a code, never in a panic.

mod support;

use support::{Bench, errors, example, text};

/// Numbers that look random and are the same in every run (xorshift).
struct Random(u64);

impl Random {
    fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % bound as u64) as usize
    }
}

/// Pieces that turn one kind of token into another.
const PIECES: [&[u8]; 24] = [
    b"\"",
    b"{",
    b"}",
    b"[",
    b"]",
    b",",
    b":",
    b"null",
    b"true",
    b"1e999",
    b"-0",
    b"NaN",
    b"\\u",
    b"\\ud800",
    b"\xff",
    b"\x00",
    b"18446744073709551616",
    b"1.5",
    b"\"dtype\":\"S0\",",
    b"\"shape\":[99999999999999],",
    b"\"mask\":[true],",
    b"[[[[",
    b"\"$dtype\"",
    b"\"2024-02-30T99\"",
];

fn mutate(line: &[u8], random: &mut Random) -> Vec<u8> {
    let mut line = line.to_vec();
    for _ in 0..=random.below(3) {
        let at = random.below(line.len() + 1);
        let end = (at + random.below(8)).min(line.len());
        match random.below(4) {
            0 => drop(line.drain(at..end)),
            1 => {
                let copy: Vec<u8> = line.get(at..end).unwrap_or_default().to_vec();
                line.splice(at..at, copy);
            }
            _ => {
                let piece = PIECES
                    .get(random.below(PIECES.len()))
                    .copied()
                    .unwrap_or_default();
                line.splice(at..end.min(at + 1), piece.iter().copied());
            }
        }
    }
    line.retain(|&byte| byte != b'\n');
    line
}

#[test]
fn two_thousand_damaged_lines_are_stored_or_reported() {
    let good = std::fs::read(example("floats.ndjson")).expect("the example");
    let good: Vec<&[u8]> = good
        .split(|&byte| byte == b'\n')
        .filter(|line| !line.is_empty())
        .collect();
    let mut random = Random(0x9e37_79b9_7f4a_7c15);
    let mut input = Vec::new();
    for i in 0..2000 {
        input.extend(mutate(
            good.get(i % good.len()).copied().unwrap_or_default(),
            &mut random,
        ));
        input.push(b'\n');
    }
    let bench = Bench::new();
    let file = bench.file("damaged.ndjson", &input);
    let assert = bench
        .arraylog(
            "ingest",
            &[
                "--collection",
                "c",
                "--partition",
                "p",
                "--skip-bad",
                "--json",
            ],
        )
        .arg(&file)
        .assert()
        .code(1);
    assert!(!errors(&assert).contains("panicked"), "{}", errors(&assert));
    let report: serde_json::Value = serde_json::from_str(&text(&assert)).expect("JSON");
    assert_eq!(report["lines"], 2000);
    let bad = report["bad_count"].as_u64().expect("a count");
    assert!((500..2000).contains(&bad), "{bad} of 2000 lines were bad");
    // What was stored is exported, and every line of that is stored again.
    let exported = export(&bench);
    assert!(exported.lines().count() > 5, "{exported}");
    Bench::new().ingest(&exported).success();
}

/// Every entry of the store as a line.
fn export(bench: &Bench) -> String {
    let store = arraylog::OpenOptions::new()
        .open(bench.store())
        .expect("the store");
    let target = bench.path("line");
    let mut lines = String::new();
    for info in store.info().expect("its partitions").partitions {
        let partition = store
            .existing_partition(&info.collection, &info.name)
            .expect("there");
        for key in partition.keys().expect("its keys") {
            let key = key.expect("a key");
            // Keys that are no argument everywhere are left out.
            let Ok(key) = std::str::from_utf8(&key) else {
                continue;
            };
            let args = ["arraylog", "get", "--format", "json", "-o"].map(str::to_owned);
            let address = [info.collection.as_str(), info.name.as_str(), key].map(str::to_owned);
            let paths = [&target, &bench.store()].map(|path| path.display().to_string());
            let args = args
                .into_iter()
                .chain(paths)
                .chain(["--".to_owned()])
                .chain(address);
            assert_eq!(arraylog_cli::run(args), 0, "{key:?}");
            lines.push_str(&std::fs::read_to_string(&target).expect("a line"));
        }
    }
    lines
}

//! What is done to entries of arrays, and what they hold then.

use super::super::ledger::Committer;
use super::super::state::{Arrays, Held, Plain, State};
use super::{Op, value};
use crate::Error;
use crate::array::{AttrValue, DType, Selection, Span};
use crate::options::Durability;
use crate::partition::Assignment;
use crate::store::Store;

/// The entry of chunked arrays, whose parts are changed.
const GRID: &str = "grid";

/// An entry with as many amendments as a reader follows: the next one takes them in.
const AMENDED: &str = "amended";

/// Bytes of the fill value of the table.
const FILL: [u8; 4] = (-7i32).to_le_bytes();

/// Rows of which the table has a chunk, and elements of a row.
const ROWS: u64 = 2;
const WIDTH: u64 = 40;

/// The table: each chunk has 320 bytes in a sector or two of its own.
fn table(number: usize, rows: u64) -> Plain {
    let elements = value(number, 0x31, (rows * WIDTH * 4) as usize);
    Plain {
        fill: Some(AttrValue::Int32(-7)),
        chunks: vec![ROWS, WIDTH],
        ..Plain::new(DType::Int32, &[rows, WIDTH], elements)
    }
}

/// The series: masked, and encoded where this build can.
fn series(number: usize, len: u64) -> Plain {
    let element = |at: u64| (at as i16 / 4 + number as i16).to_le_bytes();
    let elements = (0..len).flat_map(element).collect();
    let plain = Plain::new(DType::Int16, &[len], elements).masked(7);
    Plain {
        chunks: vec![64],
        codec: cfg!(feature = "lz4").then(|| "shuffle+lz4".to_owned()),
        ..plain
    }
}

/// Bytes in one chunk, which may become as many as have block sums.
fn bulk(number: usize, len: u64) -> Plain {
    Plain {
        chunks: vec![80_000],
        ..Plain::new(DType::UInt8, &[len], value(number, 0xB1, len as usize))
    }
}

/// A small array that is not chunked.
fn small(number: usize) -> Plain {
    Plain::new(DType::Int64, &[3], value(number, 0x53, 24))
}

/// An amendment that has this is not taken in by the next one.
fn wide(number: usize) -> Plain {
    Plain::new(DType::Float64, &[80], value(number, 0x77, 640))
}

/// The chunked arrays as they are first written. One chunk of the table, by turns the first
/// and the second, is all fill value: there is no record of it.
fn grid(number: usize) -> Arrays {
    let mut table = table(number, 5);
    let elements = (ROWS * WIDTH) as usize;
    let blank = table.elements.chunks_mut(elements * 4).nth(number % 2);
    blank
        .expect("two chunks and a half")
        .copy_from_slice(&FILL.repeat(elements));
    let mut grid = Arrays {
        arrays: vec![
            ("table", table),
            ("series", series(number, 100)),
            ("bulk", bulk(number, 90)),
            ("small", small(number)),
        ],
        ..Arrays::default()
    };
    grid.attrs.set("number", AttrValue::Int64(number as i64));
    grid
}

/// Writes what all workloads of arrays start from.
pub(super) fn start(store: &Store, state: &mut State) {
    let part = store.partition("c", "p").expect("partition");
    let mut entry = grid(50);
    part.write(GRID, &entry.specs(), &entry.attrs)
        .expect("stored");
    state.insert(GRID.into(), Held::Arrays(entry));
    entry = Arrays {
        arrays: vec![("wide", wide(60))],
        ..Arrays::default()
    };
    entry.attrs.set("number", AttrValue::Int64(60));
    part.write(AMENDED, &entry.specs(), &entry.attrs)
        .expect("stored");
    for number in 61..69 {
        let mut brought = vec![("wide", wide(number))];
        *entry.array("wide") = wide(number);
        if number == 64 {
            brought.push(("extra", small(number)));
            entry.arrays.push(("extra", small(number)));
        }
        let specs: Vec<_> = brought
            .iter()
            .map(|(name, array)| (*name, array.spec()))
            .collect();
        let assignment = Assignment {
            arrays: &specs,
            ..Assignment::default()
        };
        part.assign(AMENDED, &assignment).expect("changed");
    }
    state.insert(AMENDED.into(), Held::Arrays(entry));
}

/// A part of the grid: in one chunk, in two, in two of the array that is encoded.
fn part_of(grid: &mut Arrays, number: usize) -> (&'static str, Selection, Plain) {
    let rows = grid.array("table").shape[0];
    let of_table = |rows: std::ops::Range<u64>, columns: std::ops::Range<u64>| {
        let shape = [rows.end - rows.start, columns.end - columns.start];
        let elements = value(number, 0x99, (shape[0] * shape[1] * 4) as usize);
        let selection = Selection::new([Span::range(rows), Span::range(columns)]);
        (
            "table",
            selection,
            Plain::new(DType::Int32, &shape, elements),
        )
    };
    match number % 3 {
        0 => of_table(2..rows.min(4), 0..WIDTH),
        1 => of_table(1..rows.min(4), 5..30),
        _ => {
            let selection = Selection::new([Span::range(30..80)]);
            ("series", selection, series(number + 20, 50))
        }
    }
}

impl Committer {
    /// An amendment without elements of chunked arrays, of an entry that has some, if there
    /// is one.
    pub(in super::super) fn assign(&self) -> Result<(), Error> {
        match self.ledger.state().contains_key(GRID.as_bytes()) {
            true => self.change_arrays(Op::Assign, 70),
            false => Ok(()),
        }
    }

    /// One change of an entry of arrays; it is written whole if it is not there.
    pub(super) fn change_arrays(&self, op: Op, number: usize) -> Result<(), Error> {
        let mut state = self.ledger.state();
        let part = self.store.partition("c", "p")?;
        let buffered = Durability::Buffered;
        if op == Op::Fold {
            return self.fold(state, number);
        }
        let found = state.get_mut(GRID.as_bytes());
        let entry = match (op, found) {
            (Op::Arrays, _) => return self.write_in_batch(state, number),
            (_, Some(Held::Arrays(entry))) => entry,
            _ => {
                let entry = grid(number);
                state.insert(GRID.into(), Held::Arrays(entry.clone()));
                let write = || part.write(GRID, &entry.specs(), &entry.attrs);
                return self.change(state, buffered, write);
            }
        };
        match op {
            Op::Region => {
                let (name, selection, data) = part_of(entry, number);
                entry.array(name).put(&selection, &data);
                let write = || part.write_region(GRID, name, &selection, &data.spec());
                self.change(state, buffered, write)
            }
            Op::Append => {
                let (name, data) = match number % 3 {
                    0 => ("table", table(number + 30, 2)),
                    1 => ("series", series(number + 30, 40)),
                    _ => ("bulk", bulk(number + 30, 66_000)),
                };
                entry.array(name).append(&data);
                let append = || part.append(GRID, name, 0, &data.spec());
                self.change(state, buffered, append)
            }
            Op::Resize => {
                let table = entry.array("table");
                let rows = if table.shape[0] > 3 { 3 } else { 6 };
                table.resize(rows, &FILL);
                let resize = || part.resize(GRID, "table", &[rows, WIDTH]);
                self.change(state, buffered, resize)
            }
            Op::Forget => {
                state.remove(GRID.as_bytes());
                self.change(state, buffered, || {
                    let removed = part.remove(GRID)?;
                    assert!(removed, "it was there");
                    Ok(())
                })
            }
            // One attribute, and a small array.
            _ => {
                let new = small(number + 40);
                *entry.array("small") = new.clone();
                entry.attrs.set("number", AttrValue::Int64(number as i64));
                let mut assignment = Assignment {
                    arrays: &[("small", new.spec())],
                    ..Assignment::default()
                };
                let number = AttrValue::Int64(number as i64);
                assignment.attrs.set("number", number);
                self.change(state, buffered, || part.assign(GRID, &assignment))
            }
        }
    }

    /// The entry whole, and a value, in one batch.
    fn write_in_batch(&self, mut state: State, number: usize) -> Result<(), Error> {
        let (entry, beside) = (grid(number), value(number, 3, 90));
        let mut batch = self.store.batch()?;
        batch.set_durability(Durability::Synced);
        let part = batch.partition("c", "p")?;
        part.write(GRID, &entry.specs(), &entry.attrs)?;
        part.put("beside", &beside)?;
        state.insert(GRID.into(), Held::Arrays(entry));
        state.insert(b"beside".to_vec(), Held::Value(beside));
        self.change(state, Durability::Synced, || batch.commit().map(drop))
    }

    /// An amendment that takes in all before it and drops what one of them brought, or
    /// brings it again.
    fn fold(&self, mut state: State, number: usize) -> Result<(), Error> {
        let Some(Held::Arrays(entry)) = state.get_mut(AMENDED.as_bytes()) else {
            unreachable!("nothing removes it");
        };
        let extra = small(number);
        let brought = [("extra", extra.spec())];
        let mut assignment = Assignment::default();
        match entry.arrays.pop_if(|(name, _)| *name == "extra") {
            Some(_) => assignment.drop = &["extra"],
            None => {
                assignment.arrays = &brought;
                entry.arrays.push(("extra", extra.clone()));
            }
        }
        let number = AttrValue::Int64(number as i64);
        entry.attrs.set("number", number.clone());
        assignment.attrs.set("number", number);
        let part = self.store.partition("c", "p")?;
        self.change(state, Durability::Buffered, || {
            part.assign(AMENDED, &assignment)
        })
    }
}

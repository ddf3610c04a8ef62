//! Two sets of twelve operations, in any order, and the states that may be found after each.

mod arrays;

use std::io::Read;
use std::sync::Arc;

use super::examine::held;
use super::image_of;
use super::ledger::{Committer, Ledger, Mark};
use super::state::{Held, State};
use crate::format::header::Identity;
use crate::open;
use crate::options::{Durability, Fixed, OpenOptions};
use crate::storage::sim::Sim;
use crate::storage::sim::watch::{Failing, Kind, Step, Watch};
use crate::store::Store;
use crate::{CompactOptions, Error};

/// What can be done to a store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Op {
    /// A synced commit inside one sector or two.
    Small,
    /// A buffered value with block sums.
    Large,
    /// Three records in two partitions, synced.
    Batch,
    /// A buffered commit on a key that is there.
    Overwrite,
    /// A buffered tombstone.
    Remove,
    /// A buffered commit.
    Buffered,
    Sync,
    /// With a commit in its middle if it is the second operation.
    Checkpoint,
    /// So too.
    Compact,
    /// Closed and opened, or dropped and opened if it is the second operation.
    Reopen,
    /// A batch that a full disk refuses after most of its bytes.
    Failed,
    /// A value from a reader, buffered.
    Stream,
    /// An entry with chunked arrays, whole, and a value, synced. What follows is buffered.
    Arrays,
    /// Elements of one chunk, of two, of two that are encoded.
    Region,
    /// A chunked array made longer: if it is the second operation the encoded one, if the
    /// third one whose chunk then has block sums.
    Append,
    /// A chunked array cut off, or, if it is short, made longer without elements.
    Resize,
    /// One attribute and a small array.
    Assign,
    /// An amendment that takes in eight before it.
    Fold,
    /// A tombstone of an entry that has chunks and may have amendments.
    Forget,
    /// Elements that a full disk refuses after most of their bytes.
    Refused,
}

/// How many operations a set has.
pub(super) const COUNT: usize = 12;

/// Operations that are done in any order.
pub(super) type Ops = [Op; COUNT];

/// What is done to plain values.
pub(super) const VALUES: Ops = [
    Op::Small,
    Op::Large,
    Op::Batch,
    Op::Overwrite,
    Op::Remove,
    Op::Buffered,
    Op::Sync,
    Op::Checkpoint,
    Op::Compact,
    Op::Reopen,
    Op::Failed,
    Op::Stream,
];

/// What is done to chunked arrays and amended entries.
pub(super) const ARRAYS: Ops = [
    Op::Arrays,
    Op::Region,
    Op::Append,
    Op::Resize,
    Op::Assign,
    Op::Fold,
    Op::Forget,
    Op::Sync,
    Op::Checkpoint,
    Op::Compact,
    Op::Reopen,
    Op::Refused,
];

/// The run of the system in which workloads take place.
pub(super) const BOOT: [u8; 16] = [0xB0; 16];

/// A workload that was run: what it did, and what may be found.
pub(super) struct Run {
    pub(super) start: Vec<u8>,
    pub(super) steps: Vec<Step>,
    /// Where the last operation starts: what comes before, shorter workloads show.
    pub(super) last: usize,
    pub(super) states: Vec<State>,
    pub(super) marks: Vec<Mark>,
}

impl Run {
    /// What holds after so many steps.
    pub(super) fn mark(&self, steps: usize) -> Mark {
        let held = self.marks.iter().rev().find(|mark| mark.steps <= steps);
        *held.expect("the first")
    }
}

/// Where all workloads of a set start: a closed store.
#[derive(Clone, Debug)]
pub(super) struct Base {
    pub(super) ops: Ops,
    pub(super) bytes: Vec<u8>,
    pub(super) identity: Identity,
    pub(super) state: State,
}

impl Base {
    /// A store of two keys, for what is done to values.
    pub(super) fn of_values(seed: u64) -> Self {
        Self::new(seed, VALUES, |_, _| {})
    }

    /// A store with chunks and amendments too.
    pub(super) fn of_arrays(seed: u64) -> Self {
        Self::new(seed, ARRAYS, arrays::start)
    }

    fn new(seed: u64, ops: Ops, more: impl Fn(&Store, &mut State)) -> Self {
        let identity = Identity {
            store_id: [seed as u8 ^ 0x1D; 16],
            lineage_id: [2; 16],
            generation: 0,
            seed,
            first_seqno: 1,
            ro_compat: 0,
            parent: [0; 16],
        };
        let sim = Arc::new(Sim::new(&open::header(&identity), &[]).expect("memory"));
        let store = open::over_sim(Arc::clone(&sim), identity, &options(&identity, 0));
        let store = store.expect("opens");
        let part = store.partition("c", "p").expect("partition");
        let mut state = State::new();
        for key in ["a", "b"] {
            part.put(key, key.repeat(100)).expect("stored");
            state.insert(key.into(), Held::Value(key.repeat(100).into_bytes()));
        }
        more(&store, &mut state);
        store.close().expect("closed");
        Self {
            ops,
            bytes: image_of(&sim).0,
            identity,
            state,
        }
    }
}

/// Options with which a disk is opened for the `number`th time.
pub(super) fn options(identity: &Identity, number: u16) -> OpenOptions {
    OpenOptions {
        fixed: Some(Fixed {
            store_id: identity.store_id,
            lineage_id: identity.lineage_id,
            seed: identity.seed,
            epoch: number.wrapping_mul(40_503),
        }),
        ..OpenOptions::new()
    }
}

/// One more value.
fn put_meanwhile(by: &Committer, number: usize) -> Result<(), Error> {
    let mut state = by.ledger.state();
    let value = value(number, 0x77, 120);
    state.insert(b"meanwhile".to_vec(), Held::Value(value.clone()));
    let part = by.store.partition("c", "p")?;
    by.change(state, Durability::Buffered, || part.put("meanwhile", value))
}

/// A store on a watched disk, and what was done to it.
pub(super) struct Player {
    pub(super) watch: Arc<Watch>,
    pub(super) ledger: Arc<Ledger>,
    pub(super) store: Store,
    ops: Ops,
    sim: Arc<Sim>,
    /// Number of the file that has the name.
    file: usize,
    opened: u16,
    /// Operations so far.
    number: usize,
}

/// Bytes that differ from one operation to the next.
fn value(number: usize, salt: u8, len: usize) -> Vec<u8> {
    let first = (number as u8).wrapping_mul(67) ^ salt;
    (0..len)
        .map(|at| {
            (at as u8 ^ (at >> 8) as u8)
                .wrapping_mul(29)
                .wrapping_add(first)
        })
        .collect()
}

/// The records of a batch. Between two that differ from batch to batch, each in sectors of
/// its own, stands one that does not: parts of two batches can only be told by the sum over
/// all. The last value ends with zeros, as a file does that was made longer without its
/// bytes.
fn batch_of(number: usize, salt: u8) -> [(&'static str, &'static str, Vec<u8>); 3] {
    let mut last = value(number, salt, 200);
    last[100..].fill(0);
    [
        ("p", "batch-1", value(number, salt, 700)),
        ("q", "batch-2", value(0, 1, 3000)),
        ("p", "batch-3", last),
    ]
}

impl Player {
    pub(super) fn new(base: &Base) -> Self {
        let watch = Arc::new(Watch::default());
        let (header, log) = base.bytes.split_at(crate::format::LOG_START as usize);
        let sim = Sim::watched(header, log, Some(&watch), BOOT).expect("memory");
        let sim = Arc::new(sim);
        let store = open::over_sim(Arc::clone(&sim), base.identity, &options(&base.identity, 1));
        Self {
            ledger: Ledger::new(&watch, base.state.clone()),
            watch,
            store: store.expect("opens"),
            ops: base.ops,
            sim,
            file: 0,
            opened: 1,
            number: 0,
        }
    }

    fn commit(
        &self,
        records: &[(&str, &str, Vec<u8>)],
        durability: Durability,
    ) -> Result<(), Error> {
        let (before, steps) = (self.sim.live_end(), self.watch.len());
        let mut state = self.ledger.state();
        let mut batch = self.store.batch()?;
        batch.set_durability(durability);
        for (partition, key, value) in records {
            batch.partition("c", partition)?.put(key, value)?;
            state.insert(key.as_bytes().to_vec(), Held::Value(value.clone()));
        }
        let commit = || batch.commit().map(drop);
        self.committer().change(state, durability, commit)?;
        if durability == Durability::Synced {
            self.watch.since(steps, |steps| {
                let shown = |step: &Step| matches!(step, Step::Live(_, words) if words[0] > before);
                let synced = |step: &Step| matches!(step, Step::On(_, call) if call.is_sync());
                let shown = steps.iter().position(shown);
                let synced = steps.iter().position(synced);
                match shown.zip(synced) {
                    Some((shown, synced)) if shown < synced => Err(Error::Invalid {
                        what: "a synced commit".to_owned(),
                        detail: "it was shown before it was durable".to_owned(),
                    }),
                    _ => Ok(()),
                }
            })?;
        }
        Ok(())
    }

    /// A commit in the middle of what is done next, at the first call of a kind on a file.
    fn meanwhile(&self, kind: Kind, file: usize) {
        let (by, number, ops) = (self.committer(), self.number, self.ops);
        self.watch.before(kind, file, move || {
            // A call that was to fail may be one of these.
            let _ = match ops {
                ARRAYS => by.change_arrays(Op::Region, number),
                _ => put_meanwhile(&by, number),
            };
        });
    }

    fn committer(&self) -> Committer {
        Committer::new(&self.store, &self.ledger)
    }

    /// A commit that a full disk refuses after most of its bytes.
    fn refused(&self, commit: impl FnOnce() -> Result<(), Error>) -> Result<(), Error> {
        self.watch.fail(Failing {
            after: 0,
            partial: -16,
            errno: libc::ENOSPC,
            lasting: false,
        });
        let refused = commit();
        self.watch.recover();
        match refused {
            Err(Error::NotCommitted { .. }) => Ok(()),
            Err(other) => Err(other),
            Ok(()) => panic!("a full disk took a commit"),
        }
    }

    /// Does one more thing. An error: what was not as it should be.
    pub(super) fn play(&mut self, op: Op) -> Result<(), Error> {
        let number = self.number;
        let put = |key: &'static str, len| [("p", key, value(number, 0, len))];
        match op {
            Op::Small => self.commit(&put("small", 40), Durability::Synced)?,
            Op::Large => self.commit(&put("large", 66_000), Durability::Buffered)?,
            Op::Batch => self.commit(&batch_of(number, 0), Durability::Synced)?,
            Op::Overwrite => self.commit(&put("a", 350), Durability::Buffered)?,
            Op::Buffered => {
                let key = ["buffered-1", "buffered-2", "buffered-3"][number % 3];
                self.commit(&put(key, 300), Durability::Buffered)?;
            }
            Op::Remove => {
                let mut state = self.ledger.state();
                let part = self.store.partition("c", "p")?;
                let keys = ["b", "small", "a", "batch-1", "large"];
                let key = keys
                    .into_iter()
                    .find(|key| state.contains_key(key.as_bytes()));
                if let Some(key) = key {
                    state.remove(key.as_bytes());
                    let remove = || {
                        part.remove(key)
                            .map(|removed| assert!(removed, "it was there"))
                    };
                    self.committer()
                        .change(state, Durability::Buffered, remove)?;
                }
            }
            Op::Stream => {
                let mut state = self.ledger.state();
                let value = value(number, 9, 5000);
                state.insert(b"stream".to_vec(), Held::Value(value.clone()));
                let part = self.store.partition("c", "q")?;
                let source = value.as_slice().take(u64::MAX);
                let put = || part.put_from("stream", source).map(drop);
                self.committer().change(state, Durability::Buffered, put)?;
            }
            Op::Sync => {
                self.store.sync()?;
                self.ledger.durable();
            }
            Op::Checkpoint => self.checkpoint()?,
            Op::Compact => self.compact()?,
            Op::Reopen => {
                if number != 1 {
                    self.store.close()?;
                    self.ledger.durable();
                }
                self.reopen()?;
            }
            Op::Failed => {
                self.refused(|| self.commit(&batch_of(number, 0xFF), Durability::Synced))?;
            }
            Op::Refused => {
                self.refused(|| self.committer().change_arrays(Op::Append, number))?;
            }
            op => self.committer().change_arrays(op, number)?,
        }
        self.number += 1;
        Ok(())
    }

    fn checkpoint(&self) -> Result<(), Error> {
        let (saved, seqno) = (self.ledger.taken().1.len(), self.store.seqno());
        if self.number == 1 {
            self.meanwhile(Kind::Fill, self.file);
        }
        let returned = self.ledger.taken().1[saved - 1].returned;
        let done = self.store.checkpoint();
        self.watch.dismiss();
        if done? {
            self.ledger.mark(|mark| {
                mark.durable = mark.durable.max(returned);
                // The slot is on the device with the next sync.
                (mark.saved, mark.named) = (mark.named, seqno);
            });
        }
        Ok(())
    }

    fn compact(&mut self) -> Result<(), Error> {
        let next = self.watch.files();
        // Of the new file no slot names a checkpoint.
        self.ledger.mark(|mark| (mark.saved, mark.named) = (0, 0));
        if self.number == 1 {
            self.meanwhile(Kind::Write, next);
        }
        let done = self.store.compact(&CompactOptions::new());
        self.watch.dismiss();
        let named = |step: &Step| *step == Step::Named(next);
        if self.watch.since(0, |steps| steps.iter().any(named)) {
            let successor = self.sim.journal().lock().successor.clone();
            (self.sim, self.file) = (successor.expect("made"), next);
        }
        done?;
        self.ledger.durable();
        Ok(())
    }

    /// Opens it once more, without closing it.
    pub(super) fn reopen(&mut self) -> Result<(), Error> {
        self.opened += 1;
        let identity = *self.store.inner().log.identity();
        // The file that has the name, whatever the handle went on with.
        let header = image_of(&self.sim).0;
        let identity =
            Identity::parse(&header[..crate::format::header::IDENTITY_LEN]).unwrap_or(identity);
        let sim = Arc::clone(&self.sim);
        self.store = open::over_sim(sim, identity, &options(&identity, self.opened))?;
        Ok(())
    }

    /// Fails unless the store holds the newest state that was committed for all that is
    /// known.
    pub(super) fn check(&self) -> Result<(), String> {
        let (states, marks) = self.ledger.taken();
        let newest = marks.last().and_then(|mark| states.get(mark.returned));
        match Some(&held(&self.store)?) == newest {
            true => Ok(()),
            false => Err("the open store does not hold what was committed".to_owned()),
        }
    }
}

/// Runs a workload. An error: what was not as it should be, without any crash.
pub(super) fn run(base: &Base, ops: &[Op]) -> Result<Run, String> {
    let mut player = Player::new(base);
    let mut last = 0;
    for op in ops {
        last = player.watch.len();
        player
            .play(*op)
            .map_err(|error| format!("{op:?} failed: {error}"))?;
        player.check()?;
    }
    let (states, marks) = player.ledger.taken();
    Ok(Run {
        start: base.bytes.clone(),
        steps: player.watch.steps(),
        last,
        states,
        marks,
    })
}

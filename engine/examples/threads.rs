//! A program with the store inside: one thread writes, others read meanwhile.

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use arraylog::{Mode, Partition, Result, Store};

/// Takes no lock and waits for nobody.
fn count(part: &Partition) -> Result<u64> {
    let value = part.get("count")?;
    let bytes = value.and_then(|value| value.first_chunk().copied());
    Ok(bytes.map_or(0, u64::from_le_bytes))
}

fn main() -> std::result::Result<(), Box<dyn std::error::Error>> {
    let folder = tempfile::tempdir()?;
    let options = Store::options().mode(Mode::CreateNew);
    #[expect(unsafe_code, reason = "maps a file")]
    // SAFETY: no other program knows the file, so nobody truncates or changes it.
    let store = unsafe { options.open_mapped(folder.path().join("live.alog")) }?;
    let (part, done) = (store.default_partition()?, AtomicBool::new(false));
    thread::scope(|scope| {
        let reader = || {
            let mut last = 0;
            while !done.load(Ordering::Acquire) {
                let seen = count(&part)?;
                assert!(seen >= last, "what was committed stays");
                last = seen;
            }
            count(&part)
        };
        let readers = [0; 3].map(|_| scope.spawn(reader));
        let written = (1..=1000u64).try_for_each(|i| part.put("count", i.to_le_bytes()));
        done.store(true, Ordering::Release);
        for reader in readers {
            assert_eq!(reader.join().map_err(|_| "a reader panicked")??, 1000);
        }
        Ok(written?)
    })
}

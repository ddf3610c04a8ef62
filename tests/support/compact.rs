//! Compaction that is interrupted or refused.

use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

use arraylog::{CompactOptions, Error, Mode};

use super::bounded::{Scarce, set_limit};
use super::{Outcome, describe, say};

/// Compacts without pause while another thread counts on from `from`, and says each number
/// once it is committed.
pub(crate) fn and_write(path: &Path, from: u64) -> Outcome {
    let store = support::open(path, Mode::Append)?;
    let part = store.partition("c", "p")?;
    for number in 0..200u32 {
        let key = format!("key {number}");
        if !part.contains(&key)? {
            part.put(key, vec![number as u8; 10_000])?;
        }
    }
    let failed = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while store.compact(&CompactOptions::new()).is_ok() {}
            failed.store(true, Ordering::Relaxed);
        });
        for number in from.. {
            part.put("counted", number.to_le_bytes())?;
            say(number)?;
            if failed.load(Ordering::Relaxed) {
                return Err("not compacted".into());
            }
        }
        Ok(())
    })
}

/// Says how a compaction ends, and goes on.
pub(crate) fn unprivileged(path: &Path) -> Outcome {
    let store = support::open(path, Mode::ReadWrite)?;
    let part = store.default_partition()?;
    part.put("k", "v")?;
    match store.compact(&CompactOptions::new()) {
        Ok(_) => say("compacted")?,
        Err(error) => say(describe(&error))?,
    }
    part.put("k", "w")?;
    say("goes on")?;
    Ok(store.close()?)
}

/// Compacts while files cannot grow beyond what a half of the store needs.
#[expect(unsafe_code, reason = "signal has no safe face")]
pub(crate) fn on_full_disk(path: &Path) -> Outcome {
    // SAFETY: ignoring a signal runs no code of this program.
    unsafe { libc::signal(libc::SIGXFSZ, libc::SIG_IGN) };
    let store = support::open(path, Mode::Append)?;
    let part = store.default_partition()?;
    for number in 0..100u32 {
        part.put(number.to_le_bytes(), vec![1; 100_000])?;
    }
    set_limit(Scarce::FileLength, 5 << 20)?;
    let refused = store.compact(&CompactOptions::new());
    let error: Error = refused.err().ok_or("compacted on a full disk")?;
    say(describe(&error))?;
    set_limit(Scarce::FileLength, libc::RLIM_INFINITY)?;
    part.put("more", "1")?;
    say("goes on")?;
    store.compact(&CompactOptions::new())?;
    say("compacted")?;
    Ok(store.close()?)
}

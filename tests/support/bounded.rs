//! Work in a process that has little memory, or little room on the disk.

use std::io::{BufRead, Write};
use std::path::Path;
use std::time::{Duration, Instant};

use arraylog::{
    CompactOptions, Durability, Error, Mode, OpenOptions, Store, Verify, VerifyOptions,
};
use support::source::{Pattern, byte};

use crate::{Outcome, say};

const MIB: u64 = 1 << 20;

/// Lets this process have `more` bytes of memory of its own, and no more. Pages of files
/// are not its own: the kernel takes them back as it likes.
pub(crate) fn limit_memory(more: u64) -> Outcome {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmData:"));
    let number = line.and_then(|line| line.split_whitespace().next());
    let has: u64 = number.ok_or("no VmData")?.parse()?;
    set_limit(Scarce::Memory, has * 1024 + more)?;
    let refused = Vec::<u8>::new().try_reserve_exact(more as usize + 1);
    refused.map_or(Ok(()), |()| Err("the limit does not hold".into()))
}

/// What this process may have little of.
#[derive(Clone, Copy)]
pub(crate) enum Scarce {
    Memory,
    FileLength,
}

#[expect(unsafe_code, reason = "setrlimit has no safe face")]
pub(crate) fn set_limit(what: Scarce, limit: u64) -> Outcome {
    let what = match what {
        Scarce::Memory => libc::RLIMIT_DATA,
        Scarce::FileLength => libc::RLIMIT_FSIZE,
    };
    let mut limits = libc::rlimit {
        rlim_cur: 0,
        rlim_max: 0,
    };
    // SAFETY: `limits` is written by the call.
    if unsafe { libc::getrlimit(what, &raw mut limits) } != 0 {
        return Err(std::io::Error::last_os_error().into());
    }
    limits.rlim_cur = limit.min(limits.rlim_max);
    // SAFETY: `limits` is read by the call.
    if unsafe { libc::setrlimit(what, &raw const limits) } != 0 {
        return Err(std::io::Error::last_os_error().into());
    }
    Ok(())
}

/// Reads each file of a folder in every way, with 64 MiB and twice its length of memory and
/// 5 s for each MiB.
pub(crate) fn read(folder: &Path) -> Outcome {
    let mut paths: Vec<_> = std::fs::read_dir(folder)?
        .map(|file| file.map(|file| file.path()))
        .collect::<Result<_, _>>()?;
    paths.sort();
    let lengths = paths.iter().map(std::fs::metadata);
    let lengths: Vec<u64> = lengths
        .map(|it| it.map(|it| it.len()))
        .collect::<Result<_, _>>()?;
    // Of the shortest: for the others it is less than they may have.
    limit_memory(64 * MIB + 2 * lengths.iter().copied().min().unwrap_or_default())?;
    for (path, bytes) in paths.into_iter().zip(lengths) {
        // Where it stops is where it failed.
        writeln!(std::io::stderr(), "{}", path.display())?;
        let begun = Instant::now();
        let verify = VerifyOptions::new().threads(1);
        for options in [
            OpenOptions::new(),
            OpenOptions::new().scan(true),
            OpenOptions::new().verify(Verify::Never),
        ] {
            let opened = [options.open(&path), support::open_mapped(&options, &path)];
            for store in opened.into_iter().flatten() {
                let _ = support::dump::dump(&store);
                let _ = store.usage();
            }
        }
        if let Ok(store) = OpenOptions::new().open_degraded(&path) {
            let _ = support::dump::dump(&store);
            let _ = store.verify(&verify);
        }
        let most = Duration::from_secs(5 * bytes.div_ceil(MIB));
        if begun.elapsed() > most {
            return Err(format!("{}: {:?}", path.display(), begun.elapsed()).into());
        }
    }
    Ok(())
}

/// Streams a value of `len` bytes into a store and out again, with 16 MiB of memory.
pub(crate) fn stream(path: &Path, len: u64) -> Outcome {
    let store = OpenOptions::new().mode(Mode::Append).open(path)?;
    let part = store.default_partition()?;
    limit_memory(16 * MIB)?;
    say(part.put_from("key", Pattern::new(len))?)?;
    let mut reader = part.open_value("key")?.ok_or("no value")?;
    let mut at = 0;
    loop {
        let block = reader.fill_buf()?;
        if block.is_empty() {
            break;
        }
        if block.iter().zip(at..).any(|(&found, at)| found != byte(at)) {
            return Err(format!("other bytes from {at} on").into());
        }
        let read = block.len();
        at += read as u64;
        reader.consume(read);
    }
    say(at)?;
    Ok(store.close()?)
}

/// Commits `count` values of `len` bytes in one batch, with 64 MiB for values and 32 MiB
/// for the rest.
pub(crate) fn large_batch(path: &Path, count: u64, len: usize) -> Outcome {
    let store = support::open(path, Mode::Append)?;
    limit_memory(96 * MIB)?;
    let batch = store.batch()?;
    let part = batch.partition("default", "default")?;
    let mut value = vec![0; len];
    for number in 0..count {
        value.fill(number as u8);
        value.splice(..8, number.to_le_bytes());
        part.put(number.to_string(), &value)?;
    }
    // Reads of the batch find what is in the file and what is in memory.
    part.rename("1", "renamed", false)?;
    part.rename((count - 1).to_string(), "last", false)?;
    say(batch.len())?;
    batch.commit()?;
    Ok(store.close()?)
}

/// Streams and fills batches while files cannot grow beyond 100 MiB, says how that ends,
/// and goes on.
#[expect(unsafe_code, reason = "signal has no safe face")]
pub(crate) fn full_disk(path: &Path) -> Outcome {
    // SAFETY: ignoring a signal runs no code of this program.
    unsafe { libc::signal(libc::SIGXFSZ, libc::SIG_IGN) };
    let store = support::open(path, Mode::Append)?;
    let part = store.default_partition()?;
    part.put("before", "1")?;
    let batch = store.batch()?;
    let staged = batch.partition("default", "default")?;
    let value = vec![7; 4 << 20];
    set_limit(Scarce::FileLength, 100 * MIB)?;

    let streamed = part.put_from("streamed", Pattern::new(200 * MIB));
    say(described(streamed.err()))?;
    let mut writer = part.writer("written")?;
    let block = vec![1; 1 << 20];
    let failed = (0..200).find_map(|_| writer.write_all(&block).err());
    let kind = failed.map(|error| error.kind());
    say(kind.map_or("no error".to_owned(), |kind| format!("{kind:?}")))?;
    say(described(writer.finish().err()))?;
    // The spool fits and the commit does not.
    say(described(
        part.put_from("both", Pattern::new(100 * MIB - 1000)).err(),
    ))?;

    let streamed = staged.put_from("streamed", Pattern::new(200 * MIB));
    say(described(streamed.err()))?;
    let refused = (0..100).find_map(|number| {
        let error = staged.put(format!("value {number}"), &value).err()?;
        Some((number, error))
    });
    let (number, error) = refused.ok_or("nothing was refused")?;
    say(described(Some(error)))?;
    staged.put("small", "2")?;
    say(batch.len() == number + 1)?;
    part.put("meanwhile", "3")?;

    set_limit(Scarce::FileLength, libc::RLIM_INFINITY)?;
    staged.put("after", &value)?;
    batch.commit()?;
    let found = part.len()?;
    say(found == number as u64 + 4)?;
    say(part.contains("both")? || part.contains("streamed")? || part.contains("written")?)?;
    Ok(store.close()?)
}

pub(crate) fn described(error: Option<Error>) -> String {
    let Some(error) = error else {
        return "no error".to_owned();
    };
    let cause = std::error::Error::source(&error).map(ToString::to_string);
    format!("{}: {error}: {}", error.kind(), cause.unwrap_or_default())
}

/// Fills what room there is, in every way, and finds each time what was there before.
struct Squeezed<'a> {
    path: &'a Path,
    store: Store,
    next: u64,
}

impl<'a> Squeezed<'a> {
    fn new(path: &'a Path) -> Result<Self, Box<dyn std::error::Error>> {
        let store = support::open(path, Mode::Append)?;
        for number in 0..8 {
            support::batches::commit(&store, number, Durability::Buffered)?;
        }
        let next = 8;
        Ok(Self { path, store, next })
    }

    fn check(&self, store: &Store) -> Outcome {
        let newest = support::batches::newest(store).map_err(|wrong| wrong.to_string())?;
        match newest == self.next.checked_sub(1) {
            true => Ok(()),
            false => {
                Err(format!("batch {newest:?} is the newest, {} comes next", self.next).into())
            }
        }
    }

    /// Works with little room until something is refused; how often that was.
    fn work(&mut self) -> Result<u64, Box<dyn std::error::Error>> {
        let mut refused = 0;
        for number in 0..12 {
            let durability = match number % 2 {
                0 => Durability::Buffered,
                _ => Durability::Synced,
            };
            let done = match number % 6 {
                4 => self.store.checkpoint().map(drop),
                5 => self.store.compact(&CompactOptions::new()).map(drop),
                _ => {
                    let done = support::batches::commit(&self.store, self.next, durability);
                    self.next += u64::from(done.is_ok());
                    done
                }
            };
            match done {
                Ok(()) => {}
                Err(Error::NotCommitted { .. } | Error::Io { .. }) => refused += 1,
                Err(other) => return Err(other.into()),
            }
            self.check(&self.store)?;
            self.check(&support::open(self.path, Mode::Read)?)?;
        }
        Ok(refused)
    }

    /// Goes on with room, here and opened again.
    fn go_on(&mut self) -> Outcome {
        support::batches::commit(&self.store, self.next, Durability::Synced)?;
        self.next += 1;
        self.check(&self.store)?;
        self.store.close()?;
        self.store = support::open(self.path, Mode::ReadWrite)?;
        self.check(&self.store)?;
        Ok(self.store.compact(&CompactOptions::new()).map(drop)?)
    }
}

/// Works while no file can grow beyond each of these lengths, and says how often something
/// was refused.
#[expect(unsafe_code, reason = "signal has no safe face")]
pub(crate) fn short_files(path: &Path, lengths: std::ops::Range<u64>) -> Outcome {
    // SAFETY: ignoring a signal runs no code of this program.
    unsafe { libc::signal(libc::SIGXFSZ, libc::SIG_IGN) };
    let mut squeezed = Squeezed::new(path)?;
    let mut refused = 0;
    for more in lengths.step_by(1013) {
        let length = std::fs::metadata(path)?.len() + more;
        set_limit(Scarce::FileLength, length)?;
        refused += squeezed.work()?;
        set_limit(Scarce::FileLength, libc::RLIM_INFINITY)?;
        squeezed.go_on()?;
    }
    say(refused)
}

/// Works in a file system of 2 MiB with less and less room, and says how often something
/// was refused; or why there is no such file system.
#[cfg(target_os = "linux")]
pub(crate) fn full_tmpfs(folder: &Path) -> Outcome {
    if let Err(error) = mount_tmpfs(folder) {
        return say(format!("skipped: no file system of its own: {error}"));
    }
    let path = folder.join("a.alog");
    let mut squeezed = Squeezed::new(&path)?;
    let mut refused = 0;
    for left in 0..40u64 {
        let filler = folder.join("filler");
        let mut file = std::fs::File::create(&filler)?;
        // As much as there is, and then a few pages less.
        let page = [1; 4096];
        let mut written = 0;
        while file.write_all(&page).is_ok() {
            written += 4096;
        }
        file.set_len(u64::saturating_sub(written, left * 4096))?;
        drop(file);
        refused += squeezed.work()?;
        std::fs::remove_file(&filler)?;
        squeezed.go_on()?;
    }
    say(refused)
}

#[cfg(not(target_os = "linux"))]
pub(crate) fn full_tmpfs(_folder: &Path) -> Outcome {
    say("skipped: this system has no tmpfs")
}

/// Mounts a file system of 2 MiB at `folder` that this process alone sees and that goes
/// with it.
#[cfg(target_os = "linux")]
#[expect(unsafe_code, reason = "unshare and mount have no safe face")]
fn mount_tmpfs(folder: &Path) -> std::io::Result<()> {
    let folder = std::ffi::CString::new(folder.as_os_str().as_encoded_bytes())?;
    let check = |result| match result {
        0 => Ok(()),
        _ => Err(std::io::Error::last_os_error()),
    };
    // SAFETY: takes numbers; this process has one thread.
    let unshared = check(unsafe { libc::unshare(libc::CLONE_NEWNS) });
    if unshared.is_err() {
        // SAFETY: as above.
        check(unsafe { libc::unshare(libc::CLONE_NEWUSER | libc::CLONE_NEWNS) })?;
    }
    let (none, all) = (std::ptr::null(), libc::MS_REC | libc::MS_PRIVATE);
    // SAFETY: the target is a string that lives through the call; what is not needed is null.
    check(unsafe { libc::mount(none, c"/".as_ptr(), none, all, none.cast()) })?;
    let (kind, options) = (c"tmpfs".as_ptr(), c"size=2m".as_ptr().cast());
    // SAFETY: all strings live through the call.
    check(unsafe { libc::mount(kind, folder.as_ptr(), kind, 0, options) })
}

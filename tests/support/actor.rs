//! What tests have another process do: `actor VERB STORE [WORD]...`.
//!
//! Answers are lines on the standard output. A line on the standard input, or its
//! end, is the sign to go on.

mod bounded;
mod compact;
mod media;

use std::error::Error as StdError;
use std::io::{Write, stdin, stdout};
use std::path::Path;
use std::time::Duration;

use arraylog::{CompactOptions, Durability, Error, Mode, OpenOptions, Partition, Store};

type Outcome = Result<(), Box<dyn StdError>>;

fn main() -> Outcome {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    match *words.as_slice() {
        ["hold", path] => hold(Path::new(path)),
        ["try", path, mode] => attempt(Path::new(path), mode),
        ["try-unprivileged", path, mode] => {
            give_up_privileges()?;
            attempt(Path::new(path), mode)
        }
        ["batches", path, from, pause] => {
            let pause = Duration::from_micros(pause.parse()?);
            batches(Path::new(path), from.parse()?, pause)
        }
        ["everything", path, from] => everything(Path::new(path), from.parse()?),
        ["full-tmpfs", folder] => bounded::full_tmpfs(Path::new(folder)),
        ["short-files", path, from, to] => {
            bounded::short_files(Path::new(path), from.parse()?..to.parse()?)
        }
        ["synced", path] => synced(Path::new(path)),
        ["synced-threads", path] => synced_threads(Path::new(path)),
        ["count-reads", path] => count_reads(Path::new(path)),
        ["fork", path] => fork_idle(Path::new(path)),
        ["fork-while-writing", path] => fork_while_writing(Path::new(path)),
        ["stream", path, len] => bounded::stream(Path::new(path), len.parse()?),
        ["large-batch", path, count, len] => {
            bounded::large_batch(Path::new(path), count.parse()?, len.parse()?)
        }
        ["cold", path, keys, mapped, lookups, seed, mib] => {
            bounded::limit_memory(mib.parse::<u64>()? << 20)?;
            let (keys, lookups) = (keys.parse()?, lookups.parse()?);
            let path = Path::new(path);
            let mapped = mapped == "mapped";
            let read = support::large::read_cold(path, keys, mapped, lookups, seed.parse()?)?;
            say(format!(
                "{} {} {} {} {}",
                read.lookups, read.scanned, read.before, read.after, read.kept
            ))
        }
        ["bounded-read", folder] => bounded::read(Path::new(folder)),
        ["soak", path] => soak(Path::new(path)),
        ["crowd", path, number] => crowd(Path::new(path), number.parse()?),
        ["compact-and-write", path, from] => compact::and_write(Path::new(path), from.parse()?),
        ["compact-unprivileged", path] => {
            give_up_privileges()?;
            compact::unprivileged(Path::new(path))
        }
        ["compact-on-full-disk", path] => compact::on_full_disk(Path::new(path)),
        ["full-disk", path] => bounded::full_disk(Path::new(path)),
        ["small-disk", path] => media::small_disk(Path::new(path)),
        ["read-only", path] => media::read_only(Path::new(path)),
        ["read-only-unprivileged", path] => {
            give_up_privileges()?;
            media::read_only(Path::new(path))
        }
        _ => Err(format!("unknown words {words:?}").into()),
    }
}

fn say(line: impl std::fmt::Display) -> Outcome {
    let mut out = stdout().lock();
    writeln!(out, "{line}")?;
    Ok(out.flush()?)
}

fn wait_for_sign() -> Outcome {
    stdin().read_line(&mut String::new())?;
    Ok(())
}

fn mode(name: &str) -> Mode {
    match name {
        "r" => Mode::Read,
        "r+" => Mode::ReadWrite,
        "a" => Mode::Append,
        "w" => Mode::Replace,
        _ => Mode::CreateNew,
    }
}

/// Keeps a store open for writing, and ends without closing it.
fn hold(path: &Path) -> Outcome {
    let store = support::open(path, Mode::Append)?;
    store.default_partition()?.put("held", "1")?;
    say("open")?;
    wait_for_sign()
}

/// Follows a writer until the input ends, and checks whatever it sees.
fn soak(path: &Path) -> Outcome {
    let store = support::open(path, Mode::Read)?;
    say("follows")?;
    let stop = std::sync::Arc::new(std::sync::atomic::AtomicBool::new(false));
    let stopped = std::sync::Arc::clone(&stop);
    std::thread::spawn(move || {
        let _ = wait_for_sign();
        stopped.store(true, std::sync::atomic::Ordering::Relaxed);
    });
    let (mut seen, mut rounds) = (support::soak::Seen::default(), 0u64);
    while !stop.load(std::sync::atomic::Ordering::Relaxed) {
        store.refresh()?;
        if let Err(error) = support::soak::look(&store, &mut seen) {
            say(&error)?;
            return Err(error.to_string().into());
        }
        rounds += 1;
    }
    say(format!("{rounds} rounds, up to batch {}", seen.number()))
}

/// One of many readers, of four kinds: mapped and copying, told to follow and by itself.
/// Looks until the input ends, then at the last state and at all that it had taken out.
fn crowd(path: &Path, number: usize) -> Outcome {
    let follows = number.is_multiple_of(2);
    let options = OpenOptions::new().follow(follows);
    let store = match number % 4 {
        0 | 1 => support::open_mapped(&options, path)?,
        _ => options.open(path)?,
    };
    let mut reader = support::crowd::Reader::default();
    let mut look = || -> Outcome {
        if !follows {
            store.refresh()?;
        }
        reader.look(&store)
    };
    look()?;
    say("reads")?;
    let stop = std::thread::spawn(wait_to_end);
    while !stop.is_finished() {
        look()?;
    }
    look()?;
    let held = reader.compare_held()?;
    let (newest, looks) = (reader.newest(), reader.looks());
    say(format!("{newest} {looks} {held} {}", store.generation()))
}

/// Says how opening ends.
fn attempt(path: &Path, name: &str) -> Outcome {
    match support::open(path, mode(name)) {
        Ok(store) => {
            say("opened")?;
            Ok(store.close()?)
        }
        Err(error) => say(describe(&error)),
    }
}

/// Says how many bytes this process had read by system calls before and after it
/// opened a store.
fn count_reads(path: &Path) -> Outcome {
    let bytes_read = || {
        let counts = std::fs::read_to_string("/proc/self/io").unwrap_or_default();
        let line = counts.lines().find_map(|line| line.strip_prefix("rchar: "));
        line.unwrap_or("not known").to_owned()
    };
    say(bytes_read())?;
    let store = support::open(path, Mode::Read)?;
    say(bytes_read())?;
    Ok(store.close()?)
}

fn describe(error: &Error) -> String {
    match error {
        Error::Io { source, .. } => format!("{}: {error}: {:?}", error.kind(), source.kind()),
        _ => format!("{}: {error}", error.kind()),
    }
}

/// Commits batch after batch, and says the number of each that was committed. Rests between
/// them.
fn batches(path: &Path, from: u64, pause: Duration) -> Outcome {
    let store = support::open(path, Mode::Append)?;
    for number in from.. {
        support::batches::commit(&store, number, Durability::Buffered)?;
        say(number)?;
        std::thread::sleep(pause);
    }
    Ok(())
}

/// Commits batch after batch, every third one durably, while another thread takes
/// checkpoints and compacts, and says the number of each that was committed.
fn everything(path: &Path, from: u64) -> Outcome {
    let store = support::open(path, Mode::Append)?;
    std::thread::scope(|scope| {
        scope.spawn(|| {
            for round in 0.. {
                let done = match round % 3 {
                    0 => store.compact(&CompactOptions::new()).map(drop),
                    _ => store.checkpoint().map(drop),
                };
                if done.is_err() {
                    // The writer finds no line for its pipe, and the test a number missing.
                    std::process::abort();
                }
                std::thread::sleep(Duration::from_micros(500));
            }
        });
        for number in from.. {
            let durability = match number % 3 {
                0 => Durability::Synced,
                _ => Durability::Buffered,
            };
            support::batches::commit(&store, number, durability)?;
            say(number)?;
        }
        Ok(())
    })
}

/// Commits durably from eight threads without end, and says each key once it is durable.
fn synced_threads(path: &Path) -> Outcome {
    let options = OpenOptions::new().mode(Mode::Append);
    let store = options.durability(Durability::Synced).open(path)?;
    let part = store.default_partition()?;
    part.put("first", "")?;
    say("first")?;
    std::thread::scope(|scope| {
        let commit = |thread: u64| {
            for number in 0..u64::MAX {
                let key = format!("{thread} {number}");
                if part.put(&key, &key).is_err() || say(&key).is_err() {
                    return;
                }
            }
        };
        (0..8).for_each(|thread| drop(scope.spawn(move || commit(thread))));
    });
    Ok(())
}

/// Commits numbers, each flushed to the device, until its input ends.
fn synced(path: &Path) -> Outcome {
    let options = OpenOptions::new()
        .mode(Mode::Append)
        .durability(Durability::Synced);
    let store = support::open_mapped(&options, path)?;
    let part = store.default_partition()?;
    let asked = std::thread::spawn(wait_to_end);
    say("open")?;
    let mut number = 0u64;
    while !asked.is_finished() {
        part.put("number", number.to_le_bytes())?;
        number += 1;
    }
    store.close()?;
    say(number)
}

fn wait_to_end() {
    let _ = stdin().read_line(&mut String::new());
}

/// Ends with what the operating system calls nobody, if it may choose.
#[expect(unsafe_code, reason = "system calls")]
fn give_up_privileges() -> Outcome {
    // SAFETY: takes and gives numbers.
    let result = unsafe { libc::setuid(65_534) };
    if result == -1 {
        // Without privileges there are none to give up.
        say("kept")?;
    }
    Ok(())
}

/// Forks; `true` in the child.
#[expect(unsafe_code, reason = "fork has no safe face")]
fn fork() -> Result<Option<libc::pid_t>, std::io::Error> {
    // SAFETY: the child goes on with memory and descriptors only; where the parent has
    // threads, it uses no lock but those of the store, which is what is tested.
    match unsafe { libc::fork() } {
        -1 => Err(std::io::Error::last_os_error()),
        0 => Ok(None),
        child => Ok(Some(child)),
    }
}

/// Waits for the end of a child, for at most ten seconds; its exit code.
#[expect(unsafe_code, reason = "waitpid has no safe face")]
fn wait_for(child: libc::pid_t) -> Option<i32> {
    for _ in 0..1000 {
        let mut status = 0;
        // SAFETY: `status` is written by the call.
        let found = unsafe { libc::waitpid(child, &raw mut status, libc::WNOHANG) };
        if found == child {
            return libc::WIFEXITED(status).then(|| libc::WEXITSTATUS(status));
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    // SAFETY: takes numbers; the child is this process's own.
    unsafe { libc::kill(child, libc::SIGKILL) };
    let mut status = 0;
    // SAFETY: `status` is written by the call.
    unsafe { libc::waitpid(child, &raw mut status, 0) };
    None
}

#[expect(
    unsafe_code,
    reason = "ends a child without the exit handlers of its parent"
)]
fn leave(code: i32) -> ! {
    // SAFETY: ends the process.
    unsafe { libc::_exit(code) }
}

/// What a child of a fork does to a store: reads, fails to write, drops all of it.
fn child_of_fork(store: Store, part: Partition) -> i32 {
    if part.get("key").ok().flatten().as_deref() != Some(b"parent") {
        return 2;
    }
    let refused = |result: arraylog::Result<()>| matches!(result, Err(Error::Forked { .. }));
    if !refused(part.put("key", "child")) {
        return 3;
    }
    if !refused(store.sync()) || !refused(store.batch().map(drop)) {
        return 4;
    }
    // The parent may be taking one, under a lock that nobody here gives back.
    if !refused(store.checkpoint().map(drop)) {
        return 6;
    }
    if !refused(store.compact(&CompactOptions::new()).map(drop)) {
        return 7;
    }
    if store.close().is_err() {
        return 5;
    }
    0
}

fn fork_idle(path: &Path) -> Outcome {
    let store = support::open(path, Mode::Append)?;
    let part = store.default_partition()?;
    part.put("key", "parent")?;
    let before = std::fs::read(path)?;
    let Some(child) = fork()? else {
        leave(child_of_fork(store, part));
    };
    say(format!("child {:?}", wait_for(child)))?;
    say(format!("unchanged {}", std::fs::read(path)? == before))?;
    say("ready")?;
    wait_for_sign()?;
    part.put("key", "parent again")?;
    Ok(store.close()?)
}

/// Forks while another thread is in the middle of a commit, or of a checkpoint.
fn fork_while_writing(path: &Path) -> Outcome {
    let options = OpenOptions::new()
        .mode(Mode::Append)
        .durability(Durability::Synced);
    let store = support::open_mapped(&options, path)?;
    let part = store.default_partition()?;
    part.put("key", "parent")?;
    let other = store.partition("other", "other")?;
    let writing = std::thread::spawn(move || {
        let value = vec![1; 1 << 20];
        (0..40).try_for_each(|_| {
            other.put("large", &value)?;
            other.store().checkpoint().map(drop)
        })
    });
    let mut codes = Vec::new();
    while !writing.is_finished() {
        let Some(child) = fork()? else {
            leave(child_of_fork(store, part));
        };
        codes.push(wait_for(child));
    }
    writing.join().map_err(|_| "the writer panicked")??;
    codes.retain(|code| *code != Some(0));
    say(format!("failed {codes:?}"))?;
    Ok(store.close()?)
}

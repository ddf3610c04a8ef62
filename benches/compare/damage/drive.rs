//! Asks children, one for each store, and counts what they answer.

use std::io::{BufRead as _, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};

use crate::content::save;
use crate::{Arguments, peers};

/// No answer takes longer than this, or the child hangs.
const LONGEST: Duration = Duration::from_secs(30);

/// Stores that Python reads: their names and their files.
const PYTHON: [(&str, &str); 4] = [
    ("safetensors", "store.safetensors"),
    ("h5py", "store.h5"),
    ("h5py-fletcher32", "store.h5"),
    ("array-record", "store.array_record"),
];

/// What a store made of its damaged files.
#[derive(Clone, Debug, Default)]
pub(crate) struct Row {
    pub(crate) name: String,
    /// Bytes of its file.
    pub(crate) bytes: usize,
    pub(crate) flips: usize,
    pub(crate) right: usize,
    pub(crate) error: usize,
    /// Another value than was stored, or another number of entries.
    pub(crate) wrong: usize,
    /// A key that is said not to be there.
    pub(crate) missing: usize,
    pub(crate) panic: usize,
    /// Killed by a signal, or ended.
    pub(crate) died: usize,
    pub(crate) hung: usize,
    /// Files that were changed by being read, whatever came back.
    pub(crate) changed: usize,
    pub(crate) took: Duration,
}

impl Row {
    /// What nobody was told of.
    pub(crate) fn silent(&self) -> usize {
        self.wrong + self.missing
    }
}

/// How a store is reached.
struct Way {
    name: String,
    file: String,
    program: PathBuf,
    /// Before the name of the store and its folder.
    script: Option<PathBuf>,
}

impl Way {
    fn command(&self, mode: &str, folder: &Path) -> Command {
        let mut command = Command::new(&self.program);
        command.args(&self.script).arg(mode);
        command.arg(&self.name).arg(folder);
        command
    }
}

/// Asks for all stores that were asked for.
pub(crate) fn all(arguments: &Arguments) -> Result<Vec<Row>> {
    let this = std::env::current_exe()?;
    let rust = peers::NAMES.iter().map(|name| {
        let file = peers::named(name).map(|peer| peer.file().to_owned());
        Ok(Way {
            name: (*name).to_owned(),
            file: file?,
            program: this.clone(),
            script: None,
        })
    });
    let mut ways: Vec<Way> = rust.collect::<Result<_>>()?;
    if let Some(python) = &arguments.python {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("python/damage.py");
        ways.extend(PYTHON.iter().map(|(name, file)| Way {
            name: (*name).to_owned(),
            file: (*file).to_owned(),
            program: python.clone(),
            script: Some(script.clone()),
        }));
    }
    if !arguments.peers.is_empty() {
        ways.retain(|way| arguments.peers.contains(&way.name));
    }
    let mut rows = Vec::new();
    for way in &ways {
        let row = one(way, arguments).with_context(|| format!("{} cannot be asked", way.name))?;
        writeln!(std::io::stderr(), "{row:?}")?;
        rows.push(row);
    }
    Ok(rows)
}

fn one(way: &Way, arguments: &Arguments) -> Result<Row> {
    let folder = tempfile::tempdir()?;
    save(folder.path())?;
    let made = way.command("make", folder.path()).status()?;
    if !made.success() {
        bail!("its store was not made: {made}");
    }
    let path = folder.path().join(&way.file);
    let pristine = std::fs::read(&path)?;
    let begun = Instant::now();
    let mut row = Row {
        name: way.name.clone(),
        bytes: pristine.len(),
        ..Row::default()
    };
    let mut rng = fastrand::Rng::with_seed(arguments.seed);
    let mut asked = None;
    for number in 0..arguments.flips {
        // One in each stretch of the file, of equal length.
        let from = pristine.len() * number / arguments.flips;
        let to = (pristine.len() * (number + 1) / arguments.flips).max(from + 1);
        let (at, mask) = (rng.usize(from..to), rng.u8(1..));
        let mut server = match asked.take() {
            Some(server) => server,
            None => {
                // The one before may have died over a damaged file.
                std::fs::write(&path, &pristine)?;
                Server::start(way, folder.path())?
            }
        };
        let answer = server.ask(at, mask);
        row.flips += 1;
        let Some(answer) = answer else {
            match server.is_alive() {
                true => row.hung += 1,
                false => row.died += 1,
            }
            server.end();
            continue;
        };
        let (word, changed) = answer.split_once(' ').context("two words")?;
        *match word {
            "right" => &mut row.right,
            "error" => &mut row.error,
            "wrong" => &mut row.wrong,
            "missing" => &mut row.missing,
            "panic" => &mut row.panic,
            other => bail!("it answered {other:?}"),
        } += 1;
        row.changed += usize::from(changed == "changed");
        // A panic may leave locks and mappings behind.
        if word == "panic" {
            server.end();
        } else {
            asked = Some(server);
        }
    }
    if let Some(server) = asked {
        server.end();
    }
    row.took = begun.elapsed();
    Ok(row)
}

/// A child that answers.
struct Server {
    child: Child,
    stdin: ChildStdin,
    answers: Receiver<String>,
}

impl Server {
    fn start(way: &Way, folder: &Path) -> Result<Self> {
        let mut command = way.command("serve", folder);
        command.stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.stderr(Stdio::null()).spawn()?;
        let stdin = child.stdin.take().context("a pipe")?;
        let stdout = child.stdout.take().context("a pipe")?;
        let (send, answers) = channel();
        std::thread::spawn(move || {
            for line in BufReader::new(stdout).lines().map_while(Result::ok) {
                if send.send(line).is_err() {
                    break;
                }
            }
        });
        Ok(Self {
            child,
            stdin,
            answers,
        })
    }

    /// What comes of changing the byte at `at`; `None`: nothing came.
    fn ask(&mut self, at: usize, mask: u8) -> Option<String> {
        writeln!(self.stdin, "{at} {mask}").ok()?;
        self.answers.recv_timeout(LONGEST).ok()
    }

    fn is_alive(&mut self) -> bool {
        // Its output may close a moment before it is gone.
        std::thread::sleep(Duration::from_millis(200));
        matches!(self.child.try_wait(), Ok(None))
    }

    fn end(mut self) {
        // It is gone, or goes now.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

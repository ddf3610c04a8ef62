//! Other processes.

use std::io::{self, BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

/// A process that does as `actor.rs` says; killed when dropped.
#[derive(Debug)]
pub struct Actor {
    child: Child,
    input: Option<ChildStdin>,
    output: BufReader<ChildStdout>,
}

impl Actor {
    /// Starts the program `actor` with `words`.
    ///
    /// # Errors
    ///
    /// Those of starting a process.
    pub fn start(actor: &str, words: &[&str]) -> io::Result<Self> {
        Self::spawn(Command::new(actor).args(words))
    }

    fn spawn(command: &mut Command) -> io::Result<Self> {
        let piped = command.stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = piped.spawn()?;
        let output = child.stdout.take().ok_or(io::ErrorKind::BrokenPipe)?;
        Ok(Self {
            input: child.stdin.take(),
            output: BufReader::new(output),
            child,
        })
    }

    /// Starts the program `actor` with `words` in a mount name space of its own, after the
    /// shell commands `mounts`, in which `$0` is `folder`; `None` where the system grants
    /// none.
    ///
    /// # Errors
    ///
    /// Those of starting a process.
    pub fn start_mounted(
        actor: &str,
        mounts: &str,
        folder: &Path,
        words: &[&str],
    ) -> io::Result<Option<Self>> {
        // The superuser's own, or one in which this user is called so.
        for rights in [&["--mount"][..], &["--mount", "--map-root-user"]] {
            let run = |script: &str| {
                let mut command = Command::new("unshare");
                command.args(rights).args(["sh", "-c", script]);
                command.arg(folder);
                command
            };
            let tried = run(mounts).stderr(Stdio::null()).status();
            if tried.is_ok_and(|status| status.success()) {
                let mut command = run(&format!("{mounts} && exec \"$@\""));
                return Self::spawn(command.arg(actor).args(words)).map(Some);
            }
        }
        Ok(None)
    }

    /// Starts the program `actor` with `words` where the kernel lets it have `bytes` of
    /// memory, pages of files among it; `None`, and why, where the system grants none.
    ///
    /// In the control group whose folder `ARRAYLOG_TEST_MEMORY_GROUP` names, which has a
    /// limit, or else in one that systemd makes.
    ///
    /// # Errors
    ///
    /// Those of starting a process.
    pub fn start_limited(
        actor: &str,
        bytes: u64,
        words: &[&str],
    ) -> io::Result<Result<Self, String>> {
        if let Some(group) = std::env::var_os("ARRAYLOG_TEST_MEMORY_GROUP") {
            let group = Path::new(&group);
            let limits = ["memory.max", "memory.limit_in_bytes"].map(|name| group.join(name));
            let limits = limits.iter().flat_map(std::fs::read_to_string);
            let limit = limits.flat_map(|text| text.trim().parse::<u64>()).next();
            if limit.is_none_or(|limit| limit > bytes) {
                return Ok(Err(format!(
                    "{} limits memory to {limit:?} bytes, and not to {bytes} at most",
                    group.display()
                )));
            }
            let mut command = Command::new("sh");
            command.args(["-c", "echo $$ > \"$0\" && exec \"$@\""]);
            command.arg(group.join("cgroup.procs")).arg(actor);
            return Self::spawn(command.args(words)).map(Ok);
        }
        for whose in [&["--user"][..], &[]] {
            let scope = || {
                let mut command = Command::new("systemd-run");
                command
                    .args(whose)
                    .args(["--scope", "--quiet", "--collect"]);
                command.arg(format!("--property=MemoryMax={bytes}"));
                command.arg("--property=MemorySwapMax=0");
                command
            };
            let tried = scope().arg("true").stderr(Stdio::null()).status();
            if tried.is_ok_and(|status| status.success()) {
                return Self::spawn(scope().arg(actor).args(words)).map(Ok);
            }
        }
        let why = "systemd-run makes no control group here, and \
                   ARRAYLOG_TEST_MEMORY_GROUP names none";
        Ok(Err(why.to_owned()))
    }

    /// Has it go on where it waits for a sign.
    ///
    /// # Errors
    ///
    /// Those of writing to the pipe.
    pub fn sign(&mut self) -> io::Result<()> {
        let input = self.input.as_mut().ok_or(io::ErrorKind::BrokenPipe)?;
        writeln!(input)
    }

    /// The next line that it prints, without its end; `None` after the last.
    ///
    /// # Errors
    ///
    /// Those of reading the pipe.
    pub fn line(&mut self) -> io::Result<Option<String>> {
        let mut line = String::new();
        self.output.read_line(&mut line)?;
        // A line that is cut by a kill is no line.
        Ok(line.strip_suffix('\n').map(str::to_owned))
    }

    /// Ends it by SIGKILL; the lines that it had printed and nobody read.
    ///
    /// # Errors
    ///
    /// Those of killing and reading.
    pub fn kill(mut self) -> io::Result<Vec<String>> {
        self.child.kill()?;
        self.child.wait()?;
        let mut lines = Vec::new();
        while let Some(line) = self.line()? {
            lines.push(line);
        }
        Ok(lines)
    }

    /// Closes its input and waits for its end; the lines left.
    ///
    /// # Errors
    ///
    /// If it ends with a failure.
    pub fn finish(mut self) -> io::Result<Vec<String>> {
        drop(self.input.take());
        let mut lines = Vec::new();
        while let Some(line) = self.line()? {
            lines.push(line);
        }
        let status = self.child.wait()?;
        if status.success() {
            return Ok(lines);
        }
        Err(io::Error::other(format!("{status}, after {lines:?}")))
    }
}

impl Drop for Actor {
    fn drop(&mut self) {
        // Both fail if it has ended.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

//! How a command ends when it does not end well.

use std::error::Error as _;
use std::fmt::Write as _;
use std::io;
use std::path::{Path, PathBuf};

/// Result of every command.
pub(crate) type Outcome<T = ()> = Result<T, Failure>;

/// Why a command stops, with the exit code that follows.
#[derive(Debug)]
pub(crate) enum Failure {
    /// What was asked for is not there, or input was at fault: 1.
    Negative(String),
    /// Arguments that do not go together: 2.
    Usage(String),
    /// The store refused: 1 if something is not there or in the way, 4 if it is locked, else 3.
    Store(arraylog::Error),
    /// A file or stream other than the store: 3.
    Io {
        /// "read", "write".
        action: &'static str,
        path: PathBuf,
        source: io::Error,
    },
    /// Input in a wrong format, at which the command stopped: 3.
    Input(String),
    /// SIGINT: 130.
    Interrupted(String),
    /// Whoever read the output has gone: a quiet 0.
    BrokenPipe,
}

impl Failure {
    /// A failure to write the output.
    pub(crate) fn output(source: io::Error) -> Self {
        if source.kind() == io::ErrorKind::BrokenPipe {
            return Self::BrokenPipe;
        }
        Self::Io {
            action: "write",
            path: "standard output".into(),
            source,
        }
    }

    /// A failure to do `action` with the file `path`.
    pub(crate) fn io(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::Io {
            action,
            path,
            source,
        }
    }

    pub(crate) fn exit_code(&self) -> u8 {
        match self {
            Self::BrokenPipe => 0,
            Self::Negative(_)
            | Self::Store(
                arraylog::Error::NotFound { .. }
                | arraylog::Error::Conflict { .. }
                | arraylog::Error::SnapshotGone { .. },
            ) => 1,
            Self::Usage(_) | Self::Store(arraylog::Error::Invalid { .. }) => 2,
            Self::Store(arraylog::Error::Locked { .. }) => 4,
            Self::Store(_) | Self::Io { .. } | Self::Input(_) => 3,
            Self::Interrupted(_) => 130,
        }
    }

    /// The message for people, causes included; `None` if there is nothing to say.
    pub(crate) fn message(&self) -> Option<String> {
        Some(match self {
            Self::BrokenPipe => return None,
            Self::Negative(message)
            | Self::Usage(message)
            | Self::Input(message)
            | Self::Interrupted(message) => message.clone(),
            Self::Store(error) => with_causes(error),
            Self::Io {
                action,
                path,
                source,
            } => {
                format!("cannot {action} `{}`: {source}", path.display())
            }
        })
    }
}

impl From<arraylog::Error> for Failure {
    fn from(error: arraylog::Error) -> Self {
        Self::Store(error)
    }
}

/// An error and its causes, which the error does not repeat itself.
pub(crate) fn with_causes(error: &arraylog::Error) -> String {
    let mut message = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let _ = write!(message, ": {error}");
        cause = error.source();
    }
    message
}

//! Codecs that users bring.

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::sync::{Arc, LazyLock};

use arc_swap::ArcSwap;

use super::{Elements, built_in, spec};
use crate::error::{Error, Result};

/// A codec that users bring, [registered](register) by name.
///
/// Files say its name, so whoever reads them has to register it too; without it the file
/// opens, and reading its arrays is [`Error::CodecUnavailable`]. What it has encoded has to
/// decode the same for ever: a change of its bytes is another name, or other parameters.
/// It is called from any thread, from several at once.
pub trait Codec: Send + Sync + Debug {
    /// Name in specs and in files: `[a-z][a-z0-9_.-]*`, at most 64 bytes, none of the
    /// built-in ones.
    fn name(&self) -> &str;

    /// Appends the encoded form of `data`. `parameters` is what follows the colon in the
    /// spec, "" if nothing does.
    ///
    /// # Errors
    ///
    /// What is wrong, as the end of a sentence; the write fails with it.
    fn encode(
        &self,
        data: &[u8],
        parameters: &str,
        elements: Elements,
        out: &mut Vec<u8>,
    ) -> Result<(), String>;

    /// Fills `out`, whose length is that of what was encoded. `data` is what `encode` made,
    /// or bytes that somebody put there.
    ///
    /// # Errors
    ///
    /// What is wrong, as the end of a sentence: `data` does not give exactly `out.len()`
    /// bytes. The read fails with it.
    fn decode(
        &self,
        data: &[u8],
        parameters: &str,
        elements: Elements,
        out: &mut [u8],
    ) -> Result<(), String>;
}

type Codecs = BTreeMap<String, Arc<dyn Codec>>;

/// Swapped whole, so that reads of arrays take no lock and a fork leaves none behind.
static REGISTERED: LazyLock<ArcSwap<Codecs>> = LazyLock::new(ArcSwap::default);

/// Makes a codec known to all stores of this process. One of the same name is replaced.
///
/// # Errors
///
/// `Error::Invalid` for a name that is no name of a codec, or that of a built-in one.
pub fn register(codec: Arc<dyn Codec>) -> Result<()> {
    let name = codec.name().to_owned();
    let fault = spec::name_fault(&name).or_else(|| {
        let taken = name == spec::NONE || name == spec::SHUFFLE || built_in::named(&name).is_some();
        taken.then(|| "that of a built-in codec; give yours another one".to_owned())
    });
    if let Some(detail) = fault {
        return Err(Error::Invalid {
            what: format!("name of codec {name:?}"),
            detail,
        });
    }
    REGISTERED.rcu(|codecs| {
        let mut codecs = Codecs::clone(codecs);
        codecs.insert(name.clone(), Arc::clone(&codec));
        codecs
    });
    Ok(())
}

/// Names of the codecs that this build has, then of those that were [registered](register).
#[must_use]
pub fn available() -> Vec<String> {
    let here = built_in::ALL.iter().filter(|codec| codec.is_here());
    let built_in = [spec::NONE, spec::SHUFFLE].into_iter();
    let built_in = built_in.chain(here.map(|codec| codec.name));
    let registered = REGISTERED.load();
    built_in
        .map(str::to_owned)
        .chain(registered.keys().cloned())
        .collect()
}

/// The registered codec of this name.
pub(super) fn registered(name: &str) -> Option<Arc<dyn Codec>> {
    REGISTERED.load().get(name).map(Arc::clone)
}

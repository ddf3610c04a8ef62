//! Atomic words of the tables. Under test each use is a point at which the model of the
//! protocol between the writer and its readers may have another thread go on.

#[cfg(not(test))]
pub(super) use std::sync::atomic::{AtomicBool, AtomicU16, AtomicU32, AtomicU64, AtomicUsize};

#[cfg(test)]
pub(super) use watched::{
    AtomicBool, AtomicU16, AtomicU32, AtomicU64, AtomicUsize, WATCHED, point,
};

#[cfg(test)]
mod watched {
    use std::cell::Cell;
    use std::ops::Deref;
    use std::sync::atomic;

    use zerocopy::FromZeros;

    thread_local! {
        /// Whether this thread runs the model.
        pub(in crate::index) static WATCHED: Cell<bool> = const { Cell::new(false) };
    }

    /// Lets another thread of the model go on.
    pub(in crate::index) fn point() {
        if WATCHED.get() {
            shuttle::thread::yield_now();
        }
    }

    #[derive(Debug, Default, FromZeros)]
    #[repr(transparent)]
    pub(in crate::index) struct Watched<A>(A);

    impl<A> Deref for Watched<A> {
        type Target = A;

        fn deref(&self) -> &A {
            point();
            &self.0
        }
    }

    pub(in crate::index) type AtomicBool = Watched<atomic::AtomicBool>;
    pub(in crate::index) type AtomicU16 = Watched<atomic::AtomicU16>;
    pub(in crate::index) type AtomicU32 = Watched<atomic::AtomicU32>;
    pub(in crate::index) type AtomicU64 = Watched<atomic::AtomicU64>;
    pub(in crate::index) type AtomicUsize = Watched<atomic::AtomicUsize>;

    impl AtomicBool {
        pub(in crate::index) fn new(value: bool) -> Self {
            Self(atomic::AtomicBool::new(value))
        }
    }

    impl AtomicU64 {
        pub(in crate::index) fn new(value: u64) -> Self {
            Self(atomic::AtomicU64::new(value))
        }
    }

    impl AtomicUsize {
        pub(in crate::index) fn new(value: usize) -> Self {
            Self(atomic::AtomicUsize::new(value))
        }
    }
}

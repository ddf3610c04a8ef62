//! Places between the steps of the protocol at which another thread may have its turn.
//!
//! A model of threads runs them one at a time and chooses at each such place who goes on.
//! Outside of tests there is nothing here.

#[cfg(not(test))]
use parking_lot::{Mutex, MutexGuard};

/// A model may have another thread go on.
#[cfg(not(test))]
#[inline(always)]
pub(crate) const fn point() {}

/// Takes a lock that may be held at such a place.
#[cfg(not(test))]
#[inline(always)]
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock()
}

#[cfg(test)]
pub(crate) use model::{in_orders, lock, point, run};

#[cfg(test)]
mod model {
    use std::cell::Cell;
    use std::panic::{UnwindSafe, catch_unwind};

    use parking_lot::{Mutex, MutexGuard};
    use shuttle::scheduler::RandomScheduler;
    use shuttle::{Config, Runner};

    thread_local! {
        /// Whether this thread runs the model.
        static WATCHED: Cell<bool> = const { Cell::new(false) };
    }

    pub(crate) fn point() {
        if WATCHED.get() {
            shuttle::thread::yield_now();
        }
    }

    pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
        if !WATCHED.get() {
            return mutex.lock();
        }
        loop {
            // The threads of a model share one of the system, which must not wait.
            point();
            if let Some(guard) = mutex.try_lock() {
                return guard;
            }
        }
    }

    /// Runs `model`, whose threads are those of shuttle, in so many orders of their steps,
    /// the same each time; what the first that is wrong said.
    pub(crate) fn in_orders(orders: usize, model: fn()) -> Result<(), String> {
        WATCHED.set(true);
        let result = run(orders, model);
        WATCHED.set(false);
        result
    }

    /// As [`in_orders`], for a model that says by itself where others have their turn.
    pub(crate) fn run(
        orders: usize,
        model: impl Fn() + Send + Sync + UnwindSafe + 'static,
    ) -> Result<(), String> {
        let mut config = Config::new();
        config.stack_size = 1 << 20;
        config.failure_persistence = shuttle::FailurePersistence::None;
        let result = catch_unwind(|| {
            let scheduler = RandomScheduler::new_from_seed(0x5EED, orders);
            Runner::new(scheduler, config).run(model);
        });
        result.map_err(|panic| match panic.downcast::<String>() {
            Ok(said) => *said,
            Err(_) => "a panic without words".to_owned(),
        })
    }
}

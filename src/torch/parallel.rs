//! Work on libtorch's own threads.

use std::ffi::{c_uint, c_void};
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};

/// What `work` gives for each of `items`, in their order, computed by as many threads as libtorch has.
///
/// They are the threads that libtorch's operations run on, where it uses GNU's OpenMP: others would
/// compete with them, as those wait for the next operation without rest.
///
/// ```
/// assert_eq!(pathscope_torch::parallel(vec![1, 2, 3], |number| number * 2), [2, 4, 6]);
/// ```
pub fn parallel<T: Send, R: Send>(items: Vec<T>, work: impl Fn(T) -> R + Sync) -> Vec<R> {
    let threads = threads().min(items.len());
    if threads <= 1 {
        return items.into_iter().map(work).collect();
    }
    let places: Vec<Mutex<Place<T, R>>> =
        items.into_iter().map(Place::Item).map(Mutex::new).collect();
    let next = AtomicUsize::new(0);
    let panic = Mutex::new(None);
    let share = || {
        let all = AssertUnwindSafe(|| {
            while let Some(place) = places.get(next.fetch_add(1, Ordering::Relaxed)) {
                let taken = std::mem::replace(&mut *locked(place), Place::Taken);
                if let Place::Item(item) = taken {
                    let result = work(item);
                    *locked(place) = Place::Result(result);
                }
            }
        });
        if let Err(found) = catch_unwind(all) {
            *locked(&panic) = Some(found);
        }
    };
    on_threads(threads, &share);
    if let Some(panic) = locked(&panic).take() {
        resume_unwind(panic);
    }
    let result = |place: Mutex<Place<T, R>>| match place.into_inner() {
        Ok(Place::Result(result)) => result,
        _ => unreachable!("a panic on the way was passed on above"),
    };
    places.into_iter().map(result).collect()
}

/// As many threads as libtorch's operations run on.
#[must_use]
pub fn threads() -> usize {
    usize::try_from(tch::get_num_threads()).map_or(1, |threads| threads.max(1))
}

/// Where an item waits, and its result after it.
enum Place<T, R> {
    Item(T),
    Taken,
    Result(R),
}

/// What a mutex holds; a panic while it was held is told by other means.
fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Runs `share` on each of `threads` threads; it must not panic.
fn on_threads(threads: usize, share: &(dyn Fn() + Sync)) {
    unsafe extern "C" fn run(share: *mut c_void) {
        // SAFETY: the pointer to the reference below, which outlives the parallel region.
        unsafe { (*share.cast::<&(dyn Fn() + Sync)>())() }
    }
    match (open_mp(), c_uint::try_from(threads)) {
        (Some(begin), Ok(threads)) => {
            let mut share = share;
            // SAFETY: runs `run` on the threads and comes back when all have ended.
            unsafe { begin(run, (&raw mut share).cast(), threads, 0) };
        }
        _ => std::thread::scope(|scope| {
            for _ in 1..threads {
                scope.spawn(share);
            }
            share();
        }),
    }
}

/// `GOMP_parallel`: what compilers turn a parallel region into.
type Begin = unsafe extern "C" fn(unsafe extern "C" fn(*mut c_void), *mut c_void, c_uint, c_uint);

/// The beginning of a parallel region in the OpenMP that libtorch brought, if it is such a one.
fn open_mp() -> Option<Begin> {
    static FOUND: OnceLock<Option<Begin>> = OnceLock::new();
    *FOUND.get_or_init(|| {
        // SAFETY: a search by name in what this process has loaded.
        let symbol = unsafe { libc::dlsym(libc::RTLD_DEFAULT, c"GOMP_parallel".as_ptr()) };
        // SAFETY: that function of GNU's OpenMP has this type.
        (!symbol.is_null()).then(|| unsafe { std::mem::transmute::<*mut c_void, Begin>(symbol) })
    })
}

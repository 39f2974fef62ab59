//! How the process keeps the memory that it has.

/// Blocks up to this size are cut from memory that stays with the process.
#[cfg(all(target_os = "linux", target_env = "gnu"))]
const KEPT: i32 = 32 << 20;

/// Keeps memory that libtorch frees. Every mini-batch takes blocks of the same sizes again; glibc
/// would give each back to the system, which clears it page by page at the next use.
#[cfg(all(target_os = "linux", target_env = "gnu"))]
pub(crate) fn keep_memory() {
    // SAFETY: `mallopt` sets numbers of the allocator under the allocator's own lock, and refuses what
    // it does not know.
    unsafe {
        libc::mallopt(libc::M_MMAP_THRESHOLD, KEPT);
        libc::mallopt(libc::M_TRIM_THRESHOLD, i32::MAX);
        libc::mallopt(libc::M_TOP_PAD, KEPT);
    }
}

/// Keeps blocks of any size: a step of training frees and takes gigabytes in the same blocks.
#[cfg(all(target_os = "linux", target_env = "gnu"))]
pub(crate) fn keep_all_memory() {
    // SAFETY: as above.
    unsafe { libc::mallopt(libc::M_MMAP_MAX, 0) };
}

#[cfg(not(all(target_os = "linux", target_env = "gnu")))]
pub(crate) fn keep_memory() {}

#[cfg(not(all(target_os = "linux", target_env = "gnu")))]
pub(crate) fn keep_all_memory() {}

//! The functions of `seam.cpp` and `gradient.cpp`, as C declares them.

use std::ffi::{c_char, c_int, c_void};

use torch_sys::C_tensor;

/// A backward pass of Rust's, and what frees it.
pub type Backward = unsafe extern "C" fn(
    closure: *const c_void,
    gradient: *const C_tensor,
    wanted: *const bool,
    found: *mut *mut C_tensor,
    inputs: usize,
) -> *mut c_char;
pub type Release = unsafe extern "C" fn(closure: *mut c_void);

unsafe extern "C" {
    pub fn seam_free_text(message: *mut c_char);
    pub fn seam_stack_new() -> *mut c_void;
    pub fn seam_stack_free(stack: *mut c_void);
    pub fn seam_push_none(stack: *mut c_void) -> *mut c_char;
    pub fn seam_push_tensor(stack: *mut c_void, tensor: *const C_tensor) -> *mut c_char;
    pub fn seam_push_int(stack: *mut c_void, value: i64) -> *mut c_char;
    pub fn seam_push_float(stack: *mut c_void, value: f64) -> *mut c_char;
    pub fn seam_push_bool(stack: *mut c_void, value: bool) -> *mut c_char;
    pub fn seam_push_text(stack: *mut c_void, text: *const c_char, length: usize) -> *mut c_char;
    pub fn seam_push_device(stack: *mut c_void, index: i64) -> *mut c_char;
    pub fn seam_push_ints(stack: *mut c_void, values: *const i64, count: usize) -> *mut c_char;
    pub fn seam_push_floats(stack: *mut c_void, values: *const f64, count: usize) -> *mut c_char;
    pub fn seam_push_bools(stack: *mut c_void, values: *const bool, count: usize) -> *mut c_char;
    pub fn seam_push_tensors(
        stack: *mut c_void,
        tensors: *const *const C_tensor,
        count: usize,
    ) -> *mut c_char;
    pub fn seam_count(stack: *const c_void) -> usize;
    pub fn seam_kind(stack: *const c_void, place: usize) -> c_int;
    pub fn seam_int(stack: *const c_void, place: usize) -> i64;
    pub fn seam_float(stack: *const c_void, place: usize) -> f64;
    pub fn seam_text(stack: *const c_void, place: usize) -> *mut c_char;
    pub fn seam_length(stack: *const c_void, place: usize) -> usize;
    pub fn seam_numbers(stack: *const c_void, place: usize, whole: *mut i64, real: *mut f64);
    pub fn seam_tensor(
        stack: *const c_void,
        place: usize,
        at: usize,
        listed: bool,
    ) -> *mut C_tensor;
    pub fn seam_find(name: *const c_char, overload: *const c_char) -> *const c_void;
    pub fn seam_call(
        operation: *const c_void,
        stack: *mut c_void,
        omitted: *const bool,
    ) -> *mut c_char;
    pub fn seam_schema(operation: *const c_void) -> *mut c_char;
    pub fn seam_defaults(operation: *const c_void, stack: *mut c_void) -> *mut c_char;
    pub fn seam_tf32() -> c_int;
    pub fn seam_set_tf32(allowed: c_int) -> *mut c_char;
    pub fn seam_bound_allocations(bytes: usize) -> usize;
    pub fn seam_set_gradient(
        output: *const C_tensor,
        inputs: *const *const C_tensor,
        count: usize,
        closure: *mut c_void,
        backward: Backward,
        release: Release,
    ) -> *mut c_char;
    pub fn seam_failure(message: *const c_char) -> *mut c_char;
}

#[cfg(has_cuda)]
use std::ffi::{c_char, c_void};

use super::TorchError;
#[cfg(has_cuda)]
use super::operation::check;

/// Work of a CUDA device that is recorded once and then repeated with one call (`CUDAGraph`).
///
/// What is recorded reads and writes the same memory at every replay: tensors that it uses from
/// outside have to stay alive and in place, and nothing may wait for the device while it is
/// recorded.
#[cfg(has_cuda)]
#[derive(Debug)]
pub struct CudaGraph(*mut c_void);

// SAFETY: nothing in it belongs to a thread; it is used through `&mut` alone.
#[cfg(has_cuda)]
unsafe impl Send for CudaGraph {}

#[cfg(has_cuda)]
unsafe extern "C" {
    fn seam_cuda_side_stream(index: i64) -> *mut c_char;
    fn seam_cuda_graph_new() -> *mut c_void;
    fn seam_cuda_graph_free(graph: *mut c_void);
    fn seam_cuda_graph_begin(graph: *mut c_void) -> *mut c_char;
    fn seam_cuda_graph_end(graph: *mut c_void) -> *mut c_char;
    fn seam_cuda_graph_replay(graph: *mut c_void) -> *mut c_char;
}

#[cfg(has_cuda)]
impl CudaGraph {
    /// A graph for `device`, on whose side stream this thread works from now on; `None` where the
    /// device is no CUDA device or libtorch was built without CUDA.
    ///
    /// # Errors
    /// Where the device refuses.
    pub fn new(device: tch::Device) -> Result<Option<Self>, TorchError> {
        let tch::Device::Cuda(index) = device else {
            return Ok(None);
        };
        let index =
            i64::try_from(index).map_err(|_| TorchError::new("a device number is too large"))?;
        // SAFETY: no requirements.
        check(unsafe { seam_cuda_side_stream(index) })?;
        // SAFETY: no requirements.
        let graph = unsafe { seam_cuda_graph_new() };
        match graph.is_null() {
            true => Err(TorchError::new("out of memory")),
            false => Ok(Some(Self(graph))),
        }
    }

    /// Records what this thread gives the device from now on, instead of computing it.
    ///
    /// # Errors
    /// Where the device refuses.
    pub fn begin(&mut self) -> Result<(), TorchError> {
        // SAFETY: the graph is alive, as in the two calls below.
        check(unsafe { seam_cuda_graph_begin(self.0) })
    }

    /// Ends the recording.
    ///
    /// # Errors
    /// Something that cannot be recorded.
    pub fn end(&mut self) -> Result<(), TorchError> {
        // SAFETY: see above.
        check(unsafe { seam_cuda_graph_end(self.0) })
    }

    /// Gives the device what was recorded once more, without waiting for it.
    ///
    /// # Errors
    /// Where nothing was recorded, or the device refuses.
    pub fn replay(&mut self) -> Result<(), TorchError> {
        // SAFETY: see above.
        check(unsafe { seam_cuda_graph_replay(self.0) })
    }
}

#[cfg(has_cuda)]
impl Drop for CudaGraph {
    fn drop(&mut self) {
        // SAFETY: it was made by `seam_cuda_graph_new` and is freed once.
        unsafe { seam_cuda_graph_free(self.0) }
    }
}

/// There is none: libtorch was built without CUDA.
#[cfg(not(has_cuda))]
#[derive(Debug)]
pub enum CudaGraph {}

#[cfg(not(has_cuda))]
impl CudaGraph {
    /// `None`: libtorch was built without CUDA.
    ///
    /// # Errors
    /// None.
    pub fn new(_device: tch::Device) -> Result<Option<Self>, TorchError> {
        Ok(None)
    }

    /// Records what this thread gives the device from now on.
    ///
    /// # Errors
    /// None.
    pub fn begin(&mut self) -> Result<(), TorchError> {
        match *self {}
    }

    /// Ends the recording.
    ///
    /// # Errors
    /// None.
    pub fn end(&mut self) -> Result<(), TorchError> {
        match *self {}
    }

    /// Repeats what was recorded.
    ///
    /// # Errors
    /// None.
    pub fn replay(&mut self) -> Result<(), TorchError> {
        match *self {}
    }
}

// CUDA graphs; compiled only against a libtorch that has libtorch_cuda.

#include "guard.h"

#include <string>

#include <ATen/cuda/CUDAGraph.h>
#include <c10/cuda/CUDAFunctions.h>
#include <c10/cuda/CUDAStream.h>

extern "C" {

// Lets this thread work on a stream of its own on device `index`: the default stream cannot be
// recorded. Waits for what the device was given before.
char* seam_cuda_side_stream(int64_t index) noexcept {
  return guarded([&] {
    auto device = static_cast<c10::DeviceIndex>(index);
    c10::cuda::set_device(device);
    c10::cuda::device_synchronize();
    if (c10::cuda::getCurrentCUDAStream(device) == c10::cuda::getDefaultCUDAStream(device)) {
      auto high_priority = false;
      c10::cuda::setCurrentCUDAStream(c10::cuda::getStreamFromPool(high_priority, device));
    }
  });
}

void* seam_cuda_graph_new() noexcept {
  try {
    return new at::cuda::CUDAGraph();
  } catch (...) {
    return nullptr;
  }
}

void seam_cuda_graph_free(void* graph) noexcept {
  try {
    delete static_cast<at::cuda::CUDAGraph*>(graph);
  } catch (...) {
  }
}

char* seam_cuda_graph_begin(void* graph) noexcept {
  return guarded([&] {
    c10::cuda::device_synchronize();
    static_cast<at::cuda::CUDAGraph*>(graph)->capture_begin();
  });
}

char* seam_cuda_graph_end(void* graph) noexcept {
  return guarded([&] { static_cast<at::cuda::CUDAGraph*>(graph)->capture_end(); });
}

char* seam_cuda_graph_replay(void* graph) noexcept {
  return guarded([&] { static_cast<at::cuda::CUDAGraph*>(graph)->replay(); });
}

}  // extern "C"

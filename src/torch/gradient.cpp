// A step of autograd whose backward pass is a closure of Rust's.

#include "guard.h"

#include <memory>
#include <string>
#include <vector>

#include <ATen/core/Tensor.h>
#include <ATen/core/grad_mode.h>
#include <torch/csrc/autograd/function.h>
#include <torch/csrc/autograd/variable.h>

namespace {

// Writes a new tensor, or null, to `found` for each input; gives the text of a failure, or null.
using Backward = char* (*)(
    const void* closure,
    const at::Tensor* gradient,
    const bool* wanted,
    at::Tensor** found,
    size_t inputs);
using Release = void (*)(void* closure);

class Step final : public torch::autograd::Node {
 public:
  Step(std::unique_ptr<void, Release> closure, Backward backward)
      : closure_(std::move(closure)), backward_(backward) {}

  // Whatever `closure` holds of `input` must not be changed before the backward pass.
  void keep(const at::Tensor& input) { kept_.emplace_back(input, input._version()); }

  std::string name() const override { return "PathscopeBackward"; }

  // Called when the graph is no longer needed: frees what the closure holds.
  void release_variables() override {
    closure_.reset();
    kept_.clear();
  }

 protected:
  torch::autograd::variable_list apply(torch::autograd::variable_list&& gradients) override {
    TORCH_CHECK(closure_ != nullptr, "a second backward pass over a graph that was freed");
    TORCH_CHECK(!at::GradMode::is_enabled(), "this operation has no second derivative");
    for (const auto& [input, version] : kept_) {
      TORCH_CHECK(input._version() == version, "an input was changed before the backward pass");
    }
    size_t inputs = num_outputs();
    torch::autograd::variable_list results(inputs);
    if (!gradients.at(0).defined()) return results;
    std::unique_ptr<bool[]> wanted(new bool[inputs]);
    for (size_t input = 0; input < inputs; ++input) wanted[input] = should_compute_output(input);
    std::vector<at::Tensor*> found(inputs, nullptr);
    char* failure = backward_(closure_.get(), &gradients[0], wanted.get(), found.data(), inputs);
    for (size_t input = 0; input < inputs; ++input) {
      std::unique_ptr<at::Tensor> owned(found[input]);
      if (owned) results[input] = std::move(*owned);
    }
    if (failure != nullptr) {
      std::string message(failure);
      std::free(failure);
      TORCH_CHECK(false, message);
    }
    return results;
  }

 private:
  std::unique_ptr<void, Release> closure_;
  Backward backward_;
  std::vector<std::pair<at::Tensor, uint32_t>> kept_;
};

}  // namespace

extern "C" {

// Makes `output` the result of `count` `inputs` under the closure, which is owned from here on;
// leaves it as it is where autograd is off or no input asks for a gradient.
char* seam_set_gradient(
    const at::Tensor* output,
    const at::Tensor* const* inputs,
    size_t count,
    void* closure,
    Backward backward,
    Release release) {
  std::unique_ptr<void, Release> owned(closure, release);
  return guarded([&] {
    bool asked = false;
    torch::autograd::edge_list edges;
    for (size_t input = 0; input < count; ++input) {
      bool asks = inputs[input]->requires_grad();
      edges.push_back(
          asks ? torch::autograd::impl::gradient_edge(*inputs[input]) : torch::autograd::Edge());
      asked = asked || asks;
    }
    if (!asked || !at::GradMode::is_enabled()) return;
    TORCH_CHECK(!output->is_view() && !output->requires_grad(), "the output has a history");
    auto step = std::shared_ptr<Step>(
        new Step(std::move(owned), backward), torch::autograd::deleteNode);
    for (size_t input = 0; input < count; ++input) step->keep(*inputs[input]);
    step->set_next_edges(std::move(edges));
    at::Tensor result(*output);
    torch::autograd::create_gradient_edge(result, step);
  });
}

// A copy of the closure's text of a failure, as the seam frees them.
char* seam_failure(const char* message) { return text(message); }

}

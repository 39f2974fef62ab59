// What tch does not offer of libtorch, behind plain C functions.
//
// No exception crosses the border: every function that can fail returns null or the text of the
// failure, which the caller frees with `seam_free_text`. Tensors cross as pointers to `at::Tensor`,
// as tch holds them.

#include "guard.h"

#include <cstdlib>
#include <cstring>
#include <exception>
#include <limits>
#include <string>
#include <vector>

#include <ATen/Context.h>
#include <ATen/ScalarOps.h>
#include <ATen/core/dispatch/Dispatcher.h>
#include <ATen/core/function_schema.h>
#include <ATen/core/ivalue.h>
#include <ATen/core/jit_type.h>
#include <ATen/core/stack.h>
#include <c10/core/Allocator.h>
#include <c10/core/CPUAllocator.h>

namespace {

using Stack = std::vector<c10::IValue>;

// Makes `value` what a schema's `type` asks for where only the form differs (a whole number for a
// real one, one number for a list of a fixed length); false where it is something else.
bool fit(const c10::TypePtr& type, std::optional<int32_t> length, c10::IValue& value) {
  switch (type->kind()) {
    case c10::TypeKind::OptionalType:
      return value.isNone() ||
          fit(type->castRaw<c10::OptionalType>()->getElementType(), length, value);
    case c10::TypeKind::TensorType:
      if (value.isInt() || value.isDouble() || value.isBool()) {
        // As in Python: a number that yields to the types of the tensors around it.
        at::Tensor number = c10::scalar_to_tensor(value.toScalar());
        number.unsafeGetTensorImpl()->set_wrapped_number(true);
        value = std::move(number);
      }
      return value.isTensor();
    case c10::TypeKind::IntType:
    case c10::TypeKind::SymIntType:
      if (value.isBool()) value = static_cast<int64_t>(value.toBool());
      return value.isInt();
    case c10::TypeKind::FloatType:
    case c10::TypeKind::SymFloatType:
      if (value.isInt()) value = static_cast<double>(value.toInt());
      return value.isDouble();
    case c10::TypeKind::BoolType:
    case c10::TypeKind::SymBoolType:
      return value.isBool();
    case c10::TypeKind::NumberType:
      return value.isInt() || value.isDouble() || value.isBool();
    case c10::TypeKind::StringType:
      return value.isString();
    case c10::TypeKind::DeviceObjType:
      return value.isDevice();
    case c10::TypeKind::ListType: {
      const auto& element = type->castRaw<c10::ListType>()->getElementType();
      // An empty list has the type that is asked for.
      bool empty = value.isList() && value.toListRef().empty();
      switch (element->kind()) {
        case c10::TypeKind::IntType:
        case c10::TypeKind::SymIntType:
          if (value.isInt() && length) {
            value = std::vector<int64_t>(*length, value.toInt());
          } else if (empty) {
            value = std::vector<int64_t>();
          }
          return value.isIntList();
        case c10::TypeKind::FloatType:
          if (value.isIntList()) {
            std::vector<double> real;
            for (int64_t entry : value.toIntVector()) real.push_back(static_cast<double>(entry));
            value = real;
          } else if (empty) {
            value = std::vector<double>();
          }
          return value.isDoubleList();
        case c10::TypeKind::BoolType:
          if (empty) value = std::vector<bool>();
          return value.isBoolList();
        case c10::TypeKind::NumberType: {
          c10::List<at::Scalar> scalars;
          if (value.isIntList()) {
            for (int64_t entry : value.toIntVector()) scalars.push_back(entry);
          } else if (value.isDoubleList()) {
            for (double entry : value.toDoubleVector()) scalars.push_back(entry);
          } else {
            return false;
          }
          value = c10::IValue(std::move(scalars));
          return true;
        }
        case c10::TypeKind::TensorType:
          if (empty) value = std::vector<at::Tensor>();
          return value.isTensorList();
        case c10::TypeKind::OptionalType: {
          c10::List<std::optional<at::Tensor>> tensors;
          if (!value.isList()) return false;
          for (const c10::IValue& entry : value.toListRef()) {
            if (entry.isTensor()) {
              tensors.push_back(entry.toTensor());
            } else if (entry.isNone()) {
              tensors.push_back(std::nullopt);
            } else {
              return false;
            }
          }
          value = c10::IValue(std::move(tensors));
          return true;
        }
        default:
          return false;
      }
    }
    case c10::TypeKind::GeneratorType:
    default:
      // What else there is (random generators, streams) is never given.
      return false;
  }
}

// Bytes that one allocation of this thread may have.
thread_local size_t largest_allocation = std::numeric_limits<size_t>::max();

// libtorch's own allocator, with a bound on what the present thread may ask for at once.
class BoundedAllocator final : public at::Allocator {
 public:
  explicit BoundedAllocator(at::Allocator* inner) : inner_(inner) {}
  at::DataPtr allocate(size_t bytes) override {
    TORCH_CHECK(bytes <= largest_allocation, "an operation asks for ", bytes, " bytes at once");
    return inner_->allocate(bytes);
  }
  at::DeleterFnPtr raw_deleter() const override { return inner_->raw_deleter(); }
  void copy_data(void* to, const void* from, std::size_t count) const override {
    default_copy_data(to, from, count);
  }

 private:
  at::Allocator* inner_;
};

}  // namespace

extern "C" {

void seam_free_text(char* message) noexcept { std::free(message); }

// --- a list of values: the arguments of a call, then its outputs

void* seam_stack_new() noexcept {
  try {
    return new Stack();
  } catch (...) {
    return nullptr;
  }
}

void seam_stack_free(void* stack) noexcept { delete static_cast<Stack*>(stack); }

char* seam_push_none(void* stack) noexcept {
  return guarded([&] { static_cast<Stack*>(stack)->emplace_back(); });
}

char* seam_push_tensor(void* stack, const at::Tensor* tensor) noexcept {
  return guarded([&] { static_cast<Stack*>(stack)->emplace_back(*tensor); });
}

char* seam_push_int(void* stack, int64_t value) noexcept {
  return guarded([&] { static_cast<Stack*>(stack)->emplace_back(value); });
}

char* seam_push_float(void* stack, double value) noexcept {
  return guarded([&] { static_cast<Stack*>(stack)->emplace_back(value); });
}

char* seam_push_bool(void* stack, bool value) noexcept {
  return guarded([&] { static_cast<Stack*>(stack)->emplace_back(value); });
}

char* seam_push_text(void* stack, const char* value, size_t length) noexcept {
  return guarded([&] { static_cast<Stack*>(stack)->emplace_back(std::string(value, length)); });
}

// `index` -1 is the CPU, others are CUDA devices.
char* seam_push_device(void* stack, int64_t index) noexcept {
  return guarded([&] {
    auto device = index < 0 ? c10::Device(c10::kCPU)
                            : c10::Device(c10::kCUDA, static_cast<c10::DeviceIndex>(index));
    static_cast<Stack*>(stack)->emplace_back(device);
  });
}

char* seam_push_ints(void* stack, const int64_t* values, size_t count) noexcept {
  return guarded([&] {
    static_cast<Stack*>(stack)->emplace_back(std::vector<int64_t>(values, values + count));
  });
}

char* seam_push_floats(void* stack, const double* values, size_t count) noexcept {
  return guarded([&] {
    static_cast<Stack*>(stack)->emplace_back(std::vector<double>(values, values + count));
  });
}

char* seam_push_bools(void* stack, const bool* values, size_t count) noexcept {
  return guarded([&] {
    static_cast<Stack*>(stack)->emplace_back(std::vector<bool>(values, values + count));
  });
}

// Null pointers are absent tensors.
char* seam_push_tensors(void* stack, const at::Tensor* const* tensors, size_t count) noexcept {
  return guarded([&] {
    bool complete = true;
    for (size_t place = 0; place < count; ++place) complete = complete && tensors[place] != nullptr;
    if (complete) {
      std::vector<at::Tensor> list;
      for (size_t place = 0; place < count; ++place) list.push_back(*tensors[place]);
      static_cast<Stack*>(stack)->emplace_back(std::move(list));
    } else {
      c10::List<std::optional<at::Tensor>> list;
      for (size_t place = 0; place < count; ++place) {
        if (tensors[place] == nullptr) {
          list.push_back(std::nullopt);
        } else {
          list.push_back(*tensors[place]);
        }
      }
      static_cast<Stack*>(stack)->emplace_back(std::move(list));
    }
  });
}

size_t seam_count(const void* stack) noexcept { return static_cast<const Stack*>(stack)->size(); }

// What the value at `place` is: 0 nothing, 1 tensor, 2 whole number, 3 real number, 4 truth,
// 5 text, 6 whole numbers, 7 real numbers, 8 truths, 9 tensors, -1 anything else.
int seam_kind(const void* stack, size_t place) noexcept {
  const auto& values = *static_cast<const Stack*>(stack);
  if (place >= values.size()) return -1;
  const c10::IValue& value = values[place];
  if (value.isNone()) return 0;
  if (value.isTensor()) return value.toTensor().defined() ? 1 : 0;
  if (value.isInt()) return 2;
  if (value.isDouble()) return 3;
  if (value.isBool()) return 4;
  if (value.isString()) return 5;
  if (value.isIntList()) return 6;
  if (value.isDoubleList()) return 7;
  if (value.isBoolList()) return 8;
  if (value.isTensorList()) return 9;
  return -1;
}

int64_t seam_int(const void* stack, size_t place) noexcept {
  const auto& value = (*static_cast<const Stack*>(stack))[place];
  return value.isBool() ? static_cast<int64_t>(value.toBool()) : value.toInt();
}

double seam_float(const void* stack, size_t place) noexcept {
  return (*static_cast<const Stack*>(stack))[place].toDouble();
}

char* seam_text(const void* stack, size_t place) noexcept {
  return text((*static_cast<const Stack*>(stack))[place].toStringRef());
}

size_t seam_length(const void* stack, size_t place) noexcept {
  return (*static_cast<const Stack*>(stack))[place].toListRef().size();
}

// Writes as many numbers as `seam_length` says; truths as 0 and 1.
void seam_numbers(const void* stack, size_t place, int64_t* whole, double* real) noexcept {
  size_t at = 0;
  for (const c10::IValue& entry : (*static_cast<const Stack*>(stack))[place].toListRef()) {
    if (entry.isDouble()) {
      real[at++] = entry.toDouble();
    } else {
      whole[at++] = entry.isBool() ? static_cast<int64_t>(entry.toBool()) : entry.toInt();
    }
  }
}

// A new handle on the tensor at `place`, or on the entry `at` of the list there; null where memory
// is short.
at::Tensor* seam_tensor(const void* stack, size_t place, size_t at, bool listed) noexcept {
  try {
    const auto& value = (*static_cast<const Stack*>(stack))[place];
    return new at::Tensor(listed ? value.toListRef()[at].toTensor() : value.toTensor());
  } catch (...) {
    return nullptr;
  }
}

// --- operations

// The operation `name` (such as `aten::add`) with the overload `overload`; null where there is
// none. It lives as long as the program.
const void* seam_find(const char* name, const char* overload) noexcept {
  try {
    auto found = c10::Dispatcher::singleton().findSchema({name, overload});
    return found ? new c10::OperatorHandle(*found) : nullptr;
  } catch (...) {
    return nullptr;
  }
}

// Calls `operation` on the values of `stack`, in the schema's order, and leaves its outputs there.
// What is missing at the end, and what `omitted` marks, has the schema's default.
char* seam_call(const void* operation, void* stack, const bool* omitted) noexcept {
  return guarded([&] {
    const auto& handle = *static_cast<const c10::OperatorHandle*>(operation);
    auto& values = *static_cast<Stack*>(stack);
    const auto& schema = handle.schema();
    const auto& arguments = schema.arguments();
    TORCH_CHECK(values.size() <= arguments.size(), schema.name(), " takes ", arguments.size(),
                " arguments, not ", values.size());
    size_t given = values.size();
    values.reserve(arguments.size());
    for (size_t place = 0; place < arguments.size(); ++place) {
      const auto& argument = arguments[place];
      if (place >= given || omitted[place]) {
        TORCH_CHECK(argument.default_value().has_value(), schema.name(), " lacks its argument `",
                    argument.name(), "`");
        if (place >= given) {
          values.push_back(*argument.default_value());
        } else {
          values[place] = *argument.default_value();
        }
      } else {
        TORCH_CHECK(fit(argument.type(), argument.N(), values[place]), "the argument `",
                    argument.name(), "` of ", schema.name(), " is ", values[place].tagKind(),
                    ", not ", argument.type()->str());
      }
    }
    handle.callBoxed(values);
  });
}

// One line for each argument (`argument`) and each output (`output`) of `operation`: which of the
// two, name, type, `-` or `view` or `write`, and whether there is a default; apart by tabs.
char* seam_schema(const void* operation) noexcept {
  std::string lines;
  char* fault = guarded([&] {
    const auto& schema = static_cast<const c10::OperatorHandle*>(operation)->schema();
    auto line = [&](const char* what, const c10::Argument& argument) {
      const auto* alias = argument.alias_info();
      lines += std::string(what) + '\t' + argument.name() + '\t' + argument.type()->str() + '\t' +
          (alias == nullptr ? "-" : alias->isWrite() ? "write" : "view") + '\t' +
          (argument.default_value() ? "default" : "required") + '\n';
    };
    for (const auto& argument : schema.arguments()) line("argument", argument);
    for (const auto& output : schema.returns()) line("output", output);
  });
  std::free(fault);
  return text(lines);
}

// The default of every argument of `operation`, nothing where there is none.
char* seam_defaults(const void* operation, void* stack) noexcept {
  return guarded([&] {
    const auto& schema = static_cast<const c10::OperatorHandle*>(operation)->schema();
    for (const auto& argument : schema.arguments()) {
      static_cast<Stack*>(stack)->push_back(argument.default_value().value_or(c10::IValue()));
    }
  });
}

// --- settings

// Whether libtorch may multiply float32 numbers in TF32 on CUDA: 1 in cuDNN, 2 in cuBLAS.
int seam_tf32() noexcept {
  auto& context = at::globalContext();
  return (context.allowTF32CuDNN() ? 1 : 0) + (context.allowTF32CuBLAS() ? 2 : 0);
}

char* seam_set_tf32(int where) noexcept {
  return guarded([&] {
    at::globalContext().setAllowTF32CuDNN((where & 1) != 0);
    at::globalContext().setAllowTF32CuBLAS((where & 2) != 0);
  });
}

// Bounds what one operation of this thread may allocate on the CPU; the bound before it.
size_t seam_bound_allocations(size_t bytes) noexcept {
  static BoundedAllocator* const bounded = [] {
    auto* allocator = new BoundedAllocator(c10::GetCPUAllocator());
    c10::SetCPUAllocator(allocator, std::numeric_limits<uint8_t>::max());
    return allocator;
  }();
  (void)bounded;
  size_t before = largest_allocation;
  largest_allocation = bytes;
  return before;
}

}  // extern "C"

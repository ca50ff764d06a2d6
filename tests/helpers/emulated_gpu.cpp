// A GPU that is not there, for tests on a CPU build of PyTorch: the dispatch key of CUDA over host memory.
//
// Every operation without a kernel of its own runs the CPU's kernel on tensors that share the memory of its
// arguments. What CUDA refuses is refused: tensors on two devices, a generator of the CPU. Each device has
// a random generator of its own. Counted are waits of the host for the device, and kernels that it launches.

#include <ATen/core/Tensor.h>
#include <ATen/CPUGeneratorImpl.h>
#include <ATen/core/dispatch/Dispatcher.h>
#include <ATen/detail/CUDAHooksInterface.h>
#include <c10/core/CPUAllocator.h>
#include <c10/core/impl/DeviceGuardImplInterface.h>
#include <torch/csrc/distributed/c10d/reducer_timer.hpp>
#include <torch/library.h>

#include <atomic>
#include <set>

using at::Tensor;
using c10::Device;
using c10::DeviceIndex;
using c10::kCPU;
using c10::kCUDA;

constexpr DeviceIndex kNumDevices = 2;
thread_local DeviceIndex current = 0;
std::atomic<int64_t> num_waits{0}, num_launches{0};

DeviceIndex exchange(DeviceIndex index) {
  TORCH_CHECK(index < kNumDevices, "CUDA error: invalid device ordinal");
  const DeviceIndex before = current;
  if (index >= 0) current = index;
  return before;
}

struct Guard final : c10::impl::NoOpDeviceGuardImpl<kCUDA> {
  Device exchangeDevice(Device device) const override { return {kCUDA, exchange(device.index())}; }
  Device getDevice() const override { return {kCUDA, current}; }
  void setDevice(Device device) const override { exchange(device.index()); }
  void uncheckedSetDevice(Device device) const noexcept override { current = std::max<DeviceIndex>(device.index(), 0); }
  DeviceIndex deviceCount() const noexcept override { return kNumDevices; }
  c10::Stream getStream(Device device) const noexcept override {
    return c10::Stream(c10::Stream::DEFAULT, Device(kCUDA, device.has_index() ? device.index() : current));
  }
  c10::Stream exchangeStream(c10::Stream stream) const noexcept override { return stream; }
  void record(void**, const c10::Stream&, const DeviceIndex, const c10::EventFlag) const override {}
  void block(void*, const c10::Stream&) const override {}
  void destroyEvent(void*, const DeviceIndex) const noexcept override {}
};
C10_REGISTER_GUARD_IMPL(CUDA, Guard);

namespace at {
struct CUDAHooks final : CUDAHooksInterface {  // torch looks for this name
  explicit CUDAHooks(CUDAHooksArgs) {}
  void init() const override {}
  bool isBuilt() const override { return true; }
  bool isAvailable() const override { return true; }
  bool hasCUDA() const override { return true; }
  bool hasPrimaryContext(DeviceIndex) const override { return true; }
  DeviceIndex deviceCount() const override { return kNumDevices; }
  DeviceIndex getCurrentDevice() const override { return current; }
  Allocator* getPinnedMemoryAllocator() const override { return c10::GetCPUAllocator(); }
  bool isPinnedPtr(const void*) const override { return false; }
};
REGISTER_CUDA_HOOKS(CUDAHooks);
}

// DistributedDataParallel asks for a timer of its tensors' device.
struct NoTimer final : c10d::Timer {
  explicit NoTimer(Device) {}
  std::optional<int64_t> measureDifference(Event, Event) override { return std::nullopt; }
};
namespace c10d {
C10_REGISTER_TYPED_CLASS(TimerRegistry, c10::kCUDA, NoTimer);
}

// A pointer to the memory of a storage, which it keeps alive, for a storage of another device.
c10::DataPtr memory_of(const c10::Storage& storage, Device device) {
  auto release = [](void* kept) { delete static_cast<c10::Storage*>(kept); };
  return {storage.mutable_data(), new c10::Storage(storage), release, device};
}

Tensor over(const c10::Storage& storage, const Tensor& shape) {
  const auto key = storage.device().is_cpu() ? c10::DispatchKey::CPU : c10::DispatchKey::CUDA;
  Tensor made = at::detail::make_tensor<c10::TensorImpl>(c10::Storage(storage), c10::DispatchKeySet(key), shape.dtype());
  made.unsafeGetTensorImpl()->set_sizes_and_strides(shape.sizes(), shape.strides(), shape.storage_offset());
  return made;
}

// The same memory as a tensor of another device. One of the CPU can be resized, as the argument `out` may be.
Tensor moved(const Tensor& tensor, Device device) {
  TORCH_CHECK_NOT_IMPLEMENTED(tensor.layout() == c10::kStrided, "emulated GPU: no tensors of layout ", tensor.layout());
  const auto& storage = tensor.storage();
  c10::Allocator* allocator = device.is_cpu() ? c10::GetCPUAllocator() : nullptr;
  return over({c10::Storage::use_byte_size_t(), storage.nbytes(), memory_of(storage, device), allocator, device.is_cpu()}, tensor);
}

Tensor on_cpu(const Tensor& tensor) {
  return tensor.defined() && tensor.is_cuda() ? moved(tensor, kCPU) : tensor;
}

// Each device's generator stands in for the CPU's while an operation draws numbers.
at::Generator& generator_of(DeviceIndex index) {
  static std::vector<at::Generator> made;
  while (made.size() < kNumDevices) made.push_back(at::make_generator<at::CPUGeneratorImpl>(0));
  return made.at(index);
}

struct Drawing {
  at::Generator of_cpu = at::detail::getDefaultCPUGenerator(), of_device;
  Tensor before = of_cpu.get_state();
  explicit Drawing(DeviceIndex index) : of_device(generator_of(index)) { of_cpu.set_state(of_device.get_state()); }
  ~Drawing() {
    of_device.set_state(of_cpu.get_state());
    of_cpu.set_state(before);
  }
};

// The arguments of one operation, seen and replaced one by one.
struct Arguments {
  std::string name;
  std::optional<Device> device;
  std::vector<std::pair<Tensor, Tensor>> shared;  // of the device, the same of the CPU
  bool with_cpu = false;

  Tensor take(const Tensor& tensor) {
    if (!tensor.defined()) return tensor;
    if (!tensor.is_cuda()) {
      with_cpu |= tensor.dim() > 0;
      return tensor;
    }
    TORCH_CHECK(!device || *device == tensor.device(), "Expected all tensors to be on the same device, but found ", *device, " and ", tensor.device(), " (", name, ")");
    device = tensor.device();
    shared.emplace_back(tensor, on_cpu(tensor));
    return shared.back().second;
  }

  c10::IValue take(const c10::IValue& value) {
    if (value.isTensor()) return take(value.toTensor());
    if (value.isTensorList()) {
      c10::List<Tensor> list;
      for (const Tensor& tensor : value.toTensorVector()) list.push_back(take(tensor));
      return list;
    }
    if (value.isOptionalTensorList()) {
      c10::List<std::optional<Tensor>> list;
      for (const auto& tensor : value.toOptionalTensorVector()) list.push_back(tensor ? std::optional(take(*tensor)) : tensor);
      return list;
    }
    if (value.isDevice() && value.toDevice().is_cuda()) {
      device = Device(kCUDA, value.toDevice().has_index() ? value.toDevice().index() : current);
      return Device(kCPU);
    }
    TORCH_CHECK(!value.isGenerator(), "Expected a 'cuda' device type for generator but found 'cpu' (", name, ")");
    return value;
  }

  // An operation may have resized its results.
  void follow() {
    for (auto& [ours, cpu] : shared) {
      if (cpu.storage().data() != ours.storage().data()) {
        ours.storage().set_data_ptr_noswap(memory_of(cpu.storage(), ours.device()));
        ours.storage().set_nbytes(cpu.storage().nbytes());
      }
      ours.unsafeGetTensorImpl()->set_sizes_and_strides(cpu.sizes(), cpu.strides(), cpu.storage_offset());
    }
  }

  // What an operation returned: one of its arguments, a view of one, or a new tensor.
  Tensor give(const Tensor& tensor) {
    if (!tensor.defined() || tensor.is_cuda()) return tensor;
    for (auto& [ours, cpu] : shared) {
      if (cpu.is_same(tensor)) return ours;
    }
    for (auto& [ours, cpu] : shared) {
      if (cpu.storage().unsafeGetStorageImpl() == tensor.storage().unsafeGetStorageImpl()) return over(ours.storage(), tensor);
    }
    return moved(tensor, device.value_or(Device(kCUDA, current)));
  }

  c10::IValue give(const c10::IValue& value) {
    if (value.isTensor()) return give(value.toTensor());
    if (!value.isTensorList()) return value;
    c10::List<Tensor> list;
    for (const Tensor& tensor : value.toTensorVector()) list.push_back(give(tensor));
    return list;
  }
};

const std::set<std::string> kWaiting{
    "aten::_local_scalar_dense", "aten::_unique2", "aten::equal", "aten::masked_select", "aten::nonzero", "aten::unique_consecutive"};

const std::set<std::string> kWithoutKernel{"aten::_local_scalar_dense", "aten::resize_"};

// Whether an operation starts a kernel. Views and new memory do not; cuDNN and cuBLAS may start further ones.
bool launches(const c10::FunctionSchema& schema) {
  const auto* alias = schema.returns().empty() ? nullptr : schema.returns()[0].alias_info();
  const bool view = alias && !alias->isWrite();
  return !view && schema.name().find("aten::empty") != 0 && !kWithoutKernel.count(schema.name());
}

void run_on_cpu(const c10::OperatorHandle& op, torch::jit::Stack* stack) {
  Arguments arguments{op.schema().name()};
  for (auto& value : torch::jit::last(*stack, op.schema().arguments().size())) {
    const_cast<c10::IValue&>(value) = arguments.take(value);
  }
  const bool indexing = arguments.name.find("index") != std::string::npos;  // indices may be on the CPU
  TORCH_CHECK(!arguments.with_cpu || arguments.shared.empty() || indexing, "Expected all tensors to be on the same device, but found cpu and cuda (", arguments.name, ")");
  num_waits += kWaiting.count(arguments.name);
  num_launches += launches(op.schema());
  if (op.hasTag(at::Tag::nondeterministic_seeded)) {
    Drawing drawing(arguments.device ? arguments.device->index() : current);
    op.redispatchBoxed(c10::DispatchKeySet(c10::DispatchKey::CPU), stack);
  } else {
    op.redispatchBoxed(c10::DispatchKeySet(c10::DispatchKey::CPU), stack);
  }
  arguments.follow();
  for (auto& value : torch::jit::last(*stack, op.schema().returns().size())) {
    const_cast<c10::IValue&>(value) = arguments.give(value);
  }
}

// torch has a kernel for these that looks for CUDA's own code.
Tensor& copy_(Tensor& self, const Tensor& source, bool non_blocking) {
  num_waits += !non_blocking && self.is_cuda() != source.is_cuda();
  num_launches++;
  on_cpu(self).copy_(on_cpu(source));
  return self;
}

Tensor& set_storage(Tensor& self, c10::Storage source, int64_t offset, at::IntArrayRef size, at::IntArrayRef stride) {
  auto* impl = self.unsafeGetTensorImpl();
  impl->set_storage_keep_dtype(std::move(source));
  impl->set_sizes_and_strides(size, stride, offset);
  return self;
}

Tensor& set_whole_storage(Tensor& self, c10::Storage source) {
  const int64_t size = source.nbytes() / self.element_size();
  return set_storage(self, std::move(source), 0, size, 1);
}

// Nothing is computed later than it was asked for, so that no stream needs a tensor longer.
void record_stream(Tensor&, c10::Stream) {}

TORCH_LIBRARY_IMPL(_, CUDA, library) {
  library.fallback(torch::CppFunction::makeFromBoxedFunction<&run_on_cpu>());
}
TORCH_LIBRARY_IMPL(aten, CUDA, library) {
  library.impl("copy_", TORCH_FN(copy_));
  library.impl("record_stream", TORCH_FN(record_stream));
  for (const auto& op : c10::Dispatcher::singleton().getAllOpNames()) {  // which torch makes of many operations
    if (op.name.find("aten::_foreach_") != 0) continue;
    const std::string name = op.overload_name.empty() ? op.name : op.name + "." + op.overload_name;
    library.impl(name.c_str(), torch::CppFunction::makeFromBoxedFunction<&run_on_cpu>());
  }
  library.impl("set_.source_Storage", TORCH_FN(set_whole_storage));
  library.impl("set_.source_Storage_storage_offset", TORCH_FN(set_storage));
}
TORCH_LIBRARY(emulated_gpu, library) {
  library.def("exchange_device(int index) -> int", [](int64_t index) { return int64_t(exchange(DeviceIndex(index))); });
  library.def("num_waits() -> int", [] { return num_waits.load(); });
  library.def("num_launches() -> int", [] { return num_launches.load(); });
  library.def("on_cpu(Tensor tensor) -> Tensor", [](const Tensor& tensor) { return on_cpu(tensor); });
  library.def("seed(int seed) -> ()", [](int64_t seed) {
    for (DeviceIndex index = 0; index < kNumDevices; index++) generator_of(index).set_current_seed(seed);
  });
  library.def("read_generator(int index) -> Tensor", [](int64_t index) { return generator_of(DeviceIndex(index)).get_state(); });
  library.def("write_generator(int index, Tensor state) -> ()", [](int64_t index, const Tensor& state) { generator_of(DeviceIndex(index)).set_state(state); });
}

"""One device of PyTorch: the one place where tensors change between it and the machine's memory."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from panope_backends.engines.lazy_memory import lazy_zeros
from panope_backends.errors import PreconditionError
from panope_backends.isolation.memory_limit import is_out_of_memory

if TYPE_CHECKING:
    import numpy as np

    Array = np.ndarray[Any, Any]


@dataclass(frozen=True)
class PagedAttention:
    """A way to compute attention over pages.

    Attributes:
        name: `varlen` for PyTorch's kernel that reads pages where they lie; `sdpa` and `eager` for keys and values that
            are gathered first, and attended to by PyTorch's `scaled_dot_product_attention`, or by plain products.
        block_size: tokens of a page.
    """

    name: str
    block_size: int


#: PyTorch's kernels of one name take pages of this size on some GPUs, and only multiples of 256 on others.
PAGED = (PagedAttention("varlen", 32), PagedAttention("varlen", 256))
GATHERED = (PagedAttention("sdpa", 32), PagedAttention("eager", 32))


@dataclass(frozen=True)
class TorchDevice:
    """Where a model's weights lie. Brings its inputs there, and its answers back.

    Attributes:
        name: as the backend names it, such as `rocm:0`.
        torch_name: as PyTorch does, such as `cuda:0`.
        pins: whether inputs go by pinned memory, from which they are copied while the processor goes on.
        attentions: ways to attend to pages, the best first; each is tried when a model is loaded.
        shares_memory: whether its memory is the machine's.
    """

    name: str
    torch_name: str
    pins: bool = False
    attentions: tuple[PagedAttention, ...] = GATHERED
    shares_memory: bool = False

    @property
    def is_host(self) -> bool:
        """Whether it is the processor, to which nothing is moved."""
        return self.torch_name == "cpu"

    def place(self, module: Any) -> Any:
        """A module with its weights on the device, where they replace those in the machine's memory.

        Raises:
            PreconditionError: they do not fit there (`insufficient_memory`).
        """
        if self.is_host:
            return module
        try:
            return module.to(self.torch_name)
        except Exception as error:  # drivers have errors of their own
            if not is_out_of_memory(error):
                raise
            self.forget_unused()
            raise PreconditionError(
                f"the model needs more memory than is free on `{self.name}`", reason="insufficient_memory"
            ) from error

    def tensor(self, array: Any, dtype: Any = None) -> Any:
        """An array on the device.

        On the processor it is the array's own memory where torch takes that: torch warns of read-only memory.

        Args:
            array: of NumPy, or what NumPy makes one of.
            dtype: torch's, to bring it to; None for the array's.
        """
        import numpy as np
        import torch

        array = np.asarray(array)
        return self.put(torch.from_numpy(array if array.flags.writeable else array.copy()), dtype)

    def put(self, tensor: Any, dtype: Any = None) -> Any:
        """A tensor of the machine's memory on the device."""
        if not self.is_host:
            tensor = (tensor.pin_memory() if self.pins else tensor).to(self.torch_name, non_blocking=self.pins)
        return tensor if dtype is None else tensor.to(dtype)

    def array(self, tensor: Any) -> Array:
        """A tensor of the device as float32 in the machine's memory; waits until it is computed."""
        made: Array = tensor.float().cpu().contiguous().numpy()
        return made

    def zeros(self, shape: tuple[int, ...], dtype: Any) -> Any:
        """A tensor on the device, from whose memory nothing of another use can be read.

        Raises:
            MemoryError, ValueError, RuntimeError: there is not so much.
        """
        import torch

        if not self.is_host:
            return torch.zeros(shape, dtype=dtype, device=self.torch_name)
        memory = lazy_zeros(math.prod(shape) * dtype.itemsize)
        return torch.from_numpy(memory).view(dtype).view(shape)

    def free_bytes(self) -> int | None:
        """Memory of its own that this process can still have; None where it uses the machine's."""
        if self.is_host or self.shares_memory:
            return None
        module = self._module()
        free, _ = module.mem_get_info(self.torch_name)
        # What was freed here stays with this process, for what it takes next.
        kept = module.memory_reserved(self.torch_name) - module.memory_allocated(self.torch_name)
        return int(free) + max(0, int(kept))

    def held_bytes(self) -> int | None:
        """Memory of its own that PyTorch holds for this process, used or kept; None where it uses the machine's."""
        if self.is_host or self.shares_memory:
            return None
        return int(self._module().memory_reserved(self.torch_name))

    def forget_unused(self) -> None:
        """Gives back the memory that PyTorch keeps for what comes next."""
        if not self.is_host:
            self._module().empty_cache()

    def is_lost_by(self, error: Exception) -> bool:
        """Whether an error leaves the device useless to this process, as one of a kernel's memory does."""
        import torch

        kind = getattr(torch, "AcceleratorError", None)  # PyTorch has it since 2.8
        return not self.is_host and kind is not None and isinstance(error, kind)

    def _module(self) -> Any:
        import torch

        return torch.get_device_module(self.torch_name.partition(":")[0])


HOST = TorchDevice("CPU", "cpu", attentions=GATHERED[:1])
"""The processor."""

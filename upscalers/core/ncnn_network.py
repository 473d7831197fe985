"""A packaged network run by ncnn, whose Winograd convolutions are the fastest on a CPU.

Takes and gives what the torch form of the network does. Never uses a GPU, nor half precision.
"""

from __future__ import annotations

from functools import cache

import numpy as np
import torch
from torch import Tensor, nn

from upscalers.core.errors import MethodError
from upscalers.core.process import thread_count
from upscalers.core.weights import PackagedWeights

_HALF = ("use_fp16_packed", "use_fp16_storage", "use_fp16_arithmetic", "use_bf16_packed",
         "use_bf16_storage")  # fmt: skip
_NO_MEMORY = -100


@cache
def ncnn_is_here() -> bool:
    """Whether ncnn can be loaded: there are machines it is not built for."""
    try:
        import ncnn  # noqa: F401
    except (ImportError, OSError):
        return False
    return True


class NcnnNetwork(nn.Module):
    execution = "ncnn"

    def __init__(self, weights: PackagedWeights, scale: int) -> None:
        import ncnn

        super().__init__()
        self.scale = scale
        self._mat = ncnn.Mat
        self._net = ncnn.Net()
        options = self._net.opt
        options.use_vulkan_compute = False
        options.num_threads = thread_count()
        for half in _HALF:
            setattr(options, half, False)
        if self._net.load_param(str(weights.graph())) or self._net.load_model(
            str(weights.numbers())
        ):
            raise MethodError(f"ncnn cannot load {weights.path} of {weights.distribution}")

    def forward(self, rgb: Tensor) -> Tensor:
        count, _, rows, columns = rgb.shape
        result = rgb.new_empty((count, 3, rows * self.scale, columns * self.scale))
        for picture, made in zip(rgb, result, strict=True):
            made.copy_(self._run(picture.contiguous()))
        return result

    def _run(self, picture: Tensor) -> Tensor:
        extractor = self._net.create_extractor()
        # a copy in ncnn's own alignment; the wrapped memory would not be kept alive
        extractor.input("data", self._mat(picture.numpy()).clone())
        status, made = extractor.extract("output")
        if status == _NO_MEMORY:
            raise MemoryError("ncnn is out of memory")
        if status:
            raise MethodError(f"ncnn failed with status {status}")
        return torch.from_numpy(np.array(made))

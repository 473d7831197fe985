"""A packaged network run by ncnn, whose Winograd convolutions are the fastest on a CPU.

Takes and gives what the torch form of the network does. Never uses a GPU, nor half precision.
Several pictures side by side, each with its share of the threads, are faster than all on one.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import Tensor, nn

from upscalers.core.errors import MethodError
from upscalers.core.process import thread_count
from upscalers.core.weights import PackagedWeights

_HALF = ("use_fp16_packed", "use_fp16_storage", "use_fp16_arithmetic", "use_bf16_packed",
         "use_bf16_storage")  # fmt: skip
_NO_MEMORY = -100
_FOR_ONE_THREAD = 576**2  # pixels: a tile of the usual size with what is seen around it


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
        super().__init__()
        self.scale, self._weights = scale, weights
        self._threads = thread_count()
        self._net: Any = None

    def arrange(self, pixels: int) -> int:
        """How many pictures of so many pixels should come at once.

        One for each thread, as long as that neither takes much memory nor lets people wait long
        for the first.
        """
        threads = thread_count()
        count = min(threads, max(1, threads * _FOR_ONE_THREAD // pixels))
        if threads // count != self._threads:
            self._net, self._threads = None, threads // count
        return count

    def forward(self, rgb: Tensor) -> Tensor:
        if self._net is None:  # not before: the weights are laid out for a number of threads
            self._net = _loaded(self._weights, self._threads)
        count, _, rows, columns = rgb.shape
        result = rgb.new_empty((count, 3, rows * self.scale, columns * self.scale))
        with ThreadPoolExecutor(count) as threads:
            pictures = [picture.contiguous().numpy() for picture in rgb]
            for _ in threads.map(self._run, pictures, result.numpy()):
                pass  # errors come up here
        return result

    def _run(self, picture: NDArray[np.float32], result: NDArray[np.float32]) -> None:
        import ncnn

        assert self._net is not None
        extractor = self._net.create_extractor()
        # a copy in ncnn's own alignment; the wrapped memory would not be kept alive
        extractor.input("data", ncnn.Mat(picture).clone())
        status, made = extractor.extract("output")
        if status == _NO_MEMORY:
            raise MemoryError("ncnn is out of memory")
        if status:
            raise MethodError(f"ncnn failed with status {status}")
        np.copyto(result, np.asarray(made))


def _loaded(weights: PackagedWeights, threads: int) -> Any:
    import ncnn

    net = ncnn.Net()
    net.opt.use_vulkan_compute = False
    net.opt.num_threads = threads
    for half in _HALF:
        setattr(net.opt, half, False)
    if net.load_param(str(weights.graph())) or net.load_model(str(weights.numbers())):
        raise MethodError(f"ncnn cannot load {weights.path} of {weights.distribution}")
    return net

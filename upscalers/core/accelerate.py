"""How a network runs on a device: its precision and memory order, and compiled where that pays.

Needs torch alone, so that the benchmark of networks can be carried to any machine.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Callable
from functools import partial

import torch
from torch import Tensor, nn

logger = logging.getLogger(__name__)

Compile = Callable[[nn.Module], Callable[[Tensor], Tensor]]


def is_deterministic() -> bool:
    """Whether the same clip must give the same samples on every run of one machine."""
    return os.environ.get("MIDGREY_DETERMINISTIC", "").strip().lower() == "true"


def prepare(device: torch.device) -> None:
    """Settings of the whole process. Choosing kernels by timing them may choose differently."""
    if device.type == "cuda":
        torch.backends.cudnn.allow_tf32 = False  # too coarse for 10-bit video
        torch.backends.cuda.matmul.allow_tf32 = False
        torch.backends.cudnn.benchmark = not is_deterministic()
        torch.backends.cudnn.deterministic = is_deterministic()


def precision(device: torch.device, half_ok: bool = True) -> torch.dtype:
    """Half on a GPU: some in a hundred samples then differ by one; bfloat16 is coarser."""
    return torch.float16 if device.type == "cuda" and half_ok else torch.float32


def prepared(network: nn.Module, device: torch.device, half_ok: bool = True) -> nn.Module:
    """The network ready to run there; channels last is faster on both kinds of device."""
    aligned: Callable[[], nn.Module] | None = getattr(network, "aligned", None)
    if device.type == "cuda" and aligned is not None:
        network = aligned()
    network = network.eval().to(device, precision(device, half_ok)).requires_grad_(False)
    made: nn.Module = network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    return made


class Runner:
    """Calls a network, compiled with CUDA graphs on a GPU, else and wherever that fails eagerly.

    A size of picture is compiled when it comes for the second time: compiling takes minutes, and
    the last batch of a clip or a tile at its edge is often the only one of its size.
    """

    def __init__(
        self, network: nn.Module, device: torch.device, compiler: Compile | None = None
    ) -> None:
        self._eager = network
        self._compiled: Callable[[Tensor], Tensor] | None = None
        if compiler is None and device.type == "cuda" and not is_deterministic():
            compiler = partial(torch.compile, mode="max-autotune", dynamic=False)
        if compiler is not None:
            self._compiled = compiler(network)
        self._seen: set[tuple[int, ...]] = set()
        self.execution: str = getattr(network, "execution", "eager")

    @property
    def compiles(self) -> bool:
        return self._compiled is not None

    def __call__(self, rgb: Tensor) -> Tensor:
        size = tuple(rgb.shape)
        if self._compiled is not None and size in self._seen:
            return self._run_compiled(self._compiled, rgb)
        self._seen.add(size)
        return self._run_eager(rgb)

    def _run_eager(self, rgb: Tensor) -> Tensor:
        made: Tensor = self._eager(rgb)
        return made

    def _run_compiled(self, compiled: Callable[[Tensor], Tensor], rgb: Tensor) -> Tensor:
        try:
            # The result may lie in memory of the graph: it holds until the next call.
            torch.compiler.cudagraph_mark_step_begin()  # type: ignore[no-untyped-call]
            made = compiled(rgb)
        except torch.OutOfMemoryError:
            torch.compiler.reset()  # graphs hold memory of their own
            raise
        except Exception as error:
            reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
            logger.warning("the network runs uncompiled, which is slower: %s", reason)
            self._compiled, self.execution = None, f"eager, not compiled: {reason}"
            return self._run_eager(rgb)
        self.execution = "compiled"
        return made

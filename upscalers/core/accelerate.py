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

_MOST_SIZES = 8  # torch compiles no more for one network before it gives up, silently
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


def forget(device: torch.device) -> None:
    """Give back what compiled networks hold, before another method comes."""
    if device.type == "cuda":
        torch.compiler.reset()
        torch.cuda.empty_cache()


class Runner:
    """Calls a network, compiled with CUDA graphs on a GPU, else and wherever that fails eagerly.

    A size of picture is compiled when it comes for the second time: compiling takes minutes, and
    a clip may have no second batch. Fewer pictures than usual are filled up to the usual number, so
    that the last batch of each part needs no code of its own.
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
        self._usual: dict[tuple[int, int], int] = {}  # number of pictures, by their size
        self.execution: str = getattr(network, "execution", "eager")

    def __call__(self, rgb: Tensor) -> Tensor:
        count, (rows, columns) = len(rgb), rgb.shape[2:]
        usual = self._usual.get((rows, columns), 0)
        if self._compiled is None or count > usual:
            made = self._run_eager(rgb)
            self._note((rows, columns), count)
            return made
        if count < usual:
            rgb = nn.functional.pad(rgb, (0,) * 7 + (usual - count,))
            rgb = rgb.contiguous(memory_format=torch.channels_last)
        return self._run_compiled(self._compiled, rgb)[:count]

    def _note(self, size: tuple[int, int], count: int) -> None:
        if self._compiled is None:
            return
        if size not in self._usual and len(self._usual) == _MOST_SIZES:
            torch.compiler.reset()
            self._usual.clear()
        self._usual[size] = count

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
            self._usual.clear()
            raise
        except Exception as error:
            reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
            logger.warning("the network runs uncompiled, which is slower: %s", reason)
            self._compiled, self.execution = None, f"eager, not compiled: {reason}"
            return self._run_eager(rgb)
        self.execution = "compiled"
        return made

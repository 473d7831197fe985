"""Compact, the plain small network of Real-ESRGAN (there called SRVGGNetCompact).

Parameters bear the official names. Takes and gives RGB (n, 3, rows, columns), 0..1; no training.
"""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor, nn

from upscalers.core.errors import MethodError
from upscalers.core.weights import Layer, State

OWN_SCALE = 4


class Compact(nn.Module):
    """A network for x4, or its `own`; its picture is shrunk by bicubic to a smaller `scale`."""

    def __init__(
        self, channels: int = 64, layers: int = 16, scale: int = OWN_SCALE, own: int = OWN_SCALE
    ) -> None:
        super().__init__()
        self.scale, self.own = scale, own
        body: list[nn.Module] = []
        for inputs in (3, *[channels] * layers):
            body += [nn.Conv2d(inputs, channels, 3, padding=1), nn.PReLU(channels)]
        body.append(nn.Conv2d(channels, 3 * own**2, 3, padding=1))
        self.body = nn.ModuleList(body)

    def forward(self, rgb: Tensor) -> Tensor:
        x = rgb
        for layer in self.body:
            x = layer(x)
        large = F.pixel_shuffle(x, self.own)
        large = large + F.interpolate(rgb, scale_factor=self.own, mode="nearest")
        if self.scale == self.own:
            return large
        # As published: no antialiasing, and cubic convolution with a = -0.75.
        return F.interpolate(large, scale_factor=self.scale / self.own, mode="bicubic")


def compact_state(layers: list[Layer]) -> State:
    """The layers of the ncnn graph under the names of `Compact`."""
    numbered = [layer for layer in layers if layer.kind in ("Convolution", "PReLU")]
    expected = ["Convolution", "PReLU"] * (len(numbered) // 2) + ["Convolution"]
    if [layer.kind for layer in numbered] != expected:
        raise MethodError("the weights are not those of a Compact network")
    state: State = {}
    for place, layer in enumerate(numbered):
        for name, tensor in zip(("weight", "bias"), layer.tensors, strict=False):
            state[f"body.{place}.{name}"] = tensor.contiguous()
    return state

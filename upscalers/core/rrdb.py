"""The network of ESRGAN and Real-ESRGAN: residual-in-residual dense blocks, x4.

Parameters bear the official names. Takes and gives RGB (n, 3, rows, columns), 0..1; no training.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from upscalers.core.errors import MethodError
from upscalers.core.weights import Layer, State

_DENSE = 5  # convolutions in a dense block
_OUTER = ("conv_first", "conv_body", "conv_up1", "conv_up2", "conv_hr", "conv_last")


class DenseBlock(nn.Module):
    """Each convolution sees the results of all before it."""

    def __init__(self, channels: int, growth: int) -> None:
        super().__init__()
        for number in range(_DENSE):
            outputs = growth if number < _DENSE - 1 else channels
            conv = nn.Conv2d(channels + number * growth, outputs, 3, padding=1)
            self.add_module(f"conv{number + 1}", conv)

    def forward(self, x: Tensor) -> Tensor:
        convs = list(self.children())
        known = x
        for conv in convs[:-1]:
            known = torch.cat((known, _leaky(conv(known))), 1)
        return torch.add(x, convs[-1](known), alpha=0.2)


class Block(nn.Module):
    def __init__(self, channels: int, growth: int) -> None:
        super().__init__()
        self.rdb1, self.rdb2, self.rdb3 = (DenseBlock(channels, growth) for _ in range(3))

    def forward(self, x: Tensor) -> Tensor:
        return torch.add(x, self.rdb3(self.rdb2(self.rdb1(x))), alpha=0.2)


class Rrdb(nn.Module):
    scale = 4

    def __init__(self, blocks: int, channels: int = 64, growth: int = 32) -> None:
        super().__init__()
        self.conv_first = nn.Conv2d(3, channels, 3, padding=1)
        self.body = nn.Sequential(*(Block(channels, growth) for _ in range(blocks)))
        self.conv_body = nn.Conv2d(channels, channels, 3, padding=1)
        self.conv_up1 = nn.Conv2d(channels, channels, 3, padding=1)
        self.conv_up2 = nn.Conv2d(channels, channels, 3, padding=1)
        self.conv_hr = nn.Conv2d(channels, channels, 3, padding=1)
        self.conv_last = nn.Conv2d(channels, 3, 3, padding=1)

    def forward(self, rgb: Tensor) -> Tensor:
        first = self.conv_first(rgb)
        x = first + self.conv_body(self.body(first))
        for up in (self.conv_up1, self.conv_up2):
            x = _leaky(up(F.interpolate(x, scale_factor=2, mode="nearest")))
        result: Tensor = self.conv_last(_leaky(self.conv_hr(x)))
        return result


def _leaky(x: Tensor) -> Tensor:
    return F.leaky_relu(x, 0.2, inplace=True)


def rrdb_state(layers: list[Layer]) -> State:
    """The layers of the ncnn graph under the names of `Rrdb`."""
    convolutions = [layer.tensors for layer in layers if layer.kind == "Convolution"]
    blocks, rest = divmod(len(convolutions) - len(_OUTER), 3 * _DENSE)
    if rest or blocks < 1:
        raise MethodError("the weights are not those of an RRDB network")
    inner = [
        f"body.{block}.rdb{dense}.conv{conv}"
        for block in range(blocks)
        for dense in (1, 2, 3)
        for conv in range(1, _DENSE + 1)
    ]
    state: State = {}
    for name, (weight, bias) in zip([_OUTER[0], *inner, *_OUTER[1:]], convolutions, strict=True):
        state[f"{name}.weight"], state[f"{name}.bias"] = weight.contiguous(), bias.contiguous()
    return state

"""The SPAN network in its running form: every training-time branch is folded into one 3x3.

Takes and gives RGB (n, 3, rows, columns), 0..1. Does no training.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from upscalers.core.errors import MethodError
from upscalers.core.weights import Layer, State

_BLOCKS = 6


def _conv3(inputs: int, outputs: int) -> nn.Conv2d:
    return nn.Conv2d(inputs, outputs, 3, padding=1)


class Block(nn.Module):
    """Three convolutions whose outcome also says how much of it to let through."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.c1, self.c2, self.c3 = (_conv3(channels, channels) for _ in range(3))

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        first = F.silu(self.c1(x), inplace=True)
        y = self.c3(F.silu(self.c2(first), inplace=True))
        gate = torch.sigmoid(y).sub_(0.5)
        return y.add_(x).mul_(gate), first


_ALIGNED = 16  # what the matrix units of GPUs take at a time, in channels


class Span(nn.Module):
    mean: Tensor

    def __init__(self, channels: int, scale: int) -> None:
        super().__init__()
        self.scale = scale
        self.register_buffer("mean", torch.zeros(1, 3, 1, 1))
        self.conv_1 = _conv3(3, channels)
        self.blocks = nn.ModuleList(Block(channels) for _ in range(_BLOCKS))
        self.conv_2 = _conv3(channels, channels)
        self.conv_cat = nn.Conv2d(4 * channels, channels, 1)
        self.upsampler = _conv3(channels, 3 * scale * scale)

    def forward(self, rgb: Tensor) -> Tensor:
        features = x = self.conv_1(rgb - self.mean)
        for number, block in enumerate(self.blocks):
            x, inner = block(x)
            if number == 0:
                early = x
        late = self.conv_2(x)
        joined = self.conv_cat(torch.cat((features, late, early, inner), 1))
        return F.pixel_shuffle(self.upsampler(joined), self.scale)

    def aligned(self) -> Span:
        """The same network with empty channels added where a GPU would be slow without.

        Exact: a channel of zeros stays one through SiLU, and its gate is sigmoid(0) - 0.5 = 0.
        """
        channels = self.conv_1.out_channels
        wide = -(-channels // _ALIGNED) * _ALIGNED
        return self if wide == channels else self.widened(wide)

    def widened(self, channels: int) -> Span:
        network = Span(channels, self.scale)
        state = {name: torch.zeros_like(value) for name, value in network.state_dict().items()}
        for name, value in self.state_dict().items():
            if name == "conv_cat.weight":  # four times all channels come in
                parts = zip(value.chunk(4, 1), state[name].chunk(4, 1), strict=True)
            else:
                parts = zip((value,), (state[name],), strict=True)
            for given, room in parts:
                room[tuple(slice(size) for size in given.shape)] = given
        network.load_state_dict(state)
        return network.eval()


def span_state(layers: list[Layer]) -> State:
    """The layers of the ncnn graph under the names of `Span`; the factor 255 goes into conv_1."""
    convolutions = {layer.name: layer.tensors for layer in layers if layer.kind == "Convolution"}
    means = [layer.tensors[0] for layer in layers if layer.kind == "MemoryData"]
    names = {
        "conv_1": "/conv_1/eval_conv/Conv",
        "conv_2": "/conv_2/eval_conv/Conv",
        "conv_cat": "/conv_cat/Conv",
        "upsampler": "/upsampler/upsampler.0/Conv",
    }
    for block in range(_BLOCKS):
        for part in (1, 2, 3):
            names[f"blocks.{block}.c{part}"] = f"/block_{block + 1}/c{part}_r/eval_conv/Conv"
    if len(means) != 1 or set(names.values()) != set(convolutions):
        raise MethodError("the weights are not those of a SPAN network")
    state = {"mean": means[0].reshape(1, 3, 1, 1)}
    for ours, theirs in names.items():
        state[f"{ours}.weight"], state[f"{ours}.bias"] = convolutions[theirs]
    state["conv_1.weight"] = state["conv_1.weight"] * _input_factor(layers)
    return {name: tensor.contiguous() for name, tensor in state.items()}


def _input_factor(layers: list[Layer]) -> float:
    """What the centred input is multiplied by before the first convolution."""
    multiply = next(layer for layer in layers if layer.name == "/Mul")
    return float(multiply.parameters[2])

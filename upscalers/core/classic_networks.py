"""ESPCN, EDSR and SRResNet, for checkpoints under the names of their best-known training codes.

What a checkpoint does not say (the mean colour, the scaling of residues) is as published. All take
and give RGB (n, 3, rows, columns), 0..1; no training.
"""

from __future__ import annotations

import re
from math import isqrt
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from upscalers.core.basicvsr import numbered_below
from upscalers.core.errors import MethodError

State = dict[str, Tensor]

DIV2K_MEAN = (0.4488, 0.4371, 0.4040)


class Found(NamedTuple):
    """A network made from a checkpoint, still without its weights, and these under its names."""

    name: str
    network: nn.Module
    state: State
    scale: int
    halo: int


class Espcn(nn.Module):
    """Three convolutions; usually of luma alone, and then chroma is interpolated."""

    def __init__(self, channels: int, widths: tuple[int, int], kernel: int, scale: int) -> None:
        super().__init__()
        self.channels, self.scale = channels, scale
        first, second = widths
        self.first_part = nn.Sequential(
            nn.Conv2d(channels, first, kernel, padding=kernel // 2), nn.Tanh(),
            nn.Conv2d(first, second, 3, padding=1), nn.Tanh(),
        )  # fmt: skip
        self.last_part = nn.Sequential(
            nn.Conv2d(second, channels * scale**2, 3, padding=1), nn.PixelShuffle(scale)
        )
        # BT.601 as such networks are trained: luma from 16 to 235, in 255ths
        luma = torch.tensor((65.481, 128.553, 24.966)).view(1, 3, 1, 1) / 255
        self.register_buffer("luma", luma, persistent=False)

    def forward(self, rgb: Tensor) -> Tensor:
        if self.channels == 3:
            made: Tensor = self.last_part(self.first_part(rgb))
            return made
        weights = self.get_buffer("luma")
        y = (rgb * weights).sum(1, keepdim=True) + 16 / 255
        large = F.interpolate(rgb, scale_factor=self.scale, mode="bicubic")
        plain = (large * weights).sum(1, keepdim=True) + 16 / 255
        # Equal steps of R, G and B change luma and leave chroma alone.
        fine: Tensor = self.last_part(self.first_part(y))
        return large + (fine - plain) / weights.sum()


class Residual(nn.Module):
    def __init__(self, channels: int, residue: float) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(channels, channels, 3, padding=1)
        self.conv2 = nn.Conv2d(channels, channels, 3, padding=1)
        self.residue = residue

    def forward(self, x: Tensor) -> Tensor:
        return torch.add(x, self.conv2(F.relu(self.conv1(x), inplace=True)), alpha=self.residue)


class Edsr(nn.Module):
    """Names of BasicSR."""

    def __init__(self, channels: int, blocks: int, scale: int) -> None:
        super().__init__()
        self.scale = scale
        self.register_buffer("mean", torch.tensor(DIV2K_MEAN).view(1, 3, 1, 1))
        self.register_buffer("range", torch.tensor(255.0))
        residue = 0.1 if channels == 256 else 1.0  # as published for the large network
        self.conv_first = nn.Conv2d(3, channels, 3, padding=1)
        self.body = nn.Sequential(*(Residual(channels, residue) for _ in range(blocks)))
        self.conv_after_body = nn.Conv2d(channels, channels, 3, padding=1)
        steps: list[nn.Module] = []
        for step in (2, 2) if scale == 4 else (scale,):
            steps += [nn.Conv2d(channels, channels * step**2, 3, padding=1), nn.PixelShuffle(step)]
        self.upsample = nn.Sequential(*steps)
        self.conv_last = nn.Conv2d(channels, 3, 3, padding=1)

    def forward(self, rgb: Tensor) -> Tensor:
        mean, codes = self.get_buffer("mean"), self.get_buffer("range")
        first = self.conv_first((rgb - mean) * codes)
        x = first + self.conv_after_body(self.body(first))
        made: Tensor = self.conv_last(self.upsample(x)) / codes + mean
        return made


class SrResNet(nn.Module):
    """Without batch normalisation, as in BasicSR (there called MSRResNet)."""

    def __init__(self, channels: int, blocks: int, scale: int) -> None:
        super().__init__()
        self.scale = scale
        self.conv_first = nn.Conv2d(3, channels, 3, padding=1)
        self.body = nn.Sequential(*(Residual(channels, 1.0) for _ in range(blocks)))
        self.steps = (2, 2) if scale == 4 else (scale,)
        for number, step in enumerate(self.steps, 1):
            up = nn.Conv2d(channels, channels * step**2, 3, padding=1)
            self.add_module(f"upconv{number}", up)
        self.conv_hr = nn.Conv2d(channels, channels, 3, padding=1)
        self.conv_last = nn.Conv2d(channels, 3, 3, padding=1)

    def forward(self, rgb: Tensor) -> Tensor:
        x = self.body(_leaky(self.conv_first(rgb)))
        for number, step in enumerate(self.steps, 1):
            x = _leaky(F.pixel_shuffle(self.get_submodule(f"upconv{number}")(x), step))
        base = F.interpolate(rgb, scale_factor=self.scale, mode="bilinear", align_corners=False)
        made: Tensor = self.conv_last(_leaky(self.conv_hr(x))) + base
        return made


def _leaky(x: Tensor) -> Tensor:
    return F.leaky_relu(x, 0.1, inplace=True)


def find(state: State) -> Found | None:
    """The network whose names these are, or None."""
    for detect in (_espcn, _edsr, _srresnet):
        found = detect(state)
        if found is not None:
            return found
    return None


def _espcn(state: State) -> Found | None:
    own = _renamed(state, (r"^feature_maps\.", "first_part."), (r"^sub_pixel\.", "last_part."))
    first, second, last = (
        own.get(f"{name}.weight") for name in ("first_part.0", "first_part.2", "last_part.0")
    )
    if first is None or second is None or last is None:
        return None
    outputs, channels, kernel, _ = first.shape
    if channels not in (1, 3):
        raise MethodError(f"takes {channels} channels; networks of RGB or of luma can be used")
    scale = isqrt(len(last) // channels)
    network = Espcn(channels, (outputs, len(second)), kernel, scale)
    return Found("ESPCN", network, own, scale, halo(kernel // 2 + 2))


def _edsr(state: State) -> Found | None:
    own = dict(state)
    if "sub_mean.bias" in own and "head.0.weight" in own:
        own = _from_original_edsr(own)
    names = ("conv_first", "body.0.conv1", "conv_after_body", "upsample.0", "conv_last")
    if not all(f"{name}.weight" in own for name in names):
        return None
    _only_rgb(own)
    channels, blocks = len(own["conv_first.weight"]), numbered_below(own, "body")
    scale = 4 if "upsample.2.weight" in own else isqrt(len(own["upsample.0.weight"]) // channels)
    network = Edsr(channels, blocks, scale)
    own = {"mean": network.get_buffer("mean"), "range": network.get_buffer("range"), **own}
    return Found("EDSR", network, own, scale, halo(2 * blocks + 4))


def _from_original_edsr(state: State) -> State:
    """The names of BasicSR for those of the first EDSR code; its mean colour is a convolution."""
    if any(".conv_du." in name for name in state):
        return {}  # RCAN, a later network with such names
    bias = state["sub_mean.bias"].float()
    codes = torch.tensor(255.0 if bias.abs().max() > 1 else 1.0)
    last = numbered_below(state, "body") - 1
    own = _renamed(
        {name: t for name, t in state.items() if not re.match(r"(sub|add)_mean\.", name)},
        (r"^head\.0\.", "conv_first."),
        (rf"^body\.{last}\.(weight|bias)$", r"conv_after_body.\1"),
        (r"^body\.(\d+)\.body\.0\.", r"body.\1.conv1."),
        (r"^body\.(\d+)\.body\.2\.", r"body.\1.conv2."),
        (r"^tail\.0\.", "upsample."),
        (r"^tail\.1\.", "conv_last."),
    )
    return {**own, "mean": (-bias / codes).view(1, -1, 1, 1), "range": codes}


def _srresnet(state: State) -> Found | None:
    names = ("conv_first", "body.0.conv1", "upconv1", "conv_hr", "conv_last")
    if not all(f"{name}.weight" in state for name in names):
        return None
    _only_rgb(state)
    channels, blocks = len(state["conv_first.weight"]), numbered_below(state, "body")
    scale = 4 if "upconv2.weight" in state else isqrt(len(state["upconv1.weight"]) // channels)
    network = SrResNet(channels, blocks, scale)
    return Found("SRResNet", network, dict(state), scale, halo(2 * blocks + 5))


def _only_rgb(state: State) -> None:
    taken, given = state["conv_first.weight"].shape[1], len(state["conv_last.weight"])
    if (taken, given) != (3, 3):
        raise MethodError(f"takes {taken} and gives {given} channels; RGB, three, is needed")


def halo(convolutions: int) -> int:
    """One sample per convolution of three, rounded up to 8."""
    return -(-convolutions // 8) * 8


def _renamed(state: State, *patterns: tuple[str, str]) -> State:
    renamed = {}
    for name, tensor in state.items():
        for pattern, new in patterns:
            name = re.sub(pattern, new, name)
        renamed[name] = tensor
    return renamed

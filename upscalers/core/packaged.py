"""Networks whose weights come in an installed package, made ready for a device."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import nn

from upscalers.core.ncnn_network import NcnnNetwork, ncnn_is_here
from upscalers.core.upscaling import NetworkUpscaler
from upscalers.core.weights import Layer, PackagedWeights, State

# Of a frame of 1920x1080 such tiles take half of the memory, and no more time (SPAN).
_TILE = 512


def packaged_upscaler(
    weights: PackagedWeights,
    convert: Callable[[list[Layer]], State],
    make: Callable[[], nn.Module],
    scale: int,
    halo: int,
    device: torch.device,
) -> NetworkUpscaler:
    """By ncnn on a CPU, where it was the faster one for all of these networks; else by torch."""
    if device.type == "cpu" and ncnn_is_here():
        upscaler = NetworkUpscaler(NcnnNetwork(weights, scale), scale, halo, device)
        if halo < _TILE // 8:
            upscaler.tile = _TILE
        return upscaler
    network = make()
    network.load_state_dict(weights.load(convert))
    return NetworkUpscaler(network, scale, halo, device)

"""Checkpoints for tests: small networks with drawn weights, saved as training codes save them."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import nn

from upscalers.core.classic_networks import Edsr, Espcn, SrResNet


def drawn(network: nn.Module, seed: int = 1) -> nn.Module:
    """With weights that no default of torch's may explain."""
    random = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for tensor in network.parameters():
            tensor.copy_(torch.randn(tensor.shape, generator=random) * 0.05)
    return network.eval()


def espcn(scale: int = 2, channels: int = 3) -> nn.Module:
    return drawn(Espcn(channels, (16, 8), 5, scale))


def edsr(scale: int = 2) -> nn.Module:
    return drawn(Edsr(16, 2, scale))


def srresnet(scale: int = 2) -> nn.Module:
    return drawn(SrResNet(16, 2, scale))


def saved(path: Path, content: object) -> Path:
    torch.save(content, path)
    return path

"""What tests of packaged networks share: a real picture, and each network in both its forms."""

from __future__ import annotations

from collections.abc import Callable
from unittest import mock

import numpy as np
import pytest
import torch

from upscalers.core.upscaling import NetworkUpscaler
from upscalers.methods import get_method

CPU = torch.device("cpu")


def chelsea(rows: int, columns: int) -> torch.Tensor:
    """The cat of scikit-image from its whiskers on, as RGB 0..1."""
    data = pytest.importorskip("skimage.data", reason="scikit-image brings the picture")
    crop = data.chelsea()[60 : 60 + rows, 100 : 100 + columns].astype(np.float32) / 255
    return torch.from_numpy(crop).permute(2, 0, 1)[None].contiguous()


def by_torch(slug: str) -> NetworkUpscaler:
    with mock.patch("upscalers.core.packaged.ncnn_is_here", return_value=False):
        return built(slug)


def by_ncnn(slug: str) -> NetworkUpscaler:
    pytest.importorskip("ncnn", reason="the ncnn package is the reference")
    return built(slug)


def built(slug: str) -> NetworkUpscaler:
    upscaler = get_method(slug).build(CPU)
    assert isinstance(upscaler, NetworkUpscaler)
    return upscaler


def run(make: Callable[[str], NetworkUpscaler], slug: str, picture: torch.Tensor) -> torch.Tensor:
    with torch.inference_mode():
        return make(slug).run(picture.contiguous(memory_format=torch.channels_last))

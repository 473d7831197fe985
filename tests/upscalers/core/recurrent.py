"""Small recurrent networks with weights that anyone can make again, and a moving picture."""

from __future__ import annotations

import re

import numpy as np
import torch
from torch import Tensor

from upscalers.core.basicvsr import BasicVSR

CHANNELS, BLOCKS = 8, 2


def seeded_state(cleaning_blocks: int = 0, seed: int = 3) -> dict[str, Tensor]:
    """Drawn in the order of the names; of a size that keeps pictures between 0 and 1 or so."""
    random = np.random.default_rng(seed)
    state = BasicVSR(CHANNELS, BLOCKS, cleaning_blocks).state_dict()
    for name in sorted(state):
        if name.endswith(("mean", "std")):
            continue
        shape = tuple(state[name].shape)
        size = 1 / np.sqrt(np.prod(shape[1:])) if len(shape) > 1 else 0.3 / np.sqrt(16)
        drawn = (random.standard_normal(shape) * size).astype(np.float32)
        # little is left to clean after the third time
        state[name] = torch.from_numpy(drawn * (0.25 if name.startswith("image_cleaning.1") else 1))
    return state


def mmagic_names(state: dict[str, Tensor], prefix: str = "generator.") -> dict[str, Tensor]:
    """The same weights as MMEditing and MMagic save them."""
    renamed = {}
    for name, tensor in state.items():
        if "image_cleaning.1.weight" in state and not name.startswith("image_cleaning"):
            name = f"basicvsr.{name}"
        name = re.sub(r"(back|for)ward_trunk", r"\1ward_resblocks", name)
        name = re.sub(r"upconv([12])", r"upsample\1.upsample_conv", name)
        name = re.sub(
            r"(basic_module\.\d\.basic_module)\.(\d)",
            lambda f: f"{f[1]}.{int(f[2]) // 2}.conv",
            name,
        )
        renamed[prefix + name] = tensor
    return renamed


def moving_picture(rows: int, columns: int, frames: int = 5) -> Tensor:
    """(1, frames, 3, rows, columns): waves that go two samples a frame left and one down."""
    y, x = np.mgrid[0:rows, 0:columns]
    pictures = [
        [
            0.5
            + 0.25 * np.sin((x + 2 * i) * (0.2 + 0.05 * c))
            + 0.25 * np.cos((y - i) * (0.15 + 0.04 * c))
            for c in range(3)
        ]
        for i in range(frames)
    ]
    return torch.from_numpy(np.array(pictures, np.float32))[None]

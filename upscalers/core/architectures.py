"""Which network a checkpoint is of, and that network with its weights in it.

Asks our own networks first, then spandrel, which knows some forty others. What it returns says all
that the engine must know, so nobody else branches on an architecture.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from upscalers.core import basicvsr, classic_networks
from upscalers.core.errors import MethodError
from upscalers.core.spandrel_import import spandrel

State = dict[str, Tensor]

KNOWN = "ESPCN, EDSR, SRResNet, RCAN, SwinIR, ESRGAN, DAT, HAT, SPAN, Compact, BasicVSR and others"


@dataclass(frozen=True)
class Network:
    module: nn.Module
    architecture: str
    scale: int
    halo: int | None  # samples around a tile; None: it cannot be cut into tiles without a trace
    half_ok: bool  # whether half precision is safe
    temporal: bool = False


def load_network(state: State) -> Network:
    """The network of these weights, or a MethodError that says why they cannot be used."""
    try:
        return _video(state) or _classic(state) or _by_spandrel(state)
    except MethodError:
        raise
    except (KeyError, ValueError, TypeError, IndexError, AssertionError, AttributeError,
            ArithmeticError, RuntimeError) as error:  # fmt: skip
        if "alloc" in str(error).lower():
            raise MemoryError(str(error)) from None
        reason = (str(error).strip().splitlines() or [type(error).__name__])[-1].strip()
        raise MethodError(
            f"looks like a known network, but its weights do not fit it ({reason[:200]}): it may "
            "be a variant of it, or cut off"
        ) from None


def _video(state: State) -> Network | None:
    if not basicvsr.detect(state):
        return None
    network = basicvsr.load(state)
    name = "BasicVSR" if network.image_cleaning is None else "RealBasicVSR"
    return Network(network, name, network.scale, None, half_ok=True, temporal=True)


def _classic(state: State) -> Network | None:
    found = classic_networks.find(state)
    if found is None:
        return None
    _refuse_other_purposes(found.name, "SR", found.scale)
    found.network.load_state_dict(found.state)
    # EDSR computes on 0..255, where half precision has too few digits left.
    half_ok = found.name != "EDSR"
    return Network(found.network.eval(), found.name, found.scale, found.halo, half_ok)


class Padded(nn.Module):
    """A network of spandrel's: each picture is padded to the size its windows need, and cut."""

    def __init__(self, descriptor: Any) -> None:
        super().__init__()
        self.model: nn.Module = descriptor.model
        self._descriptor = descriptor

    def forward(self, rgb: Tensor) -> Tensor:
        # a copy, because some of these networks change the picture they are given
        return torch.cat([self._descriptor(picture[None].clone()) for picture in rgb])


def _by_spandrel(state: State) -> Network:
    module = spandrel()
    try:
        descriptor = module.ModelLoader().load_from_state_dict(state)
    except module.UnsupportedModelError:
        raise MethodError(
            f"holds a network that is not known here; known are {KNOWN}. If it is one of them, "
            "save its state_dict under the names of its published code"
        ) from None
    name, scale = descriptor.architecture.name, int(descriptor.scale)
    channels = (descriptor.input_channels, descriptor.output_channels)
    _refuse_other_purposes(name, descriptor.purpose, scale)
    if channels != (3, 3):
        raise MethodError(
            f"is a network ({name}) that takes {channels[0]} and gives {channels[1]} channels; "
            "RGB, three, is needed"
        )
    # Its families of pictures differ in size only: SwinIR's are told apart by their tags.
    tags = f" ({', '.join(descriptor.tags)})" if descriptor.tags else ""
    halo = _halo(descriptor.architecture.id, state)
    return Network(
        Padded(descriptor).eval(), f"{name}{tags}", scale, halo, bool(descriptor.supports_half)
    )


def _refuse_other_purposes(name: str, purpose: str, scale: int) -> None:
    if purpose != "SR" or scale < 2:
        raise MethodError(
            f"is a network ({name}) for {purpose}, x{scale}; only networks that enlarge pictures "
            "in general can be used"
        )


def _halo(architecture: str, state: State) -> int | None:
    """Of networks that are plain convolutions."""
    if architecture == "Compact":
        convolutions = sum(tensor.ndim == 4 for tensor in state.values())
    elif architecture == "SPAN":
        convolutions = 21
    elif architecture == "ESRGAN" and _plain_rrdb(state):
        blocks = {found[1] for name in state if (found := re.match(r"body\.(\d+)\.rdb1\.", name))}
        convolutions = 15 * len(blocks) + 4
    else:
        return None
    return classic_networks.halo(convolutions)


def _plain_rrdb(state: State) -> bool:
    """Under the present names, and not working on a picture folded into channels."""
    first = state.get("conv_first.weight")
    return first is not None and first.shape[1] == 3

"""BasicVSR and RealBasicVSR: recurrent networks that look along a whole clip in both directions.

Takes RGB frames (n, 3, rows, columns), 0..1, and makes them four times as large. Loads the
checkpoints of BasicSR and of MMEditing/MMagic by their names; how a long clip goes through the
network without being held in memory is `sequence`'s business.
"""

from __future__ import annotations

import re
from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from upscalers.core.errors import MethodError

State = dict[str, Tensor]

SCALE = 4
# RealBasicVSR cleans a clip again while cleaning changes it by more than this on average; the
# value is the one that MMagic's configuration prescribes for tests.
CLEANINGS = 3
CLEAN_ENOUGH = 5 / 255

_LEVELS = 6
_FLOW_CHANNELS = (8, 32, 64, 32, 16, 2)
_LARGE_CHANNELS = 64  # where the picture is enlarged, whatever the rest of the network has


def warp(picture: Tensor, flow: Tensor, beyond: str = "zeros") -> Tensor:
    """Fetch each sample from where the flow (n, 2, rows, columns; right and down) points to.

    Always in single precision: half cannot tell the columns of a large picture apart.
    """
    rows, columns = picture.shape[2:]
    down = torch.arange(rows, device=flow.device, dtype=flow.dtype)[:, None]
    right = torch.arange(columns, device=flow.device, dtype=flow.dtype)
    x = 2.0 * (right + flow[:, 0]) / max(columns - 1, 1) - 1.0
    y = 2.0 * (down + flow[:, 1]) / max(rows - 1, 1) - 1.0
    grid = torch.stack((x, y), 3)
    fetched = F.grid_sample(
        picture.float(), grid, mode="bilinear", padding_mode=beyond, align_corners=True
    )
    return fetched.to(picture.dtype)


class _FlowLevel(nn.Module):
    """What one level of the pyramid adds to the flow of the level above."""

    def __init__(self) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        for inputs, outputs in pairwise(_FLOW_CHANNELS):
            layers += [nn.Conv2d(inputs, outputs, 7, padding=3), nn.ReLU()]
        self.basic_module = nn.Sequential(*layers[:-1])

    def forward(self, seen: Tensor) -> Tensor:
        added: Tensor = self.basic_module(seen)
        return added


class Spynet(nn.Module):
    """Optical flow by a spatial pyramid (Ranjan and Black, CVPR 2017).

    Computes in the precision of its own weights, whatever that of the pictures.
    """

    mean: Tensor
    std: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.basic_module = nn.ModuleList(_FlowLevel() for _ in range(_LEVELS))
        self.register_buffer("mean", torch.tensor((0.485, 0.456, 0.406)).view(1, 3, 1, 1))
        self.register_buffer("std", torch.tensor((0.229, 0.224, 0.225)).view(1, 3, 1, 1))

    def forward(self, picture: Tensor, other: Tensor) -> Tensor:
        """Where in `other` each sample of `picture` lies."""
        rows, columns = picture.shape[2:]
        whole = (-(-rows // 32) * 32, -(-columns // 32) * 32)  # halved five times
        flow = _resized(self._flow(self._pyramid(picture, whole), self._pyramid(other, whole)),
                        (rows, columns))  # fmt: skip
        factors = flow.new_tensor((columns / whole[1], rows / whole[0]))
        return flow * factors.view(1, 2, 1, 1)

    def _pyramid(self, picture: Tensor, size: tuple[int, int]) -> list[Tensor]:
        levels = [(_resized(picture.to(self.mean.dtype), size) - self.mean) / self.std]
        for _ in range(_LEVELS - 1):
            levels.append(F.avg_pool2d(levels[-1], 2))
        return levels[::-1]

    def _flow(self, picture: list[Tensor], other: list[Tensor]) -> Tensor:
        count, _, rows, columns = picture[0].shape
        flow = picture[0].new_zeros((count, 2, rows, columns), dtype=torch.float32)
        for level, add in enumerate(self.basic_module):
            if level:
                flow = 2.0 * F.interpolate(
                    flow, scale_factor=2, mode="bilinear", align_corners=True
                )
            near = warp(other[level], flow, "border")
            flow = flow + add(torch.cat((picture[level], near, flow.to(near.dtype)), 1)).float()
        return flow


def _resized(picture: Tensor, size: tuple[int, int]) -> Tensor:
    return F.interpolate(picture, size=size, mode="bilinear", align_corners=False)


class _Residual(nn.Module):
    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(channels, channels, 3, padding=1)
        self.conv2 = nn.Conv2d(channels, channels, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        added: Tensor = self.conv2(F.relu(self.conv1(x), inplace=True))
        return x + added


class Trunk(nn.Module):
    """A convolution and residual blocks."""

    def __init__(self, inputs: int, channels: int, blocks: int) -> None:
        super().__init__()
        self.main = nn.Sequential(
            nn.Conv2d(inputs, channels, 3, padding=1),
            nn.LeakyReLU(0.1, inplace=True),
            nn.Sequential(*(_Residual(channels) for _ in range(blocks))),
        )

    def forward(self, x: Tensor) -> Tensor:
        features: Tensor = self.main(x)
        return features


class BasicVSR(nn.Module):
    """RealBasicVSR is the same behind a module that cleans the frames (`cleaning_blocks` > 0)."""

    scale = SCALE

    def __init__(self, channels: int = 64, blocks: int = 30, cleaning_blocks: int = 0) -> None:
        super().__init__()
        self.channels = channels
        self.spynet = Spynet()
        self.backward_trunk = Trunk(channels + 3, channels, blocks)
        self.forward_trunk = Trunk(channels + 3, channels, blocks)
        self.fusion = nn.Conv2d(2 * channels, channels, 1)
        self.upconv1 = nn.Conv2d(channels, 4 * channels, 3, padding=1)
        self.upconv2 = nn.Conv2d(channels, 4 * _LARGE_CHANNELS, 3, padding=1)
        self.conv_hr = nn.Conv2d(_LARGE_CHANNELS, _LARGE_CHANNELS, 3, padding=1)
        self.conv_last = nn.Conv2d(_LARGE_CHANNELS, 3, 3, padding=1)
        self.image_cleaning: nn.Sequential | None = None
        if cleaning_blocks:
            self.image_cleaning = nn.Sequential(
                Trunk(3, channels, cleaning_blocks), nn.Conv2d(channels, 3, 3, padding=1)
            )

    def residue(self, frame: Tensor) -> Tensor:
        """What cleaning adds to a frame."""
        assert self.image_cleaning is not None
        added: Tensor = self.image_cleaning(frame)
        return added

    def look_back(self, frame: Tensor, after: Tensor | None, features: Tensor | None) -> Tensor:
        """A frame's features, from the frame after it and that one's; None for the last frame."""
        return self._carried(self.backward_trunk, frame, after, features)

    def look_ahead(self, frame: Tensor, before: Tensor | None, features: Tensor | None) -> Tensor:
        """A frame's features, from the frame before it and that one's; None for the first."""
        return self._carried(self.forward_trunk, frame, before, features)

    def _carried(
        self, trunk: nn.Module, frame: Tensor, beside: Tensor | None, features: Tensor | None
    ) -> Tensor:
        if beside is None or features is None:
            carried = frame.new_zeros((len(frame), self.channels, *frame.shape[2:]))
        else:
            carried = warp(features, self.spynet(frame, beside))
        outcome: Tensor = trunk(torch.cat((frame, carried), 1))
        return outcome

    def enlarged(self, frame: Tensor, back: Tensor, ahead: Tensor) -> Tensor:
        """The large picture of a frame, from its features in both directions."""
        x = _leaky(self.fusion(torch.cat((back, ahead), 1)))
        x = _leaky(F.pixel_shuffle(self.upconv1(x), 2))
        x = _leaky(F.pixel_shuffle(self.upconv2(x), 2))
        added: Tensor = self.conv_last(_leaky(self.conv_hr(x)))
        base = F.interpolate(frame, scale_factor=SCALE, mode="bilinear", align_corners=False)
        return added + base

    def forward(self, clip: Tensor) -> Tensor:
        """A whole clip (n, frames, 3, rows, columns) at once, in memory."""
        frames = list(clip.unbind(1))
        for _ in range(CLEANINGS if self.image_cleaning is not None else 0):
            residues = [self.residue(frame) for frame in frames]
            frames = [frame + residue for frame, residue in zip(frames, residues, strict=True)]
            if torch.stack(residues).abs().mean() < CLEAN_ENOUGH:
                break
        back: list[Tensor] = []
        for i in reversed(range(len(frames))):
            after = frames[i + 1] if back else None
            back.append(self.look_back(frames[i], after, back[-1] if back else None))
        ahead, made = None, []
        for i, frame in enumerate(frames):
            ahead = self.look_ahead(frame, frames[i - 1] if i else None, ahead)
            made.append(self.enlarged(frame, back.pop(), ahead))
        return torch.stack(made, 1)


def _leaky(x: Tensor) -> Tensor:
    return F.leaky_relu(x, 0.1, inplace=True)


_RENAMED = (
    (r"^basicvsr\.", ""),
    (r"^(backward|forward)_resblocks\.", r"\1_trunk."),
    (r"^upsample([12])\.upsample_conv\.", r"upconv\1."),
)
with torch.device("meta"):
    _MODULES = {name.split(".")[0] for name in BasicVSR(8, 1, 1).state_dict()}


def detect(state: State) -> bool:
    """Whether a checkpoint's names are those of BasicVSR or RealBasicVSR."""
    names = _own_names(state)
    needed = ("spynet.basic_module.0.basic_module.0.weight", "backward_trunk.main.2.0.conv1.weight")
    return all(name in names for name in needed) and {n.split(".")[0] for n in names} <= _MODULES


def load(state: State) -> BasicVSR:
    """The network of a checkpoint, its size told by the names and shapes in it."""
    own = _own_names(state)
    if not detect(state):
        raise MethodError("the weights are not those of BasicVSR or RealBasicVSR")
    with torch.device("meta"):
        network = BasicVSR(
            channels=len(own["backward_trunk.main.0.weight"]),
            blocks=numbered_below(own, "backward_trunk.main.2"),
            cleaning_blocks=numbered_below(own, "image_cleaning.0.main.2"),
        )
    plain = Spynet()
    own = {"spynet.mean": plain.mean, "spynet.std": plain.std, **own}
    try:
        network.load_state_dict(own, assign=True)
    except RuntimeError as error:
        first = str(error).strip().splitlines()[-1].strip()
        raise MethodError(f"the weights do not fit BasicVSR: {first}") from None
    return network.float().eval()


def numbered_below(names: State, folder: str) -> int:
    """How many numbered blocks there are below a name."""
    start = f"{folder}."
    found = {name[len(start) :].split(".")[0] for name in names if name.startswith(start)}
    return len(found)


def _own_names(state: State) -> State:
    """The generator's tensors alone, under the names of BasicSR; averaged weights come first."""
    for prefix in ("generator_ema.", "generator."):
        inner = {n.removeprefix(prefix): t for n, t in state.items() if n.startswith(prefix)}
        if inner:
            state = inner
            break
    named = {}
    for name, tensor in state.items():
        if name == "step_counter":
            continue  # of the training
        for pattern, new in _RENAMED:
            name = re.sub(pattern, new, name)
        # MMagic wraps each convolution; BasicSR counts the activations between them as well.
        name = re.sub(
            r"^(spynet\.basic_module\.\d+\.basic_module)\.(\d)\.conv\.",
            lambda found: f"{found[1]}.{2 * int(found[2])}.",
            name,
        )
        named[name] = tensor
    return named

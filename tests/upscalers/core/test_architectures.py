"""Networks loaded from checkpoints compute what their published code computes."""

from __future__ import annotations

import sys
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from tests.upscalers.core.networks import drawn, edsr, espcn, srresnet
from tests.upscalers.methods.packaged import CPU, chelsea
from upscalers.core.architectures import load_network
from upscalers.core.compact import Compact
from upscalers.core.errors import MethodError
from upscalers.core.rrdb import Rrdb
from upscalers.core.spandrel_import import spandrel
from upscalers.core.upscaling import NetworkUpscaler

State = dict[str, Tensor]


def run(state: State, picture: Tensor) -> Tensor:
    with torch.inference_mode():
        made: Tensor = load_network(state).module(picture)
    return made


def conv(state: State, name: str, x: Tensor) -> Tensor:
    weight = state[f"{name}.weight"]
    return F.conv2d(x, weight, state.get(f"{name}.bias"), padding=weight.shape[-1] // 2)


def original_edsr(scale: int) -> State:
    """Names and mean shift of the first EDSR code (sanghyun-son/EDSR-PyTorch)."""
    state = {"sub_mean.weight": torch.eye(3).view(3, 3, 1, 1), "add_mean.weight": torch.eye(3).view(3, 3, 1, 1)}  # fmt: skip # noqa: E501
    mean = 255 * torch.tensor((0.4488, 0.4371, 0.4040))
    state |= {"sub_mean.bias": -mean, "add_mean.bias": mean}
    for name, tensor in edsr(scale).state_dict().items():
        place, _, rest = name.partition(".")
        if place == "conv_first":
            state[f"head.0.{rest}"] = tensor
        elif place == "body":
            number, part, kind = rest.split(".")
            state[f"body.{number}.body.{0 if part == 'conv1' else 2}.{kind}"] = tensor
        elif place == "conv_after_body":
            state[f"body.2.{rest}"] = tensor
        elif place == "upsample":
            state[f"tail.0.{rest}"] = tensor
        elif place == "conv_last":
            state[f"tail.1.{rest}"] = tensor
    return state


@pytest.mark.parametrize("scale", [2, 3, 4])
def test_edsr_of_the_first_code_computes_what_that_code_does(scale: int) -> None:
    state, picture = original_edsr(scale), chelsea(20, 24)
    x = head = conv(state, "head.0", F.conv2d(picture * 255, state["sub_mean.weight"], state["sub_mean.bias"]))  # fmt: skip # noqa: E501
    for block in range(2):
        x = x + conv(state, f"body.{block}.body.2", F.relu(conv(state, f"body.{block}.body.0", x)))
    x = conv(state, "body.2", x) + head
    for step in range(2 if scale == 4 else 1):
        x = F.pixel_shuffle(conv(state, f"tail.0.{2 * step}", x), 2 if scale == 4 else scale)
    wanted = F.conv2d(conv(state, "tail.1", x), state["add_mean.weight"], state["add_mean.bias"])
    assert torch.allclose(run(state, picture), wanted / 255, atol=1e-5)
    assert load_network(state).scale == scale


def test_edsr_has_the_same_result_under_both_names() -> None:
    state = {n: t for n, t in edsr(2).state_dict().items() if n not in ("mean", "range")}
    picture = chelsea(20, 24)
    assert torch.allclose(run(state, picture), run(original_edsr(2), picture), atol=1e-5)


@pytest.mark.parametrize("scale", [2, 3, 4])
def test_srresnet_computes_what_basicsr_does(scale: int) -> None:
    state, picture = dict(srresnet(scale).state_dict()), chelsea(20, 24)
    x = F.leaky_relu(conv(state, "conv_first", picture), 0.1)
    for block in range(2):
        x = x + conv(state, f"body.{block}.conv2", F.relu(conv(state, f"body.{block}.conv1", x)))
    for number in range(1, 3 if scale == 4 else 2):
        x = conv(state, f"upconv{number}", x)
        x = F.leaky_relu(F.pixel_shuffle(x, 2 if scale == 4 else scale), 0.1)
    x = conv(state, "conv_last", F.leaky_relu(conv(state, "conv_hr", x), 0.1))
    wanted = x + F.interpolate(picture, scale_factor=scale, mode="bilinear", align_corners=False)
    assert torch.allclose(run(state, picture), wanted, atol=1e-5)


def test_espcn_is_known_under_both_of_its_names() -> None:
    state, picture = espcn(3).state_dict(), chelsea(20, 24)
    x = conv(state, "first_part.2", torch.tanh(conv(state, "first_part.0", picture)))
    wanted = F.pixel_shuffle(conv(state, "last_part.0", torch.tanh(x)), 3)
    other = {
        n.replace("first_part", "feature_maps").replace("last_part", "sub_pixel"): t
        for n, t in state.items()
    }
    assert torch.allclose(run(dict(state), picture), wanted, atol=1e-6)
    assert torch.allclose(run(other, picture), wanted, atol=1e-6)


def test_espcn_of_luma_makes_the_luma_and_leaves_chroma_to_interpolation() -> None:
    state, picture = dict(espcn(2, channels=1).state_dict()), chelsea(20, 24)
    made, plain = run(state, picture), F.interpolate(picture, scale_factor=2, mode="bicubic")
    weights = torch.tensor((65.481, 128.553, 24.966)).view(1, 3, 1, 1) / 255

    def luma(rgb: Tensor) -> Tensor:
        return (rgb * weights).sum(1, keepdim=True) + 16 / 255

    x = conv(state, "first_part.2", torch.tanh(conv(state, "first_part.0", luma(picture))))
    wanted = F.pixel_shuffle(conv(state, "last_part.0", torch.tanh(x)), 2)
    assert torch.allclose(luma(made), wanted, atol=1e-5)
    for one, other in ((0, 1), (2, 1)):
        assert torch.allclose(
            made[:, one] - made[:, other], plain[:, one] - plain[:, other], atol=1e-5
        )


def of_spandrel(name: str, **settings: Any) -> nn.Module:
    spandrel()
    module = __import__(f"spandrel.architectures.{name}", fromlist=[name])
    return drawn(getattr(module, name)(**settings))


SWIN = {"window_size": 8, "img_size": 48, "depths": [2, 2], "embed_dim": 24, "num_heads": [2, 2],
        "mlp_ratio": 2}  # fmt: skip
KNOWN = {
    "SwinIR classical": ("SwinIR", {**SWIN, "upscale": 2, "upsampler": "pixelshuffle"}),
    "SwinIR real": ("SwinIR", {**SWIN, "upscale": 4, "upsampler": "nearest+conv"}),
    "SwinIR light": ("SwinIR", {**SWIN, "upscale": 3, "upsampler": "pixelshuffledirect"}),
    "RCAN": ("RCAN", {"scale": 2, "n_resgroups": 2, "n_resblocks": 2, "n_feats": 16, "reduction": 4}),  # noqa: E501
    "ESRGAN": ("ESRGAN", {"in_nc": 3, "out_nc": 3, "num_filters": 16, "num_blocks": 2, "scale": 4}),
    "DAT": ("DAT", {"img_size": 64, "embed_dim": 24, "split_size": [4, 4], "depth": [2, 2], "num_heads": [2, 2], "upscale": 2}),  # noqa: E501
    "HAT": ("HAT", {"img_size": 16, "window_size": 8, "embed_dim": 24, "depths": [2], "num_heads": [2], "upscale": 4, "upsampler": "pixelshuffle", "squeeze_factor": 4}),  # noqa: E501
}  # fmt: skip


@pytest.mark.filterwarnings("ignore:torch.meshgrid")
@pytest.mark.parametrize("case", KNOWN)
def test_published_architectures_are_recognised_and_keep_their_result(case: str) -> None:
    name, settings = KNOWN[case]
    published = of_spandrel(name, **settings)
    found = load_network(dict(published.state_dict()))
    assert found.architecture.startswith(name) and found.scale == settings.get("scale", settings.get("upscale"))  # fmt: skip # noqa: E501
    picture = chelsea(48, 64)
    with torch.inference_mode():
        assert torch.equal(found.module(picture), published(picture.clone()).clamp(0, 1))
        assert found.module(picture[..., :41, :37]).shape[2:] == (41 * found.scale, 37 * found.scale)  # fmt: skip # noqa: E501


def test_what_no_tile_can_reproduce_is_not_cut_into_tiles() -> None:
    for name, tiles in (("SwinIR light", False), ("RCAN", False), ("ESRGAN", False)):
        found = load_network(dict(of_spandrel(KNOWN[name][0], **KNOWN[name][1]).state_dict()))
        upscaler = NetworkUpscaler(found.module, found.scale, found.halo, CPU, found.half_ok)
        assert upscaler.can_tile == tiles
    assert load_network(dict(drawn(Rrdb(2)).state_dict())).halo == 40


@pytest.mark.parametrize("own", [Rrdb(2), Compact(16, 4)])
def test_our_networks_bear_the_published_names_and_give_the_same_result(own: nn.Module) -> None:
    drawn(own)
    picture = chelsea(24, 32)
    with torch.inference_mode():
        wanted = own(picture).clamp(0, 1)
    assert torch.allclose(run(dict(own.state_dict()), picture), wanted, atol=1e-6)


def test_networks_for_other_purposes_are_refused() -> None:
    restoring = of_spandrel("SwinIR", **{**SWIN, "upscale": 1, "upsampler": ""})
    with pytest.raises(MethodError, match="for Restoration, x1; only networks that enlarge"):
        load_network(dict(restoring.state_dict()))
    with pytest.raises(MethodError, match=r"\(ESPCN\) for SR, x1; only networks that enlarge"):
        load_network(dict(espcn(1).state_dict()))
    grey = of_spandrel("ESRGAN", in_nc=1, out_nc=1, num_filters=16, num_blocks=2, scale=4)
    with pytest.raises(MethodError, match="takes 1 and gives 1 channels"):
        load_network(dict(grey.state_dict()))


def test_the_stand_in_for_torchvision_does_not_outlive_the_import() -> None:
    module = spandrel()
    assert module.__version__ and "spandrel" in sys.modules
    assert getattr(sys.modules.get("torchvision"), "__file__", "absent") is not None

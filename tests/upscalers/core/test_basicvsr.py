"""The recurrent networks, against those whose checkpoints they load.

The numbers come from basicsr 1.4.2 (BasicVSR) and mmagic 1.2.0 (RealBasicVSRNet with its threshold
for tests, 5/255), run with the weights and the clip of `recurrent` and torch 2.13 on a CPU.
"""

from __future__ import annotations

import pytest
import torch

from tests.upscalers.core.recurrent import mmagic_names, moving_picture, seeded_state
from upscalers.core import basicvsr
from upscalers.core.errors import MethodError

# frame, channel, row, column
PLACES = ((0, 0, 5, 7), (1, 1, 100, 33), (2, 2, 128, 200), (3, 0, 200, 255), (4, 1, 255, 0))
GOLDEN = {
    "BasicVSR": (
        (0.5560, 0.5544, 0.5521, 0.5566, 0.5570),
        (1.34011, 0.43899, 0.53478, 0.97237, 0.88153),
    ),
    "RealBasicVSR": (
        (0.5369, 0.5369, 0.5322, 0.5389, 0.5370),
        (0.61157, 0.48368, 0.55395, 0.84925, 0.93440),
    ),
}
CLEANING = {"BasicVSR": 0, "RealBasicVSR": 1}


@pytest.mark.parametrize("name", GOLDEN)
def test_a_clip_becomes_what_the_published_network_makes_of_it(name: str) -> None:
    network = basicvsr.load(seeded_state(CLEANING[name]))
    with torch.inference_mode():
        made = network(moving_picture(70, 90))[0]
    means, samples = GOLDEN[name]
    assert made.shape == (5, 3, 280, 360)
    assert made.mean((1, 2, 3)).tolist() == pytest.approx(means, abs=1e-4)
    assert [made[place].item() for place in PLACES] == pytest.approx(samples, abs=1e-4)


@pytest.mark.parametrize("name", GOLDEN)
def test_the_names_of_mmagic_make_the_same_network(name: str) -> None:
    state = seeded_state(CLEANING[name])
    renamed = mmagic_names(state) | {"step_counter": torch.zeros(1)}
    assert basicvsr.detect(renamed)
    loaded = basicvsr.load(renamed).state_dict()
    assert set(loaded) == set(state)
    assert all(torch.equal(loaded[key], state[key]) for key in state)


def test_weights_averaged_over_the_training_are_preferred() -> None:
    averaged, last = seeded_state(1), seeded_state(1, seed=4)
    both = mmagic_names(last) | mmagic_names(averaged, "generator_ema.")
    loaded = basicvsr.load({**both, "discriminator.conv.weight": torch.zeros(1)}).state_dict()
    assert all(torch.equal(loaded[key], averaged[key]) for key in averaged)


def test_a_checkpoint_without_the_constants_of_the_flow_network_is_complete() -> None:
    state = {name: t for name, t in seeded_state().items() if not name.endswith((".mean", ".std"))}
    assert torch.equal(basicvsr.load(state).spynet.mean, seeded_state()["spynet.mean"])


@pytest.mark.parametrize(
    "extra", ["deform_align.backward_1.weight", "edvr.conv_first.weight", "backward_fusion.weight"]
)
def test_networks_that_only_begin_like_it_are_not_taken_for_it(extra: str) -> None:
    assert not basicvsr.detect({**seeded_state(), extra: torch.zeros(1)})
    assert not basicvsr.detect({extra: torch.zeros(1)})


def test_a_checkpoint_that_lacks_a_tensor_is_refused_by_its_name() -> None:
    state = seeded_state()
    del state["conv_hr.bias"]
    with pytest.raises(MethodError, match=r"do not fit BasicVSR.*conv_hr\.bias"):
        basicvsr.load(state)


def test_a_moved_picture_is_fetched_back_by_its_flow() -> None:
    picture = torch.rand(1, 2, 9, 12, generator=torch.Generator().manual_seed(1))
    flow = torch.zeros(1, 2, 9, 12)
    flow[:, 0], flow[:, 1] = 3, 2  # to the right and down
    fetched = basicvsr.warp(picture, flow)
    assert torch.allclose(fetched[:, :, :-2, :-3], picture[:, :, 2:, 3:], atol=1e-5)
    assert torch.all(fetched[:, :, -2:] == 0) and torch.all(fetched[:, :, :, -3:] == 0)

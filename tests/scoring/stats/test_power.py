"""Power of the paired comparison, against VQEG's numbers and a simulation."""

import math

import numpy as np
import pytest

from scoring.stats.comparison import paired
from scoring.stats.power import (
    achieved_power,
    after_test,
    detectable_difference,
    panel_size,
)


@pytest.mark.parametrize(
    ("d", "comparisons", "viewers", "power"),
    # VQEG's number-of-subjects names 18 and 25; power by scipy's noncentral t.
    [(1.25, 100, 18, 0.8089077805), (1.0, 100, 25, 0.8118732812), (1.0, 1, 10, 0.8030968566),
     (1.25, 24, 15, 0.8246531394)],
)  # fmt: skip
def test_panel_sizes_are_those_of_vqeg(d, comparisons, viewers, power):
    found = panel_size(d, 1.0, comparisons)
    assert found.viewers == viewers
    assert found.power == pytest.approx(power, abs=1e-8)
    assert panel_size(2 * d, 2.0, comparisons) == found


@pytest.mark.parametrize(("comparisons", "d"), [(1, 1.0669732445), (24, 1.8588271109)])
def test_nine_viewers_detect_what_the_reference_says(comparisons, d):
    # The reference's solver stops 3e-8 off; ours gives the power that was asked for.
    found = detectable_difference(1.0, 9, comparisons)
    assert found == pytest.approx(d, abs=1e-7)
    assert achieved_power(found, 1.0, 9, comparisons) == pytest.approx(0.8, abs=1e-10)
    assert detectable_difference(1.3, 9, comparisons) == pytest.approx(1.3 * found)


def test_nine_viewers_have_the_power_of_the_reference():
    assert achieved_power(1.0, 1.0, 9) == pytest.approx(0.7480170922, abs=1e-8)
    assert achieved_power(-1.0, 1.0, 9) == achieved_power(1.0, 1.0, 9)
    assert achieved_power(0.0, 1.0, 9) == pytest.approx(0.05)


def test_power_is_the_share_of_significant_tests():
    samples = np.random.default_rng(1).normal(0.8, 1, (4000, 9))
    share = (paired(samples[:1000]).p_t < 0.05).mean()
    assert share == pytest.approx(achieved_power(0.8, 1, 9), abs=0.05)


def test_what_has_no_answer_is_said():
    assert math.isnan(achieved_power(1, 1, 1))
    assert math.isnan(detectable_difference(0, 9))
    with pytest.raises(ValueError, match="other than 0"):
        panel_size(0, 1)
    with pytest.raises(ValueError, match="no test can show"):
        panel_size(1e-4, 1)


def test_after_a_test_its_own_spread_says_what_it_could_have_found():
    differences = np.random.default_rng(2).normal(0, 1.5, (6, 9))
    found = after_test(paired(differences))
    assert found.viewers == 9
    assert found.comparisons == 6
    assert found.sd == pytest.approx(np.sqrt(differences.var(axis=1, ddof=1).mean()))
    assert found.detectable == pytest.approx(detectable_difference(found.sd, 9, 6))
    assert achieved_power(found.detectable / 2, found.sd, found.panel_for_half, 6) >= 0.8
    assert math.isnan(after_test(paired(np.full((2, 3), math.nan))).detectable)

"""The clip by which a display is commissioned, read back from its playback file."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from upscalers.core.counter_clip import (
    BITS,
    GREY,
    counter_format,
    counter_frame,
    make_counter_clip,
    read_counter,
    square_side,
)
from upscalers.core.video import read_frames


@pytest.mark.parametrize("number", [0, 1, 599, 2**BITS - 1, 0xA5A5A5])
@pytest.mark.parametrize("size", [(48, 27), (160, 90), (1920, 1080)])
def test_every_number_reads_as_itself(number: int, size: tuple[int, int]) -> None:
    assert read_counter(counter_frame(number, *size), square_side(size[0])) == number


def test_grey_and_a_picture_between_two_frames_have_no_number() -> None:
    assert read_counter(np.full((90, 160), GREY, np.uint8), square_side(160)) is None
    torn = counter_frame(7, 160, 90)
    torn[square_side(160) :] = counter_frame(8, 160, 90)[square_side(160) :]
    assert read_counter(torn, square_side(160)) is None
    blended = counter_frame(7, 160, 90) // 2 + counter_frame(8, 160, 90) // 2
    assert read_counter(blended, square_side(160)) is None


def test_the_square_in_the_middle_flips_at_each_frame() -> None:
    assert [int(counter_frame(number, 160, 90)[45, 80]) for number in range(4)] == [
        235, 16, 235, 16
    ]  # fmt: skip


def test_the_playback_file_holds_the_numbers_in_order_and_tells_its_progress(
    tmp_path: Path,
) -> None:
    fmt = counter_format(160, 90, 30, 1)
    told: list[tuple[int, int]] = []
    manifest = make_counter_clip(fmt, tmp_path / "c.h264", lambda *at: told.append(at))
    numbers = [
        read_counter(planes[0], square_side(fmt.width))
        for planes in read_frames(tmp_path / "c.h264", fmt)
    ]
    assert numbers == list(range(30))
    assert manifest.frames == 30 and told[-1] == (60, 60)
    assert [path.name for path in tmp_path.iterdir()] == ["c.h264"]


def test_a_picture_without_room_for_the_counter_is_refused() -> None:
    with pytest.raises(ValueError, match="no room"):
        counter_format(40, 40, 30, 1)

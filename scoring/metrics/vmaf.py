"""VMAF with its default model, v0.6.1 (1080p at three picture heights)."""

from scoring.metrics import Logged, Metric


def _vmaf(frame: Logged, bit_depth: int) -> float | None:
    return frame["vmaf"]


METRICS = (
    Metric(
        slug="vmaf",
        name="VMAF",
        unit="",
        higher_is_better=True,
        description="VMAF model v0.6.1, 0 to 100, all frames, at the clip's own size.",
        pooled="mean of the frames",
        value=_vmaf,
        model="version=vmaf_v0.6.1:name=vmaf",
        smallest=32,  # libvmaf crashes at 16x16
        sdr_only=True,
    ),
)

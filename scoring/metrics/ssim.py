"""SSIM of luma as published: libvmaf shrinks large pictures first unless told `scale=1`."""

from scoring.metrics import Logged, Metric


def _ssim(frame: Logged, bit_depth: int) -> float | None:
    return frame["float_ssim"]


METRICS = (
    Metric(
        slug="ssim",
        name="SSIM",
        unit="",
        higher_is_better=True,
        description=(
            "Structural similarity of luma, Wang et al. 2004: 11x11 Gaussian window, sigma 1.5, "
            "no downsampling."
        ),
        pooled="mean of the frames",
        value=_ssim,
        feature="name=float_ssim:scale=1",
    ),
)

"""PSNR of luma, from libvmaf's mean squared error: its own PSNR is capped at 60 or 72 dB."""

from math import log10

from scoring.metrics import Logged, Metric


def _psnr(frame: Logged, bit_depth: int) -> float | None:
    error = frame["mse_y"]
    peak = (1 << bit_depth) - 1
    return 10 * log10(peak * peak / error) if error else None


METRICS = (
    Metric(
        slug="psnr_y",
        name="PSNR-Y",
        unit="dB",
        higher_is_better=True,
        description="Peak signal-to-noise ratio of luma codes, peak 255 (1023 at 10 bits).",
        pooled="mean of the frames' dB",
        value=_psnr,
        feature="name=psnr:enable_mse=true",
    ),
)

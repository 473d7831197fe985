"""Post-screening of viewers, one rule per module: scores in, verdicts with reasons out."""

from .bias import BiasRemoval, assess_bias, remove_bias
from .bt500 import Bt500, screen_bt500
from .bt1788 import Bt1788, screen_bt1788
from .following import REVERSED_BELOW, Peculiarity, correlation_with_mos, peculiarities
from .pearson import FLOOR, THRESHOLD, Criterion, Rule, screen
from .side_by_side import SideBySide, screen_by_all, side_by_side
from .verdicts import (
    MINIMUM_STIMULI,
    TOLERANCE,
    Criteria,
    Screening,
    Verdict,
    ViewerScreening,
    number_beside,
)
from .vqeg import VqegMultimedia, screen_vqeg_multimedia

__all__ = [
    "FLOOR",
    "MINIMUM_STIMULI",
    "REVERSED_BELOW",
    "THRESHOLD",
    "TOLERANCE",
    "BiasRemoval",
    "Bt500",
    "Bt1788",
    "Criteria",
    "Criterion",
    "Peculiarity",
    "Rule",
    "Screening",
    "SideBySide",
    "Verdict",
    "ViewerScreening",
    "VqegMultimedia",
    "assess_bias",
    "correlation_with_mos",
    "number_beside",
    "peculiarities",
    "remove_bias",
    "screen",
    "screen_bt500",
    "screen_bt1788",
    "screen_by_all",
    "screen_vqeg_multimedia",
    "side_by_side",
]

"""Linear mixed model: score = method + viewer at random + content at random + rest.

Speaks for other viewers and other contents than those at hand, unlike the paired comparisons.
Fitted by restricted maximum likelihood in statsmodels, which is not installed by default.
Intervals and p-values are Wald's with a normal distribution: with few contents too narrow.
"""

import warnings
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.special import ndtr

from .matrix import FloatArray, IntArray
from .mos import Z


class MixedModelUnavailable(Exception):
    """The message says what to install."""


class MixedModelUndefined(Exception):
    """The scores do not hold what the model asks about."""


@dataclass(frozen=True)
class MixedModel:
    """Effects are against the reference method; variances of what was drawn at random."""

    reference: int
    methods: IntArray  # the others
    effect: FloatArray
    se: FloatArray
    low: FloatArray
    high: FloatArray
    p: FloatArray
    intercept: float  # mean score of the reference method
    viewer_variance: float
    content_variance: float
    residual_variance: float
    votes: int
    converged: bool
    warning: str


def fit_mixed_model(
    scores: FloatArray, content: IntArray, method: IntArray, reference: int
) -> MixedModel:
    """`scores` is stimuli by viewers; `content` and `method` have the numbers of each row."""
    regression = _statsmodels()
    row, viewer = np.nonzero(~np.isnan(scores))
    if not (method[row] == reference).any():
        raise MixedModelUndefined("The reference method has no votes.")
    others = np.setdiff1d(method[row], [reference])
    if not len(others) or min(len(np.unique(viewer)), len(np.unique(content[row]))) < 2:
        raise MixedModelUndefined(
            "A mixed model needs two methods, two viewers and two contents with votes."
        )
    if np.ptp(scores[row, viewer]) == 0:
        raise MixedModelUndefined("All scores are equal: a mixed model has nothing to explain.")
    design = np.column_stack(
        [np.ones(len(row)), *[(method[row] == one).astype(np.float64) for one in others]]
    )
    model = regression(
        scores[row, viewer],
        design,
        groups=np.ones(len(row)),
        exog_vc=_variance_components({"viewer": viewer, "content": content[row]}),
    )
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        found = model.fit(reml=True)
    effect, se = np.asarray(found.fe_params)[1:], np.asarray(found.bse_fe)[1:]
    content_variance, viewer_variance = (
        float(found.vcomp[model.exog_vc.names.index(name)]) for name in ("content", "viewer")
    )
    return MixedModel(
        reference,
        others,
        effect,
        se,
        effect - Z * se,
        effect + Z * se,
        np.asarray(2 * ndtr(-np.abs(effect / se))),
        float(np.asarray(found.fe_params)[0]),
        viewer_variance,
        content_variance,
        float(found.scale),
        len(row),
        bool(found.converged),
        " ".join(dict.fromkeys(str(one.message).strip() for one in said)),
    )


def _statsmodels() -> Any:
    try:
        from statsmodels.regression.mixed_linear_model import MixedLM
    except ImportError as error:
        raise MixedModelUnavailable(
            "The linear mixed model needs statsmodels: pip install '.[mixed-model]' in Midgrey's "
            "folder, or pip install statsmodels."
        ) from error
    return MixedLM


def _variance_components(labels: dict[str, IntArray]) -> Any:
    from statsmodels.regression.mixed_linear_model import VCSpec

    names, columns, matrices = [], [], []
    for name, label in labels.items():
        values = np.unique(label)
        names.append(name)
        columns.append([[str(value) for value in values]])
        matrices.append([(label[:, None] == values).astype(np.float64)])
    return VCSpec(names, columns, matrices)

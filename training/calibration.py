"""Topic scores that say how often they are right: Platt scaling of all topics alike (Platt 1999, Guo et al. 2017).

The scores learn from labels whose lists are incomplete and whose "no" counts less than a "yes", so that they come out
too high. A scale and a shift are fitted on held-out texts so that the best topic's score is the share of such texts
whose best topic is listed; both go into the last layer's weights (`NewsEncoder.scale_topics`), so that the order of
topics stays and nothing is to be computed at run time.
"""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from training.topic_figures import Scored

Doubles = npt.NDArray[np.float64]

_LEAST = 5e-5
_ROUNDS = 50


def fit(found: Sequence[Scored]) -> tuple[float, float]:
    """(scale, shift) of the logits: the least logarithmic loss of "the best topic is listed", by Newton's method.

    Steps that do not lessen the loss are halved: scores near 1 have next to no curvature.
    """
    scores = np.clip([one.scores[one.best] for one in found], _LEAST, 1.0 - _LEAST)
    right = np.array([one.right for one in found], dtype=float)
    inputs = np.stack((np.log(scores / (1.0 - scores)), np.ones(len(found))), axis=1)
    signs = 1.0 - 2.0 * right

    def loss(values: Doubles) -> float:
        return float(np.logaddexp(0.0, signs * (inputs @ values)).sum())

    values = np.array([1.0, 0.0])
    for _ in range(_ROUNDS):
        chance = 1.0 / (1.0 + np.exp(-inputs @ values))
        curve = (inputs * (chance * (1.0 - chance))[:, None]).T @ inputs
        step = np.linalg.solve(curve + 1e-6 * np.eye(2), inputs.T @ (chance - right))
        while loss(values - step) > loss(values):
            step /= 2
        values = values - step
    return float(values[0]), float(values[1])

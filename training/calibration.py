"""Topic scores that say how often they are right: Platt scaling of all topics alike (Platt 1999, Guo et al. 2017).

The scores learn from labels whose lists are incomplete and whose "no" counts less than a "yes", so that they come out
too high. A scale and a shift are fitted on held-out texts so that the best topic's score is the share of such texts
whose best topic is listed; both go into the last layer's weights (`NewsEncoder.scale_topics`), so that the order of
topics stays and nothing is to be computed at run time.
"""

from collections.abc import Sequence

import numpy as np

from training.topic_figures import Scored

_LEAST = 5e-5
_ROUNDS = 50


def fit(found: Sequence[Scored]) -> tuple[float, float]:
    """(scale, shift) of the logits, by Newton's method on the logarithmic loss of "the best topic is listed"."""
    scores = np.clip([one.scores[one.best] for one in found], _LEAST, 1.0 - _LEAST)
    right = np.array([one.right for one in found], dtype=float)
    inputs = np.stack((np.log(scores / (1.0 - scores)), np.ones(len(found))), axis=1)
    values = np.array([1.0, 0.0])
    for _ in range(_ROUNDS):
        chance = 1.0 / (1.0 + np.exp(-inputs @ values))
        curve = (inputs * (chance * (1.0 - chance))[:, None]).T @ inputs
        values -= np.linalg.solve(curve + 1e-6 * np.eye(2), inputs.T @ (chance - right))
    return float(values[0]), float(values[1])

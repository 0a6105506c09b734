"""How much the taxonomy's concepts count beside the network: `python -m training.blend --data FOLDER [--model FOLDER]
[--rivalry X] [--ridge X]`.

The network learns what some outlets call a topic; the concepts' own words know no outlet. Their weight is the one that
makes the listed topics likeliest, topics alike, in a softmax of both over the topics (multinomial logistic regression
of two coefficients), with an intercept for each topic that a ridge holds near 0. What both say of the other topics
counts against one, with a fixed rivalry. Then all of it becomes chances by Platt scaling (`training/calibration.py`),
on outlets that were never trained on: those are what a reader's feeds are. All of it on the third of the held-out texts
that also chooses the thresholds, and written into config.json of the model folder with these.
"""

import json
import tempfile
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt

from newswire.pipeline.analysis.analyze import Analyzer
from newswire.pipeline.analysis.concepts import Concepts
from newswire.pipeline.analysis.encoder import Blend, Encoder
from newswire.pipeline.analysis.topics import Taxonomy, blended, logit
from training import calibration, thresholds
from training import topic_data as topics
from training.archives import unpack
from training.arguments import of_model
from training.model_files import write_checksums, write_json
from training.topic_data import TOPICS, TopicText
from training.topic_figures import Scored, score

Doubles = npt.NDArray[np.float64]

RIVALRY = 0.5
"""At 1 the score of a topic would be its share among all, and a second one would be denied; at 0 a topic is as sure
beside a rival as without one. In between the best topic's score says better how sure it is (calibration error, coverage
at a precision), and the order of all scores of all texts stays as good (average precision): `training.evaluate` prints
all three for a copy of the model with another rivalry."""
RIDGE = 0.02
"""Of the intercepts; the loss is one text's. Without it they follow the outlets that they are fitted on, and the order
of all scores suffers: seen in the same way."""
_ROUNDS = 50
_DIGITS = 4


def targets_of(found: Sequence[Scored]) -> Doubles:
    """(texts, topics): an equal part of 1 for each topic that a text lists."""
    rows = np.array([[float(bool(target)) for target in one.text.targets] for one in found])
    return np.asarray(rows / rows.sum(1, keepdims=True))


def weights_of(targets: Doubles) -> Doubles:
    """(texts,): how much each text counts where topics count alike; 1 in all."""
    each = (targets / np.maximum(targets.sum(0), 1e-9)).sum(1)
    return np.asarray(each / each.sum())


def intercepts_of(topics: int, texts: int) -> Doubles:
    """Features (topics, texts, topics), each 1 at one topic."""
    return np.repeat(np.eye(topics)[:, None, :], texts, axis=1)


def fit_weights(features: Doubles, targets: Doubles, counts: Doubles, ridge: Doubles) -> Doubles:
    """Coefficients of `features` (features, texts, topics) of the least logarithmic loss, by Newton's method.

    Half the `ridge` (features,) times the squared coefficients is added to the loss.
    """
    values = (ridge == 0.0).astype(float)

    def chances(coefficients: Doubles) -> Doubles:
        logits = np.tensordot(coefficients, features, 1)
        shares = np.exp(logits - logits.max(1, keepdims=True))
        return np.asarray(shares / shares.sum(1, keepdims=True))

    def loss(coefficients: Doubles) -> float:
        likelihood = (counts[:, None] * targets * np.log(chances(coefficients) + 1e-300)).sum()
        return float((ridge * coefficients * coefficients).sum() / 2 - likelihood)

    for _ in range(_ROUNDS):
        shares = chances(values)
        slope = (features * (counts[:, None] * (shares - targets))).sum((1, 2)) + ridge * values
        means = (features * shares).sum(2)
        curve = np.einsum("ink,jnk,nk,n->ij", features, features, shares, counts) - (means * counts) @ means.T
        curve += np.diag(ridge)
        step = np.linalg.solve(curve + 1e-9 * np.eye(len(values)), slope)
        while loss(values - step) > loss(values) + 1e-12:
            step /= 2
        values = values - step
    return np.asarray(values)


def fit_blend(found: Sequence[Scored], concepts: Concepts, rivalry: float, ridge: float) -> Blend:
    """The blend for texts with the network's own scores and their embeddings, some of them of untrained outlets."""
    targets = targets_of(found)
    evidence = np.stack([concepts.evidence_of_topics(TOPICS, one.embedding) for one in found])
    read = np.array([[one.scores[topic] for topic in TOPICS] for one in found])
    centre = (targets.T @ evidence / np.maximum(targets.sum(0), 1e-9)[:, None]).mean(0).round(_DIGITS)
    intercepts = intercepts_of(len(TOPICS), len(found))
    features = np.concatenate((np.stack((logit(read), evidence - centre)), intercepts))
    ridges = np.repeat((0.0, ridge), (2, len(TOPICS)))
    own, other, *higher = fit_weights(features, targets, weights_of(targets), ridges)
    # An intercept is a mean of the evidence that lies lower.
    centre = (centre - np.array(higher) / other).round(_DIGITS)
    blend = Blend(round(float(other / own), _DIGITS), tuple(centre.tolist()), rivalry, 1.0, 0.0)
    outlets = [
        replace(one, scores=dict(zip(TOPICS, blended(row, near, blend).tolist(), strict=True)))
        for one, row, near in zip(found, read, evidence, strict=True)
        if one.text.id.startswith("outlet-")
    ]
    scale, shift = calibration.fit(outlets)
    return replace(blend, scale=round(scale, _DIGITS), shift=round(shift, _DIGITS))


def write_blend(folder: Path, texts: Sequence[TopicText], rivalry: float = RIVALRY, ridge: float = RIDGE) -> Blend:
    """Fit the blend and choose the thresholds on `texts`, and write both into a model folder that has its concepts."""
    config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    own, concepts = config["newswire"], Concepts.load(folder)

    def scored(blend: Blend | None) -> list[Scored]:
        encoder = Encoder.load(folder)
        encoder.settings = replace(encoder.settings, thresholds=(0.0,) * len(TOPICS), blend=blend)
        return score(Analyzer(encoder, Taxonomy.load(), concepts), texts)

    blend = fit_blend(scored(None), concepts, rivalry, ridge)
    own["blend"] = asdict(blend)
    own["thresholds"] = thresholds.choose([(one.text, one.scores) for one in scored(blend)])
    write_json(folder / "config.json", config)
    write_checksums(folder)
    return blend


def main() -> None:
    parser = of_model(__doc__)
    parser.add_argument("--rivalry", type=float, default=RIVALRY)
    parser.add_argument("--ridge", type=float, default=RIDGE)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as work:
        folder = unpack(arguments.data, Path(work))
        sample, _ = thresholds.parts(topics.split(topics.read_all(folder))[1])
        print(write_blend(arguments.model, sample, arguments.rivalry, arguments.ridge))


if __name__ == "__main__":
    main()

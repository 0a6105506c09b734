"""The trimmed vocabulary: the teacher's 250,002 pieces cut to about 90,000, tokenizer.json and word vectors alike.

Kept are the special pieces, every single character, and then the pieces that the training texts use most, until the
wanted size. Scores stay, so the segmentation of common words does not change.
"""

import json
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import torch
from tokenizers import Tokenizer

_SPECIALS = ("<s>", "<pad>", "</s>", "<unk>", "<mask>")


def piece_id(tokenizer: Tokenizer, piece: str) -> int:
    """Id of a piece. Raises KeyError when the vocabulary has no such piece."""
    number = tokenizer.token_to_id(piece)
    if number is None:
        raise KeyError(piece)
    return int(number)


def trim(source: Path, texts: Iterable[str], size: int) -> tuple[str, list[int]]:
    """(JSON of the trimmed tokenizer, old id of each new piece) for the teacher's tokenizer file and texts to cover."""
    tokenizer = Tokenizer.from_file(str(source))
    used: Counter[int] = Counter()
    for encoding in tokenizer.encode_batch(list(texts), add_special_tokens=False):
        used.update(encoding.ids)
    document: dict[str, Any] = json.loads(source.read_text(encoding="utf-8"))
    pieces: list[list[Any]] = document["model"]["vocab"]
    keep = {n for n, (piece, _) in enumerate(pieces) if piece in _SPECIALS or len(piece.removeprefix("▁")) <= 1}
    # Ties (and pieces never used) go by id, which is the order of frequency in the teacher's own training text.
    ranked = sorted(set(range(len(pieces))) - keep, key=lambda number: (-used[number], number))
    keep.update(ranked[: max(0, size - len(keep))])
    old = sorted(keep)
    new = {before: after for after, before in enumerate(old)}
    document["model"]["vocab"] = [pieces[number] for number in old]
    document["model"]["unk_id"] = new[document["model"]["unk_id"]]
    for added in document["added_tokens"]:
        added["id"] = new[added["id"]]
    for name, entry in document["post_processor"].get("special_tokens", {}).items():
        entry["ids"] = [new[piece_id(tokenizer, name)]]
    document["truncation"] = document["padding"] = None
    return json.dumps(document, ensure_ascii=False, separators=(",", ":")), old


def trim_words(words: torch.Tensor, old: list[int]) -> torch.Tensor:
    """Rows of the word vectors for the kept pieces, (kept, width)."""
    return words[torch.tensor(old)].clone()


def old_ids(source: Path, trimmed: Path) -> list[int]:
    """Old id of each piece of a trimmed tokenizer file, as `trim` gave them."""
    vocabulary = Tokenizer.from_file(str(source)).get_vocab()
    pieces: list[list[Any]] = json.loads(trimmed.read_text(encoding="utf-8"))["model"]["vocab"]
    return [vocabulary[piece] for piece, _ in pieces]

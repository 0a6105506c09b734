"""From documents to padded batches of one task each: tagging sequences, and texts for topics and embedding."""

import random
from dataclasses import dataclass, replace
from typing import TypeVar

import torch
from tokenizers import Tokenizer

from training.model import PAD, TAGS
from training.tagging_data import TaggedDocument
from training.topic_data import TOPICS, TopicText
from training.variants import Names, recased, small, titled
from training.vocabulary import piece_id

IGNORED = -100
_SWAPPED = 0.35
_MIXED_CASE = 0.5
_T = TypeVar("_T")
_TAG_ID = {tag: number for number, tag in enumerate(TAGS)}


@dataclass(frozen=True)
class Limits:
    """Sizes of a batch: sub-tokens of a sequence (with its two special ones), tokens and sequences of a batch."""

    length: int = 128
    tokens: int = 2048
    texts: int = 48


@dataclass(frozen=True)
class TagBatch:
    """`ids`, `mask`, `labels` (batch, length); labels are tag numbers, -100 where there is nothing to learn."""

    ids: torch.Tensor
    mask: torch.Tensor
    labels: torch.Tensor


@dataclass(frozen=True)
class TextBatch:
    """`ids`, `mask` (batch, length) for the student, `teacher_*` with the prefix; `targets`, `weights` (batch, 17)."""

    ids: torch.Tensor
    mask: torch.Tensor
    teacher_ids: torch.Tensor
    teacher_mask: torch.Tensor
    targets: torch.Tensor
    weights: torch.Tensor


@dataclass(frozen=True)
class _Piece:
    """A text's sub-tokens with what is to be learned from it; the teacher's are of the text as it was written."""

    ids: list[int]
    teacher_ids: list[int]
    targets: tuple[float, ...]
    weights: tuple[float, ...]


def pad(rows: list[list[int]], fill: int) -> torch.Tensor:
    """Rows as one (rows, longest) tensor."""
    longest = max(map(len, rows))
    return torch.tensor([row + [fill] * (longest - len(row)) for row in rows])


def tag_labels(offsets: list[tuple[int, int]], text: str, spans: tuple[tuple[int, int, str], ...]) -> list[int]:
    """A tag number for each sub-token: B on the first one of a span, I on every further one, O elsewhere."""
    labels, at, inside = [], 0, -1
    for start, end in offsets:
        while start < end and text[start].isspace():
            start += 1
        while at < len(spans) and spans[at][1] <= start:
            at += 1
        if at < len(spans) and start < end and end > spans[at][0]:
            prefix = "I" if inside == at else "B"
            labels.append(_TAG_ID[f"{prefix}-{spans[at][2]}"])
            inside = at
        else:
            labels.append(0)
    return labels


class Batcher:
    """Builds the batches of a training run; every choice comes from one seeded generator."""

    def __init__(self, tokenizer: Tokenizer, limits: Limits, seed: int) -> None:
        self._tokenizer, self._limits, self._random = tokenizer, limits, random.Random(seed)
        self._begin, self._end = piece_id(tokenizer, "<s>"), piece_id(tokenizer, "</s>")
        self._prefix: list[int] = tokenizer.encode("query:", add_special_tokens=False).ids

    def _frame(self, content: list[int]) -> list[int]:
        return [self._begin, *content, self._end]

    def _sequences(self, document: TaggedDocument) -> list[tuple[list[int], list[int]]]:
        """A document's sub-tokens and labels, cut into sequences: half the time at sentence ends, else anywhere."""
        encoding = self._tokenizer.encode(document.text, add_special_tokens=False)
        labels = tag_labels(encoding.offsets, document.text, document.spans)
        ends = {0}
        for number, (start, _) in enumerate(encoding.offsets):
            if document.text[max(0, start - 1) : start + 1].count("\n"):
                ends.add(number)
        room = self._limits.length - 2
        anywhere = self._random.random() < 0.5
        sequences, at = [], 0
        first = self._random.randint(room // 3, room)  # another cut in each pass
        while at < len(labels):
            stop = min(len(labels), at + (room if at else first))
            if not anywhere and stop < len(labels):
                fitting = [end for end in range(stop, at + room // 4, -1) if end in ends]
                stop = fitting[0] if fitting else stop
            sequences.append((encoding.ids[at:stop], labels[at:stop]))
            at = stop
        return sequences

    def _variant(self, document: TaggedDocument, names: Names) -> TaggedDocument:
        """The document in another case or with other names, two times of five as it is."""
        if self._random.random() < _SWAPPED:
            document = names.swapped(document, self._random, 0.5)
        return replace(document, text=recased(document.text, self._random))

    def tagging(self, documents: list[TaggedDocument], tokens: int, names: Names) -> list[TagBatch]:
        """Batches of about `tokens` sub-tokens in all: as many passes over the documents as that takes.

        From the second pass on the documents come as variants, with other names out of `names`.
        """
        sequences: list[tuple[list[int], list[int]]] = []
        used = 0
        while used < tokens:
            order = list(documents)
            self._random.shuffle(order)
            for document in order:
                varied = self._variant(document, names) if sequences else document
                for sequence in self._sequences(varied):
                    sequences.append(sequence)
                    used += len(sequence[0])
                if used >= tokens:
                    break
        return [
            TagBatch(
                pad([self._frame(ids) for ids, _ in group], PAD),
                pad([[1] * (len(ids) + 2) for ids, _ in group], 0),
                pad([[IGNORED, *labels, IGNORED] for _, labels in group], IGNORED),
            )
            for group in self._grouped(sequences, [len(ids) for ids, _ in sequences])
        ]

    def _grouped(self, items: list[_T], lengths: list[int]) -> list[list[_T]]:
        """Items of like length together, so that little is padding; a group holds about `limits.tokens`."""
        order = sorted(range(len(items)), key=lambda n: (lengths[n], self._random.random()))
        groups: list[list[_T]] = [[]]
        for number in order:
            count = len(groups[-1]) + 1
            if count > self._limits.texts or count * (lengths[number] + 2) > self._limits.tokens:
                groups.append([])
            groups[-1].append(items[number])
        return [group for group in groups if group]

    def _cased(self, text: str) -> str:
        """The text in one case or another; what its source wrote in small letters comes titled half the time."""
        if text != small(text):
            return recased(text, self._random)
        return titled(text) if self._random.random() < _MIXED_CASE else text

    def _windows(self, items: list[TopicText], most: int) -> list[_Piece]:
        """Of each text the beginning and up to `most` - 1 further windows, in one case or another."""
        room = self._limits.length - 2
        cased = [self._cased(item.text) for item in items]
        encoded = self._tokenizer.encode_batch(cased, add_special_tokens=False)
        cuts: list[tuple[TopicText, list[int], str]] = []
        for item, encoding in zip(items, encoded, strict=True):
            ids: list[int] = encoding.ids
            starts = list(range(room, max(room, len(ids) - room // 2), room))
            self._random.shuffle(starts)
            for at in [0, *starts[: most - 1]]:
                part = encoding.offsets[at : at + room]
                cuts.append((item, ids[at : at + room], item.text[part[0][0] : part[-1][1]]))
        taught = self._tokenizer.encode_batch([text for _, _, text in cuts], add_special_tokens=False)
        return [
            _Piece(ids, encoding.ids[:room], item.targets, item.weights)
            for (item, ids, _), encoding in zip(cuts, taught, strict=True)
        ]

    def _join(self, pieces: list[_Piece]) -> _Piece:
        """Texts one after the other: true is what is true of one of them, unsure what is unsure in one of them."""
        room = self._limits.length - 2
        ids = [number for piece in pieces for number in piece.ids][:room]
        taught = [number for piece in pieces for number in piece.teacher_ids][:room]
        targets, weights = [], []
        for topic in range(len(TOPICS)):
            hits = [piece.weights[topic] for piece in pieces if piece.targets[topic]]
            targets.append(1.0 if hits else 0.0)
            weights.append(max(hits) if hits else min(piece.weights[topic] for piece in pieces))
        return _Piece(ids, taught, tuple(targets), tuple(weights))

    def _joined(self, items: list[TopicText], pieces: list[_Piece]) -> list[_Piece]:
        """Headlines as they are (40 %), joined with others of their topic (35 %), or with any other one (25 %).

        A headline alone has one topic; articles often have two. Joining teaches that topics do not exclude each other.
        """
        order = list(range(len(items)))
        self._random.shuffle(order)
        first, second = len(order) * 40 // 100, len(order) * 75 // 100
        out = [pieces[number] for number in order[:first]]
        alike = sorted(order[first:second], key=lambda n: (items[n].language, items[n].targets, self._random.random()))
        mixed = sorted(order[second:], key=lambda n: (items[n].language, self._random.random()))
        for numbers, most, same in ((alike, 6, True), (mixed, 2, False)):
            chain: list[int] = []
            for number in numbers:
                room = sum(len(pieces[n].ids) for n in chain) + len(pieces[number].ids) <= self._limits.length - 2
                fits = not chain or (
                    len(chain) < most
                    and (room or (len(chain) == 1 and not same))
                    and items[number].language == items[chain[-1]].language
                    and (not same or items[number].targets == items[chain[-1]].targets)
                )
                if not fits:
                    out.append(self._join([pieces[n] for n in chain]))
                    chain = []
                chain.append(number)
            if chain:
                out.append(self._join([pieces[n] for n in chain]))
        return out

    def texts(self, items: list[TopicText], tokens: int, *, join: bool, windows: int) -> list[TextBatch]:
        """Batches of about `tokens` sub-tokens drawn from `items`: joined headlines, or windows of articles."""
        items = [item for item in items if item.text.strip()]
        pieces: list[_Piece] = []
        used = 0
        while used < tokens:
            fresh = self._windows(items, 1 if join else windows)
            if join:
                fresh = self._joined(items, fresh)
            self._random.shuffle(fresh)
            for piece in fresh:
                if used >= tokens:
                    break
                pieces.append(piece)
                used += len(piece.ids)
        return [self._text_batch(group) for group in self._grouped(pieces, [len(piece.ids) for piece in pieces])]

    def _text_batch(self, group: list[_Piece]) -> TextBatch:
        return TextBatch(
            pad([self._frame(piece.ids) for piece in group], PAD),
            pad([[1] * (len(piece.ids) + 2) for piece in group], 0),
            pad([self._frame(self._prefix + piece.teacher_ids) for piece in group], PAD),
            pad([[1] * (len(piece.teacher_ids) + 2 + len(self._prefix)) for piece in group], 0),
            torch.tensor([piece.targets for piece in group]),
            torch.tensor([piece.weights for piece in group]),
        )

    def shuffle(self, batches: list[_T]) -> None:
        """Shuffle in place: the order in which the run sees the tasks."""
        self._random.shuffle(batches)

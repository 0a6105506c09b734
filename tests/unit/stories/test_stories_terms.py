"""Keys as numbers: what the arrays answer is what plain arithmetic over dictionaries gives."""

import math
import random
from collections.abc import Mapping

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from newswire.pipeline.stories.background import NO_BACKGROUND, Background
from newswire.pipeline.stories.terms import COUNT_MAX, I64, ONE, Counted, Terms

KEYS = [f"k{number}" for number in range(12)]
BAGS = st.dictionaries(st.sampled_from(KEYS), st.integers(1, 5), min_size=1)


BACKGROUND = Background(20, {"k0": 20, "k1": 7, "k2": 1})


def plain_cosine(
    one: Mapping[str, int], other: Mapping[str, int], bags: list[dict[str, int]], background: Background = NO_BACKGROUND
) -> float:
    """The definition: counts weighed by the logarithm of the inverse share of bags and background, in 1/256."""

    def weight(key: str) -> int:
        having = sum(key in bag for bag in bags) + background.having.get(key, 0)
        among = len(bags) + background.articles
        return round(ONE * math.log2(among + 1)) - (round(ONE * math.log2(having)) if having else 0)

    def product(a: Mapping[str, int], b: Mapping[str, int]) -> int:
        return sum(a[key] * b[key] * weight(key) ** 2 for key in a.keys() & b.keys())

    shared = product(one, other)
    return shared / math.sqrt(product(one, one) * product(other, other)) if shared else 0.0


def plain_cosine_of(one: Mapping[str, int], other: Mapping[str, int], bags: list[dict[str, int]], size: int) -> float:
    """The same among `size` bags, of which these are those that are not empty."""
    return plain_cosine(one, other, bags + [{}] * (size - len(bags)))


def put(terms: Terms, story: int, bag: Mapping[str, int], before: tuple[int, ...] = ()) -> Counted:
    return Counted(terms.replace(story, before, bag), np.array(list(bag.values()), dtype=np.int64))


def lists(found: list[I64]) -> list[list[int]]:
    return [stories.tolist() for stories in found]


@given(bags=st.lists(BAGS, min_size=1, max_size=6), one=BAGS)
def test_a_cosine_is_that_of_the_weighed_counts(bags: list[dict[str, int]], one: dict[str, int]) -> None:
    terms = Terms(NO_BACKGROUND)
    others = [put(terms, number, bag) for number, bag in enumerate(bags)]
    found = terms.cosines(terms.counted(one), others, len(bags))
    assert found == [plain_cosine(one, bag, bags) for bag in bags]


@given(bags=st.lists(BAGS, min_size=1, max_size=6), one=BAGS)
def test_the_background_counts_as_so_many_bags_more(bags: list[dict[str, int]], one: dict[str, int]) -> None:
    terms = Terms(BACKGROUND)
    for bag in bags:
        # numbers that were another key's: what is known of a key goes with the key
        terms.drop(99, put(terms, 99, bag).numbers.tolist())
    others = [put(terms, number, bag) for number, bag in enumerate(bags)]
    found = terms.cosines(terms.counted(one), others, len(bags) + BACKGROUND.articles)
    assert found == [plain_cosine(one, bag, bags, BACKGROUND) for bag in bags]


@given(bags=st.lists(BAGS, min_size=1, max_size=8))
def test_it_does_not_matter_what_was_there_before(bags: list[dict[str, int]]) -> None:
    used, fresh = Terms(NO_BACKGROUND), Terms(NO_BACKGROUND)
    for bag in bags:
        first = put(used, 1, bag)
        used.drop(1, first.numbers.tolist())
    changed = put(used, 1, bags[0])
    changed = put(used, 1, bags[-1], tuple(changed.numbers.tolist()))
    new = put(fresh, 1, bags[-1])
    assert len(used) == len(fresh) == len(bags[-1])
    assert lists(used.rarest(KEYS, 100)) == lists(fresh.rarest(KEYS, 100))
    one = dict.fromkeys(KEYS, 1)
    assert used.cosines(used.counted(one), [changed], 1) == fresh.cosines(fresh.counted(one), [new], 1)
    used.drop(1, changed.numbers.tolist())
    assert len(used) == 0


@given(bags=st.lists(BAGS, max_size=8), order=st.randoms(use_true_random=False))
def test_all_at_once_is_one_by_one(bags: list[dict[str, int]], order: random.Random) -> None:
    one_by_one, at_once = Terms(NO_BACKGROUND), Terms(NO_BACKGROUND)
    for story, bag in enumerate(bags):
        one_by_one.replace(story * 10**10, (), bag)
    stories = list(enumerate(bags))
    order.shuffle(stories)
    numbers = [np.array(at_once.announce(bag), dtype=np.int32) for _, bag in stories]
    at_once.fill([story * 10**10 for story, _ in stories], numbers)
    assert lists(at_once.rarest(KEYS, 1000)) == lists(one_by_one.rarest(KEYS, 1000))
    one = dict.fromkeys(KEYS, 1)
    for (_, bag), own in zip(stories, numbers, strict=True):
        counted = Counted(own, np.array(list(bag.values()), dtype=np.int64))
        assert at_once.cosines(at_once.counted(one), [counted], 9) == [plain_cosine_of(one, bag, bags, 9)]
    for (story, _), own in zip(stories, numbers, strict=True):
        at_once.drop(story * 10**10, own.tolist())
    assert len(at_once) == 0


def test_the_rarest_keys_come_first_and_no_more_than_the_limit() -> None:
    terms = Terms(NO_BACKGROUND)
    for story in range(5):
        terms.replace(story, (), ["all", *(["some"] if story < 2 else []), f"own{story}"])
    assert lists(terms.rarest(["all", "some", "own3", "none"], 100)) == [[3], [0, 1], [0, 1, 2, 3, 4]]
    assert lists(terms.rarest(["all", "some", "own3"], 7)) == [[3], [0, 1]]
    assert terms.rarest(["all"], 4) == []


def test_the_largest_counts_do_not_overflow() -> None:
    terms = Terms(NO_BACKGROUND)
    bag = {f"w{number}": COUNT_MAX for number in range(96)}
    counted = put(terms, 1, bag)
    for count in (2, 100 * COUNT_MAX):
        (cosine,) = terms.cosines(terms.counted(dict.fromkeys(bag, count)), [counted], 1_000_000)
        assert cosine == pytest.approx(1.0)


def test_there_is_room_for_any_number_of_keys() -> None:
    terms = Terms(NO_BACKGROUND)
    bag = {f"w{number}": 1 for number in range(3_000)}
    counted = put(terms, 1, bag)
    assert terms.cosines(terms.counted({"w2999": 1}), [counted], 1) == [pytest.approx(1 / math.sqrt(3_000))]

"""What is refused before anything is measured."""

import pytest

from newswire.pipeline.analysis import MODEL_FOLDER
from training.evaluate import print_windows


def test_a_window_that_the_graph_cannot_read_is_refused_by_name() -> None:
    with pytest.raises(ValueError, match=r"160/146: the model's graph reads at most 128"):
        print_windows(MODEL_FOLDER, {}, ["112/100", "160/146"])

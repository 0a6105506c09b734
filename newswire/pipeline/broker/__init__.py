"""The Kafka that newswire talks to.

`embedded`: the broker process; `topics` and `namespaces`: what stands on a Kafka; `check`: is one there; `errors`.
This file only knows where the state lives.
"""

import os
from pathlib import Path


def default_state_dir() -> Path:
    """The folder newswire keeps its state in when none is named.

    Returns `$XDG_STATE_HOME/newswire`, or `~/.local/state/newswire` where that variable is unset, empty or not
    absolute (the XDG specification says to ignore it then). The folder is not created.
    """
    named = os.environ.get("XDG_STATE_HOME", "")
    base = Path(named) if named.startswith("/") else Path.home() / ".local" / "state"
    return base / "newswire"

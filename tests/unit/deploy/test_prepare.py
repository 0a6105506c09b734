"""`newswire prepare`: what a first start else waits for, as far as the settings need it."""

from pathlib import Path

import pytest
from click.testing import CliRunner

from newswire.pipeline.cli.prepare import command


@pytest.mark.parametrize("embedded", [False, True])
def test_kafka_is_fetched_where_it_is_embedded(tmp_path: Path, embedded: bool) -> None:
    config = tmp_path / "newswire.toml"
    config.write_text("" if embedded else '[kafka]\nbootstrap_servers = "127.0.0.1:1"\n')
    done = CliRunner().invoke(command, ["--config", str(config)])
    assert done.exit_code == 0, done.output
    assert done.stdout.startswith("compiled\n")
    assert ("jars in" in done.stdout) is embedded

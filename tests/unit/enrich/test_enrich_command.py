"""`newswire enrich`: streams, endings, failures."""

import gzip
import json
import subprocess
import sys
from pathlib import Path

from click.testing import CliRunner, Result

from newswire.pipeline.cli.enrich import command
from tests.unit.enrich.test_enrich import raw


def run(tmp_path: Path, *arguments: str, stdin: bytes = b"") -> Result:
    config = tmp_path / "newswire.toml"
    config.write_text("[analyze]\nconstant_ms = 0\n")
    return CliRunner().invoke(command, ["--config", str(config), *arguments], input=stdin)


def test_file_gzip_and_standard_input_give_the_same(tmp_path: Path) -> None:
    lines = b"\n".join([raw(1), b"", raw(2), b"poison", raw(1)])
    plain, packed = tmp_path / "raw.jsonl", tmp_path / "raw.jsonl.gz"
    plain.write_bytes(lines)
    packed.write_bytes(gzip.compress(lines))
    results = [
        run(tmp_path, str(plain)),
        run(tmp_path, str(packed)),
        run(tmp_path, stdin=lines),
        run(tmp_path, "-", stdin=lines),
    ]
    assert {result.exit_code for result in results} == {0}
    assert len({result.stdout_bytes for result in results}) == 1
    out = [json.loads(line) for line in results[0].stdout_bytes.splitlines()]
    assert [record.get("outcome") for record in out] == [None, "dead", None, "dead", "seen"]
    assert "collected 5 = emitted 2 + seen 1 + dead 2" in results[0].stderr


def test_failures_are_one_line(tmp_path: Path) -> None:
    truncated = tmp_path / "cut.gz"
    truncated.write_bytes(gzip.compress(raw(1) * 50)[:-20])
    for file in ("missing.jsonl", str(tmp_path), str(truncated)):
        result = run(tmp_path, file)
        assert result.exit_code == 1
        assert isinstance(result.exception, SystemExit)
        assert result.stderr.splitlines()[-1].startswith("Error: ")


def test_a_reader_that_leaves_is_no_failure(tmp_path: Path) -> None:
    config, lines = tmp_path / "newswire.toml", tmp_path / "raw.jsonl"
    config.write_text("[analyze]\nconstant_ms = 0\n")
    lines.write_bytes(b"\n".join(raw(number) for number in range(2_000)))
    with subprocess.Popen(
        [sys.executable, "-m", "newswire", "enrich", "--config", str(config), str(lines)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        assert process.stdout.readline()
        process.stdout.close()
        assert b"Traceback" not in process.stderr.read()
        assert process.wait(60) == 0

"""What can be said of the container files without a container engine."""

import fnmatch
import json
import re
import subprocess
import sys
import threading
from collections.abc import Mapping
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest
import yaml

from newswire.pipeline.app.stages import ROLES
from newswire.pipeline.broker.config import EmbeddedSettings, server_properties
from newswire.pipeline.broker.jars import ROOTS
from newswire.pipeline.settings import load_settings

ROOT = Path(__file__).parents[3]
DEPLOY = ROOT / "deploy"
# What must differ: the embedded broker is on loopback, with ports and a folder of its own.
PLACES = {"controller.quorum.bootstrap.servers", "listeners", "advertised.listeners", "log.dirs"}


def compose() -> dict[str, Any]:
    loaded: dict[str, Any] = yaml.safe_load((DEPLOY / "compose.yaml").read_text())
    return loaded


def roles() -> dict[str, dict[str, Any]]:
    return {name: service for name, service in compose()["services"].items() if name != "kafka"}


def dockerfile() -> list[tuple[str, str]]:
    """(instruction, argument) of each line, continued lines joined."""
    text = re.sub(r"\\\n\s*", " ", (DEPLOY / "Dockerfile").read_text())
    lines = [line for line in text.splitlines() if line and not line.startswith("#")]
    return [(line.split(None, 1)[0], line.split(None, 1)[1]) for line in lines]


def properties(text: str) -> dict[str, str]:
    pairs = (line.split("=", 1) for line in text.splitlines() if line and not line.startswith("#"))
    return dict(pairs)


def test_every_role_is_a_service_that_waits_for_kafka() -> None:
    assert set(roles()) == set(ROLES)
    for name, service in roles().items():
        assert service["command"] == ["run", "--role", name]
        assert service["depends_on"]["kafka"]["condition"] == "service_healthy"
        # A fixed name or a published port would forbid a second container.
        assert not {"container_name", "ports"} & set(service)


def test_kafka_is_the_release_that_the_embedded_broker_is() -> None:
    release = next(root for root in ROOTS if root.startswith("org.apache.kafka:")).rpartition(":")[2]
    assert compose()["services"]["kafka"]["image"] == f"apache/kafka:{release}"


def test_kafka_is_set_up_as_the_embedded_broker() -> None:
    embedded = properties(server_properties(EmbeddedSettings(), Path("/data"), 1, 2))
    own = properties((DEPLOY / "kafka.properties").read_text())
    # The long session is for a broker whose start after a crash ends the old one, which only the embedded one does.
    del embedded["broker.session.timeout.ms"]
    assert set(own) == set(embedded)
    assert {key: own[key] for key in own if key not in PLACES} == {
        key: embedded[key] for key in embedded if key not in PLACES
    }
    servers = {service["environment"]["NEWSWIRE_KAFKA__BOOTSTRAP_SERVERS"] for service in roles().values()}
    assert {f"CLIENT://{servers.pop()}"} == {own["advertised.listeners"].split(",")[0]}
    assert not servers


def test_kafka_keeps_its_data_in_its_volume() -> None:
    folders = [volume.split(":")[1] for volume in compose()["services"]["kafka"]["volumes"]]
    own = properties((DEPLOY / "kafka.properties").read_text())
    assert any(own["log.dirs"].startswith(f"{folder}/") for folder in folders)
    assert any(volume.startswith("./kafka.properties:") for volume in compose()["services"]["kafka"]["volumes"])


def test_newswire_reads_every_variable_of_compose_and_image(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    image = dict(re.findall(r"(NEWSWIRE_\w+)=(\S+)", " ".join(argument for _, argument in dockerfile())))
    assert image
    for service in roles().values():
        variables: Mapping[str, str] = image | service["environment"]
        for name, value in variables.items():
            monkeypatch.setenv(name, re.sub(r"\$\{\w+:-(\w+)\}", r"\1", value))
            told: Any = load_settings().model_dump(mode="json")
            # A variable that no setting has is passed over in silence: follow its path.
            for part in name.removeprefix("NEWSWIRE_").lower().split("__"):
                assert part in told, name
                told = told[part]
            assert str(told) == re.sub(r"\$\{\w+:-(\w+)\}", r"\1", value)


def test_the_dockerfile_copies_what_exists_and_is_not_ignored() -> None:
    rules = [line for line in (DEPLOY / "Dockerfile.dockerignore").read_text().splitlines() if line[:1] not in "#"]
    assert rules[0] == "*"
    allowed = [rule[1:] for rule in rules if rule.startswith("!")]
    copied = [argument for instruction, argument in dockerfile() if instruction == "COPY" and "--from" not in argument]
    for source in {source for argument in copied for source in argument.split()[:-1]}:
        assert list(ROOT.glob(source)), source
        assert any(fnmatch.fnmatch(source, rule) or source == rule for rule in allowed), source


def test_the_wheel_is_built_with_the_locked_tool() -> None:
    command = next(argument for instruction, argument in dockerfile() if "build.lock" in argument)
    script = command.split("&&")[0].split(">")[0]
    told = subprocess.run(["/bin/sh", "-c", script], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    assert re.fullmatch(r"setuptools==\S+ \\\n(    --hash=sha256:\w{64}( \\)?\n)+", told)


def test_the_image_runs_the_service_as_an_unprivileged_user() -> None:
    last_stage = dockerfile()[[index for index, (name, _) in enumerate(dockerfile()) if name == "FROM"][-1] :]
    told = dict(last_stage)
    assert told["USER"] not in {"root", "0"}
    assert (
        f"useradd --uid 10001 --user-group --no-create-home --home-dir /var/lib/newswire {told['USER']}" in told["RUN"]
    )
    assert json.loads(told["ENTRYPOINT"]) == ["newswire"]
    assert json.loads(told["CMD"]) == ["run"]
    assert told["STOPSIGNAL"] == "SIGTERM"
    stop = int(roles()["collect"]["stop_grace_period"].removesuffix("s"))
    assert stop > load_settings().run.stop_seconds


@pytest.mark.parametrize(("status", "code"), [(200, 0), (503, 1)])
def test_the_health_check_tells_health(status: int, code: int) -> None:
    class Health(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(status if self.path == "/health" else 404)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    check = dict(dockerfile())["HEALTHCHECK"]
    command = json.loads(check[check.index("[") :])
    assert f"http://127.0.0.1:{load_settings().run.port}/health" in command[2]
    server = HTTPServer(("127.0.0.1", 0), Health)
    threading.Thread(target=server.handle_request, daemon=True).start()
    script = command[2].replace(":8710/", f":{server.server_port}/")
    done = subprocess.run([sys.executable, command[1], script], capture_output=True, timeout=20, check=False)
    server.server_close()
    assert done.returncode == code

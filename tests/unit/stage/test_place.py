"""Whose place in the group it is."""

import pytest

from newswire.pipeline.stage import StageConfig
from newswire.pipeline.stage.place import client_id, is_instance


def config(**changes: object) -> StageConfig:
    return StageConfig("ns", "s", "nowhere:1", "ns.in", (), "ns.changelog", None, **changes)  # type: ignore[arg-type]


def test_the_client_is_named_after_the_owner() -> None:
    assert client_id(config()) == "newswire"
    assert client_id(config(instance_owner="x")) == "newswire-x"
    assert client_id(config(instance_owner="x", client_options={"client_id": "wire"})) == "wire-x"


@pytest.mark.parametrize(
    ("member", "is_it"),
    [
        ("host-a-3Kq0Jw1xQ0uV-c2m_8Zb1Q", True),
        ("host-a-0e5c1c9e-6f0e-4f57-9f0e-8a6a3c0f1b2d", True),
        ("host-a-2-3Kq0Jw1xQ0uV-c2m_8Zb1Q", False),
        ("host-b-3Kq0Jw1xQ0uV-c2m_8Zb1Q", False),
        ("newswire-x-0e5c1c9e-6f0e-4f57-9f0e-8a6a3c0f1b2d", False),
    ],
)
def test_a_static_member_is_known_by_its_id(member: str, is_it: bool) -> None:
    assert is_instance(member, "host-a") is is_it

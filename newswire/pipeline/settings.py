"""The configuration: read once, from a TOML file and NEWSWIRE_* variables, into one frozen object that is passed in."""

import difflib
import os
import tomllib
from collections.abc import Iterable, Mapping
from pathlib import Path
from types import UnionType
from typing import Any, Literal, NamedTuple, get_args

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

DAY = 86_400


PREFIX = "NEWSWIRE_"
"""What a variable's name begins with."""

NEAR = 0.85
"""How alike (difflib's ratio) a variable without a table is to a setting from which it is taken for a mistyped one."""


class SettingsError(ValueError):
    """The configuration is wrong; the message names the key and says what to do."""


class Section(BaseModel):
    """A table of the configuration file."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class KafkaSettings(Section):
    """Where the wire's Kafka is. `bootstrap_servers` null starts the embedded one."""

    bootstrap_servers: str | None = None
    client: dict[str, Any] = Field(default_factory=dict)
    """Further options of every Kafka client: security_protocol, sasl_mechanism, ..."""
    replication_factor: int = Field(default=0, ge=0)
    """0 takes 1 for the embedded broker, and as many as there are brokers, at most 3, for another."""
    partitions: int = Field(default=8, ge=1)
    raw_retention_seconds: int = 14 * DAY
    enriched_retention_seconds: int = 90 * DAY
    session_timeout_ms: int = Field(default=10_000, ge=1_000)
    transaction_timeout_ms: int = Field(default=30_000, ge=3_000)


class CollectSettings(Section):
    """Polling. Sizes are bytes, times are seconds."""

    user_agent: str = "newswire/0.1 (+self-hosted feed reader)"
    interval_min: int = Field(default=300, ge=1)
    interval_default: int = Field(default=900, ge=1)
    interval_max: int = Field(default=14_400, ge=1)
    timeout: float = Field(default=30.0, gt=0)
    body_max: int = Field(default=15 * 1024 * 1024, gt=0)
    entries_max: int = Field(default=2_000, gt=0)
    redirects_max: int = Field(default=5, ge=0)
    polls_at_once: int = Field(default=64, ge=1)
    host_polls_at_once: int = Field(default=2, ge=1)
    host_spacing: float = Field(default=1.0, ge=0)
    allow_private: bool = False
    parse_timeout: float = Field(default=10.0, gt=0)
    parse_memory_max: int = Field(default=1024 * 1024 * 1024, gt=0)


class ArchiveSettings(Section):
    """History that the service keeps itself: each fetched body, as WARC files in `folder`; null keeps none.

    A file that has reached `file_max` bytes is followed by another one, and so is that of the day before (UTC).
    """

    folder: Path | None = None
    file_max: int = Field(default=1_000_000_000, gt=0)


class TextSettings(Section):
    """Caps of an article's texts, in code points; what is longer is cut, and the record says so."""

    title_max: int = Field(default=4_096, gt=0)
    text_max: int = Field(default=500_000, gt=0)


class PrepareSettings(Section):
    """How long an article's identity is remembered after it was last seen, in seconds of event time."""

    window_seconds: int = 90 * DAY
    future_seconds: int = DAY
    """A record that claims to be observed later than this after its log took it is rejected."""


CopyPolicy = Literal["outcome", "emit"]
"""What becomes of a copy: it ends as an outcome, or it is emitted as well, and says what it is a copy of."""


class FeedCopies(Section):
    """What is otherwise for the copies that one feed brings; null: as everywhere."""

    duplicates: CopyPolicy | None = None
    similarity_min: float | None = Field(default=None, gt=0, le=1)
    containment_min: float | None = Field(default=None, gt=0, le=1)


class CopyRules(NamedTuple):
    """What holds for the copies of one feed."""

    duplicates: CopyPolicy
    similarity_min: float
    containment_min: float


class DeduplicateSettings(Section):
    """Copies. `window_seconds` is event time.

    A text is a copy of another one from a Jaccard similarity of their word shingles of `similarity_min`, or when
    `containment_min` of it stands in the other. `feeds` has what is otherwise for a feed, by the URL that its articles
    carry.
    """

    window_seconds: int = 7 * DAY
    similarity_min: float = Field(default=0.5, gt=0, le=1)
    containment_min: float = Field(default=0.6, gt=0, le=1)
    duplicates: CopyPolicy = "outcome"
    feeds: Mapping[str, FeedCopies] = Field(default_factory=dict)

    def rules_for(self, feed: str) -> CopyRules:
        """What holds for the copies that a feed brings."""
        own = self.feeds.get(feed)
        rules = CopyRules(self.duplicates, self.similarity_min, self.containment_min)
        if own is None:
            return rules
        return rules._replace(**{name: value for name in rules._fields if (value := getattr(own, name)) is not None})


class AnalyzeSettings(Section):
    """The models. `constant_ms` replaces them by a stated constant time that finds nothing (load tests).

    `entities` and `topics` name models of Hugging Face, a folder or an id, that find these in the encoder's place;
    `topic_min` is the score from which such a model's topic is given. `second_level` adds topics below the top ones.
    """

    model: Path | None = None
    entities: str | None = None
    topics: str | None = None
    topic_min: float = Field(default=0.5, ge=0, le=1)
    second_level: bool = False
    threads: int = Field(default=1, ge=1)
    hang_seconds: float = Field(default=120.0, gt=0)
    work_seconds: float = Field(default=0.5, gt=0)
    constant_ms: float | None = Field(default=None, ge=0)


class ClusterSettings(Section):
    """Stories. `window_seconds` is event time; `similarity_min` is the score at which an article joins a story.

    `merge_min` is the score at which two stories that an article fits are one; above 1 they stay apart.
    """

    window_seconds: int = 3 * DAY
    similarity_min: float = Field(default=0.5, gt=0, le=1)
    merge_min: float = Field(default=0.85, gt=0)


class RunSettings(Section):
    """The long-lived service: which roles share a process, and how it is watched.

    The default was chosen with `python -m bench.grouping`: three processes do 1.03 of one process's work under backlog,
    and an encoder that hangs or a hostile feed ends only its own.
    """

    processes: dict[str, tuple[str, ...]] = Field(
        default_factory=lambda: {
            "poller": ("collect",),
            "wire": ("prepare", "deduplicate", "cluster"),
            "analyzer": ("analyze",),
        }
    )
    host: str = "127.0.0.1"
    port: int = Field(default=8710, ge=0, le=65_535)
    """Health and metrics: the supervisor's port; its processes take the next ones (0: any free ports)."""
    restart_delay_min: float = Field(default=0.5, gt=0)
    restart_delay_max: float = Field(default=30.0, gt=0)
    stop_seconds: float = Field(default=18.0, gt=0)
    stall_seconds: float = Field(default=60.0, gt=0)
    log_level: str = "info"
    log_format: str = Field(default="json", pattern="^(json|console)$")


def default_state_dir() -> Path:
    """The user's state folder (XDG Base Directory Specification: a variable that is not absolute is ignored)."""
    named = os.environ.get("XDG_STATE_HOME", "")
    base = Path(named) if named.startswith("/") else Path.home() / ".local" / "state"
    return base / "newswire"


class Settings(Section):
    """Everything that can be set; the whole program gets this one object."""

    namespace: str = Field(default="newswire", pattern=r"^[A-Za-z0-9_-]{1,80}$")
    state_dir: Path = Field(default_factory=default_state_dir)
    kafka: KafkaSettings = KafkaSettings()
    collect: CollectSettings = CollectSettings()
    archive: ArchiveSettings = ArchiveSettings()
    text: TextSettings = TextSettings()
    prepare: PrepareSettings = PrepareSettings()
    deduplicate: DeduplicateSettings = DeduplicateSettings()
    analyze: AnalyzeSettings = AnalyzeSettings()
    cluster: ClusterSettings = ClusterSettings()
    run: RunSettings = RunSettings()

    def topic(self, name: str) -> str:
        """The full name of a topic of this namespace."""
        return f"{self.namespace}.{name}"


class _Sources(BaseSettings, Settings):
    """Where the values come from: variables of the environment win over the file, so that a container can set them."""

    model_config = SettingsConfigDict(env_prefix=PREFIX, env_nested_delimiter="__")

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """The environment, then the file."""
        return env_settings, init_settings


def load_settings(file: Path | None = None, **overrides: Any) -> Settings:
    """Read the configuration. `file` null takes newswire.toml of the working folder when there is one.

    `overrides` (from the command line) win over everything. Raises SettingsError, which names the key. A variable is
    refused when it has a table's form (NEWSWIRE_TABLE__KEY) and names none, or when it is nearly the name of a setting.
    Any other is left alone: tests, and Kubernetes for a service called newswire, set NEWSWIRE_* of their own.
    """
    _refuse_mistyped_variables(os.environ)
    chosen = file or Path("newswire.toml")
    values: dict[str, Any] = {}
    if file is not None or chosen.is_file():
        try:
            values = tomllib.loads(chosen.read_text())
        except FileNotFoundError:
            raise SettingsError(f"{chosen}: there is no such file") from None
        except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
            raise SettingsError(f"{chosen}: {error}") from None
        _refuse_unknown(values, Settings, str(chosen))
    try:
        settings = Settings.model_validate({**_Sources(**values).model_dump(), **overrides})
    except ValidationError as error:
        fault = error.errors()[0]
        if fault["type"] == "extra_forbidden":  # from a variable: a file's keys were looked at before
            _refuse_unknown(
                _nested(fault["loc"]), Settings, f"variable {PREFIX}{'__'.join(map(str, fault['loc'])).upper()}"
            )
        raise SettingsError(f"{'.'.join(map(str, fault['loc']))}: {fault['msg']}") from None
    return settings


def _refuse_unknown(values: dict[str, Any], model: type[BaseModel], where: str) -> None:
    for key, value in values.items():
        field = model.model_fields.get(key)
        if field is None:
            near = difflib.get_close_matches(key, model.model_fields, n=1, cutoff=0.5)
            hint = f"; did you mean {near[0]!r}?" if near else f"; known here: {', '.join(model.model_fields)}"
            raise SettingsError(f"{where}: unknown key {key!r}{hint}")
        section = _section(field.annotation)
        if section is not None and isinstance(value, dict):
            _refuse_unknown(value, section, f"{where}: [{key}]")


def _refuse_mistyped_variables(names: Iterable[str]) -> None:
    tables = [key for key, field in Settings.model_fields.items() if _section(field.annotation) is not None]
    known = [f"{table}__{key}" for table in tables for key in _fields(table)]
    known += [key for key in Settings.model_fields if key not in tables]
    for name in sorted(names):
        if not name.upper().startswith(PREFIX):
            continue
        key = name[len(PREFIX) :].lower()
        table, nested, rest = key.partition("__")
        if table in tables or key in known:
            continue  # the keys of a known table are looked at with their values
        if nested:
            near = difflib.get_close_matches(table, tables, n=1, cutoff=0.5)
            hint = f"did you mean {_variable(f'{near[0]}__{rest}')}?" if near else f"known: {', '.join(tables)}"
            raise SettingsError(f"variable {name}: unknown table {table!r}; {hint}")
        if close := difflib.get_close_matches(key, known, n=1, cutoff=NEAR):
            raise SettingsError(f"variable {name}: unknown key {key!r}; did you mean {_variable(close[0])}?")


def _fields(table: str) -> Iterable[str]:
    section = _section(Settings.model_fields[table].annotation)
    return section.model_fields if section is not None else ()


def _variable(key: str) -> str:
    return PREFIX + key.upper()


def _nested(path: tuple[int | str, ...]) -> dict[str, Any]:
    inner: Any = None
    for key in reversed(path):
        inner = {str(key): inner}
    return dict(inner)


def _section(annotation: Any) -> type[BaseModel] | None:
    options = get_args(annotation) if isinstance(annotation, UnionType) else (annotation,)
    return next((o for o in options if isinstance(o, type) and issubclass(o, BaseModel)), None)

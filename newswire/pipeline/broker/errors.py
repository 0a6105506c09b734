"""What can go wrong with a broker, each error a sentence a person can act on."""


class BrokerError(Exception):
    """The embedded broker could not be fetched, started, found or stopped. The text says what to do."""


class BrokerUnreachable(BrokerError):  # noqa: N818 - says what is the case
    """No broker answered at the given addresses within the time allowed."""


class NoWire(BrokerError):  # noqa: N818 - says what is the case
    """The namespace has no topics on this Kafka."""


class StateUnreadable(BrokerError):  # noqa: N818 - says what is the case
    """A namespace holds state or records of a version of newswire that this one cannot read."""


class TopicMismatch(BrokerError):  # noqa: N818 - says what is the case
    """A topic exists with other partitions or another cleanup policy than newswire needs."""

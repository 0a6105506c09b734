"""newswire: a self-hosted service that turns news feeds into an enriched wire on Kafka."""

__version__ = "0.1.0"

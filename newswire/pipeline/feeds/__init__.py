"""Feeds: fetching, parsing, identity, what is new, when to poll again, and a partition's collector."""

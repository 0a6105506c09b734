"""The demo: bundled feeds on a loopback server, the real service over them, and what came of it, for a person to see.

`catalogue` names the feeds, `site` serves them, `watch` follows the topics, `driver` runs it all, `view` shows it while
it runs, `choice` picks the articles that `present` prints at the end.
"""

"""Historical feeds through the same code: what can be replayed, the one writer of `raw`, and the whole replay."""

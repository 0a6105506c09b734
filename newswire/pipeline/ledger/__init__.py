"""The ledger: what was collected, how it ended and what is under way."""

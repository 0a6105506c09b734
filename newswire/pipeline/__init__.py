"""The work itself, in small packages; imports nothing of the agents."""

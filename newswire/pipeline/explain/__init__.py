"""Why two articles are copies of one another or not, and of one story or not."""

"""One worker process: its stages, its health and its watchdog."""

"""The soak: the service under load for long; memory, file descriptors, disk and latency over the time."""

"""The quarantine: what a stage could not do, to be looked at and sent round again."""

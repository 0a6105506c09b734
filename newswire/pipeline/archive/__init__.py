"""The history that the service keeps itself: what the feeds' servers answered, as WARC/1.1 files with an index each."""

"""Benchmarks: what newswire claims about its speed, printed as ratios against something else in the same run."""

"""Fairway's speed as ratios to raw limits, measured in turns in one run (docs/benchmarks.md)."""

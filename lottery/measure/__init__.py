"""Measure a network: loss, accuracy, operations, latency."""

"""Measurements side by side with a peer. Nothing here is imported by the program or timed in a test."""

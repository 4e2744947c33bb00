"""Strict local imitations of the five platforms' HTTP interfaces over one invented world."""

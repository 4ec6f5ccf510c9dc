"""Truncated power series of programs of arrays, whatever the array library."""

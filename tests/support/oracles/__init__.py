"""The project against programs that share nothing with it; ``python -m oracles`` prints a table of agreements."""

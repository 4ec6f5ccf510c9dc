"""The benchmark suite: ``python -m benchmarks`` from a checkout.  One file a comparison, shared timing and tables."""

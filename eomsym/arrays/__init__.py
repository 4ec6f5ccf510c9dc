"""Equations of motion of programs of arrays, whatever the library: what ``eomsym.jax`` and ``eomsym.torch`` share."""

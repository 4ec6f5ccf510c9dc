"""The tests of JAX models skip, by name, where JAX is not installed."""

import pytest

jax = pytest.importorskip("jax", reason="the extra 'jax' is not installed")


@pytest.fixture(autouse=True)
def double_precision():
    """float64 for each test; the setting that was there comes back."""
    with jax.enable_x64(True):
        yield

"""For all tests: where kernels are kept and who runs what; and stand-ins for kernels with paths in closed form."""

import gc
from types import SimpleNamespace

import kernel_cache
import numpy as np
import pytest
import scheduling
from hypothesis import settings

from eomsym import optimizers

# A deadline would be a timed assertion.
settings.register_profile("eomsym", deadline=None)
settings.load_profile("eomsym")


def pytest_configure(config):
    kernel_cache.use()
    if not hasattr(config, "workerinput"):  # the first process of a run, before there are others
        kernel_cache.tidy()


def pytest_collection_modifyitems(config, items):
    config.stash[scheduling.COLLECTED] = {item.nodeid for item in items}
    for item in items:
        if item.nodeid in scheduling.LONG:
            item.add_marker(pytest.mark.slow)
    items.sort(key=lambda item: scheduling.rank(item.nodeid))


def pytest_collection_finish():
    # Modules and tests stay: the garbage collector need not look at them again whenever numba has compiled a little.
    gc.freeze()


def _own_registry():
    """What a test makes known is forgotten after it: others look at all that is registered."""
    tables = optimizers.REGISTRY, optimizers.registry._BY_ALIAS
    before = [dict(table) for table in tables]
    yield
    for table, entries in zip(tables, before, strict=True):
        if table != entries:
            table.clear()
            table.update(entries)


# Of a module too, whose fixtures are there before those of its tests.
_of_tests = pytest.fixture(autouse=True)(_own_registry)
_of_modules = pytest.fixture(autouse=True, scope="module")(_own_registry)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config, log):
    return scheduling.scheduler(config, log) if config.getvalue("dist") == "loadfile" else None


class ClosedFormKernel:
    """What a kernel answers, for a loss without data, from ``gradient`` and ``counterterm(k, θ)`` of a subclass."""

    def __init__(self, order):
        self.order = order
        self.calls = 0

    def counterterms(self, theta, order=None):
        self.calls += 1
        order = self.order if order is None else order
        return np.array([self.gradient(theta), *(self.counterterm(k, theta) for k in range(order))])

    def field(self, theta, eta, order=None):
        gradient, *terms = self.counterterms(theta, order)
        return -gradient - eta * sum(eta**k * term for k, term in enumerate(terms))


class Quadratic(ClosedFormKernel):
    """``L = ½ Σ λ_i θ_i²``: ``ξ_k = H^{k+1} g / (k + 2)``, the series of −log(1 − ηλ)/η, cut where the order says."""

    def __init__(self, eigenvalues, order=8):
        super().__init__(order)
        self.eigenvalues = np.array(eigenvalues, dtype=float)
        self.size = len(self.eigenvalues)

    def gradient(self, theta):
        return self.eigenvalues * theta

    def counterterm(self, k, theta):
        return self.eigenvalues ** (k + 2) / (k + 2) * theta

    def hessian_vector(self, theta, vector):
        return self.eigenvalues * vector

    def descended(self, theta, eta, steps):
        """The iterate after ``steps`` steps of gradient descent."""
        return (1 - eta * self.eigenvalues) ** steps * theta

    def moved(self, theta, eta, time, order):
        """θ(time) of the equation of motion."""
        rates = sum(eta ** (n - 1) * self.eigenvalues**n / n for n in range(1, order + 2))
        return np.exp(-rates * time) * theta

    def error_coefficient(self, theta, time, order):
        """E_N(time): ``t λ^{N+2}/(N+2) e^{−λt} θ``, because e^{−λt} is a common factor of E' = −λE + ξ_N(θ(t))."""
        return time * self.counterterm(order, np.exp(-self.eigenvalues * time) * theta)


class Riccati(ClosedFormKernel):
    """``y' = y²`` in each component (``L = −Σ y³/3``), with the coefficients of its modified equation for Euler.

    Source: Hairer, Lubich & Wanner, Geometric Numerical Integration (2006), ch. IX.1, example 1.1.
    """

    COEFFICIENTS = (1, -1, 3 / 2, -8 / 3, 31 / 6, -157 / 15, 649 / 30)

    def __init__(self, size=2, order=6):
        super().__init__(order)
        self.size = size

    def gradient(self, theta):
        return -(theta**2)

    def counterterm(self, k, theta):
        return -self.COEFFICIENTS[k + 1] * theta ** (k + 3)

    def hessian_vector(self, theta, vector):
        return -2 * theta * vector


@pytest.fixture
def closed_form():
    """The stand-ins, by name: a fixture, because test files cannot import from one another."""
    return SimpleNamespace(Quadratic=Quadratic, Riccati=Riccati)

"""The edge of the spectrum of matrices whose spectrum is known."""

import numpy as np
import pytest

from eomsym.dynamics.spectrum import largest_eigenvalue, spectral_radius
from eomsym.errors import InputError


@pytest.mark.parametrize("size", [1, 2, 40, 200])
def test_both_edges_of_a_known_spectrum(closed_form, size):
    eigenvalues = np.linspace(-5.0, 3.0, size) if size > 1 else np.array([-5.0])
    kernel = closed_form.Quadratic(eigenvalues)
    assert largest_eigenvalue(kernel, np.ones(size)) == pytest.approx(eigenvalues.max(), rel=1e-6)
    assert spectral_radius(kernel, np.ones(size)) == pytest.approx(5.0, rel=1e-6)


def test_the_hessian_is_taken_at_theta(closed_form):
    assert largest_eigenvalue(closed_form.Riccati(), np.array([-1.0, 4.0])) == pytest.approx(2.0)
    assert spectral_radius(closed_form.Riccati(), np.array([-1.0, 4.0])) == pytest.approx(8.0)


def test_the_answer_is_always_the_same(closed_form):
    kernel = closed_form.Quadratic(np.linspace(0.1, 3.0, 150))
    assert len({spectral_radius(kernel, np.ones(150)) for _ in range(3)}) == 1


def test_theta_of_another_length_is_refused(closed_form):
    with pytest.raises(InputError, match="length 2"):
        spectral_radius(closed_form.Riccati(), np.ones(3))

"""Beyond ηλ = 1 in PyTorch: the resummed equation of motion and the look-ahead field of every second step."""

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="the extra 'torch' is not installed")

import eomsym.torch  # noqa: E402
from eomsym.errors import InputError, ResummationWarning  # noqa: E402


def tensor(values):
    return torch.tensor(values, dtype=torch.float64)


CURVATURES = tensor([1.0, 0.6, 0.3, 0.05])
POINT = {"a": tensor([1.0, -2.0]), "b": tensor([0.5, 3.0])}


def loss(params):
    return torch.sum(CURVATURES * torch.cat([params["a"], params["b"]]) ** 2) / 2


def flat(tree):
    return np.concatenate([tree["a"], tree["b"]])


def logarithm(eta):
    return np.log1p(-eta * np.asarray(CURVATURES)) / eta * flat(POINT)


def test_the_resummed_field_is_nearer():
    plain, found = (eomsym.torch.equation_of_motion(loss, POINT, 0.7, 8, resum=resum) for resum in (False, True))
    errors = [np.linalg.norm(flat(field) - logarithm(0.7)) for field in (plain, found)]
    assert errors[1] < errors[0] / 20


def test_beyond_one_it_warns_and_is_plain():
    with pytest.warns(ResummationWarning, match="grow by") as told:
        found = eomsym.torch.equation_of_motion(loss, POINT, 1.6, 8, resum=True)
    np.testing.assert_allclose(flat(found), flat(eomsym.torch.equation_of_motion(loss, POINT, 1.6, 8)), rtol=1e-5)
    assert told[0].filename == __file__


@pytest.mark.parametrize(
    ("rule", "options"), [("runge-kutta-4", {}), ("torch.Adam()", {}), ("optimistic", {"check": False})]
)
def test_where_the_sum_would_be_no_nearer_it_is_refused(rule, options):
    with pytest.raises(InputError, match=r"resum: .*leave resum out"):
        eomsym.torch.equation_of_motion(loss, POINT, 0.1, 6, resum=True, optimizer=rule, **options)


def test_parameters_of_the_rule_count():
    """The control: heavy ball's terms are all there, at the β that is given."""
    options = {"optimizer": "heavy-ball", "beta": "1/2"}
    plain, found = (eomsym.torch.equation_of_motion(loss, POINT, 0.05, 6, resum=r, **options) for r in (False, True))
    np.testing.assert_allclose(flat(found), flat(plain), rtol=1e-3)
    assert not np.array_equal(flat(found), flat(plain))


def test_precision_is_kept():
    params = {name: leaf.float() for name, leaf in POINT.items()}
    for field in (
        eomsym.torch.equation_of_motion(loss, params, 0.5, 4, resum=True, check=False),
        eomsym.torch.lookahead_field(torch.func.grad(loss), params, 0.5, 2, stride=2),
    ):
        assert {leaf.dtype for leaf in field.values()} == {torch.float32}


def even_logarithm(eta):
    return np.log(np.abs(1 - eta * np.asarray(CURVATURES))) / eta * flat(POINT)


def test_with_stride_two_it_converges_beyond_one():
    """At ηλ = 1.7, 1.02, 0.51, 0.085, the second of which has no logarithm to speak of and is left out."""
    errors = [
        [
            np.delete(
                flat(eomsym.torch.lookahead_field(torch.func.grad(loss), POINT, 1.7, n, stride=s))
                - even_logarithm(1.7),
                1,
            )
            for n in (0, 4, 12)
        ]
        for s in (1, 2)
    ]
    sizes = np.linalg.norm(errors, axis=2)
    assert sizes[0, 0] < sizes[0, 1] < sizes[0, 2]
    assert sizes[1, 0] > 3 * sizes[1, 1] > 9 * sizes[1, 2]


def test_its_path_passes_through_every_second_iterate():
    end = eomsym.torch.integrate(
        lambda p: eomsym.torch.lookahead_field(torch.func.grad(loss), p, 1.9, 8, stride=2),
        POINT,
        6 * 1.9,
        tolerance=1e-6,
    )
    run = (1 - 1.9 * np.asarray(CURVATURES)) ** 6 * flat(POINT)
    np.testing.assert_allclose(flat(end), run, atol=2e-3)


def whole(x, **options):
    """Heavy ball on ½x θ², with velocity 0.2."""
    state = options.pop("state", (tensor([0.2]),))
    return eomsym.torch.lookahead_field(
        lambda p: x * p, tensor([1.0]), 1.0, 8, stride=2, optimizer="heavy-ball", state=state, **options
    )


@pytest.mark.parametrize("order", [1, 2, 5])
def test_of_descent_it_says_where_the_sum_diverges(order):
    """From ηλ = 1 + √2 on; at 1 it ends too, and says nothing: what one step loses the flow loses later."""
    with pytest.warns(ResummationWarning, match=r"stride 2: .*gradient descent.*smaller eta"):
        eomsym.torch.lookahead_field(lambda p: 2.5 * p, tensor([1.0]), 1.0, order, stride=2)
    for x in (0.3, 1.0, 2.0, 2.4):
        eomsym.torch.lookahead_field(lambda p, x=x: x * p, tensor([1.0]), 1.0, order, stride=2)


@pytest.mark.parametrize("dtype", [torch.float16, torch.complex64])
def test_it_looks_at_short_and_complex_numbers(dtype):
    """Squares of 1e-4 are 0 in half precision."""
    point = torch.tensor([1e-4, 1e-5], dtype=dtype)
    with pytest.warns(ResummationWarning):
        eomsym.torch.lookahead_field(lambda p: 2.7 * p, point, 1.0, 2, stride=2)
    eomsym.torch.lookahead_field(lambda p: 2.2 * p, point, 1.0, 2, stride=2)


def test_gradients_with_a_graph_are_looked_at_without_one():
    """PyTorch warns where a number is read off a tensor with one."""
    point = torch.tensor([1.0, 2.0], dtype=torch.float64, requires_grad=True)
    slope = lambda p: torch.autograd.grad((p**2).sum() / 2, p, create_graph=True)[0]  # noqa: E731
    field = eomsym.torch.lookahead_field(slope, point, 0.1, 2, stride=2)
    assert field.requires_grad


@pytest.mark.parametrize("order", [1, 2])
def test_a_whole_state_has_its_low_orders(order):
    """Order 1 divided by zero."""
    matrix = np.array([[0.9, -0.9], [0.1, 0.9]])
    double, start = matrix @ matrix - np.eye(2), np.array([1.0, 0.2])
    wanted = sum((-1) ** (n + 1) / n / 2 * np.linalg.matrix_power(double, n) @ start for n in range(1, order + 2))
    moved = eomsym.torch.lookahead_field(
        lambda p: 0.1 * p, tensor([1.0]), 1.0, order, stride=2, optimizer="heavy-ball", state=(tensor([1.0]) * 0.2,)
    )
    np.testing.assert_allclose(np.concatenate(moved), wanted, rtol=1e-5)


def test_a_whole_state_has_it_where_it_converges():
    from scipy.linalg import logm

    for x in (0.1, 3.7):
        matrix = np.array([[1 - x, -0.9], [x, 0.9]])
        wanted = logm(matrix @ matrix).real @ [1.0, 0.2] / 2
        np.testing.assert_allclose(np.concatenate(whole(x)), wanted, rtol=5e-3)


def test_bad_values_are_refused():
    for call, words in (
        (lambda: whole(1.5), r"stride 2: \|mu\^2 - 1\| is"),
        (lambda: whole(0.1, state=None), "heavy-ball has a memory .*give it"),
        (lambda: eomsym.torch.lookahead_field(torch.func.grad(loss), POINT, 0.1, 2, stride=0), "stride 0.*1 to 2"),
    ):
        with pytest.raises(InputError, match=words):
            call()

"""Tables of coefficients against the general engine, classical identities and the modified equations of scalars."""

import subprocess
import sys
from fractions import Fraction
from itertools import islice
from math import comb, factorial, lcm
from operator import mul

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from second_routes import step_polynomial
from second_routes.coefficient_bound import bernoulli, coefficient_bound

import eomsym
from eomsym.derivation.tree_tables import _fill, _tables
from eomsym.errors import InputError
from eomsym.tree_positions import block_start, tree_at
from eomsym.trees import LEAF, count_rooted_trees, parse_tree, rooted_trees

FUNCTIONS = (eomsym.tree_table, eomsym.stream_coefficients, eomsym.stream_trees)


@pytest.fixture(scope="module")
def table():
    return eomsym.tree_table(20)


@pytest.fixture(scope="module")
def engine():
    """b of all trees with up to 12 nodes by the general engine, with Python's integers and Fractions."""
    return step_polynomial.modified_coefficients(step_polynomial.FORMS["gradient-descent"](), 12)


@pytest.mark.parametrize("nodes", range(1, 13))
def test_general_engine_agrees_on_every_tree(table, engine, nodes):
    denominator = table.denominator(nodes)
    assert denominator == lcm(*range(1, nodes + 1))
    assert table.numerator(nodes).dtype == np.int64
    assert table.numerator(nodes).tolist() == [engine[tree] * denominator for tree in rooted_trees(nodes)]


@pytest.mark.parametrize("nodes", range(1, 13))
def test_symmetries_are_those_of_the_trees(table, nodes):
    assert table.symmetry(nodes).dtype == np.int64
    assert table.symmetry(nodes).tolist() == [tree.symmetry for tree in rooted_trees(nodes)]


@pytest.mark.parametrize("max_nodes", range(1, 10))
def test_small_tables_are_parts_of_large_ones(table, max_nodes):
    small = eomsym.tree_table(max_nodes)
    for nodes in range(1, max_nodes + 1):
        np.testing.assert_array_equal(small.numerator(nodes), table.numerator(nodes))
        np.testing.assert_array_equal(small.symmetry(nodes), table.symmetry(nodes))


@pytest.mark.parametrize("nodes", range(2, 21))
def test_chain_and_bush(table, nodes):
    """Theory §2: (−1)^{n−1}/n and B_{n−1}; they are the first and the last tree, with symmetry 1 and (n−1)!."""
    numerator, denominator = table.numerator(nodes), table.denominator(nodes)
    assert Fraction(int(numerator[0]), denominator) == Fraction((-1) ** (nodes - 1), nodes)
    assert Fraction(int(numerator[-1]), denominator) == bernoulli(nodes - 1)
    assert table.symmetry(nodes)[0] == 1
    assert table.symmetry(nodes)[-1] == factorial(nodes - 1)


@pytest.mark.parametrize("nodes", range(1, 21))
def test_no_coefficient_exceeds_the_bound(table, nodes):
    numerator = table.numerator(nodes)
    largest = max(int(numerator.max()), -int(numerator.min()))
    assert Fraction(largest, table.denominator(nodes)) <= coefficient_bound(nodes)


@pytest.mark.parametrize(("nodes", "zeros"), [(4, 1), *((prime, 0) for prime in (2, 3, 5, 7, 11, 13, 17, 19))])
def test_zeros(table, nodes, zeros):
    """B_3 is the only zero of order 4.  There is none where the number of nodes is a prime p.

    p divides the denominator of the last term only, (−1)^{p−1} d_p / p, and d_p = p!/γ = (p−1)!/∏ γ(τ_i) is no
    multiple of p.
    """
    assert np.count_nonzero(table.numerator(nodes) == 0) == zeros


@pytest.mark.parametrize("nodes", range(1, 21))
def test_symmetries_count_labellings(table, nodes):
    """Cayley: Σ n!/σ = n^{n−1}.  n!/σ may leave int64, (n−1)!/σ does not."""
    shares, remainder = np.divmod(factorial(nodes - 1), table.symmetry(nodes))
    assert not remainder.any()
    assert nodes * exact_dot(np.ones_like(shares), shares) == nodes ** (nodes - 1)


def modified_scalar_equation(right_side):
    """``c_k`` in ``f̃ = Σ_k η^k c_k f_k`` for an equation that one series in u decides, by the flow's Lie series.

    With ``φ(u) = Σ c_k u^{k+1}`` and ``D = φ u d/du`` the flow over one step is ``Σ_i D^{i−1} φ / i! = right_side(u)``.
    For ``y' = e^y``: u = η e^y and y moves by u.  For ``y' = y²``: u = η y and log y moves by log(1 + u).
    """
    terms = len(right_side) - 1
    phi = [Fraction(0)] * (terms + 1)
    for power in range(1, terms + 1):
        image, total = phi, Fraction(0)
        for i in range(1, power + 1):
            total += image[power] / factorial(i)
            slope = [k * value for k, value in enumerate(image)]
            image = [sum(phi[j] * slope[k - j] for j in range(k + 1)) for k in range(power + 1)]
        phi[power] = right_side[power] - total
    return phi[1:]


@pytest.fixture(scope="module")
def exponential():
    return modified_scalar_equation([Fraction(k == 1) for k in range(21)])


@pytest.fixture(scope="module")
def square():
    return modified_scalar_equation([Fraction(0), *(Fraction((-1) ** (k + 1), k) for k in range(1, 21))])


def test_the_modified_equation_of_the_square_is_that_of_the_literature(square):
    """Hairer, Lubich & Wanner, *Geometric Numerical Integration* (2006), ch. IX.1, example 1.1."""
    assert square[:7] == [Fraction(value) for value in ("1", "-1", "3/2", "-8/3", "31/6", "-157/15", "649/30")]


def elementary_differentials(derivatives, max_nodes):
    """F(τ) of a scalar function for all trees, order by order, from its derivatives at the point, int64."""
    everything = [np.array([derivatives[0]])]
    below = [(np.array([1]), np.array([0]))]  # product over the children, and how many there are
    for order in range(2, max_nodes + 1):
        products, degrees = [], []
        for size in range(order - 1, 0, -1):
            product, degree = below[order - size - 1]
            if 2 * size >= order:
                products.append(np.outer(everything[size - 1], product).ravel())
                degrees.append(np.tile(degree + 1, count_rooted_trees(size)))
                continue
            for index, value in enumerate(everything[size - 1].tolist()):
                tail = block_start(order - size, size, index)
                products.append(value * product[tail:])
                degrees.append(degree[tail:] + 1)
        below.append((np.concatenate(products), np.concatenate(degrees)))
        everything.append(np.array(derivatives)[below[-1][1]] * below[-1][0])
    return everything


def exact_dot(left, right):
    """Σ left · right in Python's integers; terms with right = 0 are left out."""
    chosen = np.flatnonzero(right)
    parts = np.array_split(chosen, len(chosen) // 2**18 + 1)
    return sum(sum(map(mul, left[part].tolist(), right[part].tolist())) for part in parts)


@pytest.fixture(scope="module")
def differentials_of_the_square():
    """Of y² at 1: 1, 2 and 2 for a node with 0, 1 and 2 children, 0 for more."""
    return elementary_differentials([1, 2, 2, *[0] * 17], 20)


@pytest.mark.parametrize("order", range(1, 9))
def test_elementary_differentials_tree_by_tree(differentials_of_the_square, order):
    def differential(tree):
        product = (1, 2, 2, 0, 0, 0, 0, 0)[len(tree.children)]
        for child in tree.children:
            product *= differential(child)
        return product

    assert differentials_of_the_square[order - 1].tolist() == [differential(tree) for tree in rooted_trees(order)]


@pytest.mark.parametrize("nodes", range(1, 21))
def test_sum_over_all_trees_is_the_modified_equation_of_the_square(table, differentials_of_the_square, square, nodes):
    """F/σ is a power of 2: two equal children are the only symmetry of a tree with at most two children a node."""
    weights, remainder = np.divmod(differentials_of_the_square[nodes - 1], table.symmetry(nodes))
    assert not remainder[differentials_of_the_square[nodes - 1] != 0].any()
    total = Fraction(exact_dot(table.numerator(nodes), weights), table.denominator(nodes))
    assert total == square[nodes - 1]


@pytest.mark.parametrize("nodes", range(1, 21))
def test_sum_over_all_trees_is_the_modified_equation_of_the_exponential(table, exponential, nodes):
    """``y' = e^y`` at 0: F = 1 for every tree, so each of them counts."""
    weights = factorial(nodes - 1) // table.symmetry(nodes)
    total = Fraction(exact_dot(table.numerator(nodes), weights), table.denominator(nodes) * factorial(nodes - 1))
    assert total == exponential[nodes - 1]


def linear_coefficient_by_powers(tree):
    """b(τ) with polynomials as coefficients of powers of s, summed by Faulhaber's formula, in Fractions."""

    def summed(node):
        product = [Fraction(1)]
        for child in node.children:
            factor = summed(child)
            length = len(product) + len(factor) - 1
            product = [
                sum(product[i] * factor[k - i] for i in range(len(product)) if 0 <= k - i < len(factor))
                for k in range(length)
            ]
        result = [Fraction(0)] * (len(product) + 1)
        for power, value in enumerate(product):
            for j in range(power + 1):
                result[power + 1 - j] += value * comb(power + 1, j) * bernoulli(j) / (power + 1)
        return result

    return summed(tree)[1]


@given(st.integers(10, 28).flatmap(lambda n: st.tuples(st.just(n), st.integers(0, count_rooted_trees(n) - 1))))
def test_single_trees_of_large_orders_by_powers_of_s(place):
    nodes, position = place
    tree = tree_at(nodes, position)
    (pair,) = islice(eomsym.stream_trees(nodes, position), 1)
    assert pair == (tree, linear_coefficient_by_powers(tree))


@pytest.mark.parametrize("nodes", range(1, 21))
def test_streamed_blocks_are_the_table(table, nodes):
    position = 0
    for block in eomsym.stream_coefficients(nodes):
        assert block.dtype == np.int64
        np.testing.assert_array_equal(block, table.numerator(nodes)[position : position + len(block)])
        position += len(block)
    assert position == count_rooted_trees(nodes)


def test_blocks_stay_as_they_were(table):
    np.testing.assert_array_equal(np.concatenate(list(eomsym.stream_coefficients(16))), table.numerator(16))


@pytest.mark.parametrize("nodes", range(1, 12))
def test_streamed_trees_are_those_of_the_engine(engine, nodes):
    assert list(eomsym.stream_trees(nodes)) == [(tree, engine[tree]) for tree in rooted_trees(nodes)]


@given(st.integers(1, 15).flatmap(lambda n: st.tuples(st.just(n), st.integers(0, count_rooted_trees(n)))), st.data())
def test_any_window_of_an_order(table, place, data):
    nodes, low = place
    high = data.draw(st.integers(low, count_rooted_trees(nodes)))
    window = np.empty(high - low, dtype=np.int64)
    _fill(_tables(nodes), nodes, low, window)
    np.testing.assert_array_equal(window, table.numerator(nodes)[low:high])


def test_a_tree_looked_up(table, engine):
    tree = parse_tree("[[],[[],[]]]")
    assert table.coefficient(tree) == engine[tree] == table.coefficient(parse_tree("[[[],[]],[]]"))
    assert table.coefficient(LEAF) == 1


def test_arrays_cannot_be_changed(table):
    with pytest.raises(ValueError, match="read-only"):
        table.numerator(5)[0] = 1
    with pytest.raises(ValueError, match="read-only"):
        table.symmetry(5)[0] = 1


def test_repr_says_how_much_there_is():
    assert repr(eomsym.tree_table(5)) == "TreeTable(max_nodes=5: 17 trees)"


@pytest.mark.parametrize("value", [True, 2.0, "3", None, np.float64(4)])
@pytest.mark.parametrize("function", FUNCTIONS)
def test_other_types_are_refused(function, value):
    with pytest.raises(InputError, match="not an integer"):
        function(value)


@pytest.mark.parametrize("value", [0, -1])
@pytest.mark.parametrize("function", FUNCTIONS)
def test_sizes_without_trees_are_refused(function, value):
    with pytest.raises(InputError, match=f"{value}: out of range; give an integer from 1 to "):
        function(value)


def test_a_table_too_large_is_refused_with_the_reason():
    with pytest.raises(
        InputError, match=r"22: out of range, symmetries .*stream_coefficients goes further.*from 1 to 21"
    ):
        eomsym.tree_table(22)


@pytest.mark.parametrize("function", [eomsym.stream_coefficients, eomsym.stream_trees])
def test_a_stream_beyond_the_proven_bound_is_refused_at_once(function):
    with pytest.raises(InputError, match=r"29: out of range, .*int64; give an integer from 1 to 28"):
        function(29)


@pytest.mark.parametrize("function", FUNCTIONS)
def test_absurd_sizes_are_refused_in_one_line(function):
    with pytest.raises(InputError, match=r"1000000000: out of range, .* do not fit into int64") as caught:
        function(10**9)
    assert len(str(caught.value)) < 250


@pytest.mark.parametrize("nodes", [0, 6, -1, True, "2"])
def test_orders_outside_the_table_are_refused(nodes):
    small = eomsym.tree_table(5)
    for read in (small.numerator, small.symmetry, small.denominator):
        with pytest.raises(InputError, match=f"nodes {nodes!r}: "):
            read(nodes)


def test_a_tree_outside_the_table_is_refused():
    with pytest.raises(InputError, match="this table ends at 3"):
        eomsym.tree_table(3).coefficient(parse_tree("[[[[]]]]"))


def test_start_must_be_a_tree():
    with pytest.raises(InputError, match="position 5: there are 4 trees"):
        eomsym.stream_trees(4, 5)


STREAM = """
import resource
import eomsym
count = sum(len(block) for block in eomsym.stream_coefficients({nodes}))
print(count, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
"""


def run_stream(nodes):
    """Number of coefficients and peak memory in kB, in a process of its own."""
    code = STREAM.format(nodes=nodes)
    answer = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    return map(int, answer.stdout.split())


@pytest.mark.skipif(sys.platform != "linux", reason="ru_maxrss has another unit elsewhere")
def test_memory_of_a_stream_does_not_grow_with_the_order():
    """Order 21 stored would be 281 MB; only the lists of small trees grow."""
    _, small = run_stream(4)
    count, large = run_stream(21)
    assert count == count_rooted_trees(21)
    assert large - small < 32_000

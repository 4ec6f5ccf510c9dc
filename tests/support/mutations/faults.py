"""Faults to be planted in eomsym, one at a time: each is one text in one place, and what a plausible slip makes of it.

The place is a function, class or constant by its qualified name, found in whatever file it lies, or a template's file.
``tests`` are those of the room, which have to notice; comparisons of committed kernels byte by byte are left out, as
they notice any change of a template, right or wrong.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Fault:
    """``old`` occurs exactly once in all that is called ``place``, or in that template, and is replaced by ``new``."""

    place: str
    old: str
    new: str
    tests: tuple[str, ...]

    @property
    def name(self) -> str:
        """For tables: the place and what is changed into what, on one line."""
        old, new = (" ".join(text.split()) for text in (self.old, self.new))
        return f"{self.place}: {old} -> {new}"


TREES = ("tests/test_trees.py",)
WEIGHTS = ("tests/step_index/test_weights.py", "tests/step_index/test_evaluation_plan.py")
COUNTERTERMS = ("tests/derivation/test_counterterms.py",)
RULES = ("tests/derivation/test_rules_on_trees.py", "tests/derivation/test_vector_language.py")
REGISTRY = (
    *("tests/optimizers", "tests/derivation/test_rules_on_trees.py", "tests/derivation/test_vector_language.py"),
    *("tests/notation/test_general.py", "tests/test_published_values.py"),
)
TABLES = ("tests/derivation/test_tree_tables.py", "tests/derivation/test_coefficient_bound.py")
SERIES = ("tests/series",)
KERNEL = ("tests/codegen/test_kernel.py", "tests/codegen/test_kernel_accuracy.py")
DECAY = ("tests/codegen/test_kernel_accuracy.py::test_shapes_and_weight_decay",)
NORMALISED = ("tests/codegen/test_normalization_accuracy.py",)
RULE_KERNEL = ("tests/codegen/test_rule_kernels.py",)
EXPRESSION = ("tests/codegen/test_expression_kernel.py",)
DOUBLE_DOUBLE = ("tests/test_double_double.py",)
DOUBLE_DOUBLE_KERNEL = ("tests/codegen/test_double_double_functions.py", "tests/codegen/test_double_double_kernel.py")
DYNAMICS = ("tests/dynamics",)
NOISE = ("tests/dynamics/test_noise.py",)
VERIFICATION = ("tests/verification",)
CERTIFICATES = ("tests/verification/test_certificate.py", "tests/codegen/test_random_networks.py")
NOTATION = ("tests/notation",)
MODELS = ("tests/models",)
SIDES = ("tests/jax/test_sides.py", "tests/torch/test_sides.py")


def _faults(tests: tuple[str, ...], *faults: tuple[str, str, str]) -> list[Fault]:
    return [Fault(*fault, tests) for fault in faults]


FAULTS = [
    *_faults(
        TREES,
        ("Tree.density", "return self.order * prod(child.density", "return prod(child.density"),
        ("count_coloured_trees", "sum(d * trees[d] for d in", "sum(trees[d] for d in"),
        ("rooted_trees", " not rest.children or rest.children[0] <= ", " not rest.children or rest.children[0] < "),
        ("rooted_trees", " size in range(order - 1, 0, -1)\n        for ", " size in range(1, order)\n        for "),
        ("parse_tree", "at position {place}", "at position {place + 1}"),
    ),
    *_faults(
        WEIGHTS,
        ("logarithm", "return _undone(1, power)[1]", "return abs(_undone(1, power)[1])"),  # B_4, … have signs
        ("undone", "range(j + 1 + shift, len(found))", "range(j + 1 + shift, len(found) - 1)"),
        ("sum_to", "return partial(_sum_to, Fraction(step))", "return partial(_sum_to, Fraction(step + 1))"),
        ("value_at", "lambda power: Fraction(step) ** power", "lambda power: Fraction(step) ** (power + 1)"),
        ("undone", "else ratio - share", "else ratio + share"),
        ("undone", "ratio * (j + 1) if shift", "ratio * (j + 2) if shift"),
        ("_lagrange", "rest = whole[power + 1] + place * rest", "rest = whole[power + 1] - place * rest"),
        ("_lagrange", "part * place**power for power", "part * (-place) ** power for power"),
        ("evaluation_plan", "for slot in range(1, k + 1)\n", "for slot in range(1, k)\n"),
        ("evaluation_plan", "if slot == k or slot > forward", "if slot == k"),
        ("EvaluationPlan.summation", "self.tables.summation(k)[m - 1]", "self.tables.summation(k)[m - 2]"),
        ("EvaluationPlan.summation", "(self.forward + 1, len(self.steps))", "(self.forward + 1, len(self.steps) - 1)"),
        ("EvaluationPlan.extrapolation", ".tables.extension(k)[slot - 1] for ", ".tables.extension(k)[slot - 2] for "),
        ("EvaluationPlan.extrapolation", "if every else self.forward + 1", "if every else self.forward"),
        ("_triangle", "Fraction(0), *row] if k and row else list(row", "*row, Fraction(0)] if k and row else list(row"),
    ),
    *_faults(
        (*WEIGHTS, *RULES),
        ("Tables._dropped", "return self.anchored and level > 0", "return self.anchored"),
        ("Tables.known", "(level, 1) if self.anchored else level + 1", "(level, 1) if self.anchored else level + 2"),
        ("Tables._stored", "return self.nodes[: level + 1]", "return self.nodes[: level + 1][::-1]"),
        ("Tables.summation", "map(sum_to, self.nodes)", "map(value_at, self.nodes)"),
        ("Tables.resolvent", "(resolvent(share, node) for", "(resolvent(-share, node) for"),
    ),
    *_faults(
        RULES,
        ("integer_nodes", "(nodes[1:], anchored=True) if is_anchored(rule)", "(nodes[1:], anchored=True) if True"),
        ("is_anchored", "return all(power == 0 for operand", "return any(power == 0 for operand"),
        ("Solution._componentwise", "(-1, self._products(below, known", "(1, self._products(below, known"),
        ("Solution._componentwise", "known, range(1, level + 1), level))]", "known, range(1, level), level))]"),
        ("Solution._componentwise", "[(HALF, rest)]", "[(1, rest)]"),
        ("Solution._componentwise", "(known, known, range(1, level), ", "(known, known, range(1, level + 1), "),
        ("Solution._componentwise", "(*factors, range(level + 1), ", "(*factors, range(level), "),
        ("Solution._level", "following[index].without(number), level)", "following[index], level)"),
        ("Solution._linear", "if power <= level\n", "if power < level\n"),
        ("Solution.advance", "self._linear(rule.moved(index), level + 1)", "self._linear(rule.moved(index), level)"),
        ("TreeAlgebra.row", "exact(values[0] * Fraction(1, tree.symmetry))", "exact(values[0])"),
        ("_products", "if k + m <= level:", "if k + m < level:"),
        ("_products", "room = level - min(product)", "room = level - max(product)"),
        ("TreeAlgebra._composed", "known = self.tables.known(level)", "known = self.tables.known(level) - 1"),
    ),
    *_faults(
        ("tests/test_powers_of_eta.py",),
        ("is_anchored", "if any(power != 1 for _, power", "if any(power < 1 for _, power"),
        ("UpdateRule.homogeneous", "degrees[part] == degree + power for", "degrees[part] <= degree + power for"),
    ),
    *_faults(
        ("tests/optimizers/test_rule.py",),
        ("_check", "and not -1 < share < 1", "and not -1 <= share < 1"),
        ("Vector.__truediv__", "{(p - q, 0): 1}", "{(p + q, 0): 1}"),
    ),
    *_faults(
        ("tests/optimizers", "tests/series", "tests/step_index"),
        ("two_sided", "unit * (-1) ** (i + 1) * ((i + 1) // 2)", "unit * ((i + 1) // 2)"),
    ),
    *_faults(
        (
            "tests/models/test_network.py",
            "tests/derivation/test_polynomial_ring.py",
            "tests/verification/test_certificate.py",
        ),
        ("program_counterterms", "scale = ring.number(Fraction(-1, steps))", "scale = ring.number(Fraction(-1))"),
        ("Field.of_loss", "values[..., half:] *= second", "values[..., half:] *= first"),
        ("_Numbers.transform", "(matrix @ repeated[:rows])", "(matrix @ repeated[-rows:])"),
    ),
    *_faults(
        ("tests/jax", "tests/torch"),
        ("array_counterterms", "-value[0] if steps == 1 else", "value[0] if steps == 1 else"),
        ("GradientSeries.__call__", "value[:rows] if len(value) > 1", "value[-rows:] if len(value) > 1"),
        ("GradientSeries._extended", ".further(level, len(self._tables", ".further(1, len(self._tables"),
    ),
    *_faults(
        COUNTERTERMS,
        ("_motion", "exact(value * scale)", "exact(-value * scale)"),
        ("Equation.__post_init__", "[rooted_trees(n) if", "[rooted_trees(n)[::-1] if"),
    ),
    *_faults(
        ("tests/derivation", "tests/notation/test_general.py"),
        ("_motion", "Fraction(-1, posed.entry.steps(**posed.values))", "Fraction(-1)"),
    ),
    *_faults(
        ("tests/notation/test_general.py",),
        ("_FIELDS", '((0, -1), "−∇_y L, zero elsewhere"', '((0, -1), "∇_y L, zero elsewhere"'),
    ),
    *_faults(
        ("tests/derivation/test_modified_loss.py",),
        ("split_gradient", "free_symmetry = tree.symmetry * rootings[tree]", "free_symmetry = tree.symmetry"),
        ("split_gradient", "row.get(rooting, 0) * rooting.symmetry", "row.get(rooting, 0)"),
    ),
    *_faults(
        ("tests/derivation/test_linear_law.py",),
        ("decay_law", "Fraction(coefficient) * x**n * strength", "Fraction(coefficient) * x**n"),
        ("decay_law", "(tuple(orders), rates, -multiplier.ln()", "(tuple(orders), rates, multiplier.ln()"),
        ("difference_equation", "row[place[other]] -= factors", "row[place[other]] += factors"),
        ("series_radius", "discriminant(), polynomial.coeff_monomial(1), polynomial", "coeff_monomial(1), polynomial"),
    ),
    *_faults(
        TABLES,
        ("_weights_of_child", " - 1] = target[j] + weights[r, j] * products[rest, ", " - 1] = target[j] + weights[r, "),
        ("_values", "np.cumsum(products[-1][:, :-1]", "np.cumsum(products[-1][:, 1:]"),
        ("_symmetries", "lead[: end - tail] += again[tail:end]", "lead[: end - tail] += 0 * again[tail:end]"),
        ("fill", "last = min(rests, first + end - begin)", "last = rests"),
    ),
    *_faults(
        REGISTRY,
        ("_step_heavy_ball", "return theta - eta * velocity, ", "return theta + eta * velocity, "),
        ("_step_heavy_ball", "velocity = beta * velocity + slope", "velocity = beta * velocity + (1 - beta) * slope"),
        (
            "_step_nesterov",
            "velocity)\n    return theta - eta * velocity",
            "velocity)\n    return theta - eta * beta * velocity",
        ),
        ("_step_nesterov", "gradient(theta - eta * beta * velocity)", "gradient(theta + eta * beta * velocity)"),
        ("_step_optimistic", "else 2 * slope - last", "else 2 * slope + last"),
        ("CLASSICAL", '["1/6", "1/3", "1/3", "1/6"]', '["1/3", "1/6", "1/6", "1/3"]'),
        ("EXPLICIT_MIDPOINT", "[[0, 0], [_HALF, 0]]", "[[0, 0], [1, 0]]"),
        ("_step_mean", "theta + total / factorial(count)", "theta + total / count"),
        ("steps", "return int(batches)", "return 1"),
        ("_step_alternating", "eta, (0, 1)),)", "eta, (1, 0)),)"),
    ),
    *_faults(
        (*REGISTRY, "tests/verification/test_every_optimizer.py"),
        ("divided", " value / sqrt(square + epsilon) if inside", " value / (sqrt(square) + epsilon) if inside"),
        ("decoupled_decay", "return moved - eta * (decay * state[0])", "return moved + eta * (decay * state[0])"),
    ),
    *_faults(
        ("tests/jax/test_optax_rules.py",),
        ("_Reader._counted", "return Count(ahead + more)", "return Count(ahead)"),
        ("_Reader._memory", "and not self.signs.get(following)", "and False"),
        ("_is_linear", "return not any(scales) or (operation.name", "return True or (operation.name"),
    ),
    *_faults(
        (*SERIES, *KERNEL),
        ("_table", 'Integral("d", "w", "normal_density", -1)', 'Integral("d", "w", "normal_density")'),
        ("_table", '", linear=("p",), products=(Product("p", "p", -1', '", linear=("p",), products=(Product("p", "p"'),
        ("_table", 't", linear=("p",), products=(Product("z", "s")', 't", linear=("p",), products=(Product("z", "p")'),
        ("_table", "weight=Fraction(-2)", "weight=Fraction(2)"),
    ),
    *_faults(
        (*SERIES, "tests/models/test_network.py", "tests/derivation/test_polynomial_ring.py"),
        ("_next", "ring.number(Fraction(sign, k)) * total", "ring.number(Fraction(sign, k + 1)) * total"),
        ("_next", "return a + b if sign == 1 else a - b", "return a + b"),
        ("_next", "-r[0] * sum((a[i] * r[k - i] for i in range(2, ", "r[0] * sum((a[i] * r[k - i] for i in range(2, "),
        ("_next", "i] * b[k - i] for i in range(1, k + 1)), a[0] * b", "i] * b[k - i] for i in range(1, k)), a[0] * b"),
        ("_next", "sum((i * z[i] * v[k - i] for i in range(1, k))", "sum((z[i] * v[k - i] for i in range(1, k))"),
    ),
    *_faults(
        (*SERIES, "tests/models/test_network.py"),
        ("_formulas", "2 * exp(-z * z) / sqrt(pi())", "exp(-z * z) / sqrt(pi())"),
        ("_formulas", ".erfc(-z / sqrt(number(Fraction(2)))) / 2", ".erfc(z / sqrt(number(Fraction(2)))) / 2"),
    ),
    *_faults(
        (*SERIES, *EXPRESSION, "tests/derivation/test_polynomial_ring.py"),
        ("ProgramBuilder.gradient", "(seen, self.multiply(index, index)), -1", "(seen, self.multiply(index, index))"),
        ("ProgramBuilder.gradient", "2)))\n                case Multiply(", "1)))\n                case Multiply("),
        ("ProgramBuilder.gradient", ", self.multiply(seen, factor), sign", ", self.multiply(seen, factor)"),
    ),
    *_faults(
        ("tests/jax/test_lookahead.py", "tests/torch"),
        ("lookahead_weights", "map(Fraction, range(order + 1))", "map(Fraction, range(1, order + 2))"),
        ("lookahead", "float(weight / stride)", "float(weight)"),
    ),
    *_faults(
        KERNEL,
        ("_coefficient", "{relation.sign / k!r}", "{relation.sign / (k + 1)!r}"),
        ("_product_terms", 'factor = "2.0 * " if', 'factor = "" if'),
        ("_product_terms", 'sign, square = "" if product.sign > 0 else "-", ', 'sign, square = "", '),
        ("templates/mlp/kernel.py.jinja", "weight_of_sample[count:] = 0.0", "weight_of_sample[count:] = share"),
        ("templates/mlp/kernel.py.jinja", " = delta + ITEM * (k - i) * fan_out", " = delta + ITEM * i * fan_out"),
        (
            "templates/mlp/kernel.py.jinja",
            "rows[{{ slots[activation.derivative] * (spec.order ",
            "rows[{{ slots[activation.value] * (spec.order ",
        ),
        ("templates/mlp/kernel.py.jinja", " = SLAB[layer] + (TERMS - 1 - k) * fan_out", " = SLAB[layer] + k * fan_out"),
        (
            "templates/mlp/kernel.py.jinja",
            "slot):\n                    _combine(steps",
            "1, slot):\n                    _combine(steps",
        ),
        ("templates/mlp/losses/cross_entropy.jinja", "-= weight_of_sample[sample]", "-= 1.0"),
        ("templates/mlp/losses/cross_entropy.jinja", "[sample]) + (highest[sample] - score)", "[sample]) - score"),
        ("templates/mlp/losses/cross_entropy.jinja", "rows[k, unit, i] -= mean[i]", "rows[k, unit, i] -= REAL(0)"),
        ("templates/mlp/descent.jinja", "series[k, p] -= gradient[k - 1, p]", "series[k, p] += gradient[k - 1, p]"),
        ("templates/mlp/descent.jinja", "SUMMATION[slot - FORWARD - 1, k - 1]", "SUMMATION[slot - FORWARD - 1, k]"),
        ("templates/mlp/descent.jinja", "target[p] += weight * steps[i, k, p]", "target[p] -= weight * steps[i, k, p]"),
        ("templates/mlp/elementary.jinja", "e = power * p + (power - 1.0)", "e = power * p + power"),
        ("templates/mlp/elementary.jinja", "return power + power * p", "return power * p"),
    ),
    *_faults(
        DECAY,
        ("templates/mlp/kernel.py.jinja", ", k, p] += WEIGHT_DECAY * curve[k,", ", k, p] += WEIGHT_DECAY * series[0,"),
        ("templates/mlp/kernel.py.jinja", "0.5 * WEIGHT_DECAY * series[0, p] * ", "WEIGHT_DECAY * series[0, p] * "),
    ),
    *_faults(
        RULE_KERNEL,
        ("templates/mlp/gradient_levels.jinja", "-1.0 if field == 1 else 0.0", "1.0 if field == 1 else 0.0"),
        ("templates/common/rule.jinja", "np.where(held, 1.0, 2.0 * root[0])", "np.where(held, 1.0, root[0])"),
        ("templates/common/rule.jinja", "if spec.steps != 1", "if spec.steps != spec.steps"),
        ("templates/common/rule.jinja", "state_0[0] = theta", "state_0[0] = 0 * theta"),
        ("templates/common/rule.jinja", "return levels[k] if k >= 0", "return levels[k] if k > 0"),
        ("_Printer._value", "for i in range(1, k + 1))", "for i in range(k))"),
        ("_Printer._sum", 'sign = "-" if weight < 0 else "+"', 'sign = "+"'),
    ),
    *_faults(
        NORMALISED,
        ("templates/mlp/normalization.jinja", "-= series[m, start + i * fan_out ", "+= series[m, start + i * fan_out "),
        ("templates/mlp/normalization.jinja", "k, unit, sample] -= mean[k, ", "k, unit, sample] -= 0.0 * mean[k, "),
    ),
    *_faults(
        DOUBLE_DOUBLE_KERNEL,
        ("templates/double_double/kernel.py.jinja", "WEIGHT_DECAY, 0.0, curve[k]", "WEIGHT_DECAY, 1e-18, curve[k]"),
        (
            "templates/double_double/kernel.py.jinja",
            "_over(1.0, 0.0, float(samples), 0.0)",
            "1.0 / float(samples), 0.0",
        ),
    ),
    *_faults(
        DOUBLE_DOUBLE,
        ("_two_sum", "return total, (a - (total - part)) + (b - part)", "return total, b - part"),
        ("_times", "error + (a * b_low + a_low * b)", "error + a * b_low"),
        ("_over", "(a_low - quotient * b_low)", "(a_low + quotient * b_low)"),
        ("DoubleDouble._compared", "np.where(same, low(self.low, right.low", "np.where(same, high(self.low, self.low"),
    ),
    *_faults(
        (*DYNAMICS, "tests/verification/test_convergence.py"),
        ("predict_discretization_error", "*(terms[rows[1:]] - products)", "*(terms[rows[1:]] + products)"),
        ("ErrorPrediction.error", "eta ** self.exponents[index] * np", "eta ** (self.exponents[index] - 1) * np"),
        ("_derivative", "return (after - before) / (2 * width)", "return (after - before) / width"),
    ),
    *_faults(
        DYNAMICS,
        ("extrapolation_weights", "Fraction(1, j * j)", "Fraction(1, j)"),
        ("_Method._midpoints", "before + (2.0 * step) * self._evaluated", "before + step * self._evaluated"),
        ("integrate", "np.abs(fine - coarse) / (CONVERGENCE - 1)", "np.abs(fine - coarse) / (CONVERGENCE - 1) ** 3"),
        ("_edge", "values[np.abs(values).argmax()]", "values[values.argmax()]"),
    ),
    *_faults(
        NOISE,
        ("MomentStep.mean", "self._bent / 2", "self._bent"),
        ("MomentStep.mean", "mean -= run.spare", "mean += run.spare"),
        ("NoisyRun.spare", "return 1 / ((self.loader.samples - 1)", "return 1 / (self.loader.samples"),
        ("Loader.share", "/ (self.samples - 1) / size", "/ self.samples / size"),
        ("_mixed", "(columns.shape[1], MIXED)) / np.sqrt(MIXED)", "(columns.shape[1], MIXED))"),
        ("MomentStep.fresh", "run.gaussian * self._independent()", "run.gaussian**2 * self._independent()"),
    ),
    *_faults(
        ("tests/derivation/test_noise_generator.py",),
        ("_moment", "Fraction((-1) ** n)", "Fraction(1)"),
        ("_moment", "weight /= factorial(sizes.count(size))", "weight /= sizes.count(size)"),
        ("_level", "Fraction((-1) ** (len(parts) + 1), len(parts))", "Fraction((-1) ** (len(parts) + 1))"),
        ("_applied", "range(before, count + 1)", "range(before + 1, count + 1)"),
    ),
    *_faults(
        ("tests/derivation/test_state_noise.py",),
        ("_mean", "Fraction(1, power if along else 1)", "Fraction(1)"),
        ("_second", "after - HALF * push", "after + HALF * push"),
        ("_second", "- HALF * flow[0]", "+ HALF * flow[0]"),
        ("_second", "first[a] * later[b] + later[a] * first[b]", "2 * first[a] * later[b]"),
        ("_covariance", "if one.gradient", "if one.gradient == 1"),
        ("MeanAlgebra.antidifference", "self._averaged(values)", "values"),
    ),
    *_faults(
        VERIFICATION,
        ("_at_zero", " * large - of_large * small) / (large - small)", " + of_large) / 2"),
        ("SLOPE_TOLERANCE", "SLOPE_TOLERANCE = 0.1", "SLOPE_TOLERANCE = 1.1"),
        ("RATIO_TOLERANCE", "RATIO_TOLERANCE = 0.02", "RATIO_TOLERANCE = 0.5"),
        ("OrderRecord._is_cut_short", "not self.at_floor[-1] or ", ""),
        ("OrderRecord._is_cut_short", "return comes_near and ", "return "),
        ("OrderRecord.at_floor", "error < FLOOR_MARGIN * floor", "error < floor"),
    ),
    *_faults(
        ("tests/verification/test_scale.py", "tests/cli/test_layers.py"),
        ("Weights.law", "2 / 3 * decay**3 * square", "1 / 3 * decay**3 * square"),
        ("Weights.path", "(1 - eta * self.weight_decay) ** 2 *", "(1 - eta * self.weight_decay) *"),
    ),
    *_faults(
        ("tests/verification/test_translation.py", "tests/cli/test_layers.py"),
        ("_rate", "return -math.log(ratio) / time", "return -math.log(ratio) / (2 * time)"),
    ),
    *_faults(
        ("tests/verification/test_discretization.py",),
        ("_largest", "accuracy / size) ** (1 / (order + 1)) if ", "accuracy / size) ** (1 / (order + 2)) if "),
        ("recommend_order", "(eta ** (n + 2) * np.linalg.norm(row))", "(eta ** (n + 1) * np.linalg.norm(row))"),
    ),
    *_faults(
        NOTATION,
        ("LatexWriter.derivative", r"\nabla^{{{count}}}", r"\nabla^{{{count + 1}}}"),
        ("Writer.signed_sum", 'f" {self.minus} " if text', '" + " if text'),
        ("Writer.primes", '"\'" * count if count < 5', '"\'" * (count + 1) if count < 5'),
    ),
    *_faults(
        MODELS,
        ("MLP.initial", "/ math.sqrt(rows)", "/ rows"),
        ("_check_layers", "width, 1, MAX_WIDTH)", "width, 0, MAX_WIDTH)"),
    ),
    *_faults(
        CERTIFICATES,
        ("logarithm", " _undone(1, power)[1]", " _undone(1, power)[1] * (1 + Fraction(power == 2, 10**6))"),
        ("weights", ")) for row, scale ", ") * (1 + Fraction(row is rows[len(rows) // 2][0], 10**9))) for row, scale "),
    ),
    *_faults(
        ("tests/verification/test_gradient_check.py",),
        ("templates/mlp/kernel.py.jinja", "weights, TERMS * fan_out, PLAIN), ", "weights, TERMS * fan_out, FLIPPED), "),
    ),
    *_faults(
        ("tests/optimizers/test_library_rules.py", *REGISTRY),
        ("_coupled", "gradient(point, field) + decay * point", "gradient(point, field) - decay * point"),
        ("_upwards", "-gradient(point, field)", "gradient(point, field)"),
        ("adam_direction", "(1 - beta2) * what**2", "(1 - beta1) * what**2"),
    ),
    *_faults(
        (*COUNTERTERMS, "tests/test_published_values.py"),
        ("_motion", "exact(value * scale)", "exact(value * scale * (1 + Fraction(1, 10**9)))"),
    ),
    *_faults(
        SIDES,
        ("check_one_side", "enumerate(states[1:-1], 1)", "enumerate(states[2:-1], 2)"),
        ("_is_kept", "if after in after_kink", "if before in after_kink"),
        ("update_sides", "(part.inputs)) > 1 and", "(part.inputs)) > 2 and"),
        ("Watch.sides", "_marker(number) in everything:", "_marker(number):"),
        ("_direction", "jnp.asarray(np.random.default_rng(place)", "jnp.asarray(np.random.default_rng(0)"),
    ),
]

"""Faults to be planted in eomsym, one at a time: each is one place in one file, and what a plausible slip makes of it.

``tests`` are those of the room, which have to notice; comparisons of committed kernels byte by byte are left out, as
they notice any change of a template, right or wrong.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Fault:
    """``old`` occurs exactly once in ``file`` and is replaced by ``new``."""

    file: str
    old: str
    new: str
    tests: tuple[str, ...]

    @property
    def name(self) -> str:
        """For tables: the file and what is changed into what, on one line."""
        old, new = (" ".join(text.split()) for text in (self.old, self.new))
        return f"{self.file}: {old} -> {new}"


TREES = ("tests/test_trees.py",)
WEIGHTS = ("tests/step_index/test_weights.py", "tests/step_index/test_schedule.py")
COUNTERTERMS = ("tests/derivation/test_counterterms.py",)
RULES = ("tests/derivation/test_rules_on_trees.py", "tests/derivation/test_vector_language.py")
LAW = ("tests/derivation/test_linear_law.py",)
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
NOTATION = ("tests/notation",)
MODELS = ("tests/models",)


def _faults(file: str, tests: tuple[str, ...], *pairs: tuple[str, str]) -> list[Fault]:
    return [Fault(file, old, new, tests) for old, new in pairs]


FAULTS = [
    *_faults(
        "eomsym/trees.py",
        TREES,
        ("return self.order * prod(child.density", "return prod(child.density"),
        ("sum(d * trees[d] for d in", "sum(trees[d] for d in"),
        ("if not rest.children or rest.children[0] <= child", "if not rest.children or rest.children[0] < child"),
        ("for size in range(order - 1, 0, -1)\n        for child", "for size in range(1, order)\n        for child"),
        ("at position {place}", "at position {place + 1}"),
    ),
    *_faults(
        "eomsym/step_index/weights.py",
        WEIGHTS,
        ("return _antidifference(power)[1]", "return abs(_antidifference(power)[1])"),  # B_1, B_4, … have signs
        (
            "comb(i, j) * found[i] for i in range(j + 2, power + 2)",
            "comb(i, j) * found[i] for i in range(j + 2, power + 1)",
        ),
        ("return partial(_sum_to, Fraction(step))", "return partial(_sum_to, Fraction(step + 1))"),
        ("lambda power: Fraction(step) ** power", "lambda power: Fraction(step) ** (power + 1)"),
        ("else 1 / (1 - share)", "else 1 / (1 + share)"),
        (
            "found[i] * comb(i, j) for i in range(j + 1, power + 1)",
            "found[i] * comb(i, j) for i in range(j + 1, power)",
        ),
        ("rest = whole[power + 1] + place * rest", "rest = whole[power + 1] - place * rest"),
        ("part * place**power for power", "part * (-place) ** power for power"),
    ),
    *_faults(
        "eomsym/step_index/tables.py",
        (*WEIGHTS, *RULES),
        ("return self.anchored and level > 0", "return self.anchored"),
        (
            "return max(level, 1) if self.anchored else level + 1",
            "return max(level, 1) if self.anchored else level + 2",
        ),
        ("return self.nodes[: level + 1]", "return self.nodes[: level + 1][::-1]"),
        ("return self._matrix(level, sum_to)", "return self._matrix(level, value_at)"),
        ("return resolvent(self.share, step)", "return resolvent(-self.share, step)"),
    ),
    *_faults(
        "eomsym/step_index/nodes.py",
        RULES,
        (
            "return Tables(nodes[1:], anchored=True) if is_anchored(rule)",
            "return Tables(nodes[1:], anchored=True) if True",
        ),
        ("return all(power == 0 for operand", "return any(power == 0 for operand"),
    ),
    *_faults(
        "eomsym/step_index/nodes.py",
        ("tests/test_powers_of_eta.py",),
        ("if any(power != 1 for _, power", "if any(power < 1 for _, power"),
    ),
    *_faults(
        "eomsym/optimizers/_rule.py",
        ("tests/test_powers_of_eta.py",),
        ("degrees[part] == degree + power for", "degrees[part] <= degree + power for"),
    ),
    *_faults(
        "eomsym/optimizers/_tracing.py",
        ("tests/optimizers/test_rule.py",),
        ("and not -1 < share < 1", "and not -1 <= share < 1"),
        ("{(p - q, 0): 1}", "{(p + q, 0): 1}"),
    ),
    *_faults(
        "eomsym/step_index/nodes.py",
        ("tests/optimizers", "tests/series", "tests/step_index", "tests/verification/test_equilibrium.py"),
        ("unit * (-1) ** (i + 1) * ((i + 1) // 2)", "unit * ((i + 1) // 2)"),
    ),
    *_faults(
        "eomsym/step_index/schedule.py",
        WEIGHTS,
        ("for slot in range(1, k + 1)\n", "for slot in range(1, k)\n"),
        ("if slot == k or slot > forward", "if slot == k"),
        ("self.tables.summation(k)[m - 1]", "self.tables.summation(k)[m - 2]"),
        ("self.tables.extension(k)[slot - 1] for k", "self.tables.extension(k)[slot - 2] for k"),
        ("[Fraction(0), *row] if k and row else list(row)", "[*row, Fraction(0)] if k and row else list(row)"),
        ("if every else self.forward + 1", "if every else self.forward"),
        ("range(self.forward + 1, len(self.steps))", "range(self.forward + 1, len(self.steps) - 1)"),
    ),
    *_faults(
        "eomsym/step_index/solver.py",
        RULES,
        ("(-1, self._convolution(denominator, known,", "(1, self._convolution(denominator, known,"),
        ("known, range(1, level + 1), level))]", "known, range(1, level), level))]"),
        ("half = Fraction(1, 2)", "half = Fraction(1, 1)"),
        (
            "self._convolution(known, known, range(1, level), level)",
            "self._convolution(known, known, range(1, level + 1), level)",
        ),
        (
            "self._convolution(left, right, range(level + 1), level)",
            "self._convolution(left, right, range(level), level)",
        ),
        ("following[index].without(number), level)", "following[index], level)"),
        ("if power <= level\n", "if power < level\n"),
        ("self._linear(rule.moved(index), level + 1)", "self._linear(rule.moved(index), level)"),
    ),
    *_faults(
        "eomsym/step_index/ring_algebra.py",
        (
            "tests/models/test_network.py",
            "tests/derivation/test_polynomial_ring.py",
            "tests/verification/test_certificate.py",
        ),
        ("scale = ring.number(Fraction(-1, steps))", "scale = ring.number(Fraction(-1))"),
        ("return [first] * half + [second] * (len(self._point) - half)", "return [first] * len(self._point)"),
        ("self._sum(weights, values[: len(weights)])", "self._sum(weights, values[len(values) - len(weights) :])"),
    ),
    *_faults(
        "eomsym/step_index/array_algebra.py",
        ("tests/jax", "tests/torch"),
        ("-value[0] if steps == 1 else", "value[0] if steps == 1 else"),
        ("[:rows] if level else", "[-rows:] if level else"),
        ("self._layout.extension(level, len(self.tables.nodes))", "self._layout.extension(1, len(self.tables.nodes))"),
    ),
    *_faults(
        "eomsym/derivation/counterterms.py",
        COUNTERTERMS,
        ("exact(-field.get(tree, 0))", "exact(field.get(tree, 0))"),
        ("order, exact(-field.get(LEAF, 0)), terms", "order, exact(field.get(LEAF, 0)), terms"),
        ("in rooted_trees(index + 2)", "in rooted_trees(index + 2)[::-1]"),
    ),
    *_faults(
        "eomsym/derivation/counterterms.py",
        ("tests/derivation", "tests/notation/test_general.py"),
        ("Fraction(-1, entry.steps(**values))", "Fraction(-1)"),
    ),
    *_faults(
        "eomsym/optimizers/_base.py",
        ("tests/notation/test_general.py",),
        ('return "−∇_y L, zero elsewhere" if self.index', 'return "−∇_y L, zero elsewhere" if not self.index'),
    ),
    *_faults(
        "eomsym/derivation/tree_algebra.py",
        RULES,
        ("values[0] * Fraction(1, tree.symmetry)", "values[0]"),
        ("if k + m <= level:", "if k + m < level:"),
        ("room = level - min(product)", "room = level - max(product)"),
        ("known = self.tables.known(level)", "known = self.tables.known(level) - 1"),
    ),
    *_faults(
        "eomsym/derivation/modified_loss.py",
        ("tests/derivation/test_modified_loss.py",),
        ("free_symmetry = tree.symmetry * rootings[tree]", "free_symmetry = tree.symmetry"),
        ("row.get(rooting, 0) * rooting.symmetry", "row.get(rooting, 0)"),
    ),
    *_faults(
        "eomsym/derivation/linear_law.py",
        ("tests/derivation/test_linear_law.py",),
        ("Fraction(coefficient) * x**n * strength", "Fraction(coefficient) * x**n"),
        ("DecayLaw(tuple(orders), rates, -multiplier.ln()", "DecayLaw(tuple(orders), rates, multiplier.ln()"),
        ("matrix[number, other] -= factor", "matrix[number, other] += factor"),
        (
            "polynomial.discriminant(), polynomial.coeff_monomial(1), polynomial.LC()",
            "polynomial.coeff_monomial(1), polynomial.LC()",
        ),
    ),
    *_faults(
        "eomsym/derivation/tree_kernels.py",
        TABLES,
        ("target[j - 1] = target[j] + weights[r, j] * products[rest, j]", "target[j - 1] = target[j] + weights[r, j]"),
        ("sums[tree, j - 1] + products[tree, j - 1]", "sums[tree, j - 1] + products[tree, j]"),
        (
            "lead = leads[source] + 1 if rest < tail + again else 1",
            "lead = leads[source] + 1 if rest <= tail + again else 1",
        ),
        ("last = min(rests, first + end - begin)", "last = rests"),
    ),
    *_faults(
        "eomsym/optimizers/heavy_ball.py",
        REGISTRY,
        ("return theta - eta * velocity, velocity", "return theta + eta * velocity, velocity"),
        ("velocity = beta * velocity + gradient(theta)", "velocity = beta * velocity + (1 - beta) * gradient(theta)"),
    ),
    *_faults(
        "eomsym/optimizers/nesterov.py",
        REGISTRY,
        ("return theta - eta * velocity, velocity", "return theta - eta * beta * velocity, velocity"),
        ("gradient(theta - eta * beta * velocity)", "gradient(theta + eta * beta * velocity)"),
    ),
    *_faults(
        "eomsym/optimizers/adaptive.py",
        (*REGISTRY, "tests/verification/test_every_optimizer.py"),
        ("return value / sqrt(square + epsilon) if inside", "return value / (sqrt(square) + epsilon) if inside"),
    ),
    *_faults(
        "eomsym/optimizers/_base.py",
        ("tests/test_definitions.py",),
        ("type(written) is int and written == self.definition", "written is None or written >= 1"),
    ),
    *_faults(
        "eomsym/jax/optax_reader.py",
        ("tests/jax/test_optax_rules.py",),
        ("return Count(ahead + more)", "return Count(ahead)"),
        ("and not self.signs.get(following)", "and False"),
        ("return not any(scales) or (operation.name", "return True or (operation.name"),
    ),
    *_faults(
        "eomsym/optimizers/variants.py",
        (*REGISTRY, "tests/verification/test_every_optimizer.py"),
        ("return moved - eta * (decay * state[0])", "return moved + eta * (decay * state[0])"),
    ),
    *_faults(
        "eomsym/optimizers/runge_kutta.py",
        REGISTRY,
        ('["1/6", "1/3", "1/3", "1/6"]', '["1/3", "1/6", "1/6", "1/3"]'),
        ("[[0, 0], [_HALF, 0]]", "[[0, 0], [1, 0]]"),
    ),
    *_faults("eomsym/optimizers/optimistic.py", REGISTRY, ("eta * (2 * slope - last)", "eta * (2 * slope + last)")),
    *_faults(
        "eomsym/optimizers/batches.py",
        REGISTRY,
        ("theta + total / factorial(count)", "theta + total / count"),
        ("return int(batches)\n\n\nIN_ORDER", "return 1\n\n\nIN_ORDER"),
    ),
    *_faults(
        "eomsym/optimizers/two_players.py",
        REGISTRY,
        ("eta, (0, 1)),)", "eta, (1, 0)),)"),
    ),
    *_faults(
        "eomsym/series/elementary.py",
        (*SERIES, *KERNEL),
        ('Integral("d", "w", "normal_density", -1)', 'Integral("d", "w", "normal_density")'),
        (
            'logistic = Combination("s", linear=("p",), products=(Product("p", "p", -1),))',
            'logistic = Combination("s", linear=("p",), products=(Product("p", "p"),))',
        ),
        (
            'Combination("t", linear=("p",), products=(Product("z", "s"),))',
            'Combination("t", linear=("p",), products=(Product("z", "p"),))',
        ),
        ("weight=Fraction(-2)", "weight=Fraction(2)"),
    ),
    *_faults(
        "eomsym/series/rings.py",
        (*SERIES, "tests/models/test_network.py", "tests/derivation/test_polynomial_ring.py"),
        ("ring.number(Fraction(sign, k)) * total", "ring.number(Fraction(sign, k + 1)) * total"),
        ("return a + b if sign == 1 else a - b", "return a + b"),
        (
            "return -r[0] * sum((a[i] * r[k - i] for i in range(2, k + 1))",
            "return r[0] * sum((a[i] * r[k - i] for i in range(2, k + 1))",
        ),
        (
            "sum((a[i] * b[k - i] for i in range(1, k + 1)), a[0] * b[k])",
            "sum((a[i] * b[k - i] for i in range(1, k)), a[0] * b[k])",
        ),
        ("sum((i * z[i] * v[k - i] for i in range(1, k))", "sum((z[i] * v[k - i] for i in range(1, k))"),
    ),
    *_faults(
        "eomsym/series/number_rings.py",
        (*SERIES, "tests/models/test_network.py"),
        ("2 * exp(-z * z) / sqrt(pi())", "exp(-z * z) / sqrt(pi())"),
        ("functions.erfc(-z / sqrt(number(Fraction(2)))) / 2", "functions.erfc(z / sqrt(number(Fraction(2)))) / 2"),
    ),
    *_faults(
        "eomsym/series/program.py",
        (*SERIES, *EXPRESSION, "tests/derivation/test_polynomial_ring.py"),
        (
            "add(of, self.multiply(seen, self.multiply(index, index)), -1)",
            "add(of, self.multiply(seen, self.multiply(index, index)))",
        ),
        (
            "Fraction(2)))\n                case Multiply(left, right):\n                    add(left",
            "Fraction(1)))\n                case Multiply(left, right):\n                    add(left",
        ),
        ("add(argument, self.multiply(seen, factor), sign)", "add(argument, self.multiply(seen, factor))"),
    ),
    *_faults(
        "eomsym/step_index/lookahead.py",
        ("tests/jax/test_lookahead.py", "tests/torch"),
        ("map(Fraction, range(order + 1))", "map(Fraction, range(1, order + 2))"),
        ("weight / stride for weight in", "weight for weight in"),
    ),
    *_faults(
        "eomsym/codegen/sample_loops.py",
        KERNEL,
        ("{literal(relation.sign / k)}", "{literal(relation.sign / (k + 1))}"),
        ('else f"{literal(float(multiple))} * "', 'else ""'),
        ('sign = "" if product.sign > 0 else "-"\n            for', 'sign = ""\n            for'),
    ),
    *_faults(
        "templates/mlp/kernel.py.jinja",
        DECAY,
        ("steps[slot, k, p] += WEIGHT_DECAY * curve[k, p]", "steps[slot, k, p] += WEIGHT_DECAY * series[0, p]"),
        (
            "loss += 0.5 * WEIGHT_DECAY * series[0, p] * series[0, p]",
            "loss += WEIGHT_DECAY * series[0, p] * series[0, p]",
        ),
    ),
    *_faults(
        "templates/mlp/kernel.py.jinja",
        KERNEL,
        ("weight_of_sample[count:] = 0.0", "weight_of_sample[count:] = share"),
        ("back = delta + ITEM * (k - i) * fan_out", "back = delta + ITEM * i * fan_out"),
        (
            "back[0, i] *= rows[{{ slots[slope] * (spec.order + 1) }}, i]",
            "back[0, i] *= rows[{{ slots[value] * (spec.order + 1) }}, i]",
        ),
        ("place = SLAB[layer] + (TERMS - 1 - k) * fan_out", "place = SLAB[layer] + k * fan_out"),
        (
            "for k in range(slot):\n                    _combine(steps",
            "for k in range(1, slot):\n                    _combine(steps",
        ),
    ),
    *_faults(
        "templates/mlp/losses/cross_entropy.jinja",
        KERNEL,
        ("-= weight_of_sample[sample]", "-= 1.0"),
        ("math.log1p(rest[sample]) + (highest[sample] - score)", "math.log1p(rest[sample]) - score"),
        ("rows[k, unit, i] -= mean[i]", "rows[k, unit, i] -= REAL(0)"),
    ),
    *_faults(
        "templates/mlp/descent.jinja",
        KERNEL,
        ("series[k, p] -= gradient[k - 1, p]", "series[k, p] += gradient[k - 1, p]"),
        ("SUMMATION[slot - FORWARD - 1, k - 1]", "SUMMATION[slot - FORWARD - 1, k]"),
        ("target[p] += weight * steps[i, k, p]", "target[p] -= weight * steps[i, k, p]"),
    ),
    *_faults(
        "templates/mlp/gradient_levels.jinja",
        RULE_KERNEL,
        ("-1.0 if field == 1 else 0.0", "1.0 if field == 1 else 0.0"),
    ),
    *_faults(
        "templates/common/rule.jinja",
        RULE_KERNEL,
        ("np.where(held, 1.0, 2.0 * root[0])", "np.where(held, 1.0, root[0])"),
        ("if steps != 1", "if steps != steps"),
        ("state_0[0] = theta", "state_0[0] = 0 * theta"),
        ("return levels[k] if k >= 0", "return levels[k] if k > 0"),
    ),
    *_faults(
        "eomsym/codegen/rule_program.py",
        RULE_KERNEL,
        ('for i in range(1, {level} + 1))"\n        return', 'for i in range({level}))"\n        return'),
        ('sign = "-" if number < 0 else "+"', 'sign = "+"'),
    ),
    *_faults(
        "templates/mlp/normalization.jinja",
        NORMALISED,
        (
            "across[k, unit] -= series[m, start + i * fan_out + unit] * along[k - m, unit]",
            "across[k, unit] += series[m, start + i * fan_out + unit] * along[k - m, unit]",
        ),
        ("delta[k, unit, sample] -= mean[k, sample]", "delta[k, unit, sample] -= 0.0 * mean[k, sample]"),
    ),
    *_faults(
        "templates/mlp/elementary.jinja",
        KERNEL,
        ("e = power * p + (power - 1.0)", "e = power * p + power"),
        ("return power + power * p", "return power * p"),
    ),
    *_faults(
        "templates/double_double/kernel.py.jinja",
        DOUBLE_DOUBLE_KERNEL,
        (
            "_times(WEIGHT_DECAY, 0.0, series[k, 0, p], series[k, 1, p])",
            "_times(WEIGHT_DECAY, 0.0, series[k, 0, p], 0.0)",
        ),
        ("share, share_low = _over(1.0, 0.0, float(samples), 0.0)", "share, share_low = 1.0 / float(samples), 0.0"),
    ),
    *_faults(
        "eomsym/double_double.py",
        DOUBLE_DOUBLE,
        ("return total, (a - (total - part)) + (b - part)", "return total, b - part"),
        ("error + (a * b_low + a_low * b)", "error + a * b_low"),
        ("(a_low - quotient * b_low)", "(a_low + quotient * b_low)"),
        ("return np.where(same, low(self.low, right.low)", "return np.where(same, high(self.low, self.low)"),
    ),
    *_faults(
        "eomsym/dynamics/error_prediction.py",
        (*DYNAMICS, "tests/verification/test_convergence.py"),
        ("*(terms[rows[1:]] - products)", "*(terms[rows[1:]] + products)"),
        ("eta ** self.exponents[index] * np", "eta ** (self.exponents[index] - 1) * np"),
        ("return (after - before) / (2 * width)", "return (after - before) / width"),
    ),
    *_faults(
        "eomsym/dynamics/extrapolation.py",
        DYNAMICS,
        ("Fraction(1, j * j)", "Fraction(1, j)"),
        ("before + (2.0 * step) * self._evaluated", "before + step * self._evaluated"),
    ),
    *_faults(
        "eomsym/dynamics/integration.py",
        DYNAMICS,
        ("np.abs(fine - coarse) / (CONVERGENCE - 1)", "np.abs(fine - coarse) / (CONVERGENCE - 1) ** 3"),
    ),
    *_faults(
        "eomsym/dynamics/noise_equations.py",
        NOISE,
        ("- eta / 2 * (turned @", "- eta * (turned @"),
        ("mean - eta * slope - eta / 2 *", "mean - eta * slope - eta *"),
        ("(self.samples - self.size) / (self.samples - 1)", "(self.samples - self.size) / self.samples"),
        ("outside * (np.linalg.norm(probes, axis=0) / kept)", "outside"),
        ("diagonal + outside)", "outside)"),
    ),
    *_faults(
        "eomsym/derivation/noise_generator.py",
        ("tests/derivation/test_noise_generator.py",),
        ("Fraction((-1) ** n)", "Fraction(1)"),
        ("weight /= factorial(sizes.count(size))", "weight /= sizes.count(size)"),
        ("Fraction((-1) ** (len(parts) + 1), len(parts))", "Fraction((-1) ** (len(parts) + 1))"),
        ("range(before, count + 1)", "range(before + 1, count + 1)"),
    ),
    *_faults(
        "eomsym/dynamics/spectrum.py",
        DYNAMICS,
        ("values[np.abs(values).argmax()]", "values[values.argmax()]"),
    ),
    *_faults(
        "eomsym/verification/study.py",
        VERIFICATION,
        ("(of_small * large - of_large * small) / (large - small)", "(of_small + of_large) / 2"),
        ("SLOPE_TOLERANCE = 0.1", "SLOPE_TOLERANCE = 1.1"),
        ("RATIO_TOLERANCE = 0.02", "RATIO_TOLERANCE = 0.5"),
        ("error < FLOOR_MARGIN * floor", "error < floor"),
    ),
    *_faults(
        "eomsym/verification/scale.py",
        ("tests/verification/test_scale.py", "tests/cli/test_layers.py"),
        ("2 / 3 * weight_decay**3 * square", "1 / 3 * weight_decay**3 * square"),
        ("(1 - eta * weight_decay) ** 2 * recursion[-1]", "(1 - eta * weight_decay) * recursion[-1]"),
    ),
    *_faults(
        "eomsym/verification/translation.py",
        ("tests/verification/test_translation.py", "tests/cli/test_layers.py"),
        ("return -math.log(ratio) / time", "return -math.log(ratio) / (2 * time)"),
    ),
    *_faults(
        "eomsym/verification/equilibrium.py",
        ("tests/verification/test_equilibrium.py",),
        ("(2 * weight_decay - eta * weight_decay**2)", "(2 * weight_decay)"),
        ("strength, exact, norm, norms, math.acos(1 - x)", "strength, exact, norm, norms, math.asin(x)"),
    ),
    *_faults(
        "eomsym/verification/discretization.py",
        ("tests/verification/test_discretization.py",),
        ("(accuracy / size) ** (1 / (order + 1)) if size", "(accuracy / size) ** (1 / (order + 2)) if size"),
        ("float(eta ** (n + 2) * np.linalg.norm(row))", "float(eta ** (n + 1) * np.linalg.norm(row))"),
    ),
    *_faults(
        "eomsym/notation/latex.py",
        NOTATION,
        (r"\nabla^{{{count}}}g", r"\nabla^{{{count + 1}}}g"),
    ),
    *_faults("eomsym/notation/sums.py", NOTATION, ('f" {style.minus} " if text', '" + " if text')),
    *_faults("eomsym/notation/text.py", NOTATION, ('"\'" * count if count < 5', '"\'" * (count + 1) if count < 5')),
    *_faults(
        "eomsym/models/mlp.py",
        MODELS,
        ("/ math.sqrt(rows)", "/ rows"),
        ("width, 1, MAX_WIDTH)", "width, 0, MAX_WIDTH)"),
    ),
]

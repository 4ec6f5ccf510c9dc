"""Values of elementary functions at order 0, the one thing about them that is not arithmetic."""

from __future__ import annotations

from collections.abc import Mapping

#: Seeds as Python expressions of the argument, stable for arguments of any size; ``_tanh`` and ``_exp`` vectorise.
SEEDS: Mapping[str, str] = {
    "tanh": "_tanh({z})",
    "sigmoid": "0.5 * (1.0 + _tanh(0.5 * {z}))",
    "softplus": "max({z}, 0.0) + math.log1p(_exp(-abs({z})))",
    "normal_distribution": "0.5 * math.erfc(-0.7071067811865476 * {z})",
    "normal_density": "0.3989422804014327 * _exp(-0.5 * {z} * {z})",
    "sin": "math.sin({z})",
    "cos": "math.cos({z})",
    "exp": "_exp({z})",
    "tan": "math.tan({z})",
    "sinh": "math.sinh({z})",
    "cosh": "math.cosh({z})",
    "log": "math.log({z})",
    "sqrt": "math.sqrt({z})",
    "atan": "math.atan({z})",
    "erf": "math.erf({z})",
    "erf_slope": "1.1283791670955126 * _exp(-{z} * {z})",
    "reciprocal": "1.0 / {z}",
}

#: The same for a single number at a time.
SCALAR_SEEDS: Mapping[str, str] = {
    **{name: text.replace("_exp(", "math.exp(").replace("_tanh(", "math.tanh(") for name, text in SEEDS.items()},
    "sigmoid": "_logistic({z})",
    "power": "{z} ** {exponent}",
}

r"""Numbers from LaTeX, by a reading of its own: what is printed is evaluated where every vector is one number.

Juxtaposition is a product, ``H[u]`` and ``\nabla^{m}g[u, v]`` are numbers times what they act on.  Where g is a
function ``g\left(x\right)`` is a call, and g alone its value at θ.
"""

import re
from math import sqrt

_SKIP = r"\s+|\\,|\\quad|\\cdot|\\left|\\right|\\bigl|\\bigr|&|\\\\|\{\}"
_NAME = r"\\nabla\^\{\d+\}g(?:_\{\d+\})?|\\mathrm\{[\w-]+\}|(?:\\[a-zA-Z]+|[a-zA-Z])(?:_\{\w+\})?'*"
_TOKEN = re.compile(rf"(?P<skip>{_SKIP})|(?P<word>\\t?frac|\\sqrt)|(?P<name>{_NAME})|(?P<number>\d+)|(?P<sign>.)")


def evaluate(latex, values):
    """The value of a formula; ``values`` maps names to numbers or functions.  What is not known is an error."""
    tokens = [match for match in _TOKEN.finditer(latex) if match.lastgroup != "skip"]
    reader = _Reader([(match.lastgroup, match[0]) for match in tokens], values)
    found = reader.sum()
    assert reader.peek() == ("end", ""), f"{latex}: {reader.peek()}"
    return found


class _Reader:
    def __init__(self, tokens, values):
        self.tokens, self.values, self.place = [*tokens, ("end", "")], values, 0

    def peek(self):
        return self.tokens[self.place]

    def next(self, expected=None):
        kind, text = self.peek()
        assert expected is None or text == expected, f"{text!r} where {expected!r} belongs"
        self.place += 1
        return kind, text

    def sum(self):
        total, sign = 0, 1
        if self.peek()[1] in ("+", "-"):
            sign = -1 if self.next()[1] == "-" else 1
        while True:
            total += sign * self.product()
            if self.peek()[1] not in ("+", "-"):
                return total
            sign = -1 if self.next()[1] == "-" else 1

    def product(self):
        found = self.factor()
        while self.peek()[0] in ("word", "name", "number") or self.peek()[1] in ("(", "["):
            found *= self.factor()
        return found

    def factor(self):
        base = self.atom()
        if self.peek()[1] != "^":
            return base
        self.next()
        return base ** self.group("{", "}")

    def atom(self):
        kind, text = self.next()
        if kind == "number":
            return int(text)
        if text.endswith("frac"):
            numerator = self.group("{", "}")
            return numerator / self.group("{", "}")
        if text == r"\sqrt":
            return sqrt(self.group("{", "}"))
        if text in ("(", "["):
            self.place -= 1
            return self.group(text, {"(": ")", "[": "]"}[text])
        value = self.values[text]
        if not callable(value):
            return value
        return value(self.group("(", ")") if self.peek()[1] == "(" else self.values[r"\theta"])

    def group(self, begin, end):
        self.next(begin)
        found = self.sum()
        while self.peek()[1] == ",":
            self.next()
            found *= self.sum()
        self.next(end)
        return found

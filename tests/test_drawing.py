"""What figures share, and that nothing global is touched."""

import subprocess
import sys

import numpy as np

from eomsym.drawing import line_style, short


def test_lines_look_different_for_long():
    assert len({line_style(index) for index in range(70)}) == 70


def test_numbers_are_short():
    assert [short(number) for number in (1.23456, 123456.0, np.nan, np.inf)] == ["1.235", "1.2e+05", "none", "none"]


def test_pyplot_is_not_loaded():
    modules = "eomsym.derivation.figures, eomsym.verification.figures, eomsym.sweeps.figures"
    program = f"import sys, {modules}; print('matplotlib.pyplot' in sys.modules)"
    answer = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert answer.stdout.strip() == "False"

"""Published results made again, one module each; ``make reproductions`` runs them all.

A module has ``measure(progress)``, whose numbers go to ``docs/reproductions/NAME.json``, and ``draw(numbers)``, the
picture of these numbers.  ``NAME.md.jinja`` beside it is the page, which takes every number from there.
"""

"""Faults that are planted in the package, to see the tests notice them; ``make mutations`` runs them all."""

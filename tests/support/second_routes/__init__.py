"""Routes to the counter terms that share no weight and no solver with the package."""

def draw(problem, folder): pass

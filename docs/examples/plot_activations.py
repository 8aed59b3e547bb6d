"""
The spectrum by activation
==========================

Kinked activations keep every eigenvalue large; smooth ones lose the small ones where the data span
few dimensions.
"""

import fastgram as fg

rows = fg.datasets.sphere(400, 5, seed=0)
answers = {
    name: fg.extreme_eigenvalues(fg.GramOperator(rows, name)) for name in ("relu", "elu", "tanh")
}
for name, answer in answers.items():
    print(name, answer.smallest)

"""How much overlap an eigenvalue at x could have had with the start block, by a run's T."""

import matplotlib.pyplot as plt
import numpy as np

from fastgram.linalg.lanczos_bound import overlap_quantile, start_block_overlap


class Run:
    """A block Lanczos run on a diagonal matrix, fully orthogonalised, as a few lines of NumPy."""

    def __init__(self, eigenvalues, block, passes):
        rng = np.random.default_rng(0)
        Q = [np.linalg.qr(rng.standard_normal((len(eigenvalues), block)))[0]]
        self.block, self.earlier, self.diagonals, self.couplings = block, [], [], []
        for _ in range(passes):
            W = eigenvalues[:, None] * Q[-1]
            self.diagonals.append(Q[-1].T @ W)
            basis = np.hstack(Q)
            for _ in range(2):
                W = W - basis @ (basis.T @ W)
            following, coupling = np.linalg.qr(W)
            Q.append(following)
            self.couplings.append(coupling)
        T = basis.T @ (eigenvalues[:, None] * basis)
        self.ritz = float(np.linalg.eigvalsh(T)[0])


eigenvalues = np.linspace(0.1, 1.0, 2000) ** 2
figure, axes = plt.subplots(figsize=(8, 3.8), layout="constrained")
quantile = overlap_quantile(0.0005, 4, len(eigenvalues))
for index, passes in enumerate((15, 25, 40)):
    run = Run(eigenvalues, 4, passes)
    points = run.ritz - np.geomspace(1e-5, 0.2, 300)
    overlap = start_block_overlap(run, points)
    colour = f"C{index}"
    axes.plot(points, overlap, color=colour, label=f"{passes} passes")
    axes.axvline(run.ritz, color=colour, linestyle=":", linewidth=1)
    edge = points[overlap >= quantile].min()
    axes.fill_betweenx([quantile / 30, quantile], edge, run.ritz, color=colour, alpha=0.25)
axes.axvline(eigenvalues[0], color="black", linewidth=1)
axes.text(eigenvalues[0], 1.3, "λ_min", ha="center")
axes.axhline(quantile, color="gray", linestyle="--")
axes.text(-0.045, quantile * 1.3, "what the start block has, but for a chance of 0.0005")
axes.set(yscale="log", xlim=(-0.05, 0.02), ylim=(quantile / 30, 1), xlabel="x")
axes.set_ylabel("g(x)")
axes.legend(loc="upper left")

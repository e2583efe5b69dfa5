"""
A network that keeps learning gets over a change of the data
============================================================

Digits arrive in chunks of 50, and halfway the scanner is turned on its side. A network
that was trained once fails from then on. One that continues with `partial_fit` fails at
first, and has learnt the new images a dozen chunks later.
"""

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_digits

from skbackprop import BackpropClassifier

# %%
# The data, in a random order, twice over; the second time turned by a quarter.

images, digits = load_digits(return_X_y=True)
order = np.random.RandomState(0).permutation(len(images))
upright = images[order] / 16
turned = np.rot90(upright.reshape(-1, 8, 8), axes=(1, 2)).reshape(-1, 64)
X, y = np.vstack([upright, turned]), np.tile(digits[order], 2)
chunks = [slice(start, start + 50) for start in range(0, len(X), 50)]
change = len(upright) / 50

# %%
# Each chunk is predicted first and learnt afterwards, in a few passes: a score on rows that
# were never seen, at every moment. One network stops to learn after a third of the stream.


def scores(n_learnt):
    net = BackpropClassifier((32,), learning_rate=0.01, random_state=0)
    net.partial_fit(X[chunks[0]], y[chunks[0]], classes=np.arange(10))
    found = []
    for i, rows in enumerate(chunks[1:], start=1):
        found.append(net.score(X[rows], y[rows]))
        for _ in range(5 if i < n_learnt else 0):
            net.partial_fit(X[rows], y[rows])
    return np.array(found)


learns_along, stops = scores(len(chunks)), scores(len(chunks) // 3)

# %%
# The comparison.

first = int(change)
for name, found in (("keeps learning", learns_along), ("stops learning", stops)):
    before, after = found[first - 6 : first - 1], found[first : first + 3]
    print(
        f"{name:14s}  before the change {before.mean():.2f}, after it {after.mean():.2f}, "
        f"at the end {found[-10:].mean():.2f}"
    )

# %%
# The picture: means of five chunks.

fig, ax = plt.subplots(layout="constrained")
window = np.ones(5) / 5
for found, style in (
    (learns_along, {"color": "#0072B2", "label": "keeps learning"}),
    (stops, {"color": "#D55E00", "linestyle": "--", "label": "stops learning"}),
):
    smooth = np.convolve(found, window, mode="valid")
    ax.plot(np.arange(len(smooth)) + 5, smooth, **style)
ax.axvline(change, color="black", linewidth=0.8)
ax.text(change - 0.5, 0.05, "scanner turned", ha="right")
ax.set(xlabel="chunk of 50 images", ylabel="accuracy before learning", ylim=(0, 1))
ax.legend(loc="lower left")
plt.show()

# %%
# You do not have to detect the change. All you choose is how much the past still
# counts, by the learning rate.

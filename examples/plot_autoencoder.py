"""
Two numbers from an autoencoder say more of a digit than two principal components
=================================================================================

An autoencoder is a network that learns to reproduce its own input through a layer of
few units, which must hold whatever matters. With two units there, every image becomes a
point of a plane. Principal components do the same with straight lines only.
"""

import matplotlib.pyplot as plt
from sklearn.datasets import load_digits
from sklearn.decomposition import PCA
from sklearn.model_selection import train_test_split
from sklearn.neighbors import KNeighborsClassifier

from skbackprop import BackpropRegressor, HiddenLayerTransformer

# %%
# The data: 1,797 handwritten digits of 8 x 8 pixels, each pixel from 0 to 1. The classes
# serve for the comparison alone; neither method sees them.

X, y = load_digits(return_X_y=True)
X_train, X_test, y_train, y_test = train_test_split(X / 16, y, stratify=y, random_state=0)

# %%
# The network narrows from 64 pixels to two units and widens again. The two units are
# linear, so that the plane has no edges. ``target="X"`` makes it an autoencoder, and
# ``layer=2`` is the narrow layer.

network = BackpropRegressor(
    (100, 30, 2, 30, 100),
    ("relu", "relu", "identity", "relu", "relu"),
    learning_rate=0.003,
    batch_size=64,
    max_iter=500,
    tol=1e-3,
    random_state=0,
)
methods = {
    "principal components": PCA(2),
    "autoencoder": HiddenLayerTransformer(network, layer=2, target="X"),
}

# %%
# The comparison: how often the ten nearest training images in the plane tell the digit,
# in images that were never seen.

planes, shares = {}, {}
for name, method in methods.items():
    nearest = KNeighborsClassifier(10).fit(method.fit_transform(X_train), y_train)
    planes[name] = method.transform(X_test)
    shares[name] = nearest.score(planes[name], y_test)
    print(f"{name}: {shares[name]:.0%} of {len(y_test)} test images")

# %%
# The picture: the test images in both planes, and below them what the network makes of
# the two numbers of an image.

fig = plt.figure(figsize=(8, 6.4), layout="constrained")
top, bottom = fig.subfigures(2, 1, height_ratios=[3, 1.4])
for ax, (name, plane) in zip(top.subplots(1, 2), planes.items(), strict=True):
    for digit in range(10):
        rows = y_test == digit
        ax.scatter(*plane[rows].T, s=0)  # sets the limits, which text does not
        for point in plane[rows]:
            ax.text(*point, digit, color=f"C{digit}", ha="center", va="center", size=7)
    ax.set(title=f"{name}: {shares[name]:.0%} right", xticks=[], yticks=[])

autoencoder = methods["autoencoder"].estimator_
rebuilt = autoencoder.predict(X_test)
for row, images in zip(bottom.subplots(2, 10), (X_test, rebuilt), strict=True):
    for digit, ax in enumerate(row):
        image = images[(y_test == digit).argmax()].reshape(8, 8)
        ax.imshow(image, cmap="gray_r", vmin=0, vmax=1)
        ax.set(xticks=[], yticks=[])
    row[0].set_ylabel("original" if images is X_test else "rebuilt", size=8)
plt.show()

# %%
# The digits lie in groups that a curved surface can separate and a flat one cannot. The
# transformer goes into a pipeline like every other: ``make_pipeline(StandardScaler(),
# HiddenLayerTransformer(network, layer=2, target="X"), KNeighborsClassifier())``.

"""
Some starts never learn XOR, and no network without hidden units does
=====================================================================

The XOR network of PyImageSearch's "Backpropagation from scratch with Python" (2021) has
sigmoids in every layer and sees one row per step. Its seed is not published, so the run
is repeated from ten starts: most of them arrive where the article did, some stay in a
local minimum, which more epochs do not leave.
"""

import warnings

import matplotlib.pyplot as plt
import numpy as np
from sklearn.exceptions import ConvergenceWarning

from skbackprop import BackpropRegressor
from skbackprop.activations import Sigmoid
from skbackprop.losses import SquaredError

# "not converged" is what this example is about
warnings.simplefilter("ignore", ConvergenceWarning)

X = np.array([[0, 0], [0, 1], [1, 0], [1, 1]])
y = np.array([0, 1, 1, 0])

# %%
# The article draws weights from N(0, 1) / sqrt(fan-in), its bias among the inputs. Any
# function that fills an array is an initializer.


def article_start(layer, kind, weights_shape, rng, out):
    out[...] = rng.standard_normal(out.shape) / np.sqrt(weights_shape[0] + 1)


def network(hidden_layer_sizes, seed, n_epochs, **params):
    return BackpropRegressor(
        hidden_layer_sizes,
        "sigmoid",
        loss=SquaredError(link=Sigmoid()),
        initializer=article_start,
        solver="sgd",
        learning_rate=0.5,
        momentum=0,
        alpha=0,
        batch_size=1,
        shuffle=False,
        max_iter=n_epochs,
        tol=0,
        n_iter_no_change=np.inf,
        random_state=seed,
        **params,
    ).fit(X, y)


def article_loss(loss):
    """Half the sum of the squares over the whole set, where ours is the mean."""
    return len(X) * np.asarray(loss)


def in_words(net):
    return f"loss {article_loss(net.loss_):.7f}, outputs {net.predict(X).round(4)}"


# %%
# The article's run, 20,000 epochs, and beside it what the article printed.

whole_run = network((2,), seed=0, n_epochs=20_000)
print("published  loss 0.0002452, outputs [0.0054 0.9894 0.9876 0.014 ]")
print(f"seed 0     {in_words(whole_run)}")

# %%
# The same without a hidden layer: a line cannot separate XOR.

line = network((), seed=0, n_epochs=2_000)
print("published  outputs [0.5161 0.5    0.4839 0.4678]")
print(f"no hidden  outputs {line.predict(X).round(4)}")

# %%
# Ten starts. Training stops as soon as the loss is a fiftieth of the first one.

nets = [
    network((2,), seed, n_epochs=5_000, target_loss=0.01 / len(X)) for seed in range(10)
]
learnt = [np.abs(net.predict(X) - y).max() < 0.15 for net in nets]
for seed, (net, is_learnt) in enumerate(zip(nets, learnt, strict=True)):
    word = "learnt" if is_learnt else "stuck "
    print(f"seed {seed}: {word} after {net.n_iter_:5d} epochs, {in_words(net)}")
print(f"{sum(learnt)} of {len(nets)} starts learn XOR")

# %%
# The picture.

fig, ax = plt.subplots(layout="constrained")
for net, is_learnt in zip(nets, learnt, strict=True):
    style = {"color": "#0072B2"} if is_learnt else {"color": "#D55E00", "linestyle": "--"}
    label = "arrives" if is_learnt else "stays in a local minimum"
    label = label if label not in ax.get_legend_handles_labels()[1] else None
    epochs = range(1, net.n_iter_ + 1)
    ax.loglog(epochs, article_loss(net.loss_curve_), label=label, **style)
ax.set(xlabel="epoch", ylabel="half the sum of squared errors")
ax.legend()
plt.show()

# %%
# Gradient descent finds a minimum, not the minimum: train from several starts.

"""
Half a softmax derivative learns, the whole one learns better
=============================================================

James McCaffrey's "Neural Network Back-Propagation using Python" (2017) trains a 4-5-3
network on iris and reports 112 of 120 training and 29 of 30 test flowers. Its softmax
derivative keeps only the diagonal of the Jacobian: how an output depends on its own net
input, not how it depends on those of the other units. Here the published numbers are
reproduced, by a loss object of a few lines, beside those of the true gradient.
"""

import random

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_iris

from skbackprop import BackpropClassifier, check_gradient
from skbackprop.activations import Softmax
from skbackprop.initializers import GivenWeights
from skbackprop.losses import SquaredError

# %%
# The data: of each class the first 40 flowers train and the last 10 test, unscaled, in
# single precision.

X, y = load_iris(return_X_y=True)
X = X.astype(np.float32)
of_class = np.arange(150) % 50
X_train, y_train = X[of_class < 40], y[of_class < 40]
X_test, y_test = X[of_class >= 40], y[of_class >= 40]

# %%
# The article's gradient as a loss of your own. Value and link are those of the library,
# the delta is the article's: error times ``o (1 - o)``, the diagonal of the Jacobian.


class DiagonalSoftmaxError(SquaredError):
    """Squared error of softmax outputs, with the diagonal of the softmax Jacobian."""

    def __init__(self):
        super().__init__(link=Softmax())

    def value_and_delta(self, target, z, delta, sample_weight=None):
        value = super().value_and_delta(target, z, delta, sample_weight)
        output = np.empty_like(z)
        self.predict(z, out=output)
        delta[...] = (output - target) * (1 - output) * output / len(z)
        return value


# %%
# One random stream draws the weights and then, epoch after epoch, the order of the rows.


def drawn_weights(stream):
    def uniform(*shape):
        low, high = -0.01, 0.01
        draws = [(high - low) * stream.random() + low for _ in range(np.prod(shape))]
        return np.array(draws, dtype=np.float32).reshape(shape)

    hidden, hidden_bias, output, output_bias = (
        uniform(4, 5),
        uniform(5),
        uniform(5, 3),
        uniform(3),
    )
    return GivenWeights([hidden, output], [hidden_bias, output_bias])


def trained(loss, seed=3, n_epochs=50):
    """Return a network after training, and its mean squared error after each epoch."""
    stream = random.Random(seed)
    clf = BackpropClassifier(
        (5,),
        "tanh",
        loss=loss,
        solver="sgd",
        learning_rate=0.05,
        momentum=0,
        alpha=0,
        batch_size=1,
        shuffle=False,
        initializer=drawn_weights(stream),
    )
    order, errors = list(range(120)), []
    for _ in range(n_epochs):
        stream.shuffle(order)
        clf.partial_fit(X_train[order], y_train[order], classes=[0, 1, 2])
        squares = (np.eye(3)[y_train] - clf.predict_proba(X_train)) ** 2
        errors.append(squares.sum() / 120)
    return clf, errors


diagonal, diagonal_errors = trained(DiagonalSoftmaxError())
whole, whole_errors = trained(SquaredError(link=Softmax()))

# %%
# The comparison. The first line is what the article printed.

accuracies = {}
for name, clf, errors in (
    ("diagonal", diagonal, diagonal_errors),
    ("whole", whole, whole_errors),
):
    accuracies[name] = clf.score(X_train, y_train), clf.score(X_test, y_test)
    every_tenth = " ".join(f"{error:.4f}" for error in errors[9::10])
    print(f"{name:8s}  mean squared error after 10, 20, ... epochs: {every_tenth}")
    print("{:8s}  accuracy: training {:.4f}, test {:.4f}".format("", *accuracies[name]))

# %%
# Nothing in these curves says that the first gradient is wrong. The gradient check does.

print(check_gradient(diagonal, X_train[:10], y_train[:10]))
print(check_gradient(whole, X_train[:10], y_train[:10]))

# %%
# The picture.

fig, ax = plt.subplots(layout="constrained")
epochs = np.arange(1, 51)
ax.plot(epochs, diagonal_errors, "--", color="#D55E00", label="diagonal of the Jacobian")
ax.plot(epochs, whole_errors, color="#0072B2", label="whole Jacobian")
ax.set(xlabel="epoch", ylabel="mean squared error of the training rows", ylim=(0, None))
ax.legend()
plt.show()

# %%
# A gradient that is half wrong can train a network, so a falling loss proves nothing; the
# true one ends with 118 of 120 and all of the 30 test flowers.

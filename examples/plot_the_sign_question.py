"""
Add or subtract: both descend, and only a mixture climbs
========================================================

Is the error of an output ``target - output`` or ``output - target``, and is the weight
update then added or subtracted? Take either answer whole and the weights are the same to
the last bit. Take the error from one and the update from the other, and each step goes
uphill.
"""

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_iris

from skbackprop import BackpropClassifier, check_gradient, trace_step
from skbackprop.activations import Sigmoid
from skbackprop.losses import SquaredError

X, y = load_iris(return_X_y=True)
X = (X - X.mean(axis=0)) / X.std(axis=0)

# %%
# The two halves of the question, with numbers. The squared error of target (0, 1, 0)
# and output (0.20, 0.70, 0.10) is the same both ways round; the errors have opposite
# signs, so one is subtracted and the other added.

target, output = np.array([0.0, 1.0, 0.0]), np.array([0.20, 0.70, 0.10])
for words, error in (
    ("output - target", output - target),
    ("target - output", target - output),
):
    print(f"{words}: errors {error.round(2)}, squared error {np.sum(error**2):.2f}")

# %%
# Both conventions, trained from the same start.


def trained(loss, error_convention="output_minus_target", n_epochs=60):
    clf = BackpropClassifier(
        (5,),
        "tanh",
        loss=loss,
        error_convention=error_convention,
        solver="sgd",
        learning_rate=0.3,
        momentum=0,
        alpha=0,
        random_state=0,
    )
    for _ in range(n_epochs):
        clf.partial_fit(X, y, classes=[0, 1, 2])
    return clf


loss = SquaredError(link=Sigmoid())
subtracting = trained(loss, "output_minus_target")
adding = trained(loss, "target_minus_output")

same = all(map(np.array_equal, subtracting.coefs_, adding.coefs_))
print("the weights are the same bit for bit:", same)

# %%
# A traced step says what differs: the sign of whatever is passed back, and the verb.

for clf in (subtracting, adding):
    trace = trace_step(clf, X[:1], y[:1])
    table = str(trace).splitlines()
    print(clf.error_convention)
    print("  errors", trace.layers[-1].error.round(4)[0])
    print(next(line for line in table if "from w[0, 0]" in line or "to w[0, 0]" in line))

# %%
# The mixture: a loss that returns the derivative the wrong way round, so that the error is
# ``target - output`` and the update is subtracted all the same.


class NegatedDelta(SquaredError):
    """Squared error with the delta of the other convention."""

    def value_and_delta(self, target, z, delta, sample_weight=None):
        value = super().value_and_delta(target, z, delta, sample_weight)
        np.negative(delta, out=delta)
        return value


mixed = trained(NegatedDelta(link=Sigmoid()))
print(check_gradient(mixed, X[:10], y[:10]).verdict)

# %%
# The picture.

fig, ax = plt.subplots(layout="constrained")
epochs = np.arange(1, 61)
ax.plot(epochs, mixed.loss_curve_, "-.", color="#D55E00", label="the halves mixed")
ax.plot(epochs, subtracting.loss_curve_, color="#0072B2", label="o - t, subtract")
ax.plot(epochs, adding.loss_curve_, ":", color="black", linewidth=3, label="t - o, add")
ax.set(xlabel="epoch", ylabel="half squared error", ylim=(0, None))
ax.legend()
plt.show()

# %%
# The question has two right answers. The mistake is to mix them.

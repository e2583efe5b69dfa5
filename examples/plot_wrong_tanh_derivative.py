"""
A wrong derivative of tanh still trains, and the gradient check finds it
========================================================================

The derivative of ``a = tanh(z)`` is ``1 - tanh(z)^2``, which is ``1 - a^2``. A layer
keeps ``a``, so ``1 - tanh(a)^2`` is an easy mistake: a public repository of 2018 makes
it. The network learns nevertheless, only more slowly, so no accuracy gives it away.
"""

import warnings

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import make_moons
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import train_test_split

from skbackprop import BackpropClassifier, LossCurveDisplay, check_gradient
from skbackprop.activations import Tanh

# %%
# The mistake, as an activation of your own: only `backward` differs.


class TanhOfTanh(Tanh):
    """tanh with the derivative of a net input, taken of the activation."""

    def backward(self, a, delta):
        delta *= 1 - np.tanh(a) ** 2


# %%
# The data, and two networks that differ in nothing else.

X, y = make_moons(400, noise=0.2, random_state=0)
X_train, X_test, y_train, y_test = train_test_split(X, y, random_state=0)

nets = {}
for name, activation in (("1 - a^2", Tanh()), ("1 - tanh(a)^2", TanhOfTanh())):
    net = BackpropClassifier(
        (10, 10), activation, solver="sgd", learning_rate=0.1, max_iter=200, random_state=0
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        nets[name] = net.fit(X_train, y_train)
    print(f"{name:13s}  test accuracy {net.score(X_test, y_test):.2f}")

# %%
# The comparison: both look fine until the gradient is compared with differences of the
# objective. The check names layer and mistake.

checks = {
    name: check_gradient(net, X_train[:20], y_train[:20]) for name, net in nets.items()
}
for name, check in checks.items():
    print(f"\n{name}\n{check}")

# %%
# The picture: the two slopes, and the loss of the two networks.

z = np.linspace(-3, 3, 200)
fig, (left, right) = plt.subplots(1, 2, figsize=(10, 4.5), layout="constrained")
left.plot(z, 1 - np.tanh(z) ** 2, color="#0072B2", label="right: 1 - tanh(z)^2")
left.plot(
    z, 1 - np.tanh(np.tanh(z)) ** 2, "--", color="#D55E00", label="wrong: 1 - tanh(a)^2"
)
left.set(xlabel="net input z", ylabel="slope", ylim=(0, 1.3))
left.legend()
for name, net in nets.items():
    LossCurveDisplay.from_estimator(net, ax=right, name=name)
plt.show()

# %%
# The wrong slope has the right sign everywhere and is never below 0.42, so the loss falls
# all the same. Check the gradient of every rule you write.

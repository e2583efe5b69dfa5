"""
The worked example of a tutorial comes out digit by digit, in both conventions
==============================================================================

"How to Code a Neural Network with Backpropagation In Python (from scratch)" (Machine
Learning Mastery, 2016 and 2021) trains a 2-2-2 network on ten rows and prints everything.
Its first edition took target minus output and added the update, its current one takes
output minus target and subtracts. Both give the printed numbers, and `trace_step` shows
how they come about.
"""

import random
from itertools import pairwise

import matplotlib.pyplot as plt
import numpy as np

from skbackprop import BackpropClassifier, BackpropRegressor, NetworkDisplay, trace_step
from skbackprop.activations import Sigmoid
from skbackprop.initializers import GivenWeights
from skbackprop.losses import SquaredError

# %%
# Forward, through a 2-1-2 network of given weights: the tutorial prints
# 0.6629970129852887 and 0.7253160725279748.

forward = BackpropRegressor.from_weights(
    coefs=[
        [[0.13436424411240122], [0.8474337369372327]],
        [[0.2550690257394217, 0.4494910647887381]],
    ],
    intercepts=[[0.763774618976614], [0.49543508709194095, 0.651592972722763]],
    activation="sigmoid",
    loss=SquaredError(link=Sigmoid()),
)
outputs = forward.predict([[1, 0]])[0]
print(*outputs)

# %%
# The data of the training run, and its start: one stream draws unit by unit, each unit's
# weights and then its bias, the hidden layer first.

X = np.array(
    [
        [2.7810836, 2.550537003],
        [1.465489372, 2.362125076],
        [3.396561688, 4.400293529],
        [1.38807019, 1.850220317],
        [3.06407232, 3.005305973],
        [7.627531214, 2.759262235],
        [5.332441248, 2.088626775],
        [6.922596716, 1.77106367],
        [8.675418651, -0.242068655],
        [7.673756466, 3.508563011],
    ]
)
y = np.repeat([0, 1], 5)


def drawn_weights(sizes=(2, 2, 2)):
    stream = random.Random(1)
    coefs, intercepts = [], []
    for n_inputs, n_units in pairwise(sizes):
        units = np.array(
            [[stream.random() for _ in range(n_inputs + 1)] for _ in range(n_units)]
        )
        coefs.append(units[:, :-1].T)
        intercepts.append(units[:, -1])
    return GivenWeights(coefs, intercepts)


def network(error_convention):
    return BackpropClassifier(
        (2,),
        "sigmoid",
        loss="squared_error",
        error_convention=error_convention,
        initializer=drawn_weights(),
        solver="sgd",
        learning_rate=0.5,
        momentum=0,
        alpha=0,
        batch_size=1,
        shuffle=False,
    )


# %%
# The first step, on the first row, in one convention and in the other. The numbers are
# the same; signs and verbs are not.

print(trace_step(network("output_minus_target"), X[:1], y[:1]))
added = trace_step(network("target_minus_output"), X[:1], y[:1])
print("...\n" + str(added)[str(added).index("Update, layer 2") :])

# %%
# The run: the sum of the squared errors in each of 20 epochs.

published = "6.350 5.531 5.221 4.951 4.519 4.173 3.835 3.506 3.192 2.898"
published += " 2.626 2.377 2.153 1.953 1.774 1.614 1.472 1.346 1.233 1.132"
nets = {name: network(name) for name in ("output_minus_target", "target_minus_output")}
for net in nets.values():
    for _ in range(20):
        net.partial_fit(X, y, classes=[0, 1])
# the mean over ten rows of half the squares, each row taken before its own step
errors = {name: 2 * 10 * np.array(net.loss_curve_) for name, net in nets.items()}

print("epoch  published  output_minus_target  target_minus_output")
columns = zip(published.split(), *errors.values(), strict=True)
for epoch, (number, one, other) in enumerate(columns, start=1):
    print(f"{epoch:5d}  {number:>9s}  {one:19.3f}  {other:19.3f}")

# %%
# The weights it ends with are the same bit for bit, and all ten rows are classified right.

first, second = nets.values()
same = all(np.array_equal(*pair) for pair in zip(first.coefs_, second.coefs_, strict=True))
print("same weights:", same)
print("accuracy:", first.score(X, y))

# %%
# The picture: whom the first step blames. A unit is orange where the loss grows with its
# net input.

trace = trace_step(network("output_minus_target"), X[:1], y[:1])
fig, (left, right) = plt.subplots(1, 2, figsize=(10, 4.5), layout="constrained")
NetworkDisplay.from_trace(trace, ax=left)
left.set_title("deltas of the first step", pad=40)
right.plot(range(1, 21), errors["output_minus_target"], color="#0072B2", label="here")
right.plot(
    range(1, 21),
    [float(e) for e in published.split()],
    "o",
    color="black",
    label="published",
)
right.set(xlabel="epoch", ylabel="sum of squared errors", xticks=range(0, 21, 5))
right.legend()
plt.show()

# %%
# Backpropagation is arithmetic: with the same start it prints the same digits, whichever
# way the error is subtracted.

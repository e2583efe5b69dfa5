"""ONNX graphs, run in ONNX Runtime: they compute what the estimators predict."""

import re
from dataclasses import dataclass
from itertools import product

import numpy as np
import onnx
import onnxruntime
import pytest
import skl2onnx
from numpy import where
from numpy.testing import assert_allclose, assert_array_equal
from rules import KINDS, classes_of
from scipy.special import expit, ndtr
from sklearn.datasets import make_classification
from sklearn.exceptions import NotFittedError
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import MinMaxScaler, StandardScaler

import skbackprop.activations
import skbackprop.losses
from skbackprop import BackpropClassifier, BackpropRegressor, to_onnx
from skbackprop.activations import ACTIVATIONS, ElementwiseActivation, Relu
from skbackprop.interop.onnx import register_converters
from skbackprop.losses import CLASSIFIER_LOSSES, REGRESSOR_LOSSES, SquaredError

pytestmark = [
    pytest.mark.integration,
    pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning:(onnx|skl2onnx)"),
]

X, CLASS = make_classification(
    80, 4, n_informative=4, n_redundant=0, n_classes=3, random_state=0
)
X = X.astype(np.float32)
TARGETS = {
    "binary": (CLASS == 1).astype(int),
    "multiclass": CLASS,
    "multilabel-indicator": np.c_[CLASS > 0, X[:, 0] > 0, X[:, 1] > 0].astype(int),
}
LABELS = {
    "int64": np.array([-1, 3, 8]),
    "uint8": np.array([1, 3, 8], dtype=np.uint8),
    "int8": np.array([-128, 3, 127], dtype=np.int8),
    "int64 at its ends": np.array([-(2**63), 2**53 + 1, 2**63 - 1]),
    "uint32": np.array([1, 3, 2**32 - 1], dtype=np.uint32),
    "uint64": np.array([1, 2**63 + 1, 2**64 - 1], dtype=np.uint64),
    "bool": np.array([False, True]),
    "float": np.array([0.0, 1.0, 2.0]),
    "float above 2^24": np.array([2.0**24 + 1, 2.0**24 + 2, 2.0**53 - 1]),
    "float16": np.array([-1, 3, 8], dtype=np.float16),
    "float32": np.array([-1, 3, 2**24 - 1], dtype=np.float32),
    "longdouble": np.array([-1, 3, 2**24 + 1], dtype=np.longdouble),
    "str": np.array(["no", "perhaps", "yes"]),
    "object": np.array(["no", "perhaps", "yes"], dtype=object),
}
# The runtime's own sigmoid, tanh and erf are approximations, to a few units in the last
# place of float32 (6e-8) at inputs of size 10.
ROUNDING = {"rtol": 1e-5, "atol": 2e-6}


def run(model, rows=X):
    """The outputs of a model by name, computed by ONNX Runtime from its bytes."""
    session = onnxruntime.InferenceSession(model.SerializeToString())
    names = [output.name for output in session.get_outputs()]
    return dict(zip(names, session.run(None, {"X": rows}), strict=True))


def assert_same_classes(outputs, clf, rows=X):
    proba = clf.predict_proba(rows)
    assert_allclose(outputs["probabilities"], proba, **ROUNDING)
    sure = np.abs(proba - 0.5).min(axis=1) > 1e-4  # of two values that are nearly equal
    if clf.predict(rows).ndim == 1:
        top = np.sort(proba, axis=1)
        sure = top[:, -1] - top[:, -2] > 1e-4
    assert sure.mean() > 0.9
    assert_array_equal(outputs["label"][sure], clf.predict(rows)[sure])


def classifier(kind, **params):
    params = {"max_iter": 20, "learning_rate": 0.02, "random_state": 0, **params}
    return BackpropClassifier((6, 4), **params).fit(X, TARGETS[kind])


def regressor(n_outputs=1, **params):
    y = np.abs(X[:, :n_outputs]) + 0.1
    params = {"max_iter": 20, "learning_rate": 0.02, "random_state": 0, **params}
    return BackpropRegressor((6, 4), **params).fit(X, y[:, 0] if n_outputs == 1 else y)


# -- every activation, every output, every label -------------------------------------------


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_every_activation_of_a_classifier(activation, kind):
    clf = classifier(kind, activation=activation)
    assert_same_classes(run(to_onnx(clf)), clf)


@pytest.mark.parametrize("n_outputs", [1, 2])
@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_every_activation_of_a_regressor(activation, n_outputs):
    reg = regressor(n_outputs, activation=activation)
    expected = reg.predict(X).reshape(len(X), n_outputs)
    assert_allclose(run(to_onnx(reg))["variable"], expected, **ROUNDING)


LOSSES = [
    *product(KINDS, ["log_loss", "squared_error"]),
    *product(["binary", "multiclass"], ["focal"]),
]


@pytest.mark.parametrize(("kind", "loss"), LOSSES)
def test_every_loss_of_a_classifier(kind, loss):
    assert {loss for _, loss in LOSSES} == CLASSIFIER_LOSSES.keys()
    clf = classifier(kind, loss=loss)
    assert_same_classes(run(to_onnx(clf)), clf)


@pytest.mark.parametrize("loss", REGRESSOR_LOSSES)
def test_every_loss_of_a_regressor(loss):
    reg = regressor(loss=loss)
    expected = reg.predict(X)[:, np.newaxis]
    assert_allclose(run(to_onnx(reg))["variable"], expected, **ROUNDING)


@pytest.mark.parametrize("loss", ["quantiles", "gaussian"])
def test_central_outputs_of_several_targets(loss):
    reg = regressor(n_outputs=3, loss=loss)
    assert_allclose(run(to_onnx(reg))["variable"], reg.predict(X), **ROUNDING)


@pytest.mark.parametrize(
    "link", classes_of(skbackprop.activations), ids=lambda cls: cls.__name__
)
@pytest.mark.parametrize("kind", KINDS)
def test_every_output_activation(kind, link):
    """A classifier takes shares of what is positive."""
    clf = classifier(kind, loss=SquaredError(link=link()), alpha=1.0)
    outputs = run(to_onnx(clf))
    expected = clf.predict_proba(X)
    if kind == "multilabel-indicator":  # kept inside (0, 1) by predict_proba
        outputs["probabilities"] = np.clip(outputs["probabilities"], 0, 1)
    assert_allclose(outputs["probabilities"], expected, rtol=1e-4, atol=1e-5)


def test_rows_without_any_positive_output_have_equal_shares():
    params = {"activation": "identity", "loss": SquaredError(link=Relu())}
    clf = BackpropClassifier.from_weights(
        [-np.ones((4, 3))], [np.zeros(3)], classes=[0, 1, 2], **params
    )
    rows = np.ones((2, 4), np.float32)
    outputs = run(to_onnx(clf), rows)
    assert_allclose(outputs["probabilities"], np.full((2, 3), 1 / 3), rtol=1e-7)
    assert_array_equal(outputs["label"], clf.predict(rows))


def predicted_labels(labels, n_classes, pipeline=False):
    """The labels of the graph, and those of the estimator."""
    labels = LABELS[labels][:n_classes]
    y = labels[CLASS % len(labels)]
    clf = BackpropClassifier((6,), max_iter=20, learning_rate=0.02, random_state=0)
    clf = make_pipeline(StandardScaler(), clf) if pipeline else clf
    return run(to_onnx(clf.fit(X, y)))["label"], clf


@pytest.mark.parametrize("pipeline", [False, True], ids=["alone", "in a pipeline"])
@pytest.mark.parametrize("n_classes", [2, 3])
@pytest.mark.parametrize("labels", LABELS)
def test_every_label_comes_out_of_the_graph_as_it_went_in(labels, n_classes, pipeline):
    found, clf = predicted_labels(labels, n_classes, pipeline)
    # `tolist` gives Python's numbers, which are compared without a conversion
    assert set(found.tolist()) <= set(clf.classes_.tolist())
    assert len(set(found.tolist())) == len(clf.classes_)
    assert np.mean(found == clf.predict(X)) > 0.9  # of two that are nearly as probable


@pytest.mark.parametrize(
    "labels",
    [
        np.array(["2020-01-01", "2020-01-02"], dtype="datetime64[D]"),
        np.array([1, 2], dtype="timedelta64[s]"),
        np.array([1 / np.longdouble(3), 1], dtype=np.longdouble),
    ],
    ids=["dates", "durations", "digits beyond double"],
)
def test_labels_that_onnx_cannot_hold_are_refused(labels):
    weights = [np.eye(4)[:, :1]], [np.zeros(1)]
    clf = BackpropClassifier.from_weights(*weights, classes=labels)
    with pytest.raises(ValueError, match=f"dtype {re.escape(str(labels.dtype))}, exactly"):
        to_onnx(clf)


@pytest.mark.parametrize("hidden", [(), (3,), (5, 4, 3)])
def test_any_number_of_layers(hidden):
    reg = BackpropRegressor(hidden, max_iter=5, random_state=0).fit(X, X[:, 0])
    expected = reg.predict(X)[:, np.newaxis]
    assert_allclose(run(to_onnx(reg))["variable"], expected, **ROUNDING)


def test_a_network_of_doubles_is_exported_in_single_precision():
    reg = regressor()
    doubles = BackpropRegressor((6, 4), max_iter=20, random_state=0)
    doubles.fit(X.astype(np.float64), np.abs(X[:, 0]))
    for estimator in (reg, doubles):
        outputs = run(to_onnx(estimator))["variable"]
        assert outputs.dtype == np.float32
        assert_allclose(outputs[:, 0], estimator.predict(X), **ROUNDING)


def test_the_number_of_rows_is_free_and_the_number_of_columns_is_not():
    reg = regressor()
    session = onnxruntime.InferenceSession(to_onnx(reg).SerializeToString())
    (X_info,) = session.get_inputs()
    assert X_info.name == "X"
    assert X_info.shape[1] == 4
    for n_rows in (1, 7):
        assert session.run(None, {"X": X[:n_rows]})[0].shape == (n_rows, 1)


def test_an_exported_model_survives_a_file(tmp_path):
    reg = regressor()
    onnx.save(to_onnx(reg), tmp_path / "net.onnx")
    loaded = onnx.load(tmp_path / "net.onnx")
    assert_array_equal(run(loaded)["variable"], run(to_onnx(reg))["variable"])


# -- pipelines, through skl2onnx -----------------------------------------------------------


@pytest.mark.parametrize("kind", KINDS)
def test_a_pipeline_with_a_classifier(kind):
    pipeline = make_pipeline(MinMaxScaler(), StandardScaler(), classifier(kind))
    pipeline.fit(X, TARGETS[kind])
    assert_same_classes(run(to_onnx(pipeline)), pipeline)


@pytest.mark.parametrize("n_outputs", [1, 2])
def test_a_pipeline_with_a_regressor(n_outputs):
    y = X[:, :n_outputs] ** 2
    pipeline = make_pipeline(StandardScaler(), regressor(n_outputs, activation="mish"))
    pipeline.fit(X, y[:, 0] if n_outputs == 1 else y)
    expected = pipeline.predict(X).reshape(len(X), n_outputs)
    assert_allclose(run(to_onnx(pipeline))["variable"], expected, **ROUNDING)


def test_a_search_exports_what_it_found():
    search = GridSearchCV(make_pipeline(StandardScaler(), classifier("binary")), {}, cv=2)
    search.fit(X, TARGETS["binary"])
    assert_same_classes(run(to_onnx(search)), search)


def test_skl2onnx_itself_knows_the_estimators_after_registration():
    pipeline = make_pipeline(StandardScaler(), classifier("binary"))
    pipeline.fit(X, TARGETS["binary"])
    register_converters()
    model = skl2onnx.to_onnx(pipeline, X[:1], target_opset=17)
    session = onnxruntime.InferenceSession(model.SerializeToString())
    label, by_class = session.run(None, {"X": X[:3]})
    proba = pipeline.predict_proba(X[:3])
    assert_array_equal(label, pipeline.predict(X[:3]))
    assert_allclose([row[1] for row in by_class], proba[:, 1], **ROUNDING)


# -- formulas of your own -----------------------------------------------------------------


def halved(x):
    half = 0.5 * x
    return +half


@dataclass(kw_only=True)
class Bent(ElementwiseActivation):
    """Every operation that a graph can hold, and constants worked out before."""

    slope: float = 0.3
    is_steep: bool = True
    saves = "net_input"

    def value(self, z):
        rate = self.slope**2 / 3
        a = where(z >= 0, np.log1p(np.abs(z)), np.expm1(z)) * rate
        b = np.clip(z, -1, 1) ** 2 - np.maximum(-z, 0.1) / np.sqrt(1 + z * z)
        c = np.where((z < 0.5) & (z <= 2) | (z == 7), np.sin(z), np.minimum(z, np.cos(z)))
        d = expit(z) if self.is_steep else z
        return a + b + c + d * ndtr(z) + np.tanh(halved(z)) + np.sign(z)

    def derivative(self, z):
        return z > 0


def test_formula_of_ones_own_becomes_operators():
    for rule in Bent(), Bent(is_steep=False):
        reg = regressor(activation=rule)
        found = run(to_onnx(reg))["variable"]
        assert_allclose(found[:, 0], reg.predict(X), **ROUNDING)


# -- what is refused -----------------------------------------------------------------------


class Root(ElementwiseActivation):
    def value(self, z):
        return np.cbrt(z)

    def derivative(self, a):
        return a


def test_function_that_onnx_does_not_have_is_named():
    with pytest.raises(ValueError, match=r"Root\(\).*ONNX has no operator for cbrt"):
        to_onnx(regressor(activation=Root()))


class Truncated(ElementwiseActivation):
    def value(self, z):
        return z % 2

    def derivative(self, a):
        return a


def test_operation_that_onnx_does_not_have_is_named():
    with pytest.raises(ValueError, match=r"ONNX has no operator for Mod"):
        to_onnx(regressor(activation=Truncated()))


@dataclass(kw_only=True)
class Own(Relu):
    """A derived rule computes something else: it must not pass as its parent."""

    def forward(self, z, out):
        np.maximum(z, 1, out=out)


@pytest.mark.parametrize(
    "params", [{"activation": Own()}, {"loss": SquaredError(link=Own())}]
)
def test_a_rule_of_ones_own_is_refused_with_its_name(params):
    with pytest.raises(ValueError, match=r"No ONNX operator is known for .*Own\(\)"):
        to_onnx(regressor(**params))


def test_one_class_is_refused():
    clf = BackpropClassifier((2,), max_iter=1).fit(X, np.ones(80))
    with pytest.raises(ValueError, match="one class"):
        to_onnx(clf)


def test_an_unfitted_estimator_is_refused():
    with pytest.raises(NotFittedError):
        to_onnx(BackpropClassifier())


@pytest.mark.parametrize("package", ["onnx", "skl2onnx"])
def test_a_missing_package_is_named_with_the_command_that_installs_it(package, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, package, None)
    model = regressor() if package == "onnx" else make_pipeline(regressor())
    with pytest.raises(ImportError, match=rf'{package}: pip install "onnx>='):
        to_onnx(model)

"""Truncated and tampered skops and ONNX files: refused by their readers, or by us."""

import io
import json
import zipfile
from collections import Counter

import numpy as np
import onnx
import onnxruntime
import pytest
import skops.io
from onnxruntime.capi import onnxruntime_pybind11_state as refusals
from sklearn.datasets import load_iris

from skbackprop import BackpropClassifier, to_onnx

pytestmark = [
    pytest.mark.integration,
    pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning"),
]
X, y = load_iris(return_X_y=True)
TRUSTED = ["skbackprop.classifier.BackpropClassifier"]
REFUSED = (
    *(refusals.InvalidProtobuf, refusals.InvalidArgument, refusals.InvalidGraph),
    *(refusals.Fail, refusals.NotImplemented, refusals.RuntimeException),
    UnicodeDecodeError,
)


@pytest.fixture(scope="module")
def net():
    return BackpropClassifier((4,), max_iter=3, random_state=0).fit(X, y)


# -- skops -----------------------------------------------------------------------------


def changed_file(net, change=lambda schema: None, array=lambda name, data: data):
    """A skops file with a changed schema or changed arrays, whole as a zip file."""
    written = io.BytesIO()
    with (
        zipfile.ZipFile(io.BytesIO(skops.io.dumps(net))) as whole,
        zipfile.ZipFile(written, "w") as copy,
    ):
        schema = json.loads(whole.read("schema.json"))
        change(schema)
        copy.writestr("schema.json", json.dumps(schema))
        for name in set(whole.namelist()) - {"schema.json"}:
            copy.writestr(name, array(name, whole.read(name)))
    return written.getvalue()


def stored_state(schema):
    return schema["content"]["content"]["_state"]["content"]


def test_truncated_skops_file_does_not_load_at_any_length(net, record_property):
    whole = skops.io.dumps(net)
    lengths = range(0, len(whole), 100)
    for length in lengths:
        with pytest.raises(zipfile.BadZipFile):
            skops.io.loads(whole[:length], trusted=TRUSTED)
    record_property("inputs tried", len(lengths))


def test_flipped_bit_in_a_skops_file_is_noticed_or_changes_nothing(net, record_property):
    """Zip files carry check sums; only a few bytes that nobody reads have none."""
    whole, draw, n_tried = skops.io.dumps(net), np.random.RandomState(0), 300
    outcomes = Counter()
    for _ in range(n_tried):
        damaged = bytearray(whole)
        damaged[draw.randint(len(whole))] ^= 1 << draw.randint(8)
        try:
            loaded = skops.io.loads(bytes(damaged), trusted=TRUSTED)
        except (zipfile.BadZipFile, KeyError, NotImplementedError, UnicodeError) as error:
            outcomes[type(error).__name__] += 1
        else:
            assert np.array_equal(loaded.predict_proba(X), net.predict_proba(X))
            outcomes["the same"] += 1
    assert outcomes["BadZipFile"] > 0.9 * n_tried
    record_property("inputs tried", n_tried)


def test_unchanged_copy_of_a_skops_file_loads(net):
    """The tests below change one thing each of what loads here."""
    loaded = skops.io.loads(changed_file(net), trusted=TRUSTED)
    assert np.array_equal(loaded.predict_proba(X), net.predict_proba(X))


@pytest.mark.parametrize("name", ["vector", "rng", "layer_sizes", "engine"])
def test_skops_file_without_a_part_of_the_state_does_not_load(net, name):
    damaged = changed_file(net, lambda schema: stored_state(schema).pop(name))
    with pytest.raises(ValueError, match=rf"another layout.* lacks .*'{name}'"):
        skops.io.loads(damaged, trusted=TRUSTED)


@pytest.mark.parametrize("name", ["order", "classes_", "validation_scores_"])
def test_skops_file_with_another_array_as_parameters_does_not_load(net, name):
    """Arrays exchanged in the schema: the file is whole, and its parts do not fit."""

    def exchange(schema):
        stored = schema["content"]["content"]
        other = stored_state(schema)[name] if name == "order" else stored[name]
        stored_state(schema)["vector"] = other

    with pytest.raises(ValueError, match="have 35 parameters, but an array of shape"):
        skops.io.loads(changed_file(net, exchange), trusted=TRUSTED)


def test_skops_file_with_another_number_of_features_does_not_load(net):
    def narrow(schema):
        schema["content"]["content"]["n_features_in_"] |= {"content": "3", "__id__": 0}

    with pytest.raises(ValueError, match="of 4 inputs is stored as one of 3 features"):
        skops.io.loads(changed_file(net, narrow), trusted=TRUSTED)


def test_skops_file_that_asks_for_another_function_is_not_trusted(net):
    def exchange(schema):
        schema["content"]["content"]["loss_"] |= {
            "__class__": "system",
            "__module__": "os",
            "__loader__": "FunctionNode",
            "__id__": 0,  # what has the number of something else is not read again
        }

    with pytest.raises(
        skops.io.exceptions.UntrustedTypesFoundException, match=r"os\.system"
    ):
        skops.io.loads(changed_file(net, exchange), trusted=TRUSTED)


def test_skops_file_with_pickled_arrays_does_not_load(net):
    """An array of objects would run what it likes when it is unpickled."""
    written = io.BytesIO()
    np.save(written, np.array([print], dtype=object), allow_pickle=True)
    damaged = changed_file(net, array=lambda name, data: written.getvalue())
    with pytest.raises(ValueError, match="allow_pickle=False"):
        skops.io.loads(damaged, trusted=TRUSTED)


# -- ONNX ------------------------------------------------------------------------------


def session(model):
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    providers = ["CPUExecutionProvider"]
    return onnxruntime.InferenceSession(model, options, providers=providers)


def test_truncated_onnx_model_is_refused_at_every_length(net, record_property):
    whole = to_onnx(net).SerializeToString()
    for length in range(len(whole)):
        with pytest.raises(REFUSED):
            session(whole[:length])
    record_property("inputs tried", len(whole))


def test_flipped_bit_in_an_onnx_model_is_refused_or_computes_something(
    net, record_property, capfd
):
    """ONNX has no check sums: a changed weight makes a valid model (docs/security.md)."""
    whole, draw = to_onnx(net).SerializeToString(), np.random.RandomState(0)
    outcomes = Counter()
    for place in range(len(whole)):
        damaged = bytearray(whole)
        damaged[place] ^= 1 << draw.randint(8)
        try:
            model = session(bytes(damaged))
            model.run(None, {model.get_inputs()[0].name: X.astype(np.float32)})
        except REFUSED:
            outcomes["refused"] += 1
        else:
            outcomes["computes"] += 1
    capfd.readouterr()  # ONNX Runtime prints what it falls back on
    assert outcomes["refused"] > outcomes["computes"] > 0
    record_property("inputs tried", len(whole))


def without_a_weight(model):
    model.graph.initializer[0].raw_data = model.graph.initializer[0].raw_data[4:]


def with_another_shape(model):
    model.graph.initializer[0].dims[:] = [2, 8]


def without_an_operator(model):
    model.graph.node.pop(0)


def with_an_unknown_operator(model):
    model.graph.node[0].op_type = "Backprop"


def with_another_input(model):
    model.graph.input[0].name = "Z"


@pytest.mark.parametrize(
    "change",
    [
        without_a_weight,
        with_another_shape,
        without_an_operator,
        with_an_unknown_operator,
        with_another_input,
    ],
)
def test_onnx_model_whose_parts_do_not_fit_together_is_refused(net, change):
    model = to_onnx(net)
    onnx.checker.check_model(model, full_check=True)
    change(model)
    with pytest.raises(REFUSED):
        session(model.SerializeToString()).run(None, {"X": X.astype(np.float32)})

"""scikit-learn's own checks under settings that MLPClassifier does not have."""

import pytest
from test_estimator_checks import NOT_WITH_EARLY_STOPPING, checks_of

from skbackprop import BackpropClassifier, BackpropRegressor
from skbackprop.activations import LeakyRelu
from skbackprop.losses import BinaryLogLoss, Huber
from skbackprop.optimizers import AdamW, Lion, RMSprop
from skbackprop.schedules import Cosine, Plateau, Warmup

pytestmark = pytest.mark.filterwarnings(
    "ignore::sklearn.exceptions.ConvergenceWarning"  # few epochs, for speed
)


# several rules in one network, each of which does something else
BOTH = [
    {"hidden_layer_sizes": (8, 6), "activation": ("gelu", "mish"), "solver": "nadam"},
    {"activation": LeakyRelu(slope=0.1), "initializer": "he_uniform", "solver": "adagrad"},
    {"activation": "softplus", "initializer": "glorot_normal", "solver": "rprop"},
    {
        "activation": "elu",
        "initializer": "orthogonal",
        "learning_rate": Cosine(warmup=3, floor=0.01),
        "solver": Lion(weight_decay=0.1),
    },
    {"activation": "silu", "learning_rate": "one_cycle", "solver": RMSprop(decay=0.8)},
    {
        "activation": "selu",
        "initializer": "lecun_normal",
        "learning_rate": Warmup(then=Plateau()),
        "solver": AdamW(weight_decay=0.1),
    },
    {"solver": "sgd", "clip_norm": 1.0, "target_loss": 1e-3, "learning_rate": "step"},
]
SETTINGS = {
    BackpropClassifier: [
        *BOTH,
        {"loss": BinaryLogLoss(label_smoothing=0.1), "learning_rate": "exponential"},
    ],
    BackpropRegressor: [
        *BOTH,
        {"loss": Huber(threshold=0.5), "initializer": "he_normal"},
    ],
}
SMALL = {"hidden_layer_sizes": (10,), "learning_rate_init": 0.1, "max_iter": 20}


@checks_of([cls(**SMALL | own) for cls, settings in SETTINGS.items() for own in settings])
def test_scikit_learn_finds_nothing_wrong(estimator, check):
    check(estimator)


# A row that is there twice gets two masks, a row that weighs twice gets one.
NOT_WITH_DROPOUT = {
    "check_sample_weight_equivalence_on_dense_data",
    "check_sample_weight_equivalence_on_sparse_data",
}


@checks_of(
    [cls(**SMALL, dropout=0.1) for cls in SETTINGS],
    but=NOT_WITH_DROPOUT,
)
def test_scikit_learn_finds_nothing_wrong_with_dropout(estimator, check):
    check(estimator)


class Weights(dict):
    """A class_weight for the labels of every check."""

    def get(self, label, default):
        return 0.5 if label in (0, "one") else 1.5


# A row of multilabel targets has no class whose weight it could have.
NOT_WITH_CLASS_WEIGHT = {
    "check_classifiers_multilabel_representation_invariance",
    "check_classifiers_multilabel_output_format_predict",
    "check_classifiers_multilabel_output_format_predict_proba",
    "check_classifiers_multilabel_output_format_decision_function",
}


@checks_of([BackpropClassifier(**SMALL, class_weight=Weights())], but=NOT_WITH_CLASS_WEIGHT)
def test_scikit_learn_finds_nothing_wrong_with_class_weight(estimator, check):
    check(estimator)


@checks_of(
    [cls(**SMALL, early_stopping=True, scoring="loss") for cls in SETTINGS],
    but=NOT_WITH_EARLY_STOPPING,
)
def test_scikit_learn_finds_nothing_wrong_with_scoring(estimator, check):
    check(estimator)

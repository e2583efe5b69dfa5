"""A data frame with a category: a pipeline of ColumnTransformer and network."""

from sklearn.compose import make_column_transformer
from sklearn.datasets import load_diabetes
from sklearn.model_selection import cross_val_score
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

frame, progression = load_diabetes(as_frame=True, return_X_y=True)
frame["sex"] = (frame["sex"] > 0).map({True: "one", False: "other"})
is_worse = (progression > progression.median()).map({True: "worse", False: "better"})

columns = make_column_transformer(
    (OneHotEncoder(), ["sex"]),
    (StandardScaler(), ["age", "bmi", "bp", "s1", "s5"]),
)
network = MLPClassifier((8,), learning_rate_init=0.02, max_iter=50, random_state=1)
model = make_pipeline(columns, network)

for scoring in ("accuracy", "roc_auc", "neg_log_loss"):
    print(scoring, cross_val_score(model, frame, is_worse, cv=3, scoring=scoring))
model.fit(frame, is_worse)
print(model[-1].classes_, model[-1].n_iter_, model[-1].loss_)
print(model.predict(frame.head(8)), model.predict_proba(frame.head(3)))

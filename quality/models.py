"""The peers: how each is built from its parameters, and where its random search looks.

A peer takes a table of numbers (NaN where missing) and categories, as :func:`source.read` makes it, and is prepared as
its users would: boosted trees read missing values and categories themselves, the others get them imputed, scaled and
one-hot encoded. `{}` as parameters are the library's defaults.
"""

import copy
import functools

import catboost
import lightgbm
import numpy as np
import pandas as pd
import xgboost
from naive_bayes import FrequencyScoring
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestClassifier
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import log_loss
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import OneHotEncoder, OrdinalEncoder, QuantileTransformer, StandardScaler

SEED = 1
# Trees at most, and how many without gain end the search for their number; the same of a perceptron's epochs.
MOST_TREES, PATIENCE = 400, 30
MOST_EPOCHS, EPOCHS_PATIENCE = 60, 6
# Levels that scikit-learn's histogram boosting can tell apart, one of them for the rare.
LEVELS = 255
# Training rows below which a category is one of the rare ones of a one-hot encoding.
RARE = 10


def categories(features):
    """Names of the categories among the columns."""
    return [name for name in features if isinstance(features[name].dtype, pd.CategoricalDtype)]


def numbers(features):
    """Names of the numbers among the columns."""
    return [name for name in features if name not in categories(features)]


class Boosted:
    """A peer that finds its number of trees on watched rows, and takes the table as `encode` leaves it."""

    def __init__(self, build, encode):
        self.build, self.encode = build, encode

    def fit(self, features, labels):
        """Trains with the number of trees that the parameters say."""
        self.model = self.build(features, None)
        self._prepare(features)
        self.model.fit(self._encoded(features), labels)
        return self

    def fit_watched(self, features, labels, watched, watched_labels):
        """Trains until the watched rows gain nothing more; the number of trees."""
        self.model = self.build(features, PATIENCE)
        self._prepare(features)
        table, other = self._encoded(features), self._encoded(watched)
        match self.model:
            case xgboost.XGBClassifier():
                self.model.fit(table, labels, eval_set=[(other, watched_labels)], verbose=False)
                return self.model.best_iteration + 1
            case lightgbm.LGBMClassifier():
                stop = lightgbm.early_stopping(PATIENCE, verbose=False)
                self.model.fit(table, labels, eval_X=other, eval_y=watched_labels, callbacks=[stop])
                return self.model.best_iteration_
            case catboost.CatBoostClassifier():
                self.model.fit(table, labels, eval_set=(other, watched_labels), early_stopping_rounds=PATIENCE)
                return self.model.tree_count_
            case HistGradientBoostingClassifier():
                self.model.fit(table, labels, X_val=other, y_val=watched_labels)
                return int(np.argmax(self.model.validation_score_[1:])) + 1

    def predict_proba(self, features):
        """Probabilities of either class."""
        return self.model.predict_proba(self._encoded(features))

    def _prepare(self, features):
        self.encoder = self.encode(features)

    def _encoded(self, features):
        return self.encoder(features)


def as_is(_):
    """For libraries that read pandas' categories."""
    return lambda features: features


def as_words(features):
    """For CatBoost: categories as words, a missing one being a word, too."""
    names = categories(features)
    return lambda rows: rows.assign(**{name: rows[name].astype(object).fillna("").astype(str) for name in names})


def as_codes(features):
    """For histogram boosting: the most frequent levels as codes, numbers as they are but for those never known."""
    names = categories(features)
    known = [name for name in numbers(features) if features[name].notna().any()]
    code = OrdinalEncoder(
        max_categories=LEVELS - 1,
        handle_unknown="use_encoded_value",
        unknown_value=np.nan,
        encoded_missing_value=np.nan,
    )
    table = ColumnTransformer([("categories", code, names), ("numbers", "passthrough", known)]).fit(features)
    return table.transform


def one_hot(features, scaler, impute=True):
    """For the models without a notion of categories: a column per frequent level, numbers imputed and scaled."""
    scale = {
        None: "passthrough",
        "standard": StandardScaler(),
        "quantile": QuantileTransformer(output_distribution="normal", random_state=SEED),
    }[scaler]
    # With a column that says which values were missing.
    fill = SimpleImputer(strategy="median", add_indicator=True, keep_empty_features=True) if impute else "passthrough"
    levels = OneHotEncoder(handle_unknown="infrequent_if_exist", min_frequency=RARE, sparse_output=False)
    columns = Pipeline([("fill", fill), ("scale", scale)])
    return ColumnTransformer([("numbers", columns, numbers(features)), ("levels", levels, categories(features))])


class Encoded:
    """A peer behind a one-hot encoding."""

    def __init__(self, build, scaler="standard", impute=True):
        self.build, self.scaler, self.impute = build, scaler, impute

    def fit(self, features, labels):
        """Trains."""
        self.model = make_pipeline(one_hot(features, self.scaler, self.impute), self.build()).fit(features, labels)
        return self

    def predict_proba(self, features):
        """Probabilities of either class."""
        return self.model.predict_proba(features)


class Perceptron(Encoded):
    """The perceptron finds its number of epochs by the log-loss: its own early stopping goes by the accuracy."""

    def fit_watched(self, features, labels, watched, watched_labels):
        """Trains until the watched rows gain nothing more, and leaves the best epoch's model; their number."""
        encoder = one_hot(features, self.scaler, self.impute).fit(features)
        table, other = encoder.transform(features), encoder.transform(watched)
        network = self.build()
        best, losses = None, []
        while len(losses) < network.max_iter and len(losses) - int(np.argmin(losses or [0])) <= EPOCHS_PATIENCE:
            network.partial_fit(table, labels, classes=[0, 1])
            losses.append(log_loss(watched_labels, network.predict_proba(other)[:, 1]))
            if losses[-1] == min(losses):
                best = copy.deepcopy(network)
        self.model = make_pipeline(encoder, best)
        return int(np.argmin(losses)) + 1


def xgboost_peer(parameters, threads):
    """XGBoost."""

    def build(_, patience):
        return xgboost.XGBClassifier(
            tree_method="hist", enable_categorical=True, n_jobs=threads, random_state=SEED,
            early_stopping_rounds=patience, **parameters,
        )  # fmt: skip

    return Boosted(build, as_is)


def lightgbm_peer(parameters, threads):
    """LightGBM."""
    return Boosted(
        lambda *_: lightgbm.LGBMClassifier(n_jobs=threads, random_state=SEED, verbose=-1, **parameters), as_is
    )


def catboost_peer(parameters, threads):
    """CatBoost."""

    def build(features, _):
        return catboost.CatBoostClassifier(
            cat_features=categories(features), thread_count=threads, random_seed=SEED, verbose=0,
            allow_writing_files=False, **parameters,
        )  # fmt: skip

    return Boosted(build, as_words)


def histogram_peer(parameters, _):
    """scikit-learn's histogram boosting."""

    def build(features, patience):
        stop = {"early_stopping": True, "n_iter_no_change": patience} if patience else {}
        if parameters and not patience:
            stop = {"early_stopping": False}
        return HistGradientBoostingClassifier(
            categorical_features=list(range(len(categories(features)))), random_state=SEED, **parameters, **stop
        )

    return Boosted(build, as_codes)


def forest_peer(parameters, threads):
    """Random forest: it reads missing numbers itself."""
    build = functools.partial(RandomForestClassifier, n_jobs=threads, random_state=SEED, **parameters)
    return Encoded(build, scaler=None, impute=False)


def mlp_peer(parameters, _):
    """Multi-layer perceptron."""
    own = {name: value for name, value in parameters.items() if name != "scaler"}
    if parameters:
        # So many epochs were found to be best: none of the other reasons to stop.
        own |= {"n_iter_no_change": own["max_iter"], "tol": 0.0}
    return Perceptron(functools.partial(MLPClassifier, random_state=SEED, **own), parameters.get("scaler", "standard"))


def logistic_peer(parameters, _):
    """Logistic regression."""
    own = {name: value for name, value in parameters.items() if name != "scaler"}
    return Encoded(functools.partial(LogisticRegression, max_iter=2000, **own), parameters.get("scaler", "standard"))


def frequency_peer(*_):
    """Odoo's way, which has no parameters."""
    return FrequencyScoring()


PEERS = {
    "XGBoost": xgboost_peer,
    "LightGBM": lightgbm_peer,
    "CatBoost": catboost_peer,
    "sklearn HistGB": histogram_peer,
    "random forest": forest_peer,
    "MLP": mlp_peer,
    "logistic": logistic_peer,
    "naive Bayes (Odoo)": frequency_peer,
}


def log_uniform(random, low, high, digits=3):
    """A number whose logarithm is uniform, to so many digits."""
    return float(f"{np.exp(random.uniform(np.log(low), np.log(high))):.{digits}g}")


def whole(random, low, high):
    """A whole number whose logarithm is uniform."""
    return round(log_uniform(random, low, high, 6))


def share(random, low):
    """A share from `low` to 1."""
    return round(random.uniform(low, 1.0), 2)


def draw(peer, random):
    """Parameters from where the random search looks."""
    match peer:
        case "XGBoost":
            return {
                "n_estimators": MOST_TREES,
                "learning_rate": log_uniform(random, 0.03, 0.3),
                "max_depth": int(random.integers(2, 9)),
                "min_child_weight": log_uniform(random, 1, 30),
                "subsample": share(random, 0.6),
                "colsample_bytree": share(random, 0.4),
                "reg_lambda": log_uniform(random, 0.1, 30),
            }
        case "LightGBM":
            return {
                "n_estimators": MOST_TREES,
                "learning_rate": log_uniform(random, 0.03, 0.3),
                "num_leaves": whole(random, 4, 64),
                "min_child_samples": whole(random, 5, 100),
                "subsample": share(random, 0.6),
                "subsample_freq": 1,
                "colsample_bytree": share(random, 0.4),
                "reg_lambda": log_uniform(random, 0.1, 30),
                "cat_smooth": log_uniform(random, 1, 100),
            }
        case "CatBoost":
            return {
                "iterations": MOST_TREES,
                "learning_rate": log_uniform(random, 0.03, 0.3),
                "depth": int(random.integers(3, 8)),
                "l2_leaf_reg": log_uniform(random, 1, 30),
                "random_strength": log_uniform(random, 0.3, 5),
            }
        case "sklearn HistGB":
            return {
                "max_iter": MOST_TREES,
                "learning_rate": log_uniform(random, 0.03, 0.3),
                "max_leaf_nodes": whole(random, 4, 64),
                "min_samples_leaf": whole(random, 5, 100),
                "l2_regularization": log_uniform(random, 0.01, 30),
                "max_features": share(random, 0.4),
            }
        case "random forest":
            return {
                "n_estimators": 200,
                "min_samples_leaf": whole(random, 1, 40),
                "max_features": ["sqrt", 0.1, 0.2, 0.4][random.integers(4)],
            }
        case "MLP":
            return {
                "hidden_layer_sizes": [[32], [64], [128], [64, 32], [128, 64]][random.integers(5)],
                "alpha": log_uniform(random, 1e-5, 3),
                "learning_rate_init": log_uniform(random, 3e-4, 1e-2),
                "batch_size": int([128, 256, 512][random.integers(3)]),
                "max_iter": MOST_EPOCHS,
                "scaler": ["standard", "quantile"][random.integers(2)],
            }
        case "logistic":
            return {"C": log_uniform(random, 1e-3, 1e2), "scaler": ["standard", "quantile"][random.integers(2)]}
        case _:
            raise ValueError(f"{peer} has no parameters")


# Those that have parameters.
TUNED = [name for name in PEERS if name != "naive Bayes (Odoo)"]
# Parameter that says how many rounds, where watched rows find it.
ROUNDS = {
    "XGBoost": "n_estimators",
    "LightGBM": "n_estimators",
    "CatBoost": "iterations",
    "sklearn HistGB": "max_iter",
    "MLP": "max_iter",
}

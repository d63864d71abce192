"""Lead scoring as Odoo's CRM does it: naive Bayes on the frequencies of each field's values among won and lost leads.

Written from how its "predictive lead scoring" is described to work: 0.1 is added to every frequency, a field that is
not filled in or a value never seen says nothing, and the probability is kept in whole hundredths of a percent between
0.01 % and 99.99 %. It has no numbers: here they are cut into tenths of the training part.
"""

import numpy as np
import pandas as pd

ADDED = 0.1
TENTHS = np.linspace(0.1, 0.9, 9)
SMALLEST = 1e-4


class FrequencyScoring:
    """Counts won and lost leads by the values of their fields."""

    def fit(self, features, labels):
        """Counts; `features` is a table of numbers and categories, `labels` 0 or 1."""
        labels = np.asarray(labels)
        self.prior = np.log(labels.sum() / (len(labels) - labels.sum()))
        self.cuts = {
            name: np.unique(features[name].quantile(TENTHS))
            for name in features
            if not isinstance(features[name].dtype, pd.CategoricalDtype)
        }
        self.weights = {name: self._weights(self._values(features[name]), labels) for name in features}
        return self

    def predict_proba(self, features):
        """Probabilities of lost and won, as scikit-learn's models return them."""
        log_odds = np.full(len(features), self.prior)
        for name, weights in self.weights.items():
            log_odds += self._values(features[name]).map(weights).fillna(0.0).to_numpy(dtype=float)
        won = np.clip(np.round(1 / (1 + np.exp(-log_odds)), 4), SMALLEST, 1 - SMALLEST)
        return np.column_stack([1 - won, won])

    def _values(self, column):
        """The column's values as words, missing where it is not filled in."""
        if column.name not in self.cuts:
            return column.astype(object)
        tenth = pd.Series(np.searchsorted(self.cuts[column.name], column, side="right"), index=column.index)
        return tenth.astype(object).mask(column.isna())

    @staticmethod
    def _weights(values, labels):
        """The log-odds that each value adds."""
        won = values[labels == 1].value_counts()
        lost = values[labels == 0].value_counts()
        won, lost = (count.reindex(won.index.union(lost.index), fill_value=0) + ADDED for count in (won, lost))
        return np.log(won / won.sum()) - np.log(lost / lost.sum())

"""The logistic member: standardised numbers, indicators of categories and of what is missing."""

import json

import numpy as np

_MAX_STANDARDISED = 8.0


class Logistic:
    def __init__(self, document):
        self._columns = document["columns"]
        self._coefficients = np.array(document["coefficients"])

    @classmethod
    def read(cls, path):
        return cls(json.loads(path.read_text()))

    def log_odds(self, rows):
        sums = np.zeros(len(rows))
        for index, encoded in enumerate(self._columns):
            if encoded != "dropped":
                ((kind, described),) = encoded.items()
                part = self._number if kind == "number" else self._category
                sums += part(rows[:, index].astype(float), **described)
        return self._coefficients[-1] + sums

    def _number(self, values, median, mean, deviation, coefficient, missing):
        absent = np.isnan(values)
        standardised = (np.where(absent, median, values) - mean) / deviation
        part = self._coefficients[coefficient] * np.clip(standardised, -_MAX_STANDARDISED, _MAX_STANDARDISED)
        return part if missing is None else part + np.where(absent, self._coefficients[missing], 0.0)

    def _category(self, values, coefficients, missing):
        absent = np.isnan(values)
        part = np.zeros(len(values))
        for code, coefficient in coefficients.items():
            part[values == int(code)] = self._coefficients[coefficient]
        part[absent] = 0.0 if missing is None else self._coefficients[missing]
        return part

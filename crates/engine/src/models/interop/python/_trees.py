"""Boosted trees in XGBoost's JSON model format."""

import json

import numpy as np


class Trees:
    def __init__(self, document):
        learner = document["learner"]
        # Kept as a probability, in brackets since XGBoost 3.
        base = float(learner["learner_model_param"]["base_score"].strip("[]"))
        self._intercept = float(np.float32(np.log(base) - np.log1p(-base)))
        self._trees = [_Tree(tree) for tree in learner["gradient_booster"]["model"]["trees"]]

    @classmethod
    def read(cls, path):
        return cls(json.loads(path.read_text()))

    def log_odds(self, rows):
        sums = np.full(len(rows), self._intercept)
        for tree in self._trees:
            sums += tree.leaves(rows)
        return sums


class _Tree:
    def __init__(self, tree):
        self._left, self._right = np.array(tree["left_children"]), np.array(tree["right_children"])
        self._column = np.array(tree["split_indices"])
        # A threshold, or the value of a leaf.
        self._value = np.array(tree["split_conditions"], np.float32)
        self._missing_left = np.array(tree["default_left"], bool)
        # The categories that go right, by node.
        self._sets = np.zeros((len(self._left), max(tree["categories"], default=-1) + 2), bool)
        places = zip(tree["categories_nodes"], tree["categories_segments"], tree["categories_sizes"])
        self._by_category = np.zeros(len(self._left), bool)
        for node, start, size in places:
            self._sets[node, tree["categories"][start : start + size]] = True
            self._by_category[node] = True

    def leaves(self, rows):
        at = np.zeros(len(rows), int)
        every = np.arange(len(rows))
        while True:
            inner = self._left[at] != -1
            if not inner.any():
                return self._value[at].astype(float)
            values = rows[every, self._column[at]]
            absent = np.isnan(values)
            # Categories beyond the sets are in none of them.
            code = np.clip(np.where(absent, 0, values), 0, self._sets.shape[1] - 1).astype(int)
            left = np.where(self._by_category[at], ~self._sets[at, code], values < self._value[at])
            left = np.where(absent, self._missing_left[at], left)
            at = np.where(inner, np.where(left, self._left[at], self._right[at]), at)

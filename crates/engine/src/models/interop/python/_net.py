"""The neural network: tables of the columns, two layers, heads that share them. In single precision, as served."""

import json
import struct

import numpy as np

_BELOW_ONE = np.float32(1) - np.finfo(np.float32).eps
_LANES = 8


class Net:
    def __init__(self, tensors, described):
        self._columns = described["columns"]
        self._tensors = tensors

    @classmethod
    def read(cls, path):
        """Reads safetensors: the length of a JSON header, the header, the tensors' bytes."""
        raw = path.read_bytes()
        (length,) = struct.unpack("<Q", raw[:8])
        header = json.loads(raw[8 : 8 + length])
        metadata = header.pop("__metadata__")
        tensors = {}
        for name, tensor in header.items():
            start, end = tensor["data_offsets"]
            tensors[name] = np.frombuffer(raw[8 + length + start : 8 + length + end], "<f4").reshape(tensor["shape"])
        return cls(tensors, json.loads(metadata["leadscore.net"]))

    def log_odds(self, rows):
        """The mean of the heads, and the standard deviation among them."""
        heads = self._heads(self._sums(rows))
        mean = heads.mean(axis=1)
        return mean, np.sqrt(((heads - mean[:, None]) ** 2).mean(axis=1))

    def _sums(self, rows):
        """What all columns add to the first layer."""
        tables = self._tensors["tables"]
        sums = np.zeros((len(rows), tables.shape[1]), np.float32)
        first = 0
        for column in self._columns:
            values = rows[:, column["column"]]
            if "knots" in column:
                slot, fraction = _between(np.array(column["knots"], np.float32), values)
                count = len(column["knots"]) + 1
            else:
                slot, fraction = _own(column["categories"], values), np.zeros(len(values), np.float32)
                count = len(column["categories"]) + 2
            low = tables[first + slot]
            high = tables[first + np.minimum(slot + 1, count - 1)]
            sums += np.where(fraction[:, None] > 0, low + fraction[:, None] * (high - low), low)
            first += count
        return sums

    def _heads(self, sums):
        t = self._tensors
        heads = np.empty((len(sums), len(t["intercept"])))
        for head in range(heads.shape[1]):
            layer = np.maximum(sums * t["scale_1"][head] + t["shift_1"][head], 0)
            second = np.zeros((len(sums), t["matrix"].shape[1]), np.float32)
            for value, weights in zip(layer.T, t["matrix"]):
                second += value[:, None] * weights
            second = np.maximum(second * t["scale_2"][head] + t["shift_2"][head], 0)
            heads[:, head] = _dot(second, t["output"][head]) + _dot(sums, t["skip"][head]) + t["intercept"][head]
        return heads


def _between(knots, values):
    """The knot below each value and how far it is to the next; beyond the last knot stands the missing value."""
    above = np.searchsorted(knots, values, side="right")
    outside = (above == 0) | (above == len(knots))
    slot = np.maximum(above - 1, 0)
    low = knots[slot].astype(float)
    high = knots[np.minimum(slot + 1, len(knots) - 1)].astype(float)
    with np.errstate(divide="ignore", invalid="ignore"):
        fraction = ((values.astype(float) - low) / (high - low)).astype(np.float32)
    absent = np.isnan(values)
    fraction = np.where(outside | absent, np.float32(0), np.minimum(fraction, _BELOW_ONE))
    return np.where(absent, len(knots), slot), fraction


def _own(categories, values):
    """Slot 0 for rare categories, one for each of its own, then one for the missing value."""
    slot = np.zeros(len(values), int)
    for place, code in enumerate(categories):
        slot[values == code] = place + 1
    slot[np.isnan(values)] = len(categories) + 1
    return slot


def _dot(rows, weights):
    """Products summed in the order in which the server sums them."""
    products = (rows * weights).reshape(len(rows), -1, _LANES)
    lanes = np.zeros((len(rows), _LANES), np.float32)
    for chunk in range(products.shape[1]):
        lanes += products[:, chunk]
    total = np.zeros(len(rows), np.float32)
    for lane in range(_LANES):
        total += lanes[:, lane]
    return total

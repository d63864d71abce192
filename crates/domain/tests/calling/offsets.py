#!/usr/bin/env python3
"""Writes offsets.csv: the offsets from UTC of the zones of area_codes.csv, from Python's zoneinfo.

A line is a zone, the UTC second from which on an offset holds, and the offset in seconds; 2026 to 2028.
"""

import pathlib
from datetime import datetime, timedelta, timezone
from zoneinfo import ZoneInfo

FROM = datetime(2025, 12, 1, tzinfo=timezone.utc)
TO = datetime(2029, 2, 1, tzinfo=timezone.utc)


def offset(zone, second):
    return int(datetime.fromtimestamp(second, zone).utcoffset().total_seconds())


def changes(name):
    zone, second, end = ZoneInfo(name), int(FROM.timestamp()), int(TO.timestamp())
    yield second, offset(zone, second)
    step = int(timedelta(hours=1).total_seconds())
    while second < end:
        before, after = offset(zone, second), offset(zone, second + step)
        if before != after:
            low, high = second, second + step
            while high - low > 1:
                middle = (low + high) // 2
                low, high = (middle, high) if offset(zone, middle) == before else (low, middle)
            yield high, after
        second += step


here = pathlib.Path(__file__).parent
codes = (here / "../../src/calling/area_codes.csv").read_text().splitlines()
names = sorted({zone for line in codes for zone in line.split(",")[2].split(" ")})
lines = [f"{name},{second},{offset}" for name in names for second, offset in changes(name)]
(here / "offsets.csv").write_text("\n".join(lines) + "\n")

"""What the generator cannot know by itself: how lines of JSON are written."""

import schemathesis

LINES = "application/x-ndjson"


@schemathesis.serializer(LINES)
def lines(context, value):
    return str(value).encode()


@schemathesis.hook
def filter_case(context, case):
    """Of lines the document says that they are text, and everything that is sent is text."""
    return case.media_type != LINES or isinstance(case.body, str)

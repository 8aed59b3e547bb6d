"""Tools for the tests of the command line."""

import json


def strict(text):
    """Parse strict JSON."""

    def refuse(constant):
        raise AssertionError(f"{constant} is not JSON")

    return json.loads(text, parse_constant=refuse)


def in_turn(*results):
    """Return a function that answers with these in turn, or raises, and the list of its calls."""
    left, calls = list(results), []

    def fake(*arguments, **options):
        calls.append((*arguments, options))
        answer = left.pop(0)
        if isinstance(answer, BaseException):
            raise answer
        return answer

    return fake, calls

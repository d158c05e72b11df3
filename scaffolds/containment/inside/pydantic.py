"""`pydantic` as contained code imports it: `Field`, to describe an operation's argument. The parent makes it real."""

import json


class FieldInfo:
    """What was said of an argument: keyword arguments of the real `pydantic.Field`."""

    def __init__(self, **said: object) -> None:
        json.dumps(said)  # TypeError here, where it is written, for what could not be told to the parent
        self.said = said


Field = FieldInfo

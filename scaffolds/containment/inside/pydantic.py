"""`pydantic` as contained code imports it: `Field`, to describe an operation's argument. The parent makes it real."""

import json


class FieldInfo:
    """Settings of an argument: keyword arguments of the real `pydantic.Field`."""

    def __init__(self, **settings: object) -> None:
        json.dumps(settings)  # TypeError at this line for what cannot be sent to the parent
        self.settings = settings


Field = FieldInfo

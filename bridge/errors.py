"""What the server can fail with; `str()` of each is a sentence for the person who reads it."""


class BridgeError(Exception):
    """Base of the failures of the server that are not a defect of its code."""


class InvalidSettings(BridgeError):
    """What is wrong with the settings; names the option and where its value comes from."""


class CannotStart(BridgeError):
    """Why the server cannot start."""


class Unreachable(BridgeError):
    """Why something outside, such as a Heron Tracker, gave no answer that can be used."""

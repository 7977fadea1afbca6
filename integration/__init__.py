"""heron-bridge together with the real parts of Heron, in containers."""

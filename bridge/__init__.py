"""Everything of heron-bridge that touches the world."""

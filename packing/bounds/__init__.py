"""How good any plan for a request can be: proved bounds, so that a plan comes with its gap."""

"""`python -m bridge` is `heron-bridge`."""

from bridge.cli import main

if __name__ == "__main__":
    main(prog_name="heron-bridge")

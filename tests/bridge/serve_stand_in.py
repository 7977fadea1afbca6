"""`heron-bridge` with the stand-in answers, for tests that need the real command in a process."""

from bridge.cli import main, serve

if __name__ == "__main__":
    serve.ANSWER = "tests.bridge.answers:answer"
    main(prog_name="heron-bridge")

package org.heronbridge.health;

import java.io.File;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.concurrent.TimeUnit;

/** {@code heron-bridge serve}, as {@code make install} puts it into the checkout. */
final class RealBridge {

  private static final Path COMMAND = Path.of("../../.venv/bin/heron-bridge");
  private static final long START_TIMEOUT_S = 60;

  private final Process process;
  private final Path socket;

  private RealBridge(Process process, Path socket) {
    this.process = process;
    this.socket = socket;
  }

  /** Starts one that listens on a socket in the folder, and waits until it is there. */
  static RealBridge start(Path folder) throws IOException, InterruptedException {
    if (!Files.isExecutable(COMMAND)) {
      throw new AssertionError(COMMAND.toAbsolutePath().normalize()
          + " is not there; run `make install`");
    }
    Path socket = folder.resolve("bridge.sock");
    File log = folder.resolve("bridge.log").toFile();
    Process process = new ProcessBuilder(
        COMMAND.toString(), "serve", "--address=unix://" + socket, "--workers=1")
        .redirectErrorStream(true).redirectOutput(log).start();
    long end = System.nanoTime() + TimeUnit.SECONDS.toNanos(START_TIMEOUT_S);
    while (!Files.exists(socket)) {
      if (!process.isAlive() || System.nanoTime() > end) {
        process.destroyForcibly();
        throw new AssertionError("the bridge does not start: " + Files.readString(log.toPath()));
      }
      Thread.sleep(50);
    }
    return new RealBridge(process, socket);
  }

  String address() {
    return "unix://" + socket;
  }

  /** Ends it. */
  void stop() throws InterruptedException {
    process.destroy();
    if (!process.waitFor(20, TimeUnit.SECONDS)) {
      process.destroyForcibly();
    }
  }
}

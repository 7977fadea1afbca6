package org.heronbridge;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.twitter.heron.spi.packing.PackingPlan;
import java.io.File;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.TimeUnit;
import java.util.stream.Collectors;
import org.heronbridge.driver.PackOnce;
import org.heronbridge.wire.Options;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/**
 * The finished jars at the end of the class paths that Heron's versions have, in a JVM of their own.
 * Each packs and repacks over TCP, over TLS with certificates on both sides, and over a unix socket.
 */
class HeronClassPathIT {

  private static final String NETTY = " netty-common netty-buffer netty-transport netty-resolver"
      + " netty-codec netty-handler netty-codec-http netty-codec-http2"
      + " netty-transport-native-unix-common netty-transport-classes-epoll ";

  private final Path target = Path.of(System.getProperty("target.directory"));
  private final Path conflicts = Path.of(System.getProperty("conflicts.directory"));

  @TempDir
  private Path directory;

  @ParameterizedTest
  @CsvSource({
      "heron-bridge-plugin-heron017.jar, , , ",
      "heron-bridge-plugin.jar, 18.0, 3.4.0, 4.1.76.Final",
      "heron-bridge-plugin.jar, 23.6-jre, 3.19.6, 4.1.76.Final",
      "heron-bridge-plugin.jar, 32.1.3-jre, 3.25.8, 4.1.105.Final"})
  void packsBehindHeronsLibraries(String plugin, String guava, String protobuf, String netty)
      throws Exception {
    Path spi = Path.of(PackingPlan.class.getProtectionDomain().getCodeSource().getLocation().toURI());
    Path driver = Path.of(
        PackOnce.class.getProtectionDomain().getCodeSource().getLocation().toURI());
    List<Path> classPath = new ArrayList<>();
    if (guava == null) {
      // Carries guava 18 and protobuf 3.4 under their own names.
      classPath.add(spi);
      classPath.add(onlyDriver(driver));
    } else {
      Path apacheSpi = directory.resolve("heron-spi.jar");
      HeronRenaming.renameJar(spi, apacheSpi);
      Path apacheDriver = directory.resolve("apache-driver");
      HeronRenaming.renameDirectory(onlyDriver(driver), apacheDriver);
      classPath.add(apacheSpi);
      classPath.add(conflict("guava", guava));
      classPath.add(conflict("protobuf-java", protobuf));
      for (String module : NETTY.trim().split(" ")) {
        classPath.add(conflict(module, netty));
      }
      classPath.add(apacheDriver);
    }
    for (String other : List.of("slf4j-api-1.7.36", "logback-core-1.2.13", "logback-classic-1.2.13",
        "jackson-core-2.8.8", "jackson-databind-2.8.8", "jackson-annotations-2.8.8",
        "snakeyaml-1.29")) {
      classPath.add(conflicts.resolve(other + ".jar"));
    }
    classPath.add(target.resolve(plugin));

    try (TestBridge bridge = TestBridge.start().answering(Plans.sideBySide())) {
      run(classPath, bridge.address());
      assertEquals(11, bridge.packs.size());
      assertEquals(guava == null ? "com.twitter.heron" : "org.apache.heron",
          bridge.packs.get(0).getContext().getCaller().getHeronFlavour());
      Options options = bridge.packs.get(0).getContext().getOptions();
      assertEquals(0.5, options.getHeadroom());
      assertEquals(0.8, options.getProbability());
      assertEquals("quick", options.getEffort());
      assertTrue(options.getSpreadComponents());
    }
    TestCertificate server = TestCertificate.create(directory, "server");
    TestCertificate client = TestCertificate.create(directory, "client");
    try (TestBridge bridge = TestBridge
        .startTls(server.certificate(), server.key(), client.certificate())
        .answering(Plans.sideBySide())) {
      run(classPath, bridge.address(), server.certificate().toString(),
          client.certificate().toString(), client.key().toString());
      assertEquals(11, bridge.packs.size());
    }
    File socket = directory.resolve("bridge.sock").toFile();
    try (TestBridge bridge = TestBridge.startUnix(socket).answering(Plans.sideBySide())) {
      run(classPath, "unix://" + socket);
      assertEquals(11, bridge.packs.size());
    }
  }

  private void run(List<Path> classPath, String address, String... tls) throws Exception {
    Path outcome = directory.resolve("outcome");
    Path stdout = directory.resolve("stdout");
    Path stderr = directory.resolve("stderr");
    List<String> command = new ArrayList<>(List.of(
        Path.of(System.getProperty("java.home"), "bin", "java").toString(), "-Xmx256m", "-cp",
        classPath.stream().map(Path::toString).collect(Collectors.joining(File.pathSeparator)),
        PackOnce.class.getName(), address, outcome.toString()));
    command.addAll(List.of(tls));
    Process heron = new ProcessBuilder(command)
        .redirectOutput(stdout.toFile())
        .redirectError(stderr.toFile())
        .start();
    try {
      assertTrue(heron.waitFor(90, TimeUnit.SECONDS), "the JVM ends by itself");
    } finally {
      heron.destroyForcibly();
    }
    String log = Files.readString(stderr);
    assertEquals(0, heron.exitValue(), log);
    assertEquals("", Files.readString(stdout));
    List<String> lines = Files.readAllLines(outcome);
    assertTrue(lines.remove(1).startsWith("ms "));
    assertEquals(List.of("packed 1", "repacked 1", "repacked by number 1", "threads added 0", "end"),
        lines, log);
    assertEquals(-1, log.indexOf("WARNING"), log);
    assertEquals(13, log.split("carries 1\\.8x the offered load", -1).length - 1, log);
  }

  private Path conflict(String artifact, String version) {
    Path jar = conflicts.resolve(artifact + "-" + version + ".jar");
    assertTrue(Files.isRegularFile(jar), jar::toString);
    return jar;
  }

  /** The classes that play Heron, without those that test. */
  private Path onlyDriver(Path testClasses) throws Exception {
    Path copy = directory.resolve("driver");
    Path from = testClasses.resolve("org/heronbridge/driver");
    Path to = copy.resolve("org/heronbridge/driver");
    Files.createDirectories(to);
    try (var files = Files.list(from)) {
      for (Path file : (Iterable<Path>) files::iterator) {
        Files.copy(file, to.resolve(file.getFileName()),
            java.nio.file.StandardCopyOption.REPLACE_EXISTING);
      }
    }
    return copy;
  }
}

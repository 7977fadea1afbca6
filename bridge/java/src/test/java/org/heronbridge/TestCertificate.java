package org.heronbridge;

import java.io.File;
import java.io.InputStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.KeyStore;
import java.util.Base64;

/** A certificate for localhost that signs itself, made with the JDK's keytool. */
final class TestCertificate {

  private static final String PASSWORD = "changeit";

  private final File certificate;
  private final File key;

  private TestCertificate(File certificate, File key) {
    this.certificate = certificate;
    this.key = key;
  }

  static TestCertificate create(Path directory, String name) throws Exception {
    Path store = directory.resolve(name + ".p12");
    Process keytool = new ProcessBuilder(
        Path.of(System.getProperty("java.home"), "bin", "keytool").toString(),
        "-genkeypair", "-alias", name, "-keyalg", "EC", "-dname", "CN=" + name,
        "-ext", "san=dns:localhost,ip:127.0.0.1", "-ext", "bc=ca:true", "-validity", "2",
        "-storetype", "PKCS12", "-storepass", PASSWORD, "-keystore", store.toString())
        .redirectErrorStream(true).redirectOutput(directory.resolve(name + ".out").toFile()).start();
    if (keytool.waitFor() != 0) {
      throw new AssertionError(Files.readString(directory.resolve(name + ".out")));
    }
    KeyStore keys = KeyStore.getInstance("PKCS12");
    try (InputStream in = Files.newInputStream(store)) {
      keys.load(in, PASSWORD.toCharArray());
    }
    return new TestCertificate(
        pem(directory.resolve(name + ".crt"), "CERTIFICATE", keys.getCertificate(name).getEncoded()),
        pem(directory.resolve(name + ".key"), "PRIVATE KEY",
            keys.getKey(name, PASSWORD.toCharArray()).getEncoded()));
  }

  private static File pem(Path file, String type, byte[] content) throws Exception {
    String body = Base64.getMimeEncoder(64, "\n".getBytes(StandardCharsets.US_ASCII))
        .encodeToString(content);
    Files.writeString(file, "-----BEGIN " + type + "-----\n" + body + "\n-----END " + type + "-----\n");
    return file.toFile();
  }

  File certificate() {
    return certificate;
  }

  File key() {
    return key;
  }
}

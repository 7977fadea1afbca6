package org.heronbridge;

/** Where a bridge listens: {@code host:port}, {@code [ipv6]:port} or {@code unix:///path}. */
final class BridgeAddress {

  private static final int HIGHEST_PORT = 65_535;

  private final String text;
  private final String path;
  private final String host;
  private final int port;

  private BridgeAddress(String text, String path, String host, int port) {
    this.text = text;
    this.path = path;
    this.host = host;
    this.port = port;
  }

  /**
   * Reads an address.
   *
   * @throws IllegalArgumentException with the expected form, when it has none
   */
  static BridgeAddress parse(String text) {
    if (text.startsWith("unix:")) {
      String path = text.substring("unix:".length());
      path = path.startsWith("//") ? path.substring(2) : path;
      if (path.startsWith("/") && path.length() > 1) {
        return new BridgeAddress(text, path, null, 0);
      }
      throw malformed();
    }
    int colon = text.lastIndexOf(':');
    if (colon < 1 || text.contains("/") || text.contains(" ")) {
      throw malformed();
    }
    String host = text.substring(0, colon);
    if (host.startsWith("[") && host.endsWith("]")) {
      host = host.substring(1, host.length() - 1);
    } else if (host.contains(":")) {
      throw malformed();
    }
    try {
      int port = Integer.parseInt(text.substring(colon + 1));
      if (port >= 1 && port <= HIGHEST_PORT && !host.isEmpty()) {
        return new BridgeAddress(text, null, host, port);
      }
    } catch (NumberFormatException e) {
      // no port: malformed
    }
    throw malformed();
  }

  boolean isUnixSocket() {
    return path != null;
  }

  /** Path of the socket; null when it is no unix socket. */
  String path() {
    return path;
  }

  /** Name or number of the host; null when it is a unix socket. */
  String host() {
    return host;
  }

  int port() {
    return port;
  }

  @Override
  public String toString() {
    return text;
  }

  private static IllegalArgumentException malformed() {
    return new IllegalArgumentException("it must have the form host:port or unix:///path");
  }
}

package org.heronbridge;

import io.grpc.CallOptions;
import io.grpc.Channel;
import io.grpc.ClientInterceptors;
import io.grpc.ManagedChannel;
import io.grpc.Metadata;
import io.grpc.MethodDescriptor;
import io.grpc.Status;
import io.grpc.StatusRuntimeException;
import io.grpc.stub.ClientCalls;
import io.grpc.stub.MetadataUtils;
import java.io.File;
import java.io.IOException;
import java.net.UnknownHostException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Paths;
import java.util.concurrent.TimeUnit;

/**
 * Calls the bridge. A connection is made when the first call needs one and kept until {@link #close()}.
 *
 * <p>An answer of UNAVAILABLE is tried again with growing pauses, each time over a new connection and,
 * where the host's name stands for several addresses, at the next of them. After
 * {@link #RETRY_WINDOW_MS} no further attempt is made: a bridge that is down shall not cost the whole
 * timeout.
 */
class BridgeClient {

  /** Milliseconds after the start of a call in which attempts are made; the second always is. */
  static final long RETRY_WINDOW_MS = 1_500;

  private static final long FIRST_PAUSE_MS = 50;
  private static final Metadata.Key<String> AUTHORIZATION =
      Metadata.Key.of("authorization", Metadata.ASCII_STRING_MARSHALLER);

  private final PluginSettings settings;
  private final String turningOff;
  /** Held while a connection is opened, which may take long; never by {@link #close()}. */
  private final Object opening = new Object();
  private BridgeConnection connection;
  private int attempts;
  private boolean closed;

  BridgeClient(PluginSettings settings) {
    this(settings, "set " + PluginSettings.PREFIX + "mode: off");
  }

  /**
   * A client.
   *
   * @param turningOff how the operator turns off what asks, to be read after "or"
   */
  BridgeClient(PluginSettings settings, String turningOff) {
    this.settings = settings;
    this.turningOff = turningOff;
  }

  /**
   * Begins to connect in a thread of its own, so that the connection is there when the request is. A
   * failure shows in the call.
   */
  void prepare() {
    DaemonTask.start("heron-bridge-connect", () -> connected().getState(true));
  }

  /**
   * Asks once, or more often while the bridge is unavailable.
   *
   * @param budget what the call may still take
   * @throws BridgeFailure when there is no answer
   */
  <T, R> R call(MethodDescriptor<T, R> method, T request, TimeBudget budget) throws BridgeFailure {
    TimeBudget window = new TimeBudget(RETRY_WINDOW_MS);
    long pauseMs = FIRST_PAUSE_MS;
    for (int attempt = 1; ; attempt++) {
      try {
        Channel channel = authorized(connected());
        return ClientCalls.blockingUnaryCall(channel, method,
            CallOptions.DEFAULT.withDeadlineAfter(budget.leftMs(), TimeUnit.MILLISECONDS), request);
      } catch (StatusRuntimeException e) {
        boolean late = budget.leftMs() <= pauseMs || attempt > 1 && window.leftMs() <= pauseMs;
        if (e.getStatus().getCode() != Status.Code.UNAVAILABLE || late) {
          throw failure(e);
        }
        disconnect();
      }
      try {
        Thread.sleep(pauseMs);
      } catch (InterruptedException e) {
        Thread.currentThread().interrupt();
        throw new BridgeFailure("was not waited for", "", e);
      }
      pauseMs *= 2;
    }
  }

  /** Ends the connection and its thread; further calls fail. */
  synchronized void close() {
    closed = true;
    disconnect();
  }

  private ManagedChannel connected() throws BridgeFailure {
    synchronized (opening) {
      BridgeConnection open = current();
      if (open == null) {
        open = connect(attempts++);
        keep(open);
      }
      return open.channel();
    }
  }

  private synchronized BridgeConnection current() throws BridgeFailure {
    if (closed) {
      throw new BridgeFailure("was not asked: the plugin is closed", "", null);
    }
    return connection;
  }

  private synchronized void keep(BridgeConnection opened) throws BridgeFailure {
    if (closed) {
      opened.close();
    }
    current();
    connection = opened;
  }

  private synchronized void disconnect() {
    if (connection != null) {
      connection.close();
      connection = null;
    }
  }

  private BridgeConnection connect(int attempt) throws BridgeFailure {
    try {
      return BridgeConnection.open(settings, attempt);
    } catch (UnknownHostException e) {
      throw new BridgeFailure("cannot be found: no address is known for host "
          + settings.address().host(), "Correct " + PluginSettings.PREFIX + "address", e);
    } catch (IOException | IllegalArgumentException e) {
      throw new BridgeFailure("was not asked: TLS cannot be set up: " + Sentences.of(e),
          "Correct " + PluginSettings.PREFIX + "tls.ca, tls.cert and tls.key", e);
    }
  }

  private Channel authorized(Channel channel) throws BridgeFailure {
    if (settings.tokenFile().isEmpty()) {
      return channel;
    }
    Metadata headers = new Metadata();
    headers.put(AUTHORIZATION, "Bearer " + token(settings.tokenFile()));
    return ClientInterceptors.intercept(
        channel, MetadataUtils.newAttachHeadersInterceptor(headers));
  }

  private static String token(String file) throws BridgeFailure {
    String token;
    try {
      token = new String(Files.readAllBytes(Paths.get(file)), StandardCharsets.UTF_8).trim();
    } catch (IOException | IllegalArgumentException e) {
      throw unusableToken(file, "cannot be read: " + Sentences.of(e), e);
    }
    if (!token.matches("[\\x21-\\x7e]+")) {
      throw unusableToken(file, "holds no token: one line of printable characters", null);
    }
    return token;
  }

  private static BridgeFailure unusableToken(String file, String why, Throwable cause) {
    String key = PluginSettings.PREFIX + "token.file";
    return new BridgeFailure(
        "was not asked: " + key + " '" + new File(file) + "' " + why, "Correct " + key, cause);
  }

  private BridgeFailure failure(StatusRuntimeException e) {
    Status status = e.getStatus();
    String said = said(status);
    switch (status.getCode()) {
      case UNAVAILABLE:
        return new BridgeFailure("cannot be reached (" + said + ")",
            "Start the bridge at " + settings.address() + ", or " + turningOff, e);
      case DEADLINE_EXCEEDED:
        return noAnswer(e);
      case CANCELLED:
        return new BridgeFailure("was not waited for (" + said + ")", "", e);
      case UNAUTHENTICATED:
        return new BridgeFailure("refuses the caller (" + said + ")",
            "Set " + PluginSettings.PREFIX + "token.file to a file with the bridge's token", e);
      case INVALID_ARGUMENT:
        return new BridgeFailure("refuses the request: " + said, "Correct the value it names", e);
      case FAILED_PRECONDITION:
      case UNIMPLEMENTED:
        return new BridgeFailure("does not fit this plugin: " + said,
            "Update the older of the two", e);
      case RESOURCE_EXHAUSTED:
        return new BridgeFailure("is too busy, or the request too large: " + said,
            "Look into the bridge's log, or run more bridges", e);
      default:
        return new BridgeFailure("failed with " + status.getCode() + ": " + said,
            "Look into the bridge's log", e);
    }
  }

  /** The failure of a bridge that says nothing in time. */
  BridgeFailure noAnswer(Throwable cause) {
    return new BridgeFailure("did not answer in " + settings.timeoutMs() + " ms",
        "Look into the bridge's log, raise " + PluginSettings.PREFIX + "timeout.ms, or "
            + turningOff, cause);
  }

  /** What the status says, with the reason that the network gave. */
  private static String said(Status status) {
    String said = status.getDescription() == null ? "no reason given" : status.getDescription();
    Throwable root = status.getCause();
    while (root != null && root.getCause() != null) {
      root = root.getCause();
    }
    return Sentences.line(root == null || root.getMessage() == null
        ? said : said + ": " + root.getMessage());
  }
}

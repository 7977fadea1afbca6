package org.heronbridge;

import io.grpc.ManagedChannel;
import io.grpc.netty.shaded.io.grpc.netty.GrpcSslContexts;
import io.grpc.netty.shaded.io.grpc.netty.NettyChannelBuilder;
import io.grpc.netty.shaded.io.netty.channel.Channel;
import io.grpc.netty.shaded.io.netty.channel.ChannelOption;
import io.grpc.netty.shaded.io.netty.channel.EventLoop;
import io.grpc.netty.shaded.io.netty.channel.IoHandlerFactory;
import io.grpc.netty.shaded.io.netty.channel.SingleThreadIoEventLoop;
import io.grpc.netty.shaded.io.netty.channel.epoll.Epoll;
import io.grpc.netty.shaded.io.netty.channel.epoll.EpollDomainSocketChannel;
import io.grpc.netty.shaded.io.netty.channel.epoll.EpollIoHandler;
import io.grpc.netty.shaded.io.netty.channel.nio.NioIoHandler;
import io.grpc.netty.shaded.io.netty.channel.socket.nio.NioSocketChannel;
import io.grpc.netty.shaded.io.netty.channel.unix.DomainSocketAddress;
import io.grpc.netty.shaded.io.netty.handler.ssl.SslContextBuilder;
import io.grpc.netty.shaded.io.netty.util.ResourceLeakDetector;
import io.grpc.netty.shaded.io.netty.util.concurrent.DefaultThreadFactory;
import io.grpc.netty.shaded.io.netty.util.internal.logging.InternalLoggerFactory;
import io.grpc.netty.shaded.io.netty.util.internal.logging.JdkLoggerFactory;
import java.io.File;
import java.io.IOException;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.SocketAddress;
import java.util.concurrent.TimeUnit;

/** One connection to one address of a bridge, with one daemon thread that serves it. */
final class BridgeConnection {

  /** Bytes; a plan of 10,000 instances takes half a megabyte. */
  private static final int LARGEST_ANSWER = 64 << 20;

  private static final int CONNECT_TIMEOUT_MS = 3_000;
  private static final long CLOSE_TIMEOUT_MS = 500;

  static {
    // Read by our own copy of netty only, whose names these become. Flight recorder events and pools
    // of buffers, made for servers, would take a third of the time of the first call.
    setUnlessSet("io.grpc.netty.shaded.io.netty.jfr.enabled", "false");
    // Part of channel names only. Looking for a network card's address costs time, and warns on the
    // console of a machine that has none.
    setUnlessSet("io.grpc.netty.shaded.io.netty.machineId", "02:00:00:00:00:01");
    setUnlessSet("io.grpc.netty.shaded.io.netty.allocator.type", "unpooled");
    // netty would take SLF4J, which stands on Heron's class path and writes to stdout.
    InternalLoggerFactory.setDefaultFactory(JdkLoggerFactory.INSTANCE);
    ResourceLeakDetector.setLevel(ResourceLeakDetector.Level.DISABLED);
  }

  private final EventLoop loop;
  private final ManagedChannel channel;

  private static void setUnlessSet(String property, String value) {
    if (System.getProperty(property) == null) {
      System.setProperty(property, value);
    }
  }

  private BridgeConnection(EventLoop loop, ManagedChannel channel) {
    this.loop = loop;
    this.channel = channel;
  }

  /**
   * Begins to connect.
   *
   * @param attempt which of the host's addresses to take, if it has several
   * @throws java.net.UnknownHostException when the host has none
   * @throws IOException when a file that TLS needs, or the system's support for unix sockets, fails
   * @throws IllegalArgumentException when a file that TLS needs is malformed
   */
  static BridgeConnection open(PluginSettings settings, int attempt) throws IOException {
    BridgeAddress address = settings.address();
    if (address.isUnixSocket()) {
      if (!Epoll.isAvailable()) {
        throw new UnsupportedOperationException(
            "unix sockets need Linux; name host:port", Epoll.unavailabilityCause());
      }
      return open(settings, new DomainSocketAddress(address.path()), "localhost",
          newLoop(EpollIoHandler.newFactory()), EpollDomainSocketChannel.class);
    }
    InetAddress[] hosts = InetAddress.getAllByName(address.host());
    InetAddress host = hosts[attempt % hosts.length];
    String authority = (address.host().contains(":") ? "[" + address.host() + "]" : address.host())
        + ":" + address.port();
    return open(settings, new InetSocketAddress(host, address.port()), authority,
        newLoop(NioIoHandler.newFactory()), NioSocketChannel.class);
  }

  /**
   * A loop without a group around it: the end of a group is announced by a thread of netty's that is
   * no daemon, and would hold up the end of {@code heron submit} by a second.
   */
  private static EventLoop newLoop(IoHandlerFactory handler) {
    return new SingleThreadIoEventLoop(
        null, new DefaultThreadFactory("heron-bridge-network", true), handler);
  }

  private static BridgeConnection open(
      PluginSettings settings,
      SocketAddress socket,
      String authority,
      EventLoop loop,
      Class<? extends Channel> channelType)
      throws IOException {
    try {
      NettyChannelBuilder builder = NettyChannelBuilder.forAddress(socket)
          .overrideAuthority(authority)
          .eventLoopGroup(loop)
          .channelType(channelType)
          .withOption(ChannelOption.CONNECT_TIMEOUT_MILLIS, CONNECT_TIMEOUT_MS)
          .directExecutor()
          .disableRetry()
          .disableServiceConfigLookUp()
          .proxyDetector(target -> null)
          .maxInboundMessageSize(LARGEST_ANSWER)
          .userAgent(PluginVersion.SOFTWARE);
      if (settings.address().isUnixSocket()) {
        // gRPC sets it for every socket; this kind does not have it, and netty would warn.
        builder.withOption(ChannelOption.SO_KEEPALIVE, null);
      }
      secure(builder, settings);
      return new BridgeConnection(loop, builder.build());
    } catch (Throwable t) {
      stop(loop);
      throw t;
    }
  }

  private static void secure(NettyChannelBuilder builder, PluginSettings settings)
      throws IOException {
    if (settings.tlsCa().isEmpty() && settings.tlsCert().isEmpty()) {
      builder.usePlaintext();
      return;
    }
    SslContextBuilder ssl = GrpcSslContexts.forClient();
    if (!settings.tlsCa().isEmpty()) {
      ssl.trustManager(readable(settings.tlsCa()));
    }
    if (!settings.tlsCert().isEmpty()) {
      ssl.keyManager(readable(settings.tlsCert()), readable(settings.tlsKey()));
    }
    builder.sslContext(ssl.build()).useTransportSecurity();
  }

  private static File readable(String path) throws IOException {
    File file = new File(path);
    if (!file.canRead()) {
      throw new IOException(path + " cannot be read");
    }
    return file;
  }

  ManagedChannel channel() {
    return channel;
  }

  /** Drops what is under way; waits half a second at most for the thread to end. */
  void close() {
    channel.shutdownNow();
    stop(loop);
  }

  private static void stop(EventLoop loop) {
    loop.shutdownGracefully(0, CLOSE_TIMEOUT_MS, TimeUnit.MILLISECONDS)
        .awaitUninterruptibly(CLOSE_TIMEOUT_MS);
  }
}

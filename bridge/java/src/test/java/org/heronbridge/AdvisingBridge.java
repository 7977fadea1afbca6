package org.heronbridge;

import io.grpc.Server;
import io.grpc.ServerServiceDefinition;
import io.grpc.Status;
import io.grpc.netty.shaded.io.grpc.netty.NettyServerBuilder;
import io.grpc.stub.ServerCalls;
import java.io.IOException;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.util.List;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.function.Function;
import org.heronbridge.wire.AdviseRequest;
import org.heronbridge.wire.AdviseResponse;

/** A real gRPC server that advises as a test tells it to. */
public final class AdvisingBridge implements AutoCloseable {

  /** What it was asked. */
  public final List<AdviseRequest> requests = new CopyOnWriteArrayList<>();

  private final Server server;

  private AdvisingBridge(Function<AdviseRequest, AdviseResponse> advice) throws IOException {
    ServerServiceDefinition service = ServerServiceDefinition.builder(BridgeMethods.SERVICE)
        .addMethod(BridgeMethods.ADVISE, ServerCalls.asyncUnaryCall((request, observer) -> {
          requests.add(request);
          if (advice == null) {
            return;
          }
          try {
            observer.onNext(advice.apply(request));
            observer.onCompleted();
          } catch (RuntimeException e) {
            observer.onError(
                Status.INVALID_ARGUMENT.withDescription(e.getMessage()).asRuntimeException());
          }
        }))
        .build();
    server = NettyServerBuilder
        .forAddress(new InetSocketAddress(InetAddress.getLoopbackAddress(), 0))
        .addService(service)
        .build()
        .start();
  }

  /** Answers every request with the outcome of the function; null: never answers. */
  public static AdvisingBridge start(Function<AdviseRequest, AdviseResponse> advice)
      throws IOException {
    return new AdvisingBridge(advice);
  }

  /** Where it listens. */
  public String address() {
    return "localhost:" + server.getPort();
  }

  @Override
  public void close() {
    server.shutdownNow();
  }
}

package org.heronbridge;

import com.google.protobuf.ByteString;
import com.google.protobuf.InvalidProtocolBufferException;
import io.grpc.Metadata;
import io.grpc.Server;
import io.grpc.ServerCall;
import io.grpc.ServerCallHandler;
import io.grpc.ServerInterceptor;
import io.grpc.ServerInterceptors;
import io.grpc.ServerServiceDefinition;
import io.grpc.StatusRuntimeException;
import io.grpc.netty.shaded.io.grpc.netty.GrpcSslContexts;
import io.grpc.netty.shaded.io.grpc.netty.NettyServerBuilder;
import io.grpc.netty.shaded.io.netty.channel.EventLoopGroup;
import io.grpc.netty.shaded.io.netty.channel.MultiThreadIoEventLoopGroup;
import io.grpc.netty.shaded.io.netty.channel.epoll.EpollIoHandler;
import io.grpc.netty.shaded.io.netty.channel.epoll.EpollServerDomainSocketChannel;
import io.grpc.netty.shaded.io.netty.channel.unix.DomainSocketAddress;
import io.grpc.netty.shaded.io.netty.util.concurrent.DefaultThreadFactory;
import io.grpc.netty.shaded.io.netty.handler.ssl.ClientAuth;
import io.grpc.stub.ServerCalls;
import io.grpc.stub.StreamObserver;
import java.io.File;
import java.io.IOException;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.util.List;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.function.Function;
import org.heronbridge.wire.Candidate;
import org.heronbridge.wire.PackRequest;
import org.heronbridge.wire.PackingPlan;
import org.heronbridge.wire.PlanResponse;
import org.heronbridge.wire.PlanningContext;
import org.heronbridge.wire.Prediction;
import org.heronbridge.wire.RepackRequest;
import org.heronbridge.wire.Report;

/** A real gRPC server that answers as a test tells it to. */
final class TestBridge implements AutoCloseable {

  private static final Metadata.Key<String> AUTHORIZATION =
      Metadata.Key.of("authorization", Metadata.ASCII_STRING_MARSHALLER);

  final List<PackRequest> packs = new CopyOnWriteArrayList<>();
  final List<RepackRequest> repacks = new CopyOnWriteArrayList<>();
  final List<String> authorizations = new CopyOnWriteArrayList<>();
  final List<StatusRuntimeException> refusals = new CopyOnWriteArrayList<>();

  private final Server server;
  private EventLoopGroup loop;
  private volatile Function<PlanningContext, PlanResponse> answer;

  private TestBridge(NettyServerBuilder builder) throws IOException {
    server = builder.addService(ServerInterceptors.intercept(service(), new Headers())).build();
    server.start();
  }

  /** Listens on a free port of the loopback interface. */
  static TestBridge start() throws IOException {
    return new TestBridge(onLoopback());
  }

  static TestBridge startTls(File certificate, File key, File clientAuthority) throws IOException {
    return new TestBridge(onLoopback().sslContext(
        GrpcSslContexts.forServer(certificate, key)
            .trustManager(clientAuthority)
            .clientAuth(clientAuthority == null ? ClientAuth.NONE : ClientAuth.REQUIRE)
            .build()));
  }

  static TestBridge startUnix(File socket) throws IOException {
    EventLoopGroup loop = new MultiThreadIoEventLoopGroup(
        1, new DefaultThreadFactory("test-bridge", true), EpollIoHandler.newFactory());
    TestBridge bridge = new TestBridge(
        NettyServerBuilder.forAddress(new DomainSocketAddress(socket))
            .channelType(EpollServerDomainSocketChannel.class)
            .bossEventLoopGroup(loop)
            .workerEventLoopGroup(loop));
    bridge.loop = loop;
    return bridge;
  }

  private static NettyServerBuilder onLoopback() {
    return NettyServerBuilder.forAddress(
        new InetSocketAddress(InetAddress.getLoopbackAddress(), 0));
  }

  String address() {
    return "localhost:" + server.getPort();
  }

  /** Answers every request with the outcome of the function; null: never answers. */
  TestBridge answering(Function<PlanningContext, PlanResponse> function) {
    answer = function;
    return this;
  }

  /** Answers with a plan, and with predictions for it and for Heron's own. */
  TestBridge answering(PackingPlan plan) {
    return answering(context -> response(plan));
  }

  /** Refuses this often before it answers. */
  TestBridge refusing(StatusRuntimeException... statuses) {
    refusals.addAll(List.of(statuses));
    return this;
  }

  static PlanResponse response(PackingPlan plan) {
    return PlanResponse.newBuilder()
        .setPlan(plan.toByteString())
        .setReport(Report.newBuilder()
            .setChosen("stream_affinity")
            .addCandidates(candidate("heron", 1.2, 91))
            .addCandidates(candidate("stream_affinity", 1.84, 62)))
        .build();
  }

  static PlanResponse response(ByteString plan) {
    return PlanResponse.newBuilder().setPlan(plan).build();
  }

  private static Candidate candidate(String planner, double factor, int crossPercent) {
    return Candidate.newBuilder()
        .setPlanner(planner)
        .setPrediction(Prediction.newBuilder()
            .setSustainableLoadFactor(factor)
            .setTrafficTuplesPerS(1000)
            .setCrossFraction(crossPercent / 100.0))
        .build();
  }

  /** The plan that came along. */
  static PackingPlan fallbackIn(PlanningContext context) {
    try {
      return PackingPlan.parseFrom(context.getFallback().getPlan());
    } catch (InvalidProtocolBufferException e) {
      throw new AssertionError(e);
    }
  }

  private ServerServiceDefinition service() {
    return ServerServiceDefinition.builder(BridgeMethods.SERVICE)
        .addMethod(BridgeMethods.PACK, ServerCalls.asyncUnaryCall((request, observer) -> {
          packs.add(request);
          respond(request.getContext(), observer);
        }))
        .addMethod(BridgeMethods.REPACK, ServerCalls.asyncUnaryCall((request, observer) -> {
          repacks.add(request);
          respond(request.getContext(), observer);
        }))
        .build();
  }

  private void respond(PlanningContext context, StreamObserver<PlanResponse> observer) {
    if (!refusals.isEmpty()) {
      observer.onError(refusals.remove(0));
      return;
    }
    Function<PlanningContext, PlanResponse> function = answer;
    if (function == null) {
      return;
    }
    try {
      observer.onNext(function.apply(context));
      observer.onCompleted();
    } catch (StatusRuntimeException e) {
      observer.onError(e);
    }
  }

  @Override
  public void close() {
    server.shutdownNow();
    if (loop != null) {
      loop.shutdownGracefully();
    }
  }

  private final class Headers implements ServerInterceptor {
    @Override
    public <T, R> ServerCall.Listener<T> interceptCall(
        ServerCall<T, R> call, Metadata headers, ServerCallHandler<T, R> next) {
      authorizations.add(String.valueOf(headers.get(AUTHORIZATION)));
      return next.startCall(call, headers);
    }
  }
}

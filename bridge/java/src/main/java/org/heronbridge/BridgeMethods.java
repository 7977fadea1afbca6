package org.heronbridge;

import com.google.protobuf.Message;
import io.grpc.MethodDescriptor;
import io.grpc.protobuf.ProtoUtils;
import org.heronbridge.wire.AdviseRequest;
import org.heronbridge.wire.AdviseResponse;
import org.heronbridge.wire.PackRequest;
import org.heronbridge.wire.PlanResponse;
import org.heronbridge.wire.RepackRequest;

/** The methods of {@code packing_bridge.proto} that the plugin calls. */
final class BridgeMethods {

  static final String SERVICE = "heron.bridge.v1.PackingBridge";

  static final MethodDescriptor<PackRequest, PlanResponse> PACK =
      method("Pack", PackRequest.getDefaultInstance(), PlanResponse.getDefaultInstance());

  static final MethodDescriptor<RepackRequest, PlanResponse> REPACK =
      method("Repack", RepackRequest.getDefaultInstance(), PlanResponse.getDefaultInstance());

  static final MethodDescriptor<AdviseRequest, AdviseResponse> ADVISE =
      method("Advise", AdviseRequest.getDefaultInstance(), AdviseResponse.getDefaultInstance());

  private BridgeMethods() {
  }

  private static <T extends Message, R extends Message> MethodDescriptor<T, R> method(
      String name, T request, R response) {
    return MethodDescriptor.<T, R>newBuilder()
        .setType(MethodDescriptor.MethodType.UNARY)
        .setFullMethodName(MethodDescriptor.generateFullMethodName(SERVICE, name))
        .setIdempotent(true)
        .setRequestMarshaller(ProtoUtils.marshaller(request))
        .setResponseMarshaller(ProtoUtils.marshaller(response))
        .build();
  }
}

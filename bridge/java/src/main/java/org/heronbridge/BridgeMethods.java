package org.heronbridge;

import com.google.protobuf.Message;
import io.grpc.MethodDescriptor;
import io.grpc.protobuf.ProtoUtils;
import org.heronbridge.wire.PackRequest;
import org.heronbridge.wire.PlanResponse;
import org.heronbridge.wire.RepackRequest;

/** The methods of {@code packing_bridge.proto} that the plugin calls. */
final class BridgeMethods {

  static final String SERVICE = "heron.bridge.v1.PackingBridge";

  static final MethodDescriptor<PackRequest, PlanResponse> PACK =
      planning("Pack", PackRequest.getDefaultInstance());

  static final MethodDescriptor<RepackRequest, PlanResponse> REPACK =
      planning("Repack", RepackRequest.getDefaultInstance());

  private BridgeMethods() {
  }

  private static <T extends Message> MethodDescriptor<T, PlanResponse> planning(
      String name, T request) {
    return MethodDescriptor.<T, PlanResponse>newBuilder()
        .setType(MethodDescriptor.MethodType.UNARY)
        .setFullMethodName(MethodDescriptor.generateFullMethodName(SERVICE, name))
        .setIdempotent(true)
        .setRequestMarshaller(ProtoUtils.marshaller(request))
        .setResponseMarshaller(ProtoUtils.marshaller(PlanResponse.getDefaultInstance()))
        .build();
  }
}

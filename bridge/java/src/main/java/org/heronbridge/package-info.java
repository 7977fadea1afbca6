/**
 * The packing class that runs inside Heron, lets the configured Heron class make its plan, asks the
 * bridge for a better one, checks the answer and hands one of the two to Heron.
 *
 * <p>Only {@link org.heronbridge.BridgePacking}, {@link org.heronbridge.PackingTask},
 * {@link org.heronbridge.PackingCall}, {@link org.heronbridge.FallbackPacker},
 * {@link org.heronbridge.FallbackPlan}, {@link org.heronbridge.BridgeCall},
 * {@link org.heronbridge.BridgeAnswer}, {@link org.heronbridge.AdviceClient},
 * {@link org.heronbridge.HeronPlans}, {@link org.heronbridge.HeronSettings} and the health policy name
 * Heron's classes. They use no method of Heron whose signature mentions a class of protobuf or guava:
 * Heron's copies of those stay under their own names while ours are moved, and differ between its
 * versions.
 */
package org.heronbridge;

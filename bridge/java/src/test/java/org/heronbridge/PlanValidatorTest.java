package org.heronbridge;

import static org.heronbridge.Plans.GB;
import static org.heronbridge.Plans.container;
import static org.heronbridge.Plans.instance;
import static org.heronbridge.Plans.plan;
import static org.heronbridge.Plans.resource;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.Map;
import org.heronbridge.wire.Bolt;
import org.heronbridge.wire.Component;
import org.heronbridge.wire.Config;
import org.heronbridge.wire.ContainerPlan;
import org.heronbridge.wire.InstancePlan;
import org.heronbridge.wire.PackingPlan;
import org.heronbridge.wire.Spout;
import org.heronbridge.wire.Topology;
import org.junit.jupiter.api.Test;

/** Each rule once: what breaks it, and where it matters what just does not. */
class PlanValidatorTest {

  private final Topology.Builder topology = Topology.newBuilder()
      .setId("WordCount123")
      .setName("WordCount")
      .addSpouts(Spout.newBuilder().setComp(component("word", 2)))
      .addBolts(Bolt.newBuilder().setComp(component("count", 2)));

  private PackingPlan current;
  private PackingPlan fallback;
  private Map<String, Integer> deltas = Map.of();
  private int containerCount;
  private long defaultRam = GB;
  private boolean containersFree;
  private SchedulerRules rules = SchedulerRules.FREE;

  @Test
  void aGoodPlan() {
    assertGood(Plans.sideBySide());
  }

  @Test
  void anotherTopology() {
    assertBroken("for topology 'Other'", Plans.sideBySide().toBuilder().setId("Other").build());
  }

  @Test
  void noContainer() {
    assertBroken("no container", plan());
  }

  @Test
  void aContainerWithoutInstance() {
    assertBroken("container 3 holds no instance",
        Plans.sideBySide().toBuilder().addContainerPlans(container(3)).build());
  }

  @Test
  void containerIds() {
    assertBroken("ids start at 1", twoContainers(0, 1));
    assertBroken("container 1 is there twice", twoContainers(1, 1));
    assertGood(twoContainers(7, 3));
  }

  @Test
  void anInstanceTooFewOrTooMany() {
    assertBroken("component count has 1 instances where 2 were asked for", plan(
        container(1, instance("word", 1, 0), instance("word", 2, 1), instance("count", 3, 0))));
    assertBroken("component word has 3 instances where 2 were asked for", plan(
        container(1, instance("word", 1, 0), instance("word", 2, 1), instance("word", 3, 2),
            instance("count", 4, 0), instance("count", 5, 1))));
  }

  @Test
  void aComponentThatNobodyKnows() {
    assertBroken("no component sum", plan(
        container(1, instance("word", 1, 0), instance("word", 2, 1), instance("count", 3, 0),
            instance("count", 4, 1), instance("sum", 5, 0))));
  }

  @Test
  void taskIds() {
    assertBroken("task id 1 is there twice", tasks(1, 1, 2, 3));
    assertBroken("task ids start at 1", tasks(0, 1, 2, 3));
    assertBroken("task ids of a fresh plan must be 1 to 4", tasks(1, 2, 3, 5));
    current = tasks(1, 2, 3, 4);
    assertGood(tasks(1, 2, 3, 5));
  }

  @Test
  void indexes() {
    assertBroken("index 0 of word is there twice", plan(container(1,
        instance("word", 1, 0), instance("word", 2, 0), instance("count", 3, 0),
        instance("count", 4, 1))));
    assertBroken("indexes start at 0", plan(container(1,
        instance("word", 1, -1), instance("word", 2, 0), instance("count", 3, 0),
        instance("count", 4, 1))));
  }

  @Test
  void valuesThatAreNotThere() {
    assertBroken("no task id or no index", withInstance(instance("word", 1, 0).clearTaskId()));
    assertBroken("no task id or no index",
        withInstance(instance("word", 1, 0).clearComponentIndex()));
    assertBroken("states no proper size", withInstance(instance("word", 1, 0).clearResource()));
    assertBroken("states no proper size", withContainer(
        container(1, instance("word", 1, 0)).clearRequiredResource()));
  }

  @Test
  void sizesThatAreNoSizes() {
    for (double cpu : new double[] {-1, Double.NaN, Double.POSITIVE_INFINITY}) {
      assertBroken("states no proper size",
          withInstance(instance("word", 1, 0).setResource(resource(cpu, GB, GB))));
    }
    assertBroken("states no proper size",
        withInstance(instance("word", 1, 0).setResource(resource(1, GB, -1))));
    assertBroken("no proper scheduled size", withContainer(container(1, instance("word", 1, 0))
        .setScheduledResource(resource(1, -GB, GB))));
  }

  @Test
  void aContainerSmallerThanItsInstances() {
    for (double[] factor : new double[][] {{0.9, 1, 1}, {1, 0.9, 1}, {1, 1, 0.9}}) {
      assertBroken("container 1 is smaller than its instances together", withContainer(
          container(1, instance("word", 1, 0)).setRequiredResource(
              resource(factor[0], (long) (factor[1] * GB), (long) (factor[2] * GB)))));
    }
    assertGood(withContainer(
        container(1, instance("word", 1, 0)).setRequiredResource(resource(1 - 1e-9, GB, GB))));
  }

  @Test
  void aContainerLargerThanStated() {
    state("topology.container.ram", 3 * GB);
    state("topology.container.cpu", 2);
    assertBroken("container 1 is larger than the topology states", Plans.sideBySide());
    containersFree = true;
    assertGood(Plans.sideBySide());
    containersFree = false;
    fallback = plan(container(1, instance("word", 1, 0), instance("word", 2, 1)));
    assertGood(Plans.sideBySide());
  }

  @Test
  void aContainerWithItsCoresRounded() {
    state("topology.container.cpu", 2.6);
    assertGood(Plans.sideBySide());
  }

  @Test
  void tooLittleRamForAJvm() {
    long little = PlanValidator.RAM_WITHOUT_HEAP;
    InstancePlan.Builder small = instance("word", 1, 0).setResource(resource(1, little, GB));
    assertBroken("too few to start a JVM", withInstance(small));
    assertGood(withInstance(instance("word", 1, 0).setResource(resource(1, little + 1, GB))));

    state("topology.component.rammap", "count:1,word:" + little);
    assertGood(withInstance(small));
  }

  @Test
  void littleRamThatTheOperatorOrHeronChose() {
    long little = 64L << 20;
    PackingPlan small =
        withInstance(instance("word", 1, 0).setResource(resource(1, little, GB)));
    assertBroken("too few to start a JVM", small);
    fallback = small;
    assertGood(small);
    fallback = null;
    current = small;
    assertGood(small);
    current = null;
    defaultRam = little;
    assertGood(small);
  }

  @Test
  void aRepackCountsFromThePlanThatRuns() {
    current = Plans.sideBySide();
    deltas = Map.of("count", 1, "word", -2);
    assertGood(plan(container(1,
        instance("count", 2, 0), instance("count", 4, 1), instance("count", 5, 2))));
    assertBroken("component count has 2 instances where 3 were asked for", plan(container(1,
        instance("count", 2, 0), instance("count", 4, 1))));
  }

  @Test
  void aStatedNumberOfContainers() {
    current = Plans.sideBySide();
    containerCount = 1;
    assertBroken("2 containers where 1 were asked for", Plans.sideBySide());
    containerCount = 2;
    assertGood(Plans.sideBySide());
  }

  @Test
  void schedulers() {
    rules = SchedulerRules.of("org.apache.heron.scheduler.kubernetes.KubernetesScheduler");
    assertGood(twoContainers(1, 2));
    assertGood(twoContainers(2, 1));
    assertBroken("without gaps", twoContainers(2, 3));
    assertBroken("without gaps", twoContainers(1, 3));
    current = twoContainers(1, 2);
    assertBroken("without gaps", twoContainers(1, 3));

    rules = SchedulerRules.of("org.apache.heron.scheduler.aurora.AuroraScheduler");
    assertGood(twoContainers(1, 3));
    current = null;
    assertBroken("without gaps", twoContainers(1, 3));

    rules = SchedulerRules.of("org.apache.heron.scheduler.nomad.NomadScheduler");
    current = plan(container(1, instance("word", 1, 0), instance("word", 2, 1),
        instance("count", 3, 0), instance("count", 4, 1)));
    assertBroken("cannot change the set of containers", twoContainers(1, 2));
    current = twoContainers(1, 2);
    assertGood(twoContainers(1, 2));

    for (String numbered : new String[] {"Marathon", "Mesos", "Slurm"}) {
      rules = SchedulerRules.of("org.apache.heron.scheduler." + numbered + "Scheduler");
      assertEquals(SchedulerRules.NUMBERED_AT_START, rules);
    }
    for (String free : new String[] {"local.LocalScheduler", "yarn.YarnScheduler", ""}) {
      assertEquals(SchedulerRules.FREE, SchedulerRules.of(free));
    }
  }

  @Test
  void theOrderOfAPlanDoesNotMatter() {
    PackingPlan other = plan(
        container(2, instance("count", 4, 1), instance("word", 3, 1)),
        container(1, instance("count", 2, 0), instance("word", 1, 0)));
    assertTrue(SamePlan.isSame(Plans.sideBySide(), other));
    assertTrue(!SamePlan.isSame(Plans.sideBySide(), twoContainers(1, 2)));
  }

  private void assertGood(PackingPlan plan) {
    assertNull(brokenRule(plan));
  }

  private void assertBroken(String part, PackingPlan plan) {
    String broken = brokenRule(plan);
    assertTrue(broken != null && broken.contains(part), () -> part + " in " + broken);
  }

  private String brokenRule(PackingPlan plan) {
    return PlanValidator.brokenRule(plan, new PlanRequirements(topology.build(), current, deltas,
        containerCount, fallback, defaultRam, containersFree, rules));
  }

  private void state(String key, Object value) {
    topology.getTopologyConfigBuilder()
        .addKvs(Config.KeyValue.newBuilder().setKey(key).setValue(value.toString()));
  }

  private static Component component(String name, int parallelism) {
    return Component.newBuilder()
        .setName(name)
        .setConfig(Config.newBuilder().addKvs(Config.KeyValue.newBuilder()
            .setKey("topology.component.parallelism").setValue(String.valueOf(parallelism))))
        .build();
  }

  private static PackingPlan twoContainers(int one, int other) {
    return plan(
        container(one, instance("word", 1, 0), instance("word", 2, 1)),
        container(other, instance("count", 3, 0), instance("count", 4, 1)));
  }

  private static PackingPlan tasks(int a, int b, int c, int d) {
    return plan(
        container(1, instance("word", a, 0), instance("word", b, 1)),
        container(2, instance("count", c, 0), instance("count", d, 1)));
  }

  /** A good plan but for the instance that is word 0, task 1. */
  private static PackingPlan withInstance(InstancePlan.Builder word) {
    return plan(
        ContainerPlan.newBuilder(container(1, instance("word", 1, 0)).build())
            .clearInstancePlans().addInstancePlans(word),
        container(2, instance("word", 2, 1), instance("count", 3, 0), instance("count", 4, 1)));
  }

  /** A good plan but for the container that is number 1 and holds word 0, task 1. */
  private static PackingPlan withContainer(ContainerPlan.Builder first) {
    return plan(first,
        container(2, instance("word", 2, 1), instance("count", 3, 0), instance("count", 4, 1)));
  }
}

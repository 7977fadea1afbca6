package org.heronbridge;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotNull;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.InputStream;
import java.nio.file.Path;
import java.util.Enumeration;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import java.util.TreeSet;
import java.util.jar.JarEntry;
import java.util.jar.JarFile;
import java.util.regex.Pattern;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.objectweb.asm.AnnotationVisitor;
import org.objectweb.asm.ClassReader;
import org.objectweb.asm.ClassVisitor;
import org.objectweb.asm.FieldVisitor;
import org.objectweb.asm.MethodVisitor;
import org.objectweb.asm.Opcodes;
import org.objectweb.asm.TypePath;
import org.objectweb.asm.commons.ClassRemapper;
import org.objectweb.asm.commons.Remapper;

/** What the finished jars bring, and what they expect to find. */
class FinishedJarIT {

  private static final int JAVA_8 = 52;

  /** All that the plugin may use of Heron. */
  private static final String HERON = "/(spi/packing/\\w+(\\$\\w+)?|spi/common/(Config|Context)|"
      + "common/basics/ByteAmount|api/generated/TopologyAPI(\\$Topology)?|"
      + "proto/system/PackingPlans(\\$PackingPlan)?)";

  /** All that the health policy may use of Heron and Dhalion besides: only the health manager has it. */
  private static final String HEALTH_MANAGER = "com/microsoft/dhalion/\\w+/\\w+(\\$\\w+)?|%1$s/"
      + "(healthmgr/(\\w+/)?\\w+(\\$\\w+)?|scheduler/client/ISchedulerClient|"
      + "spi/statemgr/SchedulerStateManagerAdaptor|"
      + "proto/scheduler/Scheduler(\\$\\w+)*)";
  private static final String HEALTH = "org/heronbridge/health/";

  /** What the libraries look for and do without; none of it is on a class path of Heron's. */
  private static final Pattern OPTIONAL = Pattern.compile(
      "sun/.*|jdk/.*|javax/(net|security|naming|crypto)/.*|org/(eclipse/jetty|conscrypt|bouncycastle)/.*"
      + "|com/(aayushatharva|github/luben|jcraft|ning|oracle|barchart|sun)/.*|net/jpountz/.*|lzma/.*|reactor/.*"
      + "|org/(jboss|jetbrains/annotations|osgi|graalvm)/.*|libcore/.*|dalvik/.*|android/.*");

  @ParameterizedTest
  @CsvSource({
      "heron-bridge-plugin.jar, org/apache/heron, com/twitter/heron",
      "heron-bridge-plugin-heron017.jar, com/twitter/heron, org/apache/heron"})
  void nothingMeetsHeronsLibraries(String name, String heron, String otherHeron) throws Exception {
    Pattern allowed = Pattern.compile("java/.*|org/heronbridge/.*|" + heron + HERON);
    Pattern inHealth = Pattern.compile(
        String.format(HEALTH_MANAGER, heron) + "|" + allowed.pattern());
    Map<String, Set<String>> wrong = new TreeMap<>();
    Set<String> misplaced = new TreeSet<>();
    try (JarFile jar = new JarFile(Path.of(System.getProperty("target.directory"), name).toFile())) {
      assertNotNull(jar.getEntry("org/heronbridge/BridgePacking.class"));
      assertNotNull(jar.getEntry(HEALTH + "BridgeHealthPolicy.class"));
      assertNotNull(jar.getEntry("META-INF/native/liborg_heronbridge_shaded_io_grpc_netty_shaded_"
          + "netty_transport_native_epoll_x86_64.so"));
      Enumeration<JarEntry> entries = jar.entries();
      while (entries.hasMoreElements()) {
        JarEntry entry = entries.nextElement();
        if (!entry.isDirectory() && !entry.getName().startsWith("org/heronbridge/")
            && !entry.getName().startsWith("META-INF/")) {
          misplaced.add(entry.getName());
        }
        if (!entry.getName().endsWith(".class")) {
          continue;
        }
        try (InputStream in = jar.getInputStream(entry)) {
          References references = References.of(in.readAllBytes());
          assertTrue(references.version <= JAVA_8, entry::getName);
          boolean ours = !entry.getName().startsWith("org/heronbridge/shaded/");
          boolean health = entry.getName().startsWith(HEALTH);
          for (String reference : references.names) {
            if (!health && reference.startsWith(HEALTH)) {
              wrong.computeIfAbsent(reference, key -> new TreeSet<>()).add(entry.getName());
            }
            if (!(health ? inHealth : allowed).matcher(reference).matches()
                && (ours || !OPTIONAL.matcher(reference).matches())) {
              wrong.computeIfAbsent(reference, key -> new TreeSet<>()).add(entry.getName());
            }
            if (!ours && reference.startsWith(heron)) {
              wrong.computeIfAbsent(reference, key -> new TreeSet<>()).add(entry.getName());
            }
          }
          for (String text : references.texts) {
            if (ours && text.replace('.', '/').contains(otherHeron)) {
              wrong.computeIfAbsent(text, key -> new TreeSet<>()).add(entry.getName());
            }
          }
        }
      }
    }
    assertEquals(Set.of(), misplaced);
    assertEquals(Map.of(), wrong);
  }

  /** Names of the classes that a class needs to run; annotations it does not. */
  private static final class References {

    private final Set<String> names = new TreeSet<>();
    private final Set<String> texts = new TreeSet<>();
    private int version;

    static References of(byte[] bytes) {
      References references = new References();
      ClassReader reader = new ClassReader(bytes);
      references.version = reader.readShort(6);
      Remapper collector = new Remapper(Opcodes.ASM9) {
        @Override
        public String map(String name) {
          references.names.add(name);
          return name;
        }

        @Override
        public Object mapValue(Object value) {
          if (value instanceof String) {
            references.texts.add((String) value);
          }
          return super.mapValue(value);
        }
      };
      reader.accept(new WithoutAnnotations(new ClassRemapper(null, collector)), 0);
      return references;
    }
  }

  /** Leaves annotations out. */
  private static final class WithoutAnnotations extends ClassVisitor {

    WithoutAnnotations(ClassVisitor next) {
      super(Opcodes.ASM9, next);
    }

    @Override
    public AnnotationVisitor visitAnnotation(String descriptor, boolean visible) {
      return null;
    }

    @Override
    public AnnotationVisitor visitTypeAnnotation(
        int typeRef, TypePath typePath, String descriptor, boolean visible) {
      return null;
    }

    @Override
    public FieldVisitor visitField(
        int access, String name, String descriptor, String signature, Object value) {
      FieldVisitor next = super.visitField(access, name, descriptor, null, value);
      return new FieldVisitor(Opcodes.ASM9, next) {
        @Override
        public AnnotationVisitor visitAnnotation(String descriptor, boolean visible) {
          return null;
        }

        @Override
        public AnnotationVisitor visitTypeAnnotation(
            int typeRef, TypePath typePath, String descriptor, boolean visible) {
          return null;
        }
      };
    }

    @Override
    public MethodVisitor visitMethod(
        int access, String name, String descriptor, String signature, String[] exceptions) {
      MethodVisitor next = super.visitMethod(access, name, descriptor, null, exceptions);
      return new MethodVisitor(Opcodes.ASM9, next) {
        @Override
        public AnnotationVisitor visitAnnotation(String descriptor, boolean visible) {
          return null;
        }

        @Override
        public AnnotationVisitor visitTypeAnnotation(
            int typeRef, TypePath typePath, String descriptor, boolean visible) {
          return null;
        }

        @Override
        public AnnotationVisitor visitParameterAnnotation(
            int parameter, String descriptor, boolean visible) {
          return null;
        }
      };
    }
  }
}

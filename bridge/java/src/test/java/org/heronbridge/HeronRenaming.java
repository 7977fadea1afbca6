package org.heronbridge;

import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Enumeration;
import java.util.jar.JarEntry;
import java.util.jar.JarFile;
import java.util.jar.JarOutputStream;
import java.util.stream.Stream;
import org.objectweb.asm.ClassReader;
import org.objectweb.asm.ClassVisitor;
import org.objectweb.asm.ClassWriter;
import org.objectweb.asm.Opcodes;
import org.objectweb.asm.commons.ClassRemapper;
import org.objectweb.asm.commons.Remapper;

/** Makes of com.twitter.heron what Heron 0.20 has under org.apache.heron, which is not published. */
final class HeronRenaming extends Remapper {

  private static final String OLD = "com/twitter/heron/";
  private static final String NEW = "org/apache/heron/";

  HeronRenaming() {
    super(Opcodes.ASM9);
  }

  @Override
  public String map(String name) {
    return name.startsWith(OLD) ? NEW + name.substring(OLD.length()) : name;
  }

  /** Heron's own classes of a jar, renamed, without the guava and protobuf that it carries. */
  static void renameJar(Path from, Path to) throws IOException {
    try (JarFile jar = new JarFile(from.toFile());
        OutputStream file = Files.newOutputStream(to);
        JarOutputStream out = new JarOutputStream(file)) {
      Enumeration<JarEntry> entries = jar.entries();
      while (entries.hasMoreElements()) {
        JarEntry entry = entries.nextElement();
        if (entry.getName().startsWith(OLD) && entry.getName().endsWith(".class")) {
          try (InputStream in = jar.getInputStream(entry)) {
            out.putNextEntry(
                new JarEntry(NEW + entry.getName().substring(OLD.length())));
            out.write(renamed(in.readAllBytes()));
            out.closeEntry();
          }
        }
      }
    }
  }

  /** Every class below a directory, renamed. */
  static void renameDirectory(Path from, Path to) throws IOException {
    try (Stream<Path> files = Files.walk(from)) {
      for (Path file : (Iterable<Path>) files.filter(Files::isRegularFile)::iterator) {
        Path target = to.resolve(from.relativize(file).toString());
        Files.createDirectories(target.getParent());
        Files.write(target, renamed(Files.readAllBytes(file)));
      }
    }
  }

  private static byte[] renamed(byte[] bytes) {
    ClassWriter writer = new ClassWriter(0);
    new ClassReader(bytes).accept(new ClassRemapper(new Repacking(writer), new HeronRenaming()), 0);
    return writer.toByteArray();
  }

  /** Gives IRepacking the method that it has since 0.19. */
  private static final class Repacking extends ClassVisitor {

    private boolean isRepacking;

    Repacking(ClassVisitor next) {
      super(Opcodes.ASM9, next);
    }

    @Override
    public void visit(int version, int access, String name, String signature, String superName,
        String[] interfaces) {
      isRepacking = name.equals(NEW + "spi/packing/IRepacking");
      super.visit(version, access, name, signature, superName, interfaces);
    }

    @Override
    public void visitEnd() {
      if (isRepacking) {
        String plan = "L" + NEW + "spi/packing/PackingPlan;";
        visitMethod(Opcodes.ACC_PUBLIC | Opcodes.ACC_ABSTRACT, "repack",
            "(" + plan + "ILjava/util/Map;)" + plan, null, null).visitEnd();
      }
      super.visitEnd();
    }
  }
}

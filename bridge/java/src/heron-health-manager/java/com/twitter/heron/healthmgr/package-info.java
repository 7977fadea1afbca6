/**
 * Declarations of what the health policy uses of Heron's health manager and of its scheduler client,
 * which are published nowhere. They carry names and signatures only, are there for the compiler, and
 * never get into a jar: Heron's own classes stand on the class path of the health manager.
 */
package com.twitter.heron.healthmgr;

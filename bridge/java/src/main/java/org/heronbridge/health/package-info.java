/**
 * The health policy that runs in Heron's health manager: what it measures and remembers, what it asks
 * the bridge, and what it has the scheduler do. Needs Dhalion 0.2, which Heron brings from 0.18 on,
 * and is loaded by nothing but the health manager.
 */
package org.heronbridge.health;

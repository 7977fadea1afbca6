"""Health policies in a closed loop with the simulation: who reaches a healthy topology, and how."""

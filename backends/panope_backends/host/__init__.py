"""What this process may use of its machine: processors, memory and instructions, a container's limits included."""

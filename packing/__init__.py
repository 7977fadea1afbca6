"""Pure planning for Heron topologies: no files, sockets, clocks or protobuf."""
